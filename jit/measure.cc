// SPDX-License-Identifier: Apache-2.0
#include "measure.h"

#include <ctime>

namespace kiln {
namespace {

constexpr std::size_t kLine = 64;  // bytes of a cache line; a context takes one
/// Windows lie a page and some cache lines apart, so that the same bytes of all frames don't compete for
/// the same few cache sets.
constexpr std::size_t kSkew = 2 * kLine;

}  // namespace

double thread_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

Result<FrameRack> FrameRack::make(const FrameMemory& like) {
  const std::size_t context = (like.context_bytes + kLine - 1) / kLine * kLine;
  const std::size_t stride = (like.window_bytes + kLine - 1) / kLine * kLine + context + kSkew;
  auto pages = LowPages::map(stride * kWindows);
  if (!pages) {
    return pages.error();
  }
  FrameRack rack;
  rack.pages_ = std::move(*pages);
  rack.memories_.assign(kWindows, like);
  for (std::size_t i = 0; i < kWindows; ++i) {
    std::byte* const place = rack.pages_.data() + i * stride;
    rack.memories_[i].context = reinterpret_cast<std::uint32_t*>(place);
    rack.memories_[i].move_to_window(place + context);
  }
  return rack;
}

void FrameRack::fill(std::span<const Frame> frames) {
  KILN_CHECK(frames.size() <= kWindows);
  frames_ = frames;
  comes_back_.fill(false);
  for (std::size_t i = 0; i < frames.size(); ++i) {
    if (memories_[i].kind == ContextKind::kXdp) {  // others are made anew for every run
      memories_[i].begin(frames[i]);
    }
  }
}

}  // namespace kiln
