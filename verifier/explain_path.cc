// SPDX-License-Identifier: Apache-2.0
//
// Follows values along the failing path. Every executed instruction that makes a value is a node, with the
// nodes it was made from; so the history of a register is what its node can reach. A branch matters if it
// compared such a value, or another made from the same origin (a pointer loaded from the context, a call).
#include <algorithm>
#include <array>

#include <fmt/format.h>

#include <kiln/disasm.h>
#include <kiln/helpers.h>

#include "explain.h"

namespace kiln::verifier {
namespace {

constexpr int kNone = -1;
constexpr std::size_t kMaxLines = 12;  ///< instructions shown

struct Node {
  std::size_t step = 0;
  std::array<int, 2> inputs = {kNone, kNone};
  int origin = kNone;     ///< where the value came into the program; itself if here
  bool clobber = false;   ///< a register that a call made unreadable
};

struct Branch {
  std::size_t step = 0;
  std::array<int, 2> operands = {kNone, kNone};
  bool taken = false;
};

class Dataflow {
 public:
  Dataflow(const Failure& failure, std::vector<PathStep> steps)
      : failure_(failure), steps_(std::move(steps)), frames_(1) {
    frames_[0].fill(kNone);
    slots_.resize(kMaxFrames);
    for (auto& slots : slots_) {
      slots.fill(kNone);
    }
    const bool fails_here = !steps_.empty() && steps_.back().insn == failure.insn;
    const std::size_t end = steps_.size() - (fails_here ? 1 : 0);
    for (step_ = 0; step_ < end; ++step_) {
      run();
    }
  }

  int reg(unsigned number) const { return frames_.back()[number]; }
  /// The newest node made by an instruction.
  int made_by(u32 insn) const {
    for (std::size_t i = nodes_.size(); i-- > 0;) {
      if (steps_[nodes_[i].step].insn == insn) {
        return static_cast<int>(i);
      }
    }
    return kNone;
  }
  const std::vector<PathStep>& steps() const { return steps_; }
  std::size_t step_of(int node) const { return nodes_[static_cast<std::size_t>(node)].step; }

  std::vector<bool> ancestors(int from) const {
    std::vector<bool> seen(nodes_.size());
    std::vector<int> todo = {from};
    while (!todo.empty()) {
      const int n = todo.back();
      todo.pop_back();
      if (n == kNone || seen[static_cast<std::size_t>(n)]) {
        continue;
      }
      seen[static_cast<std::size_t>(n)] = true;
      for (const int input : nodes_[static_cast<std::size_t>(n)].inputs) {
        todo.push_back(input);
      }
    }
    return seen;
  }

  /// Steps that matter for a node, in order; with no node, the branches alone.
  /// \param matters  ancestors(focus)
  std::vector<std::size_t> relevant(int focus, const std::vector<bool>& matters) const {
    const int origin = focus == kNone ? kNone : nodes_[static_cast<std::size_t>(focus)].origin;
    std::vector<std::size_t> chosen;
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      if (matters[i]) {
        chosen.push_back(nodes_[i].step);
      }
    }
    for (const Branch& branch : branches_) {
      const auto related = [&](int n) {
        return n != kNone && (matters[static_cast<std::size_t>(n)] ||
                              (origin != kNone && nodes_[static_cast<std::size_t>(n)].origin == origin));
      };
      if (focus == kNone || related(branch.operands[0]) || related(branch.operands[1])) {
        chosen.push_back(branch.step);
      }
    }
    std::sort(chosen.begin(), chosen.end());
    chosen.erase(std::unique(chosen.begin(), chosen.end()), chosen.end());
    return chosen;
  }

  /// What to say beside a step.
  std::string remark(std::size_t step, const std::vector<bool>& matters) const {
    for (const Branch& branch : branches_) {
      if (branch.step == step) {
        return branch_remark(branch);
      }
    }
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      if (matters[i] && nodes_[i].step == step && nodes_[i].clobber) {
        return "R1 to R5 are lost here";
      }
    }
    return "";
  }

 private:
  const Decoded& decoded() const { return failure_.structure.code[steps_[step_].insn]; }
  const Insn& insn() const { return failure_.program.insns[steps_[step_].insn]; }

  int make(int a, int b, int origin, bool clobber = false) {
    const int self = static_cast<int>(nodes_.size());
    nodes_.push_back({step_, {a, b}, origin == kNone ? self : origin, clobber});
    return self;
  }
  int origin_of(int node) const { return node == kNone ? kNone : nodes_[static_cast<std::size_t>(node)].origin; }

  std::string branch_remark(const Branch& branch) const {
    static constexpr const char* kSigns[] = {"==", "!=", "&", "!&", ">", ">=", "<", "<=", "s>", "s>=", "s<", "s<="};
    const u32 at = steps_[branch.step].insn;
    const Decoded& d = failure_.structure.code[at];
    const Insn& i = failure_.program.insns[at];
    const CmpOp holds = branch.taken ? d.cmp : negate(d.cmp);
    const char bank = d.is64 ? 'r' : 'w';
    const std::string right = d.uses_source ? fmt::format("{}{}", bank, i.src) : fmt::format("{}", i.imm);
    const std::string known =
        holds == CmpOp::kNotSet
            ? fmt::format("({}{} & {}) == 0", bank, i.dst, right)
            : fmt::format("{}{} {} {}", bank, i.dst, kSigns[static_cast<std::size_t>(holds)], right);
    return fmt::format("{}: {}", branch.taken ? "taken" : "not taken", known);
  }

  void call() {
    const bool enters = step_ + 1 < steps_.size() && steps_[step_ + 1].insn != steps_[step_].insn + 1;
    auto& regs = frames_.back();
    if (enters && frames_.size() < kMaxFrames) {
      std::array<int, kRegisters> callee{};
      callee.fill(kNone);
      if (decoded().is_subprogram_call()) {
        std::copy_n(regs.begin() + 1, 5, callee.begin() + 1);
      }
      slots_[frames_.size()].fill(kNone);
      frames_.push_back(callee);
      return;
    }
    std::fill_n(regs.begin() + 1, 5, make(kNone, kNone, kNone, true));
    regs[0] = make(kNone, kNone, kNone);
  }

  void load(int base) {
    auto& regs = frames_.back();
    const TraceEntry& entry = steps_[step_].entry;
    if (entry.stack_access) {
      const int value = slots_[entry.stack_frame][entry.stack_slot];
      regs[insn().dst] = make(value, kNone, origin_of(value));
    } else {
      regs[insn().dst] = make(base, kNone, kNone);
    }
  }

  void run() {
    auto& regs = frames_.back();
    const Decoded& d = decoded();
    const Insn& i = insn();
    const TraceEntry& entry = steps_[step_].entry;
    const int dst = i.dst < kRegisters ? regs[i.dst] : kNone, src = i.src < kRegisters ? regs[i.src] : kNone;
    switch (d.form) {
      case Form::kAluImm:
        regs[i.dst] = d.alu == AluOp::kMov ? make(kNone, kNone, kNone) : make(dst, kNone, origin_of(dst));
        break;
      case Form::kAluReg:
      case Form::kAddrSpaceCast:
      case Form::kMovSx: {
        const bool move = d.form != Form::kAluReg || d.alu == AluOp::kMov;
        regs[i.dst] = move ? make(src, kNone, origin_of(src)) : make(dst, src, origin_of(dst));
        break;
      }
      case Form::kNeg:
      case Form::kEnd:
        regs[i.dst] = make(dst, kNone, origin_of(dst));
        break;
      case Form::kLoad:
      case Form::kLoadAcquire:
        load(src);
        break;
      case Form::kStoreReg:
      case Form::kStoreRelease:
      case Form::kStoreImm:
        if (entry.stack_access) {
          const int value = d.form == Form::kStoreImm ? kNone : src;
          slots_[entry.stack_frame][entry.stack_slot] = make(value, kNone, origin_of(value));
        }
        break;
      case Form::kAtomicFetch:
        regs[d.op == Op::ATOMIC_CMPXCHG32 || d.op == Op::ATOMIC_CMPXCHG64 ? 0 : i.src] = make(dst, kNone, kNone);
        break;
      case Form::kCall:
      case Form::kCallx:
      case Form::kLdPacket:
        call();
        break;
      case Form::kExit:
        if (frames_.size() > 1) {
          const int result = regs[0];
          frames_.pop_back();
          frames_.back()[0] = result;
          std::fill_n(frames_.back().begin() + 1, 5, make(kNone, kNone, kNone, true));
        }
        break;
      case Form::kLd64:
        regs[i.dst] = make(kNone, kNone, kNone);
        break;
      case Form::kJmpImm:
      case Form::kJmpReg:
        if (step_ + 1 < steps_.size()) {
          branches_.push_back({step_, {dst, d.uses_source ? src : kNone}, steps_[step_ + 1].insn != steps_[step_].insn + 1});
        }
        break;
      case Form::kJa:
      case Form::kJa32:
      case Form::kMayGoto:
      case Form::kAtomic:
        break;
    }
  }

  const Failure& failure_;
  std::vector<PathStep> steps_;
  std::size_t step_ = 0;
  std::vector<Node> nodes_;
  std::vector<Branch> branches_;
  std::vector<std::array<int, kRegisters>> frames_;
  std::vector<std::array<int, kStackSlots>> slots_;
};

}  // namespace

std::vector<PathStep> failing_path(const State& state) {
  std::vector<const State*> chain;
  for (const State* s = &state; s != nullptr; s = s->parent) {
    chain.push_back(s);
  }
  std::vector<PathStep> steps;
  for (std::size_t i = chain.size(); i-- > 0;) {
    for (const TraceEntry& entry : chain[i]->trace) {
      steps.push_back({entry.insn, entry});
    }
  }
  return steps;
}

std::optional<std::string> source_text(const Program& program, u32 insn) {
  const SourceLine* line = program.line_of(insn);
  if (line == nullptr || line->line == 0) {  // 0: the compiler's own instruction
    return std::nullopt;
  }
  return fmt::format("{}:{}: {}", line->file, line->line, line->text);
}

std::string insn_text(const Program& program, u32 insn) {
  const Insn& i = program.insns[insn];
  const Insn* second = i.is_wide() && insn + 1 < program.insns.size() ? &program.insns[insn + 1] : nullptr;
  return fmt::format("{}: ({:02x}) {}", insn, i.opcode, disassemble(i, second));
}

std::vector<std::string> causal_path(const Failure& failure, const Focus& focus) {
  std::vector<std::string> lines;
  if (failure.state == nullptr) {
    return lines;
  }
  const Dataflow flow(failure, failing_path(*failure.state));
  const int made = focus.insn ? flow.made_by(*focus.insn) : kNone;
  const int node = focus.reg && *focus.reg < kRegisters ? flow.reg(*focus.reg) : made;
  const std::vector<bool> matters = flow.ancestors(node);
  std::vector<std::size_t> steps = flow.relevant(node, matters);
  if (made != kNone && made != node) {
    steps.insert(std::upper_bound(steps.begin(), steps.end(), flow.step_of(made)), flow.step_of(made));
  }
  if (steps.size() > kMaxLines) {
    const std::size_t left_out = steps.size() - kMaxLines;
    // The origin says most, then what happened last.
    steps.erase(steps.begin() + 1, steps.begin() + 1 + static_cast<std::ptrdiff_t>(left_out));
    lines.push_back(fmt::format("({} steps between the first and the last {} are left out)", left_out, kMaxLines - 1));
  }
  std::string last_source;
  for (const std::size_t step : steps) {
    const u32 insn = flow.steps()[step].insn;
    const std::string source = source_text(failure.program, insn).value_or("");
    if (!source.empty() && source != last_source) {
      lines.push_back(source);
      last_source = source;
    }
    const bool is_extra = made != kNone && made != node && step == flow.step_of(made);
    const std::string remark = is_extra ? focus.remark : flow.remark(step, matters), text = insn_text(failure.program, insn);
    lines.push_back(remark.empty() ? "  " + text : fmt::format("  {:<44} {}", text, remark));
  }
  return lines;
}

bool is_remainder(const Failure& failure, unsigned reg) {
  if (failure.state == nullptr) {
    return false;
  }
  // Compilers also write a % c as a - a / c * c.
  enum class Part { kEnd, kProduct, kQuotient } wanted = Part::kEnd;
  const std::vector<PathStep> steps = failing_path(*failure.state);
  for (std::size_t i = steps.size(); i-- > 0;) {
    const u32 at = steps[i].insn;
    const Decoded& d = failure.structure.code[at];
    const Insn& insn = failure.program.insns[at];
    if (at == failure.insn || insn.dst != reg || (d.form != Form::kAluReg && d.form != Form::kAluImm)) {
      if (d.form == Form::kCall && reg <= 5 && at != failure.insn) {
        return false;
      }
      continue;
    }
    const std::string_view name = d.info->name;
    const bool from_register = d.form == Form::kAluReg;
    if ((name.starts_with("MOV") && from_register) || (wanted == Part::kEnd && name.starts_with("SUB") && from_register)) {
      wanted = name.starts_with("SUB") ? Part::kProduct : wanted;
      reg = insn.src;
    } else if (wanted == Part::kProduct && name.starts_with("MUL")) {
      wanted = Part::kQuotient;
    } else if (wanted != Part::kEnd || !name.starts_with("LSH")) {
      return name.starts_with(wanted == Part::kQuotient ? "DIV" : "MOD");
    }
  }
  return false;
}

std::optional<u32> last_call(const Failure& failure, bool moves_packet) {
  if (failure.state == nullptr) {
    return std::nullopt;
  }
  const std::vector<PathStep> steps = failing_path(*failure.state);
  for (std::size_t i = steps.size(); i-- > 0;) {
    const u32 at = steps[i].insn;
    const Decoded& d = failure.structure.code[at];
    if (d.form != Form::kCall || at == failure.insn) {
      continue;
    }
    bool moves = false;
    if (d.is_helper_call()) {
      const HelperInfo* helper = find_helper(static_cast<u32>(failure.program.insns[at].imm));
      moves = helper != nullptr && helper->has(kMovesPacket);
    } else {
      const s64 callee = failure.structure.subprogram_at(jump_target(d, failure.program.insns[at], at));
      moves = callee >= 0 && failure.structure.subprograms[static_cast<std::size_t>(callee)].changes_packet;
    }
    if (!moves_packet || moves) {
      return at;
    }
  }
  return std::nullopt;
}

}  // namespace kiln::verifier
