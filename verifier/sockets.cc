// SPDX-License-Identifier: Apache-2.0
#include "sockets.h"

namespace kiln::verifier {
namespace {

// Offsets in struct bpf_sock (uapi/linux/bpf.h). Fields are four bytes, but for dst_port.
constexpr s64 kType = 8, kMark = 16, kPriority = 20, kSrcIp4 = 24;
constexpr s64 kDstPort = 48, kDstIp4 = 52, kSockEnd = 80;
constexpr u32 kWord = 4, kPortBytes = 2;

bool bpf_sock_load(s64 off, u32 bytes) {
  if (off < 0 || off >= kSockEnd || off % bytes != 0) {
    return false;
  }
  if (off >= kDstPort && off < kDstIp4) {
    return off < kDstPort + kPortBytes && (bytes == kWord || bytes <= kPortBytes);
  }
  const s64 field = off / kWord * kWord;
  const bool whole_only = field == 0 || field == kMark || field == kPriority;  // bound_dev_if, mark, priority
  if (whole_only) {
    return bytes == kWord;
  }
  // The scalar fields in front and behind are read from their start, addresses from any byte.
  const bool address = field >= kSrcIp4 && field < kDstPort - kWord;
  const bool far_address = field >= kDstIp4 && field < kSockEnd - 2 * kWord;
  return bytes <= kWord && (address || far_address || off == field);
}

// struct bpf_tcp_sock: four-byte fields, but for two counters.
constexpr s64 kBytesReceived = 80, kBytesAcked = 88, kTcpSockEnd = 112;

bool bpf_tcp_sock_load(s64 off, u32 bytes) {
  if (off < 0 || off >= kTcpSockEnd || off % bytes != 0) {
    return false;
  }
  return bytes == (off == kBytesReceived || off == kBytesAcked ? 2 * kWord : kWord);
}

}  // namespace

bool socket_load(RegType type, s64 off, u32 bytes) {
  switch (type) {
    case RegType::kSocket:
      return bpf_sock_load(off, bytes);
    case RegType::kSockCommon:
      return (off < kType || off >= kSrcIp4) && bpf_sock_load(off, bytes);
    case RegType::kTcpSock:
      return bpf_tcp_sock_load(off, bytes);
    case RegType::kXdpSock:
      return off == 0 && bytes == kWord;  // queue_id
    default:
      return false;
  }
}

}  // namespace kiln::verifier
