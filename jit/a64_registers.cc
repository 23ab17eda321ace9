// SPDX-License-Identifier: Apache-2.0
#include "a64_registers.h"

namespace kiln {
namespace {

using IrOp = ir::Op;

constexpr RegisterSet kFree = 0x3fff;                    // x0..x13
constexpr RegisterSet kPreserved = RegisterSet{0x3ff} << 19;  // x19..x28

Constraints constraints_of(const ir::Node& node) {
  switch (node.op) {
    case IrOp::kCall:
    case IrOp::kCallKernel:
    case IrOp::kLoadPacket:
    case IrOp::kTailCall:
      return {.clobbers = kFree, .result = 0};
    case IrOp::kCallLocal:
      return {.clobbers = kFree | register_bit(kA64Frame) | register_bit(kA64Machine), .result = 0};
    default:
      return {};
  }
}

}  // namespace

constexpr RegisterFile kA64Registers = {.allocatable = kFree | kPreserved,
                                        .preserved = kPreserved,
                                        .arguments = {0, 1, 2, 3, 4},
                                        .result = 0,
                                        .machine = kA64Machine,
                                        .frame = kA64Frame,
                                        .helper_machine = 5,
                                        .spare = 9,
                                        .scratch = 16,
                                        .link = register_bit(kA64Link),
                                        .constraints = constraints_of};

}  // namespace kiln
