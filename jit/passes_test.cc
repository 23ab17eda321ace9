// SPDX-License-Identifier: Apache-2.0
//
// Passes whose rules depend on numbers: loops with every number of rounds, divisions by constants, remainders, sums. Optimised code
// must give what the interpreter gives, and so must code without the pass at hand.
#include <gtest/gtest.h>

#include <cstring>

#include <fmt/format.h>
#include <kiln/cpu_engines.h>
#include <kiln/disasm.h>

namespace kiln {
namespace {

/// One program on the interpreter and on the JIT with several sets of passes.
class Engines {
 public:
  Engines(const std::string& text, std::initializer_list<const char*> pass_sets) {
    auto insns = assemble(text);
    KILN_CHECK(insns);
    Program& program = object_.programs.emplace_back();
    program.name = "prog";
    program.subprograms = {{.name = "prog", .start = 0, .end = static_cast<std::uint32_t>(insns->size())}};
    program.insns = std::move(*insns);
    Facts facts;
    facts.insns.resize(program.insns.size());
    for (InsnFact& insn : facts.insns) {
      insn.reachable = true;
    }
    facts.stack_depth = {0};
    add(make_interp(), facts);
    for (const char* passes : pass_sets) {
      add(make_jit({.passes = passes}), facts);
    }
  }

  /// R0 of all, if they agree on its low half; the first instruction reads R6 from the frame.
  void expect_same(std::span<const std::uint64_t> words, const std::string& what) {
    Frame frame;
    frame.data.resize(64);
    std::memcpy(frame.data.data(), words.data(), words.size_bytes());
    std::optional<Outcome> expected;
    for (const auto& engine : engines_) {
      auto outcome = engine->run(frame);
      ASSERT_TRUE(outcome) << outcome.error().message;
      if (!expected) {
        expected = std::move(*outcome);
        continue;
      }
      ASSERT_EQ(outcome->code, expected->code) << what;
      ASSERT_EQ(outcome->frame, expected->frame) << what;
    }
  }

 private:
  void add(std::unique_ptr<Engine> engine, const Facts& facts) {
    auto loaded = engine->load({.object = &object_, .facts = {facts}}, 0, MapSet(), {});
    KILN_CHECK(loaded);
    engines_.push_back(std::move(engine));
  }

  Object object_;
  std::vector<std::unique_ptr<Engine>> engines_;
};

TEST(Passes, LoopsWithEveryNumberOfRounds) {
  struct Shape {
    const char* start;
    int step;
    const char* test;  // with the last value
    int first;
  };
  const Shape shapes[] = {{"r2 = 5", 1, "if r2 != {} goto pc-10", 5},
                          {"r2 = 3", 3, "if r2 s< {} goto pc-10", 3},
                          {"r2 = 1000", -2, "if r2 > {} goto pc-10", 1000},
                          {"w2 = -20", 1, "if w2 != {} goto pc-10", -20},
                          {"w2 = 7", 2, "if w2 < {} goto pc-10", 7}};
  for (const Shape& shape : shapes) {
    for (int rounds = 1; rounds < 45; ++rounds) {
      const char width = shape.start[0];
      const std::string text = fmt::format(
          "r6 = *(u32 *)(r1 +0)\nr0 = 1\nr4 = 0\n{0}\nr7 = r2\nr7 &= 31\nr7 += r6\nr3 = *(u8 *)(r7 +0)\nr0 += r3\n"
          "r4 ^= r2\n*(u8 *)(r7 +32) = r4\nr0 *= 3\n{1}2 += {2}\n{3}\nr0 += r2\nr0 ^= r4\n*(u64 *)(r6 +48) = r0\nexit\n",
          shape.start, width, shape.step, fmt::format(fmt::runtime(shape.test), shape.first + rounds * shape.step));
      Engines engines(text, {"all", "-unroll", "unroll", "unroll,fold,strength", "-strength", "none"});
      engines.expect_same(std::vector<std::uint64_t>{0x1122334455667788, 0x99aabbccddeeff00, 0x0123456789abcdef, ~0ull}, text);
    }
  }
}

// What a counter is known not to exceed must hold: comparisons with numbers around the bound, in and after the loop.
TEST(Passes, BoundsOfCounters) {
  for (int start : {0, 1, 30, 62, 63}) {
    for (int bound : {0, 1, 31, 61, 62, 63, 64, 65}) {
      for (const char* cond : {"<", "<=", ">", ">=", "=="}) {
        for (const char* width : {"r", "w"}) {
          const std::string text = fmt::format(
              "r6 = *(u32 *)(r1 +0)\nr0 = 0\nr2 = {0}\nr3 = *(u8 *)(r6 +3)\nagain:\nr4 = 0\nif {3}2 {1} {2} goto yes\nr4 = 5\nyes:\nr0 *= 3\nr0 += r4\n"
              "if r3 == r2 goto out\n{3}2 += 1\nif {3}2 != 64 goto again\nr0 += 7\nout:\nr0 += r2\n*(u64 *)(r6 +48) = r2\nexit\n",
              start, cond, bound, width);
          Engines engines(text, {"all", "-unroll", "branches", "branches,fold", "none"});
          for (const std::uint64_t stop : {0ull, 40ull, 63ull, 200ull}) {
            engines.expect_same(std::vector<std::uint64_t>{stop << 24}, text);
          }
        }
      }
    }
  }
}

TEST(Passes, SumsOfALoop) {
  for (const char* op : {"+=", "^=", "|=", "&="}) {
    for (const char* width : {"r", "w"}) {
      const std::string text = fmt::format(
          "r6 = *(u32 *)(r1 +0)\nr0 = *(u64 *)(r6 +0)\nr2 = 0\nr7 = r6\nr7 += r2\nr3 = *(u64 *)(r7 +8)\nr4 = *(u16 *)(r7 +3)\n"
          "{1}0 {0} {1}3\n{1}0 {0} {1}4\nr2 += 1\nif r2 != 24 goto pc-8\n*(u64 *)(r6 +0) = r0\nexit\n", op, width);
      Engines engines(text, {"all", "-strength", "strength", "unroll,strength"});
      engines.expect_same(std::vector<std::uint64_t>{0x1122334455667788, 0x99aabbccddeeff00, 0xf123456789abcdef, ~0ull, 5}, text);
    }
  }
}

TEST(Passes, DivisionsByConstants) {
  constexpr std::uint32_t kDivisors[] = {1,    2,    3,     5,     6,      7,      9,          10,         11,         12,        13,        14,
                                         25,   28,   60,    100,   125,    641,    1000,       1023,       1025,       65535,     65537,     100000,
                                         3u << 20, 0x7fff'ffff, 0x8000'0001, 0xffff'fffe, 0xffff'ffff};
  for (const std::uint32_t d : kDivisors) {
    std::vector<std::uint64_t> values = {0, 1, d - 1ull, d, d + 1ull, 2ull * d - 1, 2ull * d, 0x7fff'ffff, 0x8000'0000, 0xffff'fffe, 0xffff'ffff,
                                         0xffff'ffffull / d * d, 0xffff'ffffull / d * d - 1, 0x1234'5678'9abc'def0, ~0ull};
    for (const char* width : {"r", "w"}) {
      for (const char* size : {"u8", "u16", "u32", "u64"}) {
        // Divisors that don't fit an immediate come by way of a constant in a register.
        const std::string text = fmt::format(
            "r6 = *(u32 *)(r1 +0)\nr0 = *({1} *)(r6 +0)\nr5 = {2:#x} ll\nr2 = r0\n{0}2 /= {0}5\n*(u64 *)(r6 +16) = r2\nr3 = r0\n{0}3 %= {0}5\n"
            "*(u64 *)(r6 +24) = r3\nr4 = r2\n{0}4 *= {0}5\n{0}0 -= {0}4\n*(u64 *)(r6 +32) = r0\nexit\n", width, size, d);
        Engines engines(text, {"all", "-strength", "strength", "strength,narrow,fold"});
        for (const std::uint64_t value : values) {
          engines.expect_same(std::vector<std::uint64_t>{value}, fmt::format("{:#x} by {:#x}, {} {}", value, d, width, size));
        }
      }
    }
  }
}

TEST(Passes, RemaindersByVariables) {
  for (const char* width : {"r", "w"}) {
    const std::string text = fmt::format(
        "r6 = *(u32 *)(r1 +0)\nr2 = *(u64 *)(r6 +0)\nr3 = *(u64 *)(r6 +8)\nr4 = r2\n{0}4 /= {0}3\n{0}4 *= {0}3\n{0}2 -= {0}4\n*(u64 *)(r6 +0) = r2\n"
        "r0 = 0\nexit\n", width);
    Engines engines(text, {"all", "-strength", "strength"});
    for (const std::uint64_t a : {0ull, 1ull, 77ull, 0xffff'ffffull, 0x1'0000'0001ull, ~0ull, 1ull << 63}) {
      for (const std::uint64_t b : {0ull, 1ull, 3ull, 0xffff'ffffull, 0x1'0000'0000ull, ~0ull}) {
        engines.expect_same(std::vector<std::uint64_t>{a, b}, fmt::format("{:#x} by {:#x}, {}", a, b, width));
      }
    }
  }
}

TEST(Passes, CopiesOfNeighbours) {
  const std::vector<std::uint64_t> words = {0x0123456789abcdef, 0x1122334455667788, 0x99aabbccddeeff00, 0xf0e1d2c3b4a59687, 42, ~0ull, 7, 0x8000000000000001};
  for (int to = 0; to <= 32; to += 3) {  // from 16 on; the bytes may overlap
    for (const bool second_first : {false, true}) {
      const std::string first = fmt::format("r3 = *(u64 *)(r7 +16)\n*(u64 *)(r7 +{}) = r3\n", to);
      const std::string second = fmt::format("r4 = *(u64 *)(r7 +24)\n*(u64 *)(r7 +{}) = r4\n", to + 8);
      const std::string text = "r6 = *(u32 *)(r1 +0)\nr2 = 0\nagain:\nr7 = r6\nr7 += r2\n" + (second_first ? second + first : first + second) +
                               "r2 += 1\nif r2 != 13 goto again\nr0 = 0\nexit\n";
      Engines engines(text, {"all", "-memops", "-unroll", "memops"});
      engines.expect_same(words, text);
    }
  }
}

TEST(Passes, NeighboursThatChangePlaces) {
  const std::vector<std::uint64_t> words = {0x0123456789abcdef, 0x1122334455667788, 0x99aabbccddeeff00};
  for (const auto& [size, bytes] : {std::pair("u8", 1), std::pair("u16", 2), std::pair("u32", 4)}) {
    for (const int total : {4, 8}) {
      for (const int turn : {total / 2, total / 4}) {
        std::string loads, stores;
        for (int at = 0; at < total && at / bytes < 6; at += bytes) {
          loads += fmt::format("r{} = *({} *)(r6 +{})\n", at / bytes, size, 3 + (at + turn) % total);
          stores = fmt::format("*({} *)(r6 +{}) = r{}\n", size, 3 + at, at / bytes) + stores;
        }
        if (total / bytes > 6 || turn % bytes != 0) {
          continue;
        }
        const std::string text = "r6 = *(u32 *)(r1 +0)\n" + loads + stores + "r0 = 0\nexit\n";
        Engines engines(text, {"all", "-merge", "merge"});
        engines.expect_same(words, text);
      }
    }
  }
}

TEST(Passes, AtomicsWithNobodyElseThere) {
  for (const bool wide : {true, false}) {
    for (const char* op : {"lock *({0} *)(r6 +8) += r2", "lock *({0} *)(r6 +8) |= r2", "lock *({0} *)(r6 +8) &= r2", "lock *({0} *)(r6 +8) ^= r2",
                           "r2 = atomic{1}_fetch_add(({0} *)(r6 +8), r2)", "r2 = atomic{1}_fetch_or(({0} *)(r6 +8), r2)",
                           "r2 = atomic{1}_fetch_and(({0} *)(r6 +8), r2)", "r2 = atomic{1}_fetch_xor(({0} *)(r6 +8), r2)", "r2 = xchg{2}_{0}(r6 +8, r2)"}) {
      const std::string text = fmt::format("r6 = *(u32 *)(r1 +0)\nr2 = *(u64 *)(r6 +0)\n{0}\n*(u64 *)(r6 +16) = r2\n{0}\n{0}\n*(u64 *)(r6 +24) = r2\nr0 = 0\nexit\n",
                                           fmt::format(fmt::runtime(op), wide ? "u64" : "u32", wide ? "64" : "", wide ? "" : "32"));
      Engines engines(text, {"all", "-alone", "alone"});
      engines.expect_same(std::vector<std::uint64_t>{0x1122334455667788, 0x99aabbccffffffff}, text);
      engines.expect_same(std::vector<std::uint64_t>{~0ull, 1}, text);
    }
  }
}

}  // namespace
}  // namespace kiln
