// SPDX-License-Identifier: Apache-2.0
#include "code.h"

#include <algorithm>
#include <array>
#include <optional>

#include <fmt/format.h>

#include <kiln/address.h>
#include <kiln/btf.h>
#include <kiln/kfuncs.h>

namespace kiln {
namespace {

constexpr std::uint32_t kFrameAlign = 32;  // the kernel's rounding of a frame (interpreter and stack limit)

bool is_jump(Form form) {
  return form == Form::kJa || form == Form::kJa32 || form == Form::kJmpImm || form == Form::kJmpReg ||
         form == Form::kMayGoto;
}

bool is_store(Form form) {
  return form == Form::kStoreImm || form == Form::kStoreReg || form == Form::kAtomic || form == Form::kAtomicFetch ||
         form == Form::kStoreRelease;
}

/// Whether a register field names a register that the instruction writes.
bool writes_dst(Form form) {
  switch (form) {
    case Form::kAluImm:
    case Form::kAluReg:
    case Form::kMovSx:
    case Form::kNeg:
    case Form::kEnd:
    case Form::kLoad:
    case Form::kLd64:
    case Form::kLoadAcquire:
    case Form::kAddrSpaceCast:
      return true;
    case Form::kJmpImm:
    case Form::kJmpReg:
    case Form::kJa:
    case Form::kJa32:
    case Form::kCall:
    case Form::kCallx:
    case Form::kExit:
    case Form::kStoreImm:
    case Form::kStoreReg:
    case Form::kAtomic:
    case Form::kAtomicFetch:
    case Form::kLdPacket:
    case Form::kMayGoto:
    case Form::kStoreRelease:
      return false;
  }
  return false;
}

class Decoder {
 public:
  Decoder(std::span<const Insn> insns, const Program* program, const Facts* facts, EngineSet engine, std::size_t maps,
          const Btf* kernel_types)
      : insns_(insns), program_(program), facts_(facts), engine_(engine), maps_(maps), kernel_types_(kernel_types) {
    code_.program = program;
    code_.verified = facts_ != nullptr && !facts_->empty();
  }

  Result<Code> decode() {
    if (insns_.empty()) {
      return Error{Errc::kUnsupported, "the program has no instructions"};
    }
    code_.insns.resize(insns_.size());
    find_functions();
    for (std::uint32_t slot = 0; slot < insns_.size(); ++slot) {
      if (code_.verified && !facts_->insns[slot].reachable) {
        continue;  // may hold anything, e.g. a call that CO-RE poisoned; it traps if a bug leads there
      }
      KILN_TRY(decode_slot(slot));
      slot += insns_[slot].is_wide() ? 1 : 0;
    }
    for (const Function& function : code_.functions) {
      KILN_TRY(check_function(function));
    }
    set_frames();
    code_.writes_packet = !code_.verified || may_write_packet();
    return std::move(code_);
  }

 private:
  Error refuse(std::uint32_t slot, std::string_view why) const {
    return Error{Errc::kUnsupported, fmt::format("{}: {}", describe_slot(program_, slot), why), slot};
  }

  void find_functions() {
    std::vector<std::uint32_t> starts = {0};
    if (program_ != nullptr) {
      for (const Subprogram& sub : program_->subprograms) {
        starts.push_back(sub.start);
      }
    } else {
      for (std::uint32_t slot = 0; slot < insns_.size(); ++slot) {
        const InsnInfo* info = find_insn(insns_[slot]);
        if (info != nullptr && (info->op == Op::CALL_LOCAL || info->op == Op::LD_CODE_ADDR)) {
          starts.push_back(slot + 1 + static_cast<std::uint32_t>(insns_[slot].imm));
        }
        slot += insns_[slot].is_wide() ? 1 : 0;
      }
    }
    std::sort(starts.begin(), starts.end());
    starts.erase(std::unique(starts.begin(), starts.end()), starts.end());
    std::erase_if(starts, [this](std::uint32_t start) { return start >= insns_.size(); });
    for (std::size_t i = 0; i < starts.size(); ++i) {
      const bool last = i + 1 == starts.size();
      code_.functions.push_back({starts[i], last ? static_cast<std::uint32_t>(insns_.size()) : starts[i + 1], 0});
    }
  }

  Result<void> decode_slot(std::uint32_t slot) {
    const Insn& insn = insns_[slot];
    const InsnInfo* info = find_insn(insn);
    if (const char* why = malformed(insn); why != nullptr || info == nullptr) {
      return refuse(slot, fmt::format("{} (opcode {:#04x})", why != nullptr ? why : "unknown opcode", insn.opcode));
    }
    if (info->form == Form::kAddrSpaceCast) {
      return refuse(slot, "no engine but the kernel has arenas, which addr_space_cast is for");
    }
    const bool stores_register = is_store(info->form) && info->form != Form::kStoreImm;
    const bool src_is_register = stores_register || info->form == Form::kLoad || info->form == Form::kAluReg ||
                                 info->form == Form::kMovSx || info->form == Form::kJmpReg ||
                                 info->form == Form::kLdPacket || info->form == Form::kLoadAcquire;
    if (insn.dst >= kRegisters || (src_is_register && insn.src >= kRegisters)) {
      return refuse(slot, "there are no registers above r10");
    }
    if ((writes_dst(info->form) && insn.dst == kFramePointer) ||
        (info->form == Form::kAtomicFetch && insn.src == kFramePointer)) {
      return refuse(slot, "frame pointer is read only");
    }
    CodeInsn& out = code_.insns[slot];
    out = CodeInsn{.op = info->op, .form = info->form, .dst = insn.dst, .src = insn.src, .off = insn.off, .imm = insn.imm};
    if (is_jump(info->form)) {
      const std::int64_t target = std::int64_t{slot} + 1 + (info->form == Form::kJa32 ? insn.imm : insn.off);
      const Function& function = code_.function_of(slot);
      if (target < function.start || target >= function.end) {
        return refuse(slot, "jump out of its function");
      }
      out.target = static_cast<std::uint32_t>(target);
    }
    switch (info->form) {
      case Form::kCall:
        return decode_call(slot, out);
      case Form::kLd64:
        return decode_wide(slot, out);
      default:
        return {};
    }
  }

  Result<void> decode_call(std::uint32_t slot, CodeInsn& out) {
    if (out.op == Op::CALL_LOCAL) {
      return function_number(slot, out);
    }
    if (out.op == Op::CALL_KFUNC) {
      return decode_kfunc(slot, out);
    }
    const HelperInfo* helper = find_helper(static_cast<std::uint32_t>(out.imm));
    if (helper == nullptr) {
      return refuse(slot, fmt::format("unknown helper {}", out.imm));
    }
    if ((helper->engines & engine_) == 0) {
      return refuse(slot, fmt::format("this engine has no helper bpf_{}", helper->name));
    }
    return {};
  }

  Result<void> decode_kfunc(std::uint32_t slot, CodeInsn& out) {
    const auto id = static_cast<std::uint32_t>(out.imm);
    if (kernel_types_ == nullptr || id >= kernel_types_->count() || kernel_types_->kind(id) != BtfKind::kFunc) {
      return refuse(slot, fmt::format("kernel function {} is not in the kernel's BTF", out.imm));
    }
    const std::string_view name = kernel_types_->name(id);
    const KfuncInfo* kfunc = find_kfunc(name);
    if (kfunc == nullptr || (kfunc->engines & engine_) == 0) {
      return refuse(slot, fmt::format("this engine has no kernel function {}", name));
    }
    out.target = static_cast<std::uint32_t>(kfunc - kfunc_table().data());
    return {};
  }

  Result<void> function_number(std::uint32_t slot, CodeInsn& out) {
    const std::int64_t target = std::int64_t{slot} + 1 + out.imm;
    const bool inside = target >= 0 && target < static_cast<std::int64_t>(insns_.size());
    const Function* function = inside ? code_.function_at(static_cast<std::uint32_t>(target)) : nullptr;
    if (function == nullptr) {
      return refuse(slot, "the target is not the start of a function");
    }
    out.target = static_cast<std::uint32_t>(function - code_.functions.data());
    return {};
  }

  Result<void> decode_wide(std::uint32_t slot, CodeInsn& out) {
    if (slot + 1 >= insns_.size() || !(insns_[slot + 1] == Insn{.imm = insns_[slot + 1].imm})) {
      return refuse(slot, "incomplete 64-bit immediate");
    }
    const auto high = static_cast<std::uint32_t>(insns_[slot + 1].imm);
    out.wide = std::uint64_t{high} << 32 | static_cast<std::uint32_t>(out.imm);
    switch (out.op) {
      case Op::LD_IMM64:
        return {};
      case Op::LD_CODE_ADDR:
        return function_number(slot, out);
      case Op::LD_MAP_IDX:
      case Op::LD_MAP_IDX_VALUE:
        if (static_cast<std::uint32_t>(out.imm) >= maps_) {
          return refuse(slot, fmt::format("there is no map {}", out.imm));
        }
        return {};
      case Op::LD_MAP_FD:
      case Op::LD_MAP_FD_VALUE:
        return refuse(slot, "a map by file descriptor: maps are referred to by index here");
      default:
        return refuse(slot, "platform variables do not exist here");
    }
  }

  /// Jumps land on instructions, and no path runs off the function's end.
  Result<void> check_function(const Function& function) {
    for (std::uint32_t slot = function.start; slot < function.end; ++slot) {
      const CodeInsn& insn = code_.insns[slot];
      if (insn.op == kNeverReached) {
        continue;
      }
      const Form form = insn.form;
      if (is_jump(form) && !code_.verified && code_.insns[insn.target].op == kNeverReached) {
        return refuse(slot, "jump into the middle of a 64-bit immediate");
      }
      const std::uint32_t next = slot + (form == Form::kLd64 ? 2 : 1);
      const bool falls_through = form != Form::kJa && form != Form::kJa32 && form != Form::kExit;
      if (falls_through && next >= function.end) {
        return refuse(slot, "the last instruction of a function must be exit or a jump");
      }
    }
    return {};
  }

  /// Without Facts: the deepest byte that a function visibly addresses from R10, directly or through copies
  /// plus constants, its slots read from top to bottom. A guess for raw programs; should it be too small,
  /// frames overlap, and every access is still checked against the stack as a whole.
  std::uint32_t apparent_depth(const Function& function) const {
    std::array<std::optional<std::int64_t>, kRegisters> from_r10;  // offset, for registers derived from R10
    from_r10[kFramePointer] = 0;
    std::int64_t deepest = 0;
    const auto touch = [&](unsigned base, std::int64_t off) {
      if (from_r10[base]) {
        deepest = std::min(deepest, *from_r10[base] + off);
      }
    };
    for (std::uint32_t slot = function.start; slot < function.end; ++slot) {
      const CodeInsn& insn = code_.insns[slot];
      if (insn.op == kNeverReached) {
        continue;
      }
      if (is_store(insn.form)) {
        touch(insn.dst, insn.off);
      } else if (insn.form == Form::kLoad || insn.form == Form::kLoadAcquire) {
        touch(insn.src, insn.off);
      }
      if (insn.op == Op::MOV64_REG) {
        from_r10[insn.dst] = from_r10[insn.src];
      } else if (insn.op == Op::ADD64_IMM && from_r10[insn.dst]) {
        *from_r10[insn.dst] += insn.imm;
        touch(insn.dst, 0);  // the pointer may go to a helper or another function
      } else if (writes_dst(insn.form)) {
        from_r10[insn.dst].reset();
      }
    }
    return static_cast<std::uint32_t>(std::min<std::int64_t>(-deepest, address::kStackBytes));
  }

  void set_frames() {
    for (std::size_t i = 0; i < code_.functions.size(); ++i) {
      Function& function = code_.functions[i];
      const bool known = code_.verified && i < facts_->stack_depth.size();
      const std::uint32_t depth = known ? facts_->stack_depth[i] : apparent_depth(function);
      function.frame_bytes = (depth + kFrameAlign - 1) / kFrameAlign * kFrameAlign;
    }
  }

  bool may_write_packet() const {
    if (facts_->changes_packet) {
      return true;
    }
    for (std::size_t slot = 0; slot < insns_.size(); ++slot) {
      const CodeInsn& insn = code_.insns[slot];
      if (insn.op == kNeverReached) {
        continue;
      }
      const ValueKinds memory = facts_->insns[slot].memory;
      if (is_store(insn.form) && (has(memory, ValueKind::kPacket) || has(memory, ValueKind::kPacketMeta))) {
        return true;
      }
    }
    return false;
  }

  std::span<const Insn> insns_;
  const Program* program_;
  const Facts* facts_;
  EngineSet engine_;
  std::size_t maps_;
  const Btf* kernel_types_;
  Code code_;
};

}  // namespace

const Function* Code::function_at(std::uint32_t slot) const {
  const Function& function = function_of(slot);
  return function.start == slot ? &function : nullptr;
}

const Function& Code::function_of(std::uint32_t slot) const {
  auto after = std::upper_bound(functions.begin(), functions.end(), slot,
                                [](std::uint32_t at, const Function& function) { return at < function.start; });
  return *std::prev(after);
}

Result<Code> decode_program(std::span<const Insn> insns, const Program* program, const Facts* facts,
                            EngineSet engine, std::size_t maps, const Btf* kernel_types) {
  return Decoder(insns, program, facts, engine, maps, kernel_types).decode();
}

std::string describe_slot(const Program* program, std::uint32_t slot) {
  const SourceLine* line = program == nullptr ? nullptr : program->line_of(slot);
  std::string where = program == nullptr ? "" : program->name + ": ";
  if (line == nullptr) {
    return fmt::format("{}slot {}", where, slot);
  }
  return fmt::format("{}slot {} ({}:{})", where, slot, line->file, line->line);
}

}  // namespace kiln
