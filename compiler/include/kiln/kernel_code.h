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
  /// The address of a map, or of a byte of its values, as a constant in the code.
  struct MapConstant {
    std::size_t map = 0;           ///< index into Object::maps: an array, or a per-CPU array
    std::int64_t from_values = 0;  ///< the address minus that of the first value; per-CPU: of the list of the values' addresses
  };
  std::vector<Function> functions;           ///< in the order of the program; the first is the program itself
  std::vector<MapConstant> constants;        ///< in the order of the code
  std::size_t own_offsets = 0;               ///< places that add where this processor's copy of a value is, gs:this_cpu_off
  std::vector<std::uint64_t> return_thunks;  ///< where functions may jump to in order to return
};

}  // namespace kiln
