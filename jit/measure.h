// SPDX-License-Identifier: Apache-2.0
//
// Timing: frames that lie ready in windows of their own, run over and over in batches.
//
// Inside the time of a packet: clock, redirect and tail-call state are reset, the machine is pointed at the frame's
// context and window, the program runs, and, if it may write to the packet or move its ends, the frame's bytes and the
// context are restored, lest a program that rewrites see its own output from the second run on. Not restored, as BPF_PROG_TEST_RUN does not
// either, is a frame that comes back by itself: addresses swapped twice. Outside: filling the windows. Neither stack nor headroom is cleared
// between runs.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include <kiln/engine.h>

#include "helper_runtime.h"

namespace kiln {

/// Frames in windows of their own, each with its context; reused for one group of frames after another.
class FrameRack {
 public:
  static constexpr std::size_t kWindows = 256;

  /// \param like  the memory whose stack, window size and addressing the frames share.
  /// \errors kUnavailable: no memory.
  static Result<FrameRack> make(const FrameMemory& like);
  /// Puts at most kWindows frames into the windows. REQUIRES: their lengths were checked; they outlive the rack.
  void fill(std::span<const Frame> frames);

  /// Whether two runs leave the frame as it was. Not so after fill().
  bool comes_back(std::size_t i) const { return comes_back_[i]; }
  void set_comes_back(std::size_t i, bool comes_back) { comes_back_[i] = comes_back; }

  std::size_t size() const { return frames_.size(); }
  const Frame& frame(std::size_t i) const { return frames_[i]; }
  const FrameMemory& memory(std::size_t i) const { return memories_[i]; }

 private:
  LowPages pages_;
  std::vector<FrameMemory> memories_;
  std::span<const Frame> frames_;
  std::array<bool, kWindows> comes_back_{};
};

struct TimedRound {
  double seconds = 0;
  std::uint64_t packets = 0;
};

/// Processor time of this thread in seconds: what others run meanwhile is not in it. As host/kernel measures.
double thread_seconds();

/// Runs every frame of the rack, again and again, until `seconds` are over.
/// \param program  called with the machine ready; false: it faulted, and the round ends.
template <typename RunProgram>
TimedRound time_frames(HelperRuntime& machine, const FrameRack& rack, double seconds, bool restore,
                       RunProgram&& program) {
  constexpr double kLongEnough = 50e-6;  // a batch doubles until reading the clock after it does not matter
  const auto run_one = [&](std::size_t i) {
    machine.frame = rack.memory(i);
    if (machine.frame.kind != ContextKind::kXdp) {
      if (!machine.load_frame(rack.frame(i))) {
        return false;
      }
    } else if (restore && !rack.comes_back(i)) {
      const std::vector<std::byte>& bytes = rack.frame(i).data;
      std::memcpy(machine.frame.window + address::kHeadroom, bytes.data(), bytes.size());
      machine.frame.publish();
    }
    machine.begin_frame();
    const bool good = program();
    if (!machine.rings.empty()) {
      machine.drain_rings();
    }
    ++machine.frame_number;
    return good;
  };
  TimedRound round;
  std::uint64_t batch = 1;
  const double start = thread_seconds();
  double last = start;
  while (round.seconds < seconds) {
    for (std::uint64_t i = 0; i < batch; ++i) {
      for (std::size_t f = 0; f < rack.size(); ++f) {
        if (!run_one(f)) {
          return round;
        }
      }
    }
    round.packets += batch * rack.size();
    const double now = thread_seconds();
    round.seconds = now - start;
    if (now - last < kLongEnough) {
      batch *= 2;
    }
    last = now;
  }
  return round;
}

}  // namespace kiln
