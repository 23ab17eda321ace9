// SPDX-License-Identifier: Apache-2.0
//
// Raw instructions on the RTL, for the conformance plug-in: no verifier, no maps, memory is the packet.
#include <algorithm>
#include <array>
#include <cstring>

#include <fmt/format.h>

#include <kiln/nic_engine.h>

namespace kiln {
namespace {

constexpr unsigned kLengthRegister = 2;

bool writes_dst(Form form) {
  switch (form) {
    case Form::kAluImm:
    case Form::kAluReg:
    case Form::kMovSx:
    case Form::kNeg:
    case Form::kEnd:
    case Form::kLoad:
    case Form::kLd64:
      return true;
    default:
      return false;
  }
}

/// What the lowering takes on trust from the verifier, which a raw program has not seen.
Result<void> check_raw(std::span<const Insn> insns) {
  auto refuse = [](std::size_t slot, std::string_view why) {
    return Error{Errc::kUnsupported, fmt::format("insn {}: {}", slot, why), static_cast<std::uint32_t>(slot)};
  };
  for (std::size_t slot = 0; slot < insns.size(); slot += insns[slot].is_wide() ? 2 : 1) {
    const Insn& insn = insns[slot];
    const InsnInfo* info = find_insn(insn);
    if (info == nullptr || malformed(insn) != nullptr) {
      return refuse(slot, info == nullptr ? "unknown opcode" : malformed(insn));
    }
    if (insn.dst >= kRegisters || (insn.src >= kRegisters && info->form != Form::kLd64)) {
      return refuse(slot, "there are no registers above r10");
    }
    if (insn.dst == kFramePointer && writes_dst(info->form)) {
      return refuse(slot, "frame pointer is read only");
    }
    if (info->op == Op::LD_MAP_IDX || info->op == Op::LD_MAP_IDX_VALUE) {
      return refuse(slot, fmt::format("there is no map {}", insn.imm));
    }
  }
  return {};
}

/// What the plug-in's caller expects in R1 and R2, and the whole of R0 at the end: the frame that
/// comes back carries R0 where the headroom ended.
std::vector<Insn> with_prologue(std::span<const Insn> insns, std::size_t memory_bytes) {
  const std::uint32_t data = address::kPacket + address::kHeadroom;
  std::vector<Insn> out = {
      {.opcode = 0xb4, .dst = 1, .imm = static_cast<std::int32_t>(memory_bytes == 0 ? 0 : data)},
      {.opcode = 0xb7, .dst = kLengthRegister, .imm = static_cast<std::int32_t>(memory_bytes)}};
  out.insert(out.end(), insns.begin(), insns.end());
  return out;
}

}  // namespace

Result<std::uint64_t> run_raw_nic(std::span<const Insn> insns, std::span<std::byte> memory) {
  Object object;
  Program& program = object.programs.emplace_back();
  program.name = "raw";
  program.insns = with_prologue(insns, memory.size());
  program.subprograms.push_back({.name = "raw", .start = 0, .end = static_cast<std::uint32_t>(program.insns.size())});

  KILN_TRY(check_raw(insns));
  // One NIC for the whole process: a new one each time would cost far more than the program. The
  // verdict carries 32 bits; the retire port shows the whole register.
  static std::array<std::uint64_t, kCoreRegisters> registers{};
  static std::uint64_t r0 = 0;
  // Never destroyed: at exit Verilator's own statics would go before it.
  static auto& engine = *new std::unique_ptr<Engine>;
  if (!engine) {
    engine = make_nic({.short_frames = true}, [](const RetireRecord& record) {
      if (record.rd_we) {
        registers[record.rd] = record.rd_data;
      }
      if (record.exit) {
        r0 = registers[decode(record.insn).src];  // EXIT names the register that holds R0
      }
    });
  }
  registers.fill(0);
  auto maps = MapSet::create({}, 1);
  if (!maps) {
    return maps.error();
  }
  const VerifiedObject verified{.object = &object, .facts = std::vector<Facts>(1)};
  KILN_TRY(engine->load(verified, 0, std::move(maps).value(), Environment{}));
  Frame frame;
  frame.data.assign(memory.begin(), memory.end());
  frame.data.resize(std::max<std::size_t>(frame.data.size(), 1));
  auto outcome = engine->run(frame);
  if (!outcome) {
    engine.reset();  // it may still run that frame
    return outcome.error();
  }
  if (outcome->frame.size() >= memory.size()) {
    std::memcpy(memory.data(), outcome->frame.data(), memory.size());
  }
  return r0;
}

}  // namespace kiln
