// SPDX-License-Identifier: Apache-2.0
//
// helpers.def against the running kernel: which helpers each type of program may call, and which need
// a GPL-compatible licence. The kernel is asked with programs that call one helper and nothing else.
#include <gtest/gtest.h>

#include <kiln/helpers.h>
#include <kiln/program.h>

#include <set>

#include "kernel_judge.h"

namespace kiln::verifier {
namespace {

/// A type at the attach point that lets it call most.
struct Subject {
  ProgramType type;
  std::uint32_t attach_type;
};

// Types that the kernel verifies without a target of its own. Attach types by number: the headers may be
// older than what Linux 6.18 has.
constexpr std::uint32_t kConnect4 = 10, kSetsockopt = 22, kSockCreate = 2, kDevice = 6, kSysctl = 18, kSockOps = 3,
                        kSkLookup = 36, kNetfilter = 45;
const Subject kSubjects[] = {
    {ProgramType::kSocketFilter, 0},
    {ProgramType::kKprobe, 0},
    {ProgramType::kSchedCls, 0},
    {ProgramType::kSchedAct, 0},
    {ProgramType::kTracepoint, 0},
    {ProgramType::kXdp, 0},
    {ProgramType::kPerfEvent, 0},
    {ProgramType::kCgroupSkb, 0},
    {ProgramType::kCgroupSock, kSockCreate},
    {ProgramType::kLwtIn, 0},
    {ProgramType::kLwtOut, 0},
    {ProgramType::kLwtXmit, 0},
    {ProgramType::kSockOps, kSockOps},
    {ProgramType::kSkSkb, 0},
    {ProgramType::kCgroupDevice, kDevice},
    {ProgramType::kSkMsg, 0},
    {ProgramType::kRawTracepoint, 0},
    {ProgramType::kCgroupSockAddr, kConnect4},
    {ProgramType::kLwtSeg6local, 0},
    {ProgramType::kSkReuseport, 0},
    {ProgramType::kFlowDissector, 0},
    {ProgramType::kCgroupSysctl, kSysctl},
    {ProgramType::kRawTracepointWritable, 0},
    {ProgramType::kCgroupSockopt, kSetsockopt},
    {ProgramType::kSkLookup, kSkLookup},
    {ProgramType::kNetfilter, kNetfilter},
};

/// What a kernel may lack by its configuration or lockdown.
const std::set<std::string_view> kConfigured = {"override_return", "probe_write_user"};

std::string ask(const Subject& subject, const HelperInfo& helper, const char* license) {
  Object object;
  object.license = license;
  KernelJudge judge(object);
  Program program;
  program.type = subject.type;
  program.section = "test";
  program.insns = {Insn{.opcode = 0x85, .imm = static_cast<std::int32_t>(helper.number)}, Insn{.opcode = 0xb7},
                   Insn{.opcode = 0x95}};
  return judge.judge(program, 1, subject.attach_type).log;
}

class HelperTable : public testing::TestWithParam<Subject> {};

TEST_P(HelperTable, IsTheKernels) {
  if (!KernelJudge::available()) {
    GTEST_SKIP() << "bpf(2) is refused here";
  }
  const Subject& subject = GetParam();
  if (ask(subject, helper_table()[0], "GPL").find("R1") == std::string::npos) {
    GTEST_SKIP() << "this kernel has no programs of the type";
  }
  for (const HelperInfo& row : helper_table()) {
    const HelperInfo* ours = find_helper(row.number, subject.type);
    const bool theirs =
        ask(subject, row, "GPL").find("program of this type cannot use helper") == std::string::npos;
    if (ours != nullptr && !theirs && kConfigured.count(row.name) != 0) {
      continue;
    }
    EXPECT_EQ(ours != nullptr, theirs) << row.name << " for " << program_type_name(subject.type);
    if (ours != nullptr && theirs) {
      const bool gpl = ask(subject, row, "MIT").find("GPL-restricted") != std::string::npos;
      EXPECT_EQ(ours->has(kGplOnly), gpl) << row.name << " for " << program_type_name(subject.type);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Types, HelperTable, testing::ValuesIn(kSubjects), [](const auto& info) {
  return std::string(program_type_name(info.param.type));
});

}  // namespace
}  // namespace kiln::verifier
