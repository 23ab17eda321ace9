// SPDX-License-Identifier: Apache-2.0
//
// The verifier's log: text that grows, can be cut back when a path is abandoned, and how registers
// and frames are written in it. The words and shapes are those of the kernel's log.
#pragma once

#include <string>
#include <utility>

#include <fmt/format.h>

#include <kiln/program.h>

#include "state.h"

namespace kiln::verifier {

class Log {
 public:
  explicit Log(int level) : level_(level) {}
  bool on() const { return level_ > 0; }
  bool every_path() const { return (level_ & 2) != 0; }
  bool statistics() const { return (level_ & 4) != 0; }
  std::size_t size() const { return text_.size(); }
  void cut(std::size_t size) {
    if (size < text_.size()) {
      text_.resize(size);
    }
  }
  template <typename... Args>
  void print(fmt::format_string<Args...> format, Args&&... args) {
    if (on()) {
      fmt::format_to(std::back_inserter(text_), format, std::forward<Args>(args)...);
    }
  }
  std::string take() { return std::move(text_); }

 private:
  int level_;
  std::string text_;
};

/// "scalar", "pkt", "map_value_or_null": as in "invalid mem access 'scalar'".
std::string type_name(const Reg& reg);
std::string_view type_name(RegType type);

/// As after "R1=": "P5", "scalar(umax=255)", "pkt(off=14,r=14)". \param frame  number of the frame it is in.
std::string reg_text(const Reg& reg, u32 frame, const Object& object);

/// All or only the named registers and slots of a frame: " R0=1 R10=fp0 fp-8=mmmmmmmm".
std::string frame_text(const State& state, u32 frame, const Object& object, u32 regs, u64 slots);

}  // namespace kiln::verifier
