// SPDX-License-Identifier: Apache-2.0
#include "helper_rules.h"

#include <linux/bpf.h>

#include <algorithm>
#include <array>

namespace kiln::verifier {
namespace {

constexpr u64 kMaxProcessors = 8192;  ///< CONFIG_NR_CPUS never exceeds it

constexpr std::string_view kNames[] = {
#define KILN_NAME(name, ...) #name
    __BPF_FUNC_MAPPER(KILN_NAME)
#undef KILN_NAME
};

template <std::size_t N>
bool is_one_of(std::string_view name, const std::string_view (&names)[N]) {
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

}  // namespace

HelperRules helper_rules(const HelperInfo& helper) {
  constexpr std::string_view kGpl[] = {"trace_printk", "perf_event_output"};
  constexpr std::string_view kReadsPacket[] = {"map_lookup_elem", "map_update_elem", "map_delete_elem",
                                               "csum_diff"};
  constexpr std::string_view kWritesMap[] = {"map_update_elem", "map_delete_elem"};
  HelperRules rules;
  rules.gpl_only = is_one_of(helper.name, kGpl);
  rules.reads_packet = is_one_of(helper.name, kReadsPacket);
  rules.writes_map = is_one_of(helper.name, kWritesMap);
  rules.moves_packet = helper.name.starts_with("xdp_adjust_");
  rules.xdp_only = rules.moves_packet || helper.name == "redirect_map";
  if (helper.name == "get_smp_processor_id") {
    rules.result_max = kMaxProcessors - 1;
  }
  return rules;
}

bool fits_map(const HelperInfo& helper, MapType type) {
  const std::string_view name = helper.name;
  switch (type) {
    case MapType::kProgArray:
      return name == "tail_call";
    case MapType::kPerfEventArray:
      return name == "perf_event_output";
    case MapType::kDevmap:
    case MapType::kDevmapHash:
    case MapType::kXskmap:
      return name == "redirect_map" || name == "map_lookup_elem";
    case MapType::kCpumap:
      return name == "redirect_map";
    case MapType::kArrayOfMaps:
    case MapType::kHashOfMaps:
      return name == "map_lookup_elem";
    case MapType::kArray:
    case MapType::kPercpuArray:
    case MapType::kHash:
    case MapType::kPercpuHash:
    case MapType::kLruHash:
    case MapType::kLruPercpuHash:
    case MapType::kLpmTrie:
      return name == "map_lookup_elem" || name == "map_update_elem" || name == "map_delete_elem";
    default:
      return false;  // their own helpers are not in the table
  }
}

bool is_read_only(const MapSpec& map) {
  constexpr u32 kReadOnlyFlag = 1u << 7;  // BPF_F_RDONLY_PROG
  // A devmap's value is the kernel's own, so it is created read-only.
  return map.is_readonly || (map.flags & kReadOnlyFlag) != 0 || map.type == MapType::kDevmap ||
         map.type == MapType::kDevmapHash;
}

std::string_view kernel_helper_name(u32 number) {
  return number < std::size(kNames) ? kNames[number] : "unknown";
}

bool is_gpl_compatible(std::string_view license) {
  constexpr std::string_view kLicenses[] = {"GPL", "GPL v2", "GPL and additional rights",
                                            "Dual BSD/GPL", "Dual MIT/GPL", "Dual MPL/GPL"};
  return is_one_of(license, kLicenses);
}

}  // namespace kiln::verifier
