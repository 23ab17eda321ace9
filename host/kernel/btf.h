// SPDX-License-Identifier: Apache-2.0
//
// Gives an object's BTF to the kernel, so that the verifier knows the types of functions.
#pragma once

#include <cstddef>
#include <span>

#include "kernel_access.h"

namespace kiln::kernel {

/// Loads raw .BTF as clang wrote it. No descriptor: there is none, or the kernel doesn't take it;
/// programs are then verified without types, which matters to global functions and callbacks only.
Fd load_btf(std::span<const std::byte> raw);

}  // namespace kiln::kernel
