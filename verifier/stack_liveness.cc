// SPDX-License-Identifier: Apache-2.0
#include "stack_liveness.h"

#include <bit>

namespace kiln::verifier {

u32 StackLiveness::create(u32 parent, u32 callsite, u32 depth, u32 subprogram) {
  const SubprogramInfo& info = structure_.subprograms[subprogram];
  Instance instance;
  instance.parent = parent;
  instance.callsite = callsite;
  instance.depth = depth;
  instance.subprogram = subprogram;
  instance.start = info.start;
  instance.stored.resize(info.end - info.start);
  instances_.push_back(std::move(instance));
  return static_cast<u32>(instances_.size()) - 1;
}

u32 StackLiveness::root(u32 subprogram) {
  for (u32 i = 0; i < instances_.size(); ++i) {
    if (instances_[i].depth == 0 && instances_[i].subprogram == subprogram) {
      return i;
    }
  }
  return create(0, kNoCallsite, 0, subprogram);
}

u32 StackLiveness::child(u32 parent, u32 callsite, u32 subprogram) {
  for (const u32 i : instances_[parent].children) {
    if (instances_[i].callsite == callsite && instances_[i].subprogram == subprogram) {
      return i;
    }
  }
  const u32 made = create(parent, callsite, instances_[parent].depth + 1, subprogram);
  instances_[parent].children.push_back(made);
  return made;
}

/// To be changed.
StackLiveness::Effects& StackLiveness::effects(Instance& instance, u32 insn, u32 frame) {
  FrameEffects& all = instance.frames[frame];
  if (all.empty()) {
    all.at.resize(instance.stored.size());
    all.dirty.resize((instance.stored.size() + 63) / 64);
  }
  all.touch(insn - instance.start);
  return all.at[insn - instance.start];
}

void StackLiveness::make_stale(u32 index) {
  // Callers read through their callees, so they are stale as well.
  for (;; index = instances_[index].parent) {
    instances_[index].stale = true;
    if (instances_[index].depth == 0) {
      return;
    }
  }
}

void StackLiveness::read(u32 index, u32 insn, u32 frame, u64 slots) {
  Effects& e = effects(instances_[index], insn, frame);
  if ((e.reads | slots) != e.reads) {
    e.reads |= slots;
    make_stale(index);
  }
}

void StackLiveness::write(u32 index, u32 insn, u32 frame, u64 slots) {
  Instance& instance = instances_[index];
  const bool first = !instance.stored[insn - instance.start];
  instance.stored[insn - instance.start] = true;
  if (first) {
    if (slots != 0) {
      effects(instance, insn, frame).writes = slots;
      make_stale(index);
    }
    return;
  }
  for (u32 f = 0; f < kMaxFrames; ++f) {
    if (instance.frames[f].empty()) {
      continue;
    }
    Effects& e = instance.frames[f].at[insn - instance.start];
    const u64 both = f == frame ? e.writes & slots : 0;
    if (both != e.writes) {
      e.writes = both;
      instance.frames[f].touch(insn - instance.start);
      make_stale(index);
    }
  }
}

/// A call reads of its caller's frames what is live at the callee's entry.
void StackLiveness::add_calls(Instance& instance, u32 frame) {
  for (const u32 i : instance.children) {
    const Instance& callee = instances_[i];
    if (!callee.frames[frame].empty()) {
      effects(instance, callee.callsite, frame).reads |= callee.frames[frame].at[0].live;
    }
  }
}

void StackLiveness::find_neighbours() {
  const u32 size = static_cast<u32>(program_.insns.size());
  next_.resize(size);
  before_at_.assign(size + 1, 0);
  for (u32 at = 0; at < size; ++at) {
    next_[at] = successors(structure_, program_, at);
    for (unsigned i = 0; i < next_[at].count; ++i) {
      ++before_at_[next_[at].at[i] + 1];
    }
  }
  for (u32 at = 0; at < size; ++at) {
    before_at_[at + 1] += before_at_[at];
  }
  before_.resize(before_at_[size]);
  std::vector<u32> filled = before_at_;
  for (u32 at = 0; at < size; ++at) {
    for (unsigned i = 0; i < next_[at].count; ++i) {
      before_[filled[next_[at].at[i]]++] = at;
    }
  }
}

/// Once backwards over the text, where something has changed. What a jump backwards changes waits for the next time.
bool StackLiveness::update(Instance& instance, u32 frame) {
  FrameEffects& all = instance.frames[frame];
  bool changed = false;
  for (std::size_t word = all.dirty.size(); word-- > 0;) {
    for (u64 below = ~u64{0}; (all.dirty[word] & below) != 0;) {
      const u32 bit = 63 - static_cast<u32>(std::countl_zero(all.dirty[word] & below));
      all.dirty[word] &= ~(u64{1} << bit);
      below = (u64{1} << bit) - 1;
      const u32 k = static_cast<u32>(word) * 64 + bit, at = instance.start + k;
      u64 after = 0;
      for (unsigned i = 0; i < next_[at].count; ++i) {
        after |= all.at[next_[at].at[i] - instance.start].live;
      }
      const u64 live = (after & ~all.at[k].writes) | all.at[k].reads;
      if (live == all.at[k].live) {
        continue;
      }
      changed = true;
      all.at[k].live = live;
      for (u32 i = before_at_[at]; i < before_at_[at + 1]; ++i) {
        all.touch(before_[i] - instance.start);
      }
    }
  }
  return changed;
}

void StackLiveness::refresh(u32 index) {
  // A state whose instance is fresh may have stale callees: staleness goes up, never down.
  for (std::size_t i = 0; i < instances_[index].children.size(); ++i) {
    const u32 callee = instances_[index].children[i];
    if (instances_[callee].stale) {
      refresh(callee);
    }
  }
  if (next_.empty()) {
    find_neighbours();
  }
  Instance& instance = instances_[index];
  for (u32 frame = 0; frame <= instance.depth; ++frame) {
    add_calls(instance, frame);
    if (instance.frames[frame].empty()) {
      continue;
    }
    while (update(instance, frame)) {
    }
  }
  instance.stale = false;
}

u64 StackLiveness::live_before(u32 index, u32 insn, u32 frame) {
  if (instances_[index].stale) {
    refresh(index);
  }
  const Instance& instance = instances_[index];
  return instance.frames[frame].empty() ? 0 : instance.frames[frame].at[insn - instance.start].live;
}

}  // namespace kiln::verifier
