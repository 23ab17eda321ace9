// SPDX-License-Identifier: Apache-2.0
#include "lockstep.h"

#include <array>
#include <bitset>

#include <fmt/format.h>

#include <kiln/core_isa.h>
#include <kiln/disasm.h>

namespace kiln::cosim {
namespace {

constexpr std::size_t kContextInsns = 8;  // shown before and after a difference

bool is_jump(std::uint64_t word) {
  const Insn insn = decode(word);
  const InsnInfo* row = is_core_insn(insn) ? nullptr : find_insn(insn);
  return row != nullptr && (row->form == Form::kJa || row->form == Form::kJa32);
}

std::uint64_t low_bytes(std::uint64_t value, unsigned bytes) {
  return bytes == 8 ? value : value & ((std::uint64_t{1} << 8 * bytes) - 1);
}

}  // namespace

/// Where the comparison of one frame is.
struct Lockstep::Frame {
  std::span<const InterpState> steps;
  std::span<const RetireRecord> records;
  std::size_t step = 0;    ///< the instruction that the core is executing
  std::size_t record = 0;  ///< the word looked at
  std::array<std::uint64_t, kCoreRegisters> regs{};
  std::bitset<kCoreRegisters> known{};
};

Lockstep::Lockstep(const Object& object, const CoreImage& image) : object_(object), image_(image) {
  for (const Program& program : object.programs) {
    has_words_.emplace_back(program.insns.size(), false);
  }
  for (std::size_t at = 0; at < image.words.size(); ++at) {
    const CoreOrigin& origin = image.origins[at];
    if (origin.insn != kNoInsn && !is_jump(image.words[at])) {
      has_words_[origin.program][origin.insn] = true;
    }
  }
}

bool Lockstep::may_step_over(std::uint32_t program, std::uint32_t insn) const {
  return !has_words_[program][insn];
}

std::string Lockstep::insn_text(const InterpState& state) const {
  if (state.pc == kNoPc) {
    return "(end of the program)";
  }
  const Program& program = object_.programs[state.program];
  const Insn& insn = program.insns[state.pc];
  return disassemble(insn, insn.is_wide() ? &program.insns[state.pc + 1] : nullptr);
}

std::string Lockstep::listing(const Frame& frame, const std::string& what) const {
  std::string out = what + "\n";
  const std::size_t first = frame.step > kContextInsns ? frame.step - kContextInsns : 0;
  const std::size_t last = std::min(frame.steps.size(), frame.step + kContextInsns + 1);
  for (std::size_t i = first; i < last; ++i) {
    const InterpState& state = frame.steps[i];
    out += fmt::format("{} {}:{:<5} {:<44}", i == frame.step ? "->" : "  ", state.program,
                       state.pc == kNoPc ? -1 : static_cast<std::int64_t>(state.pc), insn_text(state));
    for (unsigned reg = 0; reg < kRegisters; ++reg) {
      const bool changed = i == first || state.regs[reg] != frame.steps[i - 1].regs[reg];
      out += changed ? fmt::format(" r{}={:x}", reg, state.regs[reg]) : "";
    }
    out += "\n";
  }
  out += "native words retired:\n";
  const std::size_t first_word = frame.record > 2 * kContextInsns ? frame.record - 2 * kContextInsns : 0;
  const std::size_t last_word = std::min(frame.records.size(), frame.record + kContextInsns + 1);
  for (std::size_t i = first_word; i < last_word; ++i) {
    const RetireRecord& record = frame.records[i];
    const CoreOrigin origin = record.pc < image_.origins.size() ? image_.origins[record.pc] : CoreOrigin{};
    out += fmt::format("{} {:5} {:016x} insn {}{}", i == frame.record ? "->" : "  ", record.pc, record.insn,
                       origin.insn == kNoInsn ? -1 : static_cast<std::int64_t>(origin.insn), origin.first ? " first" : "");
    out += record.rd_we ? fmt::format(" R{}={:x}", record.rd, record.rd_data) : "";
    out += record.mem_we ? fmt::format(" [{:x}]={:x} ({})", record.mem_addr, record.mem_data, record.mem_size) : "";
    out += record.mem_re ? fmt::format(" read [{:x}] ({})", record.mem_addr, record.mem_size) : "";
    out += "\n";
  }
  return out;
}

std::optional<std::string> Lockstep::registers(Frame& frame, const InterpState& state, std::uint16_t live) const {
  for (unsigned reg = 0; reg < kRegisters; ++reg) {
    if ((live >> reg & 1) == 0) {
      continue;
    }
    if (!frame.known[reg]) {
      return listing(frame, fmt::format("r{} should be {:x}; the core has not written it", reg, state.regs[reg]));
    }
    if (frame.regs[reg] != state.regs[reg]) {
      return listing(frame, fmt::format("r{} should be {:x}; the core has {:x}", reg, state.regs[reg], frame.regs[reg]));
    }
  }
  return std::nullopt;
}

/// The store that BPF makes in the instruction begun, among what its words [from, to) stored.
std::optional<std::string> Lockstep::stores(Frame& frame, const InterpState& state, std::size_t from, std::size_t to) const {
  const Insn& insn = object_.programs[state.program].insns[state.pc];
  const InsnInfo* row = find_insn(insn);
  if (row->form != Form::kStoreImm && row->form != Form::kStoreReg) {
    return std::nullopt;
  }
  const unsigned bytes = access_bytes(insn.opcode);
  const auto address = static_cast<std::uint32_t>(state.regs[insn.dst] + static_cast<std::uint64_t>(std::int64_t{insn.off}));
  const std::uint64_t value = row->form == Form::kStoreImm ? static_cast<std::uint64_t>(std::int64_t{insn.imm})
                                                           : state.regs[insn.src];
  for (std::size_t i = from; i < to; ++i) {
    const RetireRecord& record = frame.records[i];
    if (!record.mem_we) {
      continue;
    }
    if (record.mem_addr == address && record.mem_size == bytes &&
        low_bytes(record.mem_data, bytes) == low_bytes(value, bytes)) {
      return std::nullopt;
    }
    frame.record = i;
    return listing(frame, fmt::format("{} bytes {:x} should be stored at {:x}; the core stored {} bytes {:x} at {:x}", bytes,
                                      low_bytes(value, bytes), address, record.mem_size,
                                      low_bytes(record.mem_data, record.mem_size), record.mem_addr));
  }
  return listing(frame, fmt::format("{} bytes {:x} should be stored at {:x}; the core stored nothing", bytes,
                                    low_bytes(value, bytes), address));
}

std::optional<std::string> Lockstep::compare(std::span<const InterpState> steps, std::span<const RetireRecord> records) {
  Frame frame{.steps = steps, .records = records};
  std::size_t next_step = 0;             // the first step not yet matched
  std::optional<std::size_t> begun;      // record with which the instruction at frame.step began
  words_ += records.size();
  for (frame.record = 0; frame.record < records.size(); ++frame.record) {
    const RetireRecord& record = records[frame.record];
    if (record.pc >= image_.words.size() || record.insn != image_.words[record.pc]) {
      return listing(frame, "a word retired that is not in the image at that address");
    }
    const CoreOrigin& origin = image_.origins[record.pc];
    if (origin.first) {
      if (begun) {
        const std::size_t here = frame.record;
        if (auto difference = stores(frame, steps[frame.step], *begun, here)) {
          return difference;
        }
        frame.record = here;
      }
      for (; next_step < steps.size(); ++next_step) {
        const InterpState& state = steps[next_step];
        if (state.pc == origin.insn && state.program == origin.program) {
          break;
        }
        frame.step = next_step;
        if (state.pc == kNoPc || !may_step_over(state.program, state.pc)) {
          return listing(frame, fmt::format("the core begins instruction {} of program {}", origin.insn, origin.program));
        }
        ++stepped_over_;
      }
      if (next_step == steps.size()) {
        return listing(frame, fmt::format("the core begins instruction {} of program {}; the interpreter has ended",
                                          origin.insn, origin.program));
      }
      frame.step = next_step++;
      begun = frame.record;
      ++compared_;
      if (auto difference = registers(frame, steps[frame.step], origin.live)) {
        return difference;
      }
    }
    if (record.rd_we) {
      frame.regs[record.rd] = record.rd_data;
      frame.known[record.rd] = true;
    }
  }
  frame.record = records.empty() ? 0 : records.size() - 1;
  if (next_step + 1 != steps.size() || steps[next_step].pc != kNoPc || records.empty() || !records.back().exit) {
    frame.step = std::min(next_step, steps.size() - 1);
    return listing(frame, "the core has ended the frame, the interpreter goes on");
  }
  frame.step = next_step;
  // The verdict is EXIT's source register. Where that is not R0, it need not hold R0's upper half.
  const unsigned source = decode(records.back().insn).src;
  if (source == 0) {
    return registers(frame, steps[next_step], 1);
  }
  const auto verdict = static_cast<std::uint32_t>(steps[next_step].regs[0]);
  if (!frame.known[source] || static_cast<std::uint32_t>(frame.regs[source]) != verdict) {
    return listing(frame, fmt::format("the verdict should be {:x}; the core has {:x}", verdict, frame.regs[source]));
  }
  return std::nullopt;
}

}  // namespace kiln::cosim
