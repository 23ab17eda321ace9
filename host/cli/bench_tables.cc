// SPDX-License-Identifier: Apache-2.0
#include "bench_tables.h"

#include <cmath>
#include <optional>

#include <fmt/format.h>

#include "command.h"

namespace kiln::cli {
namespace {

/// "2.3 (2.2-2.5)": median and range; "-": not measured.
std::string ns_text(const EngineReport& report) {
  if (!report.speed) {
    return "-";
  }
  const Speed s = speed_of(*report.speed, 1);
  return fmt::format("{:.1f} ({:.1f}-{:.1f})", s.ns_median, s.ns_min, s.ns_max);
}

/// How many times as fast the first is; nothing where one was not measured, or took no time to speak of.
std::optional<double> ratio(const EngineReport& first, const EngineReport& other) {
  if (!first.speed || !other.speed) {
    return std::nullopt;
  }
  const double a = speed_of(*first.speed, 1).ns_median, b = speed_of(*other.speed, 1).ns_median;
  return a >= Speed::kResolutionNs && b >= Speed::kResolutionNs ? std::optional(b / a) : std::nullopt;
}

}  // namespace

std::string readme_table(const std::vector<BenchResult>& results, const SpeedOptions& speed) {
  std::string table = fmt::format("| program | instructions/packet | NIC cycles/packet | NIC Mpps at {:g} MHz | NIC latency p50 ns |",
             speed.clock_mhz);
  for (const EngineReport& report : results.front().engines) {
    if (report.name != "nic") {
      table += fmt::format(" {} ns/packet (min-max) |", report.name);
    }
  }
  table += "\n|---|---|---|---|---|";
  for (const EngineReport& report : results.front().engines) {
    table += report.name != "nic" ? "---|" : "";
  }
  table += "\n";
  for (const BenchResult& result : results) {
    std::string nic = " - | - | - | - |";
    std::string cpu;
    for (const EngineReport& report : result.engines) {
      const nlohmann::ordered_json json = engine_json(report, speed);
      if (report.name == "nic" && report.speed) {
        nic = fmt::format(" {:.0f} | {:.1f} | {:.2f} | {} |", report.speed->insns_per_packet,
                          report.speed->cycles_per_packet, json["mpps"].get<double>(),
                          json.contains("latency_ns")
                              ? fmt::format("{:.0f}", json["latency_ns"]["p50"].get<double>())
                              : "-");
      } else if (report.name != "nic") {
        cpu += fmt::format(" {} |", ns_text(report));
      }
    }
    table += fmt::format("| {} |{}{}\n", result.program, nic, cpu);
  }
  return table;
}

std::string ratios_table(const std::vector<BenchResult>& results) {
  std::vector<std::size_t> columns;
  for (std::size_t i = 0; i < results.front().engines.size(); ++i) {
    if (results.front().engines[i].name != "nic") {
      columns.push_back(i);
    }
  }
  std::string table = "| program |", rule = "|---|", means = "| geometric mean |";
  for (const std::size_t column : columns) {
    table += fmt::format(" {} |", results.front().engines[column].name);
    rule += "---|";
    means += " |";
  }
  const std::vector<std::size_t> others(columns.empty() ? columns.end() : columns.begin() + 1, columns.end());
  for (const std::size_t other : others) {
    table += fmt::format(" against {} |", results.front().engines[other].name);
    rule += "---|";
  }
  table += "\n" + rule + "\n";
  std::vector<double> logs(others.size());
  std::vector<int> counts(others.size());
  for (const BenchResult& result : results) {
    table += fmt::format("| {} |", result.program);
    for (const std::size_t column : columns) {
      table += fmt::format(" {} |", ns_text(result.engines[column]));
    }
    for (std::size_t i = 0; i < others.size(); ++i) {
      const auto times = ratio(result.engines[columns.front()], result.engines[others[i]]);
      table += times ? fmt::format(" {:.2f} |", *times) : " - |";
      logs[i] += times ? std::log(*times) : 0;
      counts[i] += times ? 1 : 0;
    }
    table += "\n";
  }
  for (std::size_t i = 0; i < others.size(); ++i) {
    means += counts[i] != 0 ? fmt::format(" {:.2f} |", std::exp(logs[i] / counts[i])) : " - |";
  }
  return table + means + "\n";
}

}  // namespace kiln::cli
