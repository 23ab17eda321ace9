// SPDX-License-Identifier: Apache-2.0
#include "log.h"

namespace kiln::verifier {
namespace {

// Small numbers are decimal, others hexadecimal.
std::string unsigned_text(u64 v) {
  return v <= 0xffff ? fmt::format("{}", v) : fmt::format("{:#x}", v);
}
std::string signed_text(s64 v) {
  return v >= -0x8000 && v <= 0x7fff ? fmt::format("{}", v)
                                     : fmt::format("{:#x}", static_cast<u64>(v));
}

/// Collects "a=1,b=2".
class Fields {
 public:
  template <typename... Args>
  void add(fmt::format_string<Args...> format, Args&&... args) {
    text_ += text_.empty() ? "" : ",";
    text_ += fmt::format(format, std::forward<Args>(args)...);
  }
  void append(std::string_view text) { text_ += text; }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

struct Limit {
  const char* name;
  u64 value;
  bool trivial;
  bool is_signed() const { return name[0] == 's'; }
  bool is_negative() const { return is_signed() && static_cast<s64>(value) < 0; }
};

/// Limits that say something; equal ones of one direction share a value: "umax=umax32=255".
void add_limits(Fields& fields, const Bounds& b) {
  const auto wide = [](s32 v) {  // a large negative 32-bit number shows its 32 bits
    return v >= -0x8000 && v <= 0x7fff ? static_cast<u64>(static_cast<s64>(v)) : u64{static_cast<u32>(v)};
  };
  Limit limits[] = {
      {"smin", static_cast<u64>(b.w.smin), b.w.smin == std::numeric_limits<s64>::min()},
      {"smax", static_cast<u64>(b.w.smax), b.w.smax == std::numeric_limits<s64>::max()},
      {"umin", b.w.umin, b.w.umin == 0},
      {"umax", b.w.umax, b.w.umax == std::numeric_limits<u64>::max()},
      {"smin32", wide(b.h.smin), b.h.smin == std::numeric_limits<s32>::min()},
      {"smax32", wide(b.h.smax), b.h.smax == std::numeric_limits<s32>::max()},
      {"umin32", b.h.umin, b.h.umin == 0},
      {"umax32", b.h.umax, b.h.umax == std::numeric_limits<u32>::max()},
  };
  constexpr std::size_t kCount = std::size(limits);
  for (std::size_t i = 0; i < kCount; ++i) {
    const Limit first = limits[i];
    if (first.trivial) {
      continue;
    }
    fields.add("{}=", first.name);
    for (std::size_t k = i + 2; k < kCount; k += 2) {
      Limit& other = limits[k];
      if (!other.trivial && other.value == first.value && other.is_negative() == first.is_negative()) {
        other.trivial = true;
        fields.append(fmt::format("{}=", other.name));
      }
    }
    fields.append(first.is_signed() ? signed_text(static_cast<s64>(first.value))
                                    : unsigned_text(first.value));
  }
}

void add_map(Fields& fields, const Reg& reg, const Object& object) {
  const MapSpec& map = object.maps[static_cast<std::size_t>(reg.extra)];
  if (!map.name.empty()) {
    fields.add("map={}", map.name.substr(0, 15));  // BPF_OBJ_NAME_LEN - 1
  }
  fields.add("ks={},vs={}", map.key_size, map.value_size);
}

std::string_view byte_letter(Byte byte) {
  switch (byte) {
    case Byte::kInvalid: return "?";
    case Byte::kSpill: return "r";
    case Byte::kMisc: return "m";
    case Byte::kZero: return "0";
    case Byte::kDynptr: return "d";
    case Byte::kIter: return "i";
    case Byte::kIrqFlag: return "f";
  }
  return "?";
}

/// Bytes from the highest address down, as the kernel writes them; a spill's own bytes as its value.
std::string slot_text(const StackSlot& slot, u32 frame, const Object& object) {
  std::string text;
  for (u32 i = kSlotBytes; i-- > (slot.is_spill() ? slot.spill_size() : 0);) {
    text += byte_letter(slot.bytes[i]);
  }
  return slot.is_spill() ? text + reg_text(slot.value, frame, object) : text;
}

}  // namespace

std::string_view type_name(RegType type) {
  switch (type) {
    case RegType::kNotInit: return "?";
    case RegType::kScalar: return "scalar";
    case RegType::kCtx: return "ctx";
    case RegType::kStack: return "fp";
    case RegType::kPacket: return "pkt";
    case RegType::kPacketMeta: return "pkt_meta";
    case RegType::kPacketEnd: return "pkt_end";
    case RegType::kMapPtr: return "map_ptr";
    case RegType::kMapValue: return "map_value";
    case RegType::kBuf: return "buf";
    case RegType::kTpBuffer: return "tp_buffer";
    case RegType::kMem: return "mem";
    case RegType::kMapKey: return "map_key";
    case RegType::kXdpSock: return "xdp_sock";
    case RegType::kSocket: return "sock";
    case RegType::kSockCommon: return "sock_common";
    case RegType::kTcpSock: return "tcp_sock";
    case RegType::kFlowKeys: return "flow_keys";
    case RegType::kBtf: return "ptr_";
    case RegType::kDynptr: return "dynptr_ptr";
    case RegType::kIter: return "iter";
    case RegType::kIrqFlag: return "irq_flag";
    case RegType::kFunc: return "func";
  }
  return "?";
}

std::string type_name(const Reg& reg) {
  std::string name = reg.has(kReadOnly) && (reg.type == RegType::kMem || reg.type == RegType::kBuf) ? "rdonly_" : "";
  name += reg.has(kRingbuf) ? "ringbuf_" : "";
  name += reg.has(kUser) ? "user_" : "";
  name += reg.has(kPerCpu) ? "percpu_" : "";
  name += reg.has(kRcu) ? "rcu_" : "";
  name += reg.has(kUntrusted) ? "untrusted_" : "";
  name += reg.has(kTrusted) ? "trusted_" : "";
  name += type_name(reg.type);
  return name + (!reg.maybe_null ? "" : reg.type == RegType::kBtf ? "or_null_" : "_or_null");
}

std::string reg_text(const Reg& reg, u32 frame, const Object& object) {
  const std::string mark = reg.is_scalar() && reg.precise ? "P" : "";
  if (reg.is_constant()) {
    return mark + signed_text(static_cast<s64>(reg.bounds.value()));
  }
  std::string name = mark + type_name(reg);
  if (reg.type == RegType::kStack) {
    name += reg.frame == frame ? "" : fmt::format("[{}]", reg.frame);
    if (reg.bounds.is_constant()) {
      return name + signed_text(static_cast<s64>(reg.bounds.value()) + reg.off);
    }
  }
  Fields fields;
  if (reg.id != 0) {
    fields.add("id={}", reg.base_id());
  }
  if ((reg.id & kIdWithOffset) != 0) {
    fields.append(fmt::format("{:+d}", reg.off));
  }
  if (reg.type == RegType::kMapPtr || reg.type == RegType::kMapValue) {
    add_map(fields, reg, object);
  }
  if (!reg.is_scalar() && reg.off != 0) {
    fields.add("off={}", signed_text(reg.off));
  }
  if (is_packet_pointer(reg.type)) {
    fields.add("r={}", unsigned_text(static_cast<u64>(static_cast<s64>(reg.extra))));
  }
  if (reg.type == RegType::kMem) {
    fields.add("sz={}", unsigned_text(static_cast<u64>(reg.extra)));
  }
  if (!reg.bounds.is_constant()) {
    add_limits(fields, reg.bounds);
    if (!reg.bounds.bits.is_unknown()) {
      fields.add("var_off={}", reg.bounds.bits.text());
    }
  }
  return name + "(" + fields.text() + ")";
}

std::string frame_text(const State& state, u32 frame, const Object& object, u32 regs, u64 slots) {
  const Frame& f = state.frames[frame];
  std::string text = frame == 0 ? "" : fmt::format(" frame{}:", frame);
  for (unsigned i = 0; i < kRegisters; ++i) {
    if (f.regs[i].type != RegType::kNotInit && (regs >> i & 1) != 0) {
      text += fmt::format(" R{}={}", i, reg_text(f.regs[i], frame, object));
    }
  }
  for (u32 i = 0; i < f.stack.size(); ++i) {
    const StackSlot& slot = f.stack[i];
    bool any = false;
    for (const Byte byte : slot.bytes) {
      any |= byte != Byte::kInvalid;
    }
    if (any && (slots >> i & 1) != 0) {
      text += fmt::format(" fp-{}={}", (i + 1) * kSlotBytes, slot_text(slot, frame, object));
    }
  }
  text += f.in_callback ? " cb" : "";
  text += f.in_async_callback ? " async_cb" : "";
  return text;
}

}  // namespace kiln::verifier
