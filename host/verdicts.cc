// SPDX-License-Identifier: Apache-2.0
//
// Source: enum xdp_action in uapi/linux/bpf.h, TC_ACT_* in uapi/linux/pkt_cls.h, bpf_prog_run_save_cb() and
// BPF_PROG_CGROUP_INET_EGRESS_RUN_ARRAY in include/linux, Linux 6.18.
#include <kiln/verdicts.h>

#include <fmt/format.h>

namespace kiln {
namespace {

using Names = std::span<const std::string_view>;

constexpr std::string_view kXdp[] = {"aborted", "drop", "pass", "tx", "redirect"};
// From TC_ACT_UNSPEC, -1, on.
constexpr std::string_view kTc[] = {"unspec", "ok",     "reclassify", "shot",     "pipe", "stolen",
                                    "queued", "repeat", "redirect",   "trap",     "other"};
constexpr std::string_view kSocketFilter[] = {"drop", "keep"};
constexpr std::string_view kCgroup[] = {"drop", "pass", "drop_congested", "pass_congested", "other"};
constexpr std::string_view kPlain[] = {"zero", "other"};

bool is_tc(ProgramType type) { return type == ProgramType::kSchedCls || type == ProgramType::kSchedAct; }

}  // namespace

std::span<const std::string_view> verdict_names(ProgramType type) {
  if (is_tc(type)) {
    return kTc;
  }
  return type == ProgramType::kXdp            ? Names(kXdp)
         : type == ProgramType::kSocketFilter ? Names(kSocketFilter)
         : type == ProgramType::kCgroupSkb    ? Names(kCgroup)
                                              : Names(kPlain);
}

std::size_t verdict_index(ProgramType type, std::uint32_t code) {
  const std::size_t last = verdict_names(type).size() - 1;
  if (is_tc(type)) {
    return std::min<std::size_t>(code + 1, last);  // -1 becomes 0
  }
  if (type == ProgramType::kXdp) {
    return code <= last ? code : 0;
  }
  return std::min<std::size_t>(code, last);
}

std::string verdict_text(ProgramType type, std::uint32_t code) {
  const std::span<const std::string_view> names = verdict_names(type);
  const std::size_t index = verdict_index(type, code);
  const bool is_named = names[index] != "other" && (type != ProgramType::kXdp || index == code);
  return is_named ? std::string(names[index])
                  : fmt::format("{} ({})", type == ProgramType::kXdp ? "invalid" : "other", static_cast<std::int32_t>(code));
}

bool frame_leaves(ProgramType type, std::uint32_t code) {
  constexpr std::uint32_t kShot = 2, kStolen = 4, kQueued = 5, kTrap = 8;
  if (type == ProgramType::kXdp) {
    return code >= 2 && code <= 4;
  }
  if (is_tc(type)) {
    return code != kShot && code != kStolen && code != kQueued && code != kTrap;
  }
  return type == ProgramType::kSocketFilter ? code != 0 : type == ProgramType::kCgroupSkb && (code & 1) != 0;
}

bool takes_frames(ProgramType type) {
  return type == ProgramType::kXdp || is_tc(type) || type == ProgramType::kSocketFilter ||
         type == ProgramType::kCgroupSkb;
}

}  // namespace kiln
