// SPDX-License-Identifier: Apache-2.0
//
// Helper calls: is the helper there for this program, and what is known afterwards.
//
// Rules: the helper is in helpers.def and allowed for the program's type and licence; its arguments
// fit (helper_args.cc); afterwards R0 is as the prototype says, R1-R5 are unreadable; a helper that
// moves the packet turns every packet pointer into a number. Kernel functions are refused.
#include "checker.h"
#include "helper_rules.h"

namespace kiln::verifier {

/// data, data_end and data_meta may have moved: nothing computed from them is an address any more.
void Checker::forget_packet_pointers() {
  for_each_reg(state(), [](Reg& reg) {
    if (is_packet_pointer(reg.type) || reg.type == RegType::kPacketEnd) {
      reg = Reg::unknown();
    }
  });
  touched_regs_ = ~0u;
  touched_slots_ = ~u64{0};
}

void Checker::set_result(const CallContext& call) {
  Reg result;
  switch (call.helper->result) {
    case HelperResult::kVoid:
      break;
    case HelperResult::kInteger: {
      result = Reg::unknown();
      const HelperRules rules = helper_rules(*call.helper);
      if (rules.result_max) {
        result.bounds.w.limit_unsigned(0, *rules.result_max);
        result.bounds.sync();
      }
      break;
    }
    case HelperResult::kMapValueOrNull: {
      result = Reg::pointer(RegType::kMapValue);
      result.extra = call.map;
      const MapSpec& map = object_.maps[static_cast<std::size_t>(call.map)];
      // Arrays have every element from the start.
      const bool is_array = map.type == MapType::kArray || map.type == MapType::kPercpuArray;
      const bool always = is_array && call.constant_key && *call.constant_key < map.max_entries;
      result.maybe_null = !always;
      result.id = always ? 0 : new_id();
      break;
    }
  }
  for (unsigned r = 1; r <= 5; ++r) {
    set_reg(r, Reg{});
  }
  set_reg(0, result);
}

bool Checker::call_helper() {
  const u32 number = static_cast<u32>(insn().imm);
  if (decoded().op == Op::CALL_KFUNC) {
    return reject("calling kernel function (BTF id {}) is not supported", number);
  }
  CallContext call;
  call.helper = find_helper(number);
  if (call.helper == nullptr) {
    const std::string_view name = kernel_helper_name(number);
    return name == "unknown" || name == "unspec"
               ? reject("invalid func {}#{}", name, insn().imm)
               : reject("helper bpf_{}#{} is not supported", name, number);
  }
  const HelperRules rules = helper_rules(*call.helper);
  if (rules.xdp_only && program_.type != ProgramType::kXdp) {
    return reject("program of this type cannot use helper bpf_{}#{}", call.helper->name, number);
  }
  if (rules.gpl_only && !is_gpl_compatible(object_.license)) {
    return reject("cannot call GPL-restricted function from non-GPL compatible program");
  }
  if (!check_arguments(call)) {
    return false;
  }
  if (call.helper->name == "tail_call" && state().reg(3).is_constant()) {
    make_precise(3);  // back ends may resolve the target
  }
  set_result(call);
  if (rules.moves_packet) {
    forget_packet_pointers();
  }
  return true;
}

}  // namespace kiln::verifier
