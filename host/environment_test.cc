// SPDX-License-Identifier: Apache-2.0
//
// Environments from files: what is read, and what is refused with which words.
#include <gtest/gtest.h>

#include <kiln/environment_file.h>

namespace kiln {
namespace {

constexpr const char* kLinks = R"([{"ifindex":1,"ifname":"lo","flags":["LOOPBACK","UP"],"mtu":65536,"address":"00:00:00:00:00:00"},
  {"ifindex":3,"ifname":"eth1","flags":["BROADCAST","UP"],"mtu":1400,"address":"02:00:00:00:00:07",
   "addr_info":[{"family":"inet","local":"10.0.0.1","prefixlen":24},{"family":"inet6","local":"2001:db8::1","prefixlen":64}]},
  {"ifindex":4,"ifname":"down0","flags":[],"address":"02:00:00:00:00:08","forwards_v4":false}])";

std::string error_of(Result<void> result) { return result ? "" : result.error().message; }

TEST(EnvironmentFile, ReadsEveryMember) {
  Environment e;
  const auto read = read_environment(e, R"({"clock_ns": 5, "clock_step_ns": 6, "boot_offset_ns": 7, "tai_offset_ns": 8,
    "hz": 250, "random_seed": 9, "cpu": 1, "cpu_count": 2, "numa_node": 3, "syncookie_key": [4, 5, 6, 7],
    "task": {"pid": 10, "tgid": 11, "uid": 12, "gid": 13, "comm": "sshd", "cgroup_id": 14},
    "sockets": [{"local": "10.0.0.1", "local_port": 80}, {"protocol": "udp", "local": "::1", "local_port": 53},
                {"local": "10.0.0.1", "local_port": 80, "remote": "10.0.0.2", "remote_port": 999, "mark": 5}]})");
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(e.clock_ns, 5u);
  EXPECT_EQ(e.hz, 250u);
  EXPECT_EQ(e.cpu, 1u);
  EXPECT_EQ(e.numa_node, 3u);
  EXPECT_EQ(e.syncookie_key[3], 7u);
  EXPECT_EQ(e.task.comm, "sshd");
  EXPECT_EQ(e.task.cgroup_id, 14u);
  ASSERT_EQ(e.network.sockets.size(), 3u);
  EXPECT_EQ(e.network.sockets[0].state, 10u);
  EXPECT_EQ(e.network.sockets[1].protocol, 17u);
  EXPECT_TRUE(e.network.sockets[1].local.is_v6);
  EXPECT_EQ(e.network.sockets[2].state, 1u);
}

TEST(EnvironmentFile, ReadsWhatIpPrints) {
  Environment e;
  ASSERT_EQ(error_of(read_links(e, kLinks)), "");
  ASSERT_EQ(e.network.interfaces.size(), 3u);
  EXPECT_EQ(e.network.find(3)->mtu, 1400u);
  EXPECT_EQ(e.network.find(3)->addresses[1].length, 64u);
  EXPECT_FALSE(e.network.find(4)->is_up);
  EXPECT_FALSE(e.network.find(4)->forwards_v4);
  ASSERT_EQ(error_of(read_routes(e, R"([{"dst":"default","gateway":"10.0.0.9","dev":"eth1","flags":[]},
    {"dst":"10.0.0.0/24","dev":"eth1","prefsrc":"10.0.0.1","metric":5,"metrics":[{"mtu":1300}]},
    {"type":"blackhole","dst":"10.9.0.0/16","table":"77","flags":[]},
    {"dst":"10.8.0.0/16","via":{"family":"inet6","host":"fe80::1"},"dev":"eth1"},
    {"dst":"10.7.0.0/16","nexthops":[{"gateway":"10.0.0.5","dev":"eth1"},{"gateway":"10.0.0.6","dev":"eth1"}]},
    {"dst":"10.6.0.0/16","dev":"eth1","flags":["dead"]}])")), "");
  ASSERT_EQ(error_of(read_routes(e, R"([{"dst":"default","dev":"eth1"},{"dst":"2001:db8::/32","dev":"eth1"}])")), "");
  const auto& routes = e.network.routes;
  ASSERT_EQ(routes.size(), 7u);
  EXPECT_EQ(routes[0].destination.length, 0u);
  EXPECT_EQ(routes[0].ifindex, 3u);
  EXPECT_EQ(routes[1].mtu, 1300u);
  EXPECT_EQ(routes[1].metric, 5u);
  EXPECT_EQ(routes[2].type, RouteType::kBlackhole);
  EXPECT_EQ(routes[2].table, 77u);
  EXPECT_TRUE(routes[3].gateway->is_v6);
  EXPECT_EQ(routes[4].gateway, *parse_ip("10.0.0.5"));
  EXPECT_TRUE(routes[5].destination.address.is_v6);
  ASSERT_EQ(error_of(read_neighbours(e, R"([{"dst":"10.0.0.9","dev":"eth1","lladdr":"02:00:00:00:00:09","state":["REACHABLE"]},
    {"dst":"10.0.0.8","dev":"eth1","state":["FAILED"]}])")), "");
  ASSERT_EQ(e.network.neighbours.size(), 1u);
  EXPECT_EQ(e.network.neighbours[0].mac[5], std::byte{9});
}

TEST(EnvironmentFile, RefusesWhatDoesNotFit) {
  const auto refused = [](std::string_view json) {
    Environment e;
    return error_of(read_environment(e, json));
  };
  EXPECT_EQ(refused("nonsense"), "environment is not an object");
  EXPECT_EQ(refused(R"({"clock": 1})"), "environment: clock is not known");
  EXPECT_EQ(refused(R"({"hz": 0})"), "environment: hz is not 1 to 1000000000");
  EXPECT_EQ(refused(R"({"hz": -1})"), "environment: hz is not a number up to 4294967295");
  EXPECT_EQ(refused(R"({"cpu": 1})"), "environment: cpu is not below cpu_count");
  EXPECT_EQ(refused(R"({"possible_cpus": 8193})"), "environment: possible_cpus is above 8192");
  EXPECT_EQ(refused(R"({"random_seed": 0})"), "environment: random_seed is 0, from which no random numbers come");
  EXPECT_EQ(refused(R"({"task": {"comm": 5}})"), "task: comm is not a string");
  EXPECT_EQ(refused(R"({"sockets": [{"local": "10.0.0.300"}]})"), "socket 0: local: '10.0.0.300' is not an IP address");
  EXPECT_EQ(refused(R"({"links": [{"ifname": "x"}]})"), "link 0 needs ifindex and ifname");
  EXPECT_EQ(refused(R"({"routes": [{"dst": "10.0.0.0/8", "dev": "eth9"}]})"),
            "route 0: there is no interface 'eth9' (give --links what `ip -j addr` prints)");
  EXPECT_EQ(refused(R"({"routes": [{"dst": "10.0.0.0/33", "dev": "lo"}]})"), "route 0: '10.0.0.0/33' is not a prefix");
  EXPECT_EQ(refused(R"({"routes": {}})"), "not a JSON array of routes, as ip -j prints it");
  EXPECT_EQ(refused(R"({"neighbours": [{"dst": "10.0.0.1", "dev": "lo", "lladdr": "zz"}]})"),
            "neighbour 0: 'zz' is not an Ethernet address");
}

/// What can't be read changes nothing.
TEST(EnvironmentFile, FailureLeavesItAlone) {
  Environment e;
  EXPECT_FALSE(read_environment(e, R"({"clock_ns": 77, "task": {"pid": "x"}})"));
  EXPECT_EQ(e.clock_ns, Environment().clock_ns);
}

}  // namespace
}  // namespace kiln
