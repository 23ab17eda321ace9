// SPDX-License-Identifier: Apache-2.0
//
// A failure as the rules of explain_rules.cc ask about it: numbers and registers that the message names, what was
// known of them, what kind of access it was.
#pragma once

#include <charconv>
#include <optional>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include <kiln/helpers.h>

#include "explain.h"
#include "log.h"

namespace kiln::verifier {

/// What rows of the table can ask about the failure.
class Refusal {
 public:
  explicit Refusal(const Failure& failure) : failure_(failure) {}

  const Failure& failure() const { return failure_; }
  const Insn& insn() const { return failure_.program.insns[failure_.insn]; }
  /// Of no kind if the program was refused before it was decoded.
  const Decoded& decoded() const {
    static constexpr Decoded kNone;
    return failure_.insn < failure_.structure.code.size() ? failure_.structure.code[failure_.insn] : kNone;
  }
  bool contains(std::string_view words) const { return failure_.message.find(words) != std::string_view::npos; }

  /// The number behind `word`, e.g. "off=" or "size=".
  s64 number(std::string_view word) const {
    const std::size_t at = failure_.message.find(word);
    s64 value = 0;
    if (at != std::string_view::npos) {
      const char* begin = failure_.message.data() + at + word.size();
      std::from_chars(begin, failure_.message.data() + failure_.message.size(), value);
    }
    return value;
  }

  /// The register that the message names, else the one through which memory is accessed.
  std::optional<unsigned> reg_number() const {
    const std::string_view m = failure_.message;
    for (std::size_t i = 0; i + 1 < m.size(); ++i) {
      if (m[i] == 'R' && m[i + 1] >= '0' && m[i + 1] <= '9') {
        const unsigned tens = m[i + 1] == '1' && i + 2 < m.size() && m[i + 2] == '0' ? 10u : 0u;
        return tens != 0 ? tens : static_cast<unsigned>(m[i + 1] - '0');
      }
    }
    if (failure_.state == nullptr || decoded().info == nullptr) {
      return std::nullopt;
    }
    switch (decoded().form) {
      case Form::kLoad: return insn().src;
      case Form::kStoreImm:
      case Form::kStoreReg:
      case Form::kAtomic:
      case Form::kAtomicFetch:
      case Form::kAluImm:
      case Form::kAluReg:
      case Form::kJmpImm:
      case Form::kJmpReg: return insn().dst;
      case Form::kCall: return memory_argument();
      default: return std::nullopt;
    }
  }
  const Reg* reg() const {
    const auto number = reg_number();
    return number && failure_.state != nullptr ? &failure_.state->reg(*number) : nullptr;
  }
  std::string reg_name() const {
    const auto number = reg_number();
    return number ? fmt::format("R{}", *number) : "the register";
  }
  /// "R2, which is pkt(off=14,r=0)"
  std::string reg_known() const {
    const Reg* r = reg();
    return r == nullptr || r->type == RegType::kNotInit
               ? reg_name()
               : fmt::format("{}, which is {},", reg_name(), reg_text(*r, failure_.state->depth(), failure_.object));
  }

  std::string access_word() const {
    switch (decoded().form) {
      case Form::kLoad: return "load";
      case Form::kCall: return "call";
      case Form::kAtomic:
      case Form::kAtomicFetch: return "atomic operation";
      default: return "store";
    }
  }
  std::string helper() const {
    const std::string_view name = helper_name(static_cast<u32>(insn().imm));
    return decoded().is_helper_call() && !name.empty() ? fmt::format("bpf_{}", name) : "the function";
  }

 private:
  std::optional<unsigned> memory_argument() const {
    for (unsigned r = 1; r <= 5; ++r) {
      const RegType type = failure_.state->reg(r).type;
      if (type == RegType::kMapValue || type == RegType::kMem || is_packet_pointer(type)) {
        return r;
      }
    }
    return std::nullopt;
  }

  const Failure& failure_;
};

/// What a rule says.
struct Words {
  std::string reason, suggestion;
  Focus focus;
};

/// By the first rule that knows the message; empty: none does.
Words words_for(const Refusal& refusal);

}  // namespace kiln::verifier
