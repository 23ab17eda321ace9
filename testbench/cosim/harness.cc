// SPDX-License-Identifier: Apache-2.0
#include "harness.h"

#include <algorithm>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <kiln/cpu_engines.h>
#include <kiln/disasm.h>
#ifdef KILN_HAVE_KERNEL
#include <kiln/kernel_engine.h>
#endif
#ifdef KILN_HAVE_VERIFIER
#include <kiln/verifier.h>
#endif

namespace kiln::cosim {
namespace {

std::string redirect_text(const std::optional<RedirectTarget>& target) {
  return target ? fmt::format("map {} key {}", target->map, target->key) : "none";
}

std::string outcome_difference(const Outcome& expected, const Outcome& got) {
  if (expected.code != got.code) {
    return fmt::format("verdict {} instead of {}", got.code, expected.code);
  }
  // The core has no word for "no target"; it looks like interface 0, which does not exist.
  constexpr RedirectTarget kNowhere{.map = -1, .key = 0};
  if (expected.verdict() == Verdict::kRedirect &&
      expected.redirect.value_or(kNowhere) != got.redirect.value_or(kNowhere)) {
    return fmt::format("redirect to {} instead of {}", redirect_text(got.redirect), redirect_text(expected.redirect));
  }
  // A NIC shows only frames that leave it.
  if (got.frame.empty() && (expected.verdict() == Verdict::kDrop || expected.verdict() == Verdict::kAborted)) {
    return "";
  }
  if (expected.frame.size() != got.frame.size()) {
    return fmt::format("a frame of {} bytes instead of {}", got.frame.size(), expected.frame.size());
  }
  const auto [left, right] = std::mismatch(expected.frame.begin(), expected.frame.end(), got.frame.begin());
  if (left != expected.frame.end()) {
    return fmt::format("byte {} of the frame is {:#x} instead of {:#x}", left - expected.frame.begin(),
                       std::to_integer<unsigned>(*right), std::to_integer<unsigned>(*left));
  }
  return "";
}

std::string arena_difference(const MapSet& expected, const MapSet& got) {
  const auto left = expected.arena(), right = got.arena();
  if (left.size() != right.size()) {
    return "arenas differ in size";
  }
  for (std::size_t at = 0; at < left.size(); ++at) {
    if (left[at] != right[at]) {
      return fmt::format("arena byte {:#x} is {:#x} instead of {:#x}", at, std::to_integer<unsigned>(right[at]),
                         std::to_integer<unsigned>(left[at]));
    }
  }
  return "";
}

}  // namespace

Result<Report> run_lockstep(const VerifiedObject& object, std::size_t entry, const MapSet& maps,
                            const Environment& environment, std::span<const Frame> frames,
                            const CoreOptions& options) {
  std::vector<InterpState> steps;
  const auto interp = make_interp([&steps](const InterpState& state) { steps.push_back(state); });
  if (auto loaded = interp->load(object, entry, maps, environment); !loaded) {
    return loaded.error();
  }
  const auto core = make_core(options);
  const auto image = core->load(object, entry, maps, environment);
  if (!image) {
    return image.error();
  }
  Lockstep lockstep(*object.object, *image);
  Report report;
  for (const Frame& frame : frames.first(budget(frames.size()))) {
    steps.clear();
    auto expected = interp->run(frame);
    if (!expected) {
      return expected.error();
    }
    std::vector<RetireRecord> records;
    const auto got = core->run(frame, records);
    ++report.frames;
    report.insns += steps.size() - 1;
    report.codes.push_back(expected->code);
    std::string difference;
    if (auto found = lockstep.compare(steps, records)) {
      difference = *found;
    }
    if (!got) {
      difference = got.error().message + "\n" + difference;
    } else if (difference.empty()) {
      difference = outcome_difference(*expected, *got);
    }
    if (!difference.empty()) {
      report.difference = fmt::format("frame {}: {}", report.frames - 1, difference);
      break;
    }
  }
  if (report.difference.empty()) {
    const auto expected = interp->maps(), got = core->maps();
    if (!expected || !got) {
      return expected ? got.error() : expected.error();
    }
    report.difference = arena_difference(*expected, *got);
  }
  if (!report.difference.empty()) {
    report.difference += fmt::format("\n{}", disassemble_core(*image, *object.object));
  }
  report.compared = lockstep.compared();
  report.words = lockstep.words();
  return report;
}

MapSpec map_spec(MapType type, std::uint32_t key_size, std::uint32_t value_size, std::uint32_t max_entries) {
  MapSpec spec;
  spec.name = std::string(map_type_name(type));
  spec.type = type;
  spec.key_size = key_size;
  spec.value_size = value_size;
  spec.max_entries = max_entries;
  spec.flags = type == MapType::kLpmTrie ? 1 : 0;
  return spec;
}

void make_program(TestProgram& out, std::string_view text, std::span<const MapSpec> maps) {
  auto insns = assemble(text);
  ASSERT_TRUE(insns) << insns.error().message << "\n" << text;
  Program& program = out.object.programs.emplace_back();
  program.name = fmt::format("test{}", out.object.programs.size());
  program.insns = *insns;
  const auto size = static_cast<std::uint32_t>(program.insns.size());
  std::vector<std::uint32_t> starts = {0};
  for (std::uint32_t slot = 0; slot < size; ++slot) {
    const InsnInfo* row = find_insn(program.insns[slot]);
    if (row != nullptr && row->op == Op::CALL_LOCAL) {
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
  out.verified.facts.emplace_back();
  if (!maps.empty()) {
    out.object.maps.assign(maps.begin(), maps.end());
#ifdef KILN_HAVE_KERNEL
    const std::uint32_t possible_cpus = kernel_processors();  // LRU maps throw out what the kernel's do
#else
    constexpr std::uint32_t possible_cpus = 1;
#endif
    auto set = MapSet::create(out.object.maps, 1, possible_cpus);
    ASSERT_TRUE(set) << set.error().message;
    out.maps = std::move(*set);
  }
  out.verified.object = &out.object;
}

/// Programs that the verifier refuses fail the test.
std::vector<Facts> facts_of(const Object& object) {
  std::vector<Facts> facts;
#ifdef KILN_HAVE_VERIFIER
  for (const Program& program : object.programs) {
    VerifyResult result = verify(object, program);
    EXPECT_TRUE(result.accepted) << program.name << ": " << result.message << " at " << result.insn << "\n"
                                 << disassemble(program, object);
    facts.push_back(std::move(result.facts));
  }
#else
  (void)object;
#endif
  return facts;
}

namespace {

void compare_with_kernel(const TestProgram& test, std::span<const Frame> frames, const CheckOptions& options) {
#ifdef KILN_HAVE_KERNEL
  const auto kernel = make_kernel();
  const auto interp = make_interp();
  if (auto loaded = kernel->load(test.verified, 0, test.maps, options.environment); !loaded) {
    EXPECT_EQ(loaded.error().code, Errc::kUnavailable) << loaded.error().message;
    return;
  }
  ASSERT_TRUE(interp->load(test.verified, 0, test.maps, options.environment));
  for (std::size_t i = 0; i < std::min<std::size_t>(frames.size(), options.kernel_frames); ++i) {
    const auto truth = kernel->run(frames[i]);
    auto ours = interp->run(frames[i]);
    ASSERT_TRUE(truth) << truth.error().message;
    ASSERT_TRUE(ours) << ours.error().message;
    ours->redirect.reset();  // the kernel can't tell
    EXPECT_EQ(outcome_difference(*truth, *ours), "") << "interp is not Linux, frame " << i << "\n"
                                                     << disassemble(test.object.programs[0], test.object);
    if (::testing::Test::HasFailure()) {
      return;
    }
  }
#else
  (void)test, (void)frames, (void)options;
#endif
}

}  // namespace

double check(const TestProgram& test, std::span<const Frame> frames, const CheckOptions& options) {
  const std::string text = disassemble(test.object.programs[0], test.object);
  auto report = run_lockstep(test.verified, 0, test.maps, options.environment, frames, options.core);
  if (!report) {
    ADD_FAILURE() << report.error().message << "\n" << text;
    return 0;
  }
  EXPECT_EQ(report->difference, "") << "without facts";
#ifdef KILN_HAVE_VERIFIER
  VerifiedObject verified{.object = &test.object, .facts = facts_of(test.object)};
  report = run_lockstep(verified, 0, test.maps, options.environment, frames, options.core);
  if (!report) {
    ADD_FAILURE() << report.error().message << "\n" << text;
    return 0;
  }
  EXPECT_EQ(report->difference, "") << "with facts";
#endif
  if (options.on_kernel) {
    compare_with_kernel(test, frames, options);
  }
  return static_cast<double>(report->words) / static_cast<double>(report->frames);
}

}  // namespace kiln::cosim
