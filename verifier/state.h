// SPDX-License-Identifier: Apache-2.0
//
// What is known at one point of one path: registers and stack of every frame. Plain values that are
// copied when a path forks; nothing here decides anything.
#pragma once

#include <array>
#include <string_view>
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
  kMapKey,    ///< key of a map's element, handed to a callback
  kBuf,       ///< a buffer of the kernel's whose size is asked when the program is attached
  kTpBuffer,  ///< the same, of a writable tracepoint
  kMem,       ///< `extra` bytes: argument of a global function, ring buffer record, dynptr slice
  kXdpSock,   ///< element of an xskmap
  kSocket,    ///< struct bpf_sock, of a full socket
  kSockCommon,  ///< struct bpf_sock, maybe a request or time-wait socket
  kTcpSock,   ///< struct bpf_tcp_sock
  kFlowKeys,  ///< struct bpf_flow_keys of a flow dissector
  kBtf,       ///< a structure that BTF describes; `extra` is its id
  kDynptr,    ///< a dynptr: two stack slots, or a callback's argument
  kIter,      ///< an open-coded iterator: stack slots only
  kIrqFlag,   ///< saved interrupt state: a stack slot only
  kFunc,      ///< address of a subprogram
};

constexpr bool is_packet_pointer(RegType type) {
  return type == RegType::kPacket || type == RegType::kPacketMeta;
}

constexpr bool is_socket(RegType type) {
  return type == RegType::kSocket || type == RegType::kSockCommon || type == RegType::kTcpSock ||
         type == RegType::kXdpSock;
}

/// Reg::extra of a packet pointer: bytes from the base known to lie in the packet, or one of these.
inline constexpr s32 kAtPacketEnd = -1;      ///< lies at data_end or beyond it
inline constexpr s32 kBeyondPacketEnd = -2;  ///< lies beyond data_end

/// What a dynptr stands for; Reg::extra of kDynptr.
enum class DynptrType : u8 { kNone, kLocal, kRingbuf, kSkb, kXdp, kSkbMeta };
constexpr std::string_view dynptr_name(DynptrType type) {
  constexpr std::string_view kNames[] = {"", "local", "ringbuf", "skb", "xdp", "skb_meta"};
  return kNames[static_cast<std::size_t>(type)];
}

/// Reg::flags of a pointer: what may be done with what it points at.
inline constexpr unsigned kReadOnly = 1u << 0;
inline constexpr unsigned kRingbuf = 1u << 1;  ///< kMem: a reserved record
inline constexpr unsigned kTrusted = 1u << 2;  ///< kBtf: valid as long as the program runs or the reference is held
inline constexpr unsigned kRcu = 1u << 3;  ///< valid until the RCU read section ends
inline constexpr unsigned kUntrusted = 1u << 4;  ///< may be stale: loads are safe, nothing else
inline constexpr unsigned kUser = 1u << 5;  ///< an address in user space
inline constexpr unsigned kPerCpu = 1u << 6;
inline constexpr unsigned kOwned = 1u << 7;  ///< kBtf: allocated by bpf_obj_new(); its type is the program's own
inline constexpr unsigned kNonOwning = 1u << 8;  ///< kBtf: borrowed from a list or tree, until the lock is released
inline constexpr unsigned kFirstSlot = 1u << 9;  ///< kDynptr, kIter: the slot at the lowest address
inline constexpr unsigned kDrained = 1u << 10;  ///< kIter: next() has given NULL
inline constexpr unsigned kRcuLocked = 1u << 11;  ///< kIter: made inside an RCU read section
inline constexpr unsigned kPacketSlice = 1u << 12;  ///< kMem: of a dynptr over the packet
inline constexpr unsigned kAllFlags = (1u << 14) - 1;

/// A scalar's id says which others hold the same value; with one of these bits, the same value minus
/// `off`, which was added in 64 bits or in 32.
inline constexpr u32 kIdOffset64 = 1u << 31, kIdOffset32 = 1u << 30;
inline constexpr u32 kIdWithOffset = kIdOffset64 | kIdOffset32;

/// One register, or one spilled to the stack. For pointers `bounds` is the variable part of the
/// offset from the base, `off` the fixed part; a pointer without variable part has bounds 0.
struct Reg {
  RegType type = RegType::kNotInit;
  u8 frame = 0;                 ///< kStack: whose
  bool maybe_null : 1 = false;  ///< tested against NULL yet to be
  bool precise : 1 = false;     ///< scalar: its exact range decided something on the way from here
  u16 flags : 14 = 0;           ///< pointers: see above
  s32 off = 0;
  u32 id = 0;     ///< scalars: linked copies; packet: same variable part; maybe_null: same origin
  s32 extra = 0;  ///< kPacket*: known range; kMap*: map index; kMem: size; kFunc: start slot; kBtf: type
  u32 ref = 0;    ///< the reference that keeps it alive, Reference::id; 0: none
  u32 uid = 0;    ///< kMem: the dynptr it is a slice of; kMap*: which inner map it is, or is in
  Bounds bounds;

  bool is_scalar() const { return type == RegType::kScalar; }
  bool is_pointer() const { return type > RegType::kScalar; }
  bool has(unsigned flag) const { return (flags & flag) != 0; }
  bool is_constant() const { return is_scalar() && bounds.is_constant(); }
  bool is_null_constant() const { return is_constant() && bounds.value() == 0; }
  u32 base_id() const { return id & ~kIdWithOffset; }
  /// The same to every later check, ids aside.
  bool same_but_id(const Reg& other) const {
    return type == other.type && maybe_null == other.maybe_null && frame == other.frame &&
           off == other.off && extra == other.extra && flags == other.flags &&
           bounds == other.bounds;
  }

  void set(unsigned flag) { flags = static_cast<u16>((flags | flag) & kAllFlags); }
  void clear(unsigned flag) { flags = static_cast<u16>(flags & ~flag & kAllFlags); }

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

/// What one byte of stack holds. kSpill: part of StackSlot::value. kDynptr, kIter, kIrqFlag: of an object
/// that only its own functions may touch; StackSlot::value describes it.
enum class Byte : u8 { kInvalid, kSpill, kMisc, kZero, kDynptr, kIter, kIrqFlag };

inline constexpr u32 kSlotBytes = 8;
inline constexpr u32 kStackBytes = 512;
inline constexpr u32 kStackSlots = kStackBytes / kSlotBytes;

/// Eight bytes of stack, bytes[0] at the lowest address. A spill always begins at bytes[0].
struct StackSlot {
  Reg value;
  std::array<Byte, kSlotBytes> bytes{};

  bool is_spill() const { return bytes[0] == Byte::kSpill; }
  bool is_object() const { return bytes[0] >= Byte::kDynptr; }
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
  u32 callback_depth = 0;  ///< how often the callback of the call that it stands at has been entered
  u32 async_entries = 0;   ///< asynchronous callbacks that led to this frame, one from another
  s32 return_min = 0, return_max = 0;  ///< of a callback
  bool in_callback = false;        ///< entered by a helper, which it returns to
  bool in_async_callback = false;  ///< entered by nobody that the program waits for
};

/// Something that the program has to give back.
struct Reference {
  enum class Kind : u8 { kPointer, kLock, kResLock, kResLockIrq, kIrq };
  u32 id = 0;
  u32 insn = 0;          ///< the call that acquired it
  Kind kind = Kind::kPointer;
  s32 owner = -1;        ///< locks: map index, or -1: a local object
  bool is_lock() const { return kind == Kind::kLock || kind == Kind::kResLock || kind == Kind::kResLockIrq; }
  bool operator==(const Reference&) const = default;
};

/// What a path holds: references, and sections that it is inside of.
struct Held {
  std::vector<Reference> refs;
  u32 lock_id = 0;      ///< of the lock taken last
  s32 lock_owner = -1;
  u32 irq_id = 0;       ///< of the interrupt flags saved last
  u16 locks = 0;
  u16 rcu = 0;          ///< nested RCU read sections
  u16 preempt = 0;      ///< nested preempt-disabled sections
  bool any_section() const { return locks != 0 || rcu != 0 || preempt != 0 || irq_id != 0; }
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
  bool returns_early = false; ///< the path went on in the caller from here (return_early())
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
  u32 dfs_depth = 0;         ///< checkpoints above it
  u32 may_goto_depth = 0;    ///< turns of may_goto loops
  u32 callback_unroll_depth = 0;  ///< synchronous callbacks entered
  bool sleepable = false;
  bool retired = false;      ///< as a checkpoint: kept for its descendants only
  bool enters_loop = false;  ///< as a checkpoint: the first in some loop (components.h)
  Held held;
  std::size_t bytes = 0;     ///< kept for later: as StateMemory counted it
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
