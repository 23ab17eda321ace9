// SPDX-License-Identifier: Apache-2.0
#include "skb.h"

#include <algorithm>

#include <fmt/format.h>

namespace kiln {
namespace {

constexpr std::uint32_t kEthernet = 14, kTag = 4;

template <typename T>
T load_at(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof(value));
  return value;
}

bool is_ether_type(std::uint16_t network_order) { return __builtin_bswap16(network_order) >= 0x600; }

/// What eth_type_trans() makes of a type or length field and what follows it.
std::uint16_t protocol_of(const std::byte* type_field, const std::byte* end) {
  constexpr std::uint16_t k8023 = 0x0100, k8022 = 0x0400;  // ETH_P_802_3, ETH_P_802_2 in network order
  const auto type = load_at<std::uint16_t>(type_field);
  if (is_ether_type(type)) {
    return type;
  }
  return end - type_field >= 4 && load_at<std::uint16_t>(type_field + 2) == 0xffff ? k8023 : k8022;
}

/// PACKET_HOST 0, BROADCAST 1, MULTICAST 2, OTHERHOST 3, for the loopback device, whose address is zeros.
std::uint32_t packet_type(const std::byte* destination) {
  constexpr std::array<std::byte, 6> kZeros{};
  if (std::equal(kZeros.begin(), kZeros.end(), destination)) {
    return 0;
  }
  if ((destination[0] & std::byte{1}) == std::byte{0}) {
    return 3;
  }
  return std::all_of(destination, destination + 6, [](std::byte b) { return b == std::byte{0xff}; }) ? 1 : 2;
}

/// What BPF_PROG_TEST_RUN lets one set, [from, to).
constexpr struct {
  std::uint32_t from, to;
} kSettable[] = {{SkbField::kMark, SkbField::kMark + 4},
                 {SkbField::kPriority, SkbField::kPriority + 4},
                 {SkbField::kIngressIfindex, SkbField::kIfindex + 4},
                 {SkbField::kCb, SkbField::kCb + 20},
                 {SkbField::kTstamp, SkbField::kTstamp + 8},
                 {SkbField::kWireLen, SkbField::kGsoSegs + 4},
                 {SkbField::kGsoSize, SkbField::kGsoSize + 4},
                 {SkbField::kHwtstamp, SkbField::kHwtstamp + 8}};

bool is_settable(std::uint32_t at) {
  return std::any_of(std::begin(kSettable), std::end(kSettable),
                     [at](const auto& range) { return at >= range.from && at < range.to; });
}

}  // namespace

Result<void> Skb::begin(const Frame& frame, std::uint64_t sk) {
  std::memset(frame_->context, 0, SkbField::kBytes);
  for (std::size_t i = 0; i < frame.context.size(); ++i) {
    if (frame.context[i] != std::byte{0} && (i >= SkbField::kBytes || !is_settable(static_cast<std::uint32_t>(i)))) {
      return Error{Errc::kInput, fmt::format("context byte {} is not one that can be set for a packet (struct __sk_buff: mark, "
                                             "priority, ifindex, cb, tstamp, wire_len, gso, hwtstamp)", i)};
    }
  }
  std::copy_n(frame.context.begin(), std::min<std::size_t>(frame.context.size(), SkbField::kBytes),
              reinterpret_cast<std::byte*>(frame_->context));
  checksum_level.reset();
  encapsulated = false;
  has_hash_ = false;
  transport_.reset();
  mac_ = kSkbHeadroom;
  network_ = mac_ + kEthernet;
  frame_->position.data = frame_->position.meta = at_mac_ ? mac_ : network_;
  frame_->position.end = mac_ + static_cast<std::uint32_t>(frame.data.size());
  std::copy(frame.data.begin(), frame.data.end(), frame_->window + mac_);
  classify(frame);
  set(SkbField::kSk, sk);
  if (get(SkbField::kWireLen) == 0) {
    set(SkbField::kWireLen, length());
  }
  publish();
  if (get(SkbField::kWireLen) < length()) {
    return Error{Errc::kInput, "wire_len in the context is less than the packet's length"};
  }
  return {};
}

/// Fields that follow from the packet's bytes and device.
void Skb::classify(const Frame& frame) {
  set_protocol(protocol_of(mac_data() + 12, end()));
  set(SkbField::kPktType, packet_type(mac_data()));
  if (get(SkbField::kIfindex) == 0) {
    set(SkbField::kIfindex, frame.ingress_ifindex);
  }
  // The socket that comes with it has the packet's addresses: its own is where the packet is from.
  const std::size_t network_bytes = static_cast<std::size_t>(end() - network_data());
  constexpr std::uint32_t kInet = 2, kInet6 = 10;
  if (protocol() == kProtocolIpv4 && network_bytes >= 20) {
    set(SkbField::kFamily, kInet);
    set(SkbField::kLocalIp4, load_at<std::uint32_t>(network_data() + 12));
    set(SkbField::kRemoteIp4, load_at<std::uint32_t>(network_data() + 16));
  } else if (protocol() == kProtocolIpv6 && network_bytes >= 40) {
    set(SkbField::kFamily, kInet6);
    set(SkbField::kLocalIp6, load_at<std::array<std::byte, 16>>(network_data() + 8));
    set(SkbField::kRemoteIp6, load_at<std::array<std::byte, 16>>(network_data() + 24));
  }
}

void Skb::publish() {
  frame_->publish();
  set(SkbField::kLen, length());
}

std::vector<std::byte> Skb::output() const {
  const std::size_t header = at_mac_ ? 0 : kEthernet;
  std::vector<std::byte> bytes(header + length());
  std::copy_n(data(), length(), bytes.data() + header);
  return bytes;
}

std::vector<std::byte> Skb::context_output() const {
  std::vector<std::byte> bytes(SkbField::kBytes);
  for (const auto& range : kSettable) {
    std::memcpy(bytes.data() + range.from, reinterpret_cast<const std::byte*>(frame_->context) + range.from,
                range.to - range.from);
  }
  return bytes;
}

std::uint32_t Skb::hash() {
  if (has_hash_) {
    return get(SkbField::kHash);
  }
  // FNV-1a over addresses, protocol and ports.
  std::uint32_t hash = 2166136261u;
  const auto take = [&](const std::byte* at, std::size_t bytes) {
    for (std::size_t i = 0; i < bytes && at + i < end(); ++i) {
      hash = (hash ^ std::to_integer<std::uint32_t>(at[i])) * 16777619u;
    }
  };
  const std::byte* ip = network_data();
  if (protocol() == kProtocolIpv4) {
    take(ip + 9, 1);
    take(ip + 12, 8);
    take(ip + 4 * (std::to_integer<std::size_t>(ip[0]) & 15), 4);
  } else if (protocol() == kProtocolIpv6) {
    take(ip + 6, 1);
    take(ip + 8, 36);
  } else {
    take(mac_data(), kEthernet);
  }
  set_hash(hash == 0 ? 1 : hash);
  return get(SkbField::kHash);
}

void Skb::set_hash(std::uint32_t hash) {
  has_hash_ = true;
  set(SkbField::kHash, hash);
}

void Skb::clear_hash() {
  has_hash_ = false;
  set(SkbField::kHash, std::uint32_t{0});
}

/// Moves the packet to the end of the window if there is too little room in front.
void Skb::make_headroom(std::uint32_t bytes) {
  FramePosition& position = frame_->position;
  const std::uint32_t first = std::min(position.data, mac_);
  if (first >= bytes) {
    return;
  }
  const std::uint32_t by = frame_->window_bytes - position.end;
  KILN_CHECK(first + by >= bytes);
  std::memmove(frame_->window + first + by, frame_->window + first, position.end - first);
  for (std::uint32_t* at : {&position.meta, &position.data, &position.end, &mac_, &network_}) {
    *at += by;
  }
  if (transport_) {
    *transport_ += by;
  }
}

void Skb::push(std::uint32_t offset, std::uint32_t bytes) {
  make_headroom(bytes);
  const bool together = transport_ == network_;
  FramePosition& position = frame_->position;
  position.data -= bytes;
  position.meta = position.data;
  std::memmove(data(), data() + bytes, offset);
  std::memset(data() + offset, 0, bytes);
  mac_ -= bytes;
  network_ -= bytes;
  if (together) {
    transport_ = network_;
  }
  publish();
}

void Skb::pop(std::uint32_t offset, std::uint32_t bytes) {
  const bool together = transport_ == network_;
  FramePosition& position = frame_->position;
  std::memmove(data() + bytes, data(), offset);
  position.data += bytes;
  position.meta = position.data;
  mac_ += bytes;
  network_ += bytes;
  if (together) {
    transport_ = network_;
  }
  publish();
}

void Skb::push_head(std::uint32_t bytes) {
  make_headroom(bytes);
  frame_->position.data -= bytes;
  frame_->position.meta = frame_->position.data;
  std::memset(data(), 0, bytes);
  mac_ = frame_->position.data;
  publish();
}

void Skb::set_length(std::uint32_t bytes) {
  FramePosition& position = frame_->position;
  if (position.data + bytes > frame_->window_bytes) {  // helpers have pushed and popped; back to the front
    const std::uint32_t first = std::min(position.data, mac_), by = first - kSkbHeadroom;
    std::memmove(frame_->window + kSkbHeadroom, frame_->window + first, position.end - first);
    for (std::uint32_t* at : {&position.meta, &position.data, &position.end, &mac_, &network_}) {
      *at -= by;
    }
    if (transport_) {
      *transport_ -= by;
    }
  }
  if (bytes > length()) {
    std::memset(frame_->window + position.end, 0, bytes - length());
  }
  position.end = position.data + bytes;
  publish();
}

void Skb::insert_tag(std::uint16_t protocol, std::uint16_t tci) {
  constexpr std::uint32_t kAddresses = 12;
  push(kAddresses, kTag);
  const auto big_endian = __builtin_bswap16(tci);
  std::memcpy(data() + kAddresses, &protocol, 2);
  std::memcpy(data() + kAddresses + 2, &big_endian, 2);
}

std::uint16_t Skb::remove_tag() {
  constexpr std::uint32_t kAddresses = 12;
  const auto tci = load_at<std::uint16_t>(data() + kAddresses + 2);
  const std::uint32_t network = network_;
  std::memmove(data() + kTag, data(), kAddresses);
  frame_->position.data += kTag;
  frame_->position.meta = frame_->position.data;
  mac_ += kTag;
  network_ = std::max(network, mac_ + kEthernet);
  set_protocol(protocol_of(data() + kAddresses, end()));
  publish();
  return __builtin_bswap16(tci);
}

}  // namespace kiln
