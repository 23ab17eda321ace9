// SPDX-License-Identifier: Apache-2.0
//
// CO-RE by its parts: names, paths, comparing types. That whole programs come out as libbpf's do is
// in libbpf_test.cc; type_matches, which clang 14 can't emit, is only here.
#include "elf/core.h"

#include <gtest/gtest.h>

#include "elf/test_objects.h"

namespace kiln::elf {
namespace {

TEST(Core, EssentialNames) {
  EXPECT_EQ(essential_name("sample"), "sample");
  EXPECT_EQ(essential_name("sample___v2"), "sample");
  EXPECT_EQ(essential_name("sample___a___b"), "sample___a");
  EXPECT_EQ(essential_name("sample____b"), "sample____b");
  EXPECT_EQ(essential_name("___sample"), "___sample");
  EXPECT_EQ(essential_name("sample___"), "sample___");
  EXPECT_EQ(essential_name("a___b"), "a");
  EXPECT_EQ(essential_name("__x"), "__x");
  EXPECT_EQ(essential_name(""), "");
}

class CoreTypes : public testing::Test {
 protected:
  void SetUp() override {
    KILN_NEEDS_COMPILED_PROGRAMS();
    local_ = btf_of("core_match");
    target_ = btf_of("core_match_target");
    ASSERT_TRUE(local_ && target_);
  }
  static std::optional<Btf> btf_of(const std::string& name) {
    const auto object = load_object_file(compiled(name), {});
    auto btf = object ? Btf::parse(object->btf) : Result<Btf>(Error{});
    return btf ? std::optional(std::move(*btf)) : std::nullopt;
  }
  /// Does `NAME___l` of the one object match `NAME` of the other?
  std::optional<bool> matches(BtfKind kind, const std::string& name, CoreKind how) {
    const auto local = local_->find(kind, name + "___l");
    const auto target = target_->find(kind, name);
    if (!local || !target) {
      return std::nullopt;
    }
    Budget budget = 100'000;
    const auto spec = parse_spec(*local_, how, *local, "0");
    const auto found = spec ? match_spec(*spec, how, *target_, *target, budget) : spec.error();
    return found ? std::optional(found->has_value()) : std::nullopt;
  }
  std::optional<bool> struct_matches(const std::string& name) {
    return matches(BtfKind::kStruct, name, CoreKind::kTypeMatches);
  }

  std::optional<Btf> local_, target_;
};

TEST_F(CoreTypes, MatchMemberByMember) {
  EXPECT_EQ(struct_matches("same"), true);
  EXPECT_EQ(struct_matches("fewer"), true) << "the target may have more members";
  EXPECT_EQ(struct_matches("more"), false);
  EXPECT_EQ(struct_matches("other_sign"), false);
  EXPECT_EQ(struct_matches("other_size"), false);
  EXPECT_EQ(struct_matches("other_length"), false);
  EXPECT_EQ(struct_matches("by_pointer"), true) << "behind a pointer only names count";
  EXPECT_EQ(struct_matches("callback"), true);
  EXPECT_EQ(struct_matches("other_callback"), false);
  EXPECT_EQ(struct_matches("enums"), true) << "values of enumerators do not count";
  EXPECT_EQ(struct_matches("more_enums"), false);
  EXPECT_EQ(struct_matches("list"), true) << "types that contain pointers to themselves";
}

TEST_F(CoreTypes, ExistByName) {
  EXPECT_EQ(matches(BtfKind::kStruct, "other_size", CoreKind::kTypeExists), true);
  EXPECT_EQ(matches(BtfKind::kTypedef, "function_t", CoreKind::kTypeExists), true);
  EXPECT_EQ(matches(BtfKind::kTypedef, "short_function_t", CoreKind::kTypeExists), false);
}

TEST_F(CoreTypes, AccessStringsAreChecked) {
  const auto type = local_->find(BtfKind::kStruct, "same___l");
  ASSERT_TRUE(type);
  const auto good = [&](const char* access) {
    return parse_spec(*local_, CoreKind::kFieldByteOffset, *type, access).has_value();
  };
  EXPECT_TRUE(good("0:1"));
  EXPECT_TRUE(good("3:0"));
  for (const char* access :
       {"", ":", "0:", "0:99", "0:0:0", "-1", "0:x", "0::1", "4294967295:0", "99999999999"}) {
    EXPECT_FALSE(good(access)) << access;
  }
  std::string deep = "0";
  for (int i = 0; i < 100; ++i) {
    deep += ":0";
  }
  EXPECT_FALSE(good(deep.c_str()));
}

TEST_F(CoreTypes, WorkIsLimited) {
  const auto local = local_->find(BtfKind::kStruct, "same___l");
  const auto target = target_->find(BtfKind::kStruct, "same");
  ASSERT_TRUE(local && target);
  Budget budget = 1;
  EXPECT_FALSE(types_match(*local_, *local, *target_, *target, budget));
}

TEST(CorePatch, PoisonsBothHalves) {
  Insn first{.opcode = 0x18, .dst = 1, .imm = 9};
  Insn second{};
  ASSERT_TRUE(apply_patch(Patch{.poison = true}, first, &second));
  const Insn expected{.opcode = 0x85, .imm = 195896080};
  EXPECT_EQ(first, expected);
  EXPECT_EQ(second, expected);
}

TEST(CorePatch, RefusesWhatTheCompilerDidNotWrite) {
  Insn move{.opcode = 0xb7, .imm = 8};
  EXPECT_FALSE(apply_patch(Patch{.before = 4, .after = 12}, move, nullptr));
  EXPECT_TRUE(apply_patch(Patch{.before = 8, .after = 12}, move, nullptr));
  EXPECT_EQ(move.imm, 12);
  Insn load{.opcode = 0x61, .off = 4};
  EXPECT_FALSE(apply_patch(Patch{.before = 4, .after = 40'000}, load, nullptr));
  EXPECT_TRUE(apply_patch(Patch{.before = 4, .after = 16, .size_before = 4, .size_after = 8}, load,
                          nullptr));
  EXPECT_EQ(load, (Insn{.opcode = 0x79, .off = 16}));
  Insn exit{.opcode = 0x95};
  EXPECT_FALSE(apply_patch(Patch{}, exit, nullptr));
}

}  // namespace
}  // namespace kiln::elf
