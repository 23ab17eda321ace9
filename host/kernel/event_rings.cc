// SPDX-License-Identifier: Apache-2.0
//
// Source: linux/perf_event.h (struct perf_event_mmap_page), kernel/bpf/ringbuf.c (what is mapped where).
#include "event_rings.h"

#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <vector>

namespace kiln::kernel {
namespace {

constexpr std::size_t kPerfPages = 16;  // of data; a power of two

std::size_t page() {
  return static_cast<std::size_t>(getpagesize());
}

}  // namespace

Mapping::Mapping(int fd, std::size_t bytes, int protection, std::size_t offset) : bytes_(bytes) {
  void* at = mmap(nullptr, bytes, protection, MAP_SHARED, fd, static_cast<off_t>(offset));
  at_ = at == MAP_FAILED ? nullptr : static_cast<std::byte*>(at);
}

Mapping::~Mapping() {
  if (at_ != nullptr) {
    munmap(at_, bytes_);
  }
}

// Mapped read-only, which makes the kernel overwrite.
PerfRing::PerfRing(int perf_event, std::size_t map_index, std::uint32_t slot)
    : map(map_index), index(slot), pages_(perf_event, (kPerfPages + 1) * page(), PROT_READ, 0) {}

void PerfRing::drain(const RecordVisitor& visit) {
  const auto* header = reinterpret_cast<const perf_event_mmap_page*>(pages_.at());
  const std::byte* data = pages_.at() + page();
  const std::size_t size = kPerfPages * page();
  const std::uint64_t head = __atomic_load_n(&header->data_head, __ATOMIC_ACQUIRE);
  if (head - seen_ > size) {
    seen_ = head;  // overwritten while nobody looked
  }
  const auto copy = [&](std::uint64_t at, void* to, std::size_t bytes) {
    for (std::size_t i = 0; i < bytes; ++i) {
      static_cast<std::byte*>(to)[i] = data[(at + i) % size];
    }
  };
  while (seen_ < head) {
    perf_event_header record{};
    copy(seen_, &record, sizeof record);
    if (record.size == 0) {
      break;
    }
    if (record.type == PERF_RECORD_SAMPLE) {
      std::uint32_t bytes = 0;
      copy(seen_ + sizeof record, &bytes, sizeof bytes);
      std::vector<std::byte> raw(bytes);
      copy(seen_ + sizeof record + sizeof bytes, raw.data(), raw.size());
      visit(raw);
    }
    seen_ += record.size;
  }
}

RingBuffer::RingBuffer(int map_fd, std::size_t map_index, std::size_t bytes)
    : map(map_index),
      consumer_(map_fd, page(), PROT_READ | PROT_WRITE, 0),
      producer_(map_fd, page() + 2 * bytes, PROT_READ, page()),
      mask_(bytes - 1) {}

void RingBuffer::drain(const RecordVisitor& visit) {
  auto* consumer = reinterpret_cast<std::uint64_t*>(consumer_.at());
  const auto* producer = reinterpret_cast<const std::uint64_t*>(producer_.at());
  const std::byte* data = producer_.at() + page();
  std::uint64_t at = __atomic_load_n(consumer, __ATOMIC_RELAXED);
  while (at < __atomic_load_n(producer, __ATOMIC_ACQUIRE)) {
    const std::byte* record = data + (at & mask_);
    std::uint32_t word = __atomic_load_n(reinterpret_cast<const std::uint32_t*>(record), __ATOMIC_ACQUIRE);
    if ((word & BPF_RINGBUF_BUSY_BIT) != 0) {
      break;
    }
    const bool discarded = (word & BPF_RINGBUF_DISCARD_BIT) != 0;
    word &= ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);
    if (!discarded) {
      visit({record + BPF_RINGBUF_HDR_SZ, word});
    }
    at += (std::uint64_t{word} + BPF_RINGBUF_HDR_SZ + 7) / 8 * 8;
    __atomic_store_n(consumer, at, __ATOMIC_RELEASE);
  }
}

}  // namespace kiln::kernel
