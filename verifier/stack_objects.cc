// SPDX-License-Identifier: Apache-2.0
//
// Dynptrs and iterators: objects on the stack that only their own functions may touch.
//
// Rules: they lie at a fixed, aligned offset; using one needs it whole and initialised. A dynptr that holds
// a reference (a ring buffer record) is not overwritten but released; one that holds none may be
// overwritten, which ends it and every slice of it. Packet slices end where the packet moves. An iterator is
// made once, holds a reference until it is destroyed, and is not made where one still is.
#include <algorithm>

#include "checker.h"

namespace kiln::verifier {
namespace {

constexpr u32 kDynptrSlots = 2;

void clear_slot(StackSlot& slot) { slot = StackSlot{}; }

}  // namespace

/// The slot at the lowest address of an object of `slots` slots.
std::optional<u32> Checker::object_slot(const Reg& reg, const char* what, u32 slots) {
  if (!reg.bounds.is_constant()) {
    log_.print("{} has to be at a constant offset\n", what);
    return std::nullopt;
  }
  const s64 off = static_cast<s64>(reg.bounds.value()) + reg.off;
  if (off >= 0 || off % kSlotBytes != 0 || slot_of(off) + 1 < slots || off < -s64{kStackBytes}) {
    log_.print("cannot pass in {} at an offset={}\n", what, off);
    return std::nullopt;
  }
  return slot_of(off);
}

/// \param slot  of the lowest address.
bool Checker::holds_object(const Frame& frame, u32 slot, u32 slots, Byte kind) {
  if (slot >= frame.stack.size()) {
    return false;
  }
  for (u32 k = slot + 1 - slots; k <= slot; ++k) {
    const auto is_kind = [kind](Byte byte) { return byte == kind; };
    if (!std::all_of(frame.stack[k].bytes.begin(), frame.stack[k].bytes.end(), is_kind)) {
      return false;
    }
  }
  return true;
}

/// Slots from `slot` on upwards in address now hold an object.
void Checker::place_object(u32 frame_number, u32 slot, u32 slots, Byte kind, const Reg& value) {
  Frame& frame = state().frames[frame_number];
  grow_stack(frame, -s64{slot + 1} * kSlotBytes);
  u64 written = 0;
  for (u32 k = slot + 1 - slots; k <= slot; ++k) {
    frame.stack[k].bytes.fill(kind);
    frame.stack[k].value = value;
    if (k != slot) {
      frame.stack[k].value.clear(kFirstSlot);
    }
    written |= u64{1} << k;
  }
  stack_liveness_.write(state().frame().instance, insn_, frame_number, written);
  touched_slots_ |= written;
}

void Checker::note_object_read(u32 frame, u32 slot, u32 slots) {
  u64 read = 0;
  for (u32 k = slot + 1 - slots; k <= slot; ++k) {
    read |= u64{1} << k;
  }
  stack_liveness_.read(state().frame().instance, insn_, frame, read);
}

// Dynptrs.

/// Before anything is written to a slot: a dynptr there ends.
bool Checker::end_dynptr_at(Frame& frame, u32 slot) {
  if (slot >= frame.stack.size() || frame.stack[slot].bytes[0] != Byte::kDynptr) {
    return true;
  }
  const u32 first = frame.stack[slot].value.has(kFirstSlot) ? slot : slot + 1;
  const Reg dynptr = frame.stack[first].value;
  if (static_cast<DynptrType>(dynptr.extra) == DynptrType::kRingbuf) {
    return reject("cannot overwrite referenced dynptr");
  }
  clear_slot(frame.stack[first]);
  clear_slot(frame.stack[first - 1]);
  invalidate([&](const Reg& reg) { return reg.type == RegType::kMem && reg.uid == dynptr.id; });
  return true;
}

/// The dynptr that a register points at, on the stack or a callback's argument; nullptr: none.
const Reg* Checker::dynptr_of(const Reg& reg) {
  if (reg.type == RegType::kDynptr) {
    return &reg;
  }
  const auto slot = reg.type == RegType::kStack ? object_slot(reg, "dynptr", kDynptrSlots) : std::nullopt;
  if (!slot) {
    return nullptr;
  }
  const Frame& frame = state().frames[reg.frame];
  if (!holds_object(frame, *slot, kDynptrSlots, Byte::kDynptr) || !frame.stack[*slot].value.has(kFirstSlot)) {
    return nullptr;
  }
  note_object_read(reg.frame, *slot, kDynptrSlots);
  return &frame.stack[*slot].value;
}

bool Checker::check_dynptr_register(unsigned number) {
  const Reg& reg = state().reg(number);
  return reg.type == RegType::kStack || reg.type == RegType::kDynptr ||
         reject("arg#{} expected pointer to stack or const struct bpf_dynptr", number - 1);
}

/// An argument that is a dynptr to be made. \param reference  kept by a clone; 0: a new one if it needs one.
bool Checker::make_dynptr(unsigned number, DynptrType type, u32 reference) {
  const Reg reg = state().reg(number);
  if (!check_dynptr_register(number)) {
    return false;
  }
  const auto slot = reg.type == RegType::kStack ? object_slot(reg, "dynptr", kDynptrSlots) : std::nullopt;
  if (!slot) {
    return reject("Dynptr has to be an uninitialized dynptr");
  }
  Frame& frame = state().frames[reg.frame];
  if (!end_dynptr_at(frame, *slot) || !end_dynptr_at(frame, *slot - 1)) {
    return false;
  }
  Reg dynptr = Reg::pointer(RegType::kDynptr);
  dynptr.extra = static_cast<s32>(type);
  dynptr.set(kFirstSlot);
  dynptr.id = new_id();
  if (type == DynptrType::kRingbuf) {
    dynptr.ref = reference != 0 ? reference : acquire_reference();
  }
  place_object(reg.frame, *slot, kDynptrSlots, Byte::kDynptr, dynptr);
  return true;
}

/// An argument that is a dynptr to be used.
/// \param type  nullopt: any.
bool Checker::use_dynptr(unsigned number, std::optional<DynptrType> type, Reg* found) {
  if (!check_dynptr_register(number)) {
    return false;
  }
  const Reg* dynptr = dynptr_of(state().reg(number));
  if (dynptr == nullptr) {
    return reject("Expected an initialized dynptr as arg #{}", number - 1);
  }
  if (type && static_cast<DynptrType>(dynptr->extra) != *type) {
    return reject("Expected a dynptr of type {} as arg #{}", dynptr_name(*type), number - 1);
  }
  if (found != nullptr) {
    *found = *dynptr;
  }
  return true;
}

/// The record of a ring buffer dynptr is given back; so end all its clones and slices.
bool Checker::release_dynptr(unsigned number) {
  const Reg reg = state().reg(number);
  if (reg.type != RegType::kStack) {
    return reject("cannot release unowned const bpf_dynptr");
  }
  const Reg* dynptr = dynptr_of(reg);
  if (dynptr == nullptr || dynptr->ref == 0) {
    return reject("arg {} is an unacquired reference", number);
  }
  const u32 reference = dynptr->ref;
  release_reference(reference);
  for (StackSlot& slot : state().frames[reg.frame].stack) {
    if (slot.bytes[0] == Byte::kDynptr && slot.value.ref == reference) {
      clear_slot(slot);
    }
  }
  return true;
}

// Iterators.

const StackSlot* Checker::iterator_slot(const State& s, const Reg& reg) {
  if (reg.type != RegType::kStack || !reg.bounds.is_constant()) {
    return nullptr;
  }
  const s64 off = static_cast<s64>(reg.bounds.value()) + reg.off;
  const Frame& frame = s.frames[reg.frame];
  const bool there = off < 0 && off >= -s64{kStackBytes} && slot_of(off) < frame.stack.size();
  return there && frame.stack[slot_of(off)].bytes[0] == Byte::kIter ? &frame.stack[slot_of(off)] : nullptr;
}

bool Checker::is_active_iterator(const State& s, const Reg& reg) const {
  const StackSlot* slot = iterator_slot(s, reg);
  return slot != nullptr && !slot->value.has(kDrained);
}

/// Two turns of a loop over an iterator are no infinite loop.
bool Checker::iterator_depths_differ(const State& was, const State& is) {
  for (std::size_t f = 0; f < was.frames.size(); ++f) {
    for (std::size_t k = 0; k < std::min(was.frames[f].stack.size(), is.frames[f].stack.size()); ++k) {
      const StackSlot& before = was.frames[f].stack[k];
      const StackSlot& now = is.frames[f].stack[k];
      if (before.bytes[0] == Byte::kIter && !before.value.has(kDrained) && before.value.off != now.value.off) {
        return true;
      }
    }
  }
  return false;
}

/// \param name  of the iterator without bpf_iter_; \param type  its BTF id.
bool Checker::make_iterator(unsigned number, std::string_view name, u32 type, u32 slots, bool in_rcu) {
  const Reg reg = state().reg(number);
  if (reg.type != RegType::kStack) {
    return reject("arg#{} expected pointer to an iterator on stack", number - 1);
  }
  const auto slot = object_slot(reg, "iter", slots);
  Frame& frame = state().frames[reg.frame];
  bool free = slot.has_value();
  for (u32 k = 0; free && k < slots; ++k) {
    const u32 at = *slot - k;
    const auto is_iter = [](Byte byte) { return byte == Byte::kIter; };
    free = at >= frame.stack.size() ||
           std::none_of(frame.stack[at].bytes.begin(), frame.stack[at].bytes.end(), is_iter);
  }
  if (!free) {
    return reject("expected uninitialized iter_{} as arg #{}", name, number - 1);
  }
  for (u32 k = 0; k < slots; ++k) {
    if (!end_dynptr_at(frame, *slot - k)) {
      return false;
    }
  }
  Reg iterator = Reg::pointer(RegType::kIter);
  iterator.extra = static_cast<s32>(type);
  iterator.set(kFirstSlot);
  if (in_rcu) {
    iterator.set(state().held.rcu != 0 || !state().sleepable ? kRcuLocked : kUntrusted);
  }
  iterator.ref = acquire_reference();
  place_object(reg.frame, *slot, slots, Byte::kIter, iterator);
  for (u32 k = 1; k < slots; ++k) {
    state().frames[reg.frame].stack[*slot - k].value.ref = 0;
  }
  return true;
}

/// \return the iterator, or nullptr after a reject().
Reg* Checker::use_iterator(unsigned number, std::string_view name, u32 type, u32 slots, std::string_view function) {
  const Reg reg = state().reg(number);
  if (reg.type != RegType::kStack) {
    reject("arg#{} expected pointer to an iterator on stack", number - 1);
    return nullptr;
  }
  const auto slot = object_slot(reg, "iter", slots);
  Frame& frame = state().frames[reg.frame];
  const bool whole = slot && holds_object(frame, *slot, slots, Byte::kIter);
  Reg* iterator = whole ? &frame.stack[*slot].value : nullptr;
  if (iterator != nullptr && iterator->has(kUntrusted)) {
    reject("expected an RCU CS when using {}", function);
    return nullptr;
  }
  if (iterator == nullptr || !iterator->has(kFirstSlot) || iterator->extra != static_cast<s32>(type)) {
    reject("expected an initialized iter_{} as arg #{}", name, number - 1);
    return nullptr;
  }
  note_object_read(reg.frame, *slot, slots);
  return iterator;
}

void Checker::destroy_iterator(const Reg& pointer, u32 slots) {
  Frame& frame = state().frames[pointer.frame];
  const u32 slot = slot_of(static_cast<s64>(pointer.bounds.value()) + pointer.off);
  release_reference(frame.stack[slot].value.ref);
  for (u32 k = 0; k < slots; ++k) {
    clear_slot(frame.stack[slot - k]);
  }
}

/// next(): one path on which it gives an element, and goes on; this one, on which there is none left.
void Checker::advance_iterator(const Reg& pointer) {
  const auto iterator_in = [&pointer](State& s) -> Reg& {
    return s.frames[pointer.frame].stack[slot_of(static_cast<s64>(pointer.bounds.value()) + pointer.off)].value;
  };
  Reg& iterator = iterator_in(state());
  if (!iterator.has(kDrained)) {
    const State* before = state().parent == nullptr ? nullptr : earlier_turn(*state().parent, insn_);
    auto goes_on = std::make_unique<State>(state());
    goes_on->last_insn = insn_;
    goes_on->insn = insn_ + 1;
    ++iterator_in(*goes_on).off;
    if (before != nullptr) {
      widen(*before, *goes_on);
    }
    Reg& element = goes_on->reg(0);
    element.maybe_null = false;
    push_branch(std::move(goes_on));
  }
  iterator.set(kDrained);
  set_reg(0, Reg::constant(0));
}

}  // namespace kiln::verifier
