// SPDX-License-Identifier: Apache-2.0
#include "measure.h"

namespace kiln {
namespace {

/// Windows lie a page and three cache lines apart, so that the same bytes of all frames don't compete for
/// the same few cache sets.
constexpr std::size_t kSkew = 3 * 64;

}  // namespace

Result<FrameRack> FrameRack::make(std::uint32_t window_bytes) {
  FrameRack rack;
  rack.stride_ = (window_bytes + 63) / 64 * 64 + kSkew;
  auto pages = LowPages::map(rack.stride_ * kWindows);
  if (!pages) {
    return pages.error();
  }
  rack.pages_ = std::move(*pages);
  return rack;
}

void FrameRack::fill(std::span<const Frame> frames) {
  KILN_CHECK(frames.size() <= kWindows);
  frames_ = frames;
  for (std::size_t i = 0; i < frames.size(); ++i) {
    std::memcpy(window(i) + address::kHeadroom, frames[i].data.data(), frames[i].data.size());
  }
}

}  // namespace kiln
