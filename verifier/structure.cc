// SPDX-License-Identifier: Apache-2.0
#include "structure.h"

#include <algorithm>

#include <fmt/format.h>

#include <kiln/btf_tags.h>
#include <kiln/helpers.h>
#include <kiln/kfuncs.h>

#include "components.h"

namespace kiln::verifier {
namespace {

bool refers_to_code(const Decoded& d) { return d.is_subprogram_call() || d.op == Op::LD_CODE_ADDR; }

s64 referred_code(const Insn& insn, std::size_t at) { return static_cast<s64>(at) + 1 + insn.imm; }

/// Subprograms are where calls and function addresses point, whatever the loader says.
std::optional<Defect> find_subprograms(const Program& program, Structure& structure) {
  const s64 size = static_cast<s64>(program.insns.size());
  std::vector<u32> starts = {0};
  for (std::size_t i = 0; i < program.insns.size(); ++i) {
    const Decoded& d = structure.code[i];
    if (d.info == nullptr || !refers_to_code(d)) {
      continue;
    }
    const s64 target = referred_code(program.insns[i], i);
    if (target < 0 || target >= size) {
      return Defect{static_cast<u32>(i), "call to invalid destination"};
    }
    starts.push_back(static_cast<u32>(target));
  }
  for (const Subprogram& sub : program.subprograms) {
    if (sub.start < size) {
      starts.push_back(sub.start);
    }
  }
  std::sort(starts.begin(), starts.end());
  starts.erase(std::unique(starts.begin(), starts.end()), starts.end());
  for (std::size_t i = 0; i < starts.size(); ++i) {
    SubprogramInfo info;
    info.start = starts[i];
    info.end = i + 1 < starts.size() ? starts[i + 1] : static_cast<u32>(size);
    for (const Subprogram& sub : program.subprograms) {
      if (sub.start == info.start) {
        info.name = sub.name;
        info.is_global = sub.is_global && sub.btf_func != 0;  // else it has no prototype
        info.btf_func = sub.btf_func;
      }
    }
    for (u32 at = info.start; at < info.end; ++at) {
      structure.slots[at].subprogram = static_cast<u32>(i);
    }
    structure.subprograms.push_back(info);
  }
  return std::nullopt;
}

/// The subprogram that exceptions end in, if the main function names one.
std::optional<Defect> find_catcher(const Btf* types, Structure& structure) {
  const u32 main = structure.subprograms[0].btf_func;
  const auto names = types == nullptr || main == 0 ? std::vector<std::string_view>{}
                                                   : declaration_tags(*types, main, -1, kExceptionCallbackTag);
  if (names.empty()) {
    return std::nullopt;
  }
  if (names.size() > 1) {
    return Defect{0, "multiple exception callback tags for main subprog"};
  }
  const auto id = types->find(BtfKind::kFunc, names[0]);
  if (!id) {
    return Defect{0, fmt::format("exception callback '{}' could not be found in BTF", names[0])};
  }
  constexpr u32 kGlobal = 1;
  if (types->linkage(*id) != kGlobal) {
    return Defect{0, fmt::format("exception callback '{}' must have global linkage", names[0])};
  }
  for (SubprogramInfo& sub : structure.subprograms) {
    sub.catches = sub.btf_func == *id;
  }
  const bool found = std::any_of(structure.subprograms.begin(), structure.subprograms.end(),
                                 [](const SubprogramInfo& sub) { return sub.catches; });
  return found ? std::nullopt : std::optional(Defect{0, "exception callback type id not found in func_info"});
}

bool jumps(const Decoded& d) {
  return d.form == Form::kJa || d.form == Form::kJa32 || d.has_two_ways();
}

std::optional<Defect> check_jumps(const Program& program, Structure& structure) {
  for (const SubprogramInfo& sub : structure.subprograms) {
    for (u32 at = sub.start; at < sub.end; ++at) {
      const Decoded& d = structure.code[at];
      if (d.info != nullptr && jumps(d)) {
        const s64 target = jump_target(d, program.insns[at], at);
        if (target < sub.start || target >= sub.end) {
          return Defect{at, fmt::format("jump out of range from insn {} to {}", at, target)};
        }
      }
    }
    const Decoded& last = structure.code[sub.end - 1];
    const bool ends = last.info != nullptr && (last.form == Form::kExit || last.form == Form::kJa ||
                                               last.form == Form::kJa32);
    if (!ends) {
      return Defect{sub.end - 1, "last insn is not an exit or jmp"};
    }
  }
  return std::nullopt;
}

/// What must be right wherever it stands, reached or not.
std::optional<Defect> check_encoding(const Program& program, const Structure& structure) {
  for (u32 at = 0; at < program.insns.size(); ++at) {
    const Insn& insn = program.insns[at];
    const Decoded& d = structure.code[at];
    if (insn.is_wide()) {
      const bool has_second = at + 1 < program.insns.size();
      const Insn second = has_second ? program.insns[at + 1] : Insn{};
      if (!has_second || second.opcode != 0 || second.dst != 0 || second.src != 0 || second.off != 0) {
        return Defect{at, "invalid bpf_ld_imm64 insn"};
      }
      if (d.info == nullptr) {
        return Defect{at, "unrecognized bpf_ld_imm64 insn"};
      }
      ++at;
    } else if (d.form == Form::kLoad && d.info != nullptr && insn.imm != 0) {
      return Defect{at, "BPF_LDX uses reserved fields"};
    } else if (malformed(insn) != nullptr && std::string_view(malformed(insn)) == "unknown opcode") {
      return Defect{at, fmt::format("unknown opcode {:02x}", insn.opcode)};
    }
  }
  return std::nullopt;
}

/// Calls of functions that call a subprogram, before they return or later.
void mark_callers_back(const Program& program, const Btf* kernel_types, Structure& structure) {
  for (u32 at = 0; at < program.insns.size(); ++at) {
    const Decoded& d = structure.code[at];
    const u32 number = static_cast<u32>(program.insns[at].imm);
    if (d.info != nullptr && d.is_kfunc_call() && kernel_types != nullptr && number < kernel_types->count()) {
      const KfuncInfo* kfunc = find_kfunc(kernel_types->name(number));
      structure.slots[at].iterates = kfunc != nullptr && kfunc->has(kKfIterNext);
      const std::string_view name = kernel_types->name(number);
      structure.slots[at].calls_callback = name == "bpf_rbtree_add_impl";
      structure.slots[at].calls_async = name == "bpf_wq_set_callback_impl" || name.starts_with("bpf_task_work_schedule_");
    }
    if (d.info == nullptr || d.op != Op::CALL_HELPER) {
      continue;
    }
    const HelperInfo* helper = find_helper(static_cast<u32>(program.insns[at].imm));
    const bool calls = helper != nullptr && helper->has(kCallsBack);
    const bool later = calls && static_cast<HelperId>(helper->number) == HelperId::timer_set_callback;
    structure.slots[at].calls_callback = calls && !later;
    structure.slots[at].calls_async = later;
  }
}

void mark_points(const Program& program, Structure& structure) {
  const auto target_of = [&](u32 at) {
    return static_cast<std::size_t>(jump_target(structure.code[at], program.insns[at], at));
  };
  for (u32 at = 0; at < program.insns.size(); ++at) {
    const Decoded& d = structure.code[at];
    if (d.info == nullptr) {
      continue;
    }
    if (jumps(d)) {
      structure.slots[target_of(at)].prune_point = true;
      structure.slots[target_of(at)].jump_point = true;
      structure.slots[at].prune_point |= d.has_two_ways();
      structure.slots[at].checkpoint |= d.form == Form::kMayGoto;
    }
    const u32 after = at + (program.insns[at].is_wide() ? 2 : 1);
    if ((d.form == Form::kCall || refers_to_code(d)) && after < program.insns.size()) {
      structure.slots[after].prune_point = true;
      structure.slots[after].jump_point = true;
    }
    if (refers_to_code(d)) {
      const auto callee = static_cast<std::size_t>(referred_code(program.insns[at], at));
      structure.slots[at].prune_point = true;
      structure.slots[callee].prune_point = true;
      structure.slots[callee].jump_point = true;
    }
    SlotInfo& slot = structure.slots[at];
    slot.prune_point |= slot.calls_callback || slot.calls_async || slot.iterates;
    slot.checkpoint |= slot.calls_callback || slot.iterates;
    slot.jump_point |= slot.calls_callback;
  }
}

/// Every slot must be reached from the start by jumps and calls.
std::optional<Defect> check_reachable(const Program& program, const Structure& structure) {
  std::vector<bool> seen(program.insns.size());
  std::vector<u32> work = {0};
  for (const SubprogramInfo& sub : structure.subprograms) {
    if (sub.catches) {
      work.push_back(sub.start);
    }
  }
  while (!work.empty()) {
    const u32 at = work.back();
    work.pop_back();
    if (seen[at]) {
      continue;
    }
    seen[at] = true;
    const Successors next = successors(structure, program, at);
    for (unsigned i = 0; i < next.count; ++i) {
      if (next.at[i] >= program.insns.size()) {
        return Defect{at, fmt::format("jump out of range from insn {} to {}", at, next.at[i])};
      }
      work.push_back(next.at[i]);
    }
    const Decoded& d = structure.code[at];
    if (d.info != nullptr && refers_to_code(d)) {
      work.push_back(static_cast<u32>(referred_code(program.insns[at], at)));
    }
  }
  for (u32 at = 0; at < program.insns.size(); ++at) {
    if (!seen[at]) {
      return Defect{at, fmt::format("unreachable insn {}", at)};
    }
    if (program.insns[at].is_wide()) {
      ++at;
      if (seen[at]) {
        return Defect{at, fmt::format("jump into the middle of ldimm64 insn {}", at - 1)};
      }
    }
  }
  return std::nullopt;
}

/// Which subprograms tail-call, move the packet or sleep, by themselves or through what they call.
void spread_effects(const Program& program, const Btf* kernel_types, Structure& structure) {
  for (bool changed = true; changed;) {
    changed = false;
    for (u32 at = 0; at < program.insns.size(); ++at) {
      const Decoded& d = structure.code[at];
      SubprogramInfo& sub = structure.subprograms[structure.slots[at].subprogram];
      bool moves = false, tail = false, sleeps = false;
      if (d.op == Op::CALL_HELPER && d.info != nullptr) {
        const HelperInfo* helper = find_helper(static_cast<u32>(program.insns[at].imm));
        tail = helper != nullptr && static_cast<HelperId>(helper->number) == HelperId::tail_call;
        // The program called may move the packet; it returns to a caller of ours only from a subprogram.
        moves = helper != nullptr && helper->has(kMovesPacket) && (!tail || structure.slots[at].subprogram != 0);
        sleeps = helper != nullptr && helper->has(kMightSleep);
      } else if (d.info != nullptr && d.is_kfunc_call()) {
        const u32 id = static_cast<u32>(program.insns[at].imm);
        const std::string_view name = kernel_types != nullptr && id < kernel_types->count() ? kernel_types->name(id) : "";
        const KfuncInfo* kfunc = find_kfunc(name);
        moves = name == "bpf_xdp_pull_data";
        sleeps = kfunc != nullptr && kfunc->has(kKfSleeps);
      } else if (d.info != nullptr && d.is_subprogram_call()) {
        const s64 callee = structure.subprogram_at(jump_target(d, program.insns[at], at));
        moves = structure.subprograms[static_cast<std::size_t>(callee)].changes_packet;
        sleeps = structure.subprograms[static_cast<std::size_t>(callee)].might_sleep;
      }
      changed |= (moves && !sub.changes_packet) || (tail && !sub.tail_calls) || (sleeps && !sub.might_sleep);
      sub.might_sleep |= sleeps;
      sub.changes_packet |= moves;
      sub.tail_calls |= tail;
    }
  }
}

}  // namespace

s64 Structure::subprogram_at(s64 start) const {
  for (std::size_t i = 0; i < subprograms.size(); ++i) {
    if (subprograms[i].start == start) {
      return static_cast<s64>(i);
    }
  }
  return -1;
}

Successors successors(const Structure& structure, const Program& program, u32 at) {
  const Decoded& d = structure.code[at];
  Successors next;
  const auto push = [&next](s64 to) { next.at[next.count++] = static_cast<u32>(to); };
  if (d.info == nullptr) {
    push(s64{at} + 1);
  } else if (d.form == Form::kExit) {
    return next;
  } else if (d.form == Form::kJa || d.form == Form::kJa32) {
    push(jump_target(d, program.insns[at], at));
  } else {
    push(s64{at} + (program.insns[at].is_wide() ? 2 : 1));
    if (d.has_two_ways()) {
      push(jump_target(d, program.insns[at], at));
    }
  }
  return next;
}

std::optional<Defect> analyse_structure(const Program& program, const Btf* program_types, const Btf* kernel_types,
                                        Structure& structure) {
  if (program.insns.empty()) {
    return Defect{0, "program has no instructions"};
  }
  structure.code = decode_program(program);
  structure.slots.resize(program.insns.size());
  if (auto defect = find_subprograms(program, structure)) {
    return defect;
  }
  if (auto defect = find_catcher(program_types, structure)) {
    return defect;
  }
  if (auto defect = check_jumps(program, structure)) {
    return defect;
  }
  if (auto defect = check_encoding(program, structure)) {
    return defect;
  }
  if (auto defect = check_reachable(program, structure)) {
    return defect;
  }
  mark_callers_back(program, kernel_types, structure);
  mark_points(program, structure);
  find_components(program, structure);
  spread_effects(program, kernel_types, structure);
  compute_live_registers(program, structure);
  return std::nullopt;
}

}  // namespace kiln::verifier
