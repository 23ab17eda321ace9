// SPDX-License-Identifier: Apache-2.0
//
// The stack: spills, fills, and bytes that are only known to be there.
//
// Rules: offsets lie in [-512, 0) of their frame, also at both ends of a variable offset. A store of
// a whole aligned register (or constant) is a spill and keeps what is known of it; a pointer can only
// be spilled whole, and a pointer to the stack not into a caller's frame. Any other store leaves
// bytes, zero or unknown. A load of what was spilled gives it back; of anything else, an unknown
// number, or 0 where all bytes are. Bytes never written may be read, as a privileged loader may.
#include <algorithm>

#include "checker.h"

namespace kiln::verifier {
namespace {

constexpr s64 kMaxOffset = s64{1} << 29;

/// A spill or object that lost some of its bytes is only bytes; zeros beside it are forgotten, as by the kernel.
void scrub(StackSlot& slot) {
  if (slot.is_spill() || slot.is_object()) {
    for (Byte& byte : slot.bytes) {
      byte = byte == Byte::kInvalid ? Byte::kInvalid : Byte::kMisc;
    }
  }
  slot.value = Reg{};
}

}  // namespace

void Checker::grow_stack(Frame& frame, s64 low) {
  const u32 slots = slot_of(low) + 1;
  if (frame.stack.size() < slots) {
    frame.stack.resize(slots);
  }
  u32& depth = stack_depth_[frame.subprogram];
  depth = std::max(depth, slots * kSlotBytes);
}

bool Checker::check_stack_bounds(unsigned number, const Reg& reg, s64 off, u32 bytes, const char* what) {
  const Interval64& w = reg.bounds.w;
  const bool fixed = reg.bounds.is_constant();
  if (!fixed && (w.smax >= kMaxOffset || w.smin <= -kMaxOffset)) {
    return reject("invalid unbounded variable-offset {} stack R{}", what, number);
  }
  const s64 low = w.smin + off;
  const s64 high = w.smax + off + s64{bytes};
  if (low < -s64{kStackBytes} || high > 0 || low >= 0) {
    return fixed ? reject("invalid {} stack R{} off={} size={}", what, number, low, bytes)
                 : reject("invalid variable-offset {} stack R{} var_off={} off={} size={}", what, number,
                          reg.bounds.bits.text(), off, bytes);
  }
  grow_stack(state().frames[reg.frame], low);
  return true;
}

void Checker::note_read(u32 frame, s64 low, s64 high) {
  u64 slots = 0;
  for (u32 k = slot_of(high - 1); k <= slot_of(low); ++k) {
    slots |= u64{1} << k;
  }
  stack_liveness_.read(state().frame().instance, insn_, frame, slots);
}

bool Checker::access_stack(const MemoryAccess& a, const Reg& reg, s64 off) {
  const bool store = a.access == Access::kWrite;
  if (!check_stack_bounds(a.reg, reg, off, a.bytes, store ? "write to" : "read from")) {
    return false;
  }
  const s64 low = reg.bounds.w.smin + off;
  const s64 high = reg.bounds.w.smax + off + a.bytes;
  if (store) {
    if (!end_dynptrs(reg.frame, low, high)) {
      return false;
    }
    if (reg.bounds.is_constant()) {
      return check_spill(a, reg.frame) && (store_fixed(a, reg.frame, low), true);
    }
    store_variable(a, reg.frame, low, high);
    return true;
  }
  if (reg.bounds.is_constant()) {
    return load_fixed(a, reg.frame, low);
  }
  if (a.value_reg < 0) {
    return reject("variable offset stack pointer cannot be passed into helper function; var_off={} off={} size={}",
                  reg.bounds.bits.text(), off, a.bytes);
  }
  if (!check_no_object(a.reg, reg, low, high, a.bytes)) {
    return false;
  }
  note_read(reg.frame, low, high);
  load_bytes(static_cast<unsigned>(a.value_reg), reg.frame, low, high);
  return true;
}

/// A store to these bytes ends the dynptrs in them.
bool Checker::end_dynptrs(u32 frame, s64 low, s64 high) {
  for (u32 k = slot_of(high - 1); k <= slot_of(low); ++k) {
    if (!end_dynptr_at(state().frames[frame], k)) {
      return false;
    }
  }
  return true;
}

/// Dynptrs, iterators and the like are not read as bytes, nor handed to helpers as memory.
bool Checker::check_no_object(unsigned number, const Reg& reg, s64 low, s64 high, u32 bytes) {
  for (s64 off = low; off < high; ++off) {
    if (state().frames[reg.frame].stack[slot_of(off)].bytes[byte_of(off)] >= Byte::kDynptr) {
      return reg.bounds.is_constant()
                 ? reject("invalid read from stack R{} off {}+{} size {}", number, low, off - low, bytes)
                 : reject("invalid read from stack R{} var_off {}+{} size {}", number, reg.bounds.bits.text(),
                          off - low, bytes);
    }
  }
  return true;
}

/// Pointers are spilled whole, and none to the stack into another frame.
bool Checker::check_spill(const MemoryAccess& a, u32 frame) {
  if (a.value_reg < 0 || !state().reg(static_cast<unsigned>(a.value_reg)).is_pointer()) {
    return true;
  }
  if (a.bytes != kSlotBytes) {
    return reject("invalid size of register spill");
  }
  if (frame != state().depth() && state().reg(static_cast<unsigned>(a.value_reg)).type == RegType::kStack) {
    return reject("cannot spill pointers to stack into stack frame of the caller");
  }
  return true;
}

void Checker::store_fixed(const MemoryAccess& a, u32 frame, s64 off) {
  StackSlot& slot = state().frames[frame].stack[slot_of(off)];
  const u32 first = byte_of(off);
  if (frame == state().depth()) {
    touch_slot(slot_of(off));
  }
  Reg immediate = Reg::constant(static_cast<u64>(s64{insn().imm}));
  Reg* value = a.value_reg >= 0 ? &state().reg(static_cast<unsigned>(a.value_reg))
               : a.immediate    ? &immediate
                                : nullptr;
  if (a.bytes == kSlotBytes && !a.atomic) {
    written_frame_ = frame;
    written_slots_ = u64{1} << slot_of(off);
  }
  const bool keeps = value != nullptr && value->type != RegType::kDynptr;  // a callback's dynptr can't be kept
  if (keeps && first == 0) {
    const bool fits = value->is_pointer() || value->bounds.width() <= a.bytes * 8;
    if (fits) {
      link_copies(*value);
    }
    slot.value = *value;
    slot.value.precise = false;
    if (!fits) {  // what is loaded back is another number
      slot.value.id = 0;
      slot.value.off = 0;
    }
    for (u32 i = 0; i < kSlotBytes; ++i) {
      slot.bytes[i] = i < a.bytes                       ? Byte::kSpill
                      : slot.bytes[i] == Byte::kInvalid ? Byte::kInvalid
                      : slot.bytes[i] == Byte::kZero    ? Byte::kZero
                                                        : Byte::kMisc;
    }
    TraceEntry& entry = state().trace.back();
    entry.stack_access = true;
    entry.stack_frame = static_cast<u8>(frame);
    entry.stack_slot = static_cast<u8>(slot_of(off));
    ++state().jumps_in_trace;
    return;
  }
  const bool zero = value != nullptr && value->is_null_constant();
  if (zero && a.value_reg >= 0) {
    make_precise(static_cast<unsigned>(a.value_reg));
  }
  scrub(slot);
  for (u32 i = first; i < first + a.bytes; ++i) {
    slot.bytes[i] = zero ? Byte::kZero : Byte::kMisc;
  }
}

/// Any of the bytes may have been overwritten, none must have been.
void Checker::store_variable(const MemoryAccess& a, u32 frame, s64 low, s64 high) {
  const bool zero = a.value_reg >= 0 ? state().reg(static_cast<unsigned>(a.value_reg)).is_null_constant()
                                     : a.immediate && insn().imm == 0;
  bool kept_zero = false;
  for (s64 off = low; off < high; ++off) {
    StackSlot& slot = state().frames[frame].stack[slot_of(off)];
    Byte& byte = slot.bytes[byte_of(off)];
    if (frame == state().depth()) {
      touch_slot(slot_of(off));
    }
    if (zero && byte == Byte::kSpill && slot.value.is_null_constant()) {
      kept_zero = true;
      continue;
    }
    if (slot.is_spill()) {
      scrub(slot);
    }
    kept_zero |= zero && byte == Byte::kZero;
    byte = zero && byte == Byte::kZero ? Byte::kZero : Byte::kMisc;
  }
  if (kept_zero && a.value_reg >= 0) {
    make_precise(static_cast<unsigned>(a.value_reg));
  }
}

bool Checker::load_fixed(const MemoryAccess& a, u32 frame, s64 off) {
  note_read(frame, off, off + a.bytes);
  if (frame == state().depth()) {
    touch_slot(slot_of(off));
  }
  const StackSlot& slot = state().frames[frame].stack[slot_of(off)];
  for (u32 i = 0; i < a.bytes; ++i) {
    if (slot.bytes[byte_of(off) + i] >= Byte::kDynptr) {
      return reject("invalid read from stack off {}+{} size {}", off, i, a.bytes);
    }
  }
  const u32 spilled = slot.spill_size();
  const bool whole = a.bytes == kSlotBytes && spilled == kSlotBytes;
  if (spilled > 0 && !whole && !slot.value.is_scalar()) {
    return reject("invalid size of register fill");
  }
  if (a.value_reg < 0) {
    return true;
  }
  const unsigned target = static_cast<unsigned>(a.value_reg);
  const bool from_spill = spilled > 0 && byte_of(off) == 0 && a.bytes <= spilled;
  const bool inside_zero = spilled > 0 && byte_of(off) + a.bytes <= spilled && slot.value.is_null_constant();
  if (!from_spill && !inside_zero) {
    load_bytes(target, frame, off, off + a.bytes);
    return true;
  }
  Reg value = slot.value;
  if (inside_zero && !from_spill) {
    value = Reg::constant(0);
  } else if (value.is_scalar() && value.bounds.width() > a.bytes * 8) {
    value.id = 0;  // narrowed: another number
    value.off = 0;
  }
  value.precise = false;
  set_reg(target, value);
  TraceEntry& entry = state().trace.back();
  entry.stack_access = true;
  entry.stack_frame = static_cast<u8>(frame);
  entry.stack_slot = static_cast<u8>(slot_of(off));
  ++state().jumps_in_trace;
  return true;
}

/// Bytes of which only zero or not is known.
void Checker::load_bytes(unsigned value_reg, u32 frame, s64 low, s64 high) {
  bool all_zero = true;
  for (s64 off = low; off < high; ++off) {
    const StackSlot& slot = state().frames[frame].stack[slot_of(off)];
    all_zero &= slot.bytes[byte_of(off)] == Byte::kZero;
  }
  set_reg(value_reg, all_zero ? Reg::constant(0) : Reg::unknown());
}

/// Memory of a helper or global function on the stack: read, or also written.
bool Checker::access_stack_argument(const ArgumentMemory& m, const Reg& reg) {
  const bool write = m.access == Access::kWrite;
  if (!check_stack_bounds(m.number, reg, reg.off, m.bytes, write ? "write to" : "read from")) {
    return false;
  }
  if (m.bytes == 0) {
    return true;
  }
  const s64 low = reg.bounds.w.smin + reg.off, high = reg.bounds.w.smax + reg.off + m.bytes;
  const bool raw = m.overwritten && reg.bounds.is_constant();
  for (s64 off = low; raw && off < high; ++off) {
    if (state().frames[reg.frame].stack[slot_of(off)].bytes[byte_of(off)] == Byte::kDynptr) {
      return reject("potential write to dynptr at off={} disallowed", off);
    }
  }
  if (!raw && !check_no_object(m.number, reg, low, high, m.bytes)) {
    return false;
  }
  if (!m.overwritten || !reg.bounds.is_constant()) {
    note_read(reg.frame, reg.bounds.w.smin + reg.off, reg.bounds.w.smax + reg.off + m.bytes);
  }
  if (write) {
    clobber_stack(reg, m.bytes);
  }
  return true;
}

/// Somebody else may write `bytes` bytes there.
void Checker::clobber_stack(const Reg& reg, u32 bytes) {
  for (s64 off = reg.bounds.w.smin + reg.off; off < reg.bounds.w.smax + reg.off + bytes; ++off) {
    StackSlot& slot = state().frames[reg.frame].stack[slot_of(off)];
    scrub(slot);
    slot.bytes[byte_of(off)] = Byte::kMisc;
  }
}

}  // namespace kiln::verifier
