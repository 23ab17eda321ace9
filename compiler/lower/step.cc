// SPDX-License-Identifier: Apache-2.0
#include "step.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "bpf_live.h"
#include "effects.h"
#include "native.h"

namespace kiln::lowering {
namespace {

constexpr std::uint8_t kSourceBit = 0x08;  // of an ALU or JMP opcode: register, not immediate
constexpr std::uint64_t kMax32 = 0xffff'ffff;

bool is_alu32(const Insn& insn) { return insn.cls() == 0x04; }

/// Immediate shift counts and divisors that the verifier would refuse are kept in registers.
bool has_immediate_form(const Insn& insn, std::uint64_t number) {
  switch (find_insn(insn)->op) {
    case Op::DIV64_REG:
    case Op::DIV32_REG:
    case Op::MOD64_REG:
    case Op::MOD32_REG:
      return number != 0;
    case Op::LSH64_REG:
    case Op::RSH64_REG:
    case Op::ARSH64_REG:
      return number < 64;
    case Op::LSH32_REG:
    case Op::RSH32_REG:
    case Op::ARSH32_REG:
      return number < 32;
    default:
      return true;
  }
}

/// Does the instruction leave its destination as it was?
bool is_identity(const At& at) {
  const Insn& insn = at.view.insn(at.slot);
  const bool fits32 = at.possible_bits(insn.dst) <= kMax32;
  const Value result = result_of(at);
  if (result.kind == Value::Kind::kConstant && at.constant(insn.dst) == result.number) {
    return true;
  }
  switch (at.view.op(at.slot)) {
    case Op::MOV64_REG:
      return insn.dst == insn.src;
    case Op::MOV32_REG:
      return insn.dst == insn.src && fits32;
    case Op::AND64_IMM:
      return (at.possible_bits(insn.dst) & ~sign_extended(insn.imm)) == 0;
    case Op::AND32_IMM:
      return (at.possible_bits(insn.dst) & ~std::uint64_t{static_cast<std::uint32_t>(insn.imm)}) == 0;
    case Op::ADD64_IMM:
    case Op::SUB64_IMM:
    case Op::OR64_IMM:
    case Op::XOR64_IMM:
    case Op::LSH64_IMM:
    case Op::RSH64_IMM:
    case Op::ARSH64_IMM:
      return insn.imm == 0;
    case Op::ADD64_REG:
    case Op::SUB64_REG:
    case Op::OR64_REG:
    case Op::XOR64_REG:
      return at.constant(insn.src) == std::uint64_t{0};
    case Op::LE64:
      return true;
    case Op::LE32:
      return fits32;
    case Op::LE16:
      return at.possible_bits(insn.dst) <= 0xffff;
    default:
      return false;
  }
}

class StepMaker {
 public:
  StepMaker(const View& view, const Values& values, const StepOptions& options)
      : view_(view), values_(values), options_(options), live_(options.handover ? bpf_live(view) : std::vector<RegMask>()) {
    steps_.at.resize(view.slots());
  }

  Result<Steps> make() {
    std::optional<Error> error;
    values_.visit([&](const At& at) {
      if (!error) {
        make_step(at, error);
      }
    });
    if (error) {
      return *error;
    }
    if (options_.handover) {
      settle_handovers(view_, steps_, live_);
    }
    return std::move(steps_);
  }

 private:
  void make_step(const At& at, std::optional<Error>& error) {
    Step& step = steps_.at[at.slot];
    if (step.reachable) {
      return;  // the second half of a pair, made with the first
    }
    step.reachable = true;
    step.insn = view_.insn(at.slot);
    if (const auto forced = options_.forced.find(at.slot); forced != options_.forced.end()) {
      return hand_over(at, step, forced->second, error);
    }
    switch (view_.row(at.slot)->form) {
      case Form::kAluImm:
      case Form::kAluReg:
      case Form::kMovSx:
      case Form::kNeg:
      case Form::kEnd:
        return arithmetic(at, step);
      case Form::kLd64:
        return wide(at, step, error);
      case Form::kLoad:
        return load_step(at, step);
      case Form::kStoreImm:
      case Form::kStoreReg:
        return store_step(at, step);
      case Form::kAtomic:
      case Form::kAtomicFetch:
        return atomic(at, step);
      case Form::kJmpImm:
      case Form::kJmpReg:
        return branch_step(at, step);
      case Form::kJa:
      case Form::kJa32:
        step.kind = Step::Kind::kJump;
        return;
      case Form::kExit:
        step.kind = Step::Kind::kExit;
        step.insn.src = static_cast<std::uint8_t>(view_.in_main(at.slot) ? at.root(0) : 0);
        step.uses = bit(step.insn.src);
        return;
      case Form::kLdPacket:
        step.kind = Step::Kind::kPacket;
        return packet(at, step);
      case Form::kCall:
      case Form::kCallx:
        return call(at, step, error);
      case Form::kMayGoto:
        return hand_over(at, step, "the NIC does not count the turns of loops", error);
      case Form::kLoadAcquire:  // a thread's accesses are done one after another: they are in order anyway
        step.insn = load(access_bytes(step.insn.opcode), step.insn.dst, step.insn.src, step.insn.off);
        return load_step(at, step);
      case Form::kStoreRelease:
        step.insn = store(access_bytes(step.insn.opcode), step.insn.dst, step.insn.off, step.insn.src);
        return store_step(at, step);
      case Form::kAddrSpaceCast:
        return hand_over(at, step, "the NIC has no arenas", error);
    }
  }

  /// The host goes on at this instruction, with everything that the program as written may read later.
  void hand_over(const At& at, Step& step, const std::string& why, std::optional<Error>& error) {
    const Error refusal = view_.refuse(at.slot, why);
    if (!options_.handover) {
      error = refusal;
      return;
    }
    step.kind = Step::Kind::kHandover;
    need_all(at, step);
    step.reason = refusal.message;
  }

  void need_all(const At& at, Step& step) {
    step.bpf_live = static_cast<RegMask>(live_[at.slot] | bit(kFramePointer));
    step.uses = static_cast<RegMask>(step.uses | step.bpf_live);
    step.reads_any_stack = true;
  }

  /// dst = what is known to come out, if that is no longer than the instruction itself.
  bool constant(const At& at, Step& step) {
    const Value value = result_of(at);
    const bool one_word = fits_imm(value.number) || value.number <= kMax32;
    if (value.kind != Value::Kind::kConstant || (!one_word && !step.insn.is_wide())) {
      return false;
    }
    step.kind = Step::Kind::kConstant;
    step.number = value.number;
    step.pure = true;
    step.defs = bit(step.insn.dst);
    return true;
  }

  void arithmetic(const At& at, Step& step) {
    if (is_identity(at) || constant(at, step)) {
      return;
    }
    simplify_sum(at, step);
    step.kind = Step::Kind::kPlain;
    step.pure = true;
    step.defs = bit(step.insn.dst);
    if (pair_of_shifts(at, step)) {
      return;
    }
    const Form form = find_insn(step.insn)->form;
    if (form == Form::kAluReg && step.insn.off == 0) {
      use_immediate(at, step, !is_alu32(step.insn));
    }
    const Op op = find_insn(step.insn)->op;
    const bool reads_dst = form != Form::kMovSx && op != Op::MOV64_REG && op != Op::MOV32_REG;
    step.uses = reads_dst ? bit(step.insn.dst) : RegMask{0};
    const Form now = find_insn(step.insn)->form;
    if (now == Form::kAluReg || now == Form::kMovSx) {
      step.insn.src = static_cast<std::uint8_t>(at.root(step.insn.src));
      step.uses |= bit(step.insn.src);
    }
    if (op == Op::MOV64_REG && step.insn.src == step.insn.dst) {
      step.kind = Step::Kind::kNothing;  // the copy goes back to where it came from
      step.pure = false;
      step.defs = step.uses = 0;
    }
  }

  /// 0 + x is x.
  static void simplify_sum(const At& at, Step& step) {
    const Op op = find_insn(step.insn)->op;
    const bool sum = op == Op::ADD64_REG || op == Op::OR64_REG || op == Op::XOR64_REG;
    if (sum && at.constant(step.insn.dst) == std::uint64_t{0}) {
      step.insn = reg_reg(Op::MOV64_REG, step.insn.dst, step.insn.src);
    }
  }

  /// x <<= 32, x >>= 32 (or s>>=), as compilers write a 32-bit extension: one move, at the first of the two.
  bool pair_of_shifts(const At& at, Step& step) {
    const std::uint32_t second = at.slot + 1;
    if (view_.op(at.slot) != Op::LSH64_IMM || step.insn.imm != 32 || second >= view_.slots() ||
        view_.row(second) == nullptr || values_.leader(second)) {
      return false;
    }
    const Insn& shift = view_.insn(second);
    const bool sign = view_.op(second) == Op::ARSH64_IMM;
    if ((!sign && view_.op(second) != Op::RSH64_IMM) || shift.dst != step.insn.dst || shift.imm != 32) {
      return false;
    }
    Step& other = steps_.at[second];
    other.reachable = true;
    if (!sign && at.possible_bits(step.insn.dst) <= kMax32) {
      step.kind = Step::Kind::kNothing;
      step.pure = false;
      step.defs = 0;
      return true;
    }
    step.insn = reg_reg(sign ? Op::MOVSX64_32 : Op::MOV32_REG, step.insn.dst, step.insn.dst);
    step.uses = bit(step.insn.dst);
    return true;
  }

  /// A register operand that holds a constant becomes an immediate one.
  void use_immediate(const At& at, Step& step, bool all64) {
    const auto number = at.constant(step.insn.src);
    if (!number || (all64 && !fits_imm(*number)) || !has_immediate_form(step.insn, *number)) {
      return;
    }
    step.insn.opcode = static_cast<std::uint8_t>(step.insn.opcode & ~kSourceBit);
    step.insn.src = 0;
    step.insn.imm = static_cast<std::int32_t>(*number);
  }

  void wide(const At& at, Step& step, std::optional<Error>& error) {
    if (!is_identity(at) && !constant(at, step)) {
      hand_over(at, step, "the NIC knows maps by index only", error);
    }
  }

  /// Addresses in this frame are written as R10 plus offset, so that what computed them may go.
  bool rebase(const At& at, std::uint8_t& base, std::int16_t& off, StackRange& range, unsigned bytes) {
    const auto frame = at.frame_offset(base);
    if (!frame) {
      return false;
    }
    const std::int64_t offset = *frame + off;
    range = {offset, offset + bytes};
    if (fits_off(offset)) {
      base = kFramePointer;
      off = static_cast<std::int16_t>(offset);
    }
    return true;
  }

  void load_step(const At& at, Step& step) {
    if (constant(at, step)) {
      return;
    }
    step.kind = Step::Kind::kPlain;
    step.pure = view_.proven();  // an unproven access might fault
    step.defs = bit(step.insn.dst);
    const unsigned bytes = access_bytes(step.insn.opcode);
    if (StackRange range; rebase(at, step.insn.src, step.insn.off, range, bytes)) {
      step.reads.push_back(range);
    } else {
      read_by_facts(at, step, bytes);
      step.insn.src = static_cast<std::uint8_t>(at.root(step.insn.src));
    }
    step.uses = bit(step.insn.src);
  }

  void read_by_facts(const At& at, Step& step, unsigned bytes) {
    const InsnFact* fact = view_.fact(at.slot);
    if (fact != nullptr && !has(fact->memory, ValueKind::kStack)) {
      return;
    }
    if (fact != nullptr && view_.in_main(at.slot)) {
      step.reads.push_back({fact->offset_min, fact->offset_max + bytes});
      return;
    }
    step.reads_any_stack = true;
  }

  void store_step(const At& at, Step& step) {
    step.kind = Step::Kind::kPlain;
    const unsigned bytes = access_bytes(step.insn.opcode);
    if (view_.row(at.slot)->form != Form::kStoreImm) {
      const auto number = at.constant(step.insn.src);
      if (number && (bytes < 8 || fits_imm(*number))) {
        step.insn = store_imm(bytes, step.insn.dst, step.insn.off, static_cast<std::int32_t>(*number));
      } else {
        step.insn.src = static_cast<std::uint8_t>(at.root(step.insn.src));
        step.uses = bit(step.insn.src);
      }
    }
    if (StackRange range; rebase(at, step.insn.dst, step.insn.off, range, bytes)) {
      step.writes.push_back(range);
      step.may_drop_store = view_.proven();
    } else {
      step.insn.dst = static_cast<std::uint8_t>(at.root(step.insn.dst));
    }
    step.uses |= bit(step.insn.dst);
  }

  void atomic(const At& at, Step& step) {
    step.kind = Step::Kind::kAtomic;
    const unsigned bytes = access_bytes(step.insn.opcode);
    const InsnFact* fact = view_.fact(at.slot);
    step.memory = fact != nullptr && fact->memory != 0 ? fact->memory : ValueKinds{0xffff};
    if (const auto base = at.constant(step.insn.dst); base && *base >> 30 == 1) {
      step.memory = static_cast<ValueKinds>(ValueKind::kMapValue);
    }
    if (StackRange range; rebase(at, step.insn.dst, step.insn.off, range, bytes)) {
      step.reads.push_back(range);
      step.memory = static_cast<ValueKinds>(ValueKind::kStack);
    } else {
      read_by_facts(at, step, bytes);
    }
    step.uses = bit(step.insn.dst) | bit(step.insn.src);
    const Op op = view_.op(at.slot);
    if (op == Op::ATOMIC_CMPXCHG32 || op == Op::ATOMIC_CMPXCHG64) {
      step.uses |= bit(0);
      step.defs = bit(0);
    } else if (view_.row(at.slot)->form == Form::kAtomicFetch) {
      step.defs = bit(step.insn.src);
    }
  }

  /// R6 is the context, or this is not a verified program and R6 says nothing.
  void packet(const At& at, Step& step) {
    step.kind = Step::Kind::kPacket;
    step.number = at.constant(6) == std::uint64_t{address::kContext};
    step.uses = step.number != 0 ? bit(6) : RegMask{0};
    step.defs = kCallerSaved;
    const Op op = view_.op(at.slot);
    if (op == Op::LD_INDW || op == Op::LD_INDH || op == Op::LD_INDB) {
      step.uses |= bit(step.insn.src);
    }
  }

  void branch_step(const At& at, Step& step) {
    step.ways = ways_of(at);
    if (!step.ways.taken) {
      step.kind = step.ways.falls ? Step::Kind::kNothing : Step::Kind::kTrap;
      return;
    }
    if (!step.ways.falls) {
      step.kind = Step::Kind::kJump;
      return;
    }
    step.kind = Step::Kind::kBranch;
    if (view_.row(at.slot)->form == Form::kJmpReg) {
      use_immediate(at, step, step.insn.cls() == 0x05);
    }
    step.insn.dst = static_cast<std::uint8_t>(at.root(step.insn.dst));
    step.uses = bit(step.insn.dst);
    if (find_insn(step.insn)->form == Form::kJmpReg) {
      step.insn.src = static_cast<std::uint8_t>(at.root(step.insn.src));
      step.uses |= bit(step.insn.src);
    }
  }

  void call(const At& at, Step& step, std::optional<Error>& error) {
    step.defs = kCallerSaved;
    if (const auto callee = callee_of(at)) {
      step.kind = Step::Kind::kCall;
      step.callee = *callee;
      // Only what it is given can lead a callee to this frame.
      for (unsigned reg = 1; reg <= 5; ++reg) {
        step.reads_any_stack |= has(at.kinds(reg), ValueKind::kStack);
      }
      return;
    }
    CallPlan plan = plan_call(at);
    if (!plan.problem.empty()) {
      return hand_over(at, step, plan.problem, error);
    }
    if (plan.helper == Helper::tail_call && !plan.choices.empty()) {
      return hand_over(at, step, "a tail call needs a prog_array that is the same on every path", error);
    }
    const auto unfit = std::find_if(plan.choices.begin(), plan.choices.end(),
                                    [](const CallPlan& choice) { return !choice.problem.empty(); });
    if (unfit != plan.choices.end() && !options_.handover) {
      error = view_.refuse(at.slot, unfit->problem);
      return;
    }
    step.kind = Step::Kind::kHelper;
    step.uses = plan.uses;
    if (plan.helper == Helper::tail_call && !view_.in_main(at.slot)) {
      step.uses |= bit(kFramePointer);  // the other program takes over the frame
    }
    step.reads = plan.stack_reads;
    step.reads_any_stack = plan.reads_any_stack;
    if (unfit != plan.choices.end()) {
      need_all(at, step);
      step.reason = view_.refuse(at.slot, unfit->problem).message;
    }
    step.plan = static_cast<std::int32_t>(steps_.plans.size());
    steps_.plans.push_back(std::move(plan));
  }

  const View& view_;
  const Values& values_;
  const StepOptions& options_;
  std::vector<RegMask> live_;  ///< by slot, for hand-overs
  Steps steps_;
};

}  // namespace

Result<Steps> make_steps(const View& view, const Values& values, const StepOptions& options) {
  return StepMaker(view, values, options).make();
}

}  // namespace kiln::lowering
