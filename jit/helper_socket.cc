// SPDX-License-Identifier: Apache-2.0
//
// Helpers of sockets: lookups in the Environment's table, and what can be done with one that was found.
//
// Source: net/core/filter.c (__bpf_skc_lookup, bpf_sk_release, bpf_sk_fullsock, bpf_get_listener_sock,
// bpf_sk_assign), Linux 6.18. There is one network namespace; every socket is a full one.
#include <cerrno>
#include <cstring>

#include "helper_runtime.h"

namespace kiln {
namespace {

constexpr std::uint8_t kTcp = 6, kUdp = 17;
constexpr std::uint32_t kListen = 10;  // TCP_LISTEN
constexpr std::uint32_t kTuple4 = 12, kTuple6 = 36;  // struct bpf_sock_tuple

std::uint64_t lookup(MachineState* machine, std::uint8_t protocol, std::uint64_t tuple, std::uint64_t size,
                     std::uint64_t netns, std::uint64_t flags) {
  constexpr std::uint64_t kMaxNetns = 0x7fffffff;
  HelperRuntime& m = runtime(machine);
  const auto bytes = static_cast<std::uint32_t>(size);
  const std::byte* at = m.read(tuple, bytes);
  if (at == nullptr || (bytes != kTuple4 && bytes != kTuple6)) {
    return 0;
  }
  const bool own_namespace = static_cast<std::int32_t>(netns) < 0;
  if (flags != 0 || !(own_namespace || netns <= kMaxNetns) || !own_namespace) {
    return 0;  // namespaces by number: there are none
  }
  const bool v6 = bytes == kTuple6;
  const std::size_t address_bytes = v6 ? 16 : 4;
  SocketTable::Query query{.protocol = protocol, .from = {.is_v6 = v6}, .to = {.is_v6 = v6}};
  std::memcpy(query.from.bytes.data(), at, address_bytes);
  std::memcpy(query.to.bytes.data(), at + address_bytes, address_bytes);
  std::uint16_t ports[2];
  std::memcpy(ports, at + 2 * address_bytes, sizeof(ports));
  query.from_port = __builtin_bswap16(ports[0]);
  query.to_port = __builtin_bswap16(ports[1]);
  query.ifindex = m.ingress_ifindex();
  const std::optional<std::size_t> found = m.sockets.find(query);
  return found ? m.memory.object(*found) : 0;
}

/// The socket that a register points to; nullptr for the packet's own and after fault().
const Socket* socket_of(HelperRuntime& m, std::uint64_t address) {
  const std::uint64_t offset = address - m.memory.object(0);
  if (!m.sockets.is_socket(offset)) {
    m.fault("not a socket");
    return nullptr;
  }
  return m.sockets.at(offset);
}

}  // namespace

KILN_DEFINE_HELPER(sk_lookup_tcp) { return lookup(machine, kTcp, r2, r3, r4, r5); }
KILN_DEFINE_HELPER(skc_lookup_tcp) { return lookup(machine, kTcp, r2, r3, r4, r5); }
KILN_DEFINE_HELPER(sk_lookup_udp) { return lookup(machine, kUdp, r2, r3, r4, r5); }

KILN_DEFINE_HELPER(sk_release) { return 0; }

KILN_DEFINE_HELPER(sk_fullsock) { return r1; }

KILN_DEFINE_HELPER(get_listener_sock) {
  const Socket* socket = socket_of(runtime(machine), r1);
  return socket != nullptr && socket->protocol == kTcp && socket->state == kListen ? r1 : 0;
}

/// Only before the packet goes up the stack, which BPF_PROG_TEST_RUN's does not.
KILN_DEFINE_HELPER(sk_assign) { return r2 == 0 || r3 != 0 ? negative(EINVAL) : negative(EOPNOTSUPP); }

}  // namespace kiln
