// SPDX-License-Identifier: Apache-2.0
//
// The intermediate form as text, and lists of passes from the command line.
#include <fmt/format.h>

#include <kiln/disasm.h>
#include <kiln/helpers.h>
#include <kiln/ir_passes.h>

namespace kiln::ir {
namespace {

constexpr std::string_view kPassNames[] = {
#define KILN_IR_PASS(enumerator, name) name,
#include <kiln/ir_passes.def>
};

std::string operand(const Function& f, Id id) {
  if (id == kNone) {
    return "-";
  }
  const Node& n = f.nodes[id];
  if (n.op == Op::kConst) {
    const auto value = static_cast<std::uint64_t>(n.imm);
    return value < 1024 ? fmt::format("{}", value) : n.imm < 0 && n.imm > -1024 ? fmt::format("{}", n.imm) : fmt::format("{:#x}", value);
  }
  if (n.op == Op::kFrame) {
    return "fp";
  }
  if (n.op == Op::kArgument) {
    return fmt::format("arg{}", n.imm);
  }
  if (n.op == Op::kMapHandle) {
    return fmt::format("map[{}]", n.imm);
  }
  if (n.op == Op::kMapAddress) {
    return fmt::format("map[{}].value+{}", static_cast<std::uint32_t>(n.imm), n.imm >> 32);
  }
  return fmt::format("v{}", id);
}

std::string address(const Function& f, const Node& n) {
  std::string text = operand(f, n.in[0]);
  if ((n.op == Op::kLoad || n.op == Op::kStore) && n.in[1] != kNone) {
    text += " + " + operand(f, n.in[1]) + (n.scale != 0 ? fmt::format(" << {}", n.scale) : "");
  }
  return fmt::format("u{}[{}{:+}]", 8 * n.size, text, n.imm);
}

std::string node_text(const Function& f, Id id) {
  const Node& n = f.nodes[id];
  const std::string name = fmt::format("{}{}", op_text(n.op), n.bits == 32 ? "32" : "");
  switch (n.op) {
    case Op::kLoad:
      return fmt::format("v{} = {}{}", id, n.is_signed ? "signed " : "", address(f, n));
    case Op::kStore:
      return fmt::format("{} = {}", address(f, n), operand(f, n.in[2]));
    case Op::kAtomic:
      return fmt::format("v{} = {} {:#x}{} {}, {}", id, name, n.aux, n.fetches ? " fetch" : "", address(f, n), operand(f, n.in[1]));
    case Op::kCmpxchg:
      return fmt::format("v{} = {} {}, {} for {}", id, name, address(f, n), operand(f, n.in[1]), operand(f, n.in[2]));
    default:
      break;
  }
  std::string text = fmt::format("v{} = {}", id, name);
  if (n.op == Op::kCall) {
    text += fmt::format(" {}", helper_name(static_cast<std::uint32_t>(n.imm)));
  } else if (n.op == Op::kCallLocal) {
    text += fmt::format(" {}", f.program->subprograms[static_cast<std::size_t>(n.imm)].name);
  } else if (n.size != 0) {
    text += fmt::format("{}", 8 * n.size);
  }
  const char* separator = " ";
  const auto append = [&](Id in) {
    text += separator + operand(f, in);
    separator = ", ";
  };
  for (const Id in : n.in) {
    if (in != kNone) {
      append(in);
    }
  }
  for (const Id in : f.list(id)) {
    append(in);
  }
  return text;
}

std::string end_text(const Function& f, const Terminator& end) {
  switch (end.kind) {
    case Terminator::kJump:
      return fmt::format("goto b{}", end.to[0]);
    case Terminator::kBranch:
      return fmt::format("if{} {} {} {} goto b{} else b{}", end.bits == 32 ? "32" : "", operand(f, end.a), cond_text(end.cond),
                         operand(f, end.b), end.to[0], end.to[1]);
    case Terminator::kReturn:
      return fmt::format("return {}", operand(f, end.a));
    case Terminator::kTrap:
      break;
  }
  return "trap";
}

/// Source line and BPF instruction, where they change.
class Origins {
 public:
  explicit Origins(const Program* program) : program_(program) {}
  std::string at(std::uint32_t slot) {
    if (program_ == nullptr || slot == slot_ || slot >= program_->insns.size()) {
      return "";
    }
    slot_ = slot;
    std::string text;
    const SourceLine* line = program_->line_of(slot);
    if (line != nullptr && line != line_) {
      text += fmt::format("; {}:{}: {}\n", line->file, line->line, line->text);
      line_ = line;
    }
    const Insn& insn = program_->insns[slot];
    return text + fmt::format("    ; {}: {}\n", slot, disassemble(insn, insn.is_wide() ? &program_->insns[slot + 1] : nullptr));
  }

 private:
  const Program* program_;
  std::uint32_t slot_ = kNone;
  const SourceLine* line_ = nullptr;
};

}  // namespace

std::string to_text(Function& f) {
  f.sweep();
  std::string text = f.program == nullptr ? fmt::format("function {}:\n", f.number)
                                          : fmt::format("{}:\n", f.program->subprograms[f.number].name);
  Origins origins(f.program);
  for (const BlockId block : f.order) {
    text += fmt::format("  b{}:", block);
    for (const BlockId& pred : f.blocks[block].preds) {
      text += fmt::format("{}b{}", &pred == f.blocks[block].preds.data() ? " from " : ", ", pred);
    }
    text += "\n";
    for (const Id id : f.blocks[block].nodes) {
      text += origins.at(f.nodes[id].slot) + "      " + node_text(f, id) + "\n";
    }
    text += origins.at(f.blocks[block].end.slot) + "      " + end_text(f, f.blocks[block].end) + "\n";
  }
  return text;
}

std::string_view pass_name(Pass pass) { return kPassNames[static_cast<std::size_t>(pass)]; }

Result<PassSet> PassSet::parse(std::string_view list) {
  const bool without = !list.empty() && list.front() == '-';
  PassSet set = without || list == "all" ? PassSet() : none();
  if (list == "all" || list == "none") {
    return set;
  }
  while (!list.empty()) {
    std::string_view name = list.substr(0, list.find(','));
    list.remove_prefix(std::min(name.size() + 1, list.size()));
    if (!name.empty() && name.front() == '-') {
      name.remove_prefix(1);
    }
    unsigned pass = 0;
    while (pass < static_cast<unsigned>(Pass::kCount) && kPassNames[pass] != name) {
      ++pass;
    }
    if (pass == static_cast<unsigned>(Pass::kCount)) {
      return Error{Errc::kUsage, fmt::format("there is no pass '{}'; there are {}, all and none, with - in front for all but those", name,
                                             fmt::join(kPassNames, ", "))};
    }
    set.set(static_cast<Pass>(pass), !without);
  }
  return set;
}

}  // namespace kiln::ir
