// SPDX-License-Identifier: Apache-2.0
#include <kiln/kfuncs.h>

#include <algorithm>
#include <iterator>

namespace kiln {
namespace {

template <typename... Types>
constexpr ProgramSet set_of(Types... types) {
  return (program_set(types) | ...);
}

namespace columns {

constexpr std::uint16_t none = 0, acquires = kKfAcquires, releases = kKfReleases, null = kKfMayBeNull, trusted = kKfTrusted,
              rcu = kKfRcu, sleeps = kKfSleeps, fastcall = kKfFastcall, iter_new = kKfIterNew,
              iter_next = kKfIterNext, iter_destroy = kKfIterDestroy, rcu_section = kKfRcuProtected;

constexpr ProgramSet everywhere = ~ProgramSet{0};
constexpr ProgramSet elsewhere = set_of(ProgramType::kSyscall, ProgramType::kStructOps);
constexpr ProgramSet xdp = set_of(ProgramType::kXdp);
constexpr ProgramSet tc = set_of(ProgramType::kSchedCls, ProgramType::kSchedAct);
constexpr ProgramSet sock_filter = set_of(ProgramType::kSocketFilter);
constexpr ProgramSet cgroup =
    set_of(ProgramType::kCgroupSkb, ProgramType::kCgroupSock, ProgramType::kCgroupSockAddr,
           ProgramType::kCgroupDevice, ProgramType::kCgroupSysctl, ProgramType::kCgroupSockopt, ProgramType::kSockOps);
constexpr ProgramSet sk_skb = set_of(ProgramType::kSkSkb);
constexpr ProgramSet lwt = set_of(ProgramType::kLwtIn, ProgramType::kLwtOut, ProgramType::kLwtXmit,
                                  ProgramType::kLwtSeg6local);
constexpr ProgramSet netfilter = set_of(ProgramType::kNetfilter);
constexpr ProgramSet kprobe = set_of(ProgramType::kKprobe);
constexpr ProgramSet iter = set_of(ProgramType::kTracing);
constexpr ProgramSet lsm = set_of(ProgramType::kLsm);
constexpr ProgramSet tracing =
    set_of(ProgramType::kTracing, ProgramType::kTracepoint, ProgramType::kPerfEvent, ProgramType::kLsm);

}  // namespace columns

using namespace columns;  // the table's words

constexpr KfuncInfo kKfuncs[] = {
#define KILN_KFUNC(name, engines, flags, programs) \
  {#name, engines, static_cast<std::uint16_t>(flags), (programs) | elsewhere},
#include <kiln/kfuncs.def>
};

}  // namespace

std::span<const KfuncInfo> kfunc_table() { return kKfuncs; }

const KfuncInfo* find_kfunc(std::string_view name) {
  const auto found = std::lower_bound(std::begin(kKfuncs), std::end(kKfuncs), name,
                                      [](const KfuncInfo& row, std::string_view n) { return row.name < n; });
  return found != std::end(kKfuncs) && found->name == name ? &*found : nullptr;
}

}  // namespace kiln
