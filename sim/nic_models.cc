// SPDX-License-Identifier: Apache-2.0
//
// The list of verilated NICs (configurations.def) and the choice among them.
#include <array>

#include "nic_model.h"

namespace kiln {
namespace sim {

// Defined in one generated file per configuration (verilated_nic.cc.in).
#define KILN_NIC_CONFIGURATION(id, ...) \
  std::unique_ptr<NicModel> make_nic_##id(const NicConfiguration& configuration);
#include "configurations.def"

}  // namespace sim

namespace {

const std::array kConfigurations = {
#define KILN_NIC_CONFIGURATION(id, cores, threads, imem, map_bytes, width, window) \
  NicConfiguration{#id, cores, threads, imem, map_bytes, width, window},
#include "configurations.def"
};

using Maker = std::unique_ptr<sim::NicModel> (*)(const NicConfiguration&);
constexpr Maker kMakers[] = {
#define KILN_NIC_CONFIGURATION(id, ...) &sim::make_nic_##id,
#include "configurations.def"
};

}  // namespace

std::span<const NicConfiguration> nic_configurations() { return kConfigurations; }

std::unique_ptr<sim::NicModel> sim::make_nic_model(std::uint32_t cores, std::uint32_t threads) {
  for (std::size_t i = 0; i < kConfigurations.size(); ++i) {
    if (kConfigurations[i].cores >= cores && kConfigurations[i].threads >= threads) {
      return kMakers[i](kConfigurations[i]);
    }
  }
  return nullptr;
}

}  // namespace kiln
