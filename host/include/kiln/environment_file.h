// SPDX-License-Identifier: Apache-2.0
//
// An Environment from files: the project's own JSON, and what iproute2 prints (`ip -j`). See host/README.md.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <kiln/environment.h>
#include <kiln/result.h>

namespace kiln {

/// Sets what the text names; everything else stays.
/// \errors kInput: not JSON, an unknown member, a value that does not fit; the message names the member.
Result<void> read_environment(Environment& environment, std::string_view json);

// What `ip -j` prints, each in place of what was there. Devices must be among the interfaces.
Result<void> read_links(Environment& environment, std::string_view json);       ///< ip -j addr, ip -j link
Result<void> read_routes(Environment& environment, std::string_view json);      ///< ip -j route show table all; adds
Result<void> read_neighbours(Environment& environment, std::string_view json);  ///< ip -j neigh; adds

/// "10.0.0.1" or "fe80::1". \errors kInput.
Result<IpAddress> parse_ip(std::string_view text);

/// Where the parts of an environment come from on the command line; "" or empty: the default.
struct EnvironmentFiles {
  std::string environment;
  std::string links;
  std::vector<std::string> routes;
  std::vector<std::string> neighbours;
};
/// Reads them in that order. \errors kInput, with the file's name.
Result<void> read_environment_files(Environment& environment, const EnvironmentFiles& files);

}  // namespace kiln
