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

void gen_push_elem(Gen& gen, const CallPlan& plan);
void gen_pop_elem(Gen& gen, const CallPlan& plan);  ///< pop and peek
void gen_ring_reserve(Gen& gen, const CallPlan& plan);
void gen_ring_end(Gen& gen, const CallPlan& plan);  ///< submit and discard
void gen_ring_output(Gen& gen, const CallPlan& plan);
void gen_perf_event(Gen& gen, const CallPlan& plan);
void gen_packet_bytes(Gen& gen, const CallPlan& plan);  ///< xdp_load_bytes, xdp_store_bytes
void gen_packet_length(Gen& gen, const CallPlan& plan, unsigned reg);
void gen_clock(Gen& gen, const CallPlan& plan);

// Small change.

/// Pushes plan.key_pieces, staged first where they may lie in a map.
void gen_push_key(Gen& gen, const CallPlan& plan);
/// reg = address of this thread's stage (LowerOptions). Changes no other register but a scratch one.
/// REQUIRES: reg is neither R13 nor the plan's context.
void gen_stage(Gen& gen, const CallPlan& plan, unsigned reg);
/// Copies [from + from_offset] to [to + to_offset], word by word without a loop. Changes `scratch`.
void gen_copy(Gen& gen, Operand to, Operand from, std::uint32_t bytes, unsigned scratch);
/// The same in a loop: `count`, 64 bits, says how many bytes. All four registers change: `to` and `from` end
/// behind the bytes, `count` is 0.
void gen_copy_loop(Gen& gen, unsigned to, unsigned from, unsigned count, unsigned scratch);
/// Where it is short enough gen_copy(), else gen_copy_loop() on R0, R13, R14 and R5.
/// REQUIRES: neither operand's register is one of those, but for `to` in R0.
void gen_copy_any(Gen& gen, Operand to, Operand from, std::uint32_t bytes);
/// \return a label to be bound in cold code that gives -errno and goes to `done`.
Label gen_fail(Gen& gen, int error_number, Label done);

/// R0 = -errno.
void gen_error(Gen& gen, int error_number);
/// reg *= by, in no or one word.
void gen_scale(Gen& gen, unsigned reg, std::uint32_t by);
/// reg = plan.index, 32 bits, zero-extended. REQUIRES: not a constant.
void gen_index(Gen& gen, const CallPlan& plan, unsigned reg);
/// reg = address of entry `reg` of an array-like map.
void gen_entry_address(Gen& gen, const CoreMap& map, unsigned reg);

}  // namespace kiln::lowering
