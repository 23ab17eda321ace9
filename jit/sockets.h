// SPDX-License-Identifier: Apache-2.0
//
// The sockets that programs get to see, as struct bpf_sock in memory: the packet's own, then the Environment's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include <kiln/network.h>

namespace kiln {

class SocketTable {
 public:
  static constexpr std::size_t kBytes = 80;  ///< sizeof(struct bpf_sock)

  static std::size_t bytes(const std::vector<Socket>& sockets) { return (sockets.size() + 1) * kBytes; }
  /// \param memory  bytes(sockets) or more. Both outlive this.
  SocketTable(const std::vector<Socket>& sockets, std::span<std::byte> memory);

  /// Whether a socket is at this offset of the memory.
  bool is_socket(std::size_t offset) const { return offset % kBytes == 0 && offset < bytes(sockets_); }
  /// Offset of the packet's own socket, which begin_packet() makes.
  static constexpr std::size_t kOwn = 0;
  /// Gives the packet's own socket the packet's addresses. \param family  0, AF_INET, AF_INET6.
  void begin_packet(std::uint32_t family, const std::byte* local, const std::byte* remote);

  struct Query {
    std::uint8_t protocol = 6;
    IpAddress from, to;  ///< as in the packet: `to` is the socket's own side
    std::uint16_t from_port = 0, to_port = 0;  ///< host order
    std::uint32_t ifindex = 0;
  };
  /// The connected socket of that flow, else the one that listens best. \return its offset in the memory.
  std::optional<std::size_t> find(const Query& query) const;
  /// The socket at an offset, or nullptr for the packet's own.
  const Socket* at(std::size_t offset) const { return offset < kBytes ? nullptr : &sockets_[offset / kBytes - 1]; }

 private:
  const std::vector<Socket>& sockets_;
  std::span<std::byte> memory_;
};

}  // namespace kiln
