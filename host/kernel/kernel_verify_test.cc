// SPDX-License-Identifier: Apache-2.0
//
// The real verifier's verdicts, and what is made of its log.
#include "kernel_program.h"
#include "test_object.h"

namespace kiln::kernel::test {
namespace {

using KernelVerify = KernelTest;

TEST_F(KernelVerify, Accepts) {
  const Object o = object({program("r0 = 2\nexit\n")});
  const auto verdict = kernel_verify(o, o.programs[0]);
  ASSERT_TRUE(verdict) << verdict.error().message;
  EXPECT_TRUE(verdict->accepted);
  EXPECT_EQ(verdict->processed, 2u);
  EXPECT_EQ(verdict->message, "");
  EXPECT_GT(verdict->time_us, 0);
}

TEST_F(KernelVerify, RejectsWithTheReasonAndTheLog) {
  const Object o = object({program("r2 = *(u32 *)(r1 +0)\nr0 = *(u8 *)(r2 +0)\nexit\n")});
  const auto verdict = kernel_verify(o, o.programs[0]);
  ASSERT_TRUE(verdict) << verdict.error().message;
  EXPECT_FALSE(verdict->accepted);
  EXPECT_EQ(verdict->message,
            "invalid access to packet, off=0 size=1, R2(id=0,off=0,r=0); R2 offset is outside of "
            "the packet");
  EXPECT_NE(verdict->log.find("0: (61) r2 = *(u32 *)(r1 +0)"), std::string::npos);
  EXPECT_GT(verdict->processed, 0u);
}

TEST_F(KernelVerify, MapsOfAnyTypeTheKernelMakes) {
  Object o = object({program("r0 = map[idx:1]\nr0 = 2\nexit\n")},
                    {map(MapType::kQueue, 0, 4, 8), map(MapType::kRingbuf, 0, 0, 4096),
                     map(MapType::kBloomFilter, 0, 4, 8)});
  const auto verdict = kernel_verify(o, o.programs[0]);
  ASSERT_TRUE(verdict) << verdict.error().message;
  EXPECT_TRUE(verdict->accepted) << verdict->log;
  o.maps[0].key_size = 4;
  const auto refused = kernel_verify(o, o.programs[0]);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::kUnsupported);
  EXPECT_NE(refused.error().message.find("'queue'"), std::string::npos) << refused.error().message;
}

TEST_F(KernelVerify, OtherProgramTypes) {
  Object o = object({program("r0 = 0\nexit\n")});
  o.programs[0].type = ProgramType::kSocketFilter;
  o.programs[0].section = "socket";
  auto verdict = kernel_verify(o, o.programs[0]);
  ASSERT_TRUE(verdict) << verdict.error().message;
  EXPECT_TRUE(verdict->accepted) << verdict->log;
  o.programs[0].type = ProgramType::kTracing;
  EXPECT_EQ(kernel_verify(o, o.programs[0]).error().code, Errc::kUnsupported);
}

// Only programs that run from a devmap may ask for the outgoing interface.
TEST_F(KernelVerify, TheSectionGivesTheAttachType) {
  Object o = object({program("r0 = *(u32 *)(r1 +20)\nexit\n")});
  EXPECT_FALSE(kernel_verify(o, o.programs[0])->accepted);
  o.programs[0].section = "xdp/devmap";
  EXPECT_TRUE(kernel_verify(o, o.programs[0])->accepted);
}

TEST(KernelReason, IsWhatFollowsTheLastInstruction) {
  Loaded loaded;
  loaded.error = 13;
  loaded.log =
      "func#0 @0\n0: R1=ctx()\n; a line of source @ x.c:3\n0: (85) call bpf_redirect#23\nR1 "
      "!read_ok\n"
      "processed 1 insns (limit 1000000) max_states_per_insn 0\n";
  EXPECT_EQ(reason(loaded), "R1 !read_ok");
  loaded.log = "";
  EXPECT_EQ(reason(loaded), "Permission denied");
  EXPECT_EQ(log_number("verification time 75 usec\nprocessed 12 insns", "processed "), 12u);
  EXPECT_EQ(log_number("", "processed "), 0u);
}

TEST(KernelName, IsOneThatBpfTakes) {
  EXPECT_EQ(kernel_name("xdp-router & more names"), "xdp_router___mo");
  EXPECT_EQ(kernel_name(".rodata.str1.1"), ".rodata.str1.1");
}

}  // namespace
}  // namespace kiln::kernel::test
