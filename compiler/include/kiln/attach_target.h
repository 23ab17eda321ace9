// SPDX-License-Identifier: Apache-2.0
//
// The function of the kernel that a tracing or LSM program is for, as its section names it.
#pragma once

#include <string_view>

#include <kiln/program.h>

namespace kiln {

/// "f" of "fentry/f"; empty: the section names none, or programs of its type have none.
std::string_view attach_target(const Program& program);

}  // namespace kiln
