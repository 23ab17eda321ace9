// SPDX-License-Identifier: Apache-2.0
//
// Source: struct bpf_sock in uapi/linux/bpf.h; compute_score() in net/ipv4/inet_hashtables.c and net/ipv4/udp.c, Linux 6.18.
#include "sockets.h"

#include <algorithm>
#include <cstring>

namespace kiln {
namespace {

// Offsets in struct bpf_sock.
constexpr std::size_t kBoundIfindex = 0, kFamily = 4, kType = 8, kProtocol = 12, kMark = 16, kPriority = 20,
                      kSrcIp4 = 24, kSrcIp6 = 28, kSrcPort = 44, kDstPort = 48, kDstIp4 = 52, kDstIp6 = 56, kState = 72,
                      kRxQueue = 76;
constexpr std::uint32_t kInet = 2, kInet6 = 10, kStream = 1, kDatagram = 2, kTcp = 6, kClosed = 7;

template <typename T>
void put(std::byte* base, std::size_t offset, T value) {
  std::memcpy(base + offset, &value, sizeof(value));
}

void put_address(std::byte* base, std::size_t ip4, std::size_t ip6, bool v6, const std::byte* address) {
  std::memcpy(base + (v6 ? ip6 : ip4), address, v6 ? 16 : 4);
}

void write_socket(std::byte* to, const Socket& socket) {
  const bool v6 = socket.local.is_v6;
  put(to, kBoundIfindex, socket.bound_ifindex);
  put(to, kFamily, v6 ? kInet6 : kInet);
  put(to, kType, socket.protocol == kTcp ? kStream : kDatagram);
  put(to, kProtocol, std::uint32_t{socket.protocol});
  put(to, kMark, socket.mark);
  put(to, kPriority, socket.priority);
  put_address(to, kSrcIp4, kSrcIp6, v6, socket.local.bytes.data());
  put_address(to, kDstIp4, kDstIp6, v6, socket.remote.bytes.data());
  put(to, kSrcPort, std::uint32_t{socket.local_port});
  put(to, kDstPort, __builtin_bswap16(socket.remote_port));  // network order, then two bytes of zeros
  put(to, kState, socket.state);
  put(to, kRxQueue, ~std::uint32_t{0});  // none
}

bool is_any(const IpAddress& address) {
  return std::all_of(address.bytes.begin(), address.bytes.end(), [](std::byte b) { return b == std::byte{0}; });
}

/// How well a socket takes a flow; -1: not at all. Connected beats bound beats listening on every address.
int score(const Socket& socket, const SocketTable::Query& query) {
  const bool same_family = socket.local.is_v6 == query.to.is_v6;
  const bool dual_stack = socket.local.is_v6 && !query.to.is_v6 && is_any(socket.local);
  if (socket.protocol != query.protocol || socket.local_port != query.to_port || (!same_family && !dual_stack) ||
      (socket.bound_ifindex != 0 && socket.bound_ifindex != query.ifindex)) {
    return -1;
  }
  const bool is_connected = socket.remote_port != 0;
  if (is_connected && (socket.remote != query.from || socket.remote_port != query.from_port || socket.local != query.to)) {
    return -1;
  }
  if (!is_any(socket.local) && socket.local != query.to) {
    return -1;
  }
  return (is_connected ? 8 : 0) + (is_any(socket.local) ? 0 : 4) + (socket.bound_ifindex != 0 ? 2 : 0) +
         (same_family ? 1 : 0);
}

}  // namespace

SocketTable::SocketTable(const std::vector<Socket>& sockets, std::span<std::byte> memory)
    : sockets_(sockets), memory_(memory.first(bytes(sockets))) {
  for (std::size_t i = 0; i < sockets.size(); ++i) {
    write_socket(memory_.data() + (i + 1) * kBytes, sockets[i]);
  }
}

void SocketTable::begin_packet(std::uint32_t family, const std::byte* local, const std::byte* remote) {
  std::byte* own = memory_.data() + kOwn;
  std::memset(own, 0, kBytes);
  put(own, kFamily, family);
  put(own, kState, kClosed);
  put(own, kRxQueue, ~std::uint32_t{0});
  if (family != 0) {
    put_address(own, kSrcIp4, kSrcIp6, family == kInet6, local);
    put_address(own, kDstIp4, kDstIp6, family == kInet6, remote);
  }
}

std::optional<std::size_t> SocketTable::find(const Query& query) const {
  std::optional<std::size_t> best;
  int best_score = -1;
  for (std::size_t i = 0; i < sockets_.size(); ++i) {
    if (const int points = score(sockets_[i], query); points > best_score) {
      best_score = points;
      best = (i + 1) * kBytes;
    }
  }
  return best;
}

}  // namespace kiln
