// SPDX-License-Identifier: Apache-2.0
//
// Maps without keys: queues, stacks, Bloom filters. Source: kernel/bpf/queue_stack_maps.c and
// bloom_filter.c, Linux 6.18. A Bloom filter's bit numbers are Kiln's own (README.md), its size is the kernel's.
#include <algorithm>
#include <bit>
#include <cerrno>

#include <kiln/map_ops.h>

#include "bytes.h"
#include "hash_key.h"
#include "sync.h"

namespace kiln {
namespace {

using detail::Guard;
using detail::load;
using detail::store;

constexpr std::uint64_t kNoExistFlag = 1;
constexpr std::uint64_t kExistFlag = 2;

/// The ring of a queue or stack, while its lock is held.
struct Queue {
  explicit Queue(MapView map) : d(*map.descriptor), base(map.arena), at(map.arena + d.header) {
    header = load<QueueHeader>(at);
  }
  std::uint32_t after(std::uint32_t entry) const { return entry + 1 < d.entry_count ? entry + 1 : 0; }
  std::uint32_t before(std::uint32_t entry) const { return (entry == 0 ? d.entry_count : entry) - 1; }
  bool empty() const { return header.head == header.tail; }
  bool full() const { return after(header.head) == header.tail; }
  std::byte* entry(std::uint32_t number) const {
    return base + d.entries + std::size_t{number} * d.entry_stride;
  }
  void write_header() const { store(at, header); }

  const MapDescriptor& d;
  std::byte* base;
  std::byte* at;
  QueueHeader header;
};

std::int64_t take(MapView map, std::byte* value, bool keep) {
  const Guard guard(map.lock);
  Queue queue(map);
  if (queue.empty()) {
    std::fill_n(value, queue.d.value_size, std::byte{0});
    return -ENOENT;
  }
  const bool is_stack = map.type() == MapType::kStack;
  const std::uint32_t number = is_stack ? queue.before(queue.header.head) : queue.header.tail;
  std::copy_n(queue.entry(number), queue.d.value_size, value);
  if (!keep) {
    (is_stack ? queue.header.head : queue.header.tail) = is_stack ? number : queue.after(number);
    queue.write_header();
  }
  return 0;
}

/// Calls `visit(word, bit)` for each bit of a value, until it says false.
template <typename Visit>
bool each_bit(MapView map, const std::byte* value, Visit visit) {
  const MapDescriptor& d = *map.descriptor;
  const std::uint32_t hash = detail::hash_bytes(value, d.value_size);
  const std::uint32_t step = std::rotl(hash, 16) | 1;
  std::uint32_t position = hash;
  for (std::uint32_t i = 0; i < d.hash_count; ++i, position += step) {
    const std::uint32_t bit = position & d.bucket_mask;
    if (!visit(map.arena + d.entries + bit / 64 * 8, std::uint64_t{1} << (bit % 64))) {
      return false;
    }
  }
  return true;
}

std::int64_t bloom_push(MapView map, const std::byte* value, std::uint64_t flags) {
  if (flags != 0) {
    return -EINVAL;
  }
  each_bit(map, value, [&](std::byte* word, std::uint64_t bit) {
    if (map.lock == nullptr) {
      store(word, load<std::uint64_t>(word) | bit);
    } else {
      __atomic_fetch_or(reinterpret_cast<detail::Aliased<std::uint64_t>::type*>(word), bit, __ATOMIC_RELAXED);
    }
    return true;
  });
  return 0;
}

}  // namespace

std::int64_t push_value(MapView map, const std::byte* value, std::uint64_t flags) {
  if (map.type() == MapType::kBloomFilter) {
    return bloom_push(map, value, flags);
  }
  if ((flags & kNoExistFlag) != 0 || flags > kExistFlag) {
    return -EINVAL;
  }
  const Guard guard(map.lock);
  Queue queue(map);
  if (queue.full()) {
    if (flags != kExistFlag) {
      return -E2BIG;
    }
    queue.header.tail = queue.after(queue.header.tail);  // the oldest makes room
  }
  std::copy_n(value, queue.d.value_size, queue.entry(queue.header.head));
  queue.header.head = queue.after(queue.header.head);
  queue.write_header();
  return 0;
}

std::int64_t pop_value(MapView map, std::byte* value) {
  return map.type() == MapType::kBloomFilter ? -EOPNOTSUPP : take(map, value, false);
}

std::int64_t peek_value(MapView map, std::byte* value) {
  if (map.type() != MapType::kBloomFilter) {
    return take(map, value, true);
  }
  const bool all = each_bit(map, value, [](const std::byte* word, std::uint64_t bit) {
    return (detail::load_shared<std::uint64_t>(word) & bit) != 0;
  });
  return all ? 0 : -ENOENT;
}

}  // namespace kiln
