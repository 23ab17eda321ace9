// SPDX-License-Identifier: Apache-2.0
//
// Which prefix lengths are worth looking for in an LPM trie: by the first 16 bits of the data, a superset of the
// lengths that elements which begin like that have.
//
// It lies beside the arena, not in it: an engine of this host may have one for its own maps (MapSet::index_prefixes()),
// and whoever changes the map goes through map_ops.h, which keeps it. Deletions leave lengths in it; they cost a probe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace kiln {

class PrefixIndex {
 public:
  /// \param max_length  of a prefix, in bits: at least 8.
  explicit PrefixIndex(std::uint32_t max_length);

  /// An element has this prefix. \param data  the bytes behind the length; bits after the prefix do not count.
  void add(const std::byte* data, std::uint32_t length);

  /// A set of groups of lengths: group_of(length) is a bit of it if there may be an element.
  std::uint64_t groups(const std::byte* data) const { return groups_[place(data)]; }
  std::uint32_t group_of(std::uint32_t length) const { return length >> shift_; }
  /// Whether a group is one length.
  bool is_exact() const { return shift_ == 0; }

 private:
  static constexpr std::uint32_t kBits = 16;
  std::uint32_t place(const std::byte* data) const {
    const auto first = std::to_integer<std::uint32_t>(data[0]);
    return first << 8 | (one_byte_ ? 0 : std::to_integer<std::uint32_t>(data[1]));
  }

  std::uint32_t shift_ = 0;  ///< lengths per group, as a shift
  bool one_byte_;            ///< the data has no second byte
  std::vector<std::uint64_t> groups_;
};

}  // namespace kiln
