// SPDX-License-Identifier: Apache-2.0
//
// Programs that can be repeated on a frame they change. BPF_PROG_TEST_RUN with repeat hands each run
// what the last one left; so that every run is the first, a few instructions before the program move
// data and data_end back to where they were and put the changed words back.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include <kiln/engine.h>

#include "kernel_access.h"

namespace kiln::kernel {

/// What a program does to a frame, as the instructions before it see that.
struct FrameChange {
  std::int32_t head = 0;  ///< bytes that data moved by; negative: the frame grew in front
  std::int32_t tail = 0;  ///< bytes that data_end moved by; negative: the frame shrank behind
  std::uint32_t words = 0;  ///< bit i: the eight bytes at 8 * i changed
  bool operator==(const FrameChange&) const = default;
  auto operator<=>(const FrameChange&) const = default;
};

/// The map that tells the instructions in front where the frame was and what it held.
class RewindMap {
 public:
  static constexpr std::size_t kWords = 32;  ///< how much of a frame's start can be put back, in eights of bytes

  static Result<RewindMap> create();
  int fd() const { return map_.get(); }

  /// Before each call of BPF_PROG_TEST_RUN: the next run is a first one.
  void arm(const Frame& frame) const;
  /// How data and data_end had moved when the last run began: `words` stays 0. REQUIRES: two runs since arm().
  FrameChange moved() const;

 private:
  explicit RewindMap(Fd map) : map_(std::move(map)) {}
  Fd map_;
};

/// The object's program behind the instructions that rewind.
/// \errors kUnsupported: the kernel refuses it that way.
Result<Fd> load_rewinding(const Object& object, std::size_t program, std::span<const int> maps, const RewindMap& rewind,
                          std::uint32_t words);

/// What is left when the program itself is taken out of it.
struct RewindBaselines {
  Fd same;   ///< rewinds `words`, nothing else
  Fd moves;  ///< makes the change of positions as well, so that it is rewound every time
  Fd calls;  ///< as `same`, and calls the helpers that `moves` does, to move nothing
};
Result<RewindBaselines> load_baselines(const RewindMap& rewind, const FrameChange& change, bool has_frags);

}  // namespace kiln::kernel
