// SPDX-License-Identifier: Apache-2.0
//
// Reading from bytes that nobody vouches for: every access says whether it lay inside.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>

namespace kiln::elf {

static_assert(std::endian::native == std::endian::little, "BPF objects are read in place");

using Bytes = std::span<const std::byte>;

/// Bytes at..at+size, or nullopt if they are not all there.
inline std::optional<Bytes> slice(Bytes bytes, std::uint64_t at, std::uint64_t size) {
  if (at > bytes.size() || size > bytes.size() - at) {
    return std::nullopt;
  }
  return bytes.subspan(static_cast<std::size_t>(at), static_cast<std::size_t>(size));
}

/// A little-endian structure at any alignment.
template <typename T>
std::optional<T> read_at(Bytes bytes, std::uint64_t at) {
  static_assert(std::is_trivially_copyable_v<T>);
  const auto found = slice(bytes, at, sizeof(T));
  if (!found) {
    return std::nullopt;
  }
  T value;
  std::memcpy(&value, found->data(), sizeof(T));
  return value;
}

/// Longest string that is believed; it bounds the work that crossing references can cause.
inline constexpr std::size_t kMaxString = 1 << 16;

/// The NUL-terminated string at an offset; nullopt if it does not end inside.
inline std::optional<std::string_view> string_at(Bytes bytes, std::uint64_t at) {
  if (at >= bytes.size()) {
    return std::nullopt;
  }
  const Bytes rest = bytes.subspan(static_cast<std::size_t>(at));
  const std::size_t limit = std::min(rest.size(), kMaxString);
  const void* end = std::memchr(rest.data(), 0, limit);
  if (end == nullptr) {
    return std::nullopt;
  }
  const char* start = reinterpret_cast<const char*>(rest.data());
  return std::string_view(start, static_cast<std::size_t>(static_cast<const char*>(end) - start));
}

}  // namespace kiln::elf
