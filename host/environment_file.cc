// SPDX-License-Identifier: Apache-2.0
#include <kiln/environment_file.h>

#include <fmt/format.h>

#include <kiln/capture.h>

#include "json_fields.h"

namespace kiln {
namespace {

using Json = JsonFields::Json;

Result<void> read_task(const Json& json, Task& task) {
  JsonFields fields(json, "task");
  fields.get("pid", task.pid);
  fields.get("tgid", task.tgid);
  fields.get("uid", task.uid);
  fields.get("gid", task.gid);
  fields.get("comm", task.comm);
  fields.get("cgroup_id", task.cgroup_id);
  return fields.done(true);
}

Result<void> read_socket(const Json& json, const std::string& what, Socket& socket) {
  JsonFields fields(json, what);
  std::string protocol = "tcp", local, remote, state;
  fields.get("protocol", protocol);
  fields.get("local", local);
  fields.get("local_port", socket.local_port);
  fields.get("remote", remote);
  fields.get("remote_port", socket.remote_port);
  fields.get("state", state);
  fields.get("bound_ifindex", socket.bound_ifindex);
  fields.get("mark", socket.mark);
  fields.get("priority", socket.priority);
  if (protocol != "tcp" && protocol != "udp") {
    fields.fail("protocol", "is neither tcp nor udp");
  }
  if (!state.empty() && state != "listen" && state != "established") {
    fields.fail("state", "is neither listen nor established");
  }
  KILN_TRY(fields.done(true));
  auto here = parse_ip(local);
  if (!here) {
    return Error{Errc::kInput, what + ": local: " + here.error().message};
  }
  socket.local = *here;
  socket.remote.is_v6 = here->is_v6;
  if (!remote.empty()) {
    auto there = parse_ip(remote);
    if (!there || there->is_v6 != here->is_v6) {
      return Error{Errc::kInput, what + ": remote is not an address of local's family"};
    }
    socket.remote = *there;
  }
  socket.protocol = protocol == "tcp" ? 6 : 17;
  constexpr std::uint32_t kEstablished = 1, kClose = 7, kListen = 10;  // enum tcp_state
  const bool connected = !remote.empty();
  socket.state = state == "established" || (state.empty() && connected) ? kEstablished
                 : protocol == "udp"                                   ? kClose
                                                                       : kListen;
  return {};
}

Result<void> read_sockets(const Json& json, std::vector<Socket>& sockets) {
  if (!json.is_array()) {
    return Error{Errc::kInput, "sockets is not an array"};
  }
  std::vector<Socket> read(json.size());
  for (std::size_t i = 0; i < read.size(); ++i) {
    KILN_TRY(read_socket(json[i], fmt::format("socket {}", i), read[i]));
  }
  sockets = std::move(read);
  return {};
}

Result<void> read_key(const Json& json, std::array<std::uint64_t, 4>& key) {
  bool good = json.is_array() && json.size() == key.size();
  for (std::size_t i = 0; good && i < key.size(); ++i) {
    good = json[i].is_number_unsigned();
    key[i] = good ? json[i].get<std::uint64_t>() : 0;
  }
  return good ? Result<void>() : Result<void>(Error{Errc::kInput, "syncookie_key is not an array of four numbers"});
}

/// Member `name`, if it is there, through one of the readers for `ip -j`.
Result<void> read_part(JsonFields& fields, const char* name, Environment& environment,
                       Result<void> (*reader)(Environment&, std::string_view)) {
  const Json* part = fields.member(name);
  return part == nullptr ? Result<void>() : reader(environment, part->dump());
}

Result<void> read_file(Environment& environment, const std::string& path,
                       Result<void> (*reader)(Environment&, std::string_view)) {
  auto text = read_text(path);
  if (!text) {
    return text.error();
  }
  if (auto read = reader(environment, *text); !read) {
    return Error{read.error().code, path + ": " + read.error().message};
  }
  return {};
}

}  // namespace

Result<void> read_environment(Environment& out, std::string_view text) {
  const Json json = Json::parse(text, nullptr, false);
  Environment environment = out;
  JsonFields fields(json, "environment");
  fields.get("clock_ns", environment.clock_ns);
  fields.get("clock_step_ns", environment.clock_step_ns);
  fields.get("boot_offset_ns", environment.boot_offset_ns);
  fields.get("tai_offset_ns", environment.tai_offset_ns);
  fields.get("hz", environment.hz);
  fields.get("random_seed", environment.random_seed);
  fields.get("cpu", environment.cpu);
  fields.get("cpu_count", environment.cpu_count);
  fields.get("possible_cpus", environment.possible_cpus);
  fields.get("numa_node", environment.numa_node);
  if (environment.hz == 0 || environment.hz > 1'000'000'000) {
    fields.fail("hz", "is not 1 to 1000000000");
  }
  if (environment.random_seed == 0) {
    fields.fail("random_seed", "is 0, from which no random numbers come");
  }
  if (environment.cpu >= environment.cpu_count) {
    fields.fail("cpu", "is not below cpu_count");
  }
  if (environment.possible_cpus > 8192) {
    fields.fail("possible_cpus", "is above 8192");
  }
  if (const Json* task = fields.member("task")) {
    KILN_TRY(read_task(*task, environment.task));
  }
  if (const Json* sockets = fields.member("sockets")) {
    KILN_TRY(read_sockets(*sockets, environment.network.sockets));
  }
  if (const Json* key = fields.member("syncookie_key")) {
    KILN_TRY(read_key(*key, environment.syncookie_key));
  }
  KILN_TRY(read_part(fields, "links", environment, read_links));
  KILN_TRY(read_part(fields, "routes", environment, read_routes));
  KILN_TRY(read_part(fields, "neighbours", environment, read_neighbours));
  KILN_TRY(fields.done(true));
  out = std::move(environment);
  return {};
}

Result<void> read_environment_files(Environment& environment, const EnvironmentFiles& files) {
  if (!files.environment.empty()) {
    KILN_TRY(read_file(environment, files.environment, read_environment));
  }
  if (!files.links.empty()) {
    KILN_TRY(read_file(environment, files.links, read_links));
  }
  for (const std::string& routes : files.routes) {
    KILN_TRY(read_file(environment, routes, read_routes));
  }
  for (const std::string& neighbours : files.neighbours) {
    KILN_TRY(read_file(environment, neighbours, read_neighbours));
  }
  return {};
}

}  // namespace kiln
