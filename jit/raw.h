// SPDX-License-Identifier: Apache-2.0
//
// A machine for raw instructions: no object, no maps, no context; R1 is the memory's address, R2 its length.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "helper_runtime.h"

namespace kiln {

class RawMachine {
 public:
  /// \errors kUnavailable: no memory for the stack.
  static Result<std::unique_ptr<RawMachine>> make(std::span<std::byte> memory, AddressSpaceKind kind);
  HelperRuntime& runtime() { return *runtime_; }

 private:
  LowPages pages_;
  FrameMemory frame_;
  std::unique_ptr<HelperRuntime> runtime_;
};

}  // namespace kiln
