// SPDX-License-Identifier: Apache-2.0
//
// Helper calls: is the helper there for this program, and what is known afterwards.
//
// Rules: the helper is in helpers.def for the program's type and licence; its arguments fit
// (helper_args.cc); afterwards R0 is as the prototype says, R1-R5 are unreadable; a helper that moves
// the packet turns every packet pointer into a number. Kernel functions are refused.
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
  constexpr u64 kMaxProcessors = 8192;  // CONFIG_NR_CPUS never exceeds it
  constexpr s64 kMaxErrno = 4095;
  Reg result;
  switch (call.helper->result) {
    case HelperResult::kVoid:
      break;
    case HelperResult::kProcessor:
      result = Reg::unknown();
      result.bounds.w.limit_unsigned(0, kMaxProcessors - 1);
      result.bounds.sync();
      break;
    case HelperResult::kLength:
      result = Reg::unknown();
      result.bounds.w.limit_signed(-kMaxErrno, static_cast<s64>(call.size_max));
      result.bounds.h.limit_signed(static_cast<s32>(-kMaxErrno), static_cast<s32>(call.size_max));
      result.bounds.sync();
      break;
    case HelperResult::kMapValue:
    case HelperResult::kMapValueOrNull: {
      result = Reg::pointer(RegType::kMapValue);
      result.extra = call.map;
      const MapSpec& map = object_.maps[static_cast<std::size_t>(call.map)];
      // Arrays have every element from the start.
      const bool is_array = map.type == MapType::kArray || map.type == MapType::kPercpuArray;
      const bool lookup = static_cast<HelperId>(call.helper->number) == HelperId::map_lookup_elem;
      const bool always = call.helper->result == HelperResult::kMapValue ||
                          (lookup && is_array && call.constant_key && *call.constant_key < map.max_entries);
      result.maybe_null = !always;
      result.id = always ? 0 : new_id();
      break;
    }
    default:
      result = Reg::unknown();
      break;
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
  call.helper = find_helper(number, program_.type);
  if (call.helper == nullptr) {
    const std::string_view name = number == 0 ? "unspec" : helper_name(number);
    return name.empty() ? reject("invalid func unknown#{}", insn().imm)
                        : reject("program of this type cannot use helper bpf_{}#{}", name, number);
  }
  if (call.helper->has(kGplOnly) && !is_gpl_compatible(object_.license)) {
    return reject("cannot call GPL-restricted function from non-GPL compatible program");
  }
  if (call.helper->has(kMightSleep) && !rules_.sleepable) {
    return reject("sleepable helper bpf_{}#{} in non-sleepable prog", call.helper->name, number);
  }
  if (!check_arguments(call)) {
    return false;
  }
  if (const std::string what = not_followed(*call.helper); !what.empty()) {
    return reject("helper bpf_{}#{} is not supported: this verifier does not follow {}", call.helper->name, number, what);
  }
  if (static_cast<HelperId>(number) == HelperId::tail_call && state().reg(3).is_constant()) {
    make_precise(3);  // back ends may resolve the target
  }
  set_result(call);
  if (call.helper->has(kMovesPacket) && static_cast<HelperId>(number) != HelperId::tail_call) {
    forget_packet_pointers();
  }
  return true;
}

}  // namespace kiln::verifier
