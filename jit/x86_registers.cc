// SPDX-License-Identifier: Apache-2.0
#include "x86_registers.h"

namespace kiln {
namespace {

using IrOp = ir::Op;

constexpr RegisterSet kPreserved = register_bit(kRbx) | register_bit(kRbp) | 0xf000;  // rbx rbp r12..r15
constexpr RegisterSet kAllocatable =
    0xffff & ~(register_bit(kRsp) | register_bit(kScratch) | register_bit(kScratch2));

Constraints constraints_of(const ir::Node& node) {
  constexpr RegisterSet kCall = ~kPreserved & kAllocatable;
  switch (node.op) {
    case IrOp::kDiv:
    case IrOp::kMod:
    case IrOp::kSdiv:
    case IrOp::kSmod:
      return {.clobbers = register_bit(kRax) | register_bit(kRdx),
              .late = 2,
              .result = static_cast<std::int8_t>(node.op == IrOp::kDiv || node.op == IrOp::kSdiv ? kRax : kRdx)};
    case IrOp::kCall:
    case IrOp::kCallKernel:
    case IrOp::kLoadPacket:
    case IrOp::kTailCall:
      return {.clobbers = kCall, .result = kRax};
    case IrOp::kCallLocal:
      return {.clobbers = kCall | register_bit(kRbp) | register_bit(kR12), .result = kRax};
    case IrOp::kCmpxchg:
      return {.clobbers = register_bit(kRax), .late = 3, .result = kRax};
    case IrOp::kAtomic:
      // Or, and, xor with the old value are loops around cmpxchg.
      return node.fetches && node.aux != 0 && node.aux != 0xe0
                 ? Constraints{.clobbers = register_bit(kRax), .late = 3, .result = kRax}
                 : Constraints{};
    case IrOp::kAdd:
    case IrOp::kSub:
    case IrOp::kMul:
    case IrOp::kAnd:
    case IrOp::kOr:
    case IrOp::kXor:
    case IrOp::kShl:
    case IrOp::kShr:
    case IrOp::kSar:
    case IrOp::kRotl:
    case IrOp::kNeg:
    case IrOp::kSwap:
    case IrOp::kZext:
    case IrOp::kSext:
    case IrOp::kCrc32c:
      return {.reuses_first = true};
    default:
      return {};
  }
}

}  // namespace

constexpr RegisterFile kX86Registers = {.allocatable = kAllocatable,
                                        .preserved = kPreserved,
                                        .arguments = {kRdi, kRsi, kRdx, kRcx, 8},
                                        .result = kRax,
                                        .machine = kMachineRegister,
                                        .frame = kFrameRegister,
                                        .helper_machine = kHelperMachineRegister,
                                        .spare = kRax,
                                        .scratch = kScratch,
                                        .constraints = constraints_of};

}  // namespace kiln
