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
#include "subsume.h"

namespace kiln::verifier {
namespace {

constexpr std::size_t kMaxLinks = 6;

/// Pointers that the kernel knows not to be NULL where a test has not said so.
bool is_never_null(const Reg& reg) {
  switch (reg.type) {
    case RegType::kMapKey:
    case RegType::kMapValue:
    case RegType::kMapPtr:
    case RegType::kMem:
    case RegType::kSocket:
    case RegType::kSockCommon:
    case RegType::kTcpSock:
      return true;
    case RegType::kBtf:
      return reg.ref != 0 || reg.has(kTrusted | kRcu | kOwned);
    default:
      return false;
  }
}

}  // namespace

std::optional<bool> Checker::decide_pointer_branch(const Reg& dst, const Reg& src, CmpOp op) const {
  const bool pointer_first = dst.is_pointer();
  const Reg& pointer = pointer_first ? dst : src;
  const Reg& number = pointer_first ? src : dst;
  const bool never_null = !pointer.maybe_null && is_never_null(pointer);
  const bool against_zero = number.is_scalar() && (decoded().is64 ? number.bounds.is_constant()
                                                                  : number.bounds.is_constant32()) &&
                            (decoded().is64 ? number.bounds.value() : number.bounds.bits.low32().value) == 0;
  if (!never_null || !against_zero || (op != CmpOp::kEq && op != CmpOp::kNe)) {
    return std::nullopt;
  }
  return op == CmpOp::kNe;
}

/// Both operands as they are on either way out, if they are scalars to be narrowed.
Checker::Narrowed Checker::narrow_scalars(const Reg& left, const Reg& right) const {
  const Decoded& d = decoded();
  Narrowed n;
  n.applies = left.is_scalar() && right.is_scalar() && !(d.uses_source && insn().dst == insn().src);
  if (n.applies) {
    n.left[0] = n.left[1] = left.bounds;
    n.right[0] = n.right[1] = right.bounds;
    assume(negate(d.cmp), d.is64, n.left[0], n.right[0]);
    assume(d.cmp, d.is64, n.left[1], n.right[1]);
  }
  return n;
}

/// \param taken  which way `s` goes.
void Checker::apply(const Narrowed& n, State& s, bool taken, const std::vector<Place>& links) {
  const Insn& i = insn();
  const auto possible = [](const Bounds& b) { return b.consistent() ? b : Bounds::unknown(); };
  s.reg(i.dst).bounds = possible(n.left[taken]);
  if (decoded().uses_source) {
    s.reg(i.src).bounds = possible(n.right[taken]);
    share_bounds(s, Reg(s.reg(i.src)), links);
  }
  share_bounds(s, Reg(s.reg(i.dst)), links);
}

/// Adds all live registers and all spills that hold the value of `id`, plus a constant or not. Linux follows six:
/// what is left over then is linked no longer.
void Checker::collect_links(u32 id, std::vector<Place>& places) {
  const auto add = [&](Reg& reg, u32 frame, std::size_t index, bool is_slot) {
    if (!reg.is_scalar() || reg.id == 0 || reg.base_id() != id) {
      return;
    }
    if (places.size() < kMaxLinks) {
      places.push_back({static_cast<u8>(frame), static_cast<u8>(index), is_slot});
    } else {
      reg.id = 0;
      reg.off = 0;
    }
  };
  for (u32 f = state().depth() + 1; f-- > 0;) {
    Frame& frame = state().frames[f];
    const u16 live = structure_.slots[position(state(), f)].live;
    for (unsigned r = 0; r < kFramePointer; ++r) {
      if ((live >> r & 1) != 0) {
        add(frame.regs[r], f, r, false);
      }
    }
    for (std::size_t k = 0; k < frame.stack.size(); ++k) {
      if (frame.stack[k].is_spill()) {
        add(frame.stack[k].value, f, k, true);
      }
    }
  }
}

/// For Facts: what is narrowed together here.
void Checker::record_links(const std::vector<Place>& links) {
  const State& s = state();
  for (const Place& place : links) {
    if (place.is_slot) {
      facts_.record_linked_slots(insn_, s.frames[place.frame].subprogram, u64{1} << place.index);
    } else {
      facts_.record_linked_regs(insn_, place.frame == s.depth() ? insn_ : resumption(s, place.frame),
                                static_cast<u16>(1u << place.index));
    }
  }
}

/// Gives what is known of one scalar to all that are linked with it.
void Checker::share_bounds(State& s, const Reg& known, const std::vector<Place>& links) {
  if (!known.is_scalar() || known.id == 0) {
    return;
  }
  const s64 known_off = (known.id & kIdWithOffset) != 0 ? known.off : 0;
  for (const Place& place : links) {
    Frame& frame = s.frames[place.frame];
    Reg& reg = place.is_slot ? frame.stack[place.index].value : frame.regs[place.index];
    if (reg.base_id() != known.base_id()) {
      continue;
    }
    const u32 widths = (reg.id | known.id) & kIdWithOffset;
    if (widths == kIdWithOffset) {
      continue;  // one was shifted in 32 bits, the other in 64: their distance is not one number
    }
    const s64 distance = s64{(reg.id & kIdWithOffset) != 0 ? reg.off : 0} - known_off;
    if (distance == 0) {  // the very same number: linked as `known` is from now on
      reg.bounds = known.bounds;
      reg.id = known.id;
      reg.off = known.off;
    } else {
      const Bounds step = Bounds::constant(static_cast<u64>(distance));
      reg.bounds = alu(AluOp::kAdd, widths != kIdOffset32, known.bounds, step);
    }
  }
}

/// What was NULL or not, is not; what it points at then may be of another kind.
void Checker::know_not_null(Reg& reg) {
  reg.maybe_null = false;
  reg.id = keeps_id(reg) ? reg.id : 0;
  if (reg.type != RegType::kMapValue) {
    return;
  }
  const MapSpec& map = object_.maps[static_cast<std::size_t>(reg.extra)];
  if (map.inner) {
    reg.type = RegType::kMapPtr;
    reg.extra = static_cast<s32>(*map.inner);
  } else if (map.type == MapType::kXskmap) {
    reg.type = RegType::kXdpSock;
  } else if (map.type == MapType::kSockmap || map.type == MapType::kSockhash) {
    reg.type = RegType::kSocket;
  }
}

void Checker::resolve_null(State& s, u32 id, bool is_null) {
  if (is_null) {
    drop_reference(s, id);  // there is nothing to give back
  }
  for_each_reg(s, [&](Reg& reg) {
    if (!reg.maybe_null || reg.id != id) {
      return;
    }
    if (is_null) {
      reg = Reg::constant(0);
      return;
    }
    know_not_null(reg);
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
  // Equal to a pointer that is not NULL: not NULL either. A kernel structure's may be NULL without being called so.
  const Reg src = state().reg(insn().src);
  const bool kernels = dst.type == RegType::kBtf || src.type == RegType::kBtf;
  if (dst.is_pointer() && src.is_pointer() && dst.maybe_null != src.maybe_null && !kernels) {
    const Reg& unsure = dst.maybe_null ? dst : src;
    resolve_null(d.cmp == CmpOp::kEq ? taken : state(), unsure.id, false);
  }
}

/// The way that ranges leave, if they leave one. As Linux 6.18, which asks the ranges before the comparison only, not
/// whether a number is left after it.
std::optional<bool> Checker::decide_branch(const Reg& left, const Reg& right) const {
  const Decoded& d = decoded();
  if (left.is_pointer() && right.is_pointer()) {
    return decide_packet_branch(left, right, d.cmp);
  }
  if (left.is_pointer() || right.is_pointer()) {
    return decide_pointer_branch(left, right, d.cmp);
  }
  return decide(d.cmp, d.is64, left.bounds, right.bounds);
}

/// One way only: the ranges that decided must hold for every state matched with this one.
Step Checker::follow(const Reg& left, const Reg& right, bool taken) {
  if (left.is_scalar()) {
    make_precise(insn().dst);
  }
  if (decoded().uses_source && right.is_scalar()) {
    make_precise(insn().src);
  }
  facts_.record_branch(insn_, taken);
  next_ = taken ? static_cast<u32>(jump_target(decoded(), insn(), insn_)) : insn_ + 1;
  return Step::kNext;
}

Step Checker::execute_branch() {
  const Insn& i = insn();
  const Decoded& d = decoded();
  if (!check_readable(i.dst) || (d.uses_source && !check_readable(i.src))) {
    return Step::kReject;
  }
  const Reg left = state().reg(i.dst);
  const Reg right = d.uses_source ? state().reg(i.src) : Reg::constant(static_cast<u64>(s64{i.imm}));
  const Narrowed narrowed = narrow_scalars(left, right);
  if (const auto known = decide_branch(left, right)) {
    return follow(left, right, *known);
  }
  facts_.record_branch(insn_, true);
  facts_.record_branch(insn_, false);
  std::vector<Place> links;
  for (const Reg& side : {right, left}) {
    if (side.is_scalar() && side.id != 0) {
      collect_links(side.base_id(), links);
    }
  }
  State& fallen = state();
  if (links.size() > 1) {
    fallen.links.insert(fallen.links.end(), links.begin(), links.end());
    fallen.trace.back().linked_count = static_cast<u16>(links.size());
    fallen.trace.back().links_end = static_cast<u32>(fallen.links.size());
    ++fallen.jumps_in_trace;
  }
  auto taken = spare_.copy(fallen);
  taken->last_insn = insn_;
  taken->insn = static_cast<u32>(jump_target(d, i, insn_));
  if (narrowed.applies) {
    if (links.size() > 1) {
      record_links(links);
    }
    apply(narrowed, fallen, false, links);
    apply(narrowed, *taken, true, links);
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
