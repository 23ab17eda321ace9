// SPDX-License-Identifier: Apache-2.0
//
// Every row of the instruction table through the lowering: the conformance corpus and random programs
// on a core, in lockstep with the interpreter.
//
// KILN_SEED=n runs one random program, KILN_PROGRAMS=n more of them.
#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <kiln/disasm.h>

#include "conformance/data_file.h"
#include "conformance/random_program.h"
#include "harness.h"

namespace kiln::cosim {
namespace {

constexpr std::size_t kLeastFrame = 14;
constexpr std::size_t kSteps = 40;

/// R1 = start of the frame, R2 = bytes of memory: how raw programs expect them.
std::vector<Insn> with_arguments(const std::vector<Insn>& raw, std::size_t memory) {
  const auto head = assemble("r1 = *(u32 *)(r1 +0)\nr2 = " + std::to_string(memory));
  KILN_CHECK(head);
  std::vector<Insn> insns = *head;
  if (memory == 0) {
    insns[0] = {.opcode = 0xb7, .dst = 1};
  }
  insns.insert(insns.end(), raw.begin(), raw.end());
  return insns;
}

void add_functions(Program& program) {
  std::vector<std::uint32_t> starts = {0};
  const auto size = static_cast<std::uint32_t>(program.insns.size());
  for (std::uint32_t slot = 0; slot < size; ++slot) {
    const InsnInfo* row = find_insn(program.insns[slot]);
    if (row != nullptr && (row->op == Op::CALL_LOCAL || row->op == Op::LD_CODE_ADDR)) {
      starts.push_back(slot + 1 + static_cast<std::uint32_t>(program.insns[slot].imm));
    }
    slot += program.insns[slot].is_wide() ? 1 : 0;
  }
  std::sort(starts.begin(), starts.end());
  starts.erase(std::unique(starts.begin(), starts.end()), starts.end());
  for (std::size_t i = 0; i < starts.size(); ++i) {
    program.subprograms.push_back({.name = fmt::format("f{}", i),
                                   .start = starts[i],
                                   .end = i + 1 == starts.size() ? size : starts[i + 1]});
  }
}

Frame frame_of(const std::vector<std::byte>& memory) {
  Frame frame{.data = memory};
  frame.data.resize(std::max(frame.data.size(), kLeastFrame));
  return frame;
}

void run_case(const conformance::Case& test, std::size_t& ran, std::size_t& handed_over) {
  SCOPED_TRACE(test.file + ":" + std::to_string(test.line) + " " + test.name);
  Object object;
  object.maps = test.maps;
  Program& program = object.programs.emplace_back();
  program.name = test.name;
  // Legacy packet loads want the context, whatever R1 points at in a raw program.
  const bool loads_packet = std::any_of(test.insns.begin(), test.insns.end(), [](const Insn& insn) {
    const InsnInfo* row = find_insn(insn);
    return row != nullptr && row->form == Form::kLdPacket;
  });
  program.insns = test.is_xdp || loads_packet ? test.insns : with_arguments(test.insns, test.memory.size());
  add_functions(program);
  auto maps = test.maps.empty() ? Result<MapSet>(MapSet()) : MapSet::create(test.maps, 1);
  ASSERT_TRUE(maps) << maps.error().message;
  const VerifiedObject verified{.object = &object, .facts = {Facts{}}};
  const std::vector<Frame> frames = {frame_of(test.memory)};
  const auto report = run_lockstep(verified, 0, *maps, Environment(), frames);
  if (!report && report.error().message.find("the NIC does not count the turns of loops") != std::string::npos) {
    ++handed_over;  // there is no host here
    return;
  }
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->difference, "");
  if (!loads_packet || test.memory.size() >= kLeastFrame) {  // else the frame is longer than the memory
    EXPECT_EQ(report->codes.front(), static_cast<std::uint32_t>(*test.result));
  }
  ++ran;
}

TEST(LoweringCorpus, EveryCase) {
  std::size_t cases = 0, ran = 0, handed_over = 0, count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(KILN_CONFORMANCE_DIR)) {
    if (entry.path().extension() != ".data") {
      continue;
    }
    const auto tests = conformance::read_data_file(entry.path());
    ASSERT_TRUE(tests) << tests.error().message;
    for (const conformance::Case& test : *tests) {
      if (test.result && takes(count++)) {
        ++cases;
        run_case(test, ran, handed_over);
      }
    }
  }
  std::printf("%zu of %zu corpus cases in lockstep, %zu need a host\n", ran, cases, handed_over);
  EXPECT_GT(ran, 200u);
  EXPECT_EQ(ran + handed_over, cases);
  EXPECT_LT(10 * handed_over, cases);
}

std::uint32_t number_from(const char* variable, std::uint32_t otherwise) {
  const char* text = std::getenv(variable);
  return text == nullptr ? otherwise : static_cast<std::uint32_t>(std::strtoul(text, nullptr, 0));
}

/// Facts that promise nothing but that everything may be reached, and that memory is what it is.
Facts weak_facts(const Program& program) {
  Facts facts;
  facts.insns.resize(program.insns.size());
  for (std::size_t slot = 0; slot < program.insns.size(); ++slot) {
    InsnFact& fact = facts.insns[slot];
    fact.reachable = true;
    const Insn& insn = program.insns[slot];
    const bool load = insn.cls() == 1;
    const bool stack = (load ? insn.src : insn.dst) == kFramePointer;
    fact.memory = static_cast<ValueKinds>(stack ? ValueKind::kStack : ValueKind::kPacket);
    fact.offset_min = fact.offset_max = insn.off;
    slot += insn.is_wide() ? 1 : 0;
  }
  facts.stack_depth.assign(program.subprograms.size(), 64);
  return facts;
}

void run_random(bool with_facts) {
  const std::uint32_t only = number_from("KILN_SEED", 0);
  const std::uint32_t first = only != 0 ? only : 1, last = only != 0 ? only : number_from("KILN_PROGRAMS", static_cast<std::uint32_t>(budget(1500)));
  std::uint64_t insns = 0, compared = 0, words = 0;
  for (std::uint32_t seed = first; seed <= last; ++seed) {
    Object object;
    Program& program = object.programs.emplace_back();
    program.name = "random";
    program.insns = with_arguments(conformance::random_program(seed, kSteps), conformance::kRandomMemory);
    add_functions(program);
    const VerifiedObject verified{.object = &object, .facts = {with_facts ? weak_facts(program) : Facts{}}};
    const std::vector<Frame> frames = {frame_of(conformance::random_memory(seed))};
    const auto report = run_lockstep(verified, 0, MapSet(), Environment(), frames);
    ASSERT_TRUE(report) << report.error().message << "\nreplay with KILN_SEED=" << seed;
    ASSERT_EQ(report->difference, "") << "replay with KILN_SEED=" << seed;
    insns += report->insns;
    compared += report->compared;
    words += report->words;
  }
  std::printf("%u programs: %llu instructions, %llu compared at their start, %llu native words\n", last - first + 1,
              static_cast<unsigned long long>(insns), static_cast<unsigned long long>(compared),
              static_cast<unsigned long long>(words));
}

TEST(LoweringRandom, WithoutFacts) { run_random(false); }
TEST(LoweringRandom, WithFacts) { run_random(true); }

}  // namespace
}  // namespace kiln::cosim
