// SPDX-License-Identifier: Apache-2.0
//
// Soundness of tnums, ranges, ALU and comparisons: every concrete result lies in the abstract one.
// Exhaustive over small tnums and over windows of numbers that straddle every sign and width boundary.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>
#include <vector>

#include "alu.h"
#include "compare.h"

namespace kiln::verifier {
namespace {

constexpr unsigned kBits = 5;

/// All tnums of kBits bits, shifted left by `at`.
std::vector<Tnum> small_tnums(unsigned at) {
  std::vector<Tnum> all;
  for (u64 mask = 0; mask < 1u << kBits; ++mask) {
    for (u64 value = 0; value < 1u << kBits; ++value) {
      if ((value & mask) == 0) {
        all.push_back({value << at, mask << at});
      }
    }
  }
  return all;
}

std::vector<u64> members(Tnum t) {
  std::vector<u64> all;
  for (u64 part = t.mask;; part = (part - 1) & t.mask) {  // every subset of the unknown bits
    all.push_back(t.value | part);
    if (part == 0) {
      return all;
    }
  }
}

template <typename Abstract, typename Concrete>
void expect_sound(Abstract abstract, Concrete concrete, unsigned at) {
  const auto all = small_tnums(at);
  for (const Tnum a : all) {
    for (const Tnum b : all) {
      const Tnum r = abstract(a, b);
      ASSERT_EQ(r.value & r.mask, 0u);
      for (const u64 x : members(a)) {
        for (const u64 y : members(b)) {
          ASSERT_TRUE(r.holds(concrete(x, y))) << a.text() << " " << b.text() << ": " << x << " " << y;
        }
      }
    }
  }
}

TEST(Tnum, BinaryOperationsAreSound) {
  for (const unsigned at : {0u, 30u, 59u}) {
    expect_sound([](Tnum a, Tnum b) { return add(a, b); }, [](u64 x, u64 y) { return x + y; }, at);
    expect_sound([](Tnum a, Tnum b) { return sub(a, b); }, [](u64 x, u64 y) { return x - y; }, at);
    expect_sound([](Tnum a, Tnum b) { return bit_and(a, b); }, [](u64 x, u64 y) { return x & y; }, at);
    expect_sound([](Tnum a, Tnum b) { return bit_or(a, b); }, [](u64 x, u64 y) { return x | y; }, at);
    expect_sound([](Tnum a, Tnum b) { return bit_xor(a, b); }, [](u64 x, u64 y) { return x ^ y; }, at);
    expect_sound([](Tnum a, Tnum b) { return mul(a, b); }, [](u64 x, u64 y) { return x * y; }, at);
    expect_sound([](Tnum a, Tnum b) { return join(a, b); }, [](u64 x, u64) { return x; }, at);
    expect_sound([](Tnum a, Tnum b) { return join(a, b); }, [](u64, u64 y) { return y; }, at);
  }
}

TEST(Tnum, ShiftsAreSound) {
  for (const unsigned at : {0u, 29u, 59u}) {
    for (const Tnum a : small_tnums(at)) {
      for (unsigned count = 0; count < 64; ++count) {
        for (const u64 x : members(a)) {
          ASSERT_TRUE(shift_left(a, count).holds(x << count));
          ASSERT_TRUE(shift_right(a, count).holds(x >> count));
          ASSERT_TRUE(shift_right_signed(a, count, 64).holds(static_cast<u64>(static_cast<s64>(x) >> count)));
          if (count < 32) {
            const u32 narrow = static_cast<u32>(static_cast<s32>(x) >> count);
            ASSERT_TRUE(shift_right_signed(a.low32(), count, 32).holds(narrow));
          }
        }
      }
    }
  }
}

TEST(Tnum, SetOperationsAreExact) {
  const auto all = small_tnums(0);
  for (const Tnum a : all) {
    for (const Tnum b : all) {
      const auto in_a = members(a), in_b = members(b);
      const std::set<u64> sa(in_a.begin(), in_a.end()), sb(in_b.begin(), in_b.end());
      std::vector<u64> both;
      std::set_intersection(sa.begin(), sa.end(), sb.begin(), sb.end(), std::back_inserter(both));
      ASSERT_EQ(a.overlaps(b), !both.empty());
      ASSERT_EQ(a.holds(b), std::includes(sa.begin(), sa.end(), sb.begin(), sb.end()));
      for (const u64 x : both) {
        ASSERT_TRUE(intersect(a, b).holds(x));
      }
      if (!both.empty()) {
        ASSERT_EQ(members(intersect(a, b)).size(), both.size());
      }
    }
  }
}

TEST(Tnum, NeighboursAreNearest) {
  for (const unsigned at : {0u, 59u}) {
    for (const Tnum t : small_tnums(at)) {
      auto all = members(t);
      std::sort(all.begin(), all.end());
      for (u64 step = 0; step < 1u << kBits; ++step) {
        for (const u64 v : {step << at, (step << at) + 1, (step << at) - 1}) {
          const auto next = std::lower_bound(all.begin(), all.end(), v);
          ASSERT_EQ(t.at_least(v), next == all.end() ? std::nullopt : std::optional<u64>(*next)) << t.text() << v;
          const auto after = std::upper_bound(all.begin(), all.end(), v);
          ASSERT_EQ(t.at_most(v), after == all.begin() ? std::nullopt : std::optional<u64>(*(after - 1)));
        }
      }
    }
  }
}

TEST(Tnum, RangeIsTightest) {
  for (u64 min = 0; min < 64; ++min) {
    Tnum expected = Tnum::constant(min);
    for (u64 max = min; max < 64; ++max) {
      expected = join(expected, Tnum::constant(max));
      const Tnum range = Tnum::range(min, max);
      for (u64 x = min; x <= max; ++x) {
        ASSERT_TRUE(range.holds(x));
      }
      ASSERT_TRUE(range.holds(expected));
      ASSERT_EQ(range.mask & ~u64{63}, 0u);
    }
  }
  EXPECT_TRUE(Tnum::range(0, ~u64{0}).is_unknown());
}

TEST(Interval, SignsSharpenEachOtherAsFarAsPossible) {
  const int ends[] = {0, 1, 2, 63, 64, 126, 127, 128, 129, 130, 200, 254, 255};
  for (const int umin : ends) {
    for (const int umax : ends) {
      for (const int smin : ends) {
        for (const int smax : ends) {
          Interval<u8, std::int8_t> range{static_cast<u8>(umin), static_cast<u8>(umax),
                                          static_cast<std::int8_t>(smin), static_cast<std::int8_t>(smax)};
          if (!range.consistent()) {
            continue;
          }
          const auto before = range;
          range.sync_signs();
          int ulow = 256, uhigh = -1, slow = 128, shigh = -129;
          for (int v = 0; v < 256; ++v) {
            const int s = static_cast<std::int8_t>(v);
            if (v >= before.umin && v <= before.umax && s >= before.smin && s <= before.smax) {
              ulow = std::min(ulow, v), uhigh = std::max(uhigh, v);
              slow = std::min(slow, s), shigh = std::max(shigh, s);
            }
          }
          if (uhigh < 0) {
            continue;  // no number: nothing is promised
          }
          ASSERT_TRUE(range.umin == ulow && range.umax == uhigh && range.smin == slow && range.smax == shigh)
              << umin << " " << umax << " " << smin << " " << smax;
        }
      }
    }
  }
}

/// Numbers and the best description of them.
struct Window {
  std::vector<u64> numbers;
  Bounds bounds;
};

Window describe(std::vector<u64> numbers) {
  Window w;
  w.numbers = numbers;
  Bounds& b = w.bounds;
  b = Bounds::constant(numbers[0]);
  for (const u64 x : numbers) {
    b.bits = join(b.bits, Tnum::constant(x));
    b.w.umin = std::min(b.w.umin, x), b.w.umax = std::max(b.w.umax, x);
    b.w.smin = std::min(b.w.smin, static_cast<s64>(x)), b.w.smax = std::max(b.w.smax, static_cast<s64>(x));
    const u32 h = static_cast<u32>(x);
    b.h.umin = std::min(b.h.umin, h), b.h.umax = std::max(b.h.umax, h);
    b.h.smin = std::min(b.h.smin, static_cast<s32>(h)), b.h.smax = std::max(b.h.smax, static_cast<s32>(h));
  }
  b.sync();
  return w;
}

bool holds(const Bounds& b, u64 x) {
  const u32 h = static_cast<u32>(x);
  return b.bits.holds(x) && x >= b.w.umin && x <= b.w.umax && static_cast<s64>(x) >= b.w.smin &&
         static_cast<s64>(x) <= b.w.smax && h >= b.h.umin && h <= b.h.umax &&
         static_cast<s32>(h) >= b.h.smin && static_cast<s32>(h) <= b.h.smax;
}

/// Runs of 1 to 4 numbers, one or four apart, around every boundary.
const std::vector<Window>& windows() {
  static const std::vector<Window> all = [] {
    const u64 bases[] = {0,
                         ~u64{0} - 2,                 // -3
                         (u64{1} << 31) - 2,          // 32-bit sign
                         (u64{1} << 32) - 2,          // upper half
                         (u64{1} << 63) - 2,          // 64-bit sign
                         ~(u64{1} << 31) - 1,         // most negative 32-bit numbers, sign-extended
                         (u64{5} << 32) + 7,
                         0xfffffffe'80000000u - 1};
    std::vector<Window> made;
    for (const u64 base : bases) {
      for (u64 first = 0; first < 4; ++first) {
        for (u64 count = 1; count <= 4; ++count) {
          for (const u64 step : {1u, 4u}) {
            std::vector<u64> numbers;
            for (u64 k = 0; k < count; ++k) {
              numbers.push_back(base + first + k * step);
            }
            made.push_back(describe(numbers));
          }
        }
      }
    }
    return made;
  }();
  return all;
}

u64 compute(AluOp op, bool is64, u64 x, u64 y) {
  const auto narrow = [is64](u64 v) { return is64 ? v : u64{static_cast<u32>(v)}; };
  const u64 count = y & (is64 ? 63 : 31);
  switch (op) {
    case AluOp::kMov: return narrow(y);
    case AluOp::kAdd: return narrow(x + y);
    case AluOp::kSub: return narrow(x - y);
    case AluOp::kMul: return narrow(x * y);
    case AluOp::kAnd: return narrow(x & y);
    case AluOp::kOr: return narrow(x | y);
    case AluOp::kXor: return narrow(x ^ y);
    case AluOp::kLsh: return narrow(narrow(x) << count);
    case AluOp::kRsh: return narrow(x) >> count;
    case AluOp::kArsh:
      return is64 ? static_cast<u64>(static_cast<s64>(x) >> count)
                  : u64{static_cast<u32>(static_cast<s32>(x) >> count)};
    default: return 0;
  }
}

TEST(Bounds, DescriptionsHoldTheirNumbers) {
  for (const Window& w : windows()) {
    for (const u64 x : w.numbers) {
      ASSERT_TRUE(holds(w.bounds, x));
    }
    ASSERT_TRUE(w.bounds.consistent());
  }
}

TEST(Bounds, ArithmeticIsSound) {
  for (const AluOp op : {AluOp::kMov, AluOp::kAdd, AluOp::kSub, AluOp::kMul, AluOp::kAnd, AluOp::kOr, AluOp::kXor}) {
    for (const bool is64 : {true, false}) {
      for (const Window& a : windows()) {
        for (const Window& b : windows()) {
          const Bounds r = alu(op, is64, a.bounds, b.bounds);
          for (const u64 x : a.numbers) {
            for (const u64 y : b.numbers) {
              ASSERT_TRUE(holds(r, compute(op, is64, x, y)))
                  << static_cast<int>(op) << " " << is64 << " " << x << " " << y;
            }
          }
        }
      }
    }
  }
}

TEST(Bounds, ShiftsAreSound) {
  for (const AluOp op : {AluOp::kLsh, AluOp::kRsh, AluOp::kArsh}) {
    for (const bool is64 : {true, false}) {
      for (const Window& a : windows()) {
        for (u64 count = 0; count < (is64 ? 64 : 32); ++count) {
          const Bounds r = alu(op, is64, a.bounds, Bounds::constant(count));
          for (const u64 x : a.numbers) {
            ASSERT_TRUE(holds(r, compute(op, is64, x, count))) << x << " " << count;
          }
        }
      }
    }
  }
}

TEST(Bounds, ConversionsAreSound) {
  const auto extend = [](u64 x, unsigned bits) {
    return static_cast<u64>(static_cast<s64>(x << (64 - bits)) >> (64 - bits));
  };
  for (const Window& a : windows()) {
    for (const u64 x : a.numbers) {
      for (const unsigned bytes : {1u, 2u, 4u, 8u}) {
        Bounds b = a.bounds;
        b.truncate(bytes);
        ASSERT_TRUE(holds(b, bytes == 8 ? x : x & ((u64{1} << bytes * 8) - 1)));
      }
      for (const unsigned bits : {8u, 16u, 32u}) {
        Bounds b = a.bounds;
        b.sign_extend(bits);
        ASSERT_TRUE(holds(b, extend(x, bits))) << x << " " << bits;
        Bounds c = a.bounds;
        c.sign_extend_to32(bits);
        ASSERT_TRUE(holds(c, static_cast<u32>(extend(x, bits)))) << x << " " << bits;
      }
      ASSERT_TRUE(holds(byte_swap(16, true, a.bounds), __builtin_bswap16(static_cast<std::uint16_t>(x))));
      ASSERT_TRUE(holds(byte_swap(32, true, a.bounds), __builtin_bswap32(static_cast<u32>(x))));
      ASSERT_TRUE(holds(byte_swap(64, true, a.bounds), __builtin_bswap64(x)));
      ASSERT_TRUE(holds(byte_swap(16, false, a.bounds), x & 0xffff));
    }
  }
}

bool compare(CmpOp op, bool is64, u64 x, u64 y) {
  const u64 a = is64 ? x : static_cast<u32>(x), b = is64 ? y : static_cast<u32>(y);
  const s64 sa = is64 ? static_cast<s64>(x) : static_cast<s32>(x);
  const s64 sb = is64 ? static_cast<s64>(y) : static_cast<s32>(y);
  switch (op) {
    case CmpOp::kEq: return a == b;
    case CmpOp::kNe: return a != b;
    case CmpOp::kSet: return (a & b) != 0;
    case CmpOp::kNotSet: return (a & b) == 0;
    case CmpOp::kGt: return a > b;
    case CmpOp::kGe: return a >= b;
    case CmpOp::kLt: return a < b;
    case CmpOp::kLe: return a <= b;
    case CmpOp::kSgt: return sa > sb;
    case CmpOp::kSge: return sa >= sb;
    case CmpOp::kSlt: return sa < sb;
    case CmpOp::kSle: return sa <= sb;
  }
  return false;
}

TEST(Bounds, ComparisonsAreSound) {
  std::size_t decided = 0, narrowed = 0;
  for (int number = 0; number <= static_cast<int>(CmpOp::kSle); ++number) {
    const CmpOp op = static_cast<CmpOp>(number);
    for (const bool is64 : {true, false}) {
      for (const Window& a : windows()) {
        for (const Window& b : windows()) {
          const auto known = decide(op, is64, a.bounds, b.bounds);
          decided += known ? 1 : 0;
          Bounds left = a.bounds, right = b.bounds;
          if (!known || *known) {
            assume(op, is64, left, right);
          }
          narrowed += left == a.bounds ? 0 : 1;
          for (const u64 x : a.numbers) {
            for (const u64 y : b.numbers) {
              const bool truth = compare(op, is64, x, y);
              ASSERT_TRUE(!known || *known == truth) << number << " " << is64 << " " << x << " " << y;
              ASSERT_TRUE(!truth || (holds(left, x) && holds(right, y)))
                  << number << " " << is64 << " " << x << " " << y;
            }
          }
        }
      }
    }
  }
  EXPECT_GT(decided, 0u);
  EXPECT_GT(narrowed, 0u);
}

TEST(Bounds, RandomChainsAreSound) {
  std::mt19937_64 random(20240601);
  const AluOp ops[] = {AluOp::kAdd, AluOp::kSub, AluOp::kMul, AluOp::kAnd, AluOp::kOr,
                       AluOp::kXor, AluOp::kLsh, AluOp::kRsh, AluOp::kArsh};
  for (int chain = 0; chain < 20000; ++chain) {
    Window w = windows()[random() % windows().size()];
    for (int step = 0; step < 6; ++step) {
      const AluOp op = ops[random() % std::size(ops)];
      const bool is64 = random() % 2 == 0;
      const bool shift = op == AluOp::kLsh || op == AluOp::kRsh || op == AluOp::kArsh;
      const Window operand = shift ? describe({random() % (is64 ? 64 : 32)}) : windows()[random() % windows().size()];
      const u64 y = operand.numbers[random() % operand.numbers.size()];
      w.bounds = alu(op, is64, w.bounds, operand.bounds);
      for (u64& x : w.numbers) {
        x = compute(op, is64, x, y);
        ASSERT_TRUE(holds(w.bounds, x)) << "chain " << chain;
      }
    }
  }
}

}  // namespace
}  // namespace kiln::verifier
