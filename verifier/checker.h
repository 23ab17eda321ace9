// SPDX-License-Identifier: Apache-2.0
//
// The verifier at work on one program: the paths still to explore, the states already seen, and one
// method per rule. Each method belongs to the .cc file named above its group, which states the rules.
//
// Methods that can refuse the program return false after reject(); the caller passes that on at once.
// Not exported; verify.cc is the way in.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <kiln/helpers.h>
#include <kiln/verifier.h>

#include "facts_builder.h"
#include "log.h"
#include "program_rules.h"
#include "signature.h"
#include "stack_liveness.h"
#include "state.h"
#include "structure.h"

namespace kiln::verifier {

enum class Access : u8 { kRead, kWrite };

inline constexpr u32 kStackRound = 16;  ///< bytes that a frame's stack is rounded up to
inline constexpr u32 kMapWriteOnlyFlag = 1u << 8;  ///< BPF_F_WRONLY_PROG

/// What one instruction did to the path.
enum class Step : u8 { kNext, kEnd, kReject };

/// The other way out of a branch, to be explored later.
struct Pending {
  std::unique_ptr<State> state;
  std::size_t log_size = 0;
};

/// A memory access about to be checked.
struct MemoryAccess {
  unsigned reg = 0;        ///< base register
  s64 off = 0;             ///< the instruction's offset
  u32 bytes = 0;
  Access access = Access::kRead;
  int value_reg = -1;      ///< register loaded or stored; -1: none
  bool immediate = false;  ///< a store of insn.imm
  bool aligned = false;    ///< must be naturally aligned whatever it points at
  bool sign_extend = false;
  bool atomic = false;
};

/// Argument registers of the helper call being checked (helper_args.cc).
struct CallContext {
  const HelperInfo* helper = nullptr;
  s32 map = -1;            ///< Object::maps index of the map argument
  std::optional<u64> constant_key;  ///< the key argument, if it is one known number
  u64 size_max = 0;        ///< of the last size argument
  u64 alloc_size = 0;      ///< bytes of the result
};

/// Memory that a helper or a global function is given.
struct ArgumentMemory {
  unsigned number = 0;  ///< register
  u32 bytes = 0;
  Access access = Access::kRead;
  bool zero_size = false;    ///< 0 bytes are allowed
  bool overwritten = false;  ///< all `bytes` are written, none read
};

/// Registers and slots whose exact range is being asked for, per frame (precision.cc).
struct PrecisionMask {
  std::array<u16, kMaxFrames> regs{};
  std::array<u64, kMaxFrames> slots{};
  u32 frame = 0;

  bool empty() const;
};

class Checker {
 public:
  Checker(const Object& object, const Program& program, const VerifyOptions& options);
  VerifyResult run();

 private:
  // verify.cc: the order of things.
  bool check_main();
  bool check_global_functions();
  void start(u32 subprogram);
  void fill_statistics(VerifyResult& result);
  std::vector<u32> stack_depths() const;

  // explore.cc: all paths from the current state.
  bool explore();
  bool next_path();
  void push_branch(std::unique_ptr<State> state);
  void release(State* state);
  bool count_instruction();
  void log_instruction();
  void log_new_path();
  void log_state(const State& state, bool all);

  // execute.cc: one instruction.
  Step execute();
  bool check_reserved();
  Step execute_call();
  bool execute_load();
  bool execute_store();
  bool execute_atomic();
  bool execute_wide_load();
  bool execute_packet_load();
  bool check_readable(unsigned reg);
  bool check_writable(unsigned reg);
  void set_reg(unsigned number, const Reg& value);

  // arithmetic.cc: ALU instructions and moves.
  bool execute_alu();
  bool execute_mov(const Reg& source);
  bool execute_scalar_alu(const Reg& source);
  void fork_mask();
  void link_copies(Reg& source);
  std::optional<s32> link_distance(const Reg& dst, const Reg& source) const;

  // pointer_math.cc: pointer plus or minus scalar.
  bool pointer_math(AluOp op, bool is64, const Reg& pointer, const Reg& scalar, bool pointer_is_dst);
  bool check_sane_offset(const Reg& pointer, const Bounds& bounds, s64 fixed_off);

  // jump.cc: conditional jumps.
  Step execute_branch();
  struct Narrowed {
    bool applies = false;
    Bounds left[2], right[2];  ///< [0]: not taken, [1]: taken
  };
  Narrowed narrow_scalars(const Reg& left, const Reg& right) const;
  void apply(const Narrowed& narrowed, State& state, bool taken, const std::vector<Place>& links);
  std::optional<bool> decide_branch(const Reg& left, const Reg& right, const Narrowed& narrowed) const;
  Step follow(const Reg& left, const Reg& right, bool taken);
  void refine_null(State& taken);
  void resolve_null(State& state, u32 id, bool is_null);
  std::vector<Place> collect_links(u32 id_left, u32 id_right);
  void share_bounds(State& state, const Reg& known, const std::vector<Place>& links);

  // packet_range.cc: what comparing with data_end teaches.
  bool learn_packet_range(State& taken);
  std::optional<bool> decide_packet_branch(const Reg& dst, const Reg& src, CmpOp op) const;
  std::optional<bool> decide_pointer_branch(const Reg& dst, const Reg& src, CmpOp op) const;

  // memory.cc: loads and stores by region.
  bool check_memory(const MemoryAccess& a);
  bool check_alignment(const MemoryAccess& a, const Reg& reg);
  bool access_context(const MemoryAccess& a, const Reg& reg, s64 off);
  bool access_map_value(const MemoryAccess& a, const Reg& reg, s64 off);
  bool access_packet(unsigned number, const Reg& reg, s64 off, u32 bytes, bool zero_size);
  bool access_region(unsigned number, const Reg& reg, s64 off, u32 bytes, u32 size, bool zero_size);
  bool access_bytes_at(unsigned number, const Reg& reg, s64 off, u32 bytes, s64 size, bool zero_size);
  bool check_map_direction(const Reg& reg, s64 off, u32 bytes, Access access);
  std::optional<u64> read_only_value(const Reg& reg, s64 off, u32 bytes) const;
  bool check_same_region(const Reg& reg);
  bool check_fixed_pointer(unsigned number, const Reg& reg);

  // stack_access.cc: the stack.
  bool access_stack(const MemoryAccess& a, const Reg& reg, s64 off);
  bool check_stack_bounds(unsigned number, const Reg& reg, s64 off, u32 bytes, const char* what);
  void grow_stack(Frame& frame, s64 low);
  void store_fixed(const MemoryAccess& a, u32 frame, s64 off);
  bool check_spill(const MemoryAccess& a, u32 frame);
  void store_variable(const MemoryAccess& a, u32 frame, s64 low, s64 high);
  bool load_fixed(const MemoryAccess& a, u32 frame, s64 off);
  void load_bytes(unsigned value_reg, u32 frame, s64 low, s64 high);
  void note_read(u32 frame, s64 low, s64 high);
  void note_write(u32 frame, s64 low, s64 high);
  void clobber_stack(const Reg& reg, u32 bytes);
  bool access_stack_argument(const ArgumentMemory& m, const Reg& reg);

  // calls.cc: subprograms and exit.
  Step call_subprogram();
  Step call_global(u32 callee);
  bool check_global_memory(unsigned number, u32 bytes);
  const Signature& signature_of(u32 subprogram);
  Step execute_exit();
  bool return_to_caller();
  bool check_return_value();

  // helper_call.cc, helper_args.cc, helper_memory.cc: helpers.
  bool call_helper();
  bool check_arguments(CallContext& call);
  bool check_argument(CallContext& call, unsigned index);
  bool check_argument_type(unsigned number, HelperArg want);
  bool check_memory_of(CallContext& call, unsigned number, HelperArg want);
  bool check_memory_argument(const ArgumentMemory& m);
  bool check_size_argument(CallContext& call, unsigned size, HelperArg memory, bool zero_size);
  bool check_const_string(unsigned number, const Reg& reg);
  std::optional<u64> constant_key(unsigned number, u32 bytes);
  void set_result(const CallContext& call);
  void forget_packet_pointers();

  // prune.cc: states seen before.
  enum class Visit : u8 { kNew, kPruned, kReject };
  Visit visit();
  void add_checkpoint();
  std::vector<std::unique_ptr<State>>& seen_here();
  void clean(State& state);
  u64 live_slots(const State& state, u32 frame);
  void note_prune(const State& old);

  // precision.cc: which scalars must agree when states are compared.
  void make_precise(unsigned reg);
  void make_slot_precise(u32 frame, u32 slot);
  void propagate_precision(const State& old);
  void backtrack(PrecisionMask mask, bool skip_last);
  void step_back(const State& state, const TraceEntry& entry, PrecisionMask& mask);

  // stack_depth.cc
  bool check_stack_depth();
  bool check_chain(u32 subprogram, u32 used, u32 calls);
  u32 callee_of(u32 call) const;

  template <typename... Args>
  bool reject(fmt::format_string<Args...> format, Args&&... args) {
    fail(fmt::format(format, std::forward<Args>(args)...));
    return false;
  }
  /// A further line under the reason.
  template <typename... Args>
  bool explain(fmt::format_string<Args...> format, Args&&... args) {
    log_.print("{}\n", fmt::format(format, std::forward<Args>(args)...));
    return false;
  }
  void fail(std::string message);

  const Insn& insn() const { return program_.insns[insn_]; }
  const Decoded& decoded() const { return structure_.code[insn_]; }
  State& state() { return *current_; }
  const State& state() const { return *current_; }
  u32 new_id() { return ++last_id_; }
  void touch_reg(unsigned number) { touched_regs_ |= 1u << number; }
  void touch_slot(u32 slot) { touched_slots_ |= u64{1} << slot; }

  const Object& object_;
  const Program& program_;
  const VerifyOptions options_;
  ProgramRules rules_;
  Structure structure_;
  StackLiveness stack_liveness_;
  FactsBuilder facts_;
  Log log_;

  std::unique_ptr<State> current_;
  std::vector<Pending> pending_;
  std::vector<std::vector<std::unique_ptr<State>>> seen_;  ///< checkpoints, see seen_here()
  std::vector<std::unique_ptr<State>> retired_;  ///< no longer compared with, still a parent of others
  std::vector<u32> stack_depth_;                 ///< by subprogram, bytes
  std::vector<std::optional<Signature>> signatures_;  ///< by subprogram, once asked for
  std::vector<bool> global_called_;              ///< by subprogram
  std::vector<RegType> region_;                  ///< by slot: what a load or store there accesses
  std::vector<bool> visited_;                    ///< by slot: some path got there
  u32 entry_ = 0;                                ///< subprogram being verified on its own

  u32 written_frame_ = 0;  ///< what the store being checked overwrites whole
  u64 written_slots_ = 0;

  u32 insn_ = 0;       ///< being executed
  u32 next_ = 0;       ///< where the path goes on
  u32 last_id_ = 0;
  u32 touched_regs_ = 0;
  u64 touched_slots_ = 0;
  bool new_path_ = false;
  std::size_t insn_log_end_ = 0, insn_log_start_ = 0;
  const SourceLine* last_line_ = nullptr;

  u64 processed_ = 0, jumps_ = 0;
  u64 processed_at_checkpoint_ = 0, jumps_at_checkpoint_ = 0;
  u64 total_states_ = 0, live_states_ = 0, peak_states_ = 0, max_states_at_slot_ = 0;

  bool failed_ = false;
  std::string message_;
  u32 failed_insn_ = 0;
};

}  // namespace kiln::verifier
