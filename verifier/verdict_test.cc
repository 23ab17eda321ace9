// SPDX-License-Identifier: Apache-2.0
//
// Random programs, judged by us and by the running kernel: a short run of what verdict_fuzz does at length.
#include <gtest/gtest.h>

#include <sys/utsname.h>

#include <iostream>
#include <string_view>

#include "kernel_judge.h"
#include "random_program.h"
#include "verdict_run.h"

namespace kiln::verifier {
namespace {

constexpr std::uint64_t kPrograms = 3000, kExtendedPrograms = 60;

/// The release whose rules these are. Others are asked too, but may differ now and then.
bool is_reference_kernel() {
  utsname name{};
  return uname(&name) == 0 && std::string_view(name.release).starts_with("6.18.");
}

TEST(Verdicts, AgreeWithTheKernel) {
  if (!KernelJudge::available()) {
    GTEST_SKIP() << "bpf(2) is refused here";
  }
  const VerdictTotals totals = compare_verdicts(1, kPrograms, std::cout);
  ASSERT_EQ(totals.error, "");
  std::cout << summary(totals) << "\n";
  EXPECT_GT(totals.kernel_accepts, kPrograms / 5);
  EXPECT_LT(totals.kernel_accepts, kPrograms * 4 / 5);
  if (is_reference_kernel()) {
    EXPECT_EQ(totals.differ(), 0u);
    EXPECT_GT(totals.same_processed, totals.both_accept * 95 / 100);
    EXPECT_GT(totals.same_words, totals.both_refuse * 95 / 100);
  } else {
    EXPECT_LT(totals.differ(), kPrograms / 50);
  }
}

/// Callbacks, iterators, may_goto and references. How much is processed differs there: Linux 6.18 takes a loop of
/// callbacks for explored while it is not.
TEST(Verdicts, AgreeWithTheKernelOnLoopsOfCalls) {
  if (!KernelJudge::available() || !is_reference_kernel()) {
    GTEST_SKIP() << "bpf(2) is refused here, or this is another kernel";
  }
  const VerdictTotals totals = compare_verdicts(kFirstExtendedSeed, kExtendedPrograms, std::cout);
  ASSERT_EQ(totals.error, "");
  std::cout << summary(totals) << "\n";
  EXPECT_GT(totals.both_accept, kExtendedPrograms / 8);
  EXPECT_EQ(totals.differ(), 0u);
}

/// Programs of long runs that were judged differently: a loop with a callback and deeper stack from the second turn on; an element of an iterator
/// that was destroyed; a counter that an atomic exchange overwrites.
TEST(Verdicts, AgreeOnWhatOnceDiffered) {
  if (!KernelJudge::available() || !is_reference_kernel()) {
    GTEST_SKIP() << "bpf(2) is refused here, or this is another kernel";
  }
  for (const std::uint64_t seed : {3010017553u, 3010020836u, 3010022647u}) {
    const VerdictTotals totals = compare_verdicts(seed, 1, std::cout);
    ASSERT_EQ(totals.error, "");
    EXPECT_EQ(totals.differ(), 0u) << "seed " << seed;
  }
}

}  // namespace
}  // namespace kiln::verifier
