// SPDX-License-Identifier: Apache-2.0
//
// Test only: random programs over the maps of standard_object(), mostly sensible and sometimes not, so
// that about half of them verify.
#pragma once

#include <cstdint>
#include <string>

#include <kiln/program.h>

namespace kiln::verifier {

/// XDP, from assembler text; aborts with the assembler's message if that is wrong.
Program program_from_text(const std::string& name, const std::string& text);

/// From this seed on programs have callbacks, iterators, may_goto and references too; those before are what they
/// always were, since tests name them.
inline constexpr std::uint64_t kFirstExtendedSeed = 3'000'000'000;

/// The same seed gives the same program, on every platform.
Program random_program(std::uint64_t seed);

}  // namespace kiln::verifier
