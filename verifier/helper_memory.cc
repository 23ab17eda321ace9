// SPDX-License-Identifier: Apache-2.0
//
// The memory that helpers are given: is it there, whole, for reading or writing.
//
// Rules: keys and values are as long as the map says; memory is as long as the size argument may be at
// most, which is bounded, not negative, and not 0 unless allowed; headers and numbers as long as they
// are. Memory lies on the stack, in a map value, in memory handed over, or, for helpers that can take
// it, in the packet. Stack that a helper overwrites whole (a known size at a known place) may hold
// anything before and holds bytes afterwards; where the size or place is not known, what was there
// is forgotten.
#include <algorithm>

#include "checker.h"
#include "helper_rules.h"

namespace kiln::verifier {
namespace {

constexpr u64 kMaxSize = u64{1} << 29;  ///< BPF_MAX_VAR_SIZ

Access access_of(HelperArg arg) {
  switch (arg) {
    case HelperArg::kMapValueUninit:
    case HelperArg::kMemWrite:
    case HelperArg::kMemWriteOrNull:
    case HelperArg::kMemUninit:
    case HelperArg::kLongUninit:
    case HelperArg::kIntWrite:
      return Access::kWrite;
    default:
      return Access::kRead;
  }
}

bool is_uninitialised(HelperArg arg) {
  return arg == HelperArg::kMapValueUninit || arg == HelperArg::kMemUninit || arg == HelperArg::kLongUninit;
}

}  // namespace

/// REQUIRES: a type that check_argument_type() let pass, or NULL.
bool Checker::check_memory_argument(const ArgumentMemory& m) {
  const Reg reg = state().reg(m.number);
  switch (reg.type) {
    case RegType::kPacket:
    case RegType::kPacketMeta:
      return access_packet(m.number, reg, reg.off, m.bytes, m.zero_size);
    case RegType::kMapKey:
      return m.access == Access::kWrite
                 ? reject("R{} cannot write into {}", m.number, type_name(reg))
                 : access_region(m.number, reg, reg.off, m.bytes,
                                 object_.maps[static_cast<std::size_t>(reg.extra)].key_size, m.zero_size);
    case RegType::kMapValue:
      return check_map_direction(reg, reg.off, m.bytes, m.access) &&
             check_fields(reg, map_fields(reg.extra), reg.off, m.bytes, false) &&
             access_region(m.number, reg, reg.off, m.bytes,
                           object_.maps[static_cast<std::size_t>(reg.extra)].value_size, m.zero_size);
    case RegType::kMem:
      if (reg.has(kReadOnly) && m.access == Access::kWrite) {
        return reject("R{} cannot write into {}", m.number, type_name(reg));
      }
      return access_region(m.number, reg, reg.off, m.bytes, static_cast<u32>(reg.extra), m.zero_size);
    case RegType::kBtf:
      return access_kernel_object({.reg = m.number, .bytes = m.bytes, .access = m.access}, reg, reg.off);
    case RegType::kBuf:
      if (reg.has(kReadOnly) && m.access == Access::kWrite) {
        return reject("R{} cannot write into {}", m.number, type_name(reg));
      }
      return access_buffer(m.number, reg, reg.off, m.bytes);
    case RegType::kStack:
      if (m.bytes == 0 && !m.zero_size) {
        return reject("invalid zero-sized read");
      }
      return access_stack_argument(m, reg);
    default:
      return (m.zero_size && m.bytes == 0 && reg.is_null_constant()) ||
             reject("R{} type={} expected=fp", m.number, type_name(reg));
  }
}

bool Checker::check_size_argument(CallContext& call, unsigned size, HelperArg memory, bool zero_size) {
  const Bounds& bounds = state().reg(size).bounds;
  const Interval64 w = bounds.w;
  call.size_max = w.umax;
  if (w.smin < 0) {
    return reject("R{} min value is negative, either use unsigned or 'var &= const'", size);
  }
  if (w.umin == 0 && !zero_size) {
    return reject("R{} invalid zero-sized read: u64=[{},{}]", size, w.umin, w.umax);
  }
  if (w.umax >= kMaxSize) {
    return reject("R{} unbounded memory access, use 'var &= const' or 'if (var < const)'", size);
  }
  if (!check_memory_argument({.number = size - 1,
                              .bytes = static_cast<u32>(w.umax),
                              .access = access_of(memory),
                              .zero_size = zero_size,
                              .overwritten = is_uninitialised(memory) && bounds.bits.is_constant()})) {
    return false;
  }
  make_precise(size);
  return true;
}

/// A key on the stack that is one known number, for arrays: its element is there.
std::optional<u64> Checker::constant_key(unsigned number, u32 bytes) {
  const Reg reg = state().reg(number);
  if (reg.type != RegType::kStack || !reg.bounds.is_constant() || bytes > kSlotBytes) {
    return std::nullopt;
  }
  const s64 off = static_cast<s64>(reg.bounds.value()) + reg.off;
  const StackSlot& slot = state().frames[reg.frame].stack[slot_of(off)];
  const u32 first = byte_of(off);
  u32 zeros = 0;
  while (first + zeros < kSlotBytes && slot.bytes[first + zeros] == Byte::kZero) {
    ++zeros;
  }
  if (zeros >= bytes) {
    return 0;
  }
  u32 spilled = 0;
  while (first + spilled < kSlotBytes && slot.bytes[first + spilled] == Byte::kSpill) {
    ++spilled;
  }
  if (spilled != bytes || !slot.value.is_constant()) {
    return std::nullopt;
  }
  make_slot_precise(reg.frame, slot_of(off));
  // Of a key in the upper half of a spill Linux looks at the whole number too. That is no more than
  // cautious: a number small enough for an index has an upper half of 0.
  return slot.value.bounds.value();
}

/// A string in a map that never changes, with its end.
bool Checker::check_const_string(unsigned number, const Reg& reg) {
  const MapSpec& map = object_.maps[static_cast<std::size_t>(reg.extra)];
  if (map.type == MapType::kPercpuArray) {
    return reject("R{} points to percpu_array map which cannot be used as const string", number);
  }
  if (!map.is_readonly) {
    return reject("R{} does not point to a readonly map'", number);
  }
  if (!reg.bounds.is_constant()) {
    return reject("R{} is not a constant address'", number);
  }
  const s64 off = static_cast<s64>(reg.bounds.value()) + reg.off;
  if (!access_region(number, reg, reg.off, static_cast<u32>(map.value_size - off), map.value_size, false)) {
    return false;
  }
  const auto begin = map.initial.begin() + std::min<std::ptrdiff_t>(off, std::ssize(map.initial));
  const bool ends = std::ssize(map.initial) < s64{map.value_size} ||
                    std::find(begin, map.initial.end(), std::byte{0}) != map.initial.end();
  return ends || reject("string is not zero-terminated");
}

/// What lies behind argument `number`. Memory with a size argument is checked when that one's turn comes.
bool Checker::check_memory_of(CallContext& call, unsigned number, HelperArg want) {
  const MapSpec* map = call.map >= 0 ? &object_.maps[static_cast<std::size_t>(call.map)] : nullptr;
  switch (want) {
    case HelperArg::kMapKey:
      if (!check_memory_argument({.number = number, .bytes = map->key_size})) {
        return false;
      }
      if (map->type == MapType::kArray || map->type == MapType::kPercpuArray) {
        call.constant_key = constant_key(number, map->key_size);
      }
      return true;
    case HelperArg::kMapValueOrNull:
      if (state().reg(number).is_null_constant()) {
        return true;
      }
      [[fallthrough]];
    case HelperArg::kMapValue:
      return check_memory_argument({.number = number, .bytes = map->value_size});
    case HelperArg::kMapValueUninit: {
      // Asking a bloom filter reads the value.
      const bool reads = map->type == MapType::kBloomFilter;
      return check_memory_argument({.number = number,
                                    .bytes = map->value_size,
                                    .access = reads ? Access::kRead : Access::kWrite,
                                    .overwritten = !reads});
    }
    case HelperArg::kSize:
    case HelperArg::kSizeOrZero:
      return check_size_argument(call, number, call.helper->args[number - 2], want == HelperArg::kSizeOrZero);
    case HelperArg::kIpv4Header:
    case HelperArg::kIpv6Header:
    case HelperArg::kTcpHeader:
      return check_memory_argument({.number = number, .bytes = fixed_bytes(want)});
    case HelperArg::kLongUninit:
    case HelperArg::kIntWrite: {
      const u32 bytes = fixed_bytes(want);
      return check_memory_argument({.number = number,
                                    .bytes = bytes,
                                    .access = Access::kWrite,
                                    .overwritten = is_uninitialised(want)}) &&
             check_alignment({.reg = number, .bytes = bytes, .aligned = true}, state().reg(number));
    }
    default:
      return true;
  }
}

}  // namespace kiln::verifier
