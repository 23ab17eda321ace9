// SPDX-License-Identifier: Apache-2.0
//
// The map engine against the C++ maps: random operations on small tables that fill up, over and over.
// Every result must be equal, and the arenas equal byte for byte.
#include <map>

#include "nic_map_pair.h"

namespace kiln::nic_test {
namespace {

struct Case {
  MapType type;
  std::uint32_t key, value, entries, cpus;
  unsigned distinct;  // keys in use
  bool one_bucket = false;
  std::uint32_t flags = 0;
};

void PrintTo(const Case& c, std::ostream* out) {
  *out << map_type_name(c.type) << " key " << c.key << " value " << c.value << " entries " << c.entries
       << " cpus " << c.cpus << " flags " << c.flags;
}

class MapEngine : public testing::TestWithParam<Case> {};

/// One operation on both sides; false when the test has failed.
void step(Pair& pair, std::size_t map, const Case& c) {
  const Bytes key = pair.key(map, c.distinct);
  const MapView view = pair.maps->view(map);
  const unsigned what = pair.random() % 100;
  if (what < 35) {
    ASSERT_EQ(pair.request(kSvcMAP_LOOKUP, map, key), Pair::address(map_lookup(view, key.data())));
  } else if (what < 80) {
    static constexpr std::uint64_t kFlags[] = {0, 0, 0, 0, 1, 1, 2, 2, 3, 4, 5, 8, 1ull << 32, ~0ull};
    const std::uint64_t flags = kFlags[pair.random() % std::size(kFlags)];
    const std::int64_t expected = map_prepare(view, key.data(), flags);
    const std::uint64_t got = pair.request(kSvcMAP_PREPARE, map, key, flags);
    ASSERT_EQ(static_cast<std::int64_t>(got), expected < 0 ? expected : expected + kMapAddress);
    if (expected < 0) {
      return;
    }
    const std::uint32_t cpu = pair.random() % pair.maps->descriptor(map).cpu_count;
    pair.store_value(static_cast<std::uint32_t>(expected) + cpu * pair.maps->descriptor(map).value_stride, c.value);
    ASSERT_EQ(static_cast<std::int64_t>(pair.request(kSvcMAP_COMMIT, map, key, got)),
              map_commit(view, key.data(), static_cast<std::uint32_t>(expected)));
  } else {
    ASSERT_EQ(static_cast<std::int64_t>(pair.request(kSvcMAP_DELETE, map, key)), map_erase(view, key.data()));
  }
}

TEST_P(MapEngine, RandomOperationsLeaveEqualArenas) {
  const Case& c = GetParam();
  Pair pair({spec(MapType::kArray, 4, 8, 3), spec(c.type, c.key, c.value, c.entries, c.flags)}, c.cpus, 11 * c.key + c.entries);
  constexpr int kRound = 150;
  const int all = operations(3600);
  for (int round = 0; round * kRound < all; ++round) {
    pair.rtl.set_idle(round % 3 == 2 ? 40 : 0);
    for (int i = 0; i < kRound; ++i) {
      step(pair, 1, c);
      ASSERT_FALSE(HasFatalFailure()) << "round " << round << " operation " << i;
    }
    pair.expect_equal_arenas("round " + std::to_string(round));
    ASSERT_FALSE(HasFatalFailure());
  }
}

INSTANTIATE_TEST_SUITE_P(
    Types, MapEngine,
    testing::Values(Case{MapType::kHash, 4, 8, 1, 1, 4}, Case{MapType::kHash, 8, 3, 5, 1, 9},
                    Case{MapType::kHash, 13, 40, 16, 1, 24}, Case{MapType::kHash, 64, 1, 7, 1, 12},
                    Case{MapType::kHash, 1, 16, 33, 1, 60}, Case{MapType::kPercpuHash, 4, 12, 4, 3, 8},
                    Case{MapType::kPercpuHash, 20, 8, 9, 8, 14}, Case{MapType::kLruHash, 4, 8, 1, 1, 5},
                    Case{MapType::kLruHash, 16, 24, 6, 1, 14}, Case{MapType::kLruHash, 4, 4, 40, 1, 90},
                    Case{MapType::kLruHash, 4, 8, 3, 2, 6}, Case{MapType::kLruHash, 8, 8, 130, 1, 200},
                    Case{MapType::kLruHash, 4, 8, 350, 2, 500}, Case{MapType::kLruHash, 8, 4, 9, 1, 14, false, kNoCommonLru},
                    Case{MapType::kLruHash, 4, 4, 60, 2, 50, false, kNoCommonLru},
                    Case{MapType::kLruPercpuHash, 8, 8, 7, 2, 9, false, kNoCommonLru},
                    Case{MapType::kLruPercpuHash, 4, 8, 40, 2, 70},
                    Case{MapType::kLruPercpuHash, 8, 8, 5, 4, 11}, Case{MapType::kArray, 4, 12, 5, 1, 1},
                    Case{MapType::kPercpuArray, 4, 8, 3, 4, 1}, Case{MapType::kLpmTrie, 8, 4, 12, 1, 1},
                    Case{MapType::kLpmTrie, 5, 8, 6, 1, 1}, Case{MapType::kLpmTrie, 20, 16, 30, 1, 1},
                    Case{MapType::kLpmTrie, 64, 8, 1, 1, 1}));

/// Chains of several entries: every key in one of two buckets, by choice of keys.
TEST(MapEngineChains, LongChains) {
  const Case c{MapType::kHash, 8, 8, 24, 1, 0};
  Pair pair({spec(c.type, c.key, c.value, c.entries)}, 1, 5);
  std::vector<Bytes> keys;
  for (std::uint64_t n = 1; keys.size() < 30; ++n) {
    if ((crc32c_word(kHashSeed, n) & pair.maps->descriptor(0).bucket_mask) < 2) {
      Bytes key(8);
      std::memcpy(key.data(), &n, 8);
      keys.push_back(key);
    }
  }
  const MapView view = pair.maps->view(0);
  for (int i = 0; i < 2500; ++i) {
    const Bytes& key = keys[pair.random() % keys.size()];
    switch (pair.random() % 4) {
      case 0:
        ASSERT_EQ(pair.request(kSvcMAP_LOOKUP, 0, key), Pair::address(map_lookup(view, key.data())));
        break;
      case 1:
        ASSERT_EQ(static_cast<std::int64_t>(pair.request(kSvcMAP_DELETE, 0, key)), map_erase(view, key.data()));
        break;
      default: {
        const std::int64_t value = map_prepare(view, key.data(), 0);
        const std::uint64_t got = pair.request(kSvcMAP_PREPARE, 0, key, 0);
        ASSERT_EQ(static_cast<std::int64_t>(got), value < 0 ? value : value + kMapAddress);
        if (value >= 0) {
          ASSERT_EQ(static_cast<std::int64_t>(pair.request(kSvcMAP_COMMIT, 0, key, got)),
                    map_commit(view, key.data(), static_cast<std::uint32_t>(value)));
        }
      }
    }
    if (i % 500 == 499) {
      pair.expect_equal_arenas("operation " + std::to_string(i));
      ASSERT_FALSE(HasFatalFailure());
    }
  }
}

TEST(MapEngineLpm, LooksUpWhatTheHostInserted) {
  for (std::uint32_t key_size : {8u, 20u, 64u}) {
    Pair pair({spec(MapType::kLpmTrie, key_size, 4, 200)}, 1, key_size);
    for (int i = 0; i < 150; ++i) {
      const Bytes key = pair.key(0, 1);
      const Bytes value(4, std::byte(i));
      pair.maps->user_update(0, key, value, 0);
    }
    pair.load();
    unsigned found = 0;
    for (int i = 0; i < 1500; ++i) {
      Bytes key = pair.key(0, 1);
      if (i % 2 == 0) {
        const std::uint32_t all = 8 * (key_size - 4);
        std::memcpy(key.data(), &all, 4);
      }
      const std::uint64_t expected = Pair::address(map_lookup(pair.maps->view(0), key.data()));
      found += expected != 0;
      ASSERT_EQ(pair.request(kSvcMAP_LOOKUP, 0, key), expected) << "key size " << key_size << " lookup " << i;
    }
    EXPECT_GT(found, 100u);
    pair.expect_equal_arenas("LPM");
  }
}

TEST(MapEngineSlots, EmptySlotsAreNull) {
  Pair pair({spec(MapType::kDevmap, 4, 4, 6), spec(MapType::kProgArray, 4, 4, 6)}, 1, 3);
  for (std::uint32_t index : {1u, 4u}) {
    Bytes key(4), value(4, std::byte{7});
    std::memcpy(key.data(), &index, 4);
    EXPECT_EQ(pair.maps->user_update(0, key, value, 0), 0);
  }
  pair.load();
  for (std::size_t map = 0; map < 2; ++map) {
    for (std::uint32_t index = 0; index < 8; ++index) {
      Bytes key(4);
      std::memcpy(key.data(), &index, 4);
      EXPECT_EQ(pair.request(kSvcMAP_LOOKUP, map, key), Pair::address(map_lookup(pair.maps->view(map), key.data())));
    }
  }
}

TEST(MapEngineRefuses, WhatItHasNoSequenceFor) {
  Pair pair({spec(MapType::kDevmapHash, 4, 4, 4), spec(MapType::kDevmap, 4, 4, 4)}, 1, 3);
  for (std::size_t map = 0; map < 2; ++map) {
    const Bytes key(pair.maps->spec(map).key_size);
    for (Service op : {kSvcMAP_PREPARE, kSvcMAP_COMMIT, kSvcMAP_DELETE}) {
      EXPECT_EQ(static_cast<std::int64_t>(pair.request(op, map, key)), -95) << map << " " << int{op};
    }
  }
  pair.expect_equal_arenas("refused");
}

/// A COMMIT that comes too late: its entry was deleted meanwhile, and prepared for another key.
TEST(MapEngineStale, CommitOfAnEntryThatIsNoLongerOurs) {
  Pair pair({spec(MapType::kPercpuHash, 8, 8, 4)}, 2, 9);
  const MapView view = pair.maps->view(0);
  Bytes first(8, std::byte{1}), second(8, std::byte{2});
  auto prepare = [&](const Bytes& key) {
    const std::int64_t expected = map_prepare(view, key.data(), 0);
    EXPECT_EQ(static_cast<std::int64_t>(pair.request(kSvcMAP_PREPARE, 0, key)), expected + kMapAddress);
    return static_cast<std::uint32_t>(expected);
  };
  auto commit = [&](const Bytes& key, std::uint32_t value) {
    EXPECT_EQ(static_cast<std::int64_t>(pair.request(kSvcMAP_COMMIT, 0, key, value + kMapAddress)),
              map_commit(view, key.data(), value));
    pair.expect_equal_arenas("commit");
  };
  commit(first, prepare(first));
  const std::uint32_t in_place = prepare(first);
  EXPECT_EQ(static_cast<std::int64_t>(pair.request(kSvcMAP_DELETE, 0, first)), map_erase(view, first.data()));
  commit(first, in_place);  // free
  const std::uint32_t other = prepare(second);
  ASSERT_EQ(other, in_place);
  commit(first, in_place);  // prepared, but for the other key
  commit(second, other);
  commit(first, in_place);  // live again, as the other key's
}

/// Updates of several threads under way at once: what is prepared by one is not yet linked when
/// another comes. The engine answers in the order in which it serves, so the reference follows the answers.
class Interleaved : public testing::TestWithParam<Case> {};

TEST_P(Interleaved, PreparedEntriesOfManyThreads) {
  const Case& c = GetParam();
  Pair pair({spec(c.type, c.key, c.value, c.entries, c.flags)}, c.cpus, 77 + c.entries);
  const MapView view = pair.maps->view(0);
  std::vector<Bytes> keys;
  while (keys.size() < c.distinct) {
    const Bytes key = pair.key(0, 250);
    std::uint32_t hash = kHashSeed;
    for (std::uint64_t word : words_of(key)) {
      hash = crc32c_word(hash, word);
    }
    if (!c.one_bucket || (hash & pair.maps->descriptor(0).bucket_mask) == 0) {
      keys.push_back(key);
    }
  }
  enum Phase { kIdle, kLookup, kErase, kPrepare, kStore, kCommit };
  struct Thread {
    Phase phase = kIdle;
    Bytes key;
    std::uint64_t value = 0, flags = 0, data = 0;
    std::uint32_t at = 0;
  };
  Thread threads[16];
  std::uint64_t served = 0;
  auto send = [&](unsigned n, Service op, std::uint64_t data, std::uint32_t addr = 0) {
    pair.rtl.send({.core = static_cast<std::uint8_t>(n / 8), .thread = static_cast<std::uint8_t>(n % 8), .op = op,
                   .addr = addr, .imm = 0, .data = data,
                   .keys = op == kSvcSTORE ? std::vector<std::uint64_t>{} : words_of(threads[n].key)});
  };
  auto begin = [&](unsigned n) {
    Thread& t = threads[n];
    t.key = keys[pair.random() % keys.size()];
    const unsigned what = pair.random() % 10;
    // A deleted per-CPU entry may be handed out again while a thread still writes its value there, as in
    // Linux; the result would then depend on who was faster.
    t.phase = what < 5 ? kLookup : what < 6 && c.cpus == 1 ? kErase : kPrepare;
    t.flags = pair.random() % 3;
    send(n, t.phase == kLookup ? kSvcMAP_LOOKUP : t.phase == kErase ? kSvcMAP_DELETE : kSvcMAP_PREPARE, t.flags);
  };
  auto follow = [&](unsigned n, std::uint64_t got) {
    Thread& t = threads[n];
    switch (t.phase) {
      case kLookup:
        ASSERT_EQ(got, Pair::address(map_lookup(view, t.key.data())));
        t.phase = kIdle;
        break;
      case kErase:
        ASSERT_EQ(static_cast<std::int64_t>(got), map_erase(view, t.key.data()));
        t.phase = kIdle;
        break;
      case kPrepare: {
        const std::int64_t expected = map_prepare(view, t.key.data(), t.flags);
        ASSERT_EQ(static_cast<std::int64_t>(got), expected < 0 ? expected : expected + kMapAddress);
        t.phase = expected < 0 ? kIdle : kStore;
        t.value = got;
        if (expected >= 0) {
          t.data = std::uint64_t{pair.random()} << 32 | (n + 1);
          t.at = static_cast<std::uint32_t>(expected) + n % c.cpus * pair.maps->descriptor(0).value_stride;
          send(n, kSvcSTORE, t.data, kMapAddress + t.at);
        }
        break;
      }
      case kStore:
        ASSERT_EQ(got, 0u);
        std::memcpy(pair.maps->arena().data() + t.at, &t.data, 8);
        t.phase = kCommit;
        send(n, kSvcMAP_COMMIT, t.value);
        break;
      case kCommit:
        ASSERT_EQ(static_cast<std::int64_t>(got),
                  map_commit(view, t.key.data(), static_cast<std::uint32_t>(t.value) - kMapAddress));
        t.phase = kIdle;
        break;
      case kIdle:
        FAIL() << "a response nobody waits for";
    }
  };
  for (int round = 0; round < 6; ++round) {
    for (int busy = 0; busy < 2; ++busy) {  // run, then let all finish
      for (int i = 0; i < (busy == 0 ? 9000 : 3000); ++i) {
        for (unsigned n = 0; n < 16 && busy == 0; ++n) {
          if (threads[n].phase == kIdle && pair.random() % 8 == 0) {
            begin(n);
          }
        }
        pair.rtl.tick();
        for (const Response& response : pair.rtl.responses()) {
          follow(response.core * 8u + response.thread, response.data);
          ASSERT_FALSE(HasFatalFailure()) << "round " << round << " cycle " << i;
          ++served;
        }
      }
    }
    for (const Thread& t : threads) {
      ASSERT_EQ(t.phase, kIdle) << "a request without a response";
    }
    pair.expect_equal_arenas("round " + std::to_string(round));
    ASSERT_FALSE(HasFatalFailure());
  }
  EXPECT_GT(served, 1000u);
}

INSTANTIATE_TEST_SUITE_P(Types, Interleaved,
                         testing::Values(Case{MapType::kHash, 8, 8, 6, 1, 10},
                                         Case{MapType::kLruHash, 8, 8, 6, 1, 10},
                                         Case{MapType::kLruHash, 8, 8, 2, 1, 10},
                                         Case{MapType::kLruHash, 8, 8, 6, 1, 10, false, kNoCommonLru},
                                         // Slow lookups: long chains of long keys.
                                         Case{MapType::kHash, 64, 8, 7, 1, 9, true},
                                         Case{MapType::kLruHash, 64, 8, 7, 1, 9, true},
                                         Case{MapType::kPercpuHash, 8, 8, 6, 16, 10}));

/// Lookups of many threads at once: they run side by side, so one costs the engine a fraction of its latency.
TEST(MapEngineCycles, LookupsSideBySide) {
  struct {
    const char* name;
    std::uint32_t key;
    MapType type;
    double limit;
  } const cases[] = {{"hash, 8-byte key", 8, MapType::kHash, 5},
                     {"LRU hash, 16-byte key", 16, MapType::kLruHash, 6},
                     {"hash, 64-byte key", 64, MapType::kHash, 15},
                     {"LPM, 4 prefix lengths", 8, MapType::kLpmTrie, 45}};
  for (const auto& c : cases) {
    Pair pair({spec(c.type, c.key, 8, 64)}, 1, 4);
    std::vector<Bytes> keys;
    for (int i = 0; i < 48; ++i) {
      Bytes key = pair.key(0, 200);
      if (c.type == MapType::kLpmTrie) {
        const std::uint32_t prefix = 8 * (1 + i % 4);
        std::memcpy(key.data(), &prefix, 4);
      }
      pair.maps->user_update(0, key, Bytes(8, std::byte(i)), 0);
      keys.push_back(key);
    }
    pair.load();
    std::size_t asked[16] = {};
    bool busy[16] = {};
    unsigned served = 0;
    const std::uint64_t start = pair.rtl.cycles();
    while (served < 1000 && pair.rtl.cycles() - start < 100'000) {
      for (unsigned n = 0; n < 16; ++n) {
        if (!busy[n]) {
          busy[n] = true;
          asked[n] = pair.random() % keys.size();
          pair.rtl.send({.core = static_cast<std::uint8_t>(n / 8), .thread = static_cast<std::uint8_t>(n % 8),
                         .op = kSvcMAP_LOOKUP, .keys = words_of(keys[asked[n]])});
        }
      }
      pair.rtl.tick();
      for (const Response& response : pair.rtl.responses()) {
        const unsigned n = response.core * 8u + response.thread;
        busy[n] = false;
        ++served;
        ASSERT_EQ(response.data, Pair::address(map_lookup(pair.maps->view(0), keys[asked[n]].data())));
      }
    }
    const double cycles = static_cast<double>(pair.rtl.cycles() - start) / served;
    std::printf("%-24s %6.2f cycles per lookup\n", c.name, cycles);
    EXPECT_LE(cycles, c.limit) << c.name;
  }
}

/// What an operation costs, first beat to response, nothing else going on. Bounds, so that a slip shows.
TEST(MapEngineCycles, PerOperation) {
  Pair pair({spec(MapType::kHash, 8, 8, 64), spec(MapType::kLruHash, 8, 8, 1), spec(MapType::kLpmTrie, 8, 8, 64),
             spec(MapType::kArray, 4, 8, 8)}, 1, 1);
  auto key = [](std::uint64_t n) {
    Bytes bytes(8);
    std::memcpy(bytes.data(), &n, 8);
    return bytes;
  };
  auto measure = [&](const char* name, Service op, std::size_t map, const Bytes& k, std::uint64_t data,
                     std::uint64_t limit) {
    std::uint64_t took = 0;
    const std::uint64_t result = pair.rtl.call(
        {.op = op, .size = size_code(8), .addr = kMapAddress + 64, .imm = static_cast<std::uint32_t>(map), .data = data,
         .keys = op >= kSvcMAP_LOOKUP && op <= kSvcMAP_DELETE ? words_of(k) : std::vector<std::uint64_t>{}}, &took);
    std::printf("%-34s %3llu cycles\n", name, static_cast<unsigned long long>(took));
    EXPECT_LE(took, limit) << name;
    return result;
  };
  measure("LOAD", kSvcLOAD, 0, {}, 0, 8);
  measure("STORE", kSvcSTORE, 0, {}, 0, 8);
  measure("ATOMIC", kSvcATOMIC, 0, {}, 0, 8);
  measure("RANDOM", kSvcRANDOM, 0, {}, 0, 5);
  measure("TIME", kSvcTIME, 0, {}, 0, 5);
  measure("LOOKUP hash, empty bucket", kSvcMAP_LOOKUP, 0, key(1), 0, 16);
  std::uint64_t at = measure("PREPARE hash, new key", kSvcMAP_PREPARE, 0, key(1), 0, 30);
  measure("COMMIT hash, new key", kSvcMAP_COMMIT, 0, key(1), at, 36);
  measure("LOOKUP hash, 8-byte key, hit", kSvcMAP_LOOKUP, 0, key(1), 0, 22);
  at = measure("PREPARE hash, known key", kSvcMAP_PREPARE, 0, key(1), 0, 34);
  measure("COMMIT hash, known key", kSvcMAP_COMMIT, 0, key(1), at, 44);
  measure("DELETE hash", kSvcMAP_DELETE, 0, key(1), 0, 34);
  at = measure("PREPARE LRU", kSvcMAP_PREPARE, 1, key(1), 0, 80);
  measure("COMMIT LRU", kSvcMAP_COMMIT, 1, key(1), at, 36);
  at = measure("PREPARE LRU, evicts the only one", kSvcMAP_PREPARE, 1, key(2), 0, 220);
  measure("COMMIT LRU", kSvcMAP_COMMIT, 1, key(2), at, 36);
  measure("LOOKUP LPM, empty", kSvcMAP_LOOKUP, 2, key(24 | 0x0a00000000), 0, 18);
  at = measure("PREPARE LPM, new prefix", kSvcMAP_PREPARE, 2, key(24 | 0x0a00000000), 0, 36);
  measure("COMMIT LPM, first of its length", kSvcMAP_COMMIT, 2, key(24 | 0x0a00000000), at, 60);
  measure("LOOKUP LPM, one length", kSvcMAP_LOOKUP, 2, key(32 | 0x0a00000000), 0, 60);
  measure("DELETE LPM, last of its length", kSvcMAP_DELETE, 2, key(24 | 0x0a00000000), 0, 60);
  measure("LOOKUP array", kSvcMAP_LOOKUP, 3, Bytes(4), 0, 16);
}

}  // namespace
}  // namespace kiln::nic_test
