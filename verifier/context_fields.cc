// SPDX-License-Identifier: Apache-2.0
#include "context_fields.h"

#include <span>

namespace kiln::verifier {
namespace {

/// How wide an access may be. All are aligned to their own size.
enum class Width : u8 {
  kNone,    ///< not at all
  k4,       ///< four bytes
  k8,       ///< eight bytes
  k1,       ///< one byte
  kUpTo2,   ///< one or two
  kUpTo4,   ///< one, two or four
  kUpTo8,   ///< any
  kInside,  ///< any that stays in the field
  k4OrWide, ///< four; eight where aligned and inside the field
  kUpTo4OrWide,
};

constexpr unsigned bit(ProgramType type) { return 1u << static_cast<unsigned>(type); }
constexpr unsigned kTc = bit(ProgramType::kSchedCls) | bit(ProgramType::kSchedAct);
constexpr unsigned kFilter = bit(ProgramType::kSocketFilter);
constexpr unsigned kCgroup = bit(ProgramType::kCgroupSkb);
constexpr unsigned kSkSkb = bit(ProgramType::kSkSkb);
constexpr unsigned kLwt = bit(ProgramType::kLwtIn) | bit(ProgramType::kLwtOut) | bit(ProgramType::kLwtXmit) |
                          bit(ProgramType::kLwtSeg6local);
constexpr unsigned kSkb = kTc | kFilter | kCgroup | kSkSkb | kLwt;
constexpr unsigned kSkbData = kTc | kCgroup | kSkSkb | kLwt;
constexpr unsigned kNobody = 0;

/// Bytes [from, to) of a context: who may load them and how, who may store them and how.
struct Field {
  s64 from, to;
  Width load;
  unsigned loaders;
  Width store = Width::kNone;
  unsigned storers = kNobody;
  ContextValue value = ContextValue::kNumber;
};

constexpr unsigned kAll = ~0u;
using V = ContextValue;

// struct __sk_buff
constexpr Field kSkBuff[] = {
    {0, 8, Width::kUpTo4, kSkb},                                                     // len, pkt_type
    {8, 12, Width::kUpTo4, kSkb & ~kSkSkb, Width::k4, kTc | kCgroup | kLwt},         // mark
    {12, 16, Width::kUpTo4, kSkb, Width::k4, kTc},                                   // queue_mapping
    {16, 32, Width::kUpTo4, kSkb},                                                   // protocol, vlan_*
    {32, 36, Width::kUpTo4, kSkb, Width::k4, kTc | kCgroup | kLwt | kSkSkb},         // priority
    {36, 44, Width::kUpTo4, kSkb},                                                   // ingress_ifindex, ifindex
    {44, 48, Width::kUpTo4, kSkb, Width::k4, kTc | kSkSkb},                          // tc_index
    {48, 68, Width::kInside, kSkb, Width::kInside, kTc | kFilter | kCgroup | kLwt},  // cb
    {68, 72, Width::kUpTo4, kSkb},                                                   // hash
    {72, 76, Width::kUpTo4, kTc, Width::k4, kTc},                                    // tc_classid
    {76, 80, Width::k4, kSkbData, Width::kNone, kNobody, V::kPacket},                // data
    {80, 84, Width::k4, kSkbData, Width::kNone, kNobody, V::kPacketEnd},             // data_end
    {84, 88, Width::kUpTo4, kSkb},                                                   // napi_id
    {88, 92, Width::kUpTo4, kCgroup | kSkSkb},                                       // family
    {92, 132, Width::k4, kCgroup | kSkSkb},                                          // remote_ip4 .. local_ip6
    {132, 140, Width::kUpTo4, kCgroup | kSkSkb},                                     // remote_port, local_port
    {140, 144, Width::k4, kTc, Width::kNone, kNobody, V::kPacketMeta},               // data_meta
    {152, 160, Width::k8, kTc | kCgroup, Width::k8, kTc | kCgroup},                  // tstamp
    {160, 164, Width::kUpTo4, kTc},                                                  // wire_len
    {164, 168, Width::kUpTo4, kSkb},                                                 // gso_segs
    {168, 176, Width::k8, kSkb, Width::kNone, kNobody, V::kSockCommonOrNull},        // sk
    {176, 180, Width::kUpTo4, kSkb},                                                 // gso_size
    {180, 181, Width::k1, kTc},                                                      // tstamp_type
    {184, 192, Width::k8, kTc | kCgroup},                                            // hwtstamp
};

// struct bpf_nf_ctx
constexpr Field kNetfilterHook[] = {
    {0, 8, Width::k8, kAll, Width::kNone, kNobody, V::kHookState},
    {8, 16, Width::k8, kAll, Width::kNone, kNobody, V::kSkBuff},
};

// struct __sk_buff again, for flow dissectors.
constexpr Field kFlowDissector[] = {
    {76, 80, Width::k4, kAll, Width::kNone, kNobody, V::kPacket},
    {80, 84, Width::k4, kAll, Width::kNone, kNobody, V::kPacketEnd},
    {144, 152, Width::k8, kAll, Width::kNone, kNobody, V::kFlowKeys},
};

// struct xdp_md
constexpr Field kXdpMd[] = {
    {0, 4, Width::k4, kAll, Width::kNone, kNobody, V::kPacket},
    {4, 8, Width::k4, kAll, Width::kNone, kNobody, V::kPacketEnd},
    {8, 12, Width::k4, kAll, Width::kNone, kNobody, V::kPacketMeta},
    {12, 24, Width::k4, kAll},  // ingress_ifindex, rx_queue_index, egress_ifindex
};

// struct bpf_sock; the attach point limits it further
constexpr Field kSock[] = {
    {0, 4, Width::k4, kAll, Width::k4, kAll},    // bound_dev_if
    {4, 16, Width::kUpTo4, kAll},                // family, type, protocol: from their start
    {16, 24, Width::k4, kAll, Width::k4, kAll},  // mark, priority
    {24, 48, Width::kUpTo4, kAll},               // src_ip4, src_ip6, src_port
    {48, 52, Width::kUpTo4, kAll},               // dst_port, of which only two bytes are
    {52, 80, Width::kUpTo4, kAll},               // dst_ip4, dst_ip6, state, rx_queue_mapping
};

// struct bpf_sock_addr
constexpr Field kSockAddr[] = {
    {0, 4, Width::k4, kAll},                                         // user_family
    {4, 8, Width::kUpTo4, kAll, Width::k4, kAll},                    // user_ip4
    {8, 24, Width::kUpTo4OrWide, kAll, Width::k4OrWide, kAll},       // user_ip6
    {24, 28, Width::kUpTo4, kAll, Width::k4, kAll},                  // user_port
    {28, 40, Width::k4, kAll},                                       // family, type, protocol
    {40, 44, Width::kUpTo4, kAll, Width::k4, kAll},                  // msg_src_ip4
    {44, 60, Width::kUpTo4OrWide, kAll, Width::k4OrWide, kAll},      // msg_src_ip6
    {64, 72, Width::k8, kAll, Width::kNone, kNobody, V::kSocket},    // sk
};

// struct bpf_sock_ops
constexpr Field kSockOps[] = {
    {0, 4, Width::k4, kAll},                                              // op
    {4, 8, Width::k4, kAll, Width::k4, kAll},                             // reply
    {8, 164, Width::k4, kAll},                                            // args .. sacked_out
    {164, 168, Width::k4, kAll, Width::k4, kAll},                         // sk_txhash
    {168, 184, Width::k8, kAll},                                          // bytes_received, bytes_acked
    {184, 192, Width::k8, kAll, Width::kNone, kNobody, V::kSocketOrNull},  // sk
    {192, 200, Width::k8, kAll, Width::kNone, kNobody, V::kPacket},        // skb_data
    {200, 208, Width::k8, kAll, Width::kNone, kNobody, V::kPacketEnd},     // skb_data_end
    {208, 212, Width::k4, kAll},                                          // skb_len
    {212, 216, Width::kUpTo4, kAll},                                      // skb_tcp_flags: from its start
    {216, 224, Width::k8, kAll},                                          // skb_hwtstamp
};

// struct sk_msg_md
constexpr Field kSkMsg[] = {
    {0, 8, Width::k8, kAll, Width::kNone, kNobody, V::kPacket},
    {8, 16, Width::k8, kAll, Width::kNone, kNobody, V::kPacketEnd},
    {16, 72, Width::k4, kAll},                                        // family .. size
    {72, 80, Width::k8, kAll, Width::kNone, kNobody, V::kSocket},     // sk
};

// struct sk_reuseport_md
constexpr Field kReuseport[] = {
    {0, 8, Width::k8, kAll, Width::kNone, kNobody, V::kPacket},
    {8, 16, Width::k8, kAll, Width::kNone, kNobody, V::kPacketEnd},
    {16, 32, Width::kUpTo4, kAll},                                             // len .. bind_inany
    {32, 36, Width::k4, kAll},                                                 // hash
    {40, 48, Width::k8, kAll, Width::kNone, kNobody, V::kSocket},              // sk
    {48, 56, Width::k8, kAll, Width::kNone, kNobody, V::kSockCommonOrNull},    // migrating_sk
};

// struct bpf_sk_lookup
constexpr Field kSkLookup[] = {
    {0, 8, Width::k8, kAll, Width::kNone, kNobody, V::kSocketOrNull},  // sk
    {8, 68, Width::kUpTo4, kAll},                                      // family .. ingress_ifindex
};

constexpr Field kCgroupDevice[] = {{0, 4, Width::kUpTo4, kAll}, {4, 12, Width::k4, kAll}};
constexpr Field kCgroupSysctl[] = {{0, 4, Width::kUpTo4, kAll}, {4, 8, Width::kUpTo4, kAll, Width::k4, kAll}};

// struct bpf_sockopt; the attach point limits it further
constexpr Field kSockopt[] = {
    {0, 8, Width::k8, kAll, Width::kNone, kNobody, V::kSocket},       // sk
    {8, 16, Width::k8, kAll, Width::kNone, kNobody, V::kPacket},      // optval
    {16, 24, Width::k8, kAll, Width::kNone, kNobody, V::kPacketEnd},  // optval_end
    {24, 40, Width::k4, kAll, Width::k4, kAll},                       // level, optname, optlen, retval
};

// struct pt_regs of x86-64; tracepoint records; struct bpf_perf_event_data; arguments; bpf(2) arguments
constexpr Field kRegisters[] = {{0, 168, Width::kUpTo8, kAll}};
constexpr Field kTracepoint[] = {{8, 8192, Width::kUpTo8, kAll}};
constexpr Field kPerfEvent[] = {{0, 168, Width::k8, kAll}, {168, 184, Width::kUpTo8, kAll}};
constexpr Field kArguments[] = {{0, 96, Width::kUpTo8, kAll}};
constexpr Field kWritableArguments[] = {{0, 8, Width::k8, kAll, Width::kNone, kNobody, V::kTracepointBuffer},
                                        {8, 96, Width::kUpTo8, kAll}};
constexpr Field kSyscall[] = {{0, 65535, Width::kUpTo8, kAll, Width::kUpTo8, kAll}};

std::span<const Field> fields_of(ProgramType type) {
  switch (type) {
    case ProgramType::kXdp: return kXdpMd;
    case ProgramType::kSchedCls:
    case ProgramType::kSchedAct:
    case ProgramType::kSocketFilter:
    case ProgramType::kCgroupSkb:
    case ProgramType::kSkSkb:
    case ProgramType::kLwtIn:
    case ProgramType::kLwtOut:
    case ProgramType::kLwtXmit:
    case ProgramType::kLwtSeg6local: return kSkBuff;
    case ProgramType::kNetfilter: return kNetfilterHook;
    case ProgramType::kFlowDissector: return kFlowDissector;
    case ProgramType::kCgroupSock: return kSock;
    case ProgramType::kCgroupSockAddr: return kSockAddr;
    case ProgramType::kSockOps: return kSockOps;
    case ProgramType::kSkMsg: return kSkMsg;
    case ProgramType::kSkReuseport: return kReuseport;
    case ProgramType::kSkLookup: return kSkLookup;
    case ProgramType::kCgroupDevice: return kCgroupDevice;
    case ProgramType::kCgroupSysctl: return kCgroupSysctl;
    case ProgramType::kCgroupSockopt: return kSockopt;
    case ProgramType::kKprobe: return kRegisters;
    case ProgramType::kTracepoint: return kTracepoint;
    case ProgramType::kPerfEvent: return kPerfEvent;
    case ProgramType::kRawTracepoint: return kArguments;
    case ProgramType::kRawTracepointWritable: return kWritableArguments;
    case ProgramType::kSyscall: return kSyscall;
    default: return {};
  }
}

bool fits(Width width, const Field& field, const ContextAccess& a) {
  const bool inside = a.off + a.bytes <= field.to;
  switch (width) {
    case Width::kNone: return false;
    case Width::k1: return a.bytes == 1;
    case Width::k4: return a.bytes == 4;
    case Width::k8: return a.bytes == 8;
    case Width::kUpTo2: return a.bytes <= 2;
    case Width::kUpTo4: return a.bytes <= 4;
    case Width::kUpTo8: return true;
    case Width::kInside: return inside;
    case Width::k4OrWide: return a.bytes == 4 || (a.bytes == 8 && inside);
    case Width::kUpTo4OrWide: return a.bytes <= 4 || (a.bytes == 8 && inside);
  }
  return false;
}

template <typename... Types>
bool is_any(AttachType attach, Types... types) {
  return ((attach == types) || ...);
}

/// Fields that only some attach points have.
bool attach_allows(ProgramType type, AttachType attach, const ContextAccess& a) {
  using A = AttachType;
  const auto in = [&a](s64 from, s64 to) { return a.off >= from && a.off < to; };
  switch (type) {
    case ProgramType::kXdp:
      return a.off != 20 || attach == A::kXdpDevmap;  // egress_ifindex
    case ProgramType::kCgroupSock: {
      const bool post4 = attach == A::kCgroupInet4PostBind, post6 = attach == A::kCgroupInet6PostBind;
      if (a.off == 0 || in(16, 24)) {
        return is_any(attach, A::kCgroupInetSockCreate, A::kCgroupInetSockRelease) && (a.off % 4 == 0);
      }
      if (in(4, 16)) {
        return a.off % 4 == 0;
      }
      if (in(48, 52)) {  // dst_port
        return a.bytes == 4 || (a.off < 50 && a.bytes <= 2);
      }
      if (in(24, 28)) {
        return post4;
      }
      return in(28, 44) ? post6 : in(44, 48) ? (post4 || post6) && a.off == 44 : !in(72, 80) || a.off % 4 == 0;
    }
    case ProgramType::kCgroupSockAddr:
      if (in(4, 8)) {
        return is_any(attach, A::kCgroupInet4Bind, A::kCgroupInet4Connect, A::kCgroupInet4Getpeername,
                      A::kCgroupInet4Getsockname, A::kCgroupUdp4Sendmsg, A::kCgroupUdp4Recvmsg);
      }
      if (in(8, 24)) {
        return is_any(attach, A::kCgroupInet6Bind, A::kCgroupInet6Connect, A::kCgroupInet6Getpeername,
                      A::kCgroupInet6Getsockname, A::kCgroupUdp6Sendmsg, A::kCgroupUdp6Recvmsg);
      }
      return in(40, 44) ? attach == A::kCgroupUdp4Sendmsg : !in(44, 60) || attach == A::kCgroupUdp6Sendmsg;
    case ProgramType::kCgroupSockopt: {
      const bool get = attach == A::kCgroupGetsockopt;
      if (in(36, 40)) {  // retval
        return get;
      }
      return !a.write || !in(24, 32) || attach == A::kCgroupSetsockopt;
    }
    case ProgramType::kSockOps:
      return !in(213, 216);
    case ProgramType::kSkReuseport:
      return !in(20, 24) || a.bytes >= 2;  // eth_protocol
    case ProgramType::kSkLookup:
      return !in(36, 40) || (a.off == 36 && a.bytes == 4) || a.bytes <= 2;  // remote_port
    default:
      return true;
  }
}

}  // namespace

bool has_context(ProgramType type) { return !fields_of(type).empty(); }

std::optional<ContextValue> context_access(ProgramType type, AttachType attach, const ContextAccess& a) {
  if (a.off < 0 || a.off % a.bytes != 0 || !attach_allows(type, attach, a)) {
    return std::nullopt;
  }
  for (const Field& field : fields_of(type)) {
    if (a.off < field.from || a.off >= field.to) {
      continue;
    }
    const unsigned who = a.write ? field.storers : field.loaders;
    const bool allowed = (who & bit(type)) != 0 && fits(a.write ? field.store : field.load, field, a);
    const bool whole = field.value == ContextValue::kNumber || !a.sign_extends;
    return allowed && whole ? std::optional(field.value) : std::nullopt;
  }
  return std::nullopt;
}

}  // namespace kiln::verifier
