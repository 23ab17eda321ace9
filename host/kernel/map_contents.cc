// SPDX-License-Identifier: Apache-2.0
//
// BPF_MAP_LOOKUP_BATCH, and one element at a time for the map types that lack it.
#include "map_contents.h"

#include <bpf/bpf.h>

#include <algorithm>
#include <cerrno>
#include <vector>

namespace kiln::kernel {
namespace {

constexpr std::uint32_t kBatchBytes = 1u << 20;
constexpr int kNotSupported = 524;  // the kernel's ENOTSUPP, which user space has no name for

int one_by_one(const MapShape& map, const Visit& visit) {
  std::vector<std::byte> key(map.key_bytes);
  std::vector<std::byte> value(map.value_bytes);
  const void* from = nullptr;
  while (bpf_map_get_next_key(map.fd, from, key.data()) == 0) {
    from = key.data();
    if (bpf_map_lookup_elem(map.fd, key.data(), value.data()) == 0) {
      visit(key, value);
    } else if (errno != ENOENT) {
      return errno;
    }
  }
  return errno == ENOENT ? 0 : errno;
}

}  // namespace

int for_each_element(const MapShape& map, const Visit& visit) {
  // A hash gives whole buckets: with too small a buffer it says ENOSPC.
  std::uint32_t room =
      std::clamp(kBatchBytes / (map.key_bytes + map.value_bytes), 16u, map.max_entries + 16);
  std::vector<std::byte> keys;
  std::vector<std::byte> values;
  std::vector<std::byte> token(std::max<std::size_t>(map.key_bytes, 8));
  std::vector<std::byte> next_token(token.size());
  bool started = false;
  for (;;) {
    keys.resize(std::size_t{room} * map.key_bytes);
    values.resize(std::size_t{room} * map.value_bytes);
    __u32 count = room;
    const int failed =
        bpf_map_lookup_batch(map.fd, started ? token.data() : nullptr, next_token.data(),
                             keys.data(), values.data(), &count, nullptr);
    const int error = failed != 0 ? errno : 0;
    if (error == ENOSPC && room <= map.max_entries) {
      room *= 2;
      continue;
    }
    if (!started && (error == EINVAL || error == EOPNOTSUPP || error == kNotSupported)) {
      return one_by_one(map, visit);
    }
    if (error != 0 && error != ENOENT) {
      return error;
    }
    for (std::size_t i = 0; i < count; ++i) {
      visit(std::span(keys).subspan(i * map.key_bytes, map.key_bytes),
            std::span(values).subspan(i * map.value_bytes, map.value_bytes));
    }
    if (error == ENOENT) {
      return 0;
    }
    token.swap(next_token);
    started = true;
  }
}

}  // namespace kiln::kernel
