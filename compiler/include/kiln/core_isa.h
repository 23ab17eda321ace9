// SPDX-License-Identifier: Apache-2.0
//
// The core's own instructions and services (core_isa.def, core_services.def) as enumerations.
//
// What a word means is said in those tables and in rtl/core.md; here are only the names that the
// lowering, the listing and test models share.
#pragma once

#include <cstdint>

#include <kiln/isa.h>

namespace kiln {

/// Native instructions that are not BPF's; the value is the opcode.
enum class CoreOp : std::uint8_t {
#define KILN_CORE_INSN(name, opcode, meaning) name = opcode,
#include <kiln/core_isa.def>
};

/// Requests on the service port; the value is `off` of SVC.
enum class Service : std::uint8_t {
#define KILN_SERVICE(name, number, fields, result) name = number,
#include <kiln/core_services.def>
};

/// TRAP with this cause ends nothing: the thread's state goes to the host, which goes on (handover.h).
inline constexpr std::uint8_t kTrapHandover = 254;

/// Which of core_isa.def's rows a native word is, or nullptr-like `false`: then it is a BPF instruction.
constexpr bool is_core_insn(const Insn& word) {
  switch (word.opcode) {
#define KILN_CORE_INSN(name, opcode, meaning) case opcode:
#include <kiln/core_isa.def>
    return true;
    default:
      return false;
  }
}

}  // namespace kiln
