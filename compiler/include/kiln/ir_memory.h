// SPDX-License-Identifier: Apache-2.0
//
// Which memory accesses can be of the same bytes.
#pragma once

#include <optional>

#include <kiln/ir.h>

namespace kiln::ir {

/// The offset from R10, if the value is R10 plus a constant.
std::optional<std::int64_t> frame_offset(const Function& f, Id id);

/// A load, store or atomic, as far as others care. size 0: anything, anywhere (calls).
struct Access {
  Id base = kNone, index = kNone;
  std::uint8_t scale = 0;
  std::int64_t offset = 0;
  std::uint32_t size = 0;
  ValueKinds region = 0;
};
bool is_access(Op op);
/// REQUIRES: is_access(op), or a call.
Access access_of(const Function& f, Id id);
bool may_alias(const Access& a, const Access& b);

}  // namespace kiln::ir
