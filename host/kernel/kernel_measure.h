// SPDX-License-Identifier: Apache-2.0
//
// Throughput of a program in the kernel, without what BPF_PROG_TEST_RUN itself costs.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <kiln/engine.h>

#include "rewind.h"

namespace kiln::kernel {

/// What is measured, and with what. The references outlive the meter.
struct MeterTarget {
  const Object& object;
  std::size_t entry;          ///< index of the program in `object`
  std::span<const int> maps;  ///< descriptors by map index
  int program;                ///< descriptor of the loaded program
  int empty;                  ///< descriptor of load_empty_program()
  std::function<void()> empty_rings = {};  ///< if it writes to ring buffers: what its user does between calls
};

/// Measures one loaded program. Keeps what it found out about a frame for the next call.
class Meter {
 public:
  explicit Meter(const MeterTarget& target) : target_(target) {}

  /// The program writes to ring buffers, and this is what their reader does between calls.
  void empties_rings(std::function<void()> empty) { target_.empty_rings = std::move(empty); }
  /// REQUIRES: the thread is pinned.
  Result<Throughput> measure(std::span<const Frame> frames, const MeasureOptions& options);

 private:
  /// Programs to hold against each other on frames that are changed alike.
  struct Rewinding {
    Fd program;
    RewindBaselines baselines;
  };
  /// A frame, and how the program can be repeated on it.
  struct Subject {
    Frame frame;
    std::uint32_t code = 0;         ///< what the first run returns,
    std::uint32_t frame_bytes = 0;  ///< and how long it leaves the frame
    bool is_steady = false;         ///< a repeat does what the first run did
    std::optional<FrameChange> change = {};  ///< steady because rewound
  };
  struct Sample {
    double ns = 0;  ///< per packet
    std::uint64_t packets = 0;
  };

  Result<Subject*> subject_of(const Frame& frame);
  Result<Subject> examine(const Frame& frame);
  Result<void> try_rewinding(Subject& subject, std::span<const std::byte> first);
  Result<Sample> time_repeats(int program, const Subject& subject, double budget_ns, bool rewinds);
  Result<Sample> sample_steady(Subject& subject, double budget_ns, double empty_ns);
  Result<Sample> sample_single_runs(const Subject& subject, double budget_ns);
  Result<double> repeated_change_ns(const FrameChange& change, const Subject& subject, double budget_ns);
  Result<void> measure_setup(const Frame& frame);

  MeterTarget target_;
  std::optional<RewindMap> rewind_;
  std::map<std::string, Subject> subjects_;  ///< by bytes and origin of the frame
  std::map<FrameChange, Rewinding> rewindings_;
  std::map<FrameChange, double> change_ns_;  ///< of this round
  std::map<std::pair<int, const Subject*>, double> guess_ns_;  ///< per packet, by descriptor
  double setup_ns_ = 0;                      ///< what a call costs beside its repeats; 0: not known yet
  std::vector<std::byte> out_;
};

}  // namespace kiln::kernel
