// SPDX-License-Identifier: Apache-2.0
//
// The real verifier's verdicts, and what is made of its log.
#include <bpf/btf.h>

#include <memory>

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

/// A program with a global function, and the BTF that clang would have left: the data section
/// unfinished.
Object with_types() {
  Program p = program("call pc+1\nexit\nr0 = *(u64 *)(r10 +8)\nexit\n");
  const std::unique_ptr<btf, void (*)(btf*)> types(btf__new_empty(), btf__free);
  const int number = btf__add_int(types.get(), "int", 4, BTF_INT_SIGNED);
  const int prototype = btf__add_func_proto(types.get(), number);
  const int entry = btf__add_func(types.get(), "entry", BTF_FUNC_GLOBAL, prototype);
  const int helper = btf__add_func(types.get(), "helper", BTF_FUNC_GLOBAL, prototype);
  const int variable = btf__add_var(types.get(), "counter", BTF_VAR_GLOBAL_ALLOCATED, number);
  btf__add_datasec(types.get(), ".bss", 0);
  btf__add_datasec_var_info(types.get(), variable, 0, 4);
  p.subprograms = {
      {.name = "entry", .start = 0, .end = 2, .btf_func = static_cast<std::uint32_t>(entry)},
      {.name = "helper",
       .start = 2,
       .end = 4,
       .is_global = true,
       .btf_func = static_cast<std::uint32_t>(helper)}};
  p.lines = {{.insn = 0, .file = "x.c", .line = 7, .column = 3, .text = "return helper();"},
             {.insn = 2, .file = "x.c", .line = 3, .column = 5, .text = "return above();"}};
  Object o = object({p});
  __u32 bytes = 0;
  const auto* raw = static_cast<const std::byte*>(btf__raw_data(types.get(), &bytes));
  o.btf.assign(raw, raw + bytes);
  return o;
}

TEST_F(KernelVerify, GlobalFunctionsAreJudgedOnTheirOwnWithSourceLines) {
  const Object o = with_types();
  const auto verdict = kernel_verify(o, o.programs[0]);
  ASSERT_TRUE(verdict) << verdict.error().message;
  EXPECT_FALSE(verdict->accepted);
  EXPECT_NE(verdict->message.find("invalid read from stack"), std::string::npos)
      << verdict->message;
  EXPECT_NE(verdict->log.find("Validating helper()"), std::string::npos) << verdict->log;
  EXPECT_NE(verdict->log.find("; return above(); @ x.c:3"), std::string::npos) << verdict->log;
}

TEST_F(KernelVerify, BtfThatTheKernelRefusesIsLeftOut) {
  Object o = with_types();
  o.programs[0].insns = program("r0 = 2\nexit\n").insns;
  o.programs[0].subprograms.resize(1);
  o.programs[0].lines.clear();
  o.btf.resize(o.btf.size() / 2);
  const auto verdict = kernel_verify(o, o.programs[0]);
  ASSERT_TRUE(verdict) << verdict.error().message;
  EXPECT_TRUE(verdict->accepted) << verdict->log;
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
