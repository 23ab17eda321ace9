// SPDX-License-Identifier: Apache-2.0
//
// The same random operations on queues, stacks, Bloom filters and ring buffers of ours and of the kernel.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <sys/mman.h>

#include <cerrno>
#include <random>

#include "bytes.h"
#include "kernel_maps.h"

namespace kiln::test {
namespace {

class KernelQueue : public testing::Test {
 protected:
  void SetUp() override {
    if (const std::string why = why_no_kernel(); !why.empty()) {
      GTEST_SKIP() << why;
    }
  }
};

void compare_queues(const MapSpec& spec, std::uint32_t seed) {
  SCOPED_TRACE(testing::Message() << map_type_name(spec.type) << " seed " << seed);
  MapSet ours = make(spec);
  KernelMap theirs(spec);
  std::mt19937 random(seed);
  constexpr std::uint64_t kFlags[] = {0, 0, 0, 0, 2, 2, 1, 3, 4, 1ull << 40};
  const int steps = steps_of_a_comparison();
  for (int step = 0; step < steps; ++step) {
    const ByteVector value = random_bytes(spec.value_size, random);
    ByteVector mine = value, its = value;
    const std::uint64_t flags = kFlags[random() % std::size(kFlags)];
    std::int64_t result = 0, expected = 0;
    const auto what = random() % 8;
    switch (what) {
      case 0:
      case 1:
        result = ours.push(0, value, flags);
        expected = theirs.push(value, flags);
        break;
      case 2:
        result = ours.user_update(0, {}, value, flags);
        expected = theirs.user_update({}, value, flags);
        break;
      case 3:
        result = ours.pop(0, mine);
        expected = theirs.pop(its);
        break;
      case 4:
        result = ours.peek(0, mine);
        expected = theirs.peek(its);
        break;
      case 5:
        result = ours.user_read(0, {}, mine, 0);
        expected = theirs.user_read({}, its, 0);
        break;
      case 6:
        result = ours.user_read_and_erase(0, {}, mine, flags & 4);
        expected = theirs.user_read_and_erase({}, its, flags & 4);
        break;
      default:
        result = ours.user_erase(0, {});
        expected = theirs.user_erase({});
    }
    ASSERT_EQ(result, expected) << "step " << step << " operation " << what << " flags " << flags;
    if (result == 0 || what == 3 || what == 4) {
      ASSERT_EQ(mine, its) << "step " << step << " operation " << what;
    }
  }
}

TEST_F(KernelQueue, QueuesAndStacks) {
  for (const MapType type : {MapType::kQueue, MapType::kStack}) {
    compare_queues(spec(type, 0, 4, 1), 1);
    compare_queues(spec(type, 0, 13, 7), 2);
    compare_queues(spec(type, 0, 8, 20), 3);
  }
}

/// What is not in the filter is not compared: the two are wrong about different values.
TEST_F(KernelQueue, BloomFilters) {
  for (const std::uint32_t size : {1u, 4u, 9u, 16u}) {
    MapSpec bloom = spec(MapType::kBloomFilter, 0, size, 300);
    bloom.map_extra = size % 5;
    MapSet ours = make(bloom);
    KernelMap theirs(bloom);
    std::mt19937 random(size);
    std::vector<ByteVector> pushed;
    int wrong = 0, kernel_wrong = 0, asked = 0;
    for (int step = 0; step < steps_of_a_comparison(); ++step) {
      ByteVector value = random_bytes(size, random);
      const auto what = random() % 4;
      if (what == 0 && pushed.size() < 300) {
        const std::uint64_t flags = random() % 8 == 0 ? 1 + random() % 5 : 0;
        const std::int64_t result = random() % 2 ? ours.push(0, value, flags) : ours.user_update(0, {}, value, flags);
        ASSERT_EQ(result, random() % 2 ? theirs.push(value, flags) : theirs.user_update({}, value, flags));
        if (result == 0) {
          pushed.push_back(value);
        }
      } else if (what == 1 && !pushed.empty()) {
        value = pushed[random() % pushed.size()];
        ASSERT_EQ(ours.peek(0, value), 0);
        ASSERT_EQ(theirs.peek(value), 0);
        ASSERT_EQ(ours.user_read(0, {}, value, 0), 0);
      } else if (what == 2) {
        ++asked;
        wrong += ours.peek(0, value) == 0;
        kernel_wrong += theirs.peek(value) == 0;
      } else {
        ASSERT_EQ(ours.user_erase(0, {}), theirs.user_erase({}));
      }
    }
    std::printf("values of %u bytes: said to be there though most were not: %d, by the kernel %d, of %d\n", size, wrong,
                kernel_wrong, asked);
  }
}

/// The kernel's ring buffer seen from user space: the consumer's page, and the producer's with the data twice.
class KernelRing {
 public:
  KernelRing(const KernelMap& map, std::size_t bytes) : bytes_(bytes) {
    consumer_ = static_cast<std::byte*>(mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_SHARED, map.fd(), 0));
    producer_ = static_cast<std::byte*>(mmap(nullptr, kPage + 2 * bytes, PROT_READ, MAP_SHARED, map.fd(), kPage));
    EXPECT_NE(static_cast<void*>(consumer_), MAP_FAILED);
    EXPECT_NE(static_cast<void*>(producer_), MAP_FAILED);
  }
  ~KernelRing() {
    munmap(consumer_, kPage);
    munmap(producer_, kPage + 2 * bytes_);
  }
  std::optional<ByteVector> take() {
    const auto at = detail::load<std::uint64_t>(consumer_);
    if (at == detail::load<std::uint64_t>(producer_)) {
      return std::nullopt;
    }
    const std::byte* record = producer_ + kPage + at % bytes_;
    const auto size = detail::load<std::uint32_t>(record);
    ByteVector data(record + 8, record + 8 + size);
    detail::store(consumer_, at + detail::round_up(size + 8, 8));
    return data;
  }

 private:
  static constexpr std::size_t kPage = 4096;
  std::size_t bytes_;
  std::byte* consumer_;
  std::byte* producer_;
};

TEST_F(KernelQueue, RingBuffers) {
  const MapSpec ring = spec(MapType::kRingbuf, 0, 0, 8192);
  MapSet ours = make(ring);
  KernelMap theirs(ring);
  KernelRing records(theirs, 8192);
  std::mt19937 random(11);
  int full = 0;
  for (int step = 0; step < steps_of_a_comparison(); ++step) {
    const auto what = random() % 8;
    if (what < 4) {
      const ByteVector record = random_bytes(random() % 2049, random);
      const std::uint64_t flags = random() % 6;
      const std::int64_t result = ours.ring_output(0, record, flags);
      ASSERT_EQ(result, theirs.ring_output(record, flags)) << "step " << step << " size " << record.size();
      full += result == -EAGAIN;
    } else if (what < 6) {
      ASSERT_EQ(ours.ring_take(0), records.take()) << "step " << step;
    } else if (what == 6) {
      for (std::uint64_t number = 0; number < 6; ++number) {
        ASSERT_EQ(static_cast<int>(ring_query(ours.view(0), number)), theirs.ring_query(number)) << "query " << number;
      }
    } else {
      ByteVector none;
      ASSERT_EQ(ours.user_update(0, {}, {}, 0), theirs.user_update({}, {}, 0));
      ASSERT_EQ(ours.user_erase(0, {}), theirs.user_erase({}));
      ASSERT_EQ(ours.user_read(0, {}, none, 0), theirs.user_read({}, none, 0));
    }
  }
  std::printf("ring buffer: no room %d times\n", full);
}

}  // namespace
}  // namespace kiln::test
