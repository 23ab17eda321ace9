// SPDX-License-Identifier: Apache-2.0
//
// The same random operations on MapSet and on the real kernel's maps: equal results, equal contents.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_xdp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <random>

#include "bytes.h"
#include "kernel_maps.h"

namespace kiln::test {
namespace {

/// Both sides of a comparison.
struct Pair {
  explicit Pair(const MapSpec& spec)
      : cpu(pin_to_one_cpu()),
        ours(make(spec, static_cast<std::uint32_t>(libbpf_num_possible_cpus()))),
        theirs(spec) {}

  Contents contents() const {
    Contents all;
    ours.for_each(0, [&](auto key, auto value) {
      all[ByteVector(key.begin(), key.end())] = ByteVector(value.begin(), value.end());
    });
    return all;
  }

  std::uint32_t cpu;
  MapSet ours;
  KernelMap theirs;
};

class KernelDiff : public testing::Test {
 protected:
  void SetUp() override {
    if (const std::string why = why_no_kernel(); !why.empty()) {
      GTEST_SKIP() << why;
    }
  }
};

constexpr std::uint64_t kFlags[] = {0, 0, 0, 0, 1, 2, 2, 3, 4, 5, 6, 8, 1ull << 32};

/// Few different keys, so that they meet again; LPM keys with all sorts of lengths.
ByteVector random_key(const MapSpec& spec, std::mt19937& random, std::uint32_t range) {
  ByteVector key(spec.key_size, std::byte{0x5a});
  if (spec.type == MapType::kLpmTrie) {
    const std::uint32_t data = spec.key_size - 4;
    detail::store<std::uint32_t>(key.data(), random() % (8 * data + 2));
    for (std::uint32_t i = 0; i < data; ++i) {
      key[4 + i] = std::byte(random() % 2 ? 0xc0 : 0x40);
    }
  } else if (!is_hash_kind(spec.type) || (is_lru(spec.type) && spec.key_size >= 4)) {
    detail::store<std::uint32_t>(key.data(), random() % range);
  } else {
    key[random() % 2 * (spec.key_size - 1)] = std::byte(random() % range);
  }
  return key;
}

void print_results(MapType type, const std::map<std::int64_t, int>& seen) {
  std::printf("%-16s", std::string(map_type_name(type)).c_str());
  for (const auto& [result, times] : seen) {
    std::printf(" %d x%d", static_cast<int>(result), times);
  }
  std::printf("\n");
}

struct Case {
  MapSpec spec;
  std::uint32_t range;  ///< of keys; above max_entries: the map gets full
};

void compare(const Case& c, std::uint32_t seed, int steps) {
  SCOPED_TRACE(testing::Message() << map_type_name(c.spec.type) << ", key " << c.spec.key_size << ", value "
                                  << c.spec.value_size << ", entries " << c.spec.max_entries << ", flags "
                                  << c.spec.flags << ", seed " << seed);
  Pair p(c.spec);
  std::mt19937 random(seed);
  std::map<std::int64_t, int> seen;
  const std::size_t user_bytes = p.ours.user_value_size(0);
  for (int step = 0; step < steps; ++step) {
    const ByteVector key = random_key(c.spec, random, c.range);
    const std::uint64_t flags = kFlags[random() % std::size(kFlags)];
    const auto what = random() % 8;
    std::int64_t ours = 0;
    std::int64_t theirs = 0;
    if (what < 3) {
      const ByteVector value = random_bytes(c.spec.value_size, random);
      ours = p.ours.update(0, key, value, flags, p.cpu);
      theirs = p.theirs.update(key, value, flags);
    } else if (what == 3) {
      const ByteVector value = random_bytes(user_bytes, random);
      ours = p.ours.user_update(0, key, value, flags);
      theirs = p.theirs.user_update(key, value, flags);
    } else if (what == 4) {
      ours = p.ours.erase(0, key);
      theirs = p.theirs.erase(key);
    } else if (what == 5) {
      ours = p.ours.user_erase(0, key);
      theirs = p.theirs.user_erase(key);
    } else if (what == 6) {
      ours = p.ours.lookup(0, key, p.cpu).has_value();
      theirs = p.theirs.lookup(key);
    } else {
      ASSERT_EQ(p.ours.user_lookup(0, key), p.theirs.user_lookup(key)) << "step " << step;
    }
    ASSERT_EQ(ours, theirs) << "step " << step << ", operation " << what << ", flags " << flags;
    ++seen[ours];
    if (step % 50 == 49) {
      ASSERT_EQ(p.contents(), p.theirs.contents()) << "step " << step;
    }
  }
  if (is_hash_kind(c.spec.type)) {
    check_structure(p.ours, 0);
  }
  print_results(c.spec.type, seen);
}

void compare_all(std::initializer_list<Case> cases) {
  for (const Case& c : cases) {
    compare(c, 1, steps_of_a_comparison());
    if (testing::Test::HasFatalFailure()) {
      return;
    }
  }
}

TEST_F(KernelDiff, Arrays) {
  compare_all({{spec(MapType::kArray, 4, 5, 4), 6}, {spec(MapType::kPercpuArray, 4, 5, 4), 6}});
}

TEST_F(KernelDiff, Hashes) {
  compare_all({{spec(MapType::kHash, 1, 3, 4), 8},
               {spec(MapType::kHash, 4, 8, 1), 3},
               {spec(MapType::kHash, 13, 20, 9), 8},
               {spec(MapType::kHash, 16, 4, 300), 250},
               {spec(MapType::kHash, 8, 8, 6, BPF_F_NO_PREALLOC), 8}});
}

TEST_F(KernelDiff, PerCpuHashes) {
  compare_all({{spec(MapType::kPercpuHash, 4, 8, 4), 8},
               {spec(MapType::kPercpuHash, 5, 6, 7), 8},
               {spec(MapType::kPercpuHash, 8, 4, 6, BPF_F_NO_PREALLOC), 8}});
}

TEST_F(KernelDiff, LruBelowItsSize) {
  compare_all({{spec(MapType::kLruHash, 4, 6, 200), 8}, {spec(MapType::kLruPercpuHash, 6, 6, 200), 8}});
}

// What a full one throws out: every size has its own number of free entries that a processor takes at once.
TEST_F(KernelDiff, FullLru) {
  for (const MapType type : {MapType::kLruHash, MapType::kLruPercpuHash}) {
    compare_all({{spec(type, 4, 4, 1), 3},
                 {spec(type, 4, 4, 2), 5},
                 {spec(type, 5, 4, 7), 12},
                 {spec(type, 8, 12, 50), 80},
                 {spec(type, 4, 4, 130), 200},
                 {spec(type, 16, 8, 600), 900}});
  }
}

TEST_F(KernelDiff, FullLruWithListsOfEachProcessor) {
  constexpr std::uint32_t kFlag = BPF_F_NO_COMMON_LRU;
  for (const MapType type : {MapType::kLruHash, MapType::kLruPercpuHash}) {
    compare_all({{spec(type, 4, 4, 1, kFlag), 3},
                 {spec(type, 4, 4, 5, kFlag), 7},
                 {spec(type, 8, 12, 50, kFlag), 80},
                 {spec(type, 4, 4, 301, kFlag), 200}});
  }
}

TEST_F(KernelDiff, LpmTries) {
  compare_all({{spec(MapType::kLpmTrie, 5, 4, 4), 0},
               {spec(MapType::kLpmTrie, 5, 4, 40), 0},
               {spec(MapType::kLpmTrie, 8, 3, 25), 0},
               {spec(MapType::kLpmTrie, 20, 12, 60), 0},
               {spec(MapType::kLpmTrie, 64, 4, 30), 0}});
}

/// User operations only, with values that the kernel knows by other names.
void compare_slots(const MapSpec& spec, int inner_fd, std::vector<std::pair<ByteVector, ByteVector>> values,
                   std::uint32_t range, int steps) {
  SCOPED_TRACE(map_type_name(spec.type));
  MapSpec inner;
  inner = test::spec(MapType::kArray, 4, 4, 1, 0, "inner");
  MapSet ours = make({spec, inner});
  KernelMap theirs(spec, inner_fd);
  ASSERT_GE(theirs.fd(), 0);
  std::mt19937 random(5);
  std::map<std::int64_t, int> seen;
  for (int step = 0; step < steps; ++step) {
    const ByteVector key = u32(random() % range);
    if (random() % 3 == 0) {
      const std::int64_t result = ours.user_erase(0, key);
      ASSERT_EQ(result, theirs.user_erase(key)) << "delete " << step;
      ++seen[result];
    } else {
      const auto& [mine, its] = values[random() % values.size()];
      const std::uint64_t flags = random() % 2 ? 0 : kFlags[random() % std::size(kFlags)];
      const std::int64_t result = ours.user_update(0, key, mine, flags);
      ASSERT_EQ(result, theirs.user_update(key, its, flags)) << "update " << step << " flags " << flags;
      ++seen[result];
    }
    if (spec.type != MapType::kXskmap) {  // the kernel does not tell its contents
      ASSERT_EQ(ours.user_lookup(0, key).has_value(), theirs.user_lookup(key).has_value()) << step;
    }
  }
  print_results(spec.type, seen);
}

TEST_F(KernelDiff, MapsOfDevicesAndProcessors) {
  const ByteVector lo = u32(1);  // loopback is there in every network namespace
  const ByteVector none = u32(0);
  compare_slots(spec(MapType::kDevmap, 4, 4, 3), -1, {{lo, lo}, {lo, lo}, {none, none}}, 5, steps_of_a_comparison());
  compare_slots(spec(MapType::kDevmapHash, 4, 4, 3), -1, {{lo, lo}, {lo, lo}, {none, none}}, 6, steps_of_a_comparison());
  const ByteVector queue = u32(64);
  const ByteVector too_long = u32(16385);
  compare_slots(spec(MapType::kCpumap, 4, 4, 1), -1, {{queue, queue}, {none, none}, {too_long, too_long}}, 3,
                steps_of_a_comparison() / 2);
}

TEST_F(KernelDiff, ProgArray) {
  const bpf_insn pass[] = {{BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 2}, {BPF_JMP | BPF_EXIT, 0, 0, 0, 0}};
  const int program = bpf_prog_load(BPF_PROG_TYPE_XDP, "kiln_pass", "GPL", pass, 2, nullptr);
  ASSERT_GE(program, 0) << std::strerror(errno);
  const auto fd = u32(static_cast<std::uint32_t>(program));
  compare_slots(spec(MapType::kProgArray, 4, 4, 3), -1, {{u32(1), fd}}, 5, steps_of_a_comparison());
  close(program);
}

TEST_F(KernelDiff, MapsOfMaps) {
  const KernelMap inner(spec(MapType::kArray, 4, 4, 1));
  const auto fd = u32(static_cast<std::uint32_t>(inner.fd()));
  // Few, because the kernel waits for an RCU grace period after each change.
  for (const MapType type : {MapType::kArrayOfMaps, MapType::kHashOfMaps}) {
    compare_slots(spec(type, 4, 4, 3), inner.fd(), {{u32(2), fd}, {u32(99), u32(0x7fffffff)}}, 5, steps_of_a_comparison() / 25);
  }
}

TEST_F(KernelDiff, Xskmap) {
  const int socket_fd = socket(AF_XDP, SOCK_RAW, 0);
  if (socket_fd < 0) {
    GTEST_SKIP() << "AF_XDP: " << std::strerror(errno);
  }
  const auto fd = u32(static_cast<std::uint32_t>(socket_fd));
  const int second = socket(AF_XDP, SOCK_RAW, 0);
  const auto other = u32(static_cast<std::uint32_t>(second));
  compare_slots(spec(MapType::kXskmap, 4, 4, 3), -1, {{u32(7), fd}, {u32(8), other}}, 5, steps_of_a_comparison());
  close(second);
  close(socket_fd);
}

}  // namespace
}  // namespace kiln::test
