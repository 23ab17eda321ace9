// SPDX-License-Identifier: Apache-2.0
//
// Bytes that nobody vouches for: cut off anywhere, or changed at random, an object loads or is
// refused in a sentence; it never crashes. Sanitizers (-DKILN_SANITIZE=address,undefined) make it
// mean more.
#include <elf.h>
#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include <kiln/btf.h>
#include <kiln/disasm.h>

#include "elf/test_objects.h"

namespace kiln::elf {
namespace {

/// Looks at everything that a loaded object promises.
void use(const Object& object) {
  for (const Program& program : object.programs) {
    ASSERT_FALSE(program.subprograms.empty());
    EXPECT_EQ(program.subprograms.front().start, 0u);
    EXPECT_EQ(program.subprograms.back().end, program.insns.size());
    EXPECT_FALSE(disassemble(program, object).empty());
  }
  for (const MapSpec& map : object.maps) {
    EXPECT_TRUE(!map.inner || *map.inner < object.maps.size());
    EXPECT_EQ(map.initial.size(), map.is_global_data ? map.value_size : 0u);
    for (const MapSpec::Slot& slot : map.slots) {
      EXPECT_LT(slot.target,
                map.type == MapType::kProgArray ? object.programs.size() : object.maps.size());
    }
  }
}

/// Loads without the kernel's BTF, which takes most of the time otherwise.
bool load(const std::vector<std::byte>& bytes) {
  // An exact-size copy: a sanitizer then sees any access beyond the end.
  const std::vector<std::byte> exact(bytes);
  const auto object = load_object(exact, "hostile.o", {.btf_path = compiled("core_target")});
  if (object) {
    use(*object);
    return true;
  }
  EXPECT_EQ(object.error().code, Errc::kInput);
  EXPECT_TRUE(object.error().message.starts_with("hostile.o: ")) << object.error().message;
  return false;
}

TEST(Hostile, EveryTruncationIsRefused) {
  KILN_NEEDS_COMPILED_PROGRAMS();
  const auto bytes = read_bytes(compiled("inner_maps"));
  ASSERT_TRUE(load(bytes));
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(load({bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size)})) << size;
  }
}

class Mutations : public testing::TestWithParam<const char*> {};

TEST_P(Mutations, NeverCrash) {
  KILN_NEEDS_COMPILED_PROGRAMS();
  constexpr int kRounds = 1500;
  const auto original = read_bytes(compiled(GetParam()));
  int loaded = 0;
  for (int seed = 0; seed < kRounds; ++seed) {
    SCOPED_TRACE("object " + std::string(GetParam()) + ", seed " + std::to_string(seed));
    std::mt19937 random(static_cast<unsigned>(seed));
    auto bytes = original;
    for (unsigned changes = 1 + random() % 8; changes > 0; --changes) {
      const std::size_t at = random() % bytes.size();
      constexpr unsigned kInteresting[] = {0x00, 0xff, 0x7f, 0x80, 0x01, 0x08};
      bytes[at] = std::byte{
          static_cast<unsigned char>(random() % 2 ? random() : kInteresting[random() % 6])};
    }
    loaded += load(bytes) ? 1 : 0;
  }
  EXPECT_GT(loaded, 0) << "no mutation was harmless: the test changes too much";
  EXPECT_LT(loaded, kRounds) << "no mutation mattered: the test changes nothing";
}

INSTANTIATE_TEST_SUITE_P(Hostile, Mutations,
                         testing::Values("inner_maps", "calls", "core", "globals", "legacy_maps"),
                         [](const auto& info) { return std::string(info.param); });

/// The structures that matter most, with the values that break careless arithmetic.
class Structures : public testing::Test {
 protected:
  void SetUp() override {
    KILN_NEEDS_COMPILED_PROGRAMS();
    bytes_ = read_bytes(compiled("globals"));
    std::memcpy(&header_, bytes_.data(), sizeof header_);
  }
  template <typename T>
  void put(std::size_t at, T value) {
    ASSERT_LE(at + sizeof value, bytes_.size());
    std::memcpy(bytes_.data() + at, &value, sizeof value);
  }
  std::vector<std::byte> bytes_;
  Elf64_Ehdr header_{};
};

TEST_F(Structures, SectionHeaders) {
  const auto original = bytes_;
  constexpr std::uint64_t kValues[] = {0,          1,          7,     0x7fffffff, 0xffffffff,
                                       1ull << 32, 1ull << 63, ~0ull, ~0ull - 7};
  for (std::size_t section = 0; section < header_.e_shnum; ++section) {
    const std::size_t at = header_.e_shoff + section * sizeof(Elf64_Shdr);
    for (const std::size_t field :
         {offsetof(Elf64_Shdr, sh_offset), offsetof(Elf64_Shdr, sh_size)}) {
      for (const std::uint64_t value : kValues) {
        bytes_ = original;
        put(at + field, value);
        load(bytes_);
      }
    }
    for (const std::size_t field : {offsetof(Elf64_Shdr, sh_name), offsetof(Elf64_Shdr, sh_type),
                                    offsetof(Elf64_Shdr, sh_link), offsetof(Elf64_Shdr, sh_info)}) {
      for (const std::uint32_t value : {0u, 1u, 2u, 3u, 4u, 8u, 9u, 0x7fffffffu, 0xffffffffu}) {
        bytes_ = original;
        put(at + field, value);
        load(bytes_);
      }
    }
  }
}

TEST_F(Structures, HugeBssIsRefused) {
  for (std::size_t section = 0; section < header_.e_shnum; ++section) {
    const std::size_t at = header_.e_shoff + section * sizeof(Elf64_Shdr);
    Elf64_Shdr raw;
    std::memcpy(&raw, bytes_.data() + at, sizeof raw);
    if (raw.sh_type == SHT_NOBITS) {
      put(at + offsetof(Elf64_Shdr, sh_size), std::uint64_t{1} << 60);
    }
  }
  const auto object = load_object(bytes_, "x.o", {});
  ASSERT_FALSE(object);
  EXPECT_EQ(object.error().message,
            "x.o: section '.bss' has 1152921504606846976 bytes, more than the 256 MiB that global "
            "data may have");
}

TEST(Hostile, BtfMutationsNeverCrash) {
  KILN_NEEDS_COMPILED_PROGRAMS();
  const auto object = load_object_file(compiled("core"), {.btf_path = compiled("core_target")});
  ASSERT_TRUE(object);
  int parsed = 0;
  for (unsigned seed = 0; seed < 3000; ++seed) {
    std::mt19937 random(seed);
    auto raw = object->btf;
    for (int changes = 0; changes < 3; ++changes) {
      raw[random() % raw.size()] = std::byte{static_cast<unsigned char>(random())};
    }
    const auto btf = Btf::parse(raw);
    for (std::uint32_t id = 0; btf && id < btf->count(); ++id) {
      parsed += btf->strip(id).has_value() || btf->size_of(id).has_value() ? 1 : 0;
    }
  }
  EXPECT_GT(parsed, 0);
}

}  // namespace
}  // namespace kiln::elf
