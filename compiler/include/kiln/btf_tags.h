// SPDX-License-Identifier: Apache-2.0
//
// Tags on declarations (btf_decl_tag), by which a program tells the verifier what a type can't say.
#pragma once

#include <string_view>
#include <vector>

#include <kiln/btf.h>

namespace kiln {

/// What stands behind `prefix` in the tags of a declaration, in the order of their ids.
/// \param owner  id of a struct, variable or function. \param component  its member or argument; -1: itself.
std::vector<std::string_view> declaration_tags(const Btf& btf, std::uint32_t owner, std::int32_t component,
                                               std::string_view prefix);

/// The subprogram that an exception thrown in a program ends in: tagged so on its main function.
inline constexpr std::string_view kExceptionCallbackTag = "exception_callback:";

}  // namespace kiln
