// SPDX-License-Identifier: Apache-2.0
//
// Loads and stores, by what the base register points at.
//
// Rules: the pointer can't be NULL; stack accesses and atomics are naturally aligned; the whole range
// of possible offsets lies inside the region; the context is accessed by the program type's table,
// at its unmodified address; maps may forbid reading or writing; an instruction that accesses the
// context on one path accesses it on every path. What is loaded is an unknown number, except spilled
// stack values, pointers in the context, and constants from frozen maps.
#include <cstring>

#include "checker.h"
#include "context_fields.h"
#include "helper_rules.h"
#include "sockets.h"

namespace kiln::verifier {
namespace {

constexpr u64 kMaxOffset = u64{1} << 29;  ///< BPF_MAX_VAR_OFF

std::string_view region_word(RegType type) {
  switch (type) {
    case RegType::kMapValue: return "value ";
    case RegType::kCtx: return "context ";
    case RegType::kStack: return "stack ";
    default: return "";
  }
}

/// nullopt: not known here.
std::optional<Reg> context_register(ContextValue value) {
  const auto or_null = [](RegType type) {
    Reg reg = Reg::pointer(type);
    reg.maybe_null = true;
    return reg;
  };
  switch (value) {
    case ContextValue::kNumber: return Reg::unknown();
    case ContextValue::kPacket: return Reg::pointer(RegType::kPacket);
    case ContextValue::kPacketMeta: return Reg::pointer(RegType::kPacketMeta);
    case ContextValue::kPacketEnd: return Reg::pointer(RegType::kPacketEnd);
    case ContextValue::kSocket: return Reg::pointer(RegType::kSocket);
    case ContextValue::kSocketOrNull: return or_null(RegType::kSocket);
    case ContextValue::kSockCommonOrNull: return or_null(RegType::kSockCommon);
    case ContextValue::kFlowKeys: return Reg::pointer(RegType::kFlowKeys);
    case ContextValue::kTracepointBuffer: return Reg::pointer(RegType::kTpBuffer);
    default: return std::nullopt;
  }
}

/// Regions whose accesses are rewritten when a program is loaded, each in its own way.
bool needs_own_code(RegType type) {
  return type == RegType::kCtx || type == RegType::kBtf || is_socket(type);
}

/// Loads of which Linux makes ones that may fail, if one of them must be.
bool is_memory_or_struct(RegType type) { return type == RegType::kMem || type == RegType::kBtf; }

}  // namespace

bool Checker::check_alignment(const MemoryAccess& a, const Reg& reg) {
  if (!a.aligned && reg.type != RegType::kStack) {
    return true;
  }
  const Tnum off = add(reg.bounds.bits, Tnum::constant(static_cast<u64>(a.off + reg.off)));
  if (off.is_aligned(a.bytes)) {
    return true;
  }
  return reject("misaligned {}access off {}+{}+{} size {}", region_word(reg.type),
                reg.bounds.bits.text(), reg.off, a.off, a.bytes);
}

bool Checker::check_fixed_pointer(unsigned number, const Reg& reg) {
  if (reg.off < 0) {
    return reject("negative offset {} ptr R{} off={} disallowed", type_name(reg), number, reg.off);
  }
  if (reg.off != 0) {
    return reject("dereference of modified {} ptr R{} off={} disallowed", type_name(reg), number, reg.off);
  }
  if (!reg.bounds.is_constant() || reg.bounds.value() != 0) {
    return reject("variable {} access var_off={} disallowed", type_name(reg), reg.bounds.bits.text());
  }
  return true;
}

/// [off, off + bytes) lies in [0, size).
bool Checker::access_bytes_at(unsigned number, const Reg& reg, s64 off, u32 bytes, s64 size, bool zero_size) {
  const bool size_ok = bytes > 0 || zero_size;
  if (off >= 0 && size_ok && off + s64{bytes} <= size) {
    return true;
  }
  if (is_packet_pointer(reg.type)) {
    return reject("invalid access to packet, off={} size={}, R{}(id={},off={},r={})", off, bytes, number,
                  reg.id, off, size);
  }
  if (reg.type == RegType::kMapValue) {
    return reject("invalid access to map value, value_size={} off={} size={}", size, off, bytes);
  }
  return reject("invalid access to memory, mem_size={} off={} size={}", size, off, bytes);
}

/// Every possible offset of a pointer with a variable part lies in a region of `size` bytes.
bool Checker::access_region(unsigned number, const Reg& reg, s64 off, u32 bytes, u32 size, bool zero_size) {
  const Interval64& w = reg.bounds.w;
  const bool wraps = w.smin == std::numeric_limits<s64>::min() || w.smin + off < 0 ||
                     w.smin + off != static_cast<s32>(w.smin + off);
  if (w.smin < 0 && wraps) {
    return reject("R{} min value is negative, either use unsigned index or do a if (index >=0) check.", number);
  }
  if (!access_bytes_at(number, reg, w.smin + off, bytes, size, zero_size)) {
    return explain("R{} min value is outside of the allowed memory range", number);
  }
  if (w.umax >= kMaxOffset) {
    return reject("R{} unbounded memory access, make sure to bounds check any such access", number);
  }
  if (!access_bytes_at(number, reg, static_cast<s64>(w.umax) + off, bytes, size, zero_size)) {
    return explain("R{} max value is outside of the allowed memory range", number);
  }
  return true;
}

/// The range learned from data_end counts from the variable part, so that needs no upper bound here.
bool Checker::access_packet(unsigned number, const Reg& reg, s64 off, u32 bytes, bool zero_size) {
  if (reg.bounds.w.smin < 0) {
    return reject("R{} min value is negative, either use unsigned index or do a if (index >=0) check.", number);
  }
  if (reg.extra < 0) {
    return reject("R{} offset is outside of the packet", number);
  }
  if (!access_bytes_at(number, reg, off, bytes, reg.extra, zero_size)) {
    return explain("R{} offset is outside of the packet", number);
  }
  return true;
}

/// Memory whose size is not known here: whoever attaches the program compares it with the highest access.
bool Checker::access_buffer(unsigned number, const Reg& reg, s64 off, u32 bytes) {
  const bool tracepoint = reg.type == RegType::kTpBuffer;
  if (off < 0) {
    return reject("R{} invalid {} buffer access: off={}, size={}", number,
                  tracepoint ? "tracepoint" : reg.has(kReadOnly) ? "rdonly" : "rdwr", off, bytes);
  }
  return (reg.bounds.is_constant() && reg.bounds.value() == 0) ||
         reject("R{} invalid variable buffer offset: off={}, var_off={}", number, off, reg.bounds.bits.text());
}

bool Checker::check_map_direction(const Reg& reg, s64 off, u32 bytes, Access access) {
  const MapSpec& map = object_.maps[static_cast<std::size_t>(reg.extra)];
  if (access == Access::kWrite && is_read_only(map)) {
    return reject("write into map forbidden, value_size={} off={} size={}", map.value_size, off, bytes);
  }
  if (access == Access::kRead && (map.flags & kMapWriteOnlyFlag) != 0) {
    return reject("read from map forbidden, value_size={} off={} size={}", map.value_size, off, bytes);
  }
  return true;
}

/// The bytes of a frozen map at a fixed offset: they never change, so they are constants.
std::optional<u64> Checker::read_only_value(const Reg& reg, s64 off, u32 bytes) const {
  const MapSpec& map = object_.maps[static_cast<std::size_t>(reg.extra)];
  if (!map.is_readonly || !reg.bounds.is_constant() || map.type != MapType::kArray) {
    return std::nullopt;
  }
  const u64 at = static_cast<u64>(off) + reg.bounds.value();
  if (at + bytes > map.initial.size()) {
    return std::nullopt;
  }
  u64 value = 0;
  std::memcpy(&value, map.initial.data() + at, bytes);
  return value;
}

bool Checker::access_map_value(const MemoryAccess& a, const Reg& reg, s64 off) {
  const MapSpec& map = object_.maps[static_cast<std::size_t>(reg.extra)];
  if (!check_map_direction(reg, off, a.bytes, a.access) ||
      !access_region(a.reg, reg, off, a.bytes, map.value_size, false) ||
      !check_fields(reg, map_fields(reg.extra), off, a.bytes, !a.atomic)) {
    return false;
  }
  if (reg.bounds.is_constant() && off + static_cast<s64>(reg.bounds.value()) >= 0) {
    const Field* field = field_at(map_fields(reg.extra), static_cast<u32>(off + static_cast<s64>(reg.bounds.value())));
    if (field != nullptr && field->is_pointer()) {
      return access_kernel_pointer(a, *field);
    }
  }
  if (a.access == Access::kRead && a.value_reg >= 0) {
    const auto constant = read_only_value(reg, off, a.bytes);
    set_reg(static_cast<unsigned>(a.value_reg), constant ? Reg::constant(*constant) : Reg::unknown());
  }
  return true;
}

bool Checker::access_traced_argument(const MemoryAccess& a, s64 off) {
  if (a.access == Access::kWrite) {
    return reject("invalid bpf_context access off={} size={}", off, a.bytes);
  }
  const auto loaded = traced_->load(off, a.bytes);
  if (const auto* reason = std::get_if<std::string>(&loaded)) {
    explain("{}", *reason);
    return reject("invalid bpf_context access off={} size={}", off, a.bytes);
  }
  Reg reg = std::get<Reg>(loaded);
  reg.id = reg.maybe_null ? new_id() : 0;
  if (a.value_reg >= 0) {
    set_reg(static_cast<unsigned>(a.value_reg), reg);
  }
  return true;
}

bool Checker::access_context(const MemoryAccess& a, const Reg& reg, s64 off) {
  const bool write = a.access == Access::kWrite;
  if (!check_fixed_pointer(a.reg, reg)) {
    return false;
  }
  if (rules_.watches_function) {
    return access_traced_argument(a, off);
  }
  const auto value = context_access(program_.type, rules_.attach, {off, a.bytes, write, a.sign_extend});
  if (!value) {
    return reject("invalid bpf_context access off={} size={}", off, a.bytes);
  }
  if (write) {
    return true;
  }
  if (*value == ContextValue::kHookState || *value == ContextValue::kSkBuff) {
    Reg object = Reg::pointer(RegType::kBtf);
    object.set(kTrusted);
    if (!name_kernel_type(object, *value == ContextValue::kSkBuff ? "sk_buff" : "nf_hook_state")) {
      return false;
    }
    set_reg(static_cast<unsigned>(a.value_reg), object);
    return true;
  }
  const auto loaded = context_register(*value);
  if (!loaded) {
    return reject("the context's field at off={} is a kind of pointer that this verifier does not follow", off);
  }
  Reg field = *loaded;
  if (field.maybe_null) {
    field.id = new_id();
  }
  set_reg(static_cast<unsigned>(a.value_reg), field);
  return true;
}

bool Checker::check_same_region(const Reg& reg, bool loads) {
  RegType& before = region_[insn_];
  if (before == RegType::kNotInit) {
    before = reg.type;
  } else if (before != reg.type && (needs_own_code(before) || needs_own_code(reg.type)) &&
             !(loads && is_memory_or_struct(before) && is_memory_or_struct(reg.type))) {
    return reject("same insn cannot be used with different pointers");
  }
  return true;
}

bool Checker::check_memory(const MemoryAccess& a) {
  const Reg reg = state().reg(a.reg);
  if (!check_alignment(a, reg)) {
    return false;
  }
  const s64 off = a.off + reg.off;
  const auto give_unknown = [&] {
    if (a.access == Access::kRead && a.value_reg >= 0) {
      set_reg(static_cast<unsigned>(a.value_reg), Reg::unknown());
    }
    return true;
  };
  written_slots_ = 0;
  written_frame_ = 0;
  bool ok = false;
  if (reg.maybe_null) {
    ok = reject("R{} invalid mem access '{}'", a.reg, type_name(reg));
  } else if (reg.type == RegType::kMapValue) {
    ok = access_map_value(a, reg, off);
  } else if (reg.type == RegType::kMapKey) {
    const u32 size = object_.maps[static_cast<std::size_t>(reg.extra)].key_size;
    ok = a.access == Access::kWrite ? reject("write to change key R{} not allowed", a.reg)
                                    : access_region(a.reg, reg, off, a.bytes, size, false) && give_unknown();
  } else if (reg.type == RegType::kMem && reg.has(kUntrusted)) {
    ok = a.access == Access::kRead ? give_unknown() : reject("R{} cannot write into {}", a.reg, type_name(reg));
  } else if (reg.type == RegType::kMem && reg.has(kReadOnly) && a.access == Access::kWrite) {
    ok = reject("R{} cannot write into {}", a.reg, type_name(reg));
  } else if (reg.type == RegType::kMem) {
    ok = access_region(a.reg, reg, off, a.bytes, static_cast<u32>(reg.extra), false) && give_unknown();
  } else if (reg.type == RegType::kBuf && reg.has(kReadOnly) && a.access == Access::kWrite) {
    ok = reject("R{} cannot write into {}", a.reg, type_name(reg));
  } else if (reg.type == RegType::kBuf || reg.type == RegType::kTpBuffer) {
    ok = access_buffer(a.reg, reg, off, a.bytes) && give_unknown();
  } else if (reg.type == RegType::kCtx) {
    ok = access_context(a, reg, off);
  } else if (reg.type == RegType::kStack) {
    ok = access_stack(a, reg, off);
  } else if (is_packet_pointer(reg.type)) {
    if (a.access == Access::kWrite && !rules_.packet_write) {
      return reject("cannot write into packet");
    }
    ok = access_packet(a.reg, reg, off, a.bytes, false) && give_unknown();
  } else if (reg.type == RegType::kFlowKeys) {
    constexpr s64 kFlowKeysBytes = 56;  // struct bpf_flow_keys
    const bool inside = off >= 0 && off + s64{a.bytes} <= kFlowKeysBytes;
    ok = inside ? give_unknown() : reject("invalid access to flow keys off={} size={}", off, a.bytes);
  } else if (is_socket(reg.type) && a.access == Access::kWrite) {
    ok = reject("R{} cannot write into {}", a.reg, type_name(reg));
  } else if (is_socket(reg.type)) {
    ok = socket_load(reg.type, off, a.bytes)
             ? give_unknown()
             : reject("R{} invalid {} access off={} size={}", a.reg, type_name(reg), off, a.bytes);
  } else if (reg.type == RegType::kBtf) {
    ok = access_kernel_object(a, reg, off);
  } else if (reg.type == RegType::kMapPtr) {
    ok = access_map_struct(a, reg, off);
  } else {
    ok = reject("R{} invalid mem access '{}'", a.reg, type_name(reg));
  }
  if (!ok || !check_same_region(reg, a.access == Access::kRead && !a.atomic)) {
    return false;
  }
  const s64 low = off + reg.bounds.w.smin;
  facts_.record_memory(insn_, reg.type, low, off + reg.bounds.w.smax);
  if (a.access == Access::kWrite) {
    stack_liveness_.write(state().frame().instance, insn_, written_frame_, written_slots_);
  } else if (a.value_reg >= 0) {
    Reg& loaded = state().reg(static_cast<unsigned>(a.value_reg));
    if (loaded.is_scalar() && a.sign_extend) {
      if (!loaded.bounds.fits_signed(a.bytes * 8)) {
        loaded.id = 0;  // another number than the one that was stored; Linux 6.18 takes it for the same
        loaded.off = 0;
      }
      loaded.bounds.sign_extend(a.bytes * 8);
    } else if (loaded.is_scalar()) {
      loaded.bounds.truncate(a.bytes);
    }
  }
  return true;
}

}  // namespace kiln::verifier
