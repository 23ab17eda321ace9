// SPDX-License-Identifier: Apache-2.0
//
// Throughput of a program in the kernel, without what BPF_PROG_TEST_RUN itself costs.
#pragma once

#include <span>

#include <kiln/engine.h>

namespace kiln::kernel {

/// \param program  descriptor to measure. \param empty  descriptor of load_empty_program().
/// REQUIRES: the thread is pinned.
Result<Throughput> measure(int program, int empty, std::span<const Frame> frames,
                           const MeasureOptions& options);

}  // namespace kiln::kernel
