// SPDX-License-Identifier: Apache-2.0
//
// Interpreter and a core side by side: outcome, maps and every BPF instruction of every frame.
//
// The same tests are linked twice: with model_core.cc (the functional model) and with nic_core.cc (the
// verilated NIC). Where the verifier is built, programs run with its facts as well as without any.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include <kiln/engine.h>

#include "lockstep.h"

namespace kiln::cosim {

/// What the interpreter is compared with.
class Core {
 public:
  virtual ~Core() = default;
  /// \return the image that will run. \errors what lower() refuses.
  virtual Result<CoreImage> load(const VerifiedObject& object, std::size_t entry, const MapSet& maps,
                                 const Environment& environment) = 0;
  /// \param records  what retires for the frame is appended.
  virtual Result<Outcome> run(const Frame& frame, std::vector<RetireRecord>& records) = 0;
  virtual Result<MapSet> maps() = 0;
};

struct CoreOptions {
  bool busy = false;  ///< model: every other MAP_PREPARE finds no free entry and has to be repeated
};

/// Defined by model_core.cc or nic_core.cc.
std::unique_ptr<Core> make_core(const CoreOptions& options = {});
/// How many of the wanted frames (or programs) this core is fast enough for.
std::size_t budget(std::size_t wanted);
/// Whether to run the n-th of many similar programs: every one, or every seventh or so.
bool takes(std::size_t n);

struct Report {
  std::string difference;  ///< empty: none; else the frame, what differs, and the context
  std::uint64_t frames = 0;
  std::uint64_t insns = 0;     ///< BPF instructions the interpreter executed
  std::uint64_t compared = 0;  ///< ... that began on the core
  std::uint64_t words = 0;     ///< native words retired
  std::vector<std::uint32_t> codes;  ///< R0 by frame, low half
};

/// Runs budget(frames.size()) frames on both. The interpreter is the reference; the core gets the same maps.
/// \errors what lower() or the engines refuse.
Result<Report> run_lockstep(const VerifiedObject& object, std::size_t entry, const MapSet& maps,
                            const Environment& environment, std::span<const Frame> frames,
                            const CoreOptions& options = {});

/// An object with one XDP program, from assembly (disasm.h).
struct TestProgram {
  Object object;
  VerifiedObject verified;
  MapSet maps;
};
/// LPM tries get BPF_F_NO_PREALLOC, which they need.
MapSpec map_spec(MapType type, std::uint32_t key_size, std::uint32_t value_size, std::uint32_t max_entries);
/// Fails the current test if `text` is no program or a map is impossible. Functions start at the
/// targets of local calls. Without facts.
void make_program(TestProgram& out, std::string_view text, std::span<const MapSpec> maps = {});

/// What the verifier proves of each program; empty if it is not built.
std::vector<Facts> facts_of(const Object& object);

struct CheckOptions {
  CoreOptions core{};
  Environment environment{};
  bool on_kernel = true;  ///< also ask Linux for verdicts and frames, where bpf(2) is allowed
  std::uint32_t kernel_frames = 64;
};

/// Runs program 0 over the frames without facts and, where the verifier is built, with its facts;
/// expects no difference, and Linux's verdicts and frames to be the interpreter's.
/// \return native words retired per frame with facts (without them if there is no verifier), or 0.
double check(const TestProgram& test, std::span<const Frame> frames, const CheckOptions& options = {});

}  // namespace kiln::cosim
