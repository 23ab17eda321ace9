// SPDX-License-Identifier: Apache-2.0
//
// Emits loads, stores, atomics, 64-bit constants and packet loads.
#include "jit_emitter.h"

#include <cstddef>

namespace kiln {

namespace x86 = asmjit::x86;
using asmjit::imm;

namespace {

x86::Mem operand(unsigned base, const CodeInsn& insn, unsigned bytes) {
  return x86::Mem(host_register(base), insn.off, bytes);
}

bool is_load(const CodeInsn& insn) { return insn.form == Form::kLoad || insn.form == Form::kLoadAcquire; }

}  // namespace

void JitEmitter::load_constant(const Gp& to, std::uint64_t value) { blinder_.load(as_, to, value); }

/// Whether the immediate must not appear; then it is in r11, and so `in`.
bool JitEmitter::hidden(const CodeInsn& insn, bool is64, Gp& in) {
  if (!blinder_.hides(insn.imm)) {
    return false;
  }
  load_constant(x86::r11, is64 ? static_cast<std::uint64_t>(std::int64_t{insn.imm}) : static_cast<std::uint32_t>(insn.imm));
  in = is64 ? Gp(x86::r11) : Gp(x86::r11d);
  return true;
}

/// Programs without Facts only: leaves through fault_ unless the access is allowed.
void JitEmitter::check_access(const CodeInsn& insn, unsigned bytes, bool write) {
  note_slot();
  as_.lea(x86::r9, operand(is_load(insn) ? insn.src : insn.dst, insn, 8));
  as_.mov(x86::r10d, imm(bytes | (write ? 0x100u : 0u)));
  as_.mov(x86::r11d, imm(where_.slot));
  as_.call(check_);
}

void JitEmitter::load_store(const CodeInsn& insn) {
  const unsigned bytes = access_bytes(isa_table()[static_cast<std::size_t>(insn.op)].opcode);
  if (checked()) {
    check_access(insn, bytes, !is_load(insn));
  }
  const x86::Mem from = operand(insn.src, insn, bytes), to = operand(insn.dst, insn, bytes);
  const Gp& dst = host_register(insn.dst);
  const Gp& src = host_register(insn.src);
  if (Gp hidden_value; !is_load(insn) && insn.form == Form::kStoreImm && hidden(insn, true, hidden_value)) {
    as_.mov(to, bytes == 8 ? Gp(x86::r11) : bytes == 4 ? Gp(x86::r11d) : bytes == 2 ? Gp(x86::r11w) : Gp(x86::r11b));
    return;
  }
  switch (insn.op) {
    case Op::LDXB:
    case Op::LDXH:
    case Op::LOAD_ACQUIRE8:  // x86-64 loads in order, and stores in order
    case Op::LOAD_ACQUIRE16:
      as_.movzx(dst.r32(), from);
      return;
    case Op::LDXW:
    case Op::LOAD_ACQUIRE32:
      as_.mov(dst.r32(), from);
      return;
    case Op::LDXDW:
    case Op::LOAD_ACQUIRE64:
      as_.mov(dst, from);
      return;
    case Op::LDXSB:
    case Op::LDXSH:
      as_.movsx(dst, from);
      return;
    case Op::LDXSW:
      as_.movsxd(dst, from);
      return;
    case Op::STB:
      as_.mov(to, imm(insn.imm & 0xff));
      return;
    case Op::STH:
      as_.mov(to, imm(insn.imm & 0xffff));
      return;
    case Op::STW:
    case Op::STDW:
      as_.mov(to, imm(insn.imm));
      return;
    case Op::STXB:
    case Op::STORE_RELEASE8:
      as_.mov(to, src.r8());
      return;
    case Op::STXH:
    case Op::STORE_RELEASE16:
      as_.mov(to, src.r16());
      return;
    case Op::STXW:
    case Op::STORE_RELEASE32:
      as_.mov(to, src.r32());
      return;
    case Op::STXDW:
    case Op::STORE_RELEASE64:
      as_.mov(to, src);
      return;
    default:
      atomic(insn);
  }
}

void JitEmitter::atomic(const CodeInsn& insn) {
  const bool is64 = isa_table()[static_cast<std::size_t>(insn.op)].group == Group::atomic64;
  const x86::Mem at = operand(insn.dst, insn, is64 ? 8 : 4);
  const Gp src = host_register(insn.src, is64);
  switch (insn.op) {
    case Op::ATOMIC_ADD32:
    case Op::ATOMIC_ADD64:
      as_.lock().add(at, src);
      return;
    case Op::ATOMIC_OR32:
    case Op::ATOMIC_OR64:
      as_.lock().or_(at, src);
      return;
    case Op::ATOMIC_AND32:
    case Op::ATOMIC_AND64:
      as_.lock().and_(at, src);
      return;
    case Op::ATOMIC_XOR32:
    case Op::ATOMIC_XOR64:
      as_.lock().xor_(at, src);
      return;
    case Op::ATOMIC_FETCH_ADD32:
    case Op::ATOMIC_FETCH_ADD64:
      as_.lock().xadd(at, src);
      return;
    case Op::ATOMIC_XCHG32:
    case Op::ATOMIC_XCHG64:
      as_.xchg(at, src);
      return;
    case Op::ATOMIC_CMPXCHG32:
      as_.lock().cmpxchg(at, src);
      as_.mov(x86::eax, x86::eax);  // on a hit cmpxchg leaves rax as it was, upper half included
      return;
    case Op::ATOMIC_CMPXCHG64:
      as_.lock().cmpxchg(at, src);
      return;
    default:
      fetch_loop(insn, is64);
  }
}

/// x86 has no fetching OR, AND, XOR: compare and exchange until nobody came between.
void JitEmitter::fetch_loop(const CodeInsn& insn, bool is64) {
  const auto wide = [is64](const Gp& reg) { return is64 ? reg : reg.r32(); };
  const asmjit::Label again = as_.newLabel();
  const Gp source = wide(x86::r10), result = wide(x86::r9), old = wide(x86::rax);
  const x86::Mem at(x86::r11, 0, is64 ? 8 : 4);
  as_.lea(x86::r11, operand(insn.dst, insn, 8));
  as_.mov(source, host_register(insn.src, is64));
  as_.push(x86::rax);
  as_.mov(old, at);
  as_.bind(again);
  as_.mov(result, old);
  switch (insn.op) {
    case Op::ATOMIC_FETCH_OR32:
    case Op::ATOMIC_FETCH_OR64:
      as_.or_(result, source);
      break;
    case Op::ATOMIC_FETCH_AND32:
    case Op::ATOMIC_FETCH_AND64:
      as_.and_(result, source);
      break;
    default:
      as_.xor_(result, source);
  }
  as_.lock().cmpxchg(at, result);
  as_.jne(again);
  as_.mov(source, old);
  as_.pop(x86::rax);
  as_.mov(host_register(insn.src, is64), source);
}

void JitEmitter::load_wide(const CodeInsn& insn) {
  const Gp& dst = host_register(insn.dst);
  switch (insn.op) {
    case Op::LD_MAP_IDX:
      return load_constant(dst, map_handle(wide_map(insn)));
    case Op::LD_MAP_IDX_VALUE: {
      const auto arena = reinterpret_cast<std::uintptr_t>(input_.maps.arena().data());
      return load_constant(dst, arena + input_.maps.descriptor(wide_map(insn)).entries + wide_offset(insn));
    }
    case Op::LD_CODE_ADDR:
      return load_constant(dst, code_address(where_.code->functions[insn.target].start));
    default:
      return load_constant(dst, insn.wide);
  }
}

void JitEmitter::load_packet(const CodeInsn& insn) {
  const bool indirect = insn.op == Op::LD_INDB || insn.op == Op::LD_INDH || insn.op == Op::LD_INDW;
  if (checked()) {
    note_slot();
  }
  if (indirect) {
    Gp offset;
    as_.lea(x86::rsi, hidden(insn, true, offset) ? x86::Mem(host_register(insn.src), offset, 0, 0) : x86::Mem(host_register(insn.src), insn.imm));
  } else {
    load_constant(x86::rsi, static_cast<std::uint64_t>(std::int64_t{insn.imm}));
  }
  as_.mov(x86::rdi, host_register(6));
  as_.mov(x86::edx, imm(access_bytes(isa_table()[static_cast<std::size_t>(insn.op)].opcode)));
  as_.mov(x86::rcx, x86::r12);
  as_.call(imm(reinterpret_cast<std::uint64_t>(&load_from_packet)));
  stop_if_faulted();
  const asmjit::Label there = as_.newLabel();
  as_.test(x86::rdx, x86::rdx);
  as_.jnz(there);
  exit_function();
  as_.bind(there);
}

}  // namespace kiln
