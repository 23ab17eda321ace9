// SPDX-License-Identifier: Apache-2.0
#include <kiln/helpers.h>

#include <iterator>

namespace kiln {
namespace {

// The short words of the table's properties column.
constexpr std::uint16_t none = 0, gpl = kGplOnly, pkt = kReadsPacket, moves = kMovesPacket, sleeps = kMightSleep,
                        fastcall = kFastcall, writes = kWritesMap, acquires = kAcquires, releases = kReleases,
                        calls = kCallsBack, casts = kCastsPointer;

// The short words of the table's programs column.
template <typename... Types>
constexpr ProgramSet set_of(Types... types) {
  return (program_set(types) | ...);
}
using P = ProgramType;
constexpr ProgramSet xdp = set_of(P::kXdp), tc = set_of(P::kSchedCls, P::kSchedAct), sock_filter = set_of(P::kSocketFilter),
                     sk_skb = set_of(P::kSkSkb), sk_msg = set_of(P::kSkMsg), sock_ops = set_of(P::kSockOps),
                     sk_lookup = set_of(P::kSkLookup), reuseport = set_of(P::kSkReuseport),
                     dissector = set_of(P::kFlowDissector), netfilter = set_of(P::kNetfilter), lirc = set_of(P::kLircMode2),
                     struct_ops = set_of(P::kStructOps);
constexpr ProgramSet cg_skb = set_of(P::kCgroupSkb), cg_addr = set_of(P::kCgroupSockAddr), cg_sock = set_of(P::kCgroupSock),
                     cg_sockopt = set_of(P::kCgroupSockopt), cg_dev = set_of(P::kCgroupDevice),
                     cg_sysctl = set_of(P::kCgroupSysctl);
constexpr ProgramSet lwt_in = set_of(P::kLwtIn), lwt_xmit = set_of(P::kLwtXmit), seg6 = set_of(P::kLwtSeg6local),
                     lwt = lwt_in | lwt_xmit | set_of(P::kLwtOut);
constexpr ProgramSet kprobe = set_of(P::kKprobe), tracepoint = set_of(P::kTracepoint), perf_event = set_of(P::kPerfEvent),
                     raw_tp = set_of(P::kRawTracepoint, P::kRawTracepointWritable), tracing = set_of(P::kTracing),
                     lsm = set_of(P::kLsm), syscall = set_of(P::kSyscall);
constexpr ProgramSet btf_tracers = tracing | lsm | syscall;  ///< those that see the kernel's types
constexpr ProgramSet tracers = kprobe | tracepoint | perf_event | raw_tp | btf_tracers;
constexpr ProgramSet every = ~ProgramSet{0};

#define KILN_ROW(number, name, engines, result, a1, a2, a3, a4, a5, properties, programs)      \
  HelperInfo{number,                                                                           \
             #name,                                                                            \
             engines,                                                                          \
             HelperResult::result,                                                             \
             {HelperArg::a1, HelperArg::a2, HelperArg::a3, HelperArg::a4, HelperArg::a5},      \
             properties,                                                                       \
             programs},

constexpr HelperInfo kHelpers[] = {
#define KILN_HELPER(...) KILN_ROW(__VA_ARGS__)
#include <kiln/helpers.def>
};

constexpr HelperInfo kVariants[] = {
#define KILN_HELPER(...)
#define KILN_HELPER_VARIANT(number, name, ...) KILN_ROW(number, name, kHelpers[number - 1].engines, __VA_ARGS__)
#include <kiln/helpers.def>
};
#undef KILN_ROW

constexpr bool numbers_are_indices() {
  for (std::size_t i = 0; i < std::size(kHelpers); ++i) {
    if (kHelpers[i].number != i + 1) {
      return false;
    }
  }
  return true;
}
static_assert(numbers_are_indices(), "rows of helpers.def are out of order, or one is missing");

}  // namespace

std::span<const HelperInfo> helper_table() { return kHelpers; }

const HelperInfo* find_helper(std::uint32_t number) {
  return number > 0 && number <= std::size(kHelpers) ? &kHelpers[number - 1] : nullptr;
}

const HelperInfo* find_helper(std::uint32_t number, ProgramType type) {
  const HelperInfo* helper = find_helper(number);
  if (helper == nullptr || helper->is_for(type)) {
    return helper;
  }
  for (const HelperInfo& variant : kVariants) {
    if (variant.number == number && variant.is_for(type)) {
      return &variant;
    }
  }
  return nullptr;
}

std::string_view helper_name(std::uint32_t number) {
  const HelperInfo* helper = find_helper(number);
  return helper == nullptr ? "" : helper->name;
}

}  // namespace kiln
