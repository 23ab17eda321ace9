// SPDX-License-Identifier: Apache-2.0
//
// A pointer plus or minus a scalar.
//
// Rules: 64 bits only; only + and -, and - only with the pointer on the left and not on the stack;
// not on pointers that may be NULL, nor on those that have no inside (data_end, maps, sockets); the
// offset, before and after, stays within 2^29 either way. A constant goes to the fixed part; anything
// else makes a new variable part, and what was known of the distance to data_end is lost.
#include "alu.h"
#include "checker.h"

namespace kiln::verifier {
namespace {

constexpr s64 kMaxOffset = s64{1} << 29;  ///< BPF_MAX_VAR_OFF

bool allows_math(const Reg& pointer) {
  switch (pointer.type) {
    case RegType::kCtx:
    case RegType::kStack:
    case RegType::kPacket:
    case RegType::kPacketMeta:
    case RegType::kMapKey:
    case RegType::kMapValue:
    case RegType::kMem:
    case RegType::kBuf:
    case RegType::kTpBuffer:
    case RegType::kBtf:
    case RegType::kDynptr:
    case RegType::kFunc:
      return true;
    case RegType::kNotInit:
    case RegType::kScalar:
    case RegType::kPacketEnd:
    case RegType::kMapPtr:
    case RegType::kXdpSock:
    case RegType::kSocket:
    case RegType::kSockCommon:
    case RegType::kTcpSock:
    case RegType::kFlowKeys:
    case RegType::kIter:
    case RegType::kIrqFlag:
      return false;
  }
  return false;
}

}  // namespace

/// \param b, fixed_off  of the pointer, or of the number added to it: as there, a number that is linked to
/// another at a great distance is refused even if it is small itself.
bool Checker::check_sane_offset(const Reg& pointer, const Bounds& b, s64 fixed_off) {
  const std::string_view name = type_name(pointer.type);
  const s64 value = static_cast<s64>(b.bits.value);
  if (b.is_constant() && (value >= kMaxOffset || value <= -kMaxOffset)) {
    return reject("math between {} pointer and {} is not allowed", name, value);
  }
  if (fixed_off >= kMaxOffset || fixed_off <= -kMaxOffset) {
    return reject("{} pointer offset {} is not allowed", name, fixed_off);
  }
  if (b.w.smin == std::numeric_limits<s64>::min()) {
    return reject("math between {} pointer and register with unbounded min value is not allowed", name);
  }
  if (b.w.smin >= kMaxOffset || b.w.smin <= -kMaxOffset) {
    return reject("value {} makes {} pointer be out of bounds", b.w.smin, name);
  }
  return true;
}

bool Checker::pointer_math(AluOp op, bool is64, const Reg& pointer, const Reg& scalar, bool pointer_is_dst) {
  const unsigned dst = insn().dst;
  if (!scalar.bounds.consistent()) {  // a path that can't be taken; the kernel gives up on the value
    set_reg(dst, Reg::unknown());
    return true;
  }
  if (!is64) {
    if (op == AluOp::kSub) {
      set_reg(dst, Reg::unknown());
      return true;
    }
    return reject("R{} 32-bit pointer arithmetic prohibited", dst);
  }
  if (pointer.maybe_null) {
    return reject("R{} pointer arithmetic on {} prohibited, null-check it first", dst, type_name(pointer));
  }
  const bool adds_zero = op == AluOp::kAdd && scalar.is_null_constant();
  const bool fixed_keys = pointer.type == RegType::kFlowKeys && scalar.bounds.is_constant();
  if (!allows_math(pointer) && !fixed_keys && !(pointer.type == RegType::kMapPtr && adds_zero)) {
    return reject("R{} pointer arithmetic on {} prohibited", dst, type_name(pointer));
  }
  if (pointer.type == RegType::kMem && pointer.has(kUntrusted)) {
    return true;  // every load is checked when it is made, so where it points is not followed
  }
  if (!check_sane_offset(pointer, scalar.bounds, scalar.off) ||
      !check_sane_offset(pointer, pointer.bounds, pointer.off)) {
    return false;
  }
  if (op == AluOp::kAnd || op == AluOp::kOr || op == AluOp::kXor) {
    return reject("R{} bitwise operator {} on pointer prohibited", dst, decoded().info->text);
  }
  if (op != AluOp::kAdd && op != AluOp::kSub) {
    return reject("R{} pointer arithmetic with {} operator prohibited", dst, decoded().info->text);
  }
  if (op == AluOp::kSub && !pointer_is_dst) {
    return reject("R{} tried to subtract pointer from scalar", dst);
  }
  if (op == AluOp::kSub && pointer.type == RegType::kStack) {
    return reject("R{} subtraction from stack pointer prohibited", dst);
  }
  Reg result = pointer;
  const s64 value = static_cast<s64>(scalar.bounds.bits.value);
  const s64 moved = op == AluOp::kAdd ? s64{pointer.off} + value : s64{pointer.off} - value;
  if (scalar.bounds.is_constant() && moved == static_cast<s32>(moved)) {
    result.off = static_cast<s32>(moved);
  } else {
    result.bounds = alu(op, true, pointer.bounds, scalar.bounds);
    if (is_packet_pointer(pointer.type)) {
      result.id = new_id();
      // Moving forward may leave the packet; moving back by a non-negative number can't.
      result.extra = op == AluOp::kAdd || scalar.bounds.w.smin < 0 ? 0 : result.extra;
    }
  }
  if (!check_sane_offset(pointer, result.bounds, result.off)) {
    return false;
  }
  set_reg(dst, result);
  return true;
}

}  // namespace kiln::verifier
