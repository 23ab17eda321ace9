// SPDX-License-Identifier: Apache-2.0
//
// What Linux's JIT compiler made of a program: its machine code, copied out of the kernel, and what in it belongs to the kernel.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace kiln {

struct KernelCode {
  struct Function {
    std::uint64_t address = 0;     ///< where it lies in the kernel; calls between functions are relative to it
    std::vector<std::byte> bytes;
  };
  /// The address of a map of type array, or of a byte of its values, as a constant in the code.
  struct MapConstant {
    std::size_t map = 0;             ///< index into Object::maps
    std::int64_t from_values = 0;    ///< the address minus that of the first value
  };
  std::vector<Function> functions;           ///< in the order of the program; the first is the program itself
  std::vector<MapConstant> constants;        ///< in the order of the code
  std::vector<std::uint64_t> return_thunks;  ///< where functions may jump to in order to return
};

}  // namespace kiln
