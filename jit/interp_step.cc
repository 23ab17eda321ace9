// SPDX-License-Identifier: Apache-2.0
//
// What each instruction does, in the order of RFC 9669. Read it next to the RFC.
//
// The operators themselves (wrapping, shift masks, division by zero) are in arithmetic.h. Every access to memory
// goes through AddressSpace, which checks it. observed_steps() at the end has one piece of code for each row of isa.def;
// as `op` is constant there, it is short, whatever the functions choose among.
#include <cstring>
#include <iterator>

#include "arithmetic.h"
#include "interp_machine.h"

#define KILN_INTERP_INLINE [[gnu::always_inline]] inline

namespace kiln {

namespace a = arithmetic;
using u8 = std::uint8_t;
using u16 = std::uint16_t;
using u32 = std::uint32_t;
using u64 = std::uint64_t;

namespace {

/// Immediates are signed and widened to 64 bits (section 4.1: "sign-extended").
u64 immediate(const CodeInsn& insn) { return static_cast<u64>(std::int64_t{insn.imm}); }

u64 load(const std::byte* at, unsigned bytes) {
  u64 value = 0;
  std::memcpy(&value, at, bytes);
  return value;
}

/// Instructions after which pc_ says where to go on (interp_calls.cc).
constexpr bool transfers(Form form) {
  return form == Form::kCall || form == Form::kCallx || form == Form::kExit || form == Form::kLdPacket || form == Form::kMayGoto;
}
constexpr bool accesses_memory(Form form) {
  return form == Form::kLoad || form == Form::kStoreImm || form == Form::kStoreReg || form == Form::kAtomic ||
         form == Form::kAtomicFetch || form == Form::kLoadAcquire || form == Form::kStoreRelease;
}

}  // namespace

// Section 4.1. Two operands; class ALU works on the low halves and zero-extends.
KILN_INTERP_INLINE void InterpMachine::alu(Op op, const CodeInsn& insn, u64 src) {
  u64& dst = r_[insn.dst];
  const auto dst32 = static_cast<u32>(dst), src32 = static_cast<u32>(src);
  switch (op) {
#define KILN_ALU(NAME, function)        \
  case Op::NAME##64_IMM:                \
  case Op::NAME##64_REG:                \
    dst = a::function<u64>(dst, src);   \
    return;                             \
  case Op::NAME##32_IMM:                \
  case Op::NAME##32_REG:                \
    dst = a::function<u32>(dst32, src32); \
    return;
    KILN_TWO_OPERAND_INSNS(KILN_ALU)
#undef KILN_ALU
    default:
      KILN_CHECK(!"a two-operand instruction without a rule");
  }
}

// Sections 4.1 (MOVSX, NEG) and 4.2 (byte order).
KILN_INTERP_INLINE void InterpMachine::alu_unary(Op op, const CodeInsn& insn) {
  u64& dst = r_[insn.dst];
  const u64 src = r_[insn.src];
  switch (op) {
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
KILN_INTERP_INLINE bool InterpMachine::jump_taken(Op op, const CodeInsn& insn, u64 src) const {
  const u64 dst = r_[insn.dst];
  const auto dst32 = static_cast<u32>(dst), src32 = static_cast<u32>(src);
  const auto sdst = static_cast<std::int64_t>(dst), ssrc = static_cast<std::int64_t>(src);
  const auto sdst32 = static_cast<std::int32_t>(dst), ssrc32 = static_cast<std::int32_t>(src);
  switch (op) {
#define KILN_JUMP(NAME, is)    \
  case Op::NAME##64_IMM:       \
  case Op::NAME##64_REG:       \
    return dst is src;         \
  case Op::NAME##32_IMM:       \
  case Op::NAME##32_REG:       \
    return dst32 is src32;
#define KILN_SIGNED_JUMP(NAME, is) \
  case Op::NAME##64_IMM:           \
  case Op::NAME##64_REG:           \
    return sdst is ssrc;           \
  case Op::NAME##32_IMM:           \
  case Op::NAME##32_REG:           \
    return sdst32 is ssrc32;
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

// Sections 5.1 to 5.3. False: the access is not allowed.
KILN_INTERP_INLINE bool InterpMachine::load_store(Op op, Form form, unsigned bytes, const CodeInsn& insn) {
  const bool is_load = form == Form::kLoad || form == Form::kLoadAcquire;
  const u64 address = r_[is_load ? insn.src : insn.dst] + static_cast<u64>(std::int64_t{insn.off});
  std::byte* at = runtime_.memory.checked(address, bytes, is_load ? Access::kRead : Access::kWrite);
  if (at == nullptr) [[unlikely]] {
    runtime_.fault(runtime_.memory.explain(address, bytes, is_load ? Access::kRead : Access::kWrite));
    return false;
  }
  const u64 value = form == Form::kStoreImm ? immediate(insn) : r_[insn.src];
  switch (op) {
    case Op::LDXB:
    case Op::LDXH:
    case Op::LDXW:
    case Op::LDXDW:
    case Op::LOAD_ACQUIRE8:  // one thread, or one that hands the map engine one request after another: all is in order
    case Op::LOAD_ACQUIRE16:
    case Op::LOAD_ACQUIRE32:
    case Op::LOAD_ACQUIRE64:
      r_[insn.dst] = load(at, bytes);
      return true;
    case Op::LDXSB:
      r_[insn.dst] = a::sign_extend<std::int8_t, u64>(load(at, bytes));
      return true;
    case Op::LDXSH:
      r_[insn.dst] = a::sign_extend<std::int16_t, u64>(load(at, bytes));
      return true;
    case Op::LDXSW:
      r_[insn.dst] = a::sign_extend<std::int32_t, u64>(load(at, bytes));
      return true;
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
      runtime_.memory.flush();
      return true;
    default:
      atomic(insn, at, address);
      return true;
  }
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

/// The instruction at `at`, which is none that transfers. \return the one that follows; nullptr after a fault.
template <Op op, Form form, unsigned bytes>
KILN_INTERP_INLINE const CodeInsn* InterpMachine::follow(const CodeInsn* at, const CodeInsn* first) {
  const CodeInsn& insn = *at;
  if constexpr (form == Form::kJa || form == Form::kJa32) {
    return first + insn.target;
  } else if constexpr (form == Form::kJmpImm || form == Form::kJmpReg) {
    return jump_taken(op, insn, form == Form::kJmpImm ? immediate(insn) : r_[insn.src]) ? first + insn.target : at + 1;
  } else if constexpr (form == Form::kAluImm || form == Form::kAluReg) {
    alu(op, insn, form == Form::kAluImm ? immediate(insn) : r_[insn.src]);
    return at + 1;
  } else if constexpr (accesses_memory(form)) {
    return load_store(op, form, bytes, insn) ? at + 1 : nullptr;
  } else if constexpr (form == Form::kLd64) {
    load_wide(insn);
    return at + 2;  // over the second slot
  } else if constexpr (form == Form::kAddrSpaceCast) {
    KILN_CHECK(!"refused by Decoder");
  } else {
    alu_unary(op, insn);
    return at + 1;
  }
}

template <bool kObserved>
InterpMachine::Next InterpMachine::observed_steps(std::size_t depth) {
  // In registers here; in the members whenever somebody else looks.
  const CodeInsn* first = code_->insns.data();
  const CodeInsn* at = first + pc_;
  u64 executed = executed_, limit = limit_;
  const auto publish = [&] {
    pc_ = static_cast<u32>(at - first);
    executed_ = executed;
  };
  // Each instruction ends in a jump of its own to the next one's piece of code: processors foretell those far better
  // than one jump for all. Labels as values are GNU C++, which clang takes too.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
  static const void* const kPieces[] = {
#define KILN_INSN(name, ...) &&piece_##name,
#include <kiln/isa.def>
      &&piece_never_reached};
  static_assert(std::size(kPieces) == static_cast<std::size_t>(kNeverReached) + 1);

#define KILN_NEXT_INSN()                      \
  do {                                        \
    if (executed == limit) [[unlikely]] {     \
      publish();                              \
      return Next::kLimit;                    \
    }                                         \
    if constexpr (kObserved) {                \
      observe(static_cast<u32>(at - first));  \
    }                                         \
    ++executed;                               \
    goto* kPieces[static_cast<u8>(at->op)];   \
  } while (false)

  KILN_NEXT_INSN();

#define KILN_INSN(name, opcode, selector, value, group, form, text)                         \
  piece_##name:                                                                             \
  if constexpr (transfers(Form::form)) {                                                    \
    goto transfer;                                                                          \
  } else if (const CodeInsn* next =                                                         \
                 follow<Op::name, Form::form, access_bytes(opcode)>(at, first);             \
             next != nullptr) {                                                             \
    at = next;                                                                              \
    KILN_NEXT_INSN();                                                                       \
  } else {                                                                                  \
    goto fault;                                                                             \
  }
#include <kiln/isa.def>

transfer:
  publish();
  {
    const bool may_return = at->form != Form::kCall;
    const Next went = transfer(*at);
    if (went != Next::kGoOn || (may_return && callers_.size() == depth)) {
      return went;
    }
  }
  first = code_->insns.data();
  at = first + pc_;
  executed = executed_;
  limit = limit_;
  KILN_NEXT_INSN();

piece_never_reached:
  runtime_.fault("reached an instruction that the verifier proved dead");
fault:
  publish();
  return Next::kFault;
#undef KILN_NEXT_INSN
#pragma GCC diagnostic pop
}

InterpMachine::Next InterpMachine::steps(std::size_t depth) {
  return observer_ != nullptr ? observed_steps<true>(depth) : observed_steps<false>(depth);
}

}  // namespace kiln
