// SPDX-License-Identifier: Apache-2.0
//
// Several threads on the same maps: nothing is lost, nothing that is there is missed, totals are exact.
//
// Made for ThreadSanitizer: cmake -DKILN_SANITIZE=thread.
#include <atomic>
#include <cerrno>
#include <random>
#include <thread>

#include "test_maps.h"

namespace kiln::test {
namespace {

constexpr std::uint32_t kThreads = 3;

/// Runs `work(thread)` in kThreads threads at once.
template <typename Work>
void in_threads(Work work) {
  std::vector<std::thread> threads;
  for (std::uint32_t i = 0; i < kThreads; ++i) {
    threads.emplace_back([&work, i] { work(i); });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
}

MapSet shared(const MapSpec& one, std::uint32_t cpus = 1) {
  MapSet maps = make(one, cpus);
  maps.share();
  return maps;
}

std::uint64_t* counter(MapSet& maps, std::uint32_t offset) {
  return reinterpret_cast<std::uint64_t*>(maps.arena().data() + offset);
}

/// As a program counts: look up, insert if it is not there, add atomically.
void count(MapSet& maps, const ByteVector& key, std::uint32_t cpu = 0) {
  for (;;) {
    if (const auto value = maps.lookup(0, key, cpu)) {
      __atomic_fetch_add(counter(maps, *value), 1, __ATOMIC_RELAXED);
      return;
    }
    const std::int64_t result = maps.update(0, key, ByteVector(8), kNoExist, cpu);
    ASSERT_TRUE(result == 0 || result == -EEXIST) << result;
  }
}

std::uint64_t total(const MapSet& maps) {
  std::uint64_t sum = 0;
  maps.for_each(0, [&](auto, auto value) {
    for (std::size_t at = 0; at < value.size(); at += 8) {
      std::uint64_t part = 0;
      std::memcpy(&part, value.data() + at, 8);
      sum += part;
    }
  });
  return sum;
}

TEST(Threads, CountersInHashesAreExact) {
  constexpr int kCounts = 20000;
  for (const MapType type : {MapType::kHash, MapType::kLruHash, MapType::kPercpuHash, MapType::kArray}) {
    for (const std::uint32_t key_size : {4u, 8u, 16u, 20u}) {
      if (type == MapType::kArray && key_size != 4) {
        continue;
      }
      MapSet maps = shared(spec(type, key_size, 8, 256), kThreads);  // an LRU map may throw out before it is full
      in_threads([&](std::uint32_t thread) {
        std::mt19937 random(thread);
        ByteVector key(key_size);
        for (int i = 0; i < kCounts; ++i) {
          key[0] = std::byte(random() % 64);
          count(maps, key, type == MapType::kPercpuHash ? thread : 0);
        }
      });
      EXPECT_EQ(total(maps), std::uint64_t{kThreads} * kCounts) << map_type_name(type) << " key " << key_size;
      if (is_hash_kind(type)) {
        check_structure(maps, 0);
      }
    }
  }
}

// The keys that stay are found by every look-up, however the others come and go around them.
TEST(Threads, WhatStaysIsAlwaysFound) {
  MapSet maps = shared(spec(MapType::kHash, 4, 8, 64));
  const ByteVector value(8);
  for (std::uint32_t key = 0; key < 8; ++key) {
    ASSERT_EQ(maps.update(0, u32(key), value, kAny, 0), 0);
  }
  std::atomic<int> missed{0};
  in_threads([&](std::uint32_t thread) {
    std::mt19937 random(thread);
    for (int i = 0; i < 30000; ++i) {
      const ByteVector mine = u32(100 + 20 * thread + random() % 15);
      switch (random() % 4) {
        case 0:
          maps.update(0, mine, value, kAny, 0);
          break;
        case 1:
          maps.erase(0, mine);
          break;
        case 2:
          maps.update(0, u32(random() % 8), value, kExist, 0);
          break;
        default:
          missed += maps.lookup(0, u32(random() % 8), 0) ? 0 : 1;
      }
    }
  });
  EXPECT_EQ(missed, 0);
  check_structure(maps, 0);
}

TEST(Threads, TheLongestPrefixIsNeverMissed) {
  MapSet maps = shared(spec(MapType::kLpmTrie, 8, 4, 100));
  const auto prefix = [](std::uint32_t length, std::uint32_t address) {
    ByteVector key = u32(length);
    const ByteVector data = u32(__builtin_bswap32(address));
    key.insert(key.end(), data.begin(), data.end());
    return key;
  };
  ASSERT_EQ(maps.update(0, prefix(8, 0x0a000000), u32(8), kAny, 0), 0);
  ASSERT_EQ(maps.update(0, prefix(24, 0x0a010200), u32(24), kAny, 0), 0);
  std::atomic<int> wrong{0};
  in_threads([&](std::uint32_t thread) {
    std::mt19937 random(thread);
    for (int i = 0; i < 15000; ++i) {
      const ByteVector other = prefix(9 + random() % 20, 0x0b000000 + (random() << 8 & 0xffffff));
      if (random() % 3 == 0) {
        maps.update(0, other, u32(1), kAny, 0);
      } else if (random() % 3 == 0) {
        maps.erase(0, other);
      } else {
        const auto found = maps.lookup(0, prefix(32, 0x0a010203), 0);
        wrong += found && word<std::uint32_t>(maps, *found) == 24 ? 0 : 1;
      }
    }
  });
  EXPECT_EQ(wrong, 0);
  check_structure(maps, 0);
}

TEST(Threads, LruTablesStayWhole) {
  MapSet maps = shared(spec(MapType::kLruHash, 4, 8, 50));
  in_threads([&](std::uint32_t thread) {
    std::mt19937 random(thread);
    for (int i = 0; i < 20000; ++i) {
      const ByteVector key = u32(random() % 200);
      if (!maps.lookup(0, key, 0)) {
        ASSERT_EQ(maps.update(0, key, ByteVector(8), kAny, 0), 0);
      } else if (random() % 16 == 0) {
        maps.erase(0, key);
      }
    }
  });
  check_structure(maps, 0);
}

TEST(Threads, EveryQueuedValueComesOutOnce) {
  for (const MapType type : {MapType::kQueue, MapType::kStack}) {
    MapSet maps = shared(spec(type, 0, 4, 100));
    constexpr std::uint32_t kEach = 10000;
    std::atomic<std::uint64_t> sum{0};
    std::atomic<std::uint32_t> taken{0};
    in_threads([&](std::uint32_t thread) {
      ByteVector value(4);
      const auto take = [&] {
        if (maps.pop(0, value) == 0) {
          sum += u32_of(value);
          ++taken;
        }
      };
      for (std::uint32_t i = 0; i < kEach; ++i) {
        while (maps.push(0, u32(kEach * thread + i), kAny) == -E2BIG) {
          take();
        }
        take();
      }
      while (taken < kThreads * kEach) {
        take();
      }
    });
    const std::uint64_t all = std::uint64_t{kThreads} * kEach;
    EXPECT_EQ(taken, all);
    EXPECT_EQ(sum, all * (all - 1) / 2);
  }
}

TEST(Threads, RingRecordsAreWholeAndInOrder) {
  MapSet maps = shared(spec(MapType::kRingbuf, 0, 0, 8192));
  constexpr std::uint32_t kEach = 10000;
  std::atomic<std::uint32_t> finished{0};
  std::array<std::uint32_t, kThreads> expected{};
  std::uint32_t seen = 0;
  in_threads([&](std::uint32_t thread) {
    if (thread == 0) {  // the one consumer
      while (finished < kThreads - 1 || ring_query(maps.view(0), 0) != 0) {
        const auto record = maps.ring_take(0);
        if (!record) {
          std::this_thread::yield();
          continue;
        }
        std::uint32_t from = 0, number = 0;
        ASSERT_GE(record->size(), 8u);
        std::memcpy(&from, record->data(), 4);
        std::memcpy(&number, record->data() + 4, 4);
        ASSERT_EQ(number, expected.at(from)++);
        ASSERT_EQ(record->size(), 8 + number % 60);
        ++seen;
      }
      return;
    }
    for (std::uint32_t i = 0; i < kEach; ++i) {
      ByteVector record(8 + i % 60);
      std::memcpy(record.data(), &thread, 4);
      std::memcpy(record.data() + 4, &i, 4);
      while (maps.ring_output(0, record, 0) == -EAGAIN) {
        std::this_thread::yield();
      }
    }
    ++finished;
  });
  EXPECT_EQ(seen, (kThreads - 1) * kEach);
}

TEST(Threads, BloomFiltersForgetNothing) {
  MapSet maps = shared(spec(MapType::kBloomFilter, 0, 4, 3000));
  in_threads([&](std::uint32_t thread) {
    for (std::uint32_t i = 0; i < 1000; ++i) {
      ASSERT_EQ(maps.push(0, u32(1000 * thread + i), kAny), 0);
    }
  });
  for (std::uint32_t i = 0; i < 1000 * kThreads; ++i) {
    ByteVector value = u32(i);
    EXPECT_EQ(maps.peek(0, value), 0);
  }
}

// A value under BPF_F_LOCK is seen whole; its lock is not.
TEST(Threads, LockedValuesAreWhole) {
  MapSpec locked = spec(MapType::kHash, 4, 24, 4);
  locked.lock_offset = 4;
  MapSet maps = shared(locked);
  ASSERT_EQ(maps.update(0, u32(1), ByteVector(24), kAny, 0), 0);
  std::atomic<int> torn{0};
  in_threads([&](std::uint32_t thread) {
    for (int i = 0; i < 5000; ++i) {
      const ByteVector value(24, std::byte(thread + 1));
      ASSERT_EQ(maps.update(0, u32(1), value, 4, 0), 0);
      ByteVector seen(24);
      ASSERT_EQ(maps.user_read(0, u32(1), seen, 4), 0);
      for (std::size_t at = 0; at < 24; ++at) {
        torn += at >= 4 && at < 8 ? seen[at] != std::byte{0} : seen[at] != seen[0];
      }
    }
  });
  EXPECT_EQ(torn, 0);
}

}  // namespace
}  // namespace kiln::test
