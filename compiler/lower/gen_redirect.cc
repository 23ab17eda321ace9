// SPDX-License-Identifier: Apache-2.0
//
// Redirects and tail calls: helpers that leave a target in the context region or jump elsewhere.
//
// Source: net/core/filter.c (bpf_xdp_redirect), __bpf_xdp_redirect_map() in include/linux/filter.h,
// emit_bpf_tail_call_indirect() in arch/x86/net/bpf_jit_comp.c, Linux 6.18.
#include "gen.h"

namespace kiln::lowering {
namespace {

constexpr std::int32_t kRedirectVerdict = 4;  // XDP_REDIRECT
constexpr std::uint64_t kActionMask = 3;      // flags: the verdict when there is no target
constexpr std::uint64_t kDeviceFlags = 0x10;  // BPF_F_EXCLUDE_INGRESS; without BROADCAST it says nothing
constexpr std::int32_t kMaxTailCalls = 33;
constexpr std::uint64_t kMax32 = 0xffff'ffff;

std::int32_t at(const ContextBase& context, std::uint32_t word) {
  return context.bias + static_cast<std::int32_t>(word);
}

/// R12 = first u32 of a slot array's element, from an index below max_entries.
void load_slot(Gen& gen, const CallPlan& plan, const CoreMap& map) {
  if (plan.index.constant) {
    gen.e.constant(kScratch0, std::uint64_t{address::kMap} + map.entries + *plan.index.constant * map.entry_stride);
  } else {
    gen_index(gen, plan, kScratch0);
    gen_entry_address(gen, map, kScratch0);
  }
  gen.e.emit(load(4, kScratch0, kScratch0, 0));
}

bool may_be_outside(const CallPlan& plan) { return !plan.index.in_range; }

}  // namespace

void gen_redirect(Gen& gen, const CallPlan& plan) {
  const auto flags = plan.constant[2];
  if (flags && *flags != 0) {
    gen.e.constant(0, 0);
    return;
  }
  const Label done = gen.e.make_label();
  if (!flags) {
    gen.e.constant(0, 0);
    gen.e.branch(jump_imm(Op::JNE64_IMM, 2, 0), done);
  }
  const ContextBase context = context_base(gen, plan, kScratch0);
  if (!gen.image.redirects_map) {
    gen.e.emit(store(4, context.reg, at(context, address::kCtxRedirect), 1));
  } else if (plan.max1 <= kMax32) {
    gen.e.emit(store(8, context.reg, at(context, address::kCtxRedirect), 1));  // and no map
  } else {
    gen.e.emit(store(4, context.reg, at(context, address::kCtxRedirect), 1));
    gen.e.emit(store_imm(4, context.reg, at(context, address::kCtxRedirectMap), 0));
  }
  gen.e.constant(0, kRedirectVerdict);
  gen.e.bind(done);
}

void gen_redirect_map(Gen& gen, const CallPlan& plan) {
  const CoreMap& map = gen.view.maps()[plan.map];
  const bool devices = map.type == MapType::kDevmap || map.type == MapType::kDevmapHash;
  const std::uint64_t known = kActionMask | (devices ? kDeviceFlags : 0);
  const auto flags = plan.constant[3];
  if (flags && (*flags & ~known) != 0) {
    gen.e.constant(0, 0);
    return;
  }
  const Label miss = gen.e.make_label();
  const Label done = gen.e.make_label();
  if (!flags) {
    gen.e.constant(0, 0);
    gen.e.emit(reg_reg(Op::MOV64_REG, kScratch0, 3));
    gen.e.emit(reg_imm(Op::AND64_IMM, kScratch0, ~static_cast<std::int32_t>(known)));
    gen.e.branch(jump_imm(Op::JNE64_IMM, kScratch0, 0), done);
  }
  if (map.type == MapType::kDevmapHash) {
    gen.e.emit(reg_reg(Op::MOV32_REG, kScratch0, 2));
    gen.e.emit(core(CoreOp::PUSHR, 0, kScratch0, 0, 0));
    gen.e.emit(service(Service::MAP_LOOKUP, kScratch0, 0, static_cast<std::int32_t>(plan.map)));
    gen.e.branch(jump_imm(Op::JEQ64_IMM, kScratch0, 0), miss);
    gen.e.emit(load(4, kScratch0, kScratch0, 0));
  } else {
    if (may_be_outside(plan)) {
      gen.e.branch(jump_imm(Op::JGE32_IMM, 2, static_cast<std::int32_t>(map.max_entries)), miss);
    }
    load_slot(gen, plan, map);
  }
  gen.e.branch(jump_imm(Op::JEQ64_IMM, kScratch0, 0), miss);
  const ContextBase context = context_base(gen, plan, kScratch0);
  gen.e.emit(store(4, context.reg, at(context, address::kCtxRedirect), 2));
  gen.e.emit(store_imm(4, context.reg, at(context, address::kCtxRedirectMap), static_cast<std::int32_t>(plan.map + 1)));
  gen.e.constant(0, kRedirectVerdict);
  gen.e.cold([&gen, &plan, miss, done, flags] {
    gen.e.bind(miss);
    const ContextBase base = context_base(gen, plan, kScratch0);
    gen.e.emit(store_imm(8, base.reg, at(base, address::kCtxRedirect), 0));
    if (flags) {
      gen.e.constant(0, *flags & kActionMask);
    } else {
      gen.e.emit(reg_reg(Op::MOV64_REG, 0, 3));
      gen.e.emit(reg_imm(Op::AND64_IMM, 0, kActionMask));
    }
    gen.e.jump(done);
  });
  gen.e.bind(done);
}

bool gen_tail_call_target(Gen& gen, const CallPlan& plan, Label out) {
  const CoreMap& map = gen.view.maps()[plan.map];
  if (plan.index.constant && may_be_outside(plan)) {
    return false;
  }
  if (may_be_outside(plan)) {
    gen.e.branch(jump_imm(Op::JGE32_IMM, 3, static_cast<std::int32_t>(map.max_entries)), out);
  }
  const ContextBase context = context_base(gen, plan, kScratch2);
  const std::int32_t counter = at(context, address::kCtxTailCalls);
  gen.e.emit(load(4, kScratch1, context.reg, counter));
  gen.e.branch(jump_imm(Op::JGE64_IMM, kScratch1, kMaxTailCalls), out);
  load_slot(gen, plan, map);
  gen.e.branch(jump_imm(Op::JEQ64_IMM, kScratch0, 0), out);
  gen.e.emit(reg_imm(Op::ADD64_IMM, kScratch1, 1));
  gen.e.emit(store(4, context.reg, counter, kScratch1));
  gen.e.emit(reg_imm(Op::ADD64_IMM, kScratch0, -1));
  return true;
}

void gen_tail_call_undo(Gen& gen, const CallPlan& plan) {
  const ContextBase context = context_base(gen, plan, kScratch2);
  gen.e.emit(reg_imm(Op::ADD64_IMM, kScratch1, -1));
  gen.e.emit(store(4, context.reg, at(context, address::kCtxTailCalls), kScratch1));
}

}  // namespace kiln::lowering
