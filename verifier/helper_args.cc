// SPDX-License-Identifier: Apache-2.0
//
// Arguments of helpers, by the kinds of helpers.def.
//
// Rules: every argument is initialised and of a type that its kind accepts; NULL only where the kind
// says so. What is not memory is unmodified. A map is one that the helper accepts and may change.
// What lies behind memory arguments is helper_memory.cc's.
#include <string>

#include "checker.h"
#include "helper_rules.h"

namespace kiln::verifier {
namespace {

bool may_be_null(HelperArg arg) {
  switch (arg) {
    case HelperArg::kContextOrNull:
    case HelperArg::kMapValueOrNull:
    case HelperArg::kMemReadonlyOrNull:
    case HelperArg::kMemWriteOrNull:
    case HelperArg::kStackOrNull:
    case HelperArg::kKptrRelease:
    case HelperArg::kSocketOrNull:
    case HelperArg::kBtfSockCommonOrNull:
    case HelperArg::kBtfSockOrNull:
    case HelperArg::kBtfTaskOrNull:
    case HelperArg::kBtfCgroupOrNull:
    case HelperArg::kBtfInodeOrNull:
      return true;
    default:
      return false;
  }
}

/// Read memory may be of types that are only for reading.
bool reads_only(HelperArg arg) {
  return arg == HelperArg::kMemReadonly || arg == HelperArg::kMemReadonlyOrNull || arg == HelperArg::kIpv4Header ||
         arg == HelperArg::kIpv6Header || arg == HelperArg::kTcpHeader;
}

constexpr unsigned bit(RegType type) { return 1u << static_cast<unsigned>(type); }
constexpr unsigned kMemoryTypes = bit(RegType::kStack) | bit(RegType::kPacket) | bit(RegType::kPacketMeta) |
                                  bit(RegType::kMapKey) | bit(RegType::kMapValue) | bit(RegType::kMem) | bit(RegType::kBuf);
constexpr unsigned kSocketTypes = bit(RegType::kSockCommon) | bit(RegType::kSocket) | bit(RegType::kTcpSock) |
                                  bit(RegType::kXdpSock);

/// Register types that fit, and the kernel's list of them ("expected=...").
struct Accepted {
  unsigned types;
  std::string_view words;
};

Accepted accepted(HelperArg arg) {
  switch (arg) {
    case HelperArg::kScalar:
    case HelperArg::kSize:
    case HelperArg::kSizeOrZero:
    case HelperArg::kAllocSize:
      return {bit(RegType::kScalar), "scalar"};
    case HelperArg::kContext:
    case HelperArg::kContextOrNull:
      return {bit(RegType::kCtx), "ctx"};
    case HelperArg::kMapPtr:
      return {bit(RegType::kMapPtr), "map_ptr"};
    case HelperArg::kFunction:
      return {bit(RegType::kFunc), "func"};
    case HelperArg::kStackOrNull:
      return {bit(RegType::kStack), "fp"};
    case HelperArg::kConstString:
    case HelperArg::kTimer:
      return {bit(RegType::kMapValue), "map_value"};
    case HelperArg::kSpinLock:
      return {bit(RegType::kMapValue) | bit(RegType::kBtf), "map_value, ptr_"};
    case HelperArg::kKptrDest:
      return {bit(RegType::kMapValue) | bit(RegType::kBtf), "map_value, ptr_, ptr_, rcu_ptr_"};
    case HelperArg::kDynptr:
    case HelperArg::kDynptrLocalUninit:
    case HelperArg::kDynptrRingbufUninit:
    case HelperArg::kDynptrRingbufRelease:
      return {bit(RegType::kStack) | bit(RegType::kDynptr), "fp, dynptr_ptr"};
    case HelperArg::kRingbufMemRelease:
      return {bit(RegType::kMem), "ringbuf_mem"};
    case HelperArg::kSocketOrNull:
      return {bit(RegType::kSocket), "sock"};
    case HelperArg::kSockCommon:
      return {kSocketTypes, "sock_common, sock, tcp_sock, xdp_sock"};
    case HelperArg::kBtfSockCommon:
    case HelperArg::kBtfSockCommonOrNull:
    case HelperArg::kBtfSockCommonRelease:
      return {kSocketTypes | bit(RegType::kBtf), "sock_common, sock, tcp_sock, xdp_sock, ptr_, trusted_ptr_"};
    case HelperArg::kPercpuBtf:
      return {bit(RegType::kBtf), "percpu_ptr_, percpu_rcu_ptr_, percpu_trusted_ptr_"};
    case HelperArg::kKptrRelease:
      return {bit(RegType::kBtf), "ptr_, trusted_ptr_, rcu_ptr_"};
    case HelperArg::kBtfSockOrNull:
    case HelperArg::kBtfTcpSock:
    case HelperArg::kBtfTask:
    case HelperArg::kBtfTaskOrNull:
    case HelperArg::kBtfCgroupOrNull:
    case HelperArg::kBtfInode:
    case HelperArg::kBtfInodeOrNull:
    case HelperArg::kBtfFile:
    case HelperArg::kBtfPath:
    case HelperArg::kBtfSeqFile:
    case HelperArg::kBtfSkBuff:
    case HelperArg::kBtfXdpBuff:
    case HelperArg::kBtfLinuxBinprm:
      return {bit(RegType::kBtf), "ptr_, trusted_ptr_, rcu_ptr_"};
    default:
      return {kMemoryTypes | bit(RegType::kBtf), "fp, pkt, pkt_meta, map_key, map_value, mem, ringbuf_mem, buf, trusted_ptr_"};
  }
}

/// Memory is where a pointer may have moved; everything else is handed over as it is.
bool is_release(HelperArg arg) {
  return arg == HelperArg::kRingbufMemRelease || arg == HelperArg::kBtfSockCommonRelease ||
         arg == HelperArg::kDynptrRingbufRelease || arg == HelperArg::kKptrRelease;
}

/// Of what kind of structure a pointer may be. What a helper wants of the kernel's is check_struct_argument()'s.
bool fits_object(const Reg& reg, HelperArg want) {
  const bool own = reg.has(kOwned) && !reg.has(kUntrusted);
  switch (want) {
    case HelperArg::kSpinLock: return own && !reg.has(kNonOwning | kPerCpu | kRcu);
    case HelperArg::kKptrDest: return own && !reg.has(kPerCpu) && (!reg.has(kRcu) || reg.has(kNonOwning));
    case HelperArg::kKptrRelease: return own ? !reg.has(kNonOwning | kRcu) : !reg.has(kUntrusted | kUser | kPerCpu);
    case HelperArg::kPercpuBtf: return reg.has(kPerCpu) && !reg.has(kUntrusted | kUser) && (!own || reg.has(kRcu));
    default:
      return !argument_struct(want).empty() ||
             (reg.has(kTrusted) && !reg.has(kUntrusted | kUser | kPerCpu | kRcu | kOwned | kNonOwning));
  }
}

bool must_be_unmodified(RegType type) {
  return (bit(type) & (kMemoryTypes | bit(RegType::kScalar) | bit(RegType::kBtf))) == 0;
}

}  // namespace

bool Checker::check_argument_type(unsigned number, HelperArg want) {
  const Reg& reg = state().reg(number);
  const Accepted fits = accepted(want);
  const bool null_ok = !reg.maybe_null || may_be_null(want);
  const bool readonly_ok = (reg.type != RegType::kMem && reg.type != RegType::kBuf) || !reg.has(kReadOnly) || reads_only(want);
  const bool object_ok = reg.type != RegType::kBtf || fits_object(reg, want);
  const bool record_ok = want != HelperArg::kRingbufMemRelease || reg.has(kRingbuf);
  return ((fits.types & bit(reg.type)) != 0 && null_ok && readonly_ok && record_ok && object_ok) ||
         reject("R{} type={} expected={}", number, type_name(reg), fits.words);
}

/// The values of socket maps are sockets.
HelperArg Checker::kind_for_map(const CallContext& call, HelperArg want) const {
  const bool is_value = want == HelperArg::kMapValue || want == HelperArg::kMapValueOrNull;
  if (!is_value || call.map < 0) {
    return want;
  }
  const MapType type = object_.maps[static_cast<std::size_t>(call.map)].type;
  return type == MapType::kSockmap || type == MapType::kSockhash ? HelperArg::kBtfSockCommon : want;
}

/// A struct of the kernel's, of the type that the helper wants.
bool Checker::check_struct_argument(unsigned number, HelperArg want) {
  const std::string_view name = argument_struct(want);
  Reg wanted;
  return name.empty() || (name_kernel_type(wanted, name) &&
                          check_kernel_struct(number, static_cast<u32>(wanted.extra), may_be_null(want), false));
}

bool Checker::check_argument(CallContext& call, unsigned index) {
  const HelperArg want = kind_for_map(call, call.helper->args[index]);
  const unsigned number = index + 1;
  if (!is_checked(want)) {
    return true;
  }
  if (!check_readable(number)) {
    return false;
  }
  if (want == HelperArg::kAnything) {
    return true;
  }
  const Reg reg = state().reg(number);
  if (is_packet_pointer(reg.type) && !rules_.packet_to_helpers &&
      !(rules_.packet_read && call.helper->has(kReadsPacket))) {
    return reject("helper access to the packet is not allowed");
  }
  if (may_be_null(want) && reg.is_null_constant()) {
    make_precise(number);
  } else if (!check_argument_type(number, want) ||
             (must_be_unmodified(reg.type) && !check_fixed_pointer(number, reg))) {
    return false;
  } else if (reg.type == RegType::kBtf && !check_struct_argument(number, want)) {
    return false;
  } else if (want == HelperArg::kKptrRelease && !check_kept_type(number, *call.kept)) {
    return false;
  } else if (is_release(want) && want != HelperArg::kDynptrRingbufRelease) {
    if (reg.off != 0) {
      return reject("R{} must have zero offset when passed to release func or trusted arg to kfunc", number);
    }
    if (!check_fixed_pointer(number, reg)) {
      return false;
    }
  }
  if (!note_reference(call, number, want)) {
    return false;
  }
  switch (want) {
    case HelperArg::kMapPtr:
      if (call.timer && (call.map != reg.extra || call.map_uid != reg.uid)) {
        return reject("timer pointer in R1 map_uid={} doesn't match map pointer in R2 map_uid={}", call.map_uid,
                      reg.uid);
      }
      call.map = reg.extra;
      call.map_uid = reg.uid;
      return true;
    case HelperArg::kSpinLock:
      return check_spin_lock(number, static_cast<HelperId>(call.helper->number) == HelperId::spin_lock);
    case HelperArg::kTimer:
      call.timer = true;
      call.map = reg.extra;
      call.map_uid = reg.uid;
      return exact_field(number, FieldKind::kTimer, "bpf_timer") != nullptr;
    case HelperArg::kDynptr:
      return use_dynptr(number, std::nullopt, &call.dynptr);
    case HelperArg::kDynptrLocalUninit:
      if (state().reg(1).type != RegType::kMapValue) {
        return reject("Unsupported reg type {} for bpf_dynptr_from_mem data", type_name(state().reg(1)));
      }
      return make_dynptr(number, DynptrType::kLocal, 0);
    case HelperArg::kDynptrRingbufUninit:
      return make_dynptr(number, DynptrType::kRingbuf, 0);
    case HelperArg::kDynptrRingbufRelease:
      return use_dynptr(number, DynptrType::kRingbuf, nullptr);
    case HelperArg::kConstString:
      return check_const_string(number, reg);
    case HelperArg::kKptrDest:
      return check_exchange(call, number);
    case HelperArg::kAllocSize:
      if (!reg.bounds.is_constant()) {
        return reject("R{} is not a known constant'", number);
      }
      call.alloc_size = reg.bounds.value();
      make_precise(number);
      return true;
    default:
      return check_memory_of(call, number, want);
  }
}

/// Arguments that carry a reference, and those that give it back.
bool Checker::note_reference(CallContext& call, unsigned number, HelperArg want) {
  const Reg reg = state().reg(number);
  if (is_release(want)) {
    if (want == HelperArg::kDynptrRingbufRelease) {
      if (reg.type != RegType::kStack) {
        return reject("cannot release unowned const bpf_dynptr");
      }
      const Reg* dynptr = dynptr_of(reg);
      if (dynptr == nullptr || dynptr->ref == 0) {
        return reject("arg {} is an unacquired reference", number);
      }
    } else if (reg.ref == 0 && !reg.is_null_constant()) {
      return reject("R{} must be referenced when passed to release function", number);
    }
    call.released = number;
  }
  if (reg.ref != 0 && want != HelperArg::kKptrDest) {
    if (call.reference != 0) {
      return reject("more than one arg with ref_obj_id R{} {} {}", number, reg.ref, call.reference);
    }
    call.reference = reg.ref;
  }
  return true;
}

bool Checker::check_arguments(CallContext& call) {
  for (unsigned i = 0; i < call.helper->args.size(); ++i) {
    if (!check_argument(call, i)) {
      return false;
    }
  }
  if (call.map < 0) {
    return true;
  }
  const MapSpec& map = object_.maps[static_cast<std::size_t>(call.map)];
  if (call.helper->has(kWritesMap) && is_read_only(map)) {
    return reject("write into map forbidden");
  }
  if (!fits_map(*call.helper, map.type)) {
    const bool tail_call = static_cast<HelperId>(call.helper->number) == HelperId::tail_call;
    return tail_call ? reject("expected prog array map for tail call")
                     : reject("cannot pass map_type {} into func bpf_{}#{}", static_cast<u32>(map.type), call.helper->name,
                              call.helper->number);
  }
  return true;
}

}  // namespace kiln::verifier
