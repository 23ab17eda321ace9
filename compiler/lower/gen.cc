// SPDX-License-Identifier: Apache-2.0
#include "gen.h"

#include <bit>

namespace kiln::lowering {

ContextBase context_base(Gen& gen, const CallPlan& plan, unsigned scratch) {
  if (plan.context != kNoRegister) {
    return {plan.context, 0};
  }
  if (gen.has_context_end) {
    return {kSaveRegister, -static_cast<std::int32_t>(address::kCtxEnd)};
  }
  gen.e.constant(scratch, address::kContext);
  return {scratch, 0};
}

void gen_error(Gen& gen, int error_number) {
  gen.e.constant(0, static_cast<std::uint64_t>(-std::int64_t{error_number}));
}

void gen_scale(Gen& gen, unsigned reg, std::uint32_t by) {
  if (by == 1) {
    return;
  }
  if (std::has_single_bit(by)) {
    gen.e.emit(reg_imm(Op::LSH64_IMM, reg, std::countr_zero(by)));
  } else {
    gen.e.emit(reg_imm(Op::MUL64_IMM, reg, static_cast<std::int32_t>(by)));
  }
}

void gen_index(Gen& gen, const CallPlan& plan, unsigned reg) {
  if (plan.index.reg != kNoRegister) {
    gen.e.emit(reg_reg(Op::MOV32_REG, reg, plan.index.reg));
  } else {
    gen.e.emit(load(4, reg, plan.key.reg, plan.key.offset));
  }
}

void gen_entry_address(Gen& gen, const CoreMap& map, unsigned reg) {
  gen_scale(gen, reg, map.entry_stride);
  gen.e.emit(reg_imm(Op::ADD64_IMM, reg, static_cast<std::int32_t>(address::kMap + map.entries)));
}

namespace {

/// One of several maps: which, R1 (or R2) says.
void gen_choice(Gen& gen, const CallPlan& plan) {
  const Label done = gen.e.make_label();
  for (std::size_t i = 0; i + 1 < plan.choices.size(); ++i) {
    const CallPlan& choice = plan.choices[i];
    const Label here = gen.e.make_label();
    gen.e.branch(jump_imm(Op::JEQ32_IMM, plan.map_reg, static_cast<std::int32_t>(address::kMapHandle | choice.map)), here);
    gen.e.cold([&gen, &choice, here, done] {
      gen.e.bind(here);
      gen_helper(gen, choice);
      gen.e.jump(done);
    });
  }
  gen_helper(gen, plan.choices.back());
  gen.e.bind(done);
}

}  // namespace

void gen_helper(Gen& gen, const CallPlan& plan) {
  if (!plan.choices.empty()) {
    return gen_choice(gen, plan);
  }
  if (!plan.problem.empty()) {
    return gen.hand_over(plan.slot);
  }
  switch (plan.helper) {
    case Helper::map_lookup_elem:
      return gen_map_lookup(gen, plan);
    case Helper::map_update_elem:
      return gen_map_update(gen, plan);
    case Helper::map_delete_elem:
      return gen_map_delete(gen, plan);
    case Helper::redirect:
      return gen_redirect(gen, plan);
    case Helper::redirect_map:
      return gen_redirect_map(gen, plan);
    case Helper::csum_diff:
      return gen_csum_diff(gen, plan);
    case Helper::xdp_adjust_head:
      return gen_adjust_head(gen, plan);
    case Helper::xdp_adjust_tail:
      return gen_adjust_tail(gen, plan);
    case Helper::xdp_adjust_meta:
      return gen_adjust_meta(gen, plan);
    case Helper::ktime_get_ns:
    case Helper::ktime_get_boot_ns:
    case Helper::ktime_get_tai_ns:
    case Helper::ktime_get_coarse_ns:
    case Helper::jiffies64:
      return gen_clock(gen, plan);
    case Helper::get_numa_node_id:
      gen.e.constant(0, gen.view.options().numa_node);
      return;
    case Helper::xdp_get_buff_len:
      return gen_packet_length(gen, plan, 0);
    case Helper::xdp_load_bytes:
    case Helper::xdp_store_bytes:
      return gen_packet_bytes(gen, plan);
    case Helper::map_push_elem:
      return gen_push_elem(gen, plan);
    case Helper::map_pop_elem:
    case Helper::map_peek_elem:
      return gen_pop_elem(gen, plan);
    case Helper::ringbuf_reserve:
      return gen_ring_reserve(gen, plan);
    case Helper::ringbuf_submit:
    case Helper::ringbuf_discard:
      return gen_ring_end(gen, plan);
    case Helper::ringbuf_output:
      return gen_ring_output(gen, plan);
    case Helper::perf_event_output:
      return gen_perf_event(gen, plan);
    case Helper::get_prandom_u32:
      gen.e.emit(service(Service::RANDOM, 0, 0, 0));
      return;
    case Helper::get_smp_processor_id: {
      const ContextBase context = context_base(gen, plan, 0);
      gen.e.emit(load(4, 0, context.reg, context.bias + static_cast<std::int32_t>(address::kCtxCpu)));
      return;
    }
    default:
      KILN_CHECK(!"a helper that planning should have refused");
  }
}

}  // namespace kiln::lowering
