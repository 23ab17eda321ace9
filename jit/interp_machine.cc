// SPDX-License-Identifier: Apache-2.0
//
// What each instruction does, in the order of RFC 9669. Read it next to the RFC.
//
// The operators themselves (wrapping, shift masks, division by zero) are in arithmetic.h; helpers in
// helper_runtime.h. Every access to memory goes through AddressSpace, which checks it.
#include "interp_machine.h"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "arithmetic.h"
#include "kfuncs.h"

namespace kiln {

namespace a = arithmetic;
using u8 = std::uint8_t;
using u16 = std::uint16_t;
using u32 = std::uint32_t;
using u64 = std::uint64_t;

namespace {

/// For run_until(): the program's own end is the only one.
constexpr std::size_t kNoCaller = static_cast<std::size_t>(-1);

/// Immediates are signed and widened to 64 bits (section 4.1: "sign-extended").
u64 immediate(const CodeInsn& insn) { return static_cast<u64>(std::int64_t{insn.imm}); }

u64 load(const std::byte* at, unsigned bytes) {
  u64 value = 0;
  std::memcpy(&value, at, bytes);
  return value;
}

}  // namespace

Result<u64> InterpMachine::run(u32 entry) {
  begin(entry);
  return go_on();
}

void InterpMachine::begin(u32 entry) {
  program_ = entry;
  code_ = &programs_[entry];
  pc_ = 0;
  r_ = {};
  r_[1] = runtime_.r1;
  r_[2] = runtime_.r2;
  r_[kFramePointer] = runtime_.stack_top;
  may_goto_left_ = kMaxLoops;
  callers_.clear();
}

InterpMachine::Next InterpMachine::step_once() {
  if (--runtime_.budget < 0) {
    runtime_.fault(fmt::format("runaway: {} instructions without an end", kInstructionBudget));
    return Next::kStop;
  }
  observe(pc_);
  ++executed_;
  return step();
}

Result<u64> InterpMachine::go_on() {
  if (run_until(kNoCaller) == Next::kStop) {
    return faulted();
  }
  observe(kNoPc);
  return r_[0];
}

InterpMachine::Next InterpMachine::run_until(std::size_t depth) {
  do {
    if (const Next next = step_once(); next != Next::kGoOn) {
      return next;
    }
  } while (depth == kNoCaller || callers_.size() > depth);
  return Next::kGoOn;
}

// A helper's callback: a call like any other, run to its end in the middle of the helper's instruction.
u64 InterpMachine::call(u64 address, const FunctionArguments& arguments) {
  const CallxTarget target = resolve_callx(address, *code_, runtime_);
  if (runtime_.faulted != 0 || target.helper != 0) {
    return runtime_.fault("a callback that is not a function of the program");
  }
  const Registers saved = r_;
  const u32 pc = pc_, program = program_;
  const std::int64_t budget = runtime_.budget;
  const std::size_t depth = callers_.size();
  if (call_function(code_->functions[target.function]) == Next::kStop) {
    return 0;
  }
  std::copy(arguments.begin(), arguments.end(), r_.begin() + 1);
  if (run_until(depth) == Next::kStop) {
    return 0;
  }
  const u64 result = r_[0];
  r_ = saved;
  pc_ = pc;
  program_ = program;
  code_ = &programs_[program];
  if (code_->verified) {
    runtime_.budget = budget;  // the verifier saw one round; how many there are is the helper's business
  }
  return result;
}

Result<void> InterpMachine::check_state(const RunState& state) const {
  const auto is_slot = [this](u32 program, u32 slot) {
    return program < programs_.size() && slot < programs_[program].insns.size();
  };
  bool ok = is_slot(state.program, state.pc) && state.callers.size() < kMaxCallFrames;
  for (const CallerState& caller : state.callers) {
    ok = ok && is_slot(caller.program, caller.slot);
  }
  if (!ok) {
    return Error{Errc::kInput, "a saved run state of another object: it names a program or an instruction that is not there"};
  }
  return {};
}

Result<u64> InterpMachine::resume(const RunState& state) {
  program_ = state.program;
  code_ = &programs_[program_];
  pc_ = state.pc;
  r_ = state.regs;
  may_goto_left_ = kMaxLoops;  // a run is taken over before its first may_goto
  callers_.clear();
  for (const CallerState& caller : state.callers) {
    callers_.push_back({.saved = caller.saved, .program = caller.program, .slot = caller.slot});
  }
  return go_on();
}

Result<RunState> InterpMachine::suspend(u32 entry, u64 insns) {
  begin(entry);
  for (u64 i = 0; i < insns; ++i) {
    switch (step_once()) {
      case Next::kGoOn:
        continue;
      case Next::kExit:
        return Error{Errc::kUsage, fmt::format("the program ends with instruction {}", i + 1)};
      case Next::kStop:
        return faulted();
    }
  }
  RunState state;
  state.program = program_;
  state.pc = pc_;
  state.regs = r_;
  for (const Caller& caller : callers_) {
    state.callers.push_back({.program = caller.program, .slot = caller.slot, .saved = caller.saved});
  }
  return state;
}

void InterpMachine::observe(u32 pc) const {
  if (observer_ != nullptr) {
    (*observer_)(InterpState{.program = program_, .pc = pc, .regs = r_});
  }
}

Error InterpMachine::faulted() const {
  return Error{Errc::kFault, fmt::format("{}: {}", describe_slot(code_->program, pc_), runtime_.fault_message), pc_};
}

InterpMachine::Next InterpMachine::step() {
  const CodeInsn& insn = code_->insns[pc_];
  if (insn.op == kNeverReached) {
    runtime_.fault("reached an instruction that the verifier proved dead");
    return Next::kStop;
  }
  switch (insn.form) {
    case Form::kAluImm:
    case Form::kAluReg:
      alu(insn);
      break;
    case Form::kMovSx:
    case Form::kNeg:
    case Form::kEnd:
      alu_unary(insn);
      break;
    case Form::kJa:
    case Form::kJa32:
      pc_ = insn.target;
      return Next::kGoOn;
    case Form::kJmpImm:
    case Form::kJmpReg:
      pc_ = jump_taken(insn) ? insn.target : pc_ + 1;
      return Next::kGoOn;
    case Form::kCall:
      return insn.op == Op::CALL_LOCAL   ? call_function(code_->functions[insn.target])
             : insn.op == Op::CALL_KFUNC ? call_kfunc(insn.target)
                                         : call_helper(static_cast<u32>(insn.imm));
    case Form::kCallx:
      return callx(r_[insn.dst]);
    case Form::kExit:
      return leave_function();
    case Form::kLoad:
    case Form::kStoreImm:
    case Form::kStoreReg:
    case Form::kAtomic:
    case Form::kAtomicFetch:
    case Form::kLoadAcquire:
    case Form::kStoreRelease:
      if (!load_store(insn)) {
        return Next::kStop;
      }
      break;
    case Form::kLd64:
      load_wide(insn);
      ++pc_;  // over the second slot
      break;
    case Form::kLdPacket:
      return load_packet(insn);
    case Form::kMayGoto:
      may_goto(insn);
      return Next::kGoOn;
    case Form::kAddrSpaceCast:
      KILN_CHECK(!"refused by Decoder");
  }
  ++pc_;
  return Next::kGoOn;
}

// Section 4.1. Two operands; class ALU works on the low halves and zero-extends.
void InterpMachine::alu(const CodeInsn& insn) {
  u64& dst = r_[insn.dst];
  const u64 src = insn.form == Form::kAluImm ? immediate(insn) : r_[insn.src];
  const auto dst32 = static_cast<u32>(dst), src32 = static_cast<u32>(src);
  switch (insn.op) {
#define KILN_ALU(NAME, function)        \
  case Op::NAME##64_IMM:                \
  case Op::NAME##64_REG:                \
    dst = a::function<u64>(dst, src);   \
    return;                             \
  case Op::NAME##32_IMM:                \
  case Op::NAME##32_REG:                \
    dst = a::function<u32>(dst32, src32); \
    return;
    KILN_ALU(ADD, add)
    KILN_ALU(SUB, sub)
    KILN_ALU(MUL, mul)
    KILN_ALU(DIV, div)
    KILN_ALU(SDIV, sdiv)
    KILN_ALU(OR, bit_or)
    KILN_ALU(AND, bit_and)
    KILN_ALU(LSH, lsh)
    KILN_ALU(RSH, rsh)
    KILN_ALU(MOD, mod)
    KILN_ALU(SMOD, smod)
    KILN_ALU(XOR, bit_xor)
    KILN_ALU(MOV, mov)
    KILN_ALU(ARSH, arsh)
#undef KILN_ALU
    default:
      KILN_CHECK(!"a two-operand instruction without a rule");
  }
}

// Sections 4.1 (MOVSX, NEG) and 4.2 (byte order).
void InterpMachine::alu_unary(const CodeInsn& insn) {
  u64& dst = r_[insn.dst];
  const u64 src = r_[insn.src];
  switch (insn.op) {
    case Op::MOVSX64_8:
      dst = a::sign_extend<std::int8_t, u64>(src);
      return;
    case Op::MOVSX64_16:
      dst = a::sign_extend<std::int16_t, u64>(src);
      return;
    case Op::MOVSX64_32:
      dst = a::sign_extend<std::int32_t, u64>(src);
      return;
    case Op::MOVSX32_8:
      dst = a::sign_extend<std::int8_t, u32>(static_cast<u32>(src));
      return;
    case Op::MOVSX32_16:
      dst = a::sign_extend<std::int16_t, u32>(static_cast<u32>(src));
      return;
    case Op::NEG64:
      dst = a::neg<u64>(dst);
      return;
    case Op::NEG32:
      dst = a::neg<u32>(static_cast<u32>(dst));
      return;
    case Op::LE16:  // this machine is little-endian (arithmetic.h): truncation only
      dst = static_cast<u16>(dst);
      return;
    case Op::LE32:
      dst = static_cast<u32>(dst);
      return;
    case Op::LE64:
      return;
    case Op::BE16:
    case Op::BSWAP16:
      dst = a::swap16(dst);
      return;
    case Op::BE32:
    case Op::BSWAP32:
      dst = a::swap32(dst);
      return;
    case Op::BE64:
    case Op::BSWAP64:
      dst = a::swap64(dst);
      return;
    default:
      KILN_CHECK(!"a one-operand instruction without a rule");
  }
}

// Section 4.3. JMP compares 64 bits, JMP32 the low 32.
bool InterpMachine::jump_taken(const CodeInsn& insn) const {
  const u64 dst = r_[insn.dst];
  const u64 src = insn.form == Form::kJmpImm ? immediate(insn) : r_[insn.src];
  const auto dst32 = static_cast<u32>(dst), src32 = static_cast<u32>(src);
  const auto sdst = static_cast<std::int64_t>(dst), ssrc = static_cast<std::int64_t>(src);
  const auto sdst32 = static_cast<std::int32_t>(dst), ssrc32 = static_cast<std::int32_t>(src);
  switch (insn.op) {
#define KILN_JUMP(NAME, op)    \
  case Op::NAME##64_IMM:       \
  case Op::NAME##64_REG:       \
    return dst op src;         \
  case Op::NAME##32_IMM:       \
  case Op::NAME##32_REG:       \
    return dst32 op src32;
#define KILN_SIGNED_JUMP(NAME, op) \
  case Op::NAME##64_IMM:           \
  case Op::NAME##64_REG:           \
    return sdst op ssrc;           \
  case Op::NAME##32_IMM:           \
  case Op::NAME##32_REG:           \
    return sdst32 op ssrc32;
    KILN_JUMP(JEQ, ==)
    KILN_JUMP(JNE, !=)
    KILN_JUMP(JGT, >)
    KILN_JUMP(JGE, >=)
    KILN_JUMP(JLT, <)
    KILN_JUMP(JLE, <=)
    KILN_SIGNED_JUMP(JSGT, >)
    KILN_SIGNED_JUMP(JSGE, >=)
    KILN_SIGNED_JUMP(JSLT, <)
    KILN_SIGNED_JUMP(JSLE, <=)
#undef KILN_JUMP
#undef KILN_SIGNED_JUMP
    case Op::JSET64_IMM:
    case Op::JSET64_REG:
      return (dst & src) != 0;
    case Op::JSET32_IMM:
    case Op::JSET32_REG:
      return (dst32 & src32) != 0;
    default:
      KILN_CHECK(!"a jump without a rule");
  }
}

// Not in the RFC. Jumps once the function has passed it kMaxLoops times, so that every loop ends.
void InterpMachine::may_goto(const CodeInsn& insn) {
  if (may_goto_left_ == 0) {
    pc_ = insn.target;
    return;
  }
  --may_goto_left_;
  ++pc_;
  go_round();
}

/// The verifier saw one round of such a loop; how many there are is the program's business.
void InterpMachine::go_round() {
  if (code_->verified) {
    runtime_.budget = kInstructionBudget;
  }
}

// Sections 4.3.1 and 4.3.2: helpers, functions of the program, exit.
InterpMachine::Next InterpMachine::call_helper(u32 number) {
  r_[0] = helper_function(number)(r_[1], r_[2], r_[3], r_[4], r_[5], &runtime_);
  runtime_.memory.flush();
  if (runtime_.faulted != 0) {
    return Next::kStop;
  }
  if (number == kTailCallHelper && r_[0] != 0) {
    program_ = static_cast<u32>(r_[0]) - 1;  // R10 stays: the new program takes over this frame
    code_ = &programs_[program_];
    pc_ = 0;
    may_goto_left_ = kMaxLoops;
    r_[1] = runtime_.r1;
    return Next::kGoOn;
  }
  ++pc_;
  return Next::kGoOn;
}

InterpMachine::Next InterpMachine::call_kfunc(u32 row) {
  r_[0] = kfunc_function(row)(r_[1], r_[2], r_[3], r_[4], r_[5], &runtime_);
  runtime_.memory.flush();
  if (runtime_.faulted != 0) {
    return Next::kStop;
  }
  if (kfunc_table()[row].has(kKfIterNext)) {
    go_round();
  }
  ++pc_;
  return Next::kGoOn;
}

InterpMachine::Next InterpMachine::call_function(const Function& callee) {
  if (callers_.size() + 1 >= kMaxCallFrames) {
    runtime_.fault(fmt::format("call of a function while {} are active", kMaxCallFrames));
    return Next::kStop;
  }
  callers_.push_back({.saved = {r_[6], r_[7], r_[8], r_[9], r_[kFramePointer]}, .program = program_, .slot = pc_ + 1, .may_goto_left = may_goto_left_});
  may_goto_left_ = kMaxLoops;
  r_[kFramePointer] -= code_->function_of(pc_).frame_bytes;
  pc_ = callee.start;
  return Next::kGoOn;
}

// The value is a function's address (LD_CODE_ADDR) or, as the public conformance suite has it, a helper's number.
InterpMachine::Next InterpMachine::callx(u64 value) {
  const CallxTarget target = resolve_callx(value, *code_, runtime_);
  if (runtime_.faulted != 0) {
    return Next::kStop;
  }
  return target.helper != 0 ? call_helper(static_cast<u32>(value)) : call_function(code_->functions[target.function]);
}

InterpMachine::Next InterpMachine::leave_function() {
  if (callers_.empty()) {
    return Next::kExit;
  }
  const Caller& caller = callers_.back();
  std::copy(caller.saved.begin(), caller.saved.end(), r_.begin() + 6);
  program_ = caller.program;
  code_ = &programs_[program_];
  pc_ = caller.slot;
  may_goto_left_ = caller.may_goto_left;
  callers_.pop_back();
  return Next::kGoOn;
}

// Sections 5.1 to 5.3. False: the access is not allowed.
bool InterpMachine::load_store(const CodeInsn& insn) {
  const unsigned bytes = access_bytes(isa_table()[static_cast<std::size_t>(insn.op)].opcode);
  const bool is_load = insn.form == Form::kLoad || insn.form == Form::kLoadAcquire;
  const u64 address = r_[is_load ? insn.src : insn.dst] + static_cast<u64>(std::int64_t{insn.off});
  std::byte* at = runtime_.memory.checked(address, bytes, is_load ? Access::kRead : Access::kWrite);
  if (at == nullptr) {
    runtime_.fault(runtime_.memory.explain(address, bytes, is_load ? Access::kRead : Access::kWrite));
    return false;
  }
  const u64 value = insn.form == Form::kStoreImm ? immediate(insn) : r_[insn.src];
  switch (insn.op) {
    case Op::LDXB:
    case Op::LDXH:
    case Op::LDXW:
    case Op::LDXDW:
    case Op::LOAD_ACQUIRE8:  // one thread, or one that hands the map engine one request after another: all is in order
    case Op::LOAD_ACQUIRE16:
    case Op::LOAD_ACQUIRE32:
    case Op::LOAD_ACQUIRE64:
      r_[insn.dst] = load(at, bytes);
      break;
    case Op::LDXSB:
      r_[insn.dst] = a::sign_extend<std::int8_t, u64>(load(at, bytes));
      break;
    case Op::LDXSH:
      r_[insn.dst] = a::sign_extend<std::int16_t, u64>(load(at, bytes));
      break;
    case Op::LDXSW:
      r_[insn.dst] = a::sign_extend<std::int32_t, u64>(load(at, bytes));
      break;
    case Op::STB:
    case Op::STH:
    case Op::STW:
    case Op::STDW:
    case Op::STXB:
    case Op::STXH:
    case Op::STXW:
    case Op::STXDW:
    case Op::STORE_RELEASE8:
    case Op::STORE_RELEASE16:
    case Op::STORE_RELEASE32:
    case Op::STORE_RELEASE64:
      std::memcpy(at, &value, bytes);
      break;
    default:
      atomic(insn, at, address);
      return true;
  }
  runtime_.memory.flush();
  return true;
}

// Section 5.3. One thread: reading and writing in turn is atomic. 32-bit results are zero-extended.
void InterpMachine::atomic(const CodeInsn& insn, std::byte* at, u64 address) {
  const bool is64 = (isa_table()[static_cast<std::size_t>(insn.op)].group == Group::atomic64);
  const unsigned bytes = is64 ? 8 : 4;
  const u64 src = r_[insn.src];
  const std::optional<u32> in_device = runtime_.memory.in_device(address);
  const u64 old = in_device ? runtime_.memory.atomic_in_device(insn.imm, *in_device, bytes, src, r_[0]) : load(at, bytes);
  u64 result = 0;
  switch (insn.op) {
#define KILN_ATOMIC(NAME, expression)   \
  case Op::ATOMIC_##NAME##32:           \
  case Op::ATOMIC_##NAME##64:           \
  case Op::ATOMIC_FETCH_##NAME##32:     \
  case Op::ATOMIC_FETCH_##NAME##64:     \
    result = expression;                \
    break;
    KILN_ATOMIC(ADD, old + src)
    KILN_ATOMIC(OR, old | src)
    KILN_ATOMIC(AND, old & src)
    KILN_ATOMIC(XOR, old ^ src)
#undef KILN_ATOMIC
    case Op::ATOMIC_XCHG32:
    case Op::ATOMIC_XCHG64:
      result = src;
      break;
    case Op::ATOMIC_CMPXCHG32:
      result = old == static_cast<u32>(r_[0]) ? src : old;
      r_[0] = old;
      break;
    case Op::ATOMIC_CMPXCHG64:
      result = old == r_[0] ? src : old;
      r_[0] = old;
      break;
    default:
      KILN_CHECK(!"an access without a rule");
  }
  if (!in_device) {
    std::memcpy(at, &result, bytes);
  }
  const bool compares = insn.op == Op::ATOMIC_CMPXCHG32 || insn.op == Op::ATOMIC_CMPXCHG64;
  if (insn.form == Form::kAtomicFetch && !compares) {
    r_[insn.src] = old;
  }
}

// Section 5.4.
void InterpMachine::load_wide(const CodeInsn& insn) {
  u64& dst = r_[insn.dst];
  switch (insn.op) {
    case Op::LD_MAP_IDX:
      dst = map_handle(wide_map(insn));
      return;
    case Op::LD_MAP_IDX_VALUE:
      dst = runtime_.memory.map_value(runtime_.maps.descriptor(wide_map(insn)).entries + wide_offset(insn));
      return;
    case Op::LD_CODE_ADDR:
      dst = code_address(code_->functions[insn.target].start);
      return;
    default:
      dst = insn.wide;
  }
}

// Section 5.5. Bytes that are not there end the function with R0 = 0.
InterpMachine::Next InterpMachine::load_packet(const CodeInsn& insn) {
  const InsnInfo& info = isa_table()[static_cast<std::size_t>(insn.op)];
  const bool indirect = insn.op == Op::LD_INDB || insn.op == Op::LD_INDH || insn.op == Op::LD_INDW;
  const u64 offset = (indirect ? r_[insn.src] : 0) + immediate(insn);
  const PacketLoad loaded = load_from_packet(r_[6], offset, access_bytes(info.opcode), &runtime_);
  if (runtime_.faulted != 0) {
    return Next::kStop;
  }
  r_[0] = loaded.value;
  if (loaded.ok == 0) {
    return leave_function();
  }
  ++pc_;
  return Next::kGoOn;
}

}  // namespace kiln
