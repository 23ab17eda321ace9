// SPDX-License-Identifier: Apache-2.0
//
// Route, source address and neighbour of a destination in the Environment's network.
//
// As Linux does it without policy rules: IPv4's local and main tables are one, IPv6's local table comes
// first; then the table called default. Nothing is cached and there is no path MTU discovery.
// Source: net/ipv4/fib_trie.c, fib_semantics.c, devinet.c, net/ipv6/route.c, addrconf.c, Linux 6.18.
#pragma once

#include <cstdint>
#include <optional>

#include <kiln/network.h>

namespace kiln {

struct FibQuery {
  IpAddress destination;
  std::optional<std::uint32_t> table;  ///< only this one
  std::uint32_t output = 0;            ///< 0, or the interface it has to leave by (IPv6: better leaves by)
  std::uint8_t tos = 0;                ///< IPv4
};

/// The longest prefix, then the lowest metric; a route of type kThrow counts as none. nullptr: there is none.
const Route* find_route(const Network& network, const FibQuery& query);

/// nullptr: none, or none that is reachable.
const Neighbour* find_neighbour(const Network& network, std::uint32_t ifindex, const IpAddress& address);

/// The source address of what leaves by `route`.
std::optional<IpAddress> source_address(const Network& network, const Route& route, const IpAddress& destination);

}  // namespace kiln
