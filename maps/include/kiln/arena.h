// SPDX-License-Identifier: Apache-2.0
//
// A block of bytes, zero at first, that stays where it is: what all maps of an object lie in.
//
// Pages are handed out by the kernel when first touched, so a large, sparsely used map costs
// little. Moving an Arena moves ownership, not bytes: machine code may hold addresses into it.
// Copying makes a second block. Not a std::vector, which zeroes eagerly and aligns to 16 bytes
// only.
#pragma once

#include <cstddef>
#include <span>

namespace kiln {

class Arena {
 public:
  Arena() = default;
  /// \param bytes  may be 0: then there is no block and span() is empty.
  explicit Arena(std::size_t bytes);
  ~Arena();
  Arena(const Arena& other);
  Arena(Arena&& other) noexcept;
  Arena& operator=(const Arena& other);
  Arena& operator=(Arena&& other) noexcept;

  std::byte* data() { return data_; }
  const std::byte* data() const { return data_; }
  std::size_t size() const { return size_; }
  std::span<std::byte> span() { return {data_, size_}; }
  std::span<const std::byte> span() const { return {data_, size_}; }

 private:
  std::byte* data_ = nullptr;  ///< page-aligned
  std::size_t size_ = 0;
};

}  // namespace kiln
