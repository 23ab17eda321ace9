// SPDX-License-Identifier: Apache-2.0
//
// Queues, stacks and Bloom filters: one service each, the value as its key or through the thread's stage.
//
// Source: kernel/bpf/queue_stack_maps.c, bloom_filter.c, Linux 6.18; core_services.def.
#include <cerrno>

#include "gen.h"

namespace kiln::lowering {
namespace {

constexpr std::uint64_t kNoExist = 1, kExist = 2;
constexpr std::int32_t kFlagsTaken = 3;  // the map engine judges flags up to this

}  // namespace

void gen_push_elem(Gen& gen, const CallPlan& plan) {
  const auto flags = plan.constant[3];
  if (flags && ((*flags & kNoExist) != 0 || *flags > kExist)) {
    return gen_error(gen, EINVAL);
  }
  const Label done = gen.e.make_label();
  if (!flags) {
    gen.e.branch(jump_imm(Op::JGT64_IMM, 3, kFlagsTaken), gen_fail(gen, EINVAL, done));
  }
  unsigned data = 3;
  if (plan.key_pieces.empty()) {
    gen_stage(gen, plan, kScratch0);
    gen_copy_any(gen, {.reg = kScratch0}, plan.value, gen.view.maps()[plan.map].value_size);
    data = kScratch0;
    gen.e.emit(flags ? reg_imm(Op::OR64_IMM, data, static_cast<std::int32_t>(*flags)) : reg_reg(Op::OR64_REG, data, 3));
  } else {
    gen_push_key(gen, plan);
    if (flags) {
      data = kScratch0;
      gen.e.constant(data, *flags);
    }
  }
  gen.e.emit(service(Service::MAP_PUSH, 0, data, static_cast<std::int32_t>(plan.map)));
  gen.e.bind(done);
}

void gen_pop_elem(Gen& gen, const CallPlan& plan) {
  const bool keep = plan.helper == Helper::map_peek_elem;
  const auto number = static_cast<std::int32_t>(plan.map);
  if (!plan.key_pieces.empty()) {  // a Bloom filter
    gen_push_key(gen, plan);
    gen.e.constant(kScratch0, 1);
    gen.e.emit(service(Service::MAP_POP, 0, kScratch0, number));
    return;
  }
  gen_stage(gen, plan, kScratch0);
  if (keep) {
    gen.e.emit(reg_imm(Op::ADD64_IMM, kScratch0, 1));
  }
  gen.e.emit(service(Service::MAP_POP, 1, kScratch0, number));
  gen_copy_any(gen, plan.value, {.reg = kScratch0, .offset = keep ? -1 : 0}, gen.view.maps()[plan.map].value_size);
  gen.e.emit(reg_reg(Op::MOV64_REG, 0, 1));
}

}  // namespace kiln::lowering
