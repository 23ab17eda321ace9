// SPDX-License-Identifier: Apache-2.0
//
// Nanoseconds per map operation, by Google Benchmark. Not a test: ninja maps_bench && build/maps_bench
//
// The argument is the key size; 1,000 keys in random order in a map with room for 1,024. "shared" is the same
// with locks, as after MapSet::share().
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstring>
#include <random>

#include <kiln/map_set.h>

namespace kiln {
namespace {

constexpr std::uint32_t kEntries = 1024;
constexpr std::uint32_t kKeys = 1000;
constexpr std::uint32_t kValueBytes = 16;

using Bytes = std::vector<std::byte>;

MapSet make(MapType type, std::uint32_t key_size, std::uint32_t entries = kEntries) {
  MapSpec spec;
  spec.name = "m";
  spec.type = type;
  spec.key_size = is_keyless(type) || is_ring(type) ? 0 : key_size;
  spec.value_size = is_ring(type) ? 0 : kValueBytes;
  spec.max_entries = entries;
  spec.flags = type == MapType::kLpmTrie ? kNoPrealloc : 0;
  auto maps = MapSet::create(std::span(&spec, 1), 1);
  KILN_CHECK(maps);
  return std::move(maps).value();
}

std::vector<Bytes> keys(std::uint32_t size, std::uint32_t count, bool prefixes) {
  std::vector<Bytes> all(count, Bytes(size));
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::uint32_t length = prefixes ? 24 + i % 9 : 0;
    const std::uint32_t number = prefixes ? __builtin_bswap32(0x0a000000 + (i << 8)) : i;
    std::memcpy(all[i].data() + (prefixes ? 4 : 0), &number, 4);
    if (prefixes) {
      std::memcpy(all[i].data(), &length, 4);
    }
  }
  std::shuffle(all.begin(), all.end(), std::mt19937(1));
  return all;
}

template <typename Operation>
void measure(benchmark::State& state, MapSet& maps, std::uint32_t count, bool prefixes, Operation operation) {
  const auto all = keys(maps.spec(0).key_size, count, prefixes);
  const Bytes value(kValueBytes, std::byte{7});
  for (std::uint32_t i = 0; i < std::min(count, kKeys); ++i) {
    maps.update(0, all[i], value, kAny, 0);
  }
  std::size_t i = 0;
  for (auto _ : state) {
    operation(all[i], value);
    i = i + 1 == all.size() ? 0 : i + 1;
  }
}

void lookup(benchmark::State& state, MapType type, bool shared) {
  MapSet maps = make(type, static_cast<std::uint32_t>(state.range(0)));
  if (shared) {
    maps.share();
  }
  measure(state, maps, kKeys, type == MapType::kLpmTrie,
          [&](const Bytes& key, const Bytes&) { benchmark::DoNotOptimize(map_lookup(maps.view(0), key.data())); });
}

void update(benchmark::State& state, MapType type, bool shared, std::uint32_t count) {
  MapSet maps = make(type, static_cast<std::uint32_t>(state.range(0)));
  if (shared) {
    maps.share();
  }
  measure(state, maps, count, type == MapType::kLpmTrie,
          [&](const Bytes& key, const Bytes& value) { benchmark::DoNotOptimize(maps.update(0, key, value, kAny, 0)); });
}

void insert_and_delete(benchmark::State& state) {
  MapSet maps = make(MapType::kHash, static_cast<std::uint32_t>(state.range(0)));
  measure(state, maps, kKeys, false, [&](const Bytes& key, const Bytes& value) {
    benchmark::DoNotOptimize(maps.erase(0, key));
    benchmark::DoNotOptimize(maps.update(0, key, value, kAny, 0));
  });
}

void push_and_pop(benchmark::State& state, MapType type) {
  MapSet maps = make(type, 0);
  Bytes value(kValueBytes);
  for (auto _ : state) {
    maps.push(0, value, kAny);
    maps.pop(0, value);
  }
}

void ring(benchmark::State& state, bool shared) {
  MapSet maps = make(MapType::kRingbuf, 0, 1 << 16);
  if (shared) {
    maps.share();
  }
  const Bytes record(64);
  for (auto _ : state) {
    if (maps.ring_output(0, record, 0) != 0) {
      RingRecord next;
      while (ring_next(maps.view(0), next) == 0) {
        ring_release(maps.view(0), next);
      }
    }
  }
}

BENCHMARK_CAPTURE(lookup, array, MapType::kArray, false)->Arg(4);
BENCHMARK_CAPTURE(lookup, hash, MapType::kHash, false)->Arg(4)->Arg(8)->Arg(16)->Arg(40);
BENCHMARK_CAPTURE(lookup, hash_shared, MapType::kHash, true)->Arg(16);
BENCHMARK_CAPTURE(lookup, lru_hash, MapType::kLruHash, false)->Arg(16);
BENCHMARK_CAPTURE(lookup, lpm_trie_9_lengths, MapType::kLpmTrie, false)->Arg(8);
BENCHMARK_CAPTURE(update, array, MapType::kArray, false, kKeys)->Arg(4);
BENCHMARK_CAPTURE(update, hash, MapType::kHash, false, kKeys)->Arg(4)->Arg(8)->Arg(16)->Arg(40);
BENCHMARK_CAPTURE(update, hash_shared, MapType::kHash, true, kKeys)->Arg(16);
BENCHMARK_CAPTURE(update, lru_hash, MapType::kLruHash, false, kKeys)->Arg(16);
BENCHMARK_CAPTURE(update, lru_hash_that_evicts, MapType::kLruHash, false, 4 * kEntries)->Arg(16);
BENCHMARK_CAPTURE(update, lpm_trie, MapType::kLpmTrie, false, kKeys)->Arg(8);
BENCHMARK(insert_and_delete)->Arg(16);
BENCHMARK_CAPTURE(push_and_pop, queue, MapType::kQueue);
BENCHMARK_CAPTURE(push_and_pop, stack, MapType::kStack);
BENCHMARK_CAPTURE(ring, output_64_bytes, false);
BENCHMARK_CAPTURE(ring, output_64_bytes_shared, true);

}  // namespace
}  // namespace kiln

BENCHMARK_MAIN();
