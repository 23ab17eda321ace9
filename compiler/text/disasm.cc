// SPDX-License-Identifier: Apache-2.0
//
// BPF to text. The words are those of the kernel's print_bpf_insn() and of bpftool; what they leave
// ambiguous (64-bit immediates, map references) is written so that assemble() gets the same bits
// back. A slot that is no instruction prints as ".quad 0x...".
#include <fmt/format.h>

#include <kiln/disasm.h>
#include <kiln/helpers.h>

namespace kiln {
namespace {

constexpr std::uint8_t kClassAlu32 = 0x04;
constexpr std::uint8_t kClassJmp32 = 0x06;

/// What a listing knows and a lone instruction does not.
struct Context {
  const Program* program = nullptr;
  const Object* object = nullptr;
  std::uint32_t slot = 0;
};

char reg_letter(const Insn& insn) {
  return insn.cls() == kClassAlu32 || insn.cls() == kClassJmp32 ? 'w' : 'r';
}

/// ",name:counters" in a listing, else nothing.
std::string map_suffix(const Context& context, std::int32_t index) {
  if (context.object == nullptr || index < 0 ||
      static_cast<std::size_t>(index) >= context.object->maps.size()) {
    return "";
  }
  return ",name:" + context.object->maps[static_cast<std::size_t>(index)].name;
}

/// "#parse" in a listing whose target is the start of a subprogram, else nothing.
std::string function_suffix(const Context& context, std::int32_t offset) {
  if (context.program == nullptr) {
    return "";
  }
  const std::int64_t target = std::int64_t{context.slot} + 1 + offset;
  for (const Subprogram& sub : context.program->subprograms) {
    if (sub.start == target) {
      return "#" + sub.name;
    }
  }
  return "";
}

std::string call_text(const Insn& insn, Op op, const Context& context) {
  if (op == Op::CALL_LOCAL) {
    return fmt::format("call pc{:+d}{}", insn.imm, function_suffix(context, insn.imm));
  }
  if (op == Op::CALL_KFUNC) {
    return fmt::format("call kernel-function#{}", insn.imm);
  }
  const std::string_view name = helper_name(static_cast<std::uint32_t>(insn.imm));
  return name.empty() ? fmt::format("call unknown#{}", insn.imm)
                      : fmt::format("call bpf_{}#{}", name, insn.imm);
}

std::string wide_text(const Insn& insn, const Insn* second, Op op, const Context& context) {
  const std::int32_t high = second == nullptr ? 0 : second->imm;
  const auto unsigned_high = static_cast<std::uint32_t>(high);
  switch (op) {
    case Op::LD_MAP_FD:
      return fmt::format("r{} = map[fd:{}]", insn.dst, insn.imm);
    case Op::LD_MAP_FD_VALUE:
      return fmt::format("r{} = map[fd:{}][0]+{}", insn.dst, insn.imm, unsigned_high);
    case Op::LD_MAP_IDX:
      return fmt::format("r{} = map[idx:{}{}]", insn.dst, insn.imm, map_suffix(context, insn.imm));
    case Op::LD_MAP_IDX_VALUE:
      return fmt::format("r{} = map[idx:{}{}][0]+{}", insn.dst, insn.imm,
                         map_suffix(context, insn.imm), unsigned_high);
    case Op::LD_VAR_ADDR:
      return fmt::format("r{} = var[btf:{}]", insn.dst, insn.imm);
    case Op::LD_CODE_ADDR:
      return fmt::format("r{} = subprog[{:+d}]{}", insn.dst, insn.imm,
                         function_suffix(context, insn.imm));
    default:
      return fmt::format("r{} = 0x{:x} ll", insn.dst,
                         std::uint64_t{unsigned_high} << 32 | static_cast<std::uint32_t>(insn.imm));
  }
}

std::string fetch_text(const Insn& insn, const InsnInfo& info) {
  const bool wide = access_bytes(insn.opcode) == 8;
  const std::string place =
      fmt::format("({} *)(r{} {:+d})", wide ? "u64" : "u32", insn.dst, insn.off);
  const char* suffix = wide ? "64" : "";
  if (info.op == Op::ATOMIC_CMPXCHG32 || info.op == Op::ATOMIC_CMPXCHG64) {
    return fmt::format("r0 = atomic{}_{}({}, r0, r{})", suffix, info.text, place, insn.src);
  }
  return fmt::format("r{} = atomic{}_{}({}, r{})", insn.src, suffix, info.text, place, insn.src);
}

std::string packet_text(const Insn& insn, const InsnInfo& info) {
  const bool indirect = info.op == Op::LD_INDW || info.op == Op::LD_INDH || info.op == Op::LD_INDB;
  return indirect ? fmt::format("r0 = *({} *)skb[r{} + {}]", info.text, insn.src, insn.imm)
                  : fmt::format("r0 = *({} *)skb[{}]", info.text, insn.imm);
}

std::string text_of(const Insn& insn, const Insn* second, const Context& context) {
  const InsnInfo* info = find_insn(insn);
  if (info == nullptr) {
    return fmt::format(".quad 0x{:016x}", encode(insn));
  }
  const char r = reg_letter(insn);
  switch (info->form) {
    case Form::kAluImm:
      return fmt::format("{}{} {} {}", r, insn.dst, info->text, insn.imm);
    case Form::kAluReg:
      return fmt::format("{}{} {} {}{}", r, insn.dst, info->text, r, insn.src);
    case Form::kMovSx:
      return fmt::format("{}{} = (s{}){}{}", r, insn.dst, info->value, r, insn.src);
    case Form::kNeg:
      return fmt::format("{}{} = -{}{}", r, insn.dst, r, insn.dst);
    case Form::kEnd:
      return fmt::format("r{} = {}{} r{}", insn.dst, info->text, info->value, insn.dst);
    case Form::kJmpImm:
      return fmt::format("if {}{} {} 0x{:x} goto pc{:+d}", r, insn.dst, info->text,
                         static_cast<std::uint32_t>(insn.imm), insn.off);
    case Form::kJmpReg:
      return fmt::format("if {}{} {} {}{} goto pc{:+d}", r, insn.dst, info->text, r, insn.src,
                         insn.off);
    case Form::kJa:
      return fmt::format("goto pc{:+d}", insn.off);
    case Form::kJa32:
      return fmt::format("gotol pc{:+d}", insn.imm);
    case Form::kCall:
      return call_text(insn, info->op, context);
    case Form::kCallx:
      return fmt::format("callx r{}", insn.dst);
    case Form::kExit:
      return "exit";
    case Form::kLoad:
      return fmt::format("r{} = *({} *)(r{} {:+d})", insn.dst, info->text, insn.src, insn.off);
    case Form::kStoreImm:
      return fmt::format("*({} *)(r{} {:+d}) = {}", info->text, insn.dst, insn.off, insn.imm);
    case Form::kStoreReg:
      return fmt::format("*({} *)(r{} {:+d}) = r{}", info->text, insn.dst, insn.off, insn.src);
    case Form::kAtomic:
      return fmt::format("lock *({} *)(r{} {:+d}) {} r{}",
                         access_bytes(insn.opcode) == 8 ? "u64" : "u32", insn.dst, insn.off,
                         info->text, insn.src);
    case Form::kAtomicFetch:
      return fetch_text(insn, *info);
    case Form::kLd64:
      return wide_text(insn, second, info->op, context);
    case Form::kLdPacket:
      return packet_text(insn, *info);
    case Form::kMayGoto:
      return fmt::format("may_goto pc{:+d}", insn.off);
    case Form::kLoadAcquire:
      return fmt::format("r{} = load_acquire(({} *)(r{} {:+d}))", insn.dst, info->text, insn.src, insn.off);
    case Form::kStoreRelease:
      return fmt::format("store_release(({} *)(r{} {:+d}), r{})", info->text, insn.dst, insn.off, insn.src);
    case Form::kAddrSpaceCast: {
      const auto spaces = static_cast<std::uint32_t>(insn.imm);
      return fmt::format("r{} = addr_space_cast(r{}, {}, {})", insn.dst, insn.src, spaces >> 16, spaces & 0xffff);
    }
  }
  return "";
}

}  // namespace

std::string disassemble(const Insn& insn, const Insn* second) {
  return text_of(insn, second, Context{});
}

std::string disassemble(const Program& program, const Object& object) {
  std::string out;
  auto sub = program.subprograms.begin();
  auto line = program.lines.begin();
  for (std::uint32_t slot = 0; slot < program.insns.size(); ++slot) {
    if (sub != program.subprograms.end() && sub->start == slot) {
      out += sub->name + ":\n";
      ++sub;
    }
    for (; line != program.lines.end() && line->insn <= slot; ++line) {
      out += fmt::format("; {}{}[file:{} line_num:{} line_col:{}]\n", line->text,
                         line->text.empty() ? "" : " ", line->file, line->line, line->column);
    }
    const Insn& insn = program.insns[slot];
    const bool wide = insn.is_wide() && slot + 1 < program.insns.size();
    const Insn* second = wide ? &program.insns[slot + 1] : nullptr;
    out += fmt::format("{:4}: ({:02x}) {}\n", slot, insn.opcode,
                       text_of(insn, second, Context{&program, &object, slot}));
    slot += wide ? 1 : 0;
  }
  return out;
}

}  // namespace kiln
