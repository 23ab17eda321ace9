// SPDX-License-Identifier: Apache-2.0
//
// Raw instructions on the RTL, for the conformance plug-in: no verifier, no maps, memory is the packet.
#include <algorithm>
#include <cstring>

#include <kiln/nic_engine.h>

namespace kiln {
namespace {

constexpr unsigned kLengthRegister = 2;

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

  // One NIC for the whole process: a new one each time would cost far more than the program. The
  // verdict carries 32 bits; the retire port shows all of R0's last write.
  static std::uint64_t r0 = 0;
  // Never destroyed: at exit Verilator's own statics would go before it.
  static auto& engine = *new std::unique_ptr<Engine>;
  if (!engine) {
    engine = make_nic({}, [](const RetireRecord& record) {
      if (record.rd_we && record.rd == 0) {
        r0 = record.rd_data;
      }
    });
  }
  r0 = 0;
  auto maps = MapSet::create({}, 1);
  if (!maps) {
    return maps.error();
  }
  const VerifiedObject verified{.object = &object, .facts = std::vector<Facts>(1)};
  KILN_TRY(engine->load(verified, 0, std::move(maps).value(), Environment{}));
  Frame frame;
  frame.data.assign(memory.begin(), memory.end());
  frame.data.resize(std::max(frame.data.size(), Environment::kMinFrame));
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
