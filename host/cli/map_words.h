// SPDX-License-Identifier: Apache-2.0
//
// The words after `kiln map`, read as bpftool reads them: keywords may be cut short, bytes are decimal, 0x.. or,
// after `hex`, hexadecimal.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <kiln/map_set.h>
#include <kiln/result.h>

namespace kiln::cli {

class Words {
 public:
  explicit Words(std::vector<std::string> words) : words_(std::move(words)) {}

  bool empty() const { return at_ == words_.size(); }
  /// The next word, or "" after the last.
  std::string_view peek() const { return empty() ? std::string_view() : words_[at_]; }
  std::string take() { return empty() ? std::string() : words_[at_++]; }
  /// Whether the next word is the beginning of `keyword`; then it is passed over.
  bool accept(std::string_view keyword) {
    const bool same = !empty() && keyword.starts_with(peek()) && !peek().empty();
    at_ += same ? 1 : 0;
    return same;
  }
  /// \errors kUsage: "expected 'key'".
  Result<void> expect(std::string_view keyword);
  /// \errors kUsage: "id: not a number: x".
  Result<std::uint32_t> number(std::string_view what);
  /// Bytes up to the next keyword: exactly `size`. \errors kUsage: "key expected 4 bytes got 3".
  Result<std::vector<std::byte>> bytes(std::string_view what, std::size_t size);
  /// \errors kUsage if words are left.
  Result<void> end() const;

 private:
  std::vector<std::string> words_;
  std::size_t at_ = 0;
};

Error usage(std::string message);

}  // namespace kiln::cli
