// SPDX-License-Identifier: Apache-2.0
//
// Records for user space: ring buffers, where the map engine makes room and an atomic commits; perf events, which
// are gathered in the thread's stage and sent from there.
//
// Source: kernel/bpf/ringbuf.c, kernel/trace/bpf_trace.c (__bpf_perf_event_output), net/core/filter.c
// (bpf_xdp_event_output), Linux 6.18; core_services.def.
#include <cerrno>

#include "gen.h"

namespace kiln::lowering {
namespace {

constexpr std::int32_t kWakeups = 3;  // BPF_RB_NO_WAKEUP, BPF_RB_FORCE_WAKEUP: nobody sleeps here
constexpr std::uint32_t kBusy = 1u << 31, kDiscard = 1u << 30;
constexpr std::int32_t kRecordHeader = 8;
constexpr std::uint64_t kCurrentCpu = 0xffff'ffff;  // BPF_F_CURRENT_CPU, BPF_F_INDEX_MASK
constexpr std::int32_t kPacketShift = 32, kPacketBits = 20;  // of flags: bytes of the packet to append
constexpr std::uint32_t kShort = 64;

/// Ends the record at [reg]: one write that takes `busy` away. Changes R12.
void end_record(Gen& gen, unsigned reg, bool discard) {
  gen.e.constant(kScratch0, discard ? kBusy | kDiscard : kBusy);
  gen.e.emit(bpf(Op::ATOMIC_XOR32, reg, kScratch0, -kRecordHeader, 0));
}

/// The bytes of plan.value, as many as `size_reg` says, to [to]. Changes R5, R13, R14, and `to` where it is not known
/// to be short. \return whether it did.
bool copy_buffer(Gen& gen, const CallPlan& plan, unsigned to, unsigned size_reg) {
  const auto size = plan.constant[size_reg];
  if (size && *size <= kShort) {
    gen_copy(gen, {.reg = to}, plan.value, static_cast<std::uint32_t>(*size), kScratch1);
    return false;
  }
  if (size) {
    gen.e.constant(kScratch2, *size);
  } else {
    gen.e.emit(reg_reg(Op::MOV64_REG, kScratch2, size_reg));
  }
  gen.e.emit(reg_reg(Op::MOV64_REG, kScratch1, plan.value.reg));
  if (plan.value.offset != 0) {
    gen.e.emit(reg_imm(Op::ADD64_IMM, kScratch1, plan.value.offset));
  }
  gen_copy_loop(gen, to, kScratch1, kScratch2, 5);
  return true;
}

/// A register that holds argument `reg`: itself, or `scratch` if it is a constant.
unsigned argument(Gen& gen, const CallPlan& plan, unsigned reg, unsigned scratch) {
  if (!plan.constant[reg]) {
    return reg;
  }
  gen.e.constant(scratch, *plan.constant[reg]);
  return scratch;
}

}  // namespace

void gen_ring_reserve(Gen& gen, const CallPlan& plan) {
  const auto flags = plan.constant[3];
  if (flags && *flags != 0) {
    return gen.e.constant(0, 0);
  }
  const Label done = gen.e.make_label();
  if (!flags) {
    gen.e.constant(0, 0);
    gen.e.branch(jump_imm(Op::JNE64_IMM, 3, 0), done);
  }
  gen.e.emit(service(Service::RING_RESERVE, 0, argument(gen, plan, 2, kScratch0), static_cast<std::int32_t>(plan.map)));
  gen.e.bind(done);
}

void gen_ring_end(Gen& gen, const CallPlan& plan) { end_record(gen, 1, plan.helper == Helper::ringbuf_discard); }

void gen_ring_output(Gen& gen, const CallPlan& plan) {
  const auto flags = plan.constant[4];
  if (flags && (*flags & ~std::uint64_t{kWakeups}) != 0) {
    return gen_error(gen, EINVAL);
  }
  const Label done = gen.e.make_label();
  if (!flags) {
    gen.e.branch(jump_imm(Op::JGT64_IMM, 4, kWakeups), gen_fail(gen, EINVAL, done));
  }
  gen.e.emit(service(Service::RING_RESERVE, 1, argument(gen, plan, 3, kScratch0), static_cast<std::int32_t>(plan.map)));
  gen.e.branch(jump_imm(Op::JEQ64_IMM, 1, 0), gen_fail(gen, EAGAIN, done));
  const auto size = plan.constant[3];
  if (!size || *size > kShort) {
    gen.e.emit(reg_reg(Op::MOV64_REG, 0, 1));
    copy_buffer(gen, plan, 0, 3);
  } else {
    copy_buffer(gen, plan, 1, 3);
  }
  end_record(gen, 1, false);
  gen.e.constant(0, 0);
  gen.e.bind(done);
}

/// R1: bytes of the packet; R2: slot; R14, then R12: this processor's number.
void gen_perf_event(Gen& gen, const CallPlan& plan) {
  const CoreMap& map = gen.view.maps()[plan.map];
  const auto flags = plan.constant[3];
  const Label done = gen.e.make_label();
  if (flags && *flags >> (kPacketShift + kPacketBits) != 0) {
    return gen_error(gen, EINVAL);
  }
  const bool packet = !flags || *flags >> kPacketShift != 0;
  if (packet) {
    gen_packet_length(gen, plan, kScratch2);
    if (!flags) {
      gen.e.emit(reg_reg(Op::MOV64_REG, kScratch0, 3));
      gen.e.emit(reg_imm(Op::RSH64_IMM, kScratch0, kPacketShift + kPacketBits));
      gen.e.branch(jump_imm(Op::JNE64_IMM, kScratch0, 0), gen_fail(gen, EINVAL, done));
    }
  }
  {
    const ContextBase context = context_base(gen, plan, kScratch1);
    gen.e.emit(load(4, kScratch0, context.reg, context.bias + static_cast<std::int32_t>(address::kCtxCpu)));
    if (packet) {
      gen.e.emit(load(4, kScratch1, context.reg, context.bias + static_cast<std::int32_t>(address::kCtxData)));
    }
  }
  if (packet) {  // from here on the context may not be in R1 any more
    if (flags) {
      gen.e.constant(1, *flags >> kPacketShift);
    } else {
      gen.e.emit(reg_reg(Op::MOV64_REG, 1, 3));
      gen.e.emit(reg_imm(Op::RSH64_IMM, 1, kPacketShift));
    }
    gen.e.branch(jump_reg(Op::JGT64_REG, 1, kScratch2), gen_fail(gen, EFAULT, done));
  }
  const bool current = flags && (*flags & kCurrentCpu) == kCurrentCpu;
  if (flags && !current) {
    gen.e.constant(2, *flags & kCurrentCpu);
  } else if (current) {
    gen.e.emit(reg_reg(Op::MOV64_REG, 2, kScratch0));
  } else {
    const Label named = gen.e.make_label();
    gen.e.emit(reg_reg(Op::MOV32_REG, 2, 3));
    gen.e.branch(jump_imm(Op::JNE32_IMM, 2, -1), named);
    gen.e.emit(reg_reg(Op::MOV64_REG, 2, kScratch0));
    gen.e.bind(named);
  }
  gen.e.branch(jump_imm(Op::JGE32_IMM, 2, static_cast<std::int32_t>(map.max_entries)), gen_fail(gen, E2BIG, done));
  gen.e.emit(reg_reg(Op::MOV64_REG, kScratch2, 2));
  gen_entry_address(gen, map, kScratch2);
  gen.e.emit(load(4, kScratch2, kScratch2, 0));
  gen.e.branch(jump_imm(Op::JEQ64_IMM, kScratch2, 0), gen_fail(gen, ENOENT, done));
  if (!current) {
    gen.e.branch(jump_reg(Op::JNE64_REG, 2, kScratch0), gen_fail(gen, EOPNOTSUPP, done));
  }
  // R12: the stage; R0 goes through it; R3 keeps where the packet begins.
  const LowerOptions& options = gen.view.options();
  if (packet) {
    gen.e.emit(reg_reg(Op::MOV64_REG, 3, kScratch1));
  }
  gen_scale(gen, kScratch0, options.stage_bytes);
  gen.e.emit(reg_imm(Op::ADD64_IMM, kScratch0, static_cast<std::int32_t>(address::kMap + options.stage)));
  gen.e.emit(reg_imm(Op::LSH64_IMM, 2, 48));
  const auto size = plan.constant[5];
  if (size) {
    gen.e.emit(reg_imm(Op::ADD64_IMM, 2, static_cast<std::int32_t>(*size)));
  } else {
    gen.e.emit(reg_reg(Op::ADD64_REG, 2, 5));
  }
  gen.e.emit(reg_reg(Op::MOV64_REG, 0, kScratch0));
  if (!copy_buffer(gen, plan, 0, 5) && packet) {
    gen.e.emit(reg_imm(Op::ADD64_IMM, 0, static_cast<std::int32_t>(*size)));
  }
  if (packet) {
    gen.e.emit(reg_reg(Op::ADD64_REG, 2, 1));
    gen_copy_loop(gen, 0, 3, 1, 5);
  }
  gen.e.emit(service(Service::EVENT, kScratch0, 2, static_cast<std::int32_t>(plan.map)));
  gen.e.constant(0, 0);
  gen.e.bind(done);
}

}  // namespace kiln::lowering
