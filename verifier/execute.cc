// SPDX-License-Identifier: Apache-2.0
//
// One instruction of a path: its reserved fields, its operands, and which rule file it goes to.
#include "checker.h"
#include "helper_rules.h"

namespace kiln::verifier {
namespace {

/// The name by which the kernel complains about reserved fields.
std::string_view family(const Insn& insn, const Decoded& d) {
  constexpr u8 kOperation = 0xf0, kMov = 0xb0, kNeg = 0x80, kEnd = 0xd0;  // RFC 9669 section 4.1
  constexpr u8 kJa = 0x00, kCall = 0x80, kExit = 0x90;                    // section 4.3
  const u8 operation = insn.opcode & kOperation;
  switch (insn.cls()) {
    case 0x00: return insn.is_wide() ? "BPF_LD_IMM64" : "BPF_LD_[ABS|IND]";
    case 0x01: return "BPF_LDX";
    case 0x02: return "BPF_ST";
    case 0x03: return d.is_atomic() ? "BPF_ATOMIC" : "BPF_STX";
    case 0x05:
    case 0x06:
      return operation == kJa     ? "BPF_JA"
             : operation == kCall ? "BPF_CALL"
             : operation == kExit ? "BPF_EXIT"
                                  : "BPF_JMP/JMP32";
    default:
      return operation == kMov   ? "BPF_MOV"
             : operation == kNeg ? "BPF_NEG"
             : operation == kEnd ? "BPF_END"
                                 : "BPF_ALU";
  }
}

constexpr u8 kAtomicMode = 0xc0;

}  // namespace

bool Checker::check_reserved() {
  if (malformed(insn()) == nullptr) {
    return true;
  }
  if (decoded().info == nullptr && insn().cls() == 0x03 && (insn().opcode & 0xe0) == kAtomicMode) {
    return reject("BPF_ATOMIC uses invalid atomic opcode {:02x}", static_cast<u32>(insn().imm));
  }
  return reject("{} uses reserved fields", family(insn(), decoded()));
}

bool Checker::check_readable(unsigned reg) {
  if (reg >= kRegisters) {
    return reject("R{} is invalid", reg);
  }
  if (state().reg(reg).type == RegType::kNotInit) {
    return reject("R{} !read_ok", reg);
  }
  touch_reg(reg);
  return true;
}

bool Checker::check_writable(unsigned reg) {
  if (reg >= kRegisters) {
    return reject("R{} is invalid", reg);
  }
  if (reg == kFramePointer) {
    return reject("frame pointer is read only");
  }
  return true;
}

void Checker::set_reg(unsigned number, const Reg& value) {
  state().reg(number) = value;
  touch_reg(number);
}

Step Checker::execute() {
  const auto step = [](bool ok) { return ok ? Step::kNext : Step::kReject; };
  if (!check_reserved()) {
    return Step::kReject;
  }
  switch (decoded().form) {
    case Form::kAluImm:
    case Form::kAluReg:
    case Form::kMovSx:
    case Form::kNeg:
    case Form::kEnd:
      return step(execute_alu());
    case Form::kJmpImm:
    case Form::kJmpReg:
      ++jumps_;
      return execute_branch();
    case Form::kJa:
    case Form::kJa32:
      ++jumps_;
      next_ = static_cast<u32>(jump_target(decoded(), insn(), insn_));
      return Step::kNext;
    case Form::kCall:
      ++jumps_;
      return execute_call();
    case Form::kCallx:
      return step(reject("unknown opcode {:02x}", insn().opcode));
    case Form::kExit:
      ++jumps_;
      return execute_exit();
    case Form::kMayGoto:
      ++jumps_;
      return execute_may_goto();
    case Form::kAddrSpaceCast:
      return step(reject("addr_space_cast insn can only be used in a program that has an associated arena"));
    case Form::kLoad:
      return step(execute_load());
    case Form::kLoadAcquire:
    case Form::kStoreRelease:
      return step(execute_ordered());
    case Form::kStoreImm:
    case Form::kStoreReg:
      return step(execute_store());
    case Form::kAtomic:
    case Form::kAtomicFetch:
      return step(execute_atomic());
    case Form::kLd64:
      next_ = insn_ + 2;
      return step(execute_wide_load());
    case Form::kLdPacket:
      return step(execute_packet_load());
  }
  return Step::kReject;
}

Step Checker::execute_call() {
  if (state().held.locks != 0 && !may_call_under_lock()) {
    reject("function calls are not allowed while holding a lock");
    return Step::kReject;
  }
  if (decoded().is_subprogram_call()) {
    return call_subprogram();
  }
  if (decoded().is_kfunc_call()) {
    return call_kfunc();
  }
  return call_helper() ? Step::kNext : Step::kReject;
}

bool Checker::execute_load() {
  const Insn& i = insn();
  if (!check_readable(i.src) || !check_writable(i.dst)) {
    return false;
  }
  return check_memory({.reg = i.src,
                       .off = i.off,
                       .bytes = decoded().bytes,
                       .access = Access::kRead,
                       .value_reg = i.dst,
                       .aligned = decoded().form == Form::kLoadAcquire,
                       .sign_extend = decoded().signed_load});
}

bool Checker::execute_store() {
  const Insn& i = insn();
  const bool from_reg = decoded().form != Form::kStoreImm;
  if ((from_reg && !check_readable(i.src)) || !check_readable(i.dst)) {
    return false;
  }
  return check_memory({.reg = i.dst,
                       .off = i.off,
                       .bytes = decoded().bytes,
                       .access = Access::kWrite,
                       .value_reg = from_reg ? i.src : -1,
                       .immediate = !from_reg,
                       .aligned = decoded().form == Form::kStoreRelease});
}

/// A load or store with an order: as any other, but not everywhere. The base may be overwritten by what is loaded.
bool Checker::execute_ordered() {
  const bool loads = decoded().form == Form::kLoadAcquire;
  const unsigned number = loads ? insn().src : insn().dst;
  const Reg base = number < kRegisters ? state().reg(number) : Reg{};
  return (loads ? execute_load() : execute_store()) && check_atomic_base(number, base, loads ? "loads from" : "stores into");
}

/// Atomic and ordered accesses are not for memory whose accesses the kernel rewrites.
/// \param what  "loads from", "stores into"
bool Checker::check_atomic_base(unsigned number, const Reg& base, const char* what) {
  const bool refused = base.type == RegType::kCtx || is_packet_pointer(base.type) || base.type == RegType::kFlowKeys ||
                       is_socket(base.type);
  return !refused || reject("BPF_ATOMIC {} R{} {} is not allowed", what, number, type_name(base));
}

/// Jumps when the loop's budget is used up, which may be at any turn.
Step Checker::execute_may_goto() {
  const State* before = state().parent == nullptr ? nullptr : earlier_turn(*state().parent, insn_);
  auto goes_on = std::make_unique<State>(state());
  goes_on->last_insn = insn_;
  goes_on->insn = insn_ + 1;
  ++goes_on->may_goto_depth;
  if (before != nullptr) {
    widen(*before, *goes_on);
  }
  push_branch(std::move(goes_on));
  facts_.record_branch(insn_, true);
  facts_.record_branch(insn_, false);
  next_ = static_cast<u32>(jump_target(decoded(), insn(), insn_));
  return Step::kNext;
}

bool Checker::execute_atomic() {
  const Insn& i = insn();
  const bool exchange = decoded().op == Op::ATOMIC_CMPXCHG32 || decoded().op == Op::ATOMIC_CMPXCHG64;
  if (!check_readable(i.src) || !check_readable(i.dst) || (exchange && !check_readable(0)) ||
      !check_atomic_base(i.dst, state().reg(i.dst), "stores into")) {
    return false;
  }
  const unsigned result = exchange ? 0u : i.src;
  const bool fetches = decoded().form == Form::kAtomicFetch;
  if (fetches && !check_writable(result)) {
    return false;
  }
  MemoryAccess a{.reg = i.dst, .off = i.off, .bytes = decoded().bytes, .aligned = true, .atomic = true};
  if (!check_memory(a)) {
    return false;
  }
  if (fetches) {  // what was there, before it is overwritten
    a.value_reg = static_cast<int>(result);
    if (!check_memory(a)) {
      return false;
    }
    a.value_reg = -1;
  }
  a.access = Access::kWrite;
  return check_memory(a);
}

bool Checker::execute_wide_load() {
  const Insn& i = insn();
  if (!check_writable(i.dst)) {
    return false;
  }
  const u32 upper = static_cast<u32>(program_.insns[insn_ + 1].imm);
  const u32 lower = static_cast<u32>(i.imm);
  switch (decoded().op) {
    case Op::LD_IMM64:
      set_reg(i.dst, Reg::constant(u64{upper} << 32 | lower));
      return true;
    case Op::LD_CODE_ADDR: {
      const s64 target = structure_.subprogram_at(s64{insn_} + 1 + i.imm);
      const SubprogramInfo& sub = structure_.subprograms[static_cast<std::size_t>(target)];
      if (sub.btf_func == 0 && !object_.btf.empty()) {
        return reject("missing btf func_info");
      }
      if (sub.is_global) {
        return reject("callback function not static");
      }
      Reg code = Reg::pointer(RegType::kFunc);
      code.extra = static_cast<s32>(insn_) + 1 + i.imm;
      set_reg(i.dst, code);
      return true;
    }
    case Op::LD_VAR_ADDR:
      return load_kernel_symbol();
    case Op::LD_MAP_IDX:
    case Op::LD_MAP_IDX_VALUE:
      break;
    default:
      return reject("unrecognized bpf_ld_imm64 insn");
  }
  if (lower >= object_.maps.size()) {
    return reject("map index {} is not in the object", lower);
  }
  const MapSpec& map = object_.maps[lower];
  if (rules_.sleepable && !is_for_sleepable(map.type)) {
    return reject("Sleepable programs can only use array, hash, ringbuf and local storage maps");
  }
  const bool value = decoded().op == Op::LD_MAP_IDX_VALUE;
  if (!check_map_for_program(map, static_cast<s32>(lower))) {
    return false;
  }
  if (value && (map.type != MapType::kArray || map.max_entries != 1)) {
    return reject("no direct value access support for this map type");
  }
  if (value && upper >= map.value_size) {
    return reject("invalid access to map value pointer, value_size={} off={}", map.value_size, upper);
  }
  Reg reg = Reg::pointer(value ? RegType::kMapValue : RegType::kMapPtr, value ? static_cast<s32>(upper) : 0);
  reg.extra = static_cast<s32>(lower);
  set_reg(i.dst, reg);
  return true;
}

bool Checker::execute_packet_load() {
  if (!rules_.legacy_packet_loads) {
    return reject("BPF_LD_[ABS|IND] instructions not allowed for this program type");
  }
  if (!check_nothing_held("BPF_LD_[ABS|IND]", true, true)) {
    return false;
  }
  if (decoded().info->name.starts_with("LD_IND") && !check_readable(insn().src)) {
    return false;
  }
  if (!check_readable(6)) {
    return false;
  }
  if (state().reg(6).type != RegType::kCtx) {
    return reject("at the time of BPF_LD_ABS|IND R6 != pointer to skb");
  }
  for (unsigned r = 1; r <= 5; ++r) {
    set_reg(r, Reg{});
  }
  set_reg(0, Reg::unknown());  // Linux 6.18 does not use that a byte or two were loaded
  return return_early(Reg::constant(0), false);
}

}  // namespace kiln::verifier
