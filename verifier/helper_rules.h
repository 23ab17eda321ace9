// SPDX-License-Identifier: Apache-2.0
//
// What helpers.def does not say of a helper: which maps go with it, what no code here checks yet.
#pragma once

#include <string>
#include <string_view>

#include <kiln/helpers.h>
#include <kiln/program.h>

#include "tnum.h"

namespace kiln::verifier {

/// May the helper be called on a map of this type? Both ways: some maps are for few helpers, some
/// helpers for few maps.
bool fits_map(const HelperInfo& helper, MapType type);

/// May programs of the type update (or delete from) a map of sockets? Where they can't hold a socket's lock.
bool may_update_sockmap(ProgramType type, AttachType attach, bool deletes);

/// May programs that sleep use maps of this type?
bool is_for_sleepable(MapType type);

/// Programs may not change its values.
bool is_read_only(const MapSpec& map);

/// What of the helper this verifier can't follow ("its argument 1"); empty: nothing.
std::string not_followed(const HelperInfo& helper);

bool is_gpl_compatible(std::string_view license);


/// The kernel's struct that a result or an argument of such a kind points at; empty: none.
std::string_view result_struct(HelperResult result);
std::string_view argument_struct(HelperArg arg);

/// Do programs attached there have a result that others may have set?
bool has_retval(AttachType attach);

}  // namespace kiln::verifier
