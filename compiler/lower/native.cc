// SPDX-License-Identifier: Apache-2.0
#include "native.h"

namespace kiln::lowering {

Insn bpf(Op op, unsigned dst, unsigned src, std::int32_t off, std::int32_t imm) {
  const InsnInfo& row = isa_table()[static_cast<std::size_t>(op)];
  KILN_CHECK(fits_off(off));
  Insn insn{.opcode = row.opcode,
            .dst = static_cast<std::uint8_t>(dst),
            .src = static_cast<std::uint8_t>(src),
            .off = static_cast<std::int16_t>(off),
            .imm = imm};
  switch (row.selector) {
    case Selector::kOff:
      insn.off = static_cast<std::int16_t>(row.value);
      break;
    case Selector::kImm:
      insn.imm = row.value;
      break;
    case Selector::kSrc:
      insn.src = static_cast<std::uint8_t>(row.value);
      break;
    case Selector::kNone:
      break;
  }
  return insn;
}

Insn core(CoreOp op, unsigned dst, unsigned src, std::int32_t off, std::int32_t imm) {
  KILN_CHECK(fits_off(off));
  return Insn{.opcode = static_cast<std::uint8_t>(op),
              .dst = static_cast<std::uint8_t>(dst),
              .src = static_cast<std::uint8_t>(src),
              .off = static_cast<std::int16_t>(off),
              .imm = imm};
}

namespace {

/// One of four rows by access width.
Op by_width(unsigned bytes, Op one, Op two, Op four, Op eight) {
  switch (bytes) {
    case 1:
      return one;
    case 2:
      return two;
    case 4:
      return four;
    default:
      return eight;
  }
}

}  // namespace

Insn load(unsigned bytes, unsigned dst, unsigned base, std::int32_t off) {
  return bpf(by_width(bytes, Op::LDXB, Op::LDXH, Op::LDXW, Op::LDXDW), dst, base, off, 0);
}

Insn store(unsigned bytes, unsigned base, std::int32_t off, unsigned src) {
  return bpf(by_width(bytes, Op::STXB, Op::STXH, Op::STXW, Op::STXDW), base, src, off, 0);
}

Insn store_imm(unsigned bytes, unsigned base, std::int32_t off, std::int32_t imm) {
  return bpf(by_width(bytes, Op::STB, Op::STH, Op::STW, Op::STDW), base, 0, off, imm);
}

Insn service(Service service, unsigned dst, unsigned src, std::int32_t imm) {
  return core(CoreOp::SVC, dst, src, static_cast<std::int32_t>(service), imm);
}

}  // namespace kiln::lowering
