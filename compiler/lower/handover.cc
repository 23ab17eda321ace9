// SPDX-License-Identifier: Apache-2.0
//
// A thread's memory as the NIC sends it, read in terms of BPF: registers, callers, frame.
//
// Callers are found as a debugger finds them: each function's saved registers are where the image's
// tables say, its return address names the call, and the call its caller.
#include <kiln/handover.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include <fmt/format.h>

#include "native.h"

namespace kiln {
namespace {

constexpr std::size_t kHeaderWords = 2;
constexpr std::size_t kContextWords = address::kCtxEnd / 8;
constexpr std::size_t kStackWords = address::kStackBytes / 8;
constexpr std::size_t kFixedWords = kHeaderWords + kContextWords + kStackWords;
constexpr std::uint32_t kVersion = 1;
constexpr std::uint32_t kWindowMask = 0x0fff'ffff;  // an address without its region's tag
constexpr std::uint32_t kSaveSlot = 10;             // of R11 among the registers handed over
constexpr std::size_t kMostDepth = 64;

Error broken(const std::string& what) { return Error{Errc::kInternal, "hand-over: " + what}; }

std::uint32_t low(std::uint64_t word) { return static_cast<std::uint32_t>(word); }
std::uint32_t high(std::uint64_t word) { return static_cast<std::uint32_t>(word >> 32); }

/// The thread's context region.
class Context {
 public:
  explicit Context(std::span<const std::uint64_t> words) : words_(words) {}
  std::uint64_t u64(std::uint32_t offset) const { return words_[offset / 8]; }
  std::uint32_t u32(std::uint32_t offset) const {
    return static_cast<std::uint32_t>(words_[offset / 8] >> offset % 8 * 8);
  }

 private:
  std::span<const std::uint64_t> words_;
};

const CoreReturn* find_return(const CoreImage& image, std::uint64_t word) {
  const auto found = std::find_if(image.returns.begin(), image.returns.end(),
                                  [word](const CoreReturn& site) { return site.word == word; });
  return found == image.returns.end() ? nullptr : &*found;
}

/// Fills callers and R10.
class Unwinder {
 public:
  Unwinder(const CoreImage& image, const Context& context, RunState& state)
      : image_(image), context_(context), state_(state) {}

  Result<void> run(std::uint32_t function) {
    std::copy(state_.regs.begin(), state_.regs.end(), native_.begin());
    r11_ = context_.u64(address::kCtxHandover + 8 * kSaveSlot);
    std::vector<std::uint32_t> below;  // of each caller: what it lowered R10 by
    while (!image_.functions[function].bottom) {
      KILN_TRY(restore(image_.functions[function]));
      const CoreReturn* site = find_return(image_, native_[kLinkRegister]);
      if (site == nullptr || below.size() > kMostDepth) {
        return broken(fmt::format("no call returns to word {}", native_[kLinkRegister]));
      }
      function = site->function;
      if (site->tail_call) {
        r11_ += site->below;
        continue;
      }
      CallerState& caller = state_.callers.emplace_back();
      caller.program = image_.functions[function].program;
      caller.slot = site->slot;
      std::copy_n(native_.begin() + 6, 4, caller.saved.begin());
      below.push_back(image_.functions[function].frame_bytes);
    }
    std::uint64_t r10 = std::uint64_t{address::kStack} + address::kStackBytes;
    for (std::size_t i = below.size(); i-- > 0;) {
      state_.callers[i].saved[4] = r10;
      r10 -= below[i];
    }
    state_.regs[kFramePointer] = r10;
    std::reverse(state_.callers.begin(), state_.callers.end());
    return {};
  }

 private:
  Result<void> restore(const CoreFunction& function) {
    std::int64_t at = static_cast<std::int64_t>(r11_) - address::kContext + function.save_offset;
    for (unsigned reg = 6; reg < kCoreRegisters; ++reg) {
      if ((function.saves >> reg & 1) == 0) {
        continue;
      }
      if (at < 0 || at + 8 > std::int64_t{address::kCtxEnd} || at % 8 != 0) {
        return broken("saved registers outside of the context");
      }
      native_[reg] = context_.u64(static_cast<std::uint32_t>(at));
      at += 8;
    }
    return {};
  }

  const CoreImage& image_;
  const Context& context_;
  RunState& state_;
  std::array<std::uint64_t, kCoreRegisters> native_{};
  std::uint64_t r11_ = 0;
};

Result<void> read_frame(const Context& context, std::span<const std::uint64_t> window, RunState& state) {
  state.data = context.u32(address::kCtxData) & kWindowMask;
  state.data_end = context.u32(address::kCtxDataEnd) & kWindowMask;
  state.data_meta = context.u32(address::kCtxDataMeta) & kWindowMask;
  const std::uint32_t lowest = context.u32(address::kCtxZeroLow) & kWindowMask;
  const std::uint32_t sent_from = lowest / 8 * 8;
  if (state.data_meta > state.data || state.data > state.data_end || lowest > state.data_meta ||
      sent_from + 8 * window.size() < state.data_end) {
    return broken("the frame is not where the context says");
  }
  state.window_start = lowest;
  const auto bytes = std::as_bytes(window).subspan(lowest - sent_from);
  state.window.assign(bytes.begin(), bytes.begin() + (state.data_end - lowest));
  return {};
}

}  // namespace

Result<Handover> read_handover(const CoreImage& image, std::span<const std::uint64_t> words) {
  if (words.size() < kFixedWords || words[0] >> 56 != kVersion) {
    return broken(fmt::format("a message of {} words, version {}", words.size(),
                              words.empty() ? 0 : words[0] >> 56));
  }
  const Context context(words.subspan(kHeaderWords, kContextWords));
  Handover handover;
  handover.frame = low(words[0]);
  handover.core = static_cast<std::uint8_t>(words[0] >> 32);
  handover.thread = static_cast<std::uint8_t>(words[0] >> 40);
  handover.insns = low(words[1]);
  handover.start = high(words[1]);
  handover.point = context.u32(address::kCtxReserved);
  if (handover.point >= image.handovers.size()) {
    return broken(fmt::format("there is no point {}", handover.point));
  }
  const HandoverPoint& point = image.handovers[handover.point];
  RunState& state = handover.state;
  state.program = point.program;
  state.pc = point.insn;
  for (unsigned reg = 0; reg < kFramePointer; ++reg) {
    state.regs[reg] = (point.registers >> reg & 1) != 0 ? context.u64(address::kCtxHandover + 8 * reg) : 0;
  }
  state.ingress_ifindex = context.u32(address::kCtxIngressIfindex);
  state.rx_queue = context.u32(address::kCtxRxQueueIndex);
  state.egress_ifindex = context.u32(address::kCtxEgressIfindex);
  state.cpu = context.u32(address::kCtxCpu);
  state.tail_calls = context.u32(address::kCtxTailCalls);
  const std::uint32_t target = context.u32(address::kCtxRedirect);
  const std::uint32_t map = context.u32(address::kCtxRedirectMap);
  if (target != 0 || map != 0) {
    state.redirect = RunState::Redirect{.map = static_cast<std::int32_t>(map) - 1, .key = target};
  }
  std::memcpy(state.stack.data(), words.data() + kHeaderWords + kContextWords, state.stack.size());
  KILN_TRY(read_frame(context, words.subspan(kFixedWords), state));
  KILN_TRY(Unwinder(image, context, state).run(point.function));
  return handover;
}

std::vector<std::uint64_t> write_return(const HandoverReturn& answer, std::uint32_t window_bytes) {
  const auto length = static_cast<std::uint32_t>(answer.frame.size());
  const bool usual = address::kHeadroom + length <= window_bytes - address::kTailReserved;
  const std::uint32_t data = usual ? address::kHeadroom : address::kHeadReserved;
  static_assert(address::kHeadroom % 8 == 0 && address::kHeadReserved % 8 == 0);
  KILN_CHECK(data + length <= window_bytes - address::kTailReserved);
  std::vector<std::uint64_t> words = {
      std::uint64_t{answer.core} << 32 | std::uint64_t{answer.thread} << 40,
      answer.verdict | std::uint64_t{answer.insns} << 32,
      answer.redirect | std::uint64_t{answer.redirect_map} << 32,
      (address::kPacket + data) | std::uint64_t{address::kPacket + data + length} << 32};
  const std::size_t header = words.size();
  words.resize(header + (length + 7) / 8);
  if (length != 0) {
    std::memcpy(words.data() + header, answer.frame.data(), length);
  }
  return words;
}

}  // namespace kiln
