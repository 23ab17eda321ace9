// SPDX-License-Identifier: Apache-2.0
//
// Every case of cases/*.txt: our verdict and words, and the running kernel's beside them.
#include <gtest/gtest.h>

#include <kiln/btf.h>
#include <kiln/disasm.h>
#include <kiln/load.h>
#include <kiln/verifier.h>

#include "case_file.h"
#include "kernel_judge.h"

namespace kiln::verifier {
namespace {

const std::vector<Case>& all_cases() {
  static const std::vector<Case> cases = read_cases(KILN_CASES);
  return cases;
}

class Rules : public testing::TestWithParam<std::size_t> {};

TEST_P(Rules, OursAsExpected) {
  const Case& c = all_cases()[GetParam()];
  if (c.needs_btf && !running_kernel_is_known()) {
    GTEST_SKIP() << "the running kernel has no BTF, or its types are older than those of Linux 6.18";
  }
  Object object = case_object();
  object.license = c.license;
  object.programs = {c.program};
  const VerifyResult result = verify(object, object.programs[0], {.log_level = 2});
  EXPECT_EQ(result.accepted, c.ours.accept) << c.file << ": " << c.name << "\n" << result.log;
  EXPECT_NE(result.log.find(c.ours.words), std::string::npos)
      << c.file << ": " << c.name << "\nwanted: " << c.ours.words << "\n" << result.log;
}

TEST_P(Rules, KernelAgrees) {
  if (!KernelJudge::available()) {
    GTEST_SKIP() << "bpf(2) is refused here";
  }
  const Case& c = all_cases()[GetParam()];
  if (const auto types = kernel_btf(); c.kernel_function != 0 && (!types || c.kernel_function >= (*types)->count())) {
    GTEST_SKIP() << "the running kernel lacks a function that the case calls";
  }
  Object object = case_object();
  object.license = c.license;
  KernelJudge judge(object);
  const Judgement kernel = judge.judge(c.program, 1);
  ASSERT_EQ(kernel.error, "");
  EXPECT_EQ(kernel.accepted, c.kernel.accept) << c.file << ": " << c.name << "\n" << kernel.log;
  EXPECT_NE(kernel.log.find(c.kernel.words), std::string::npos)
      << c.file << ": " << c.name << "\nwanted: " << c.kernel.words << "\n" << kernel.log;
}

std::string case_name(const testing::TestParamInfo<std::size_t>& info) {
  const Case& c = all_cases()[info.param];
  std::string name = c.file.substr(0, c.file.find('.')) + "_" + c.name;
  for (char& letter : name) {
    letter = std::isalnum(static_cast<unsigned char>(letter)) != 0 ? letter : '_';
  }
  return name;
}

INSTANTIATE_TEST_SUITE_P(Cases, Rules, testing::Range<std::size_t>(0, all_cases().size()), case_name);

/// Refused before there is anything to point at.
TEST(RulesExplained, ATypeThatIsNotThere) {
  Object object = case_object();
  object.programs = {all_cases()[0].program};
  object.programs[0].type = ProgramType::kLircMode2;
  const VerifyResult result = verify(object, object.programs[0]);
  EXPECT_FALSE(result.accepted);
  EXPECT_NE(result.explanation.reason.find("programs of this type"), std::string::npos) << result.explanation.text();
}

/// No case of a file, since a kernel without BPF among its security modules can't be asked.
TEST(RulesTraced, AHookMayGiveBackWhatTheOthersGave) {
  if (!running_kernel_is_known()) {
    GTEST_SKIP() << "the running kernel has no BTF, or its types are older than those of Linux 6.18";
  }
  for (const auto& [code, accepted] : {std::pair{"r0 = *(u64 *)(r1 +8)\nexit\n", true},
                                       std::pair{"r0 = *(u64 *)(r1 +8)\nr0 += 1\nexit\n", false}}) {
    Object object = case_object();
    object.programs = {all_cases()[0].program};
    Program& program = object.programs[0];
    program.type = ProgramType::kLsm;
    program.section = "lsm/file_open";
    auto insns = assemble(code);
    ASSERT_TRUE(insns);
    program.insns = *insns;
    program.subprograms = {Subprogram{.name = "hook", .start = 0, .end = static_cast<std::uint32_t>(insns->size())}};
    const VerifyResult result = verify(object, program, {.log_level = 2});
    EXPECT_EQ(result.accepted, accepted) << result.log;
  }
}

TEST(RulesCoverage, ThereAreManyCases) { EXPECT_GE(all_cases().size(), 150u); }

}  // namespace
}  // namespace kiln::verifier
