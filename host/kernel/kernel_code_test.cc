// SPDX-License-Identifier: Apache-2.0
//
// What is copied of the kernel's machine code, and what is refused.
#include "test_object.h"

namespace kiln::kernel::test {
namespace {

class KernelCodeCopy : public KernelTest {
 protected:
  void expect_unsupported(const Object& object) {
    const auto code = kernel_code(object, object.programs[0]);
    ASSERT_FALSE(code);
    if (code.error().code == Errc::kUnavailable) {
      GTEST_SKIP() << code.error().message;
    }
    EXPECT_EQ(code.error().code, Errc::kUnsupported) << code.error().message;
  }
};

TEST_F(KernelCodeCopy, OneFunction) {
  const Object o = object({program("r0 = 2\nexit\n")});
  const auto code = kernel_code(o, o.programs[0]);
  if (!code && code.error().code == Errc::kUnavailable) {
    GTEST_SKIP() << code.error().message;
  }
  ASSERT_TRUE(code) << code.error().message;
  ASSERT_EQ(code->functions.size(), 1u);
  EXPECT_FALSE(code->functions[0].bytes.empty());
  EXPECT_TRUE(code->constants.empty());
}

TEST_F(KernelCodeCopy, LookupsInArraysAreInTheCode) {
  const Object o = object({program("r1 = 0\n*(u32 *)(r10 -4) = r1\nr1 = map[idx:1]\nr2 = r10\nr2 += -4\ncall 1\nr0 = 2\nexit\n")},
                          {map(MapType::kHash, 4, 8, 1), map(MapType::kArray, 4, 8, 1)});
  const auto code = kernel_code(o, o.programs[0]);
  if (!code && code.error().code == Errc::kUnavailable) {
    GTEST_SKIP() << code.error().message;
  }
  ASSERT_TRUE(code) << code.error().message;
  ASSERT_EQ(code->constants.size(), 1u);
  EXPECT_EQ(code->constants[0].map, 1u);
  EXPECT_LT(code->constants[0].from_values, 0) << "the map's own address lies before its values";
}

TEST_F(KernelCodeCopy, CallsIntoTheKernelAreRefused) {
  expect_unsupported(object({program("call 5\nr0 = 2\nexit\n")}));  // ktime_get_ns
}

TEST_F(KernelCodeCopy, ArraysOfEachProcessor) {
  const Object o = object({program("r1 = 0\n*(u32 *)(r10 -4) = r1\nr1 = map[idx:0]\nr2 = r10\nr2 += -4\ncall 1\nr0 = 2\nexit\n")},
                          {map(MapType::kPercpuArray, 4, 8, 1)});
  const auto code = kernel_code(o, o.programs[0]);
  if (!code) {  // older kernels call a function for it
    GTEST_SKIP() << code.error().message;
  }
  EXPECT_EQ(code->constants.size(), 1u);
  EXPECT_EQ(code->own_offsets, 1u);
}

TEST_F(KernelCodeCopy, OtherMemoryOfAProcessorIsRefused) {
  expect_unsupported(object({program("call 8\nr0 = 2\nexit\n")}));  // get_smp_processor_id
}

}  // namespace
}  // namespace kiln::kernel::test
