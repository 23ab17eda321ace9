// SPDX-License-Identifier: Apache-2.0
#include <kiln/prefix_index.h>

#include <algorithm>

namespace kiln {

PrefixIndex::PrefixIndex(std::uint32_t max_length) : one_byte_(max_length < kBits), groups_(std::size_t{1} << kBits) {
  constexpr std::uint32_t kGroups = 64;
  while (max_length >> shift_ >= kGroups) {
    ++shift_;
  }
}

void PrefixIndex::add(const std::byte* data, std::uint32_t length) {
  const std::uint32_t same = std::min(length, kBits);  // bits in which all places agree
  const std::uint32_t count = 1u << (kBits - same);
  const std::uint32_t first = place(data) & ~(count - 1);
  for (std::uint32_t i = 0; i < count; ++i) {
    groups_[first + i] |= std::uint64_t{1} << group_of(length);
  }
}

}  // namespace kiln
