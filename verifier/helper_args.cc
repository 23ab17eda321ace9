// SPDX-License-Identifier: Apache-2.0
//
// Arguments of helpers, by the kinds of helpers.def.
//
// Rules: every argument is initialised. A context is the unmodified context, a map a map that the
// helper accepts. Keys and values are as long as the map says; memory is as long as the size argument
// may be at most, which is bounded, not negative, and not 0 unless allowed. Memory lies on the stack,
// in a map value, or, for helpers that can take it, in the packet, whole, and is readable.
#include <string>

#include "checker.h"
#include "helper_rules.h"

namespace kiln::verifier {
namespace {

constexpr u64 kMaxSize = u64{1} << 29;  ///< BPF_MAX_VAR_SIZ

bool is_memory(HelperArg arg) {
  return arg == HelperArg::kMapKey || arg == HelperArg::kMapValue || arg == HelperArg::kMemReadonly ||
         arg == HelperArg::kMemReadonlyOrNull;
}

}  // namespace

bool Checker::check_argument_type(unsigned number, HelperArg want) {
  const Reg& reg = state().reg(number);
  const char* expected = "";
  bool fits = false;
  if (want == HelperArg::kContext) {
    expected = "ctx";
    fits = reg.type == RegType::kCtx;
  } else if (want == HelperArg::kMapPtr) {
    expected = "map_ptr";
    fits = reg.type == RegType::kMapPtr;
  } else if (want == HelperArg::kSize || want == HelperArg::kSizeOrZero) {
    expected = "scalar";
    fits = reg.is_scalar();
  } else {
    const bool any_memory = want == HelperArg::kMemReadonly || want == HelperArg::kMemReadonlyOrNull;
    expected = any_memory ? "fp, pkt, pkt_meta, map_key, map_value, mem, ringbuf_mem, buf, trusted_ptr_"
                          : "fp, pkt, pkt_meta, map_key, map_value";
    fits = !reg.maybe_null &&
           (reg.type == RegType::kStack || is_packet_pointer(reg.type) || reg.type == RegType::kMapValue ||
            (any_memory && reg.type == RegType::kMem));
  }
  return fits || reject("R{} type={} expected={}", number, type_name(reg), expected);
}

/// `bytes` bytes at the register are readable. REQUIRES: a type that check_argument_type() let pass,
/// or NULL.
bool Checker::check_memory_argument(unsigned number, u32 bytes, bool zero_size) {
  const Reg reg = state().reg(number);
  switch (reg.type) {
    case RegType::kPacket:
    case RegType::kPacketMeta:
      return access_packet(number, reg, reg.off, bytes, zero_size);
    case RegType::kMapValue:
      return check_map_direction(reg, reg.off, bytes, Access::kRead) &&
             access_region(number, reg, reg.off, bytes,
                           object_.maps[static_cast<std::size_t>(reg.extra)].value_size, zero_size);
    case RegType::kMem:
      return access_region(number, reg, reg.off, bytes, static_cast<u32>(reg.extra), zero_size);
    case RegType::kStack:
      if (bytes == 0 && !zero_size) {
        return reject("invalid zero-sized read");
      }
      return read_stack_argument(number, reg, bytes);
    default:
      if (zero_size && bytes == 0 && reg.is_null_constant()) {
        return true;
      }
      return reject("R{} type={} expected=fp", number, type_name(reg));
  }
}

bool Checker::check_size_argument(unsigned memory, unsigned size, bool zero_size) {
  const Interval64 w = state().reg(size).bounds.w;
  if (w.smin < 0) {
    return reject("R{} min value is negative, either use unsigned or 'var &= const'", size);
  }
  if (w.umin == 0 && !zero_size) {
    return reject("R{} invalid zero-sized read: u64=[{},{}]", size, w.umin, w.umax);
  }
  if (w.umax >= kMaxSize) {
    return reject("R{} unbounded memory access, use 'var &= const' or 'if (var < const)'", size);
  }
  if (!check_memory_argument(memory, static_cast<u32>(w.umax), zero_size)) {
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

bool Checker::check_argument(CallContext& call, unsigned index) {
  const HelperArg want = call.helper->args[index];
  const unsigned number = index + 1;
  if (want == HelperArg::kNone) {
    return true;
  }
  if (!check_readable(number)) {
    return false;
  }
  if (want == HelperArg::kAnything) {
    return true;
  }
  const Reg reg = state().reg(number);
  if (is_packet_pointer(reg.type) && !helper_rules(*call.helper).reads_packet) {
    return reject("helper access to the packet is not allowed");
  }
  const bool null_allowed = want == HelperArg::kMemReadonlyOrNull && reg.is_null_constant();
  if (!null_allowed && !check_argument_type(number, want)) {
    return false;
  }
  if ((want == HelperArg::kContext || want == HelperArg::kMapPtr) && !check_fixed_pointer(number, reg)) {
    return false;
  }
  if (is_memory(want) && is_packet_pointer(reg.type) && !rules_.packet_read) {
    return reject("helper access to the packet is not allowed");
  }
  const MapSpec* map = call.map >= 0 ? &object_.maps[static_cast<std::size_t>(call.map)] : nullptr;
  switch (want) {
    case HelperArg::kMapPtr:
      call.map = reg.extra;
      return true;
    case HelperArg::kMapKey:
      if (!check_memory_argument(number, map->key_size, false)) {
        return false;
      }
      if (map->type == MapType::kArray || map->type == MapType::kPercpuArray) {
        call.constant_key = constant_key(number, map->key_size);
      }
      return true;
    case HelperArg::kMapValue:
      return check_memory_argument(number, map->value_size, false);
    case HelperArg::kSize:
    case HelperArg::kSizeOrZero:
      return check_size_argument(number - 1, number, want == HelperArg::kSizeOrZero);
    case HelperArg::kNone:
    case HelperArg::kAnything:
    case HelperArg::kContext:
    case HelperArg::kMemReadonly:
    case HelperArg::kMemReadonlyOrNull:
      return true;
  }
  return true;
}

bool Checker::check_arguments(CallContext& call) {
  for (unsigned i = 0; i < call.helper->args.size(); ++i) {
    if (!check_argument(call, i)) {
      return false;
    }
  }
  if (call.map < 0) {
    return true;
  }
  const MapSpec& map = object_.maps[static_cast<std::size_t>(call.map)];
  if (helper_rules(*call.helper).writes_map && is_read_only(map)) {
    return reject("write into map forbidden");
  }
  if (!fits_map(*call.helper, map.type)) {
    return reject("cannot pass map_type {} into func bpf_{}#{}", static_cast<u32>(map.type),
                  call.helper->name, call.helper->number);
  }
  return true;
}

}  // namespace kiln::verifier
