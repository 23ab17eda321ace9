// SPDX-License-Identifier: Apache-2.0
//
// JSON as bpftool writes it, compact or "pretty", byte for byte: members on lines of their own, elements of an
// array one after another, four blanks a level. Not a check that the calls make sense.
#pragma once

#include <string>
#include <string_view>

namespace kiln {

class JsonWriter {
 public:
  explicit JsonWriter(bool pretty) : pretty_(pretty) {}

  void begin_object() { begin('{'); }
  void end_object() { end('}'); }
  void begin_array() { begin('['); }
  void end_array() { end(']'); }
  /// A member's name; its value comes next.
  void name(std::string_view name) {
    separate();
    new_line();
    separator_ = '\0';
    quote(name);
    out_ += pretty_ ? ": " : ":";
  }
  /// A value that is JSON already: a number, true, null.
  void raw(std::string_view text) {
    separate();
    out_ += text;
  }
  void string(std::string_view text) {
    separate();
    quote(text);
  }
  const std::string& text() const { return out_; }

 private:
  void begin(char bracket) {
    separate();
    out_ += bracket;
    ++depth_;
    separator_ = '\0';
  }
  void end(char bracket) {
    --depth_;
    if (separator_ != '\0') {
      new_line();
    }
    out_ += bracket;
    separator_ = ',';
  }
  /// What stands between the value before and this one.
  void separate() {
    if (separator_ != '\0') {
      out_ += separator_;
    }
    separator_ = ',';
  }
  void new_line() {
    if (pretty_) {
      out_ += '\n';
      out_.append(4 * depth_, ' ');
    }
  }
  void quote(std::string_view text);

  std::string out_;
  std::size_t depth_ = 0;
  char separator_ = '\0';
  bool pretty_;
};

}  // namespace kiln
