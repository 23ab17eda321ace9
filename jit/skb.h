// SPDX-License-Identifier: Apache-2.0
//
// struct sk_buff, as far as programs on it can tell: struct __sk_buff in context memory, and what it does not show.
//
// As BPF_PROG_TEST_RUN makes one: linear, without a socket's checksum work, from the loopback device. Programs of the
// traffic classes see the Ethernet header, others start behind it. Source: uapi/linux/bpf.h (struct __sk_buff),
// net/bpf/test_run.c (bpf_prog_test_run_skb), Linux 6.18.
#pragma once

#include <cstdint>
#include <cstring>
#include <optional>

#include <kiln/program.h>

#include "frame_memory.h"

namespace kiln {

struct SkbField {
  static constexpr std::uint32_t kLen = 0, kPktType = 4, kMark = 8, kQueueMapping = 12, kProtocol = 16,
                                 kVlanPresent = 20, kVlanTci = 24, kVlanProto = 28, kPriority = 32,
                                 kIngressIfindex = 36, kIfindex = 40, kTcIndex = 44, kCb = 48, kHash = 68,
                                 kTcClassid = 72, kData = 76, kDataEnd = 80, kFamily = 88, kRemoteIp4 = 92,
                                 kLocalIp4 = 96, kRemoteIp6 = 100, kLocalIp6 = 116, kDataMeta = 140, kTstamp = 152,
                                 kWireLen = 160, kGsoSegs = 164, kSk = 168, kGsoSize = 176, kTstampType = 180,
                                 kHwtstamp = 184, kBytes = 192;
};

/// Room before a frame, in a window as long as the longest packet that helpers can make.
inline constexpr std::uint32_t kSkbHeadroom = 4096;
inline constexpr std::uint32_t kSkbMaxLength = 4 * 4096 - address::kTailReserved;  ///< BPF_SKB_MAX_LEN
inline constexpr std::uint32_t kSkbWindowBytes = kSkbHeadroom + kSkbMaxLength + 4096;

constexpr bool runs_on_skb(ProgramType type) {
  return type == ProgramType::kSchedCls || type == ProgramType::kSchedAct || type == ProgramType::kSocketFilter ||
         type == ProgramType::kCgroupSkb;
}
constexpr bool starts_at_mac(ProgramType type) {
  return type == ProgramType::kSchedCls || type == ProgramType::kSchedAct;
}

/// Ethernet protocol numbers as struct sk_buff has them: in network order.
inline constexpr std::uint16_t kProtocolIpv4 = 0x0008, kProtocolIpv6 = 0xdd86, kProtocolVlan = 0x0081,
                               kProtocolServiceVlan = 0xa888;

class Skb {
 public:
  /// \param frame  its window has kSkbWindowBytes, its context SkbField::kBytes. Outlives this.
  Skb(FrameMemory& frame, ProgramType type) : frame_(&frame), at_mac_(starts_at_mac(type)) {}

  /// Puts the frame into window and context. \param sk  what the field of that name holds.
  /// \errors kInput: Frame::context has a field that BPF_PROG_TEST_RUN does not let one set.
  Result<void> begin(const Frame& frame, std::uint64_t sk);

  /// The packet from its Ethernet header on, which for other than traffic classes is zeros.
  std::vector<std::byte> output() const;
  /// The context as BPF_PROG_TEST_RUN gives it back: mark, priority, cb and the like; the rest 0.
  std::vector<std::byte> context_output() const;

  std::uint32_t length() const { return frame_->position.end - frame_->position.data; }
  std::byte* data() const { return frame_->window + frame_->position.data; }
  std::byte* mac_data() const { return frame_->window + mac_; }
  std::byte* network_data() const { return frame_->window + network_; }
  const std::byte* end() const { return frame_->window + frame_->position.end; }
  /// Of the network header from where the program's data starts; may be negative.
  std::int64_t network_offset() const { return std::int64_t{network_} - frame_->position.data; }
  std::uint32_t mac_header_length() const { return network_ - mac_; }

  template <typename T = std::uint32_t>
  T get(std::uint32_t field) const {
    T value;
    std::memcpy(&value, reinterpret_cast<const std::byte*>(frame_->context) + field, sizeof(value));
    return value;
  }
  template <typename T>
  void set(std::uint32_t field, T value) {
    std::memcpy(reinterpret_cast<std::byte*>(frame_->context) + field, &value, sizeof(value));
  }
  std::uint16_t protocol() const { return static_cast<std::uint16_t>(get(SkbField::kProtocol)); }
  void set_protocol(std::uint16_t protocol) { set(SkbField::kProtocol, std::uint32_t{protocol}); }

  /// skb_get_hash(): the one that was set, or else one of the flow (Kiln's own: Linux's has a secret).
  std::uint32_t hash();
  void set_hash(std::uint32_t hash);
  void clear_hash();

  // Moving parts. `offset` is from the start of the data. All of them make the packet's old addresses wrong.
  /// Zeros of `bytes` at `offset`; what is before moves. Headers move along.
  void push(std::uint32_t offset, std::uint32_t bytes);
  /// Takes `bytes` out at `offset`. REQUIRES: they are there.
  void pop(std::uint32_t offset, std::uint32_t bytes);
  /// Zeros in front; only the MAC header moves.
  void push_head(std::uint32_t bytes);
  void set_length(std::uint32_t bytes);  ///< cuts, or appends zeros
  /// Puts a VLAN tag into the packet; the network header is the tag then.
  void insert_tag(std::uint16_t protocol, std::uint16_t tci);
  /// Takes it out again. \return its TCI, in host order.
  std::uint16_t remove_tag();
  void set_network_offset(std::uint32_t offset) { network_ = frame_->position.data + offset; }
  void set_transport_offset(std::uint32_t offset) { transport_ = frame_->position.data + offset; }
  std::optional<std::int64_t> transport_offset() const {
    return transport_ ? std::optional(std::int64_t{*transport_} - frame_->position.data) : std::nullopt;
  }

  std::optional<std::uint32_t> checksum_level;  ///< CHECKSUM_UNNECESSARY and its level
  bool encapsulated = false;

 private:
  void make_headroom(std::uint32_t bytes);
  void publish();
  void classify(const Frame& frame);

  FrameMemory* frame_;
  bool at_mac_;
  bool has_hash_ = false;
  std::uint32_t mac_ = 0, network_ = 0;  ///< offsets in the window
  std::optional<std::uint32_t> transport_;
};

}  // namespace kiln
