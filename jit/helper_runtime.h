// SPDX-License-Identifier: Apache-2.0
//
// The helper functions of the CPU engines, and the machine state they work on. One implementation: the
// interpreter and the code that the JIT emits call the same functions.
//
// A helper takes the five argument registers and the machine, and returns R0. The first five C arguments are
// where BPF's R1..R5 lie in the JIT's register mapping, so a helper call costs no moves. Addresses go through
// AddressSpace: checked, a bad one sets `faulted` and the engine stops; trusted, they are used as they are.
// Semantics are Linux 6.18's, to the errno (helper_*.cc name the kernel function).
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <kiln/engine.h>
#include <kiln/helpers.h>

#include "address_space.h"
#include "code.h"
#include "skb.h"
#include "sockets.h"

namespace kiln {

/// What emitted code touches by offset. Standard layout.
struct MachineState {
  std::uint64_t stack_top = 0;      ///< R10 of the first function
  std::uint64_t r1 = 0;             ///< argument registers at entry
  std::uint64_t r2 = 0;
  std::uint64_t host_stack = 0;     ///< JIT: where to unwind to on a fault
  std::uint64_t callee_stack = 0;   ///< R10 of a function that the helper under way may call
  std::int64_t budget = 0;          ///< JIT: jumps back and calls left before the run counts as a runaway
  std::uint32_t slot = 0;           ///< for messages: the instruction being executed
  std::uint32_t program = 0;        ///< ... and its program; tail calls change it. Good whenever callee_stack is
  std::uint32_t call_depth = 0;     ///< local calls under way (JIT without Facts)
  std::uint32_t tail_calls = 0;     ///< made for this frame
  std::uint32_t faulted = 0;        ///< not 0: fault_message holds why
};

inline constexpr std::uint32_t kMaxCallFrames = 8;  ///< MAX_CALL_FRAMES: functions active at once
inline constexpr std::uint32_t kMaxTailCalls = 33;  ///< MAX_TAIL_CALL_CNT
inline constexpr std::uint32_t kMaxLoops = 8 * 1024 * 1024;  ///< BPF_MAX_LOOPS: of bpf_loop(), iterators, may_goto
/// Interpreter: instructions per frame, but for the rounds of loops that the verifier does not walk. It lets at
/// most a million through per program, and 33 tail calls follow one another, so only an unverified program can
/// get here.
inline constexpr std::int64_t kInstructionBudget = std::int64_t{1} << 26;

/// R1 to R5 of a function that a helper calls.
using FunctionArguments = std::array<std::uint64_t, 5>;

/// How a helper calls a function of the program that called it (bpf_loop and its like). One per engine.
class FunctionCaller {
 public:
  virtual ~FunctionCaller() = default;
  /// \param address  what LD_CODE_ADDR put into the register. \return the function's R0; 0 after a fault.
  /// REQUIRES: a helper for which calls_functions() holds is under way.
  virtual std::uint64_t call(std::uint64_t address, const FunctionArguments& arguments) = 0;
};

/// Longest keys that callbacks can be lent, one inside another.
inline constexpr std::size_t kLoanBytes = std::size_t{kMaxCallFrames} * 512;  // a key fits the stack, so 512 bytes
inline constexpr std::size_t kHeapBytes = 64 * 1024;  ///< for bpf_obj_new(), in one run
inline constexpr std::size_t kMaxEvents = 1024;  ///< kept per run; more are counted by nobody

class Btf;
class Device;

struct HelperRuntime : MachineState {
  /// \param map_set  several machines may have the same, if it is shared (MapSet::share()).
  HelperRuntime(FrameMemory& frame_memory, std::shared_ptr<MapSet> map_set, const Environment& env, AddressSpaceKind kind,
                ProgramType program_type = ProgramType::kXdp);
  HelperRuntime(const HelperRuntime&) = delete;
  HelperRuntime& operator=(const HelperRuntime&) = delete;

  FrameMemory& frame;
  std::shared_ptr<MapSet> owned_maps;
  MapSet& maps;
  AddressSpace memory;
  Environment environment;
  std::vector<std::byte> objects;  ///< sockets, then room for loans, then what programs allocate
  SocketTable sockets;
  ProgramType type;         ///< of every program that runs: tail calls stay within one type
  std::optional<Skb> skb;   ///< if the packet is a struct sk_buff
  std::uint64_t frame_number = 0;
  std::uint64_t random;
  std::optional<RedirectTarget> redirect;
  std::vector<Event> events;  ///< of the current run
  std::vector<std::uint32_t> rings;  ///< indices of maps that are ring buffers
  std::vector<bool> callable;     ///< by program: may be tail-called (verified and prepared)
  Device* device = nullptr;       ///< whose clock and random numbers count, instead of the environment's
  std::uint32_t processor;        ///< cpu(): the environment's, or that of a run that was taken over
  FunctionCaller* functions = nullptr;  ///< set by the engine, outlives the runs
  bool keeps_events = true;       ///< false: nobody will look at `events`
  std::string fault_message;

  /// Everything that is per frame, but the frame itself: clock, redirect, tail calls, budget.
  void begin_frame() {
    stack_top = memory.stack_top();
    r1 = memory.context();
    r2 = 0;
    budget = kInstructionBudget;
    call_depth = 0;
    tail_calls = 0;
    faulted = 0;
    redirect.reset();
    events.clear();
    allocated = allocations = 0;
    bit_words.clear();
    res_locks.clear();
  }
  /// Puts a frame and its context into frame memory. \errors kInput: its context does not fit.
  Result<void> load_frame(const Frame& given);

  bool is_xdp() const { return type == ProgramType::kXdp; }
  /// Whose values of per-CPU maps it sees.
  std::uint32_t cpu() const { return processor; }
  std::uint32_t ingress_ifindex() const;
  std::uint64_t jiffies() const;
  /// Longest packet that helpers make of a struct sk_buff.
  static constexpr std::uint32_t skb_limit() { return kSkbMaxLength; }
  /// For the user, if there is one who listens and there is room.
  void record(Event event);
  /// Reads the ring buffers empty, into events.
  void drain_rings();

  // Bytes of the whole packet, linear or not, by offset. \return 0 or a negative errno.
  std::uint64_t packet_length() const;
  std::int64_t load_packet(std::uint32_t offset, std::span<std::byte> to);
  std::int64_t store_packet(std::uint32_t offset, std::span<const std::byte> from);

  /// A copy that a callback can read, at the address that is returned. Loans nest; give_back() ends the last.
  std::uint64_t lend(std::span<const std::byte> bytes);
  void give_back(std::size_t bytes) { lent -= bytes; }
  std::size_t lent = 0;

  /// Zeroed memory of a program's own until give_object_back(), which all of them need. \param type_id  BTF id of a
  /// struct of the object. \return its address; 0: there is no room.
  std::uint64_t allocate(std::uint64_t type_id);
  void give_object_back();
  const Btf* types = nullptr;  ///< the object's own, if it has any
  std::size_t allocated = 0, allocations = 0;  ///< bytes, objects that are there

  std::vector<std::vector<std::uint64_t>> bit_words;  ///< of bpf_iter_bits over more than one word
  std::vector<const std::uint32_t*> res_locks;        ///< that this run holds

  /// FunctionCaller::call(); a fault if the engine has none.
  std::uint64_t call_function(std::uint64_t address, const FunctionArguments& arguments);

  /// bpf_ktime_get_ns() of this frame.
  std::uint64_t clock() const;
  std::uint32_t draw_random();
  /// Records the fault and returns 0, the R0 of a helper that failed so.
  std::uint64_t fault(std::string message);
  /// Readable bytes at a program's address, or nullptr after fault().
  const std::byte* read(std::uint64_t address, std::uint64_t size);
  std::byte* write(std::uint64_t address, std::uint64_t size);
  /// The index of the map that a register names, or nullopt after fault().
  std::optional<std::uint32_t> map_of(std::uint64_t handle);
};

/// What a helper returns for an errno.
inline std::uint64_t negative(int error) { return static_cast<std::uint64_t>(-std::int64_t{error}); }

using HelperFunction = std::uint64_t (*)(std::uint64_t r1, std::uint64_t r2, std::uint64_t r3, std::uint64_t r4,
                                         std::uint64_t r5, MachineState* machine);

/// nullptr if the CPU engines have no such helper. tail_call is not called like the others: it returns
/// the program to go on with plus one, or 0 to go on with the next instruction.
HelperFunction helper_function(std::uint32_t number);
inline constexpr std::uint32_t kTailCallHelper = 12;
/// Whether a helper may call functions of the program: the engine then sets `program` and `callee_stack` first.
bool calls_functions(std::uint32_t number);

/// What CALLX goes to: a function of the program (its address from LD_CODE_ADDR), or a helper by number.
struct CallxTarget {
  std::uint64_t helper = 0;    ///< address of the C function, or 0
  std::uint64_t function = 0;  ///< number of the function, if helper is 0
};
/// After fault() the machine is `faulted`.
CallxTarget resolve_callx(std::uint64_t value, const Code& code, HelperRuntime& machine);
/// What LD_CODE_ADDR puts into a register.
constexpr std::uint64_t code_address(std::uint32_t slot) { return address::kCode | slot; }
/// What LD_IMM64 of a map puts into a register.
constexpr std::uint64_t map_handle(std::uint32_t map) { return address::kMapHandle | map; }

/// LD_ABS and LD_IND: big-endian bytes of the frame; `ok` is 0 when they lie outside of it, and the
/// function then returns 0 to its caller. R6 must be the context.
struct PacketLoad {
  std::uint64_t value = 0;
  std::uint64_t ok = 0;
};
PacketLoad load_from_packet(std::uint64_t r6, std::uint64_t offset, std::uint64_t size, MachineState* machine);
/// The same, called as helpers are: R6, offset, size; all ones when the bytes lie outside.
std::uint64_t load_packet_or_ones(std::uint64_t r6, std::uint64_t offset, std::uint64_t size, std::uint64_t, std::uint64_t, MachineState* machine);

inline HelperRuntime& runtime(MachineState* machine) { return *static_cast<HelperRuntime*>(machine); }

/// Begins the definition of a helper, with its five arguments and `machine` in scope.
#define KILN_DEFINE_HELPER(name)                                                                                     \
  std::uint64_t helper_##name([[maybe_unused]] std::uint64_t r1, [[maybe_unused]] std::uint64_t r2,                  \
                              [[maybe_unused]] std::uint64_t r3, [[maybe_unused]] std::uint64_t r4,                  \
                              [[maybe_unused]] std::uint64_t r5, [[maybe_unused]] MachineState* machine)

// One function per row of helpers.def that has kInterp or kJit: helper_map_lookup_elem, helper_ktime_get_ns,
// ... The others are declared and never defined.
#define KILN_HELPER(number, name, ...)                                                                     \
  std::uint64_t helper_##name(std::uint64_t r1, std::uint64_t r2, std::uint64_t r3, std::uint64_t r4, \
                              std::uint64_t r5, MachineState* machine);
#include <kiln/helpers.def>

}  // namespace kiln
