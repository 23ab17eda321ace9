// SPDX-License-Identifier: Apache-2.0
//
// Random programs, judged by us and by the running kernel. Prints how far they agree; a seed is replayed
// with --gtest_also_run_disabled_tests --gtest_filter=*OneSeed and KILN_SEED=n.
#include <gtest/gtest.h>

#include <sys/utsname.h>

#include <cstdlib>
#include <iostream>

#include <kiln/disasm.h>
#include <kiln/verifier.h>

#include "case_file.h"
#include "kernel_judge.h"
#include "random_program.h"

namespace kiln::verifier {
namespace {

constexpr std::uint64_t kPrograms = 5000;

/// The release whose rules these are. Others are asked too, but may differ now and then.
bool is_reference_kernel() {
  utsname name{};
  return uname(&name) == 0 && std::string_view(name.release).starts_with("6.18.");
}

std::uint64_t processed_by_kernel(const std::string& log) {
  const auto at = log.rfind("processed ");
  return at == std::string::npos ? 0 : std::strtoull(log.c_str() + at + 10, nullptr, 10);
}

TEST(Verdicts, AgreeWithTheKernel) {
  if (!KernelJudge::available()) {
    GTEST_SKIP() << "bpf(2) is refused here";
  }
  Object object = standard_object();
  KernelJudge judge(object);
  std::uint64_t accepted = 0, same_count = 0, disagree = 0, insns = 0;
  for (std::uint64_t seed = 1; seed <= kPrograms; ++seed) {
    object.programs = {random_program(seed)};
    const VerifyResult ours = verify(object, object.programs[0]);
    const Judgement kernel = judge.judge(object.programs[0], 4);
    ASSERT_EQ(kernel.error, "");
    accepted += kernel.accepted ? 1 : 0;
    insns += ours.processed;
    same_count += processed_by_kernel(kernel.log) == ours.processed ? 1 : 0;
    if (ours.accepted == kernel.accepted) {
      continue;
    }
    ++disagree;
    std::cout << "seed " << seed << ": we " << (ours.accepted ? "accept" : "refuse: " + ours.message)
              << ", the kernel does not agree\n";
  }
  std::cout << kPrograms << " programs, " << insns << " instructions processed: the kernel accepts " << accepted
            << ", verdicts differ for " << disagree << ", the number of instructions processed is the same for "
            << same_count << "\n";
  EXPECT_GT(accepted, kPrograms / 5);
  EXPECT_LT(accepted, kPrograms * 4 / 5);
  if (is_reference_kernel()) {
    EXPECT_EQ(disagree, 0u);
    EXPECT_GT(same_count, kPrograms * 97 / 100);
  } else {
    EXPECT_LT(disagree, kPrograms / 50);
  }
}

TEST(Verdicts, DISABLED_OneSeed) {
  const char* text = std::getenv("KILN_SEED");
  Object object = standard_object();
  object.programs = {random_program(text == nullptr ? 1 : std::strtoull(text, nullptr, 10))};
  KernelJudge judge(object);
  std::cout << disassemble(object.programs[0], object) << "---- ours\n"
            << verify(object, object.programs[0], {.log_level = 2}).log << "---- kernel\n"
            << judge.judge(object.programs[0], 2).log;
}

}  // namespace
}  // namespace kiln::verifier
