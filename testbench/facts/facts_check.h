// SPDX-License-Identifier: Apache-2.0
//
// Test only: runs a program in the checking interpreter and holds whatever it sees before each instruction
// against what the verifier proved there.
//
// A pointer is checked by its region and, where the base is known here (stack of the only frame, context,
// elements of arrays, the packet while nothing moves it), by its offset.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <kiln/capture.h>
#include <kiln/facts.h>
#include <kiln/program.h>

namespace kiln {

struct FactsTotals {
  std::uint64_t programs = 0;  ///< run; a program the interpreter cannot load is not
  std::uint64_t frames = 0, steps = 0;
  std::uint64_t values = 0;  ///< register values found inside their fact
};

/// \return why it failed, if it did: a fault, or a value outside its fact.
std::optional<std::string> run_checked(const Object& object, std::size_t index, const std::vector<Facts>& facts,
                                       const std::vector<Frame>& frames, FactsTotals& totals);

/// Short frames, mostly of zeros, with random context fields.
std::vector<Frame> random_frames(std::uint64_t seed);

/// The random program of `seed`, if it is accepted, with its random frames. \return as run_checked().
std::optional<std::string> check_seed(std::uint64_t seed, FactsTotals& totals);

}  // namespace kiln
