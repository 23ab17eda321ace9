// SPDX-License-Identifier: Apache-2.0
//
// Interfaces, routes and neighbours as `ip -j` prints them. Members that mean nothing here are passed over;
// a route over several next hops keeps the first, one that is dead is left out, and so are neighbours
// without a usable address.
#include <arpa/inet.h>

#include <charconv>
#include <cstring>

#include <fmt/format.h>

#include <kiln/environment_file.h>

#include "json_fields.h"

namespace kiln {
namespace {

using Json = JsonFields::Json;

Error bad(std::string message) { return Error{Errc::kInput, std::move(message)}; }

/// The rows of an array. iproute2 prints an empty object among them now and then.
Result<std::vector<Json>> rows_of(std::string_view text, const char* what) {
  Json json = Json::parse(text, nullptr, false);
  if (!json.is_array()) {
    return bad(fmt::format("not a JSON array of {}s, as ip -j prints it", what));
  }
  std::vector<Json> rows;
  for (Json& row : json) {
    if (!row.is_object()) {
      return bad(fmt::format("{} {}: is not an object", what, rows.size()));
    }
    if (!row.empty()) {
      rows.push_back(std::move(row));
    }
  }
  return rows;
}

Result<MacAddress> parse_mac(const std::string& text) {
  MacAddress mac{};
  unsigned byte[6] = {};
  char more = 0;
  if (std::sscanf(text.c_str(), "%2x:%2x:%2x:%2x:%2x:%2x%c", &byte[0], &byte[1], &byte[2], &byte[3], &byte[4], &byte[5],
                  &more) != 6) {
    return bad(fmt::format("'{}' is not an Ethernet address", text));
  }
  for (std::size_t i = 0; i < mac.size(); ++i) {
    mac[i] = static_cast<std::byte>(byte[i]);
  }
  return mac;
}

/// "10.0.0.0/8", "10.0.0.1", "fe80::/64".
Result<IpPrefix> parse_prefix(const std::string& text) {
  const std::size_t slash = text.find('/');
  auto address = parse_ip(std::string_view(text).substr(0, slash));
  if (!address) {
    return address.error();
  }
  const std::uint32_t bits = address->is_v6 ? 128 : 32;
  IpPrefix prefix{.address = *address, .length = bits};
  if (slash != std::string::npos) {
    const char* end = text.data() + text.size();
    const auto [at, error] = std::from_chars(text.data() + slash + 1, end, prefix.length);
    if (error != std::errc() || at != end || prefix.length > bits) {
      return bad(fmt::format("'{}' is not a prefix", text));
    }
  }
  return prefix;
}

bool has_flag(const Json* flags, std::string_view flag) {
  if (flags != nullptr && flags->is_array()) {
    for (const Json& one : *flags) {
      if (one.is_string() && one.get_ref<const std::string&>() == flag) {
        return true;
      }
    }
  }
  return false;
}

Result<std::uint32_t> ifindex_of(const Environment& environment, const std::string& name, const std::string& what) {
  for (const Interface& interface : environment.network.interfaces) {
    if (interface.name == name) {
      return interface.ifindex;
    }
  }
  return bad(fmt::format("{}: there is no interface '{}' (give --links what `ip -j addr` prints)", what, name));
}

Result<RouteType> route_type(const std::string& name) {
  static constexpr const char* kNames[] = {"unicast",   "local",       "broadcast", "anycast", "multicast",
                                           "blackhole", "unreachable", "prohibit",  "throw"};
  for (std::size_t i = 0; i < std::size(kNames); ++i) {
    if (name == kNames[i] || name == std::to_string(i + 1)) {  // ip -N prints RTN_*
      return static_cast<RouteType>(i);
    }
  }
  return bad(fmt::format("no route type '{}'", name));
}

Result<std::uint32_t> route_table(const std::string& name) {
  if (name == "main" || name == "local" || name == "default") {
    return name == "main" ? kTableMain : name == "local" ? kTableLocal : kTableDefault;
  }
  std::uint32_t number = 0;
  const auto [at, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (error != std::errc() || at != name.data() + name.size()) {
    return bad(fmt::format("'{}' is no table's number (ip -N prints numbers)", name));
  }
  return number;
}

/// {"family": "inet6", "host": "fe80::1"}: a gateway of the other family.
std::string via_host(const Json* via) {
  if (via == nullptr || !via->is_object() || !via->contains("host") || !(*via)["host"].is_string()) {
    return "";
  }
  return (*via)["host"].get<std::string>();
}

/// Takes gateway and device, from the route itself or from its first next hop.
Result<void> read_hop(const Environment& environment, const Json& row, const std::string& what, Route& route) {
  JsonFields fields(row, what);
  std::string gateway, device;
  fields.get("gateway", gateway);
  fields.get("dev", device);
  const Json* via = fields.member("via");
  KILN_TRY(fields.done(false));
  if (gateway.empty()) {
    gateway = via_host(via);
  }
  if (!gateway.empty()) {
    auto address = parse_ip(gateway);
    if (!address) {
      return address.error();
    }
    route.gateway = *address;
  }
  if (!device.empty()) {
    auto ifindex = ifindex_of(environment, device, what);
    if (!ifindex) {
      return ifindex.error();
    }
    route.ifindex = *ifindex;
  }
  return {};
}

std::uint32_t metric_mtu(const Json* metrics) {
  if (metrics != nullptr && metrics->is_array()) {
    for (const Json& one : *metrics) {
      if (one.is_object() && one.contains("mtu") && one["mtu"].is_number_unsigned()) {
        return one["mtu"].get<std::uint32_t>();
      }
    }
  }
  return 0;
}

/// Is a "default" of this list IPv6, when its gateway does not say?
bool mostly_v6(const std::vector<Json>& rows) {
  bool any_v6 = false, any_v4 = false;
  for (const Json& row : rows) {
    const std::string dst = row.contains("dst") && row["dst"].is_string() ? row["dst"].get<std::string>() : "";
    any_v6 |= dst.find(':') != std::string::npos;
    any_v4 |= dst.find('.') != std::string::npos;
  }
  return any_v6 && !any_v4;
}

Result<Route> read_route(const Environment& environment, const Json& row, const std::string& what, bool v6_default) {
  JsonFields fields(row, what);
  std::string dst, type = "unicast", table = "main", source, tos;
  Route route;
  fields.get("dst", dst);
  fields.get("type", type);
  fields.get("prefsrc", source);
  fields.get("metric", route.metric);
  fields.get("tos", tos);
  if (const Json* named = fields.member("table"); named != nullptr) {
    table = named->is_string() ? named->get<std::string>() : named->dump();
  }
  route.mtu = metric_mtu(fields.member("metrics"));
  const Json* hops = fields.member("nexthops");
  KILN_TRY(fields.done(false));
  const bool several = hops != nullptr && hops->is_array() && !hops->empty();
  KILN_TRY(read_hop(environment, several ? hops->front() : row, what, route));
  if (dst == "default") {
    const bool v6 = route.gateway ? route.gateway->is_v6 : v6_default;
    route.destination.address.is_v6 = v6;
  } else {
    auto prefix = parse_prefix(dst);
    if (!prefix) {
      return bad(what + ": " + prefix.error().message);
    }
    route.destination = *prefix;
  }
  auto kind = route_type(type);
  auto number = route_table(table);
  if (!kind || !number) {
    return bad(what + ": " + (!kind ? kind.error() : number.error()).message);
  }
  route.type = *kind;
  route.table = *number;
  route.tos = static_cast<std::uint8_t>(std::strtoul(tos.c_str(), nullptr, 0));
  if (!source.empty()) {
    auto address = parse_ip(source);
    if (!address) {
      return address.error();
    }
    route.source = *address;
  }
  return route;
}

}  // namespace

Result<IpAddress> parse_ip(std::string_view text) {
  IpAddress address;
  const std::string copy(text);
  address.is_v6 = copy.find(':') != std::string::npos;
  if (::inet_pton(address.is_v6 ? AF_INET6 : AF_INET, copy.c_str(), address.bytes.data()) != 1) {
    return bad(fmt::format("'{}' is not an IP address", copy));
  }
  return address;
}

Result<void> read_links(Environment& environment, std::string_view json) {
  auto rows = rows_of(json, "link");
  if (!rows) {
    return rows.error();
  }
  std::vector<Interface> interfaces;
  for (std::size_t i = 0; i < rows->size(); ++i) {
    JsonFields fields((*rows)[i], fmt::format("link {}", i));
    Interface& interface = interfaces.emplace_back();
    std::string mac = "00:00:00:00:00:00";
    interface.ifindex = 0;
    fields.get("ifindex", interface.ifindex);
    fields.get("ifname", interface.name);
    fields.get("mtu", interface.mtu);
    fields.get("address", mac);
    fields.get("forwards_v4", interface.forwards_v4);
    fields.get("forwards_v6", interface.forwards_v6);
    const Json* flags = fields.member("flags");
    interface.is_up = flags == nullptr || has_flag(flags, "UP");
    if (interface.ifindex == 0 || interface.name.empty()) {
      fields.fail("", "needs ifindex and ifname");
    }
    if (const Json* addresses = fields.member("addr_info"); addresses != nullptr && addresses->is_array()) {
      for (const Json& one : *addresses) {
        JsonFields info(one, fmt::format("address of {}", interface.name));
        std::string local;
        IpPrefix prefix;
        info.get("local", local);
        info.get("prefixlen", prefix.length);
        KILN_TRY(info.done(false));
        auto address = parse_ip(local);
        if (!address) {
          return address.error();
        }
        prefix.address = *address;
        interface.addresses.push_back(prefix);
      }
    }
    KILN_TRY(fields.done(false));
    auto parsed = parse_mac(mac);
    interface.mac = parsed ? *parsed : MacAddress{};  // tunnels have other addresses
  }
  environment.network.interfaces = std::move(interfaces);
  return {};
}

Result<void> read_routes(Environment& environment, std::string_view json) {
  auto rows = rows_of(json, "route");
  if (!rows) {
    return rows.error();
  }
  const bool v6_default = mostly_v6(*rows);
  std::vector<Route> routes;
  for (std::size_t i = 0; i < rows->size(); ++i) {
    const Json& row = (*rows)[i];
    if (row.contains("flags") && has_flag(&row["flags"], "dead")) {
      continue;
    }
    auto route = read_route(environment, row, fmt::format("route {}", i), v6_default);
    if (!route) {
      return route.error();
    }
    routes.push_back(std::move(*route));
  }
  auto& all = environment.network.routes;
  all.insert(all.end(), routes.begin(), routes.end());
  return {};
}

Result<void> read_neighbours(Environment& environment, std::string_view json) {
  auto rows = rows_of(json, "neighbour");
  if (!rows) {
    return rows.error();
  }
  std::vector<Neighbour> neighbours;
  for (std::size_t i = 0; i < rows->size(); ++i) {
    const std::string what = fmt::format("neighbour {}", i);
    JsonFields fields((*rows)[i], what);
    std::string dst, device, mac;
    fields.get("dst", dst);
    fields.get("dev", device);
    fields.get("lladdr", mac);
    const Json* state = fields.member("state");
    KILN_TRY(fields.done(false));
    if (mac.empty() || has_flag(state, "FAILED") || has_flag(state, "INCOMPLETE") || has_flag(state, "NONE")) {
      continue;
    }
    auto address = parse_ip(dst);
    auto link = parse_mac(mac);
    auto ifindex = ifindex_of(environment, device, what);
    if (!address || !link || !ifindex) {
      return bad(what + ": " + (!address ? address.error() : !link ? link.error() : ifindex.error()).message);
    }
    neighbours.push_back({.ifindex = *ifindex, .address = *address, .mac = *link});
  }
  auto& all = environment.network.neighbours;
  all.insert(all.end(), neighbours.begin(), neighbours.end());
  return {};
}

}  // namespace kiln
