// SPDX-License-Identifier: Apache-2.0
//
// Ring buffers: records reserved, committed, read. Source: kernel/bpf/ringbuf.c, Linux 6.18.
//
// The same for those that programs write (ringbuf) and those that user space writes (user_ringbuf);
// what differs is who may call what. Nobody is woken up: whoever reads, polls.
#include <cerrno>

#include <kiln/ring_reader.h>

#include "bytes.h"
#include "sync.h"

namespace kiln {
namespace {

using detail::load_acquire;
using detail::load_shared;
using detail::round_up;
using detail::store_release;
using detail::store_shared;

constexpr std::uint64_t kMaxRecord = 0xffff'ffffu / 4;
constexpr std::uint32_t kMaxDynptr = (1u << 24) - 1;  // what a struct bpf_dynptr can describe

struct Ring {
  explicit Ring(MapView map) : base(map.arena), d(*map.descriptor), header(map.arena + d.header) {}

  std::uint64_t consumer() const { return load_acquire<std::uint64_t>(header + offsetof(RingHeader, consumer)); }
  std::uint64_t producer() const { return load_acquire<std::uint64_t>(header + offsetof(RingHeader, producer)); }
  std::uint32_t place(std::uint64_t position) const {
    return d.entries + static_cast<std::uint32_t>(position & d.bucket_mask);
  }
  std::uint64_t bytes() const { return std::uint64_t{d.bucket_mask} + 1; }

  std::byte* base;
  const MapDescriptor& d;
  std::byte* header;
};

std::uint64_t record_bytes(std::uint32_t word) {
  return round_up(std::uint64_t{word & ~(kRingBusy | kRingDiscard)} + kRingRecordHeader, 8);
}

}  // namespace

std::uint32_t ring_reserve(MapView map, std::uint64_t size) {
  const Ring ring(map);
  const std::uint64_t length = round_up(size + kRingRecordHeader, 8);
  if (size > kMaxRecord || length > ring.bytes()) {
    return 0;
  }
  const std::uint64_t consumer = ring.consumer();
  const detail::Guard guard(map.lock);
  std::byte* const pending_at = ring.header + offsetof(RingHeader, pending);
  auto pending = load_shared<std::uint64_t>(pending_at);
  const std::uint64_t producer = ring.producer();
  while (pending < producer) {
    const auto word = load_acquire<std::uint32_t>(ring.base + ring.place(pending));
    if ((word & kRingBusy) != 0) {
      break;
    }
    pending += record_bytes(word);
  }
  store_shared(pending_at, pending);
  const std::uint64_t end = producer + length;
  if (end - consumer > ring.d.bucket_mask || end - pending > ring.d.bucket_mask) {
    return 0;
  }
  const std::uint32_t record = ring.place(producer);
  store_shared(ring.base + record, static_cast<std::uint32_t>(size) | kRingBusy);
  store_shared(ring.base + record + 4, ring.d.header);
  store_release(ring.header + offsetof(RingHeader, producer), end);
  return record + kRingRecordHeader;
}

void ring_commit(std::byte* arena, std::uint32_t record, bool discard) {
  std::byte* const at = arena + record - kRingRecordHeader;
  const std::uint32_t word = load_shared<std::uint32_t>(at) ^ kRingBusy;
  store_release(at, discard ? word | kRingDiscard : word);
}

std::uint64_t ring_query(MapView map, std::uint64_t what) {
  const Ring ring(map);
  switch (what) {
    case 0: {
      const std::uint64_t consumer = ring.consumer();
      return ring.producer() - consumer;
    }
    case 1:
      return ring.bytes();
    case 2:
      return ring.consumer();
    case 3:
      return ring.producer();
    default:
      return 0;
  }
}

std::int64_t ring_next(MapView map, RingRecord& record) {
  const Ring ring(map);
  const bool user_writes = map.type() == MapType::kUserRingbuf;
  for (;;) {
    const std::uint64_t producer = ring.producer();
    const std::uint64_t consumer = ring.consumer();
    if (user_writes && producer % 8 != 0) {
      return -EINVAL;
    }
    if (consumer >= producer) {
      return -ENODATA;
    }
    const std::uint32_t at = ring.place(consumer);
    const auto word = load_acquire<std::uint32_t>(ring.base + at);
    const std::uint32_t size = word & ~(kRingBusy | kRingDiscard);
    if (user_writes && record_bytes(word) > producer - consumer) {
      return -EINVAL;
    }
    if (user_writes && (record_bytes(word) > ring.bytes() || size > kMaxDynptr)) {
      return -E2BIG;
    }
    if (!user_writes && (word & kRingBusy) != 0) {
      return -ENODATA;
    }
    if ((word & kRingDiscard) != 0) {
      ring_release(map, {at + kRingRecordHeader, size});
      if (user_writes) {
        return -EAGAIN;
      }
      continue;
    }
    if ((word & kRingBusy) != 0) {
      return -ENODATA;
    }
    record = {at + kRingRecordHeader, size};
    return 0;
  }
}

void ring_forget(MapView map) {
  const Ring ring(map);
  const std::uint64_t producer = ring.producer();
  std::uint64_t at = ring.consumer();
  while (at < producer) {
    const auto word = load_acquire<std::uint32_t>(ring.base + ring.place(at));
    if ((word & kRingBusy) != 0) {
      break;
    }
    at += record_bytes(word);
  }
  store_release(ring.header + offsetof(RingHeader, consumer), at);
}

void ring_release(MapView map, const RingRecord& record) {
  const Ring ring(map);
  store_release(ring.header + offsetof(RingHeader, consumer), ring.consumer() + record_bytes(record.size));
}

}  // namespace kiln
