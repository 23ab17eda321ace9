// SPDX-License-Identifier: Apache-2.0
//
// Operations of the kernel that programs implement (struct_ops): members of its structures that point to functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include <kiln/btf.h>

#include "state.h"

namespace kiln::verifier {

struct Operation {
  std::string type, member;  ///< "tcp_congestion_ops", "init"
  u32 proto = 0;             ///< FUNC_PROTO of the kernel's BTF
  u32 stub = 0;              ///< one whose arguments' names say more ("__nullable"); 0: none
};

/// \param hook  "STRUCT:MEMBER". \return the operation, or why it can't be one.
std::variant<Operation, std::string> find_operation(const Btf* kernel, std::string_view hook);

/// Why the program may not write there; empty: it may. \param type  a struct of the kernel's BTF.
std::string refuse_write(const Btf& kernel, const Operation& operation, u32 type, s64 off, u32 bytes);

}  // namespace kiln::verifier
