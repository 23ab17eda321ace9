// SPDX-License-Identifier: Apache-2.0
//
// The memory of one run: struct xdp_md, the stack, and the packet window, in the layout of address.h.
//
// It lies below 4 GiB, so that the 32-bit pointers in struct xdp_md can be host addresses for the JIT.
// The interpreter uses the same bytes under the tagged addresses of address.h. Not here: maps, and who
// may access what (address_space.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <kiln/address.h>
#include <kiln/engine.h>
#include <kiln/result.h>

namespace kiln {

/// Private anonymous pages below 2 GiB, zeroed, unmapped on destruction.
class LowPages {
 public:
  LowPages() = default;
  /// \errors kUnavailable if there is no such memory.
  static Result<LowPages> map(std::size_t bytes);
  LowPages(LowPages&& other) noexcept;
  LowPages& operator=(LowPages&& other) noexcept;
  ~LowPages();

  std::byte* data() const { return data_; }

 private:
  std::byte* data_ = nullptr;
  std::size_t bytes_ = 0;
};

/// Where a frame lies in its window. Offsets from the window's start, as adjust_head and friends move them.
struct FramePosition {
  std::uint32_t meta = address::kHeadroom;
  std::uint32_t data = address::kHeadroom;
  std::uint32_t end = address::kHeadroom;
  bool operator==(const FramePosition&) const = default;
};

/// Pieces of a frame behind its linear part, as BPF_PROG_TEST_RUN makes them: pages.
struct FrameRest {
  static constexpr std::size_t kPieceBytes = 4096;
  std::vector<std::vector<std::byte>> pieces;
  std::uint64_t bytes() const {
    std::uint64_t sum = 0;
    for (const std::vector<std::byte>& piece : pieces) {
      sum += piece.size();
    }
    return sum;
  }
};

/// What a context is made of: struct xdp_md, struct __sk_buff, or the bytes that were given.
enum class ContextKind : std::uint8_t { kXdp, kSkb, kRaw };

/// One context, one stack, one window. Plain pointers into LowPages, or (raw runs) a caller's buffer.
struct FrameMemory {
  std::uint32_t* context = nullptr;  ///< struct xdp_md: kCtxBytes / 4 words
  std::byte* stack = nullptr;        ///< kStackBytes
  std::byte* window = nullptr;
  std::uint32_t window_bytes = 0;    ///< headroom and reserved tail included
  ContextKind kind = ContextKind::kXdp;
  std::uint32_t context_bytes = address::kCtxBytes;
  FrameRest* rest = nullptr;         ///< nullptr: none, and none can be
  bool tagged = false;               ///< the program sees kPacket, not the host's address
  std::uint64_t window_address = 0;  ///< what the program calls the window's start
  FramePosition position = {};

  /// The window is the one at `at` from now on.
  void move_to_window(std::byte* at) {
    window = at;
    window_address = tagged ? address::kPacket : reinterpret_cast<std::uintptr_t>(at);
  }
  std::span<const std::byte> frame() const { return {window + position.data, window + position.end}; }
  /// Writes data, data_end and data_meta into the context, after `position` has changed.
  void publish() {
    if (kind == ContextKind::kXdp) {
      context[address::kCtxData / 4] = static_cast<std::uint32_t>(window_address + position.data);
      context[address::kCtxDataEnd / 4] = static_cast<std::uint32_t>(window_address + position.end);
      context[address::kCtxDataMeta / 4] = static_cast<std::uint32_t>(window_address + position.meta);
    } else if (kind == ContextKind::kSkb) {
      publish_skb();
    }
  }
  void publish_skb();
  /// XDP: puts the frame into the window at the usual headroom, what does not fit behind it into `rest`, and sets
  /// the six words of struct xdp_md.
  void begin(const Frame& frame);
};

/// Bytes of a context that can be given to a tracing program.
inline constexpr std::uint32_t kMaxRawContext = 4096;

/// Longest frame that fits a window, and the shortest there is (an Ethernet header).
inline constexpr std::uint32_t kMinFrame = 14;
constexpr std::uint32_t max_frame(std::uint32_t window_bytes) {
  return window_bytes - address::kHeadroom - address::kTailReserved;
}

/// \errors kInput, with both limits in the message.
Result<void> check_length(const Frame& frame, std::size_t longest);

}  // namespace kiln
