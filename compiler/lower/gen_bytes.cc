// SPDX-License-Identifier: Apache-2.0
//
// bpf_xdp_load_bytes, bpf_xdp_store_bytes and bpf_xdp_get_buff_len; the clocks.
//
// Source: net/core/filter.c (bpf_xdp_pointer), kernel/bpf/helpers.c, Linux 6.18. A frame of the NIC is in one piece.
#include <cerrno>

#include "gen.h"

namespace kiln::lowering {
namespace {

constexpr std::int32_t kMostBytes = 0xffff;
constexpr std::uint32_t kShort = 64;
constexpr std::int32_t kSecond = 1'000'000'000;

/// reg = argument `from` as the u32 that it is; goes to `fail` if it is out of every range.
void short_argument(Gen& gen, const CallPlan& plan, unsigned reg, unsigned from, Label fail) {
  if (plan.constant[from]) {
    gen.e.constant(reg, static_cast<std::uint32_t>(*plan.constant[from]));
  } else {
    gen.e.emit(reg_reg(Op::MOV32_REG, reg, from));
    gen.e.branch(jump_imm(Op::JGT64_IMM, reg, kMostBytes), fail);
  }
}

bool too_large(std::optional<std::uint64_t> argument) {
  return argument && static_cast<std::uint32_t>(*argument) > static_cast<std::uint32_t>(kMostBytes);
}

}  // namespace

void gen_packet_length(Gen& gen, const CallPlan& plan, unsigned reg) {
  const ContextBase context = context_base(gen, plan, kScratch1);
  const unsigned data = kScratch0;
  gen.e.emit(load(4, data, context.reg, context.bias + static_cast<std::int32_t>(address::kCtxData)));
  gen.e.emit(load(4, reg, context.reg, context.bias + static_cast<std::int32_t>(address::kCtxDataEnd)));
  gen.e.emit(reg_reg(Op::SUB64_REG, reg, data));
}

/// R12: where in the packet; R13: how many bytes.
void gen_packet_bytes(Gen& gen, const CallPlan& plan) {
  if (too_large(plan.constant[2]) || too_large(plan.constant[4])) {
    return gen_error(gen, EFAULT);
  }
  const Label done = gen.e.make_label();
  const Label fault = gen_fail(gen, EFAULT, done);
  gen_packet_length(gen, plan, 0);  // leaves data in R12
  short_argument(gen, plan, kScratch1, 2, fault);
  short_argument(gen, plan, kScratch2, 4, fault);
  gen.e.emit(reg_reg(Op::ADD64_REG, kScratch0, kScratch1));
  gen.e.emit(reg_reg(Op::ADD64_REG, kScratch1, kScratch2));
  gen.e.branch(jump_reg(Op::JGT64_REG, kScratch1, 0), gen_fail(gen, EINVAL, done));
  const bool is_load = plan.helper == Helper::xdp_load_bytes;
  const Operand packet{.reg = kScratch0};
  const auto size = plan.constant[4];
  if (size && *size <= kShort) {
    gen_copy(gen, is_load ? plan.value : packet, is_load ? packet : plan.value, static_cast<std::uint32_t>(*size), kScratch1);
  } else {
    gen.e.emit(reg_reg(Op::MOV64_REG, kScratch1, plan.value.reg));
    if (plan.value.offset != 0) {
      gen.e.emit(reg_imm(Op::ADD64_IMM, kScratch1, plan.value.offset));
    }
    gen_copy_loop(gen, is_load ? kScratch1 : kScratch0, is_load ? kScratch0 : kScratch1, kScratch2, 5);
  }
  gen.e.constant(0, 0);
  gen.e.bind(done);
}

void gen_clock(Gen& gen, const CallPlan& plan) {
  const LowerOptions& options = gen.view.options();
  const auto hz = static_cast<std::int32_t>(options.hz);
  gen.e.emit(service(Service::TIME, 0, 0, 0));
  const auto ahead = [&](std::uint64_t ns) {
    if (ns != 0) {
      gen.e.constant(kScratch0, ns);
      gen.e.emit(reg_reg(Op::ADD64_REG, 0, kScratch0));
    }
  };
  switch (plan.helper) {
    case Helper::ktime_get_boot_ns:
      return ahead(options.boot_offset_ns);
    case Helper::ktime_get_tai_ns:
      return ahead(options.tai_offset_ns);
    case Helper::ktime_get_coarse_ns:  // what it was at the last tick
      gen.e.emit(reg_reg(Op::MOV64_REG, kScratch0, 0));
      gen.e.emit(reg_imm(Op::MOD64_IMM, kScratch0, kSecond / hz));
      gen.e.emit(reg_reg(Op::SUB64_REG, 0, kScratch0));
      return;
    case Helper::jiffies64:
      gen.e.emit(reg_reg(Op::MOV64_REG, kScratch0, 0));
      gen.e.emit(reg_imm(Op::DIV64_IMM, 0, kSecond));
      gen.e.emit(reg_imm(Op::MUL64_IMM, 0, hz));
      gen.e.emit(reg_imm(Op::MOD64_IMM, kScratch0, kSecond));
      gen.e.emit(reg_imm(Op::MUL64_IMM, kScratch0, hz));
      gen.e.emit(reg_imm(Op::DIV64_IMM, kScratch0, kSecond));
      gen.e.emit(reg_reg(Op::ADD64_REG, 0, kScratch0));
      return;
    default:
      return;
  }
}

}  // namespace kiln::lowering
