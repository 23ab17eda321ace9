// SPDX-License-Identifier: Apache-2.0
//
// What a program's return code is called, by the type of program, and whether its frame goes on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include <kiln/program.h>

namespace kiln {

/// Names in the order of their numbers in reports; a code of no meaning counts as the one that XDP aborts with, as
/// "other" elsewhere. Tracing programs: "zero" and "other".
std::span<const std::string_view> verdict_names(ProgramType type);
/// Index into verdict_names().
std::size_t verdict_index(ProgramType type, std::uint32_t code);
/// "drop", or "invalid (77)" for a code without a name.
std::string verdict_text(ProgramType type, std::uint32_t code);
/// Whether the frame leaves the program, so that its bytes mean something.
bool frame_leaves(ProgramType type, std::uint32_t code);

/// Whether the program runs on frames; else it is given a context alone.
bool takes_frames(ProgramType type);

}  // namespace kiln
