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

#include <kiln/btf.h>
#include <kiln/helpers.h>
#include <kiln/load.h>
#include <kiln/verifier.h>

#include "checker_types.h"
#include "components.h"
#include "facts_builder.h"
#include "fields.h"
#include "kernel_walk.h"
#include "kfunc_call.h"
#include "log.h"
#include "program_rules.h"
#include "signature.h"
#include "stack_liveness.h"
#include "state.h"
#include "state_memory.h"
#include "structure.h"
#include "traced_function.h"

namespace kiln::verifier {

class Checker {
 public:
  Checker(const Object& object, const Program& program, const VerifyOptions& options);
  VerifyResult run();

 private:
  // verify.cc: the order of things.
  bool check_main();
  bool check_global_functions();
  void start(u32 subprogram);
  bool calls_kfuncs() const;
  bool may_sleep() const;
  bool find_traced_function();
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
  bool execute_ordered();
  bool check_atomic_base(unsigned number, const Reg& base, const char* what);
  Step execute_may_goto();
  bool execute_wide_load();
  bool execute_packet_load();

  // kernel_symbols.cc: addresses of the kernel's variables and functions.
  bool load_kernel_symbol();
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
  std::optional<bool> decide_branch(const Reg& left, const Reg& right) const;
  Step follow(const Reg& left, const Reg& right, bool taken);
  void refine_null(State& taken);
  void know_not_null(Reg& reg);
  /// What `check` says of a register if it is not NULL; it is as before afterwards.
  template <typename Check>
  bool as_not_null(unsigned number, Check check) {
    const Reg before = state().reg(number);
    if (before.maybe_null) {
      know_not_null(state().reg(number));
    }
    const bool ok = check(state().reg(number));
    state().reg(number) = before;
    return ok;
  }
  void resolve_null(State& state, u32 id, bool is_null);
  void collect_links(u32 id, std::vector<Place>& places);
  void record_links(const std::vector<Place>& links);
  void share_bounds(State& state, const Reg& known, const std::vector<Place>& links);

  // packet_range.cc: what comparing with data_end teaches.
  bool learn_packet_range(State& taken);
  std::optional<bool> decide_packet_branch(const Reg& dst, const Reg& src, CmpOp op) const;
  std::optional<bool> decide_pointer_branch(const Reg& dst, const Reg& src, CmpOp op) const;

  // memory.cc: loads and stores by region.
  bool check_memory(const MemoryAccess& a);
  bool check_alignment(const MemoryAccess& a, const Reg& reg);
  bool access_traced_argument(const MemoryAccess& a, s64 off);
  bool access_context(const MemoryAccess& a, const Reg& reg, s64 off);
  bool access_map_value(const MemoryAccess& a, const Reg& reg, s64 off);
  bool access_packet(unsigned number, const Reg& reg, s64 off, u32 bytes, bool zero_size);
  bool access_region(unsigned number, const Reg& reg, s64 off, u32 bytes, u32 size, bool zero_size);
  bool access_bytes_at(unsigned number, const Reg& reg, s64 off, u32 bytes, s64 size, bool zero_size);
  bool access_buffer(unsigned number, const Reg& reg, s64 off, u32 bytes);
  bool check_map_direction(const Reg& reg, s64 off, u32 bytes, Access access);
  std::optional<u64> read_only_value(const Reg& reg, s64 off, u32 bytes) const;
  bool check_same_region(const Reg& reg, bool loads);
  bool check_fixed_pointer(unsigned number, const Reg& reg);

  // stack_access.cc: the stack.
  bool access_stack(const MemoryAccess& a, const Reg& reg, s64 off);
  bool check_stack_bounds(unsigned number, const Reg& reg, s64 off, u32 bytes, const char* what);
  void grow_stack(Frame& frame, s64 low);
  void store_fixed(const MemoryAccess& a, u32 frame, s64 off);
  bool check_spill(const MemoryAccess& a, u32 frame);
  bool end_dynptrs(u32 frame, s64 low, s64 high);
  bool check_no_object(unsigned number, const Reg& reg, s64 low, s64 high, u32 bytes);
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
  bool check_global_pointer(unsigned number, const Reg& want);
  bool check_global_memory(unsigned number, u32 bytes);
  const Signature& signature_of(u32 subprogram);
  Step execute_exit();
  bool return_to_caller();
  bool return_early(const Reg& result, bool moves_packet);
  bool check_abnormal_returns();
  bool check_return_value(unsigned number);
  bool check_range(unsigned number, const ReturnRange& range, const char* when);

  // callbacks.cc: functions that call a subprogram.
  Frame make_frame(const State& state, u32 subprogram, u32 callsite);
  u32 callback_of(const Reg& reg) const;
  bool push_callback(u32 subprogram, const std::vector<Reg>& arguments, ReturnRange range);
  bool push_async_callback(u32 subprogram, const std::vector<Reg>& arguments, bool sleepable,
                           bool any_result = false);
  bool call_back(const CallContext& call);
  bool call_back(const KfuncCall& call);
  bool leave_callback();
  void widen_turn();

  // map_fields.cc: locks, timers and pointers in map values; types of the program and the kernel.
  const Btf* program_types();
  const Btf* kernel_types();
  bool name_kernel_type(Reg& reg, std::string_view name);
  const FieldList& map_fields(s32 map);
  const FieldList& object_fields(u32 type);
  bool keeps_id(const Reg& reg);
  bool check_fields(const Reg& reg, const FieldList& fields, s64 off, u32 bytes, bool direct);
  const Field* exact_field(unsigned number, FieldKind kind, std::string_view name);
  bool check_spin_lock(unsigned number, bool lock);
  bool check_map_for_program(const MapSpec& map, s32 index);

  // stack_objects.cc: dynptrs and iterators.
  std::optional<u32> object_slot(const Reg& reg, const char* what, u32 slots);
  static bool holds_object(const Frame& frame, u32 slot, u32 slots, Byte kind);
  void place_object(u32 frame, u32 slot, u32 slots, Byte kind, const Reg& value);
  void note_object_read(u32 frame, u32 slot, u32 slots);
  bool end_dynptr_at(Frame& frame, u32 slot);
  const Reg* dynptr_of(const Reg& reg);
  bool check_dynptr_register(unsigned number);
  bool make_dynptr(unsigned number, DynptrType type, u32 reference);
  bool use_dynptr(unsigned number, std::optional<DynptrType> type, Reg* found);
  bool release_dynptr(unsigned number);
  static const StackSlot* iterator_slot(const State& state, const Reg& reg);
  bool is_active_iterator(const State& state, const Reg& reg) const;
  static bool iterator_depths_differ(const State& was, const State& is);
  bool make_iterator(unsigned number, std::string_view name, u32 type, u32 slots, bool in_rcu);
  Reg* use_iterator(unsigned number, std::string_view name, u32 type, u32 slots, std::string_view function);
  void destroy_iterator(const Reg& pointer, u32 slots);
  void advance_iterator(const Reg& pointer);

  // kernel_objects.cc: structures of the kernel, and pointers to them in maps.
  bool access_kernel_object(const MemoryAccess& a, const Reg& reg, s64 off);
  Reg loaded_field(const Reg& from, const Walked& found);
  static bool is_trusted(const Reg& reg);
  bool access_map_struct(const MemoryAccess& a, const Reg& reg, s64 off);
  bool may_write_field(const MemoryAccess& a, u32 type, s64 off);
  bool check_kernel_struct(unsigned number, u32 wanted, bool null_ok, bool trusted);

  // kept_pointers.cc: pointers that map values and objects keep; per-CPU objects.
  struct KeptType {
    u32 declared = 0;  ///< Field::type
    u32 type = 0;      ///< of the kernel's BTF, or the program's
    bool own = false;  ///< the program's
    bool freed_by_rcu = false;
  };
  KeptType kept_type(const Field& field);
  bool check_kept_type(unsigned number, const Field& field);
  bool access_kernel_pointer(const MemoryAccess& a, const Field& field);
  Reg load_kept(const Field& field);
  bool check_exchange(CallContext& call, unsigned number);
  bool release_exchanged(u32 reference);
  Reg exchanged(const CallContext& call);
  static Reg part_of_percpu(const Reg& percpu);

  // kfunc_call.cc
  Step call_kfunc();
  bool check_kfunc_call(KfuncCall& call);
  Step throw_exception();
  std::string_view kernel_function_at(u32 at);
  bool may_call_under_lock();
  bool resolve_kfunc(u32 slot, KfuncCall& call);
  bool in_rcu_section() const;
  bool check_sections(const KfuncCall& call);
  void leave_rcu_section();
  bool pointer_result(KfuncCall& call, u32 target, Reg& result);
  bool cast_result(const KfuncCall& call, Reg& result);
  bool new_object(const KfuncCall& call, Reg& result);
  bool set_kfunc_result(KfuncCall& call);
  void fork_failed_lock(const KfuncCall& call);

  // kfunc_args.cc
  bool check_kfunc_arguments(KfuncCall& call);
  bool check_kfunc_number(KfuncCall& call, unsigned number, std::string_view name);
  bool check_fixed_object(const Reg& reg);
  bool check_kfunc_pointer(KfuncCall& call, unsigned index, unsigned& next);
  bool check_kfunc_object(KfuncCall& call, unsigned number, u32 wanted);
  bool check_kfunc_dynptr(KfuncCall& call, unsigned number, std::string_view name);
  bool check_kfunc_iterator(KfuncCall& call, unsigned number, u32 type);
  bool check_kfunc_irq_flag(const KfuncCall& call, unsigned number);
  bool check_kfunc_res_lock(const KfuncCall& call, unsigned number);
  bool check_kfunc_buffer(KfuncCall& call, unsigned number, std::string_view name, std::string_view size_name);
  bool check_kfunc_memory(unsigned number, u32 bytes);

  // collections.cc: lists and trees of the program's own objects.
  static bool is_plain_object(const Reg& reg);
  const FieldList& fields_behind(const Reg& reg);
  bool check_same_allocation_locked(const Reg& reg);
  const Field* collection_field(unsigned number, FieldKind kind);
  bool check_collection(KfuncCall& call, unsigned number, FieldKind kind);
  bool check_collection_node(KfuncCall& call, unsigned number, FieldKind kind);
  bool check_counted_object(KfuncCall& call, unsigned number);
  Reg element_of(const Field& collection) const;
  void make_borrowed(Reg& reg);
  void give_to_collection(u32 reference);
  bool inside_tree_callback();
  bool call_tree_order(const KfuncCall& call);

  // references.cc: what must be given back, and sections.
  u32 acquire_reference();
  static bool drop_reference(State& state, u32 id);
  bool release_reference(u32 id);
  void forget_borrowed();
  bool check_nothing_held(const char* what, bool sections, bool references);
  bool in_sleepable_context() const;
  bool take_lock(Reference::Kind kind, u32 id, s32 owner);
  bool give_lock(Reference::Kind kind, u32 id, s32 owner, const char* name);
  /// Makes every register that `which` picks a number, since what it pointed at may be gone.
  template <typename Which>
  void invalidate(Which which) {
    for_each_reg(state(), [&](Reg& reg) {
      if (reg.is_pointer() && which(reg)) {
        reg = Reg::unknown();
      }
    });
    touched_regs_ = ~0u;
    touched_slots_ = ~u64{0};
  }

  // helper_call.cc, helper_args.cc, helper_memory.cc: helpers.
  bool has_socket_helper(HelperId id) const;
  bool call_helper();
  bool check_may_sleep(const HelperInfo& helper);
  bool check_arguments(CallContext& call);
  bool check_argument(CallContext& call, unsigned index);
  bool note_reference(CallContext& call, unsigned number, HelperArg want);
  bool release_arguments(const CallContext& call);
  bool acquires_from_map(const CallContext& call) const;
  bool check_argument_type(unsigned number, HelperArg want);
  HelperArg kind_for_map(const CallContext& call, HelperArg want) const;
  bool check_struct_argument(unsigned number, HelperArg want);
  bool check_memory_of(CallContext& call, unsigned number, HelperArg want);
  bool check_memory_argument(const ArgumentMemory& m);
  bool check_size_argument(CallContext& call, unsigned size, HelperArg memory, bool zero_size);
  bool check_const_string(unsigned number, const Reg& reg);
  std::optional<u64> constant_key(unsigned number, u32 bytes);
  bool set_result(const CallContext& call);
  void forget_packet_pointers();
  bool check_call_rules(const CallContext& call);

  // prune.cc: states seen before.
  enum class Visit : u8 { kNew, kPruned, kReject };
  Visit visit();
  void add_checkpoint();
  std::vector<std::unique_ptr<State>>& seen_here();
  void clean(State& state);
  void clean_seen(const std::vector<std::unique_ptr<State>>& list);
  u64 live_slots(const State& state, u32 frame);
  u32 resumption(const State& state, u32 frame) const;
  void note_prune(const State& old);
  bool loop_may_end(const State& old) const;
  bool is_infinite_loop(const State& old) const;
  Visit end_path(State& old, bool loop);
  State* earlier_turn(const State& now, u32 insn);
  void widen(const State& before, State& now);

  // precision.cc: which scalars must agree when states are compared.
  void make_precise(unsigned reg);
  void make_slot_precise(u32 frame, u32 slot);
  bool propagate_precision(const State& old, const State& last);
  void close_loop(LoopVisit& visit);
  bool backtrack(const State& from, PrecisionMask mask, bool skip_last);
  void step_back(const State& state, const TraceEntry& entry, u32 next, PrecisionMask& mask);

  // log_notes.cc: what level 2 of the log adds.
  void log_shape();
  void log_stretch(const State& state, u32 frame, u32 last, s64 subsequent);
  void log_step_back(const PrecisionMask& mask, u32 at);
  void log_checkpoint(const PrecisionMask& mask, const State& state);
  void log_propagating(const PrecisionMask& mask);
  std::string insn_text(u32 at) const;

  // stack_depth.cc
  bool check_stack_depth();
  bool check_chain(u32 subprogram, u32 used, u32 calls, bool callback);
  bool is_throw(u32 at);
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
  std::optional<TracedFunction> traced_;
  Structure structure_;
  StackLiveness stack_liveness_;
  LoopVisits loops_;
  FactsBuilder facts_;
  Log log_;

  StateMemory memory_;
  SpareStates spare_;
  std::unique_ptr<State> current_;
  std::vector<Pending> pending_;
  std::vector<std::vector<std::unique_ptr<State>>> seen_;  ///< checkpoints, see seen_here()
  std::vector<std::unique_ptr<State>> retired_;  ///< no longer compared with, still a parent of others
  std::vector<u32> stack_depth_;                 ///< by subprogram, bytes
  std::vector<std::optional<Signature>> signatures_;  ///< by subprogram, once asked for
  std::vector<bool> async_callback_;             ///< by subprogram
  std::vector<bool> global_called_;              ///< by subprogram
  std::vector<RegType> region_;                  ///< by slot: what a load or store there accesses
  std::vector<bool> visited_;                    ///< by slot: some path got there
  std::unique_ptr<const Btf> program_types_;
  std::optional<std::shared_ptr<const Btf>> kernel_types_;
  std::vector<std::optional<FieldList>> map_fields_;  ///< by map, once asked for
  std::vector<std::pair<u32, std::unique_ptr<FieldList>>> object_fields_;  ///< by type
  VouchedFields vouched_;
  std::vector<KeptType> kept_types_;
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
