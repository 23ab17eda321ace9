// SPDX-License-Identifier: Apache-2.0
//
// Interpreter and core model side by side: outcome, maps and every BPF instruction of every frame.
#pragma once

#include <span>
#include <string>
#include <vector>

#include <kiln/engine.h>

#include "core_model.h"
#include "lockstep.h"

namespace kiln::cosim {

struct Report {
  std::string difference;  ///< empty: none; else the frame, what differs, and the context
  std::uint64_t frames = 0;
  std::uint64_t insns = 0;     ///< BPF instructions the interpreter executed
  std::uint64_t compared = 0;  ///< ... that began on the core
  std::uint64_t words = 0;     ///< native words retired
  MapSet maps;                 ///< of the model, at the end
  std::vector<std::uint32_t> codes;  ///< R0 by frame, low half
};

/// Runs the frames on both. The interpreter is the reference; the model gets the same maps.
/// \errors what lower() or the engines refuse.
Result<Report> run_lockstep(const VerifiedObject& object, std::size_t entry, const MapSet& maps,
                            const Environment& environment, std::span<const Frame> frames,
                            const ModelOptions& options = {});

/// An object with one XDP program, from assembly (disasm.h).
struct TestProgram {
  Object object;
  VerifiedObject verified;
  MapSet maps;
};
/// Fails the current test if `text` is no program or a map is impossible. Functions start at the
/// targets of local calls. Without facts.
void make_program(TestProgram& out, std::string_view text, std::span<const MapSpec> maps = {});

}  // namespace kiln::cosim
