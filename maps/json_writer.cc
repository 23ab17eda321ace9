// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <kiln/json_writer.h>

namespace kiln {

void JsonWriter::quote(std::string_view text) {
  constexpr std::string_view kSpecial = "\b\f\n\r\t\\\"";
  constexpr std::string_view kLetters = "bfnrt\\\"";
  out_ += '"';
  for (const char c : text) {
    if (const std::size_t at = kSpecial.find(c); at != std::string_view::npos) {
      out_ += '\\';
      out_ += kLetters[at];
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out_ += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    } else {
      out_ += c;
    }
  }
  out_ += '"';
}

}  // namespace kiln
