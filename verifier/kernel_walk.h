// SPDX-License-Identifier: Apache-2.0
//
// What lies at an offset of a structure that BTF describes: a number, or a pointer and how far it may be trusted.
// Nothing of a path is known here.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <kiln/btf.h>

namespace kiln::verifier {

struct Walked {
  enum class Kind : std::uint8_t { kRefused, kNumber, kPointer, kAnyPointer };
  Kind kind = Kind::kRefused;
  std::uint32_t target = 0;  ///< kPointer: the struct pointed at
  unsigned flags = 0;        ///< kPointer: kUser, kPerCpu, kRcu as its type is tagged; kUntrusted: from a union
  std::string_view field;    ///< kPointer: the member that holds it
  std::string error;         ///< kRefused: the reason
};

/// \param flexible  an array without a length at the end goes on as far as one likes.
/// \source btf_struct_walk() of the kernel
Walked walk_struct(const Btf& btf, std::uint32_t type, std::uint32_t off, std::uint32_t bytes, bool flexible);

/// Fields that the kernel vouches for: its BTF lists those of struct X as the members of struct X__safe_rcu and so on.
class VouchedFields {
 public:
  /// \param list  "__safe_rcu", "__safe_trusted", ..
  bool has(const Btf& kernel, std::uint32_t type, const Walked& walked, std::string_view list);

 private:
  std::vector<std::uint32_t> lists_;  ///< all such structs of the one kernel that is asked about
  bool found_ = false;
};

}  // namespace kiln::verifier
