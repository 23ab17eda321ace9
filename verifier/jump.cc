// SPDX-License-Identifier: Apache-2.0
//
// Conditional jumps: which ways are possible, and what each way teaches.
//
// Rules: both operands are initialised. A way that the operands' ranges exclude is not followed, and
// then those ranges must hold for every state matched with this one (make_precise). On the ways that
// are followed: scalar ranges shrink, and with them those of linked scalars; a pointer compared with
// 0 is NULL or is not, and so is every copy; comparing with data_end is packet_range.cc's.
#include "alu.h"
#include "checker.h"
#include "compare.h"

namespace kiln::verifier {

std::optional<bool> Checker::decide_pointer_branch(const Reg& dst, const Reg& src, CmpOp op) const {
  const bool pointer_first = dst.is_pointer();
  const Reg& pointer = pointer_first ? dst : src;
  const Reg& number = pointer_first ? src : dst;
  const bool never_null = !pointer.maybe_null &&
                          (pointer.type == RegType::kMapValue || pointer.type == RegType::kMapPtr ||
                           pointer.type == RegType::kMem || pointer.type == RegType::kXdpSock);
  const bool against_zero = number.is_scalar() && (decoded().is64 ? number.bounds.is_constant()
                                                                  : number.bounds.is_constant32()) &&
                            (decoded().is64 ? number.bounds.value() : number.bounds.bits.low32().value) == 0;
  if (!never_null || !against_zero || (op != CmpOp::kEq && op != CmpOp::kNe)) {
    return std::nullopt;
  }
  return op == CmpOp::kNe;
}

/// Narrows both scalars on the way taken and on the way not taken (the current state).
bool Checker::refine_scalars(State& taken, const Reg& left, const Reg& right) {
  const Decoded& d = decoded();
  if (!left.is_scalar() || !right.is_scalar() || (d.uses_source && insn().dst == insn().src)) {
    return false;
  }
  const auto narrow = [&](State& s, CmpOp op) {
    Bounds a = left.bounds, b = right.bounds;
    assume(op, d.is64, a, b);
    s.reg(insn().dst).bounds = a.consistent() ? a : Bounds::unknown();
    if (d.uses_source) {
      s.reg(insn().src).bounds = b.consistent() ? b : Bounds::unknown();
    }
  };
  narrow(taken, d.cmp);
  narrow(state(), negate(d.cmp));
  return true;
}

/// All registers and spills that hold the value of either id, plus a constant or not.
std::vector<Place> Checker::collect_links(u32 id_left, u32 id_right) {
  std::vector<Place> places;
  const auto linked = [&](const Reg& reg) {
    return reg.is_scalar() && reg.id != 0 && (reg.base_id() == id_left || reg.base_id() == id_right);
  };
  for (u8 f = 0; f < state().frames.size(); ++f) {
    const Frame& frame = state().frames[f];
    for (u8 r = 0; r < kFramePointer; ++r) {
      if (linked(frame.regs[r])) {
        places.push_back({f, r, false});
      }
    }
    for (std::size_t k = 0; k < frame.stack.size(); ++k) {
      if (frame.stack[k].is_spill() && linked(frame.stack[k].value)) {
        places.push_back({f, static_cast<u8>(k), true});
      }
    }
  }
  return places;
}

/// Gives what is known of one scalar to all that are linked with it.
void Checker::share_bounds(State& s, const Reg& known) {
  if (!known.is_scalar() || known.id == 0) {
    return;
  }
  const s64 known_off = (known.id & kIdWithOffset) != 0 ? known.off : 0;
  for_each_reg(s, [&](Reg& reg) {
    if (!reg.is_scalar() || reg.id == 0 || reg.base_id() != known.base_id()) {
      return;
    }
    const s64 distance = ((reg.id & kIdWithOffset) != 0 ? reg.off : 0) - known_off;
    reg.bounds = distance == 0 ? known.bounds
                               : alu(AluOp::kAdd, true, known.bounds,
                                     Bounds::constant(static_cast<u64>(distance)));
  });
}

void Checker::resolve_null(State& s, u32 id, bool is_null) {
  for_each_reg(s, [&](Reg& reg) {
    if (!reg.maybe_null || reg.id != id) {
      return;
    }
    if (is_null) {
      reg = Reg::constant(0);
      return;
    }
    reg.maybe_null = false;
    reg.id = 0;
    if (reg.type != RegType::kMapValue) {
      return;
    }
    const MapSpec& map = object_.maps[static_cast<std::size_t>(reg.extra)];
    if (map.inner) {
      reg.type = RegType::kMapPtr;
      reg.extra = static_cast<s32>(*map.inner);
    } else if (map.type == MapType::kXskmap) {
      reg.type = RegType::kXdpSock;
    }
  });
}

void Checker::refine_null(State& taken) {
  const Decoded& d = decoded();
  if (!d.is64 || (d.cmp != CmpOp::kEq && d.cmp != CmpOp::kNe)) {
    return;
  }
  const Reg dst = state().reg(insn().dst);
  if (!d.uses_source) {
    if (insn().imm == 0 && dst.maybe_null) {
      resolve_null(taken, dst.id, d.cmp == CmpOp::kEq);
      resolve_null(state(), dst.id, d.cmp != CmpOp::kEq);
    }
    return;
  }
  // Equal to a pointer that is not NULL: not NULL either.
  const Reg src = state().reg(insn().src);
  if (dst.is_pointer() && src.is_pointer() && dst.maybe_null != src.maybe_null) {
    const Reg& unsure = dst.maybe_null ? dst : src;
    resolve_null(d.cmp == CmpOp::kEq ? taken : state(), unsure.id, false);
  }
}

Step Checker::execute_branch() {
  const Insn& i = insn();
  const Decoded& d = decoded();
  if (!check_readable(i.dst) || (d.uses_source && !check_readable(i.src))) {
    return Step::kReject;
  }
  const Reg left = state().reg(i.dst);
  const Reg right = d.uses_source ? state().reg(i.src) : Reg::constant(static_cast<u64>(s64{i.imm}));
  const u32 target = static_cast<u32>(jump_target(d, i, insn_));
  std::optional<bool> known;
  if (left.is_pointer() && right.is_pointer()) {
    known = decide_packet_branch(left, right, d.cmp);
  } else if (left.is_pointer() || right.is_pointer()) {
    known = decide_pointer_branch(left, right, d.cmp);
  } else {
    known = decide(d.cmp, d.is64, left.bounds, right.bounds);
  }
  if (known) {
    if (left.is_scalar()) {
      make_precise(i.dst);
    }
    if (d.uses_source && right.is_scalar()) {
      make_precise(i.src);
    }
    facts_.record_branch(insn_, *known);
    next_ = *known ? target : insn_ + 1;
    return Step::kNext;
  }
  facts_.record_branch(insn_, true);
  facts_.record_branch(insn_, false);
  if (left.is_scalar() || right.is_scalar()) {
    const u32 id_right = right.is_scalar() ? right.base_id() : 0;
    const std::vector<Place> links = collect_links(left.is_scalar() ? left.base_id() : 0, id_right);
    if (links.size() > 1) {
      State& s = state();
      s.links.insert(s.links.end(), links.begin(), links.end());
      s.trace.back().linked_count = static_cast<u16>(links.size());
      s.trace.back().links_end = static_cast<u32>(s.links.size());
      ++s.jumps_in_trace;
    }
  }
  auto taken = std::make_unique<State>(state());
  taken->last_insn = insn_;
  taken->insn = target;
  if (refine_scalars(*taken, left, right)) {
    for (State* s : {taken.get(), current_.get()}) {
      if (d.uses_source) {
        share_bounds(*s, Reg(s->reg(i.src)));
      }
      share_bounds(*s, Reg(s->reg(i.dst)));
    }
  } else {
    refine_null(*taken);
    learn_packet_range(*taken);
  }
  touch_reg(i.dst);
  if (d.uses_source) {
    touch_reg(i.src);
  }
  push_branch(std::move(taken));
  return Step::kNext;
}

}  // namespace kiln::verifier
