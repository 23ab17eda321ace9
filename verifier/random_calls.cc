// SPDX-License-Identifier: Apache-2.0
//
// Random programs: helpers, what they return and what they invalidate, and subprograms.
#include "random_generator.h"

namespace kiln::verifier {

/// R0 to R5 after a call.
void Generator::clobbered() {
  for (int r = 1; r <= 5; ++r) {
    set(r, Kind::kNone);
  }
  set(0, Kind::kNumber);
}

void Generator::call() {
  if (in_function_ || functions_ == 0) {
    static constexpr const char* kHelpers[] = {"get_prandom_u32", "ktime_get_ns", "get_smp_processor_id"};
    const char* helper = random_.pick(kHelpers);
    emit("call {}", helper);
    clobbered();
    if (helper == kHelpers[2]) {  // its range is this machine's number of CPUs
      emit("r0 = *(u64 *)(r10 -8)");
      set(0, Kind::kNone);
    }
    return;
  }
  const int a = number();
  emit("r1 = r{}", a);
  set(1, Kind::kNumber);
  const int b = small();
  emit("r2 = r{}", b == 1 ? 1 : b);
  set(2, Kind::kNumber);
  const int ctx = find(Kind::kCtx);
  emit("r3 = r{}", ctx < 0 ? 6 : ctx);
  const std::uint64_t callee = random_.below(static_cast<std::uint64_t>(functions_));
  called_ |= 1u << callee;
  emit("call f{}", callee);
  clobbered();
}

void Generator::lookup() {
  if (in_function_ && random_.chance(60)) {
    return;
  }
  const bool array = random_.chance(60);
  if (random_.chance(70)) {
    emit("*(u{} *)(r10 -8) = {}", array ? 32 : 64, random_.below(6));
  } else {
    emit("*(u64 *)(r10 -8) = r{}", number());
  }
  emit("r1 = map[idx:{}]", array ? 0 : 1);
  emit("r2 = r10");
  emit("r2 += {}", random_.chance(97) ? -8 : -4);
  emit("call map_lookup_elem");
  clobbered();
  set(0, Kind::kMaybeValue);
  if (random_.chance(95)) {
    emit("if r0 == 0 goto out{}", block_out());
    set(0, Kind::kValue);
  }
  access(0, static_cast<std::int64_t>(random_.below(random_.chance(95) ? (array ? 40 : 8) : (array ? 48 : 16))), 1);
  if (random_.chance(50)) {
    emit("r7 = r0");
    set(7, Kind::kNone);
  }
}

/// The result is copied, spilled or moved before one of the copies is tested.
void Generator::null_tracking() {
  const bool array = random_.chance(60);
  emit("*(u64 *)(r10 -8) = {}", random_.below(6));
  emit("r1 = map[idx:{}]", array ? 0 : 1);
  emit("r2 = r10");
  emit("r2 += -8");
  emit("call map_lookup_elem");
  clobbered();
  const int copy = random_.chance(50) ? 7 : 8;
  emit("r{} = r0", copy);
  const bool spilled = random_.chance(40);
  if (spilled) {
    emit("*(u64 *)(r10 -16) = r0");
  }
  if (random_.chance(2)) {
    emit("r{} += 4", copy);  // not of a pointer that may be NULL
  }
  const int tested = random_.chance(50) ? 0 : copy;
  const bool equal = random_.chance(60);
  const std::string there = label(), behind = label();
  const char* bank = random_.chance(99) ? "r" : "w";
  if (random_.chance(20)) {
    emit("r1 = 0");
    emit("if {0}{1} {2} {0}1 goto {3}", bank, tested, equal ? "==" : "!=", there);
  } else {
    emit("if {}{} {} {} goto {}", bank, tested, equal ? "==" : "!=", random_.chance(99) ? 0 : 1, there);
  }
  const auto use = [&](bool valid) {
    if (valid && spilled && random_.chance(50)) {
      emit("r1 = *(u64 *)(r10 -16)");
      emit("r2 = *(u32 *)(r1 +{})", random_.below(4) * 4);
    } else if (valid) {
      emit("r2 = *(u32 *)(r{} +{})", random_.chance(50) ? 0 : copy, random_.below(4) * 4);
    } else {
      emit("r2 = r{}", random_.chance(50) ? 0 : copy);  // the number 0
      emit("r2 += 1");
    }
  };
  use(random_.chance(2) ? !equal : equal);
  const bool apart = random_.chance(50);
  if (apart) {
    emit("goto {}", behind);
  }
  emit("{}:", there);
  if (random_.chance(50)) {
    use(random_.chance(2) ? equal : !equal && apart);
  }
  emit("{}:", behind);
  for (const int r : {0, 1, 2, copy}) {
    set(r, Kind::kNone);
  }
}

void Generator::update() {
  const bool array = random_.chance(50);
  const int base = random_.chance(98) ? 64 : 16;
  for (int off = base; off > 0; off -= 8) {  // key and value
    if (!random_.chance(3)) {
      emit("*(u64 *)(r10 -{}) = {}", off, random_.below(8));
    }
  }
  emit("r2 = r10");
  emit("r2 += -8");
  if (random_.chance(40)) {
    emit("r1 = map[idx:{}]", array ? 0 : 1);
    emit("call map_delete_elem");
    return clobbered();
  }
  emit("r3 = r10");
  emit("r3 += -{}", random_.chance(95) ? (array ? 56 : 24) : 40);
  emit("r4 = {}", random_.below(3));
  emit("r1 = map[idx:{}]", array ? 0 : 1);
  emit("call map_update_elem");
  clobbered();
}

/// Packet pointers from before are numbers after these.
void Generator::move_packet() {
  static constexpr const char* kHelpers[] = {"xdp_adjust_head", "xdp_adjust_tail", "xdp_adjust_meta"};
  const int ctx = find(Kind::kCtx);
  if (ctx < 0 || (in_function_ && random_.chance(50))) {
    return arithmetic();
  }
  if (random_.chance(60)) {
    emit("r2 = {}", static_cast<int>(random_.below(32)) - 16);
    emit("r1 = r{}", ctx);
  } else {
    const int amount = number();
    emit("r2 = r{}", amount);
    emit("r1 = r{}", ctx == 2 ? 6 : ctx);
  }
  emit("call {}", random_.pick(kHelpers));
  clobbered();
  for (int r = 6; r < 10; ++r) {
    if (kind(r) == Kind::kPacket || kind(r) == Kind::kEnd || kind(r) == Kind::kMeta) {
      set(r, random_.chance(1) ? kind(r) : Kind::kNone);
    }
  }
}

/// Memory arguments whose size is constant, bounded, possibly zero or unbounded.
void Generator::checksum() {
  const int size = random_.chance(60) ? small() : number();
  emit("r4 = r{}", size);
  emit("r4 &= {}", random_.chance(94) ? 28 : random_.chance(50) ? 31 : 252);
  const bool null = random_.chance(30);
  if (null) {
    emit("r1 = 0");
    emit("r2 = {}", random_.chance(98) ? 0 : 4);
  } else {
    emit("r1 = r10");
    emit("r1 += -{}", 8 * (1 + random_.below(4)));
    emit("r2 = {}", 4 * random_.below(random_.chance(96) ? 3 : 9));
  }
  if (random_.chance(50)) {
    emit("r3 = r10");
    emit("r3 += -{}", 28 + random_.below(8));
  } else {
    emit("r3 = map[idx:8][0]+{}", 4 * random_.below(random_.chance(95) ? 9 : 12));
  }
  emit("r5 = {}", random_.below(100));
  emit("call csum_diff");
  clobbered();
}

void Generator::redirect() {
  if (random_.chance(40)) {
    emit("r1 = {}", random_.below(10));
    emit("r2 = {}", random_.below(2));
    emit("call redirect");
    return clobbered();
  }
  const int key = number();
  emit("r2 = r{}", key);
  emit("r3 = {}", random_.below(4));
  emit("r1 = map[idx:{}]", random_.chance(99) ? 3 + random_.below(3) : 1);
  emit("call redirect_map");
  clobbered();
}

void Generator::tail_call() {
  const int ctx = find(Kind::kCtx);
  if (ctx < 0 || in_function_ || random_.chance(40)) {
    return conversion();
  }
  const int index = number();
  emit("r3 = r{}", index);
  emit("r1 = r{}", ctx == 3 ? 6 : ctx);
  emit("r2 = map[idx:{}]", random_.chance(99) ? 2 : 0);
  emit("call tail_call");
  clobbered();
  set(0, Kind::kNone);
}

}  // namespace kiln::verifier
