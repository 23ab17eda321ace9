// SPDX-License-Identifier: Apache-2.0
//
// Many elements in one call, here and in the kernel: results, counts, what is read and what is left.
#include <bpf/bpf.h>

#include <cerrno>
#include <set>

#include <kiln/map_batch.h>

#include "kernel_maps.h"

namespace kiln::test {
namespace {

int answer(int result) { return result < 0 ? -errno : result; }

struct Batch {
  std::uint32_t count = 0;
  ByteVector keys;
  ByteVector values;
};

/// Everything in the map, `at_once` elements a call. In no order: the kernel's is its own.
std::set<std::pair<ByteVector, ByteVector>> read_all(MapSet& ours, const KernelMap& theirs, bool kernel, std::uint32_t at_once,
                                                     bool erase, int& last) {
  const std::size_t key_bytes = ours.spec(0).key_size, value_bytes = ours.spec(0).value_size;
  std::set<std::pair<ByteVector, ByteVector>> all;
  std::uint64_t kernel_token = 0;  // a bucket, or a key of up to 8 bytes
  std::uint32_t token = 0;
  for (bool first = true;; first = false) {
    Batch batch{at_once, ByteVector(at_once * key_bytes), ByteVector(at_once * value_bytes)};
    if (!kernel) {
      last = static_cast<int>(read_batch(ours, 0, token, batch.keys, batch.values, batch.count, erase));
    } else {
      const auto call = erase ? bpf_map_lookup_and_delete_batch : bpf_map_lookup_batch;
      std::uint64_t next = 0;
      last = answer(call(theirs.fd(), first ? nullptr : &kernel_token, &next, batch.keys.data(), batch.values.data(),
                         &batch.count, nullptr));
      kernel_token = next;
    }
    for (std::uint32_t i = 0; i < batch.count && (last == 0 || last == -ENOENT); ++i) {
      const auto from = [i](const ByteVector& bytes, std::size_t size) {
        return ByteVector(bytes.begin() + static_cast<std::ptrdiff_t>(i * size),
                          bytes.begin() + static_cast<std::ptrdiff_t>((i + 1) * size));
      };
      all.emplace(from(batch.keys, key_bytes), from(batch.values, value_bytes));
    }
    if (last != 0) {
      return all;
    }
  }
}

void compare(const MapSpec& spec, std::uint32_t range) {
  SCOPED_TRACE(map_type_name(spec.type));
  MapSet ours = make(spec);
  KernelMap theirs(spec);
  std::mt19937 random(9);
  for (int round = 0; round < steps_of_a_comparison() / 12; ++round) {
    Batch batch{1 + static_cast<std::uint32_t>(random() % 12), {}, {}};
    for (std::uint32_t i = 0; i < batch.count; ++i) {
      ByteVector key = u32(random() % range);
      key.resize(spec.key_size);
      const ByteVector value = random_bytes(spec.value_size, random);
      batch.keys.insert(batch.keys.end(), key.begin(), key.end());
      batch.values.insert(batch.values.end(), value.begin(), value.end());
    }
    std::uint32_t mine = batch.count, its = batch.count;
    std::int64_t result = 0;
    int expected = 0;
    if (random() % 3 != 0) {
      const std::uint64_t flags = random() % 10 == 0 ? random() % 6 : 0;
      LIBBPF_OPTS(bpf_map_batch_opts, options, .elem_flags = flags);
      result = update_batch(ours, 0, batch.keys, batch.values, mine, flags);
      expected = answer(bpf_map_update_batch(theirs.fd(), batch.keys.data(), batch.values.data(), &its, &options));
    } else {
      result = erase_batch(ours, 0, batch.keys, mine);
      expected = answer(bpf_map_delete_batch(theirs.fd(), batch.keys.data(), &its, nullptr));
    }
    ASSERT_EQ(result, expected) << "round " << round;
    if (expected == 0 || expected == -ENOENT || expected == -E2BIG) {
      ASSERT_EQ(mine, its) << "round " << round << " result " << result;
    }
    int last = 0, kernel_last = 0;
    const bool erase = random() % 8 == 0;
    const auto at_once = static_cast<std::uint32_t>(8 + random() % 8);
    const auto all = read_all(ours, theirs, false, at_once, erase, last);
    const auto kernel_all = read_all(ours, theirs, true, at_once, erase, kernel_last);
    ASSERT_EQ(last, kernel_last) << "round " << round << (erase ? " erasing" : "");
    ASSERT_EQ(all, kernel_all) << "round " << round;
  }
}

TEST(KernelBatch, SameResultsCountsAndContents) {
  if (const std::string why = why_no_kernel(); !why.empty()) {
    GTEST_SKIP() << why;
  }
  compare(spec(MapType::kHash, 4, 8, 20), 30);
  compare(spec(MapType::kLruHash, 4, 8, 200), 30);
  compare(spec(MapType::kArray, 4, 8, 20), 24);
}

}  // namespace
}  // namespace kiln::test
