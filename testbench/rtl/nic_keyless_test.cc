// SPDX-License-Identifier: Apache-2.0
//
// Queues, stacks, Bloom filters, ring buffers and events against the C++ maps: random operations on small maps
// that fill up and run empty. Every result must be equal, the arenas equal byte for byte, and the records the
// same.
#include <array>
#include <deque>

#include "nic_map_pair.h"

namespace kiln::nic_test {
namespace {

struct Shape {
  MapType type;
  std::uint32_t value, entries;
};

void PrintTo(const Shape& s, std::ostream* out) {
  *out << map_type_name(s.type) << " value " << s.value << " entries " << s.entries;
}

/// The maps, and rows behind the arena where values are handed over.
class KeylessPair : public Pair {
 public:
  KeylessPair(const MapSpec& map, std::uint32_t seed) : Pair({map}, 1, seed), stage(static_cast<std::uint32_t>(maps->arena().size())) {}

  Bytes value(unsigned distinct) {
    Bytes value(maps->spec(0).value_size);
    const unsigned pick = random() % distinct;
    for (std::size_t i = 0; i < value.size(); ++i) {
      value[i] = std::byte(pick * 5 + i);
    }
    return value;
  }
  void put_stage(const Bytes& value) {
    const std::vector<std::uint64_t> words = words_of(value);
    for (std::size_t i = 0; i < words.size(); ++i) {
      rtl.write_row(static_cast<std::uint32_t>(stage / 8 + i), words[i]);
    }
  }
  Bytes get_stage(std::size_t bytes) {
    Bytes value((bytes + 7) / 8 * 8);
    for (std::size_t at = 0; at < value.size(); at += 8) {
      const std::uint64_t word = rtl.read_row(static_cast<std::uint32_t>((stage + at) / 8));
      std::memcpy(value.data() + at, &word, 8);
    }
    value.resize(bytes);
    return value;
  }

  std::uint32_t stage;
};

MapSpec keyless(MapType type, std::uint32_t value, std::uint32_t entries) {
  MapSpec s = spec(type, 0, value, entries);
  return s;
}

class Keyless : public testing::TestWithParam<Shape> {};

void keyless_step(KeylessPair& pair, bool is_bloom) {
  const MapView view = pair.maps->view(0);
  const std::uint64_t at = kMapAddress + pair.stage;
  const Bytes value = pair.value(is_bloom ? 60 : 250);
  const unsigned what = pair.random() % 100;
  if (what < 50) {
    static constexpr std::uint64_t kFlags[] = {0, 0, 0, 0, 2, 2, 1, 3};
    const std::uint64_t flags = kFlags[pair.random() % std::size(kFlags)];
    const bool as_key = is_bloom || (value.size() <= 64 && pair.random() % 2 == 0);
    if (!as_key) {
      pair.put_stage(value);
    }
    const std::uint64_t got = pair.request(kSvcMAP_PUSH, 0, as_key ? value : Bytes{}, at | flags);
    ASSERT_EQ(static_cast<std::int64_t>(got), push_value(view, value.data(), flags)) << "push, flags " << flags;
    return;
  }
  if (is_bloom) {
    Bytes looked_for = value;
    ASSERT_EQ(static_cast<std::int64_t>(pair.request(kSvcMAP_POP, 0, value, at | 1)), peek_value(view, looked_for.data()));
    return;
  }
  const bool keep = what < 60;
  Bytes expected(value.size());
  const std::int64_t result = keep ? peek_value(view, expected.data()) : pop_value(view, expected.data());
  pair.put_stage(value);
  ASSERT_EQ(static_cast<std::int64_t>(pair.request(kSvcMAP_POP, 0, {}, at | (keep ? 1 : 0))), result);
  ASSERT_EQ(pair.get_stage(value.size()), expected);
}

TEST_P(Keyless, RandomOperationsLeaveEqualArenas) {
  const Shape& s = GetParam();
  KeylessPair pair(keyless(s.type, s.value, s.entries), s.value + s.entries);
  constexpr int kRound = 150;
  const int all = operations(1200);
  for (int round = 0; round * kRound < all; ++round) {
    pair.rtl.set_idle(round % 3 == 2 ? 40 : 0);
    for (int i = 0; i < kRound; ++i) {
      keyless_step(pair, s.type == MapType::kBloomFilter);
      ASSERT_FALSE(HasFatalFailure()) << "round " << round << " operation " << i;
    }
    pair.expect_equal_arenas("round " + std::to_string(round));
    ASSERT_FALSE(HasFatalFailure());
  }
}

INSTANTIATE_TEST_SUITE_P(Types, Keyless,
                         testing::Values(Shape{MapType::kQueue, 8, 5}, Shape{MapType::kQueue, 1, 1},
                                         Shape{MapType::kQueue, 13, 9}, Shape{MapType::kQueue, 100, 4},
                                         Shape{MapType::kStack, 4, 7}, Shape{MapType::kStack, 64, 1},
                                         Shape{MapType::kStack, 24, 6}, Shape{MapType::kBloomFilter, 4, 50},
                                         Shape{MapType::kBloomFilter, 16, 3}, Shape{MapType::kBloomFilter, 64, 200}));

TEST(KeylessRefuses, MapsOfOtherTypes) {
  Pair pair({spec(MapType::kHash, 8, 8, 4), spec(MapType::kArray, 4, 8, 4)}, 1, 3);
  for (std::size_t map = 0; map < 2; ++map) {
    for (Service op : {kSvcMAP_PUSH, kSvcMAP_POP, kSvcRING_RESERVE}) {
      EXPECT_EQ(static_cast<std::int64_t>(pair.request(op, map, Bytes(8))), -95) << map << " " << int{op};
    }
  }
  pair.expect_equal_arenas("refused");
}

// ---- ring buffers ----------------------------------------------------------------------------------------

constexpr std::uint32_t kRingBytes = 4096;
constexpr int kXor = 0xa0;  // BPF_XOR

struct Open {
  std::uint32_t offset, size;
};

class RingPair : public Pair {
 public:
  explicit RingPair(std::uint32_t seed) : Pair({spec(MapType::kArray, 4, 8, 3), ring_spec()}, 1, seed) {}
  static MapSpec ring_spec() { return spec(MapType::kRingbuf, 0, 0, kRingBytes); }

  void reserve(std::uint64_t size) {
    const std::uint32_t expected = ring_reserve(maps->view(1), size);
    ASSERT_EQ(request(kSvcRING_RESERVE, 1, {}, size), address(expected)) << size << " bytes";
    if (expected != 0) {
      store_value(expected, static_cast<std::uint32_t>(size));
      open.push_back({expected, static_cast<std::uint32_t>(size)});
    }
  }
  void commit(std::size_t which, bool discard) {
    const Open record = open[which];
    open.erase(open.begin() + static_cast<std::ptrdiff_t>(which));
    rtl.call({.op = kSvcATOMIC, .size = size_code(4), .addr = kMapAddress + record.offset - 8, .imm = kXor,
              .data = discard ? 0xc000'0000u : 0x8000'0000u});
    ring_commit(maps->arena().data(), record.offset, discard);
  }
  /// Takes out what is complete, on both sides, and compares.
  void frame_left() {
    rtl.frame_left();
    while (auto record = maps->ring_take(1)) {
      ASSERT_FALSE(rtl.events.empty());
      const std::vector<std::uint64_t> message = rtl.events.front();
      rtl.events.pop_front();
      ASSERT_EQ(message.front(), 1ull << 32 | record->size());
      ASSERT_EQ(message.size(), 1 + (record->size() + 7) / 8);
      ASSERT_EQ(std::memcmp(message.data() + 1, record->data(), record->size()), 0);
    }
    ASSERT_TRUE(rtl.events.empty());
  }

  std::vector<Open> open;
};

TEST(Ring, RandomOperationsLeaveEqualArenasAndRecords) {
  for (const std::uint32_t pressure : {0u, 50u}) {
    RingPair pair(17 + pressure);
    pair.rtl.event_pressure = pressure;
    for (int i = 0; i < 1500; ++i) {
      const unsigned what = pair.random() % 100;
      if (what < 45) {
        static constexpr std::uint64_t kOdd[] = {0, 1, kRingBytes - 8, kRingBytes - 7, kRingBytes, 0x3fff'ffff,
                                                 0x4000'0000, 1ull << 32, ~0ull};
        pair.reserve(pair.random() % 20 == 0 ? kOdd[pair.random() % std::size(kOdd)] : pair.random() % 400);
      } else if (what < 85) {
        if (!pair.open.empty()) {
          pair.commit(pair.random() % pair.open.size(), pair.random() % 4 == 0);
        }
      } else {
        pair.frame_left();
      }
      ASSERT_FALSE(HasFatalFailure()) << "operation " << i;
      if (i % 100 == 99) {
        pair.expect_equal_arenas("operation " + std::to_string(i));
        ASSERT_FALSE(HasFatalFailure());
      }
    }
  }
}

/// Ring buffers are read while their users go on: nothing is lost, nothing comes twice, in order.
TEST(Ring, ReadWhileInUse) {
  RingPair pair(5);
  std::deque<std::uint64_t> expected;
  std::uint64_t next = 0;
  for (int i = 0; i < 2000; ++i) {
    const std::uint64_t record = pair.request(kSvcRING_RESERVE, 1, {}, 8);
    if (record != 0) {
      pair.rtl.call({.op = kSvcSTORE, .addr = static_cast<std::uint32_t>(record), .data = ++next});
      pair.rtl.call({.op = kSvcATOMIC, .size = size_code(4), .addr = static_cast<std::uint32_t>(record - 8), .imm = kXor,
                     .data = 0x8000'0000u});
      expected.push_back(next);
    }
    if (i % 7 == 0) {
      pair.rtl.pulse_frame();
    }
  }
  pair.rtl.frame_left();
  ASSERT_EQ(pair.rtl.events.size(), expected.size());
  for (const std::vector<std::uint64_t>& message : pair.rtl.events) {
    ASSERT_EQ(message, (std::vector<std::uint64_t>{1ull << 32 | 8, expected.front()}));
    expected.pop_front();
  }
}

TEST(Events, BytesOfMapMemory) {
  Pair pair({spec(MapType::kPerfEventArray, 4, 4, 8), spec(MapType::kArray, 4, 512, 2)}, 1, 4);
  const std::uint32_t at = pair.maps->descriptor(1).entries;
  pair.store_value(at, 512);
  for (std::uint32_t bytes : {0u, 1u, 8u, 9u, 63u, 64u, 500u, 512u}) {
    pair.rtl.event_pressure = bytes % 2 == 0 ? 0 : 60;
    std::uint64_t took = 0;
    EXPECT_EQ(pair.rtl.call({.op = kSvcEVENT, .addr = kMapAddress + at, .imm = 0, .data = std::uint64_t{5} << 48 | bytes}, &took), 0u);
    EXPECT_LE(took, pair.rtl.event_pressure == 0 ? 20 + bytes / 8 : 1000u) << bytes;
    pair.rtl.frame_left();
    ASSERT_EQ(pair.rtl.events.size(), 1u);
    const std::vector<std::uint64_t> message = pair.rtl.events.front();
    pair.rtl.events.clear();
    ASSERT_EQ(message.size(), 1 + (bytes + 7) / 8);
    EXPECT_EQ(message.front(), std::uint64_t{5} << 48 | bytes);
    EXPECT_EQ(std::memcmp(message.data() + 1, pair.maps->arena().data() + at, bytes), 0);
  }
}

TEST(KeylessCost, InCycles) {
  const auto cost = [](KeylessPair& pair, Service op, const Bytes& key, std::uint64_t data) {
    std::uint64_t took = 0;
    pair.request(op, 0, key, data, &took);
    return took;
  };
  // One model at a time: Verilator's destructors look for the context of the one that was made last.
  std::uint64_t push = 0, pop = 0, add = 0, test = 0, reserve = 0;
  unsigned bits = 0;
  {
    KeylessPair queue(keyless(MapType::kQueue, 8, 4), 1);
    push = cost(queue, kSvcMAP_PUSH, Bytes(8), 0);
    pop = cost(queue, kSvcMAP_POP, {}, kMapAddress + queue.stage);
  }
  {
    KeylessPair filter(keyless(MapType::kBloomFilter, 8, 100), 2);
    add = cost(filter, kSvcMAP_PUSH, Bytes(8), 0);
    test = cost(filter, kSvcMAP_POP, Bytes(8), 1);
    bits = filter.maps->descriptor(0).hash_count;
  }
  {
    RingPair ring(3);
    ring.request(kSvcRING_RESERVE, 1, {}, 64, &reserve);
  }
  std::printf("push %llu, pop %llu, Bloom push %llu, peek %llu (%u bits), reserve %llu cycles\n",
              static_cast<unsigned long long>(push), static_cast<unsigned long long>(pop),
              static_cast<unsigned long long>(add), static_cast<unsigned long long>(test), bits,
              static_cast<unsigned long long>(reserve));
  EXPECT_LE(push, 27u);
  EXPECT_LE(pop, 31u);
  EXPECT_LE(add, 15u + 6 * bits);
  EXPECT_LE(test, 15u + 5 * bits);
  EXPECT_LE(reserve, 30u);
}

}  // namespace
}  // namespace kiln::nic_test
