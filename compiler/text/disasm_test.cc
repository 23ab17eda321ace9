// SPDX-License-Identifier: Apache-2.0
//
// Every row of isa.def survives disassemble() and assemble(); the texts are the kernel's and
// LLVM's.
#include <gtest/gtest.h>

#include <random>

#include <kiln/disasm.h>

namespace kiln {
namespace {

/// The fields that a row leaves free, filled at random; reserved ones stay 0.
Insn sample(const InsnInfo& row, std::mt19937& random) {
  const Insn full{.opcode = row.opcode,
                  .dst = static_cast<std::uint8_t>(random() % kRegisters),
                  .src = static_cast<std::uint8_t>(random() % kRegisters),
                  .off = static_cast<std::int16_t>(random()),
                  .imm = static_cast<std::int32_t>(random())};
  Insn insn{.opcode = row.opcode};
  const auto select = [&row](Insn& target) {
    if (row.selector == Selector::kOff) {
      target.off = static_cast<std::int16_t>(row.value);
    } else if (row.selector == Selector::kImm) {
      target.imm = row.value;
    } else if (row.selector == Selector::kSrc) {
      target.src = static_cast<std::uint8_t>(row.value);
    }
  };
  select(insn);
  // A field is free if the instruction stays well formed with it set.
  for (auto set : {+[](Insn&to, const Insn&from) { to.dst = from.dst; },
                   +[](Insn&to, const Insn&from) { to.src = from.src; },
                   +[](Insn&to, const Insn&from) { to.off = from.off; },
                   +[](Insn&to, const Insn&from) { to.imm = from.imm; }}) {
    Insn changed = insn;
    Insn ones = insn;
    set(changed, full);
    set(ones, Insn{.dst = 1, .src = 1, .off = 1, .imm = 1});
    select(changed);
    select(ones);
    if (malformed(ones) == nullptr && malformed(changed) == nullptr && find_insn(changed) == &row) {
      insn = changed;
    }
  }
  return insn;
}

TEST(Disasm, EveryRowSurvivesTheRoundTrip) {
  std::mt19937 random(1);
  std::size_t rows = 0;
  for (const InsnInfo& row : isa_table()) {
    for (int i = 0; i < 50; ++i) {
      const Insn insn = sample(row, random);
      // Bare map references and code addresses have no upper half.
      const bool has_high =
          row.op == Op::LD_IMM64 || row.op == Op::LD_MAP_FD_VALUE || row.op == Op::LD_MAP_IDX_VALUE;
      const Insn second{.imm = has_high ? static_cast<std::int32_t>(random()) : 0};
      const std::string text = disassemble(insn, insn.is_wide() ? &second : nullptr);
      auto back = assemble(text);
      ASSERT_TRUE(back) << row.name << ": " << text << ": " << back.error().message;
      ASSERT_EQ(back->size(), insn.is_wide() ? 2u : 1u) << text;
      EXPECT_EQ((*back)[0], insn) << row.name << ": " << text;
      if (insn.is_wide()) {
        EXPECT_EQ((*back)[1], second) << text;
      }
    }
    ++rows;
  }
  EXPECT_EQ(rows, static_cast<std::size_t>(Op::kCount));
}

TEST(Disasm, WritesTheKernelsWords) {
  const struct {
    Insn insn;
    const char* text;
  } cases[] = {
      {{.opcode = 0x07, .dst = 1, .imm = -4}, "r1 += -4"},
      {{.opcode = 0xb4, .dst = 0, .imm = 2}, "w0 = 2"},
      {{.opcode = 0xbf, .dst = 6, .src = 1}, "r6 = r1"},
      {{.opcode = 0xbf, .dst = 6, .src = 1, .off = 16}, "r6 = (s16)r1"},
      {{.opcode = 0x3f, .dst = 6, .src = 1, .off = 1}, "r6 s/= r1"},
      {{.opcode = 0xc7, .dst = 2, .imm = 32}, "r2 s>>= 32"},
      {{.opcode = 0x84, .dst = 3}, "w3 = -w3"},
      {{.opcode = 0xdc, .dst = 3, .imm = 16}, "r3 = be16 r3"},
      {{.opcode = 0xd7, .dst = 3, .imm = 64}, "r3 = bswap64 r3"},
      {{.opcode = 0x55, .dst = 1, .off = 5, .imm = 8}, "if r1 != 0x8 goto pc+5"},
      {{.opcode = 0xce, .dst = 1, .src = 2, .off = -5}, "if w1 s< w2 goto pc-5"},
      {{.opcode = 0x05, .off = -1}, "goto pc-1"},
      {{.opcode = 0x06, .imm = 70000}, "gotol pc+70000"},
      {{.opcode = 0x85, .imm = 1}, "call bpf_map_lookup_elem#1"},
      {{.opcode = 0x85, .imm = 35}, "call bpf_get_current_task#35"},
      {{.opcode = 0x85, .imm = 0}, "call unknown#0"},
      {{.opcode = 0x85, .imm = 9999}, "call unknown#9999"},
      {{.opcode = 0x85, .src = 1, .imm = 7}, "call pc+7"},
      {{.opcode = 0x85, .src = 2, .imm = 7}, "call kernel-function#7"},
      {{.opcode = 0x95}, "exit"},
      {{.opcode = 0x79, .dst = 1, .src = 6, .off = 4}, "r1 = *(u64 *)(r6 +4)"},
      {{.opcode = 0x91, .dst = 1, .src = 6}, "r1 = *(s8 *)(r6 +0)"},
      {{.opcode = 0x7a, .dst = 10, .off = -8, .imm = 0}, "*(u64 *)(r10 -8) = 0"},
      {{.opcode = 0x73, .dst = 10, .src = 2, .off = -8}, "*(u8 *)(r10 -8) = r2"},
      {{.opcode = 0xdb, .dst = 0, .src = 1, .imm = 0}, "lock *(u64 *)(r0 +0) += r1"},
      {{.opcode = 0xc3, .dst = 0, .src = 1, .imm = 1}, "r1 = atomic_fetch_add((u32 *)(r0 +0), r1)"},
      {{.opcode = 0xdb, .dst = 2, .src = 1, .off = 8, .imm = 0xf1},
       "r0 = atomic64_cmpxchg((u64 *)(r2 +8), r0, r1)"},
      {{.opcode = 0x30, .imm = 23}, "r0 = *(u8 *)skb[23]"},
      {{.opcode = 0x48, .src = 7, .imm = 2}, "r0 = *(u16 *)skb[r7 + 2]"},
      {{.opcode = 0x18, .dst = 1, .src = 5, .imm = 3}, "r1 = map[idx:3]"},
      {{.opcode = 0x18, .dst = 1, .imm = 3}, "r1 = 0x3 ll"},
      {{.opcode = 0xff, .dst = 1}, ".quad 0x00000000000001ff"},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(disassemble(c.insn), c.text);
  }
}

TEST(Assemble, TakesWhatLlvmPrints) {
  auto program = assemble(R"(
    # llvm-objdump's spacing and names
    start:
      w1 = *(u8 *)(r2 + 12)
      if w1 == 8 goto +1
      r1 = 1311768467463790320 ll
      w2 = atomic_fetch_or((u32 *)(r1 + 0), w2)
      r3 = xchg_64(r1 + 8, r3)
      w0 = cmpxchg32_32(r1 + 4, w0, w3)
      call 6 // trace_printk
      r1 = -1
      goto start
  )");
  ASSERT_TRUE(program) << program.error().message;
  const std::vector<Insn> expected = {
      {.opcode = 0x71, .dst = 1, .src = 2, .off = 12},
      {.opcode = 0x16, .dst = 1, .off = 1, .imm = 8},
      {.opcode = 0x18, .dst = 1, .imm = static_cast<std::int32_t>(0x9abcdef0)},
      {.imm = 0x12345678},
      {.opcode = 0xc3, .dst = 1, .src = 2, .imm = 0x41},
      {.opcode = 0xdb, .dst = 1, .src = 3, .off = 8, .imm = 0xe1},
      {.opcode = 0xc3, .dst = 1, .src = 3, .off = 4, .imm = 0xf1},
      {.opcode = 0x85, .imm = 6},
      {.opcode = 0xb7, .dst = 1, .imm = -1},
      {.opcode = 0x05, .off = -10},
  };
  EXPECT_EQ(*program, expected);
}

TEST(Assemble, ResolvesLabelsAndCalls) {
  auto program = assemble("call f\nif r0 == 0 goto out\nout: exit\nf:\nr0 = 0\nexit ; back\n");
  ASSERT_TRUE(program) << program.error().message;
  EXPECT_EQ((*program)[0], (Insn{.opcode = 0x85, .src = 1, .imm = 2}));
  EXPECT_EQ((*program)[1].off, 0);
  auto helper = assemble("call bpf_redirect_map\ncall get_current_task");
  ASSERT_TRUE(helper);
  EXPECT_EQ((*helper)[0].imm, 51);
  EXPECT_EQ((*helper)[1].imm, 35);
}

TEST(Assemble, SaysWhichLineIsWrong) {
  const struct {
    const char* text;
    const char* message;
  } cases[] = {
      {"r0 = 1\nfoo", "line 2: no such instruction: 'foo'"},
      {"goto nowhere", "line 1: no label 'nowhere'"},
      {"r11 = 1", "line 1: no such instruction: 'r11 = 1'"},
      {"r1 = w2", "line 1: r and w registers in one instruction"},
      {"r1 = 0x1ffffffff", "line 1: number out of range: 1ffffffff"},
      {"r1 = *(u24 *)(r2 +0)", "line 1: no such load type"},
      {"exit exit", "line 1: unexpected text 'exit'"},
      {"a:\na: exit", "line 2: label 'a' appears twice"},
      {"r1 = *(u8 *)(r2 +40000)", "line 1: number out of range: 40000"},
      {"r1 = be16 r2", "line 1: byte swaps work in place"},
  };
  for (const auto& c : cases) {
    const auto program = assemble(c.text);
    ASSERT_FALSE(program) << c.text;
    EXPECT_EQ(program.error().message, c.message);
    EXPECT_EQ(program.error().code, Errc::kInput);
  }
}

TEST(Assemble, NeverCrashesOnNonsense) {
  const std::string_view pieces[] = {"r1",        "w2",      "=",
                                     "-",         "+=",      "s>>=",
                                     "*",         "(",       "u64",
                                     ")",         "[",       "]",
                                     "0x",        "7",       "goto",
                                     "pc+",       "call",    "lock",
                                     "map",       "idx",     ":",
                                     ",",         "ll",      "#",
                                     "if",        "==",      "be16",
                                     "atomic64_", "xchg_64", "skb",
                                     "\n",        " ",       "-9223372036854775809",
                                     "x:"};
  std::mt19937 random(7);
  int good = 0;
  for (int round = 0; round < 20000; ++round) {
    std::string text;
    for (unsigned n = random() % 12; n > 0; --n) {
      text += pieces[random() % std::size(pieces)];
      text += random() % 2 ? " " : "";
    }
    const auto program = assemble(text);
    good += program ? 1 : 0;
    EXPECT_TRUE(program || !program.error().message.ends_with(": ")) << text;
  }
  EXPECT_GT(good, 0);
}

TEST(Disasm, ListingAssemblesToTheSameProgram) {
  Program program;
  program.name = "p";
  program.insns = *assemble("r1 = map[idx:0]\nr2 = map[idx:0][0]+4\ncall f\nexit\nf: r0 = 1\nexit");
  program.subprograms = {{.name = "p", .start = 0, .end = 6}, {.name = "f", .start = 6, .end = 8}};
  program.lines = {{.insn = 0, .file = "p.c", .line = 3, .column = 7, .text = "lookup();"}};
  Object object;
  object.maps.emplace_back().name = ".rodata";
  const std::string text = disassemble(program, object);
  EXPECT_EQ(text,
            "p:\n"
            "; lookup(); [file:p.c line_num:3 line_col:7]\n"
            "   0: (18) r1 = map[idx:0,name:.rodata]\n"
            "   2: (18) r2 = map[idx:0,name:.rodata][0]+4\n"
            "   4: (85) call pc+1#f\n"
            "   5: (95) exit\n"
            "f:\n"
            "   6: (b7) r0 = 1\n"
            "   7: (95) exit\n");
  const auto back = assemble(text);
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(*back, program.insns);
}

}  // namespace
}  // namespace kiln
