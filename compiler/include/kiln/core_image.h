// SPDX-License-Identifier: Apache-2.0
//
// The program image that the host writes to the NIC, and the lowering that makes it.
//
// A core image is native code: BPF instructions plus those of core_isa.def, one 64-bit word each,
// with every program that can be tail-called in the same instruction memory.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <kiln/address.h>
#include <kiln/facts.h>
#include <kiln/program.h>
#include <kiln/result.h>

namespace kiln {

inline constexpr std::uint32_t kCoreRegisters = 16;
inline constexpr unsigned kSaveRegister = 11;  ///< native R11: end of the context region, for saved registers
inline constexpr unsigned kLinkRegister = 15;  ///< native R15: return address
// R12..R14 are scratch for sequences of the lowering.

/// What a native word came from, so that a retire stream can be followed in terms of BPF instructions.
///
/// A BPF instruction begins when a word with `first` retires, and is complete when the next such word
/// is about to retire, or with EXIT. Words without `first` go on with the instruction that has begun,
/// wherever they are (a subprogram's saves and the code after a call's return belong to the call, or
/// the exit, that led there). An instruction may have no words at all, because it is never reached,
/// has no effect, or was made part of another; so between two words with `first` the program may have
/// stepped over any number of such instructions. A word with `first` may occur several times for
/// one instruction (its code was duplicated) but retires once per execution.
struct CoreOrigin {
  std::uint32_t program = 0;  ///< index into Object::programs
  std::uint32_t insn = 0;     ///< BPF slot; kNoInsn for what is no instruction's (prologues, jump table)
  bool first = false;         ///< the BPF instruction begins here
  std::uint16_t live = 0;     ///< with `first`: bit r set: native Rr holds the program's Rr before it
};
inline constexpr std::uint32_t kNoInsn = 0xffff'ffff;

/// One emitted copy of a function, as unwinding needs it: what it saved of its caller, and where.
struct CoreFunction {
  std::uint32_t program = 0;
  bool bottom = false;             ///< the program itself, entered by a frame: nobody called it
  std::uint16_t saves = 0;         ///< bit r: native Rr is saved, in ascending order, 8 bytes each
  std::int32_t save_offset = 0;    ///< of the first of them, from R11
  std::uint32_t frame_bytes = 0;   ///< from its R10 to that of a function it calls
};

/// A word that a callee returns to.
struct CoreReturn {
  std::uint32_t word = 0;
  std::uint32_t function = 0;  ///< the caller: index into CoreImage::functions
  std::uint32_t slot = 0;      ///< BPF slot after the call
  /// Not a call but a tail call from a subprogram: BPF has no frame here, and R11 is this much lower in
  /// the program that was called.
  bool tail_call = false;
  std::uint32_t below = 0;
};

/// A place where a thread goes to the host. Its number is in the thread's context (kCtxReserved).
struct HandoverPoint {
  std::uint32_t program = 0;
  std::uint32_t insn = 0;       ///< BPF slot where the host goes on
  std::uint32_t function = 0;   ///< index into CoreImage::functions
  std::uint16_t registers = 0;  ///< bit r: Rr is in the context; the program reads no other
  std::string reason;           ///< what the NIC has no unit for: the refusal in full, with source line
};

/// Words 0..n-1 are a jump table: word p goes to program p of the object (tail calls enter there by
/// JALR R14, since a prog-array slot holds the program's index plus one), or is a JR R14 where p is not in
/// the image: the tail call then goes on as if the slot were empty, as on the CPU engines. If some program
/// tail-calls from a subprogram, words n..2n-1 are a second such table, of versions that return.
/// Image file, little-endian, version 1: bytes 0..3 "KILN", 4..7 version, 8..11 number of words,
/// 12..15 entry, then the words, 8 bytes each.
struct CoreImage {
  std::vector<std::uint64_t> words;
  std::vector<CoreOrigin> origins;  ///< for the host only: same size as words
  std::uint32_t entry = 0;
  // For the host only: what hand-over needs (handover.h).
  std::vector<CoreFunction> functions;
  std::vector<CoreReturn> returns;
  std::vector<HandoverPoint> handovers;
};

/// What the lowering must know of a map; maps/ fills it from MapDescriptor.
struct CoreMap {
  MapType type = MapType::kArray;
  std::uint32_t key_size = 0;
  std::uint32_t value_size = 0;
  std::uint32_t max_entries = 0;
  std::uint32_t entries = 0;       ///< arena offset of entry 0
  std::uint32_t entry_stride = 0;
  std::uint32_t value_stride = 0;
  std::uint32_t cpu_count = 1;
  std::vector<std::uint32_t> programs{};  ///< prog array: programs in its slots, each once
};

/// Map types whose bytes the NIC's map memory holds. The others live at the host, and what a program does
/// with them is handed over.
constexpr bool nic_has_map_type(MapType type) {
  switch (type) {
    case MapType::kArray:
    case MapType::kPercpuArray:
    case MapType::kHash:
    case MapType::kPercpuHash:
    case MapType::kLruHash:
    case MapType::kLruPercpuHash:
    case MapType::kLpmTrie:
    case MapType::kProgArray:
    case MapType::kPerfEventArray:
    case MapType::kArrayOfMaps:
    case MapType::kHashOfMaps:
    case MapType::kDevmap:
    case MapType::kDevmapHash:
    case MapType::kCpumap:
    case MapType::kXskmap:
    case MapType::kQueue:
    case MapType::kStack:
    case MapType::kBloomFilter:
    case MapType::kRingbuf:
      return true;
    default:
      return false;
  }
}

struct LowerOptions {
  std::uint32_t imem_words = 4096;
  std::uint32_t window_bytes = address::kWindowBytes;
  /// Map memory where threads hand values over to the map engine and gather events: so many bytes for each
  /// processor, one after another. 0: there is none, and what needs it is handed over.
  std::uint32_t stage = 0;        ///< arena offset, a multiple of 64
  std::uint32_t stage_bytes = 0;  ///< a multiple of 8
  // As in Environment.
  std::uint64_t boot_offset_ns = 0;
  std::uint64_t tai_offset_ns = 0;
  std::uint32_t hz = 1000;
  std::uint32_t numa_node = 0;
  /// What the NIC has no unit for becomes a hand-over to the host; otherwise it is refused. Only for
  /// programs with facts.
  bool handover = false;
};

/// Lowers program `entry` and all that it can tail-call: the verified programs that prog arrays hold.
/// \param facts  by program index; an empty one means nothing was proven (conformance plug-in).
/// \errors kUnsupported, naming instruction, source line and reason, for what the NIC has no means
///         for where there is no hand-over; or an image longer than imem_words.
Result<CoreImage> lower(const Object& object, std::span<const Facts> facts, std::size_t entry,
                        std::span<const CoreMap> maps, const LowerOptions& options);

std::vector<std::byte> serialise(const CoreImage& image);

/// Native code as text, one line per word, with the BPF instruction each came from.
std::string disassemble_core(const CoreImage& image, const Object& object);

}  // namespace kiln
