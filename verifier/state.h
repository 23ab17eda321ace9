// SPDX-License-Identifier: Apache-2.0
//
// What is known at one point of one path: registers and stack of every frame. Plain values that are
// copied when a path forks; nothing here decides anything.
#pragma once

#include <array>
#include <vector>

#include <kiln/isa.h>

#include "range.h"

namespace kiln::verifier {

enum class RegType : u8 {
  kNotInit,
  kScalar,
  kCtx,
  kStack,
  kPacket,
  kPacketMeta,
  kPacketEnd,
  kMapPtr,    ///< a map itself
  kMapValue,  ///< inside an element of a map
  kMem,       ///< mem_size bytes, argument of a global function
  kXdpSock,   ///< element of an xskmap
  kFunc,      ///< address of a subprogram
};

constexpr bool is_packet_pointer(RegType type) {
  return type == RegType::kPacket || type == RegType::kPacketMeta;
}

/// Reg::extra of a packet pointer: bytes from the base known to lie in the packet, or one of these.
inline constexpr s32 kAtPacketEnd = -1;      ///< lies at data_end or beyond it
inline constexpr s32 kBeyondPacketEnd = -2;  ///< lies beyond data_end

/// A scalar's id says which others hold the same value; with one of these bits, the same value minus
/// `off`, which was added in 64 bits or in 32.
inline constexpr u32 kIdOffset64 = 1u << 31, kIdOffset32 = 1u << 30;
inline constexpr u32 kIdWithOffset = kIdOffset64 | kIdOffset32;

/// One register, or one spilled to the stack. For pointers `bounds` is the variable part of the
/// offset from the base, `off` the fixed part; a pointer without variable part has bounds 0.
struct Reg {
  RegType type = RegType::kNotInit;
  bool maybe_null = false;  ///< tested against NULL yet to be; kMapValue, kXdpSock, kMapPtr, kMem
  bool precise = false;     ///< scalar: its exact range decided something on the way from here
  bool read_only = false;   ///< kMem: not to be written
  u8 frame = 0;             ///< kStack: whose
  s32 off = 0;
  u32 id = 0;     ///< scalars: linked copies; packet: same variable part; maybe_null: same origin
  s32 extra = 0;  ///< kPacket*: known range; kMap*: map index; kMem: size; kFunc: start slot
  Bounds bounds;

  bool is_scalar() const { return type == RegType::kScalar; }
  bool is_pointer() const { return type > RegType::kScalar; }
  bool is_constant() const { return is_scalar() && bounds.is_constant(); }
  bool is_null_constant() const { return is_constant() && bounds.value() == 0; }
  u32 base_id() const { return id & ~kIdWithOffset; }
  /// The same to every later check, ids aside.
  bool same_but_id(const Reg& other) const {
    return type == other.type && maybe_null == other.maybe_null && read_only == other.read_only && frame == other.frame &&
           off == other.off && extra == other.extra && bounds == other.bounds;
  }

  static Reg scalar(const Bounds& bounds) {
    Reg r;
    r.type = RegType::kScalar;
    r.bounds = bounds;
    return r;
  }
  static Reg unknown() { return scalar(Bounds::unknown()); }
  static Reg constant(u64 value) { return scalar(Bounds::constant(value)); }
  static Reg pointer(RegType type, s32 off = 0) {
    Reg r;
    r.type = type;
    r.off = off;
    r.bounds = Bounds::constant(0);
    return r;
  }
};

/// What one byte of stack holds. kSpill: part of StackSlot::value.
enum class Byte : u8 { kInvalid, kSpill, kMisc, kZero };

inline constexpr u32 kSlotBytes = 8;
inline constexpr u32 kStackBytes = 512;
inline constexpr u32 kStackSlots = kStackBytes / kSlotBytes;

/// Eight bytes of stack, bytes[0] at the lowest address. A spill always begins at bytes[0].
struct StackSlot {
  Reg value;
  std::array<Byte, kSlotBytes> bytes{};

  bool is_spill() const { return bytes[0] == Byte::kSpill; }
  bool is_full_spill() const { return is_spill() && bytes[kSlotBytes - 1] == Byte::kSpill; }
  bool is_scalar_spill() const { return is_spill() && value.is_scalar(); }
  u32 spill_size() const {
    u32 n = 0;
    while (n < kSlotBytes && bytes[n] == Byte::kSpill) {
      ++n;
    }
    return n;
  }
};

/// Slot k covers frame pointer offsets [-8(k+1), -8k).
constexpr u32 slot_of(s64 off) { return static_cast<u32>((-off - 1) / kSlotBytes); }
/// Index into StackSlot::bytes of the byte at `off`.
constexpr u32 byte_of(s64 off) { return static_cast<u32>(off & (kSlotBytes - 1)); }

inline constexpr u32 kNoCallsite = ~0u;
inline constexpr u32 kMaxFrames = 8;

struct Frame {
  std::array<Reg, kRegisters> regs;
  std::vector<StackSlot> stack;  ///< only as deep as touched; deeper slots are Byte::kInvalid
  u32 callsite = kNoCallsite;    ///< slot of the call that entered it
  u32 subprogram = 0;
  u32 instance = 0;  ///< its call chain, an index of StackLiveness
};

/// A register or stack slot of a frame, as one small number (Linked below).
struct Place {
  u8 frame = 0;
  u8 index = 0;  ///< register, or slot if is_slot
  bool is_slot = false;
};

/// One executed instruction of a path, for walking it backwards (precision.cc).
struct TraceEntry {
  u32 insn = 0;
  u8 stack_frame = 0;
  u8 stack_slot = 0;
  bool stack_access = false;  ///< a spill or fill of stack_slot in stack_frame
  u16 linked_count = 0;       ///< conditional jump: this many of State::links, ending at links_end
  u32 links_end = 0;
};

struct State {
  std::vector<Frame> frames;
  u32 insn = 0;       ///< next to execute
  u32 last_insn = 0;  ///< executed before
  State* parent = nullptr;  ///< the checkpoint this path went through last
  u32 branches = 1;         ///< paths from here not yet explored to their end
  u32 jumps_in_trace = 0;   ///< what the kernel keeps of a trace; forces a checkpoint when long
  u32 hits = 0, misses = 0;  ///< as a checkpoint: how often it ended a path, how often it did not
  bool cleaned = false;      ///< as a checkpoint: dead registers and slots have been forgotten
  std::vector<TraceEntry> trace;  ///< since parent
  std::vector<Place> links;

  Frame& frame() { return frames.back(); }
  const Frame& frame() const { return frames.back(); }
  Reg& reg(unsigned number) { return frames.back().regs[number]; }
  const Reg& reg(unsigned number) const { return frames.back().regs[number]; }
  u32 depth() const { return static_cast<u32>(frames.size()) - 1; }
};

/// Calls visit(Reg&) for every register and every full or partial spill of every frame.
template <typename Visit>
void for_each_reg(State& state, Visit visit) {
  for (Frame& frame : state.frames) {
    for (Reg& reg : frame.regs) {
      visit(reg);
    }
    for (StackSlot& slot : frame.stack) {
      if (slot.is_spill()) {
        visit(slot.value);
      }
    }
  }
}

}  // namespace kiln::verifier
