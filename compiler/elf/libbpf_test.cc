// SPDX-License-Identifier: Apache-2.0
//
// The loader against libbpf: same programs, same maps, same instructions after relocation.
//
// Definitions are compared after bpf_object__open(). Instructions need bpf_object__load(), which
// relocates; whether the kernel then accepts the program does not matter, but bpf(2) must be
// allowed.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

#include <kiln/disasm.h>

#include "elf/test_objects.h"

namespace kiln::elf {
namespace {

std::string messages;  // what libbpf said of the object at hand
std::vector<int>
    map_fds;  // of its maps in order: libbpf forgets them when the kernel refuses a program

int collect_messages(enum libbpf_print_level level, const char* format, va_list args) {
  char line[512];
  std::vsnprintf(line, sizeof line, format, args);
  messages += level == LIBBPF_WARN ? line : "";
  const char* created = std::strstr(line, "created successfully, fd=");
  if (created != nullptr) {
    map_fds.push_back(std::atoi(std::strchr(created, '=') + 1));
  }
  return 0;
}

struct Close {
  void operator()(bpf_object* object) const { bpf_object__close(object); }
};
using BpfObject = std::unique_ptr<bpf_object, Close>;

BpfObject open_with_libbpf(const std::string& path, const std::string& btf) {
  libbpf_set_print(collect_messages);
  messages.clear();
  map_fds.clear();
  LIBBPF_OPTS(bpf_object_open_opts, options);
  options.btf_custom_path = btf.empty() ? nullptr : btf.c_str();
  return BpfObject(bpf_object__open_file(path.c_str(), &options));
}

bool kernel_takes_maps() {
  const int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "probe", 4, 4, 1, nullptr);
  if (fd >= 0) {
    close(fd);
  }
  return fd >= 0;
}

void compare_map(const MapSpec& ours, const bpf_map* theirs) {
  EXPECT_EQ(ours.name, bpf_map__name(theirs));
  EXPECT_EQ(static_cast<std::uint32_t>(ours.type),
            static_cast<std::uint32_t>(bpf_map__type(theirs)));
  EXPECT_EQ(ours.key_size, bpf_map__key_size(theirs));
  EXPECT_EQ(ours.value_size, bpf_map__value_size(theirs));
  EXPECT_EQ(ours.max_entries, bpf_map__max_entries(theirs));
  EXPECT_EQ(ours.flags, bpf_map__map_flags(theirs));
  EXPECT_EQ(ours.btf_key_type, bpf_map__btf_key_type_id(theirs));
  EXPECT_EQ(ours.btf_value_type, bpf_map__btf_value_type_id(theirs));
  EXPECT_EQ(ours.is_global_data, bpf_map__is_internal(theirs));
  if (ours.is_global_data) {
    std::size_t size = 0;
    const void* initial = bpf_map__initial_value(const_cast<bpf_map*>(theirs), &size);
    ASSERT_EQ(ours.initial.size(), size);
    EXPECT_EQ(std::memcmp(ours.initial.data(), initial, size), 0);
  }
}

/// Object::maps has libbpf's maps first; the rest are inner templates.
void compare_maps(const Object& ours, const bpf_object* theirs) {
  std::size_t i = 0;
  const bpf_map* map = nullptr;
  bpf_object__for_each_map(map, theirs) {
    ASSERT_LT(i, ours.maps.size()) << bpf_map__name(map);
    SCOPED_TRACE(bpf_map__name(map));
    compare_map(ours.maps[i], map);
    const bpf_map* inner = bpf_map__inner_map(const_cast<bpf_map*>(map));
    ASSERT_EQ(ours.maps[i].inner.has_value(), inner != nullptr);
    if (inner != nullptr) {
      ASSERT_LT(*ours.maps[i].inner, ours.maps.size());
      compare_map(ours.maps[*ours.maps[i].inner], inner);
    }
    ++i;
  }
  for (; i < ours.maps.size(); ++i) {
    EXPECT_TRUE(ours.maps[i].name.ends_with(".inner")) << ours.maps[i].name;
  }
}

void compare_programs(const Object& ours, const bpf_object* theirs) {
  std::size_t i = 0;
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, theirs) {
    ASSERT_LT(i, ours.programs.size());
    const Program& mine = ours.programs[i++];
    EXPECT_EQ(mine.name, bpf_program__name(program));
    EXPECT_EQ(mine.section.substr(mine.section.starts_with('?') ? 1 : 0),
              bpf_program__section_name(program));
    EXPECT_EQ(static_cast<std::uint32_t>(mine.type),
              static_cast<std::uint32_t>(bpf_program__type(program)))
        << mine.name;
  }
  EXPECT_EQ(i, ours.programs.size());
}

/// libbpf refers to maps by file descriptor, Kiln by index.
std::vector<Insn> by_index(std::vector<Insn> insns) {
  constexpr std::uint8_t kFd = 1, kFdValue = 2, kIndex = 5, kIndexValue = 6;
  for (std::size_t i = 0; i < insns.size(); ++i) {
    Insn& insn = insns[i];
    if (insn.is_wide() && (insn.src == kFd || insn.src == kFdValue)) {
      const auto found = std::find(map_fds.begin(), map_fds.end(), insn.imm);
      insn.src = insn.src == kFd ? kIndex : kIndexValue;
      insn.imm = static_cast<std::int32_t>(found - map_fds.begin());
    }
    i += insn.is_wide() ? 1 : 0;
  }
  return insns;
}

std::size_t compare_instructions(const Object& ours, bpf_object* theirs) {
  std::size_t compared = 0;
  std::size_t i = 0;
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, theirs) {
    const Program& mine = ours.programs[i++];
    const auto* raw = reinterpret_cast<const std::byte*>(bpf_program__insns(program));
    const auto decoded = decode_all({raw, bpf_program__insn_cnt(program) * 8});
    const std::vector<Insn> expected = by_index(*decoded);
    EXPECT_EQ(mine.insns.size(), expected.size()) << mine.name;
    for (std::size_t slot = 0; slot < std::min(mine.insns.size(), expected.size()); ++slot) {
      EXPECT_EQ(mine.insns[slot], expected[slot])
          << mine.name << " slot " << slot << ": " << disassemble(mine.insns[slot])
          << ", libbpf has " << disassemble(expected[slot]);
      ++compared;
    }
  }
  return compared;
}

void compare_object(const std::string& path, const std::string& btf = "") {
  SCOPED_TRACE(path);
  const auto ours = load_object_file(path, {.btf_path = btf});
  if (!ours && !kernel_btf() && ours.error().message.find("CO-RE") != std::string::npos) {
    GTEST_SKIP() << "the running kernel has no BTF: " << ours.error().message;
  }
  ASSERT_TRUE(ours) << ours.error().message;
  const BpfObject theirs = open_with_libbpf(path, btf);
  ASSERT_NE(theirs, nullptr) << messages;
  compare_maps(*ours, theirs.get());
  compare_programs(*ours, theirs.get());
  if (!kernel_takes_maps()) {
    GTEST_SKIP() << "bpf(2) is not allowed here: instructions not compared";
  }
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, theirs.get()) {
    bpf_program__set_autoload(program, true);
  }
  bpf_map* map = nullptr;
  bpf_object__for_each_map(map, theirs.get()) {
    bpf_map__set_pin_path(map, nullptr);
  }
  bpf_object__load(theirs.get());
  EXPECT_GT(compare_instructions(*ours, theirs.get()), 0u) << messages;
}

class Compiled : public testing::TestWithParam<const char*> {};

TEST_P(Compiled, IsWhatLibbpfMakes) {
  KILN_NEEDS_COMPILED_PROGRAMS();
  compare_object(compiled(GetParam()));
}

INSTANTIATE_TEST_SUITE_P(Libbpf, Compiled,
                         testing::Values("globals", "calls", "inner_maps", "sections", "core",
                                         "core_target"),
                         [](const auto& info) { return std::string(info.param); });

TEST(Libbpf, CoreAgainstOtherTypes) {
  KILN_NEEDS_COMPILED_PROGRAMS();
  compare_object(compiled("core"), compiled("core_target"));
}

TEST(Libbpf, LinkedObjectsAreTheSame) {
  KILN_NEEDS_COMPILED_PROGRAMS();
  const std::string path = testing::TempDir() + "kiln_linked_" + std::to_string(getpid()) + ".o";
  bpf_linker* linker = bpf_linker__new(path.c_str(), nullptr);
  ASSERT_NE(linker, nullptr);
  const bool linked = bpf_linker__add_file(linker, compiled("calls").c_str(), nullptr) == 0 &&
                      bpf_linker__add_file(linker, compiled("linked").c_str(), nullptr) == 0 &&
                      bpf_linker__finalize(linker) == 0;
  bpf_linker__free(linker);
  ASSERT_TRUE(linked) << messages;
  compare_object(path);
  std::remove(path.c_str());
}

TEST(Libbpf, TheKernelTakesTheCompletedBtf) {
  KILN_NEEDS_COMPILED_PROGRAMS();
  if (!kernel_takes_maps()) {
    GTEST_SKIP() << "bpf(2) is not allowed here";
  }
  for (const char* name : {"globals", "calls", "inner_maps", "legacy_maps", "core_target"}) {
    const auto object = load_object_file(compiled(name), {});
    ASSERT_TRUE(object) << object.error().message;
    const int fd = bpf_btf_load(object->btf.data(), object->btf.size(), nullptr);
    EXPECT_GE(fd, 0) << name << ": " << std::strerror(errno);
    if (fd >= 0) {
      close(fd);
    }
  }
}

TEST(Libbpf, InstalledObjectsAreTheSame) {
  const auto objects = installed_objects();
  if (objects.empty()) {
    GTEST_SKIP() << "no objects in " KILN_INSTALLED_OBJECTS " (packages xdp-tools, libxdp1)";
  }
  for (const std::string& path : objects) {
    compare_object(path);
  }
}

}  // namespace
}  // namespace kiln::elf
