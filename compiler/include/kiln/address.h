// SPDX-License-Identifier: Apache-2.0
//
// The address space that BPF pointers live in on `interp` and `nic`: 32 bits, one region per tag.
//
// Every pointer fits in 32 bits, so `struct xdp_md`'s 32-bit data/data_end fields hold real
// pointers and no context access needs rewriting. Both engines use the same addresses and the same
// map arena, so registers can be compared one to one, pointers included. The JIT uses host
// addresses (its packet buffers lie below 4 GiB for the same reason).
// The constants reach the RTL through compiler/gen (rtl/gen/bpf_addr_pkg.sv).
#pragma once

#include <cstdint>

namespace kiln::address {

// Bits 31:28 of an address select the region; 0 is the null page and never valid.
inline constexpr std::uint32_t kTagShift = 28;
inline constexpr std::uint32_t kContext = 0x1000'0000;  ///< struct xdp_md, then hidden words (below)
inline constexpr std::uint32_t kStack = 0x2000'0000;    ///< 512 bytes, R10 = kStack + kStackBytes
inline constexpr std::uint32_t kPacket = 0x3000'0000;   ///< packet window: headroom, frame, tailroom
inline constexpr std::uint32_t kMap = 0x4000'0000;      ///< map arena, up to kMapMax bytes
inline constexpr std::uint32_t kMapMax = 0x4000'0000;   ///< tags 4..7
inline constexpr std::uint32_t kMapHandle = 0x8000'0000;  ///< | map index: what LD_IMM64 of a map gives
inline constexpr std::uint32_t kCode = 0x9000'0000;       ///< | slot index: callbacks, function pointers
inline constexpr std::uint32_t kObject = 0xa000'0000;     ///< what helpers hand out: sockets, keys for callbacks

inline constexpr std::uint32_t kStackBytes = 512;  ///< all frames of a call chain together, as in Linux

// Byte offsets in the context region. The first six are struct xdp_md (uapi/linux/bpf.h).
inline constexpr std::uint32_t kCtxData = 0;
inline constexpr std::uint32_t kCtxDataEnd = 4;
inline constexpr std::uint32_t kCtxDataMeta = 8;
inline constexpr std::uint32_t kCtxIngressIfindex = 12;
inline constexpr std::uint32_t kCtxRxQueueIndex = 16;
inline constexpr std::uint32_t kCtxEgressIfindex = 20;
inline constexpr std::uint32_t kCtxBytes = 24;  ///< what a program may see ends here
// Hidden words, for code that the NIC's lowering emits; no verified program reaches them.
inline constexpr std::uint32_t kCtxRedirect = 24;      ///< redirect target: ifindex, or key for a map
inline constexpr std::uint32_t kCtxRedirectMap = 28;   ///< map index + 1, or 0 for a plain ifindex
inline constexpr std::uint32_t kCtxZeroLow = 32;       ///< lowest packet address that holds defined bytes
inline constexpr std::uint32_t kCtxCpu = 36;           ///< processor number (core * threads + thread)
inline constexpr std::uint32_t kCtxTailCalls = 40;     ///< tail calls made for this frame
inline constexpr std::uint32_t kCtxReserved = 44;      ///< a sequence's own; at a hand-over the number of its point
inline constexpr std::uint32_t kCtxSave = 64;          ///< save area for calls: grows down from kCtxEnd
inline constexpr std::uint32_t kCtxHandover = 64;      ///< at a hand-over: R0 to R9, then native R11, 8 bytes each
inline constexpr std::uint32_t kCtxEnd = 512;          ///< context region ends; native R11 starts here

// Packet window, in the shape of BPF_PROG_TEST_RUN's page: 256 bytes of headroom, and 320 bytes at
// the end that Linux keeps for skb_shared_info. (net/bpf/test_run.c, include/net/xdp.h)
inline constexpr std::uint32_t kHeadroom = 256;        ///< XDP_PACKET_HEADROOM
inline constexpr std::uint32_t kHeadReserved = 40;     ///< sizeof(struct xdp_frame): adjust_head stops here
inline constexpr std::uint32_t kTailReserved = 320;    ///< aligned sizeof(struct skb_shared_info)
inline constexpr std::uint32_t kWindowBytes = 4096;    ///< default frame size; a parameter of the NIC
/// Longest frame that a program without frags is given.
inline constexpr std::uint32_t kMaxFrame = kWindowBytes - kHeadroom - kTailReserved;

}  // namespace kiln::address
