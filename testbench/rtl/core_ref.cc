// SPDX-License-Identifier: Apache-2.0
//
// The reference of core_ref.h.
#include "core_ref.h"

#include <set>

#include <kiln/address.h>

#include "core_asm.h"

namespace kiln::core_test {
namespace {

struct Fields {
  unsigned opcode, dst, src;
  std::int16_t off;
  std::int32_t imm;
  explicit Fields(std::uint64_t w)
      : opcode(w & 0xff),
        dst(w >> 8 & 15),
        src(w >> 12 & 15),
        off(static_cast<std::int16_t>(w >> 16)),
        imm(static_cast<std::int32_t>(w >> 32)) {}
  unsigned cls() const { return opcode & 7; }
  unsigned code() const { return opcode >> 4; }
  unsigned size() const { return 1u << std::array<unsigned, 4>{2, 1, 0, 3}[opcode >> 3 & 3]; }
};

bool is_alu(const Fields& f) {
  return f.cls() == 4 || f.cls() == 7;
}
// The native instruction set: the tables without what the lowering replaces.
bool exists(unsigned opcode) {
  static const std::set<unsigned> kReplaced = {kLD_IMM64, kLD_ABSW, kLD_ABSH, kLD_ABSB,
                                               kLD_INDW,  kLD_INDH, kLD_INDB,
                                               kLOAD_ACQUIRE8, kLOAD_ACQUIRE16};  // not carried
  static const std::set<unsigned> kAll = {
#define KILN_INSN(name, number, ...) number,
#include <kiln/isa.def>
#define KILN_CORE_INSN(name, number, meaning) number,
#include <kiln/core_isa.def>
  };
  return kAll.contains(opcode) && !kReplaced.contains(opcode);
}
bool is_map(std::uint32_t addr) {
  return addr >> 30 == 1;
}
bool is_atomic(const Fields& f) {
  return f.opcode == kATOMIC_ADD32 || f.opcode == kATOMIC_ADD64;
}
bool is_load(const Fields& f) {
  return f.cls() == 1 && (f.opcode >> 5 == 3 || (f.opcode >> 5 == 4 && f.size() != 8));
}
bool is_store(const Fields& f) {
  return (f.cls() == 2 || f.cls() == 3) && f.opcode >> 5 == 3;
}

std::uint64_t mask(unsigned bytes) {
  return bytes >= 8 ? ~0ull : (1ull << 8 * bytes) - 1;
}

std::uint64_t extend(std::uint64_t value, unsigned bytes) {
  switch (bytes) {
    case 1:
      return static_cast<std::uint64_t>(static_cast<std::int8_t>(value));
    case 2:
      return static_cast<std::uint64_t>(static_cast<std::int16_t>(value));
    case 4:
      return static_cast<std::uint64_t>(static_cast<std::int32_t>(value));
    default:
      return value;
  }
}

// Divisions by the textbook: zero and overflow first, then the host's operator.
template <typename S>
S divide(S a, S b, bool mod) {
  if (b == 0) {
    return mod ? a : 0;
  }
  if constexpr (static_cast<S>(-1) < 0) {
    if (b == -1) {
      return mod ? 0 : static_cast<S>(0 - static_cast<std::make_unsigned_t<S>>(a));
    }
  }
  return static_cast<S>(mod ? a % b : a / b);
}

std::uint64_t swap_bytes(std::uint64_t value, unsigned bytes) {
  std::uint64_t out = 0;
  for (unsigned i = 0; i < bytes; ++i) {
    out |= (value >> 8 * i & 0xff) << 8 * (bytes - 1 - i);
  }
  return out;
}

template <typename U>
U alu(const Fields& f, U a, U b) {
  using S = std::make_signed_t<U>;
  const unsigned shift = static_cast<unsigned>(b) & (sizeof(U) * 8 - 1);
  switch (f.code()) {
    case 0x0:
      return a + b;
    case 0x1:
      return a - b;
    case 0x2:
      return a * b;
    case 0x3:
    case 0x9:
      return f.off == 1
                 ? static_cast<U>(divide<S>(static_cast<S>(a), static_cast<S>(b), f.code() == 9))
                 : divide<U>(a, b, f.code() == 9);
    case 0x4:
      return a | b;
    case 0x5:
      return a & b;
    case 0x6:
      return a << shift;
    case 0x7:
      return a >> shift;
    case 0x8:
      return 0 - a;
    case 0xa:
      return a ^ b;
    case 0xb:
      return f.off == 0 ? b : static_cast<U>(extend(b, static_cast<unsigned>(f.off) / 8));
    case 0xc:
      return static_cast<U>(static_cast<S>(a) >> shift);
    default:
      return 0;
  }
}

bool condition(unsigned code, std::uint64_t a, std::uint64_t b, std::int64_t sa, std::int64_t sb) {
  switch (code) {
    case 0x1:
      return a == b;
    case 0x2:
      return a > b;
    case 0x3:
      return a >= b;
    case 0x4:
      return (a & b) != 0;
    case 0x5:
      return a != b;
    case 0x6:
      return sa > sb;
    case 0x7:
      return sa >= sb;
    case 0xa:
      return a < b;
    case 0xb:
      return a <= b;
    case 0xc:
      return sa < sb;
    default:
      return sa <= sb;
  }
}

}  // namespace

std::uint64_t Memory::load(std::uint32_t addr, unsigned size, std::uint64_t seen) {
  std::uint64_t value = 0;
  for (unsigned i = 0; i < size; ++i) {
    const std::size_t at = (addr + i) % bytes_.size();
    if (!known_[at]) {
      bytes_[at] = static_cast<std::uint8_t>(seen >> 8 * i);
      known_[at] = true;
    }
    value |= static_cast<std::uint64_t>(bytes_[at]) << 8 * i;
  }
  return value;
}

void Memory::store(std::uint32_t addr, unsigned size, std::uint64_t value) {
  for (unsigned i = 0; i < size; ++i) {
    const std::size_t at = (addr + i) % bytes_.size();
    bytes_[at] = static_cast<std::uint8_t>(value >> 8 * i);
    known_[at] = true;
  }
}

void CoreRef::start(std::uint16_t entry, const std::vector<std::uint8_t>& frame,
                    std::uint32_t user) {
  namespace a = address;
  pc_ = entry;
  insns_ = 0;
  keys_.clear();
  const std::uint32_t data = a::kPacket + a::kHeadroom;
  const auto length = static_cast<std::uint32_t>(frame.size());
  for (std::uint32_t i = 0; i < length; ++i) {
    packet_.set(a::kHeadroom + i, frame[i]);
  }
  for (std::uint32_t i = 0; i < a::kStackBytes; i += 8) {
    stack_.store(i, 8, 0);
  }
  context_.store(a::kCtxData, 4, data);
  context_.store(a::kCtxDataEnd, 4, data + length);
  context_.store(a::kCtxDataMeta, 4, data);
  context_.store(a::kCtxIngressIfindex, 4, user & 0xffff);
  context_.store(a::kCtxRxQueueIndex, 4, user >> 16);
  context_.store(a::kCtxEgressIfindex, 4, 0);
  context_.store(a::kCtxRedirect, 4, 0);
  context_.store(a::kCtxRedirectMap, 4, 0);
  context_.store(a::kCtxZeroLow, 4, data);
  context_.store(a::kCtxCpu, 4, cpu_);
  context_.store(a::kCtxTailCalls, 4, 0);
}

std::uint32_t CoreRef::context_word(std::uint32_t offset) const {
  std::uint32_t value = 0;
  for (unsigned i = 0; i < 4; ++i) {
    value |= static_cast<std::uint32_t>(context_.at(offset + i)) << 8 * i;
  }
  return value;
}

std::vector<std::uint8_t> CoreRef::frame() const {
  const std::uint32_t data = context_word(address::kCtxData);
  const std::uint32_t length = (context_word(address::kCtxDataEnd) - data) % window_;
  std::vector<std::uint8_t> out(length);
  for (std::uint32_t i = 0; i < length; ++i) {
    out[i] = packet_.at(data + i);
  }
  return out;
}

Memory& CoreRef::region(std::uint32_t addr) {
  switch (addr >> 28 & 3) {
    case 3:
      return packet_;
    case 2:
      return stack_;
    default:
      return context_;
  }
}

std::optional<Request> CoreRef::request(std::uint64_t insn) const {
  const Fields f(insn);
  if (!exists(f.opcode)) {
    return std::nullopt;
  }
  Request r;
  r.size = f.opcode >> 3 & 3;
  r.imm = static_cast<std::uint32_t>(f.imm);
  r.data = f.cls() == 2 ? extend(static_cast<std::uint32_t>(f.imm), 4) : regs_[f.src];
  r.keys = keys_;
  const std::uint64_t base = f.cls() == 1 ? regs_[f.src] : regs_[f.dst];
  r.addr = static_cast<std::uint32_t>(base + static_cast<std::uint64_t>(f.off));
  if (f.opcode == kNativeSVC) {
    r.op = static_cast<unsigned>(f.off);
    r.addr = static_cast<std::uint32_t>(regs_[f.dst]);
  } else if (is_atomic(f)) {
    r.op = kSvcATOMIC;
  } else if (is_load(f) && is_map(r.addr)) {
    r.op = kSvcLOAD;
    r.keys.clear();
  } else if (is_store(f) && is_map(r.addr)) {
    r.op = kSvcSTORE;
    r.keys.clear();
  } else {
    return std::nullopt;
  }
  return r;
}

void CoreRef::write(Step& s, unsigned rd, std::uint64_t value) {
  s.rd_we = true;
  s.rd = rd;
  s.rd_data = value;
}

void CoreRef::memory_step(std::uint64_t insn, std::uint64_t response, std::uint64_t seen, Step& s) {
  const Fields f(insn);
  const std::uint64_t base = f.cls() == 1 ? regs_[f.src] : regs_[f.dst];
  s.addr = static_cast<std::uint32_t>(base + static_cast<std::uint64_t>(f.off));
  s.size = f.opcode == kNativePUSHM ? static_cast<unsigned>(f.imm) : f.size();
  if (f.opcode == kNativePUSHM) {
    s.mem_re = true;
    keys_.push_back(region(s.addr).load(s.addr, s.size, seen));
  } else if (is_atomic(f)) {
    s.mem_re = s.mem_we = true;
    s.data = regs_[f.src] & mask(s.size);
    if ((f.imm & 1) != 0) {
      write(s, (f.imm & 0xf0) == 0xf0 ? 0 : f.src, response);
    }
    keys_.clear();
  } else if (is_load(f)) {
    s.mem_re = true;
    const std::uint64_t value =
        is_map(s.addr) ? response : region(s.addr).load(s.addr, s.size, seen);
    write(s, f.dst, f.opcode >> 5 == 4 ? extend(value, s.size) : value);
  } else {
    s.mem_we = true;
    s.data =
        (f.cls() == 2 ? extend(static_cast<std::uint32_t>(f.imm), 4) : regs_[f.src]) & mask(s.size);
    if (!is_map(s.addr)) {
      region(s.addr).store(s.addr, s.size, s.data);
    }
  }
}

void CoreRef::jump_step(std::uint64_t insn, std::uint64_t response, Step& s) {
  const Fields f(insn);
  const std::uint64_t a = regs_[f.dst];
  const std::uint64_t b =
      (f.opcode & 8) != 0 ? regs_[f.src] : extend(static_cast<std::uint32_t>(f.imm), 4);
  const bool narrow = f.cls() == 6;
  switch (f.opcode) {
    case kJA:
      s.next_pc = static_cast<std::uint16_t>(s.next_pc + f.off);
      return;
    case kJA32:
      s.next_pc = static_cast<std::uint16_t>(s.next_pc + f.imm);
      return;
    case kNativeJAL:
    case kNativeJALR:
      write(s, f.dst, s.next_pc);
      s.next_pc = static_cast<std::uint16_t>(
          f.opcode == kNativeJAL ? static_cast<std::uint32_t>(f.imm) : regs_[f.src]);
      return;
    case kNativeJR:
      s.next_pc = static_cast<std::uint16_t>(regs_[f.src]);
      return;
    case kNativeEXIT:
      s.exit = true;
      s.code = static_cast<std::uint32_t>(regs_[f.src]);
      return;
    case kNativeTRAP:
      s.exit = true;
      s.trap = static_cast<std::uint8_t>(f.imm);
      return;
    case kNativeSVC:
      write(s, f.dst, response);
      keys_.clear();
      return;
    default:
      break;
  }
  const bool met =
      narrow
          ? condition(f.code(), static_cast<std::uint32_t>(a), static_cast<std::uint32_t>(b),
                      static_cast<std::int32_t>(a), static_cast<std::int32_t>(b))
          : condition(f.code(), a, b, static_cast<std::int64_t>(a), static_cast<std::int64_t>(b));
  if (met) {
    s.next_pc = static_cast<std::uint16_t>(s.next_pc + f.off);
  }
}

Step CoreRef::step(std::uint64_t insn, std::uint64_t response, std::uint64_t seen) {
  const Fields f(insn);
  Step s;
  s.next_pc = static_cast<std::uint16_t>(pc_ + 1);
  const std::uint64_t a = regs_[f.dst];
  const std::uint64_t b =
      (f.opcode & 8) != 0 ? regs_[f.src] : extend(static_cast<std::uint32_t>(f.imm), 4);
  if (!exists(f.opcode)) {
    s.exit = true;
    s.trap = 0xff;
  } else if (is_alu(f) && f.code() == 0xd) {
    const auto bytes = static_cast<unsigned>(f.imm) / 8;
    const bool swap = f.cls() == 7 || (f.opcode & 8) != 0;
    write(s, f.dst, swap ? swap_bytes(a, bytes) : a & mask(bytes));
  } else if (f.cls() == 7) {
    write(s, f.dst, alu<std::uint64_t>(f, a, b));
  } else if (f.cls() == 4) {
    write(s, f.dst,
          alu<std::uint32_t>(f, static_cast<std::uint32_t>(a), static_cast<std::uint32_t>(b)));
  } else if (f.opcode == kNativeMOVHI) {
    write(s, f.dst,
          static_cast<std::uint64_t>(static_cast<std::uint32_t>(f.imm)) << 32 | (a & mask(4)));
  } else if (f.opcode == kNativeCSUM) {
    write(s, f.dst, a + (regs_[f.src] & mask(4)) + (regs_[f.src] >> 32));
  } else if (f.opcode == kNativePUSHR) {
    keys_.push_back(regs_[f.src]);
  } else if (f.opcode == kNativePUSHM || is_load(f) || is_store(f) || is_atomic(f)) {
    memory_step(insn, response, seen, s);
  } else {
    jump_step(insn, response, s);
  }
  if (s.rd_we) {
    regs_[s.rd] = s.rd_data;
  }
  pc_ = s.next_pc;
  ++insns_;
  return s;
}

}  // namespace kiln::core_test
