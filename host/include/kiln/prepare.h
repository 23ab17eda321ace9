// SPDX-License-Identifier: Apache-2.0
//
// From a file name to something an engine can run: load, choose the program, verify, lay out maps.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <kiln/engine.h>
#include <kiln/load.h>
#include <kiln/verifier.h>

namespace kiln {

/// A verified program of an object. Not movable: engines keep a pointer to `object`.
struct Prepared {
  std::string path;  ///< of the object's file
  Object object;
  std::size_t entry = 0;
  VerifiedObject verified;
  Environment environment;

  Prepared() = default;
  Prepared(const Prepared&) = delete;
  Prepared& operator=(const Prepared&) = delete;
  const Program& program() const { return object.programs[entry]; }
};

/// Loads the object, picks program `name` (see select_program) and verifies it and every program that
/// a prog array of the object can tail-call.
/// \errors what load_object_file and select_program give; kRejected with the verifier's words,
///         instruction and source line.
Result<std::unique_ptr<Prepared>> prepare(const std::string& path, const std::string& name,
                                          const LoadOptions& options);

/// Whether the program is given this frame: not too short, and not too long for its buffer.
bool frame_fits(const Prepared& prepared, const Frame& frame);

/// The object's maps as the object describes them, then --maps JSON over that if `maps_path` is not empty.
/// \param cpu_count      values per entry of per-CPU maps.
/// \param possible_cpus  what LRU maps reckon with unless the environment says otherwise; 0: cpu_count.
Result<MapSet> initial_maps(const Prepared& prepared, const std::string& maps_path, std::uint32_t cpu_count,
                            std::uint32_t possible_cpus = 0);

/// "insn 12 (xdp1.c:40: if (data + 14 > end))", or without the source where there is none.
std::string describe_insn(const Program& program, std::uint32_t insn);

struct EngineOptions {
  std::uint32_t cores = 1;    ///< NIC
  std::uint32_t threads = 8;  ///< NIC, per core
  bool handover = true;       ///< NIC: the host goes on where it has no unit; else such a program is refused
  std::string passes = "all";  ///< JIT: of its optimiser, ir::PassSet::parse()
  bool harden = false;         ///< JIT: JitSettings::harden
  bool perf_map = false;       ///< JIT: JitSettings::perf_map
  std::string native = {};    ///< `native`: the shared object with the program compiled for this host
};

/// Names of all engines, in the order they are reported.
std::span<const std::string_view> engine_names();
/// \errors kUsage: no such engine; the message lists them.
Result<std::unique_ptr<Engine>> make_engine(std::string_view name, const EngineOptions& options);

}  // namespace kiln
