// SPDX-License-Identifier: Apache-2.0
//
// The tables that kiln bench prints for the documentation.
#pragma once

#include <string>
#include <vector>

#include <kiln/compare.h>

namespace kiln::cli {

/// One program's speed on each engine, in the order asked for.
struct BenchResult {
  std::string program;
  std::uint64_t packets = 0;
  std::vector<EngineReport> engines;
};

/// --markdown: cycles and Mpps on the NIC, ns on the CPU engines.
std::string readme_table(const std::vector<BenchResult>& results, const SpeedOptions& speed);

/// --ratios: ns on each CPU engine, and how much faster the first is than each other; geometric means at the end. Times below what can be told apart
/// count in no ratio.
std::string ratios_table(const std::vector<BenchResult>& results);

}  // namespace kiln::cli
