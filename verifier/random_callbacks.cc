// SPDX-License-Identifier: Apache-2.0
//
// Random programs: subprograms that helpers call back, iterators, may_goto, and what must be given back.
#include "case_file.h"
#include "random_generator.h"

namespace kiln::verifier {
namespace {

constexpr int kIteratorSlot = 72;  // deeper than what other statements overwrite

struct NumberIterator {
  std::uint32_t make = kernel_function("bpf_iter_num_new"), next = kernel_function("bpf_iter_num_next"),
                destroy = kernel_function("bpf_iter_num_destroy");
};

}  // namespace

/// bpf_loop or bpf_for_each_map_elem. Callback 0 uses its context, which is stack of the caller; 1 does not.
void Generator::callback() {
  if (in_function_ || depth_ > 1 || random_.chance(40)) {
    return arithmetic();
  }
  const bool elements = random_.chance(35);
  const std::uint64_t which = random_.below(2);
  const int turns = elements || random_.chance(75) ? -1 : small();
  called_ |= 1u << ((elements ? 6 : 4) + which);
  if (elements) {
    emit("r1 = map[idx:{}]", random_.chance(97) ? random_.below(2) : 2);
  } else if (turns >= 0) {
    emit("r1 = r{}", turns);
  } else {
    emit("r1 = {}", random_.below(10));
  }
  emit("r2 = subprog[{}{}]", elements ? "e" : "c", which);
  if (which == 0 || random_.chance(50)) {
    emit("*(u64 *)(r10 -16) = {}", random_.below(8));
    emit("r3 = r10");
    emit("r3 += -16");
  } else {
    emit("r3 = 0");
  }
  emit("r4 = {}", random_.chance(97) ? 0 : 1);
  emit("call {}", elements ? "for_each_map_elem" : "loop");
  clobbered();
  if (random_.chance(40)) {  // what the turns left in the context
    const int r = 1 + static_cast<int>(random_.below(5));
    emit("r{} = *(u64 *)(r10 -16)", r);
    set(r, Kind::kNumber);
  }
}

/// The subprograms that callback() named, behind the others.
void Generator::callbacks() {
  for (int bit = 4; bit < 8; ++bit) {
    if ((called_ >> bit & 1) == 0) {
      continue;
    }
    const bool elements = bit >= 6, uses_context = bit % 2 == 0;
    const int context = elements ? 4 : 2;
    emit("{}{}:", elements ? "e" : "c", bit % 2);
    in_function_ = true;
    kinds_ = {};
    pointer_slots_ = 0;
    set(1, elements ? Kind::kNone : Kind::kNumber);
    if (elements) {
      emit("r7 = r3");
      set(7, Kind::kValue);
    }
    if (uses_context) {
      emit("r0 = *(u64 *)(r{} +0)", context);
      emit("r0 += {}", 1 + random_.below(3));
      if (random_.chance(60)) {
        emit("r0 &= 31");
      }
      emit("*(u64 *)(r{} +{}) = r0", context, random_.chance(97) ? 0 : 16);
      set(0, Kind::kNumber);
    }
    body(1 + static_cast<int>(random_.below(4)));
    if (random_.chance(10)) {
      emit("r0 = r{}", number());
      emit("r0 &= {}", random_.chance(90) ? 1 : 3);
    } else {
      emit("r0 = {}", random_.chance(85) ? 0 : random_.chance(90) ? 1 : 2);
    }
    emit("exit");
  }
}

/// A loop over an iterator of numbers.
void Generator::iterate() {
  if (in_function_ || depth_ > 0 || ++loops_ > 2) {
    return conversion();
  }
  static const NumberIterator kFunctions;
  const auto slot = [this] {
    emit("r1 = r10");
    emit("r1 += -{}", kIteratorSlot);
  };
  const std::string again = label(), done = label();
  slot();
  emit("r2 = {}", random_.below(4));
  emit("r3 = {}", random_.below(9));
  emit("call kernel-function#{}", kFunctions.make);
  clobbered();
  emit("{}:", again);
  const Kinds before = kinds_;
  slot();
  emit("call kernel-function#{}", kFunctions.next);
  emit("if r0 == 0 goto {}", done);
  clobbered();
  const int r = random_.chance(50) ? 7 : 8;
  emit("r{} = *(u32 *)(r0 +0)", r);
  set(r, Kind::kNumber);
  ++depth_;
  body(1 + static_cast<int>(random_.below(3)));
  --depth_;
  join(before);
  emit("goto {}", again);
  emit("{}:", done);
  clobbered();
  set(0, Kind::kNone);
  if (random_.chance(98)) {
    slot();
    emit("call kernel-function#{}", kFunctions.destroy);
  }
  set(0, Kind::kNone);
}

void Generator::may_goto() {
  if (in_function_ || depth_ > 0 || ++loops_ > 2) {
    return conversion();
  }
  const std::string again = label(), out = label();
  emit("r9 = 0");
  emit("{}:", again);
  emit("may_goto {}", out);
  ++depth_;
  const Kinds before = kinds_;
  body(1 + static_cast<int>(random_.below(2)));
  --depth_;
  join(before);
  emit("r9 += 1");
  if (random_.chance(50)) {
    emit("if r9 > {} goto {}", random_.below(20), out);
  }
  emit("goto {}", again);
  emit("{}:", out);
  set(9, Kind::kNumber);
}

/// A socket is looked up, looked into and released; now and then not.
void Generator::reference() {
  const int ctx = find(Kind::kCtx);
  if (ctx < 0 || random_.chance(40)) {
    return arithmetic();
  }
  emit("r1 = r{}", ctx);
  emit("*(u64 *)(r10 -16) = {}", random_.below(3));
  emit("*(u64 *)(r10 -8) = 0");
  emit("r2 = r10");
  emit("r2 += -16");
  emit("r3 = 12");
  emit("r4 = -1");
  emit("r5 = 0");
  emit("call sk_lookup_{}", random_.chance(50) ? "tcp" : "udp");
  clobbered();
  const int copy = random_.chance(50) ? 7 : 8;
  emit("r{} = r0", copy);
  const std::string out = label();
  if (random_.chance(98)) {
    emit("if r{} == 0 goto {}", random_.chance(50) ? 0 : copy, out);
  }
  if (random_.chance(60)) {
    emit("r2 = *(u32 *)(r{} +{})", random_.chance(50) ? 0 : copy, 4 * random_.below(random_.chance(97) ? 12 : 24));
  }
  if (random_.chance(97)) {
    emit("r1 = r{}", random_.chance(50) ? 0 : copy);
    emit("call sk_release");
  }
  if (random_.chance(2)) {
    emit("r2 = *(u32 *)(r{} +4)", copy);  // gone
  }
  emit("{}:", out);
  clobbered();
  set(0, Kind::kNone);
  set(copy, Kind::kNone);
}

}  // namespace kiln::verifier
