// SPDX-License-Identifier: Apache-2.0
//
// Native sequences for what takes more than one word: helpers, atomics, packet access.
//
// Each function emits one BPF instruction's words at the emitter's end and leaves by falling
// through. R0..R5 (but for what the plan says is used) and R12..R14 are free; R6..R11 and R15
// are not touched. compiler/lower/README.md lists the sequences with their slot counts.
#pragma once

#include <cstdint>
#include <functional>

#include "emitter.h"
#include "step.h"

namespace kiln::lowering {

/// What all programs of an image have to agree on.
struct ImageUse {
  std::uint32_t window_bytes = address::kWindowBytes;
  bool reads_meta = false;     ///< some program looks at data_meta
  bool adjusts_meta = false;   ///< ... or moves it, so that there may be metadata
  bool redirects_map = false;  ///< ... or redirects by a map
};

struct Gen {
  Emitter& e;
  const View& view;
  const ImageUse& image;
  bool has_context_end = false;  ///< R11 points at the end of the context region, and stays there
  std::function<void(std::uint32_t slot)> hand_over{};  ///< emits what leaves the thread to the host
};

/// Where a word of the context region is: [reg + bias + its offset].
struct ContextBase {
  unsigned reg;
  std::int32_t bias;
};
/// May load the address into `scratch`.
ContextBase context_base(Gen& gen, const CallPlan& plan, unsigned scratch);

void gen_helper(Gen& gen, const CallPlan& plan);
void gen_atomic(Gen& gen, const Step& step);
/// \param fail  where to go, with R0 = 0, if the bytes are not in the frame.
void gen_packet_load(Gen& gen, const Step& step, Label fail);

// By topic; called by gen_helper().
void gen_map_lookup(Gen& gen, const CallPlan& plan);
void gen_map_update(Gen& gen, const CallPlan& plan);
void gen_map_delete(Gen& gen, const CallPlan& plan);
void gen_redirect(Gen& gen, const CallPlan& plan);
void gen_redirect_map(Gen& gen, const CallPlan& plan);
/// R12 = index of the program to go on with, the tail call counted; or goes to `out`.
/// \return false if there can't be one: nothing was emitted.
bool gen_tail_call_target(Gen& gen, const CallPlan& plan, Label out);
/// Takes back the count.
void gen_tail_call_undo(Gen& gen, const CallPlan& plan);
void gen_csum_diff(Gen& gen, const CallPlan& plan);
void gen_adjust_head(Gen& gen, const CallPlan& plan);
void gen_adjust_tail(Gen& gen, const CallPlan& plan);
void gen_adjust_meta(Gen& gen, const CallPlan& plan);

// Small change.

/// R0 = -errno.
void gen_error(Gen& gen, int error_number);
/// reg *= by, in no or one word.
void gen_scale(Gen& gen, unsigned reg, std::uint32_t by);
/// reg = plan.index, 32 bits, zero-extended. REQUIRES: not a constant.
void gen_index(Gen& gen, const CallPlan& plan, unsigned reg);
/// reg = address of entry `reg` of an array-like map.
void gen_entry_address(Gen& gen, const CoreMap& map, unsigned reg);

}  // namespace kiln::lowering
