// SPDX-License-Identifier: Apache-2.0
//
// Functions that call a subprogram of the program back.
//
// Rules: how often a function calls back is not known, so the callback is walked as a loop: at the call
// one path goes on as if it were over, another enters the callback and comes back to the call. Where
// nothing new is learned, that ends (prune.cc). bpf_loop() is walked at most as often as it says. A
// callback returns a number in its range, and releases what it acquires. One that is called later
// (timers) starts with a stack of its own.
#include <algorithm>

#include "checker.h"

namespace kiln::verifier {
namespace {

Reg map_register(RegType type, s32 map) {
  Reg reg = Reg::pointer(type);
  reg.extra = map;
  return reg;
}

}  // namespace

/// A frame of `subprogram`, with nothing known but its stack.
Frame Checker::make_frame(const State& s, u32 subprogram, u32 callsite) {
  Frame frame;
  frame.callsite = callsite;
  frame.subprogram = subprogram;
  frame.instance = stack_liveness_.child(s.frame().instance, callsite, subprogram);
  frame.regs[kFramePointer] = Reg::pointer(RegType::kStack);
  frame.regs[kFramePointer].frame = static_cast<u8>(s.frames.size());
  return frame;
}

/// The subprogram that an argument points at.
u32 Checker::callback_of(const Reg& reg) const {
  const s64 subprogram = structure_.subprogram_at(reg.extra);
  KILN_CHECK(subprogram >= 0);
  return static_cast<u32>(subprogram);
}

/// A path into a callback, to be explored later; it returns to this call.
/// \param arguments  of the callback, R1 on.
bool Checker::push_callback(u32 subprogram, const std::vector<Reg>& arguments, ReturnRange range) {
  Frame& caller = state().frame();
  if (state().frames.size() >= kMaxFrames) {
    return reject("the call stack of {} frames is too deep", state().frames.size() + 1);
  }
  auto inside = std::make_unique<State>(state());
  Frame frame = make_frame(*inside, subprogram, insn_);
  std::copy(arguments.begin(), arguments.end(), frame.regs.begin() + 1);
  frame.in_callback = true;
  frame.async_entries = caller.async_entries;
  frame.return_min = static_cast<s32>(range.min);
  frame.return_max = static_cast<s32>(range.max);
  ++inside->callback_unroll_depth;
  ++inside->frame().callback_depth;
  inside->frames.push_back(std::move(frame));
  inside->last_insn = insn_;
  inside->insn = structure_.subprograms[subprogram].start;
  push_branch(std::move(inside));
  caller.callback_depth = 0;
  return true;
}

/// The callback starts some time, with nothing of this path.
bool Checker::push_async_callback(u32 subprogram, const std::vector<Reg>& arguments, bool sleepable, bool any_result) {
  auto later = std::make_unique<State>();
  Frame frame;
  frame.subprogram = subprogram;
  frame.instance = stack_liveness_.root(subprogram);
  frame.regs[kFramePointer] = Reg::pointer(RegType::kStack);
  std::copy(arguments.begin(), arguments.end(), frame.regs.begin() + 1);
  frame.in_async_callback = true;
  frame.return_min = any_result ? std::numeric_limits<s32>::min() : 0;
  frame.return_max = any_result ? std::numeric_limits<s32>::max() : 0;
  frame.async_entries = state().frame().async_entries + 1;
  later->frames.push_back(std::move(frame));
  later->insn = structure_.subprograms[subprogram].start;
  later->last_insn = insn_;
  later->sleepable = sleepable;
  push_branch(std::move(later));
  async_callback_[subprogram] = true;
  return true;
}

bool Checker::call_back(const CallContext& call) {
  const auto argument = [this](unsigned number) { return state().reg(number); };
  switch (static_cast<HelperId>(call.helper->number)) {
    case HelperId::for_each_map_elem: {
      const MapType type = object_.maps[static_cast<std::size_t>(call.map)].type;
      const bool walks = type == MapType::kArray || type == MapType::kPercpuArray || type == MapType::kHash ||
                         type == MapType::kPercpuHash || type == MapType::kLruHash ||
                         type == MapType::kLruPercpuHash;
      if (!walks) {
        return reject("callback function not allowed for map");
      }
      return push_callback(callback_of(argument(2)),
                           {map_register(RegType::kMapPtr, call.map), map_register(RegType::kMapKey, call.map),
                            map_register(RegType::kMapValue, call.map), argument(3)},
                           {0, 1});
    }
    case HelperId::timer_set_callback:
      return push_async_callback(callback_of(argument(2)),
                                 {map_register(RegType::kMapPtr, call.map), map_register(RegType::kMapKey, call.map),
                                  map_register(RegType::kMapValue, call.map)},
                                 false);
    case HelperId::loop: {
      if (argument(4).is_null_constant()) {
        make_precise(4);
      }
      make_precise(1);
      Frame& frame = state().frame();
      if (frame.callback_depth >= argument(1).bounds.w.umax) {
        frame.callback_depth = 0;
        return true;
      }
      return push_callback(callback_of(argument(2)), {Reg::unknown(), argument(3)}, {0, 1});
    }
    case HelperId::user_ringbuf_drain: {
      Reg dynptr = Reg::pointer(RegType::kDynptr);
      dynptr.extra = static_cast<s32>(DynptrType::kLocal);
      dynptr.id = new_id();
      dynptr.set(kFirstSlot | kReadOnly);
      return push_callback(callback_of(argument(2)), {dynptr, argument(3)}, {0, 1});
    }
    case HelperId::find_vma: {
      Reg task = Reg::pointer(RegType::kBtf), vma = Reg::pointer(RegType::kBtf);
      if (!name_kernel_type(task, "task_struct") || !name_kernel_type(vma, "vm_area_struct")) {
        return false;
      }
      return push_callback(callback_of(argument(3)), {task, vma, argument(4)}, {0, 1});
    }
    default:
      return reject("helper bpf_{}#{} is not supported: its callback", call.helper->name, call.helper->number);
  }
}

/// The same for kernel functions.
bool Checker::call_back(const KfuncCall& call) {
  if (call.callback == 0) {
    return true;
  }
  if (call.name == "bpf_rbtree_add_impl") {
    return call_tree_order(call);
  }
  const bool work = call.name.starts_with("bpf_task_work_");
  if (call.map < 0 || !(work || call.name == "bpf_wq_set_callback_impl")) {
    return reject("kernel function {} is not supported by this verifier: its callback", call.name);
  }
  return push_async_callback(callback_of(state().reg(call.callback)),
                             {map_register(RegType::kMapPtr, call.map), map_register(RegType::kMapKey, call.map),
                              map_register(RegType::kMapValue, call.map)},
                             true, work);
}

/// The end of a callback: back to the call, which decides anew.
bool Checker::leave_callback() {
  const Frame& frame = state().frame();
  const Reg result = state().reg(0);
  if (!result.is_scalar()) {
    return reject("R0 not a scalar value");
  }
  make_precise(0);
  const ReturnRange range{frame.return_min, frame.return_max};
  return check_range(0, range, "At callback return");
}

/// What the turn that ended here changed from the one before may be anything at the next.
void Checker::widen_turn() {
  if (const State* before = earlier_turn(state(), state().insn)) {
    widen(*before, state());
  }
}

}  // namespace kiln::verifier
