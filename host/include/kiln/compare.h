// SPDX-License-Identifier: Apache-2.0
//
// The same frames through several engines, one frame in flight: what differs, then how fast each is.
//
// The first engine that runs is the reference. Frames count only where they leave the program (pass,
// tx, redirect); a dropped frame has no bytes. Records of perf events and ring buffers are compared, and the context of
// packets that are struct sk_buff. Redirect targets are compared between engines
// that tell them (the kernel's test run does not). The kernel has a clock, random numbers and processor
// numbers of its own: where a program asks for those, a frame or map that differs on `kernel` is
// listed with that excuse and does not count.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <kiln/prepare.h>

namespace kiln {

struct SpeedOptions : EngineOptions {
  double clock_mhz = 150;
  std::string clock_source = "assumed";  ///< or "given": how the clock was found
  MeasureOptions measure = {};
  bool listen = false;  ///< perf event arrays have a listener in every slot (listen_to_events())
};

/// One engine's part of a comparison.
struct EngineReport {
  std::string name;
  std::string skipped;  ///< why it did not run; empty if it did
  std::vector<std::uint64_t> verdicts;  ///< by verdict_index() of the program's type
  std::uint64_t handovers = 0;  ///< NIC: frames that the host went on with, of those compared
  std::optional<Throughput> speed;
  std::string speed_error;  ///< why there is no speed
};

struct Difference {
  std::optional<std::uint64_t> packet;  ///< counted from 1, as capture viewers do; none: map state at the end
  std::string what;                     ///< "verdict", "frame", "context", "redirect", "events", "map NAME", "fault"
  std::string engine;
  std::string expected, got;
  std::string excuse;  ///< why it is not counted as disagreement; empty: it is
};

struct Comparison {
  std::string program;
  ProgramType type = ProgramType::kXdp;
  std::uint64_t packets = 0;   ///< given to every engine
  std::uint64_t unfit = 0;     ///< too short or too long for a buffer, given to none
  std::vector<EngineReport> engines;
  std::vector<Difference> differences;     ///< the first kMaxDifferences
  std::uint64_t difference_count = 0;      ///< those without an excuse
  std::uint64_t excused_count = 0;
  bool agree() const { return difference_count == 0; }
};
inline constexpr std::size_t kMaxDifferences = 100;

/// \errors kUnavailable if fewer than two engines can run the program (with each one's reason), and
///         what prepare-time functions give. A fault of an engine is a difference, not an error.
Result<Comparison> compare_engines(const Prepared& prepared, const std::string& maps_path,
                                   const std::vector<std::string>& engines,
                                   const std::vector<Frame>& frames, const SpeedOptions& options);

/// An engine with the program loaded, per-CPU maps sized for the threads that run.
Result<std::unique_ptr<Engine>> load_engine(const Prepared& prepared, const std::string& maps_path, const std::string& engine,
                                            const SpeedOptions& options);

/// Measures one engine from a fresh load, per-CPU maps sized for the threads that run.
Result<Throughput> measure_engine(const Prepared& prepared, const std::string& maps_path, const std::string& engine,
                                  const std::vector<Frame>& frames, const SpeedOptions& options);

/// Frames that the program is given.
std::vector<Frame> fitting_frames(const std::vector<Frame>& frames, const Prepared& prepared);

// What the numbers mean.
struct Speed {
  /// Shorter than this the program's share can't be told from the cost of an empty program.
  static constexpr double kResolutionNs = 0.5;

  double mpps = 0;  ///< 0: below the resolution
  double ns_median = 0, ns_min = 0, ns_max = 0;  ///< CPU engines; 0 for the NIC
};
Speed speed_of(const Throughput& throughput, double clock_mhz);

}  // namespace kiln
