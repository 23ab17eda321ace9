// SPDX-License-Identifier: Apache-2.0
#include "subsume.h"

#include <algorithm>

namespace kiln::verifier {
namespace {

bool linked_alike(const Reg& old_reg, const Reg& new_reg, IdMap& ids) {
  if (old_reg.id == 0) {
    return ids.same_scalar(0, new_reg.id);  // a link, with an offset or without, only says more
  }
  const u32 old_offset = old_reg.id & kIdWithOffset, new_offset = new_reg.id & kIdWithOffset;
  return old_offset == new_offset && (old_offset == 0 || old_reg.off == new_reg.off) &&
         ids.same_scalar(old_reg.base_id(), new_reg.base_id());
}

bool covers_reg(const Reg& old_reg, const Reg& new_reg, Match match, IdMap& ids) {
  const auto same_ids = [&] {
    return ids.same(old_reg.id, new_reg.id) && ids.same(old_reg.ref, new_reg.ref) && old_reg.uid == new_reg.uid;
  };
  if (match == Match::kExact) {
    return old_reg.same_but_id(new_reg) && same_ids();
  }
  if (old_reg.type == RegType::kNotInit && match == Match::kSafe) {
    return true;  // the old path never read it
  }
  if (old_reg.type != new_reg.type || old_reg.maybe_null != new_reg.maybe_null) {
    return false;
  }
  switch (old_reg.type) {
    case RegType::kScalar:
      return (!old_reg.precise && match == Match::kSafe) ||
             (old_reg.bounds.holds(new_reg.bounds) && linked_alike(old_reg, new_reg, ids));
    case RegType::kMapKey:
    case RegType::kMapValue:
    case RegType::kMem:
    case RegType::kBuf:
    case RegType::kTpBuffer:
      return old_reg.off == new_reg.off && old_reg.extra == new_reg.extra && old_reg.flags == new_reg.flags &&
             old_reg.bounds.holds(new_reg.bounds) && same_ids();
    case RegType::kPacket:
    case RegType::kPacketMeta:
      // At least as many bytes known to be there; of one that lies behind the end, the same.
      return (old_reg.extra < 0 || new_reg.extra < 0 ? old_reg.extra == new_reg.extra : old_reg.extra <= new_reg.extra) &&
             old_reg.off == new_reg.off &&
             old_reg.bounds.holds(new_reg.bounds) && ids.same(old_reg.id, new_reg.id);
    default:
      return old_reg.same_but_id(new_reg) && same_ids();
  }
}

/// Dynptrs, iterators and saved interrupt flags. How deep an iteration is does not matter.
bool covers_object(const StackSlot& old_slot, const StackSlot& new_slot, IdMap& ids) {
  return old_slot.bytes == new_slot.bytes && old_slot.value.type == new_slot.value.type &&
         old_slot.value.extra == new_slot.value.extra && old_slot.value.flags == new_slot.value.flags &&
         ids.same(old_slot.value.ref, new_slot.value.ref);
}

/// The same references and sections, but for names.
bool same_held(const Held& was, const Held& is, IdMap& ids) {
  if (was.refs.size() != is.refs.size() || was.locks != is.locks || was.rcu != is.rcu ||
      was.preempt != is.preempt || was.lock_owner != is.lock_owner || !ids.same(was.irq_id, is.irq_id) ||
      !ids.same(was.lock_id, is.lock_id)) {
    return false;
  }
  for (std::size_t i = 0; i < was.refs.size(); ++i) {
    if (was.refs[i].kind != is.refs[i].kind || was.refs[i].owner != is.refs[i].owner ||
        !ids.same(was.refs[i].id, is.refs[i].id)) {
      return false;
    }
  }
  return true;
}

bool is_only_bytes(const StackSlot& slot) {
  for (const Byte byte : slot.bytes) {
    if (byte != Byte::kMisc && byte != Byte::kInvalid) {
      return false;
    }
  }
  return true;
}

bool covers_slot(const StackSlot& old_slot, const StackSlot& new_slot, Match match, IdMap& ids) {
  if (old_slot.is_object()) {
    return covers_object(old_slot, new_slot, ids);
  }
  if (match == Match::kExact) {
    return old_slot.bytes == new_slot.bytes &&
           (!old_slot.is_spill() || covers_reg(old_slot.value, new_slot.value, match, ids));
  }
  if (match == Match::kWithin && old_slot.bytes != new_slot.bytes) {
    return false;  // while a loop is being explored Linux 6.18 compares what kinds of bytes there are
  }
  if (is_only_bytes(old_slot)) {
    return true;  // loads of it gave unknown numbers
  }
  const bool old_scalar = old_slot.is_full_spill() && old_slot.value.is_scalar();
  if (old_scalar && is_only_bytes(new_slot)) {
    return covers_reg(old_slot.value, Reg::unknown(), match, ids);
  }
  for (u32 i = 0; i < kSlotBytes; ++i) {
    const Byte b = old_slot.bytes[i];
    if ((b == Byte::kZero || b == Byte::kSpill) && new_slot.bytes[i] != b) {
      return false;
    }
  }
  return !old_slot.is_spill() || covers_reg(old_slot.value, new_slot.value, match, ids);
}

bool covers_frame(const Frame& old_frame, const Frame& new_frame, u16 live, Match match, IdMap& ids) {
  for (unsigned r = 0; r < kRegisters; ++r) {
    if ((live >> r & 1) != 0 && !covers_reg(old_frame.regs[r], new_frame.regs[r], match, ids)) {
      return false;
    }
  }
  if (match != Match::kSafe && old_frame.stack.size() > new_frame.stack.size()) {
    return false;  // a deeper new one has what the old one did without
  }
  for (std::size_t k = 0; k < old_frame.stack.size(); ++k) {
    // Bytes that matter must have been touched on the new path too.
    const bool touched = k < new_frame.stack.size();
    if (touched ? !covers_slot(old_frame.stack[k], new_frame.stack[k], match, ids)
                : !is_only_bytes(old_frame.stack[k])) {
      return false;
    }
  }
  return true;
}

}  // namespace

/// The pair that one of the two belongs to already.
const IdMap::Pair* IdMap::find(u32 old_id, u32 new_id) const {
  const auto meets = [&](const Pair& pair) { return pair.first == old_id || pair.second == new_id; };
  for (u32 k = 0; k < count_; ++k) {
    if (meets(few_[k])) {
      return &few_[k];
    }
  }
  const auto rest = std::find_if(more_.begin(), more_.end(), meets);
  return rest != more_.end() ? &*rest : nullptr;
}

bool IdMap::same(u32 old_id, u32 new_id) {
  if (old_id == 0 || new_id == 0) {
    return old_id == new_id;
  }
  if (const Pair* known = find(old_id, new_id)) {
    return known->first == old_id && known->second == new_id;
  }
  if (count_ < few_.size()) {
    few_[count_++] = {old_id, new_id};
  } else {
    more_.emplace_back(old_id, new_id);
  }
  return true;
}

bool IdMap::same_scalar(u32 old_id, u32 new_id) {
  const u32 old_name = old_id != 0 ? old_id : ++fresh_;
  const u32 new_name = new_id != 0 ? new_id : ++fresh_;
  return same(old_name, new_name);
}

bool may_be_same(const State& old_state, const State& new_state) {
  if (old_state.depth() != new_state.depth()) {
    return false;
  }
  for (unsigned r = 0; r < kRegisters; ++r) {
    const Reg& was = old_state.reg(r);
    const Reg& is = new_state.reg(r);
    if (was.id != is.id || !was.same_but_id(is)) {
      return false;  // ids too: a new one each turn is progress to the kernel
    }
  }
  return true;
}

bool covers(const State& old_state, const State& new_state, const Structure& structure, Match match) {
  if (old_state.depth() != new_state.depth()) {
    return false;
  }
  if (old_state.sleepable != new_state.sleepable) {
    return false;
  }
  IdMap ids;
  if (!same_held(old_state.held, new_state.held, ids)) {
    return false;
  }
  for (u32 f = 0; f < old_state.frames.size(); ++f) {
    const Frame& old_frame = old_state.frames[f];
    const Frame& new_frame = new_state.frames[f];
    if (old_frame.callsite != new_frame.callsite || old_frame.instance != new_frame.instance ||
        old_frame.callback_depth > new_frame.callback_depth) {
      return false;
    }
    const u16 live = structure.slots[position(old_state, f)].live;
    if (!covers_frame(old_frame, new_frame, live, match, ids)) {
      return false;
    }
  }
  return true;
}

}  // namespace kiln::verifier
