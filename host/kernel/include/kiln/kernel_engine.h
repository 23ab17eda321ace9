// SPDX-License-Identifier: Apache-2.0
//
// The Linux kernel as an engine and as a judge: BPF_PROG_TEST_RUN and BPF_PROG_LOAD.
//
// It needs bpf(2), that is CAP_BPF and CAP_NET_ADMIN; where that is refused every function says
// kUnavailable with the reason. Nothing is attached to an interface, nothing is pinned, and nothing
// stays.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include <kiln/engine.h>
#include <kiln/kernel_code.h>
#include <kiln/program.h>
#include <kiln/result.h>

namespace kiln {

/// Engine "kernel".
///
/// What it can't be told: of the Environment only cpu_count (at most the machine's) and
/// window_bytes (only 4096); clock and random numbers are the machine's. Programs run on one
/// processor, number 0 if allowed; its slot of a per-CPU map is slot 0 of the MapSet. What LRU maps
/// throw out depends on the machine's number of processors. An ingress interface or queue other than 1, 0 must exist. Outcome::redirect
/// is never set.
///
/// measure(): BPF_PROG_TEST_RUN with `repeat`, minus what a program of two instructions costs the
/// same way. Linux doesn't restore the frame between repeats; a frame that the program changes is
/// repeated only as often as verdict and length stay the same, at most 16 times a call.
std::unique_ptr<Engine> make_kernel();

/// num_possible_cpus() of this machine, for MapSet::create().
std::uint32_t kernel_processors();

/// What the kernel's verifier says about a program.
struct KernelVerdict {
  bool accepted = false;
  std::string message;          ///< rejected: the verifier's reason, one line; else empty
  std::string log;              ///< the whole log, at the level asked for
  std::uint64_t processed = 0;  ///< instructions that it went through
  double time_us = 0;           ///< its own measure of verification, without the JIT compiler
};

/// Creates the object's maps, without contents but for read-only data, and loads the program.
/// \errors kUnavailable; kUnsupported for a map or program type that needs more than the object.
Result<KernelVerdict> kernel_verify(const Object& object, const Program& program, int log_level = 1);

/// Loads the program and copies what the kernel's JIT compiler made of it. \errors kUnavailable, also where the kernel hides code and addresses;
/// kRejected; kUnsupported: code that calls the kernel, or refers to maps other than arrays.
Result<KernelCode> kernel_code(const Object& object, const Program& program);

}  // namespace kiln
