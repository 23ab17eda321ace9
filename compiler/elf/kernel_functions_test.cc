// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <kiln/btf.h>
#include <kiln/kfuncs.h>
#include <kiln/load.h>

namespace kiln {
namespace {

/// A type as C writes it, without typedefs; structs and numbers by name and size.
std::string written(const Btf& btf, std::uint32_t id) {
  if (id == 0) {
    return "void";
  }
  switch (btf.kind(id)) {
    case BtfKind::kPtr:
      return written(btf, btf.target(id)) + " *";
    case BtfKind::kConst:
      return "const " + written(btf, btf.target(id));
    case BtfKind::kTypedef:
    case BtfKind::kTypeTag:
      return written(btf, btf.target(id));
    case BtfKind::kStruct:
      return "struct " + std::string(btf.name(id));
    default:
      return (btf.is_signed(id) ? "signed " : "unsigned ") + std::to_string(btf.byte_size(id));
  }
}

std::string prototype(const Btf& btf, std::uint32_t function) {
  const std::uint32_t id = btf.target(function);
  std::string text = written(btf, btf.target(id)) + " " + std::string(btf.name(function)) + "(";
  for (std::uint32_t i = 0; i < btf.vlen(id); ++i) {
    const Btf::Param parameter = btf.param(id, i);
    text += written(btf, parameter.type) + " " + std::string(parameter.name) + ", ";
  }
  return text + ")";
}

TEST(KernelFunctions, AreThereWithoutAnyKernel) {
  const auto types = with_kernel_functions(nullptr);
  for (const KfuncInfo& row : kfunc_table()) {
    const bool conntrack = row.name.find("ct_") != std::string_view::npos;
    if ((row.engines & kInterp) != 0 && !conntrack) {
      EXPECT_TRUE(types->find(BtfKind::kFunc, row.name)) << row.name;
    }
  }
  const auto iterator = types->find(BtfKind::kStruct, "bpf_iter_bits");
  ASSERT_TRUE(iterator);
  EXPECT_EQ(types->byte_size(*iterator), 16u);
}

TEST(KernelFunctions, LeaveWhatThereWas) {
  const auto alone = with_kernel_functions(nullptr);
  EXPECT_EQ(with_kernel_functions(alone), alone);
}

// Against the truth, as far as the running kernel has them.
TEST(KernelFunctions, AreTheKernels) {
  const auto running = kernel_btf();
  if (!running) {
    GTEST_SKIP() << running.error().message;
  }
  const auto ours = with_kernel_functions(nullptr);
  std::size_t compared = 0;
  for (std::uint32_t id = 1; id < ours->count(); ++id) {
    if (ours->kind(id) != BtfKind::kFunc) {
      continue;
    }
    if (const auto theirs = (*running)->find(BtfKind::kFunc, ours->name(id))) {
      EXPECT_EQ(prototype(*ours, id), prototype(**running, *theirs));
      ++compared;
    }
  }
  if (compared == 0) {
    GTEST_SKIP() << "the running kernel has none of them";
  }
}

}  // namespace
}  // namespace kiln
