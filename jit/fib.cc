// SPDX-License-Identifier: Apache-2.0
#include "fib.h"

#include <algorithm>

namespace kiln {
namespace {

/// Leading bits that two addresses of one family have in common.
std::uint32_t common_bits(const IpAddress& a, const IpAddress& b) {
  const std::uint32_t bits = a.is_v6 ? 128 : 32;
  for (std::uint32_t i = 0; i < bits / 8; ++i) {
    const auto differ = std::to_integer<unsigned>(a.bytes[i] ^ b.bytes[i]);
    if (differ != 0) {
      return i * 8 + static_cast<std::uint32_t>(__builtin_clz(differ)) - 24;
    }
  }
  return bits;
}

bool inside(const IpAddress& address, const IpPrefix& prefix) {
  return address.is_v6 == prefix.address.is_v6 && common_bits(address, prefix.address) >= prefix.length;
}

/// Kinds of route that have no interface to leave by.
bool is_reject(RouteType type) {
  return type == RouteType::kBlackhole || type == RouteType::kUnreachable || type == RouteType::kProhibit ||
         type == RouteType::kThrow;
}

bool fits(const Network& network, const Route& route, const FibQuery& query) {
  if (!inside(query.destination, route.destination)) {
    return false;
  }
  if (is_reject(route.type)) {
    return true;
  }
  const Interface* out = network.find(route.ifindex);
  const bool is_v4 = !query.destination.is_v6;
  const bool wrong_tos = is_v4 && route.tos != 0 && route.tos != (query.tos & 0xfc);
  const bool wrong_output = is_v4 && query.output != 0 && query.output != route.ifindex;
  return out != nullptr && out->is_up && !wrong_tos && !wrong_output;
}

/// Whether `a` comes before `b`, both of them fitting.
bool better(const Route& a, const Route& b, const FibQuery& query) {
  if (a.destination.length != b.destination.length) {
    return a.destination.length > b.destination.length;
  }
  if (!query.destination.is_v6) {
    if ((a.tos != 0) != (b.tos != 0)) {
      return a.tos != 0;
    }
    if (a.table != b.table) {
      return a.table > b.table;  // local before main
    }
  }
  if (a.metric != b.metric) {
    return a.metric < b.metric;
  }
  const bool a_leaves = a.ifindex == query.output, b_leaves = b.ifindex == query.output;
  return query.output != 0 && a_leaves && !b_leaves;
}

template <typename InTable>
const Route* best_route(const Network& network, const FibQuery& query, InTable&& in_table) {
  const Route* best = nullptr;
  for (const Route& route : network.routes) {
    if (in_table(route.table) && fits(network, route, query) && (best == nullptr || better(route, *best, query))) {
      best = &route;
    }
  }
  return best == nullptr || best->type == RouteType::kThrow ? nullptr : best;
}

bool is_link_local(const IpAddress& address) {
  return address.is_v6 && address.bytes[0] == std::byte{0xfe} && (address.bytes[1] & std::byte{0xc0}) == std::byte{0x80};
}

}  // namespace

const Route* find_route(const Network& network, const FibQuery& query) {
  const bool is_v4 = !query.destination.is_v6;
  const auto local_or_main = [](std::uint32_t table) { return table == kTableLocal || table == kTableMain; };
  if (query.table) {
    const std::uint32_t only = *query.table;
    return best_route(network, query, [&](std::uint32_t table) {
      return table == only || (is_v4 && local_or_main(table) && local_or_main(only));
    });
  }
  if (is_v4) {
    const Route* route = best_route(network, query, local_or_main);
    return route != nullptr ? route
                            : best_route(network, query, [](std::uint32_t table) { return table == kTableDefault; });
  }
  const Route* route = best_route(network, query, [](std::uint32_t table) { return table == kTableLocal; });
  return route != nullptr ? route : best_route(network, query, [](std::uint32_t table) { return table == kTableMain; });
}

const Neighbour* find_neighbour(const Network& network, std::uint32_t ifindex, const IpAddress& address) {
  const auto found = std::find_if(network.neighbours.begin(), network.neighbours.end(), [&](const Neighbour& one) {
    return one.ifindex == ifindex && one.address == address;
  });
  return found == network.neighbours.end() ? nullptr : &*found;
}

std::optional<IpAddress> source_address(const Network& network, const Route& route, const IpAddress& destination) {
  if (route.source) {
    return route.source;
  }
  const bool v6 = destination.is_v6;
  std::optional<IpAddress> chosen;
  const auto consider = [&](const Interface& interface) {
    for (const IpPrefix& own : interface.addresses) {
      if (own.address.is_v6 != v6 || (v6 && is_link_local(own.address) && !is_link_local(destination))) {
        continue;
      }
      if (!v6 && route.gateway && inside(*route.gateway, own)) {
        chosen = own.address;  // the gateway's own subnet
        return;
      }
      if (!chosen || (v6 && common_bits(own.address, destination) > common_bits(*chosen, destination))) {
        chosen = own.address;
      }
    }
  };
  if (const Interface* out = network.find(route.ifindex)) {
    consider(*out);
  }
  for (std::size_t i = 0; i < network.interfaces.size() && !chosen; ++i) {
    consider(network.interfaces[i]);
  }
  return chosen;
}

}  // namespace kiln
