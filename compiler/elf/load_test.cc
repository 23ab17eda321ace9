// SPDX-License-Identifier: Apache-2.0
//
// load_object(): what libbpf can't be asked (subprograms, lines, slots, old forms) and what it says
// of objects that it does not take. libbpf_test.cc compares the rest.
#include <gtest/gtest.h>
#include <sys/utsname.h>

#include <algorithm>
#include <cstdio>
#include <cstring>

#include <kiln/btf.h>
#include <kiln/disasm.h>

#include "elf/maps.h"
#include "elf/test_objects.h"

namespace kiln::elf {
namespace {

Object load(const std::string& name) {
  auto object = load_object_file(compiled(name), {});
  EXPECT_TRUE(object) << object.error().message;
  return object ? std::move(*object) : Object{};
}

std::string error_of(const std::string& name) {
  const auto object = load_object_file(compiled(name), {});
  EXPECT_FALSE(object) << name;
  EXPECT_TRUE(object || object.error().code == Errc::kInput);
  const std::string message = object ? "" : object.error().message;
  const std::string prefix = compiled(name) + ": ";
  EXPECT_TRUE(message.starts_with(prefix)) << message;
  return message.substr(std::min(message.size(), prefix.size()));
}

std::vector<std::string> subprogram_names(const Program& program) {
  std::vector<std::string> names;
  for (const Subprogram& sub : program.subprograms) {
    names.push_back(sub.name);
  }
  return names;
}

const MapSpec& map_of(const Object& object, std::string_view name) {
  const auto map = std::find_if(object.maps.begin(), object.maps.end(), [&](const MapSpec& m) { return m.name == name; });
  EXPECT_NE(map, object.maps.end()) << name;
  return *map;
}

TEST(Load, MapsOfRecordsHaveNoValues) {
  KILN_NEEDS_COMPILED_PROGRAMS();
  const Object object = load("record_types");
  EXPECT_EQ(map_of(object, "ring").value_size, 0u);
  EXPECT_EQ(map_of(object, "events").value_size, 4u);
}

TEST(Load, WhatTheLoaderSets) {
  KILN_NEEDS_COMPILED_PROGRAMS();
  const LoadOptions options{.max_entries = {"sized_later=12"},
                            .globals = {"port=0x1234", "level = -2", "verbose=true", "seen=18446744073709551615"}};
  const auto object = load_object_file(compiled("record_types"), options);
  ASSERT_TRUE(object) << object.error().message;
  EXPECT_EQ(map_of(*object, "sized_later").max_entries, 12u);
  const auto btf = Btf::parse(object->btf);
  ASSERT_TRUE(btf);
  const auto value = [&](std::string_view map_name, std::string_view name) {
    const MapSpec& map = map_of(*object, map_name);
    std::uint64_t got = 0;
    for (std::uint32_t i = 0; i < btf->vlen(map.btf_value_type); ++i) {
      if (const auto v = btf->variable(map.btf_value_type, i); btf->name(v.type) == name) {
        std::memcpy(&got, map.initial.data() + v.offset, v.size);
      }
    }
    return got;
  };
  EXPECT_EQ(value("record_t.rodata", "port"), 0x1234u);
  EXPECT_EQ(value("record_t.rodata", "level"), 0xfeu);
  EXPECT_EQ(value("record_t.rodata", "verbose"), 1u);
  EXPECT_EQ(value("record_t.bss", "seen"), ~std::uint64_t{0});
}

TEST(Load, WhatTheLoaderCanNotSet) {
  KILN_NEEDS_COMPILED_PROGRAMS();
  const auto refused = [](const LoadOptions& options) {
    const auto object = load_object_file(compiled("record_types"), options);
    EXPECT_FALSE(object);
    return object ? std::string() : object.error().message;
  };
  EXPECT_NE(refused({.max_entries = {"other=1"}}).find("no map 'other'; it has "), std::string::npos);
  EXPECT_NE(refused({.max_entries = {"ring"}}).find("'ring': the size of a map is set by NAME=VALUE"), std::string::npos);
  EXPECT_NE(refused({.max_entries = {"ring=-1"}}).find("'-1' is not a number of entries"), std::string::npos);
  EXPECT_NE(refused({.globals = {"port=65536"}}).find("of 2 bytes without sign: '65536'"), std::string::npos);
  EXPECT_NE(refused({.globals = {"level=-129"}}).find("'-129' is not a value of it"), std::string::npos);
  EXPECT_NE(refused({.globals = {"table=1"}}).find("'table' is not a number"), std::string::npos);
  EXPECT_NE(refused({.globals = {"nothing=1"}}).find("no global variable 'nothing'"), std::string::npos);
}

TEST(Load, SubprogramsFollowTheirCallers) {
  KILN_NEEDS_COMPILED_PROGRAMS();
  const Object object = load("calls");
  const Program* all = find_program(object, "all");
  ASSERT_NE(all, nullptr);
  EXPECT_EQ(subprogram_names(*all),
            (std::vector<std::string>{"all", "branch", "twig", "leaf", "hidden_branch"}));
  std::uint32_t at = 0;
  const auto btf = Btf::parse(object.btf);
  ASSERT_TRUE(btf);
  for (const Subprogram& sub : all->subprograms) {
    EXPECT_EQ(sub.start, at);
    EXPECT_EQ(btf->kind(sub.btf_func), BtfKind::kFunc);
    EXPECT_EQ(btf->name(sub.btf_func), sub.name);
    at = sub.end;
  }
  EXPECT_EQ(at, all->insns.size());
  EXPECT_TRUE(all->subprograms[0].is_global);
  EXPECT_TRUE(all->subprograms[1].is_global);
  EXPECT_FALSE(all->subprograms[2].is_global);
  EXPECT_FALSE(all->subprograms[4].is_global) << "hidden functions are static to the kernel";
  EXPECT_EQ(btf->linkage(all->subprograms[4].btf_func), 0u);
  EXPECT_EQ(btf->linkage(all->subprograms[1].btf_func), 1u);
}

TEST(Load, FunctionAddressesAreDistances) {
  KILN_NEEDS_COMPILED_PROGRAMS();
  const Object object = load("calls");
  const Program* program = find_program(object, "long_frames");
  ASSERT_NE(program, nullptr);
  EXPECT_TRUE(program->has_frags);
  bool found = false;
  for (std::uint32_t slot = 0; slot < program->insns.size(); ++slot) {
    const InsnInfo* info = find_insn(program->insns[slot]);
    if (info != nullptr && info->op == Op::LD_CODE_ADDR) {
      found = true;
      EXPECT_EQ(
          program->subprogram_of(slot + 1 + static_cast<std::uint32_t>(program->insns[slot].imm))
              .name,
          "visit");
    }
  }
  EXPECT_TRUE(found);
}

TEST(Load, SourceLinesPointAtTheCode) {
  KILN_NEEDS_COMPILED_PROGRAMS();
  const Object object = load("calls");
  const Program* all = find_program(object, "all");
  ASSERT_NE(all, nullptr);
  const SourceLine* line = all->line_of(all->subprograms[1].start);
  ASSERT_NE(line, nullptr);
  EXPECT_TRUE(line->file.ends_with("calls.bpf.c"));
  EXPECT_EQ(line->text,
            "__attribute__((noinline)) int branch(struct xdp_md *ctx) { return "
            "twig(ctx->rx_queue_index) + 5; }");
  std::uint32_t before = 0;
  for (const SourceLine& each : all->lines) {
    EXPECT_GE(each.insn, before);
    before = each.insn;
  }
}

TEST(Load, CallsReachOtherSections) {
  KILN_NEEDS_COMPILED_PROGRAMS();
  const Object object = load("cross_section");
  const Program* caller = find_program(object, "caller");
  ASSERT_NE(caller, nullptr);
  EXPECT_EQ(subprogram_names(*caller), (std::vector<std::string>{"caller", "shared"}));
  const Insn* call = nullptr;
  for (const Insn& insn : caller->insns) {
    call = insn.opcode == 0x85 ? &insn : call;
  }
  ASSERT_NE(call, nullptr);
  const auto slot = call - caller->insns.data();
  EXPECT_EQ(slot + 1 + call->imm, caller->subprograms[1].start);
}

TEST(Load, LegacyMaps) {
  KILN_NEEDS_COMPILED_PROGRAMS();
  const Object object = load("legacy_maps");
  ASSERT_EQ(object.maps.size(), 2u);
  const MapSpec& second = object.maps[0];
  EXPECT_EQ(second.name, "second");
  EXPECT_EQ(second.type, MapType::kHash);
  EXPECT_EQ(second.key_size, 4u);
  EXPECT_EQ(second.value_size, 16u);
  EXPECT_EQ(second.max_entries, 16u);
  EXPECT_EQ(second.flags, 1u);
  EXPECT_NE(second.btf_value_type, 0u);
  EXPECT_EQ(object.maps[1].name, "first");
  EXPECT_EQ(object.maps[1].type, MapType::kArray);
  EXPECT_EQ(object.license, "Dual BSD/GPL");
  EXPECT_EQ(object.programs[0].type, ProgramType::kXdp);
}

TEST(Load, LongerLegacyMaps) {
  KILN_NEEDS_COMPILED_PROGRAMS();
  const Object object = load("longer_maps");
  ASSERT_FALSE(object.maps.empty());
  EXPECT_EQ(object.maps[0].type, MapType::kLruHash);
  EXPECT_EQ(object.maps[0].max_entries, 100u);
  EXPECT_EQ(error_of("pinned_maps"),
            "map 'longer' uses fields beyond struct bpf_map_def, whose meaning depends on the "
            "loader; declare it in .maps");
}

TEST(Load, InitialisedMapsOfMapsAndPrograms) {
  KILN_NEEDS_COMPILED_PROGRAMS();
  const Object object = load("inner_maps");
  const auto index = [&object](const char* name) {
    return static_cast<std::uint32_t>(find_map(object, name) - object.maps.data());
  };
  const auto program = [&object](const char* name) {
    return static_cast<std::uint32_t>(find_program(object, name) - object.programs.data());
  };
  const auto slots = [&object](const char* name) {
    std::map<std::uint32_t, std::uint32_t> out;
    for (const MapSpec::Slot& slot : find_map(object, name)->slots) {
      out[slot.key] = slot.target;
    }
    return out;
  };
  using Slots = std::map<std::uint32_t, std::uint32_t>;
  EXPECT_EQ(slots("outer_array"), (Slots{{2, index("inner_a")}, {5, index("inner_b")}}));
  EXPECT_EQ(slots("jumps"), (Slots{{0, program("last")}, {3, program("first")}}));
  EXPECT_EQ(slots("outer_hash"), Slots{});
  const MapSpec& inner = object.maps[*find_map(object, "outer_hash")->inner];
  EXPECT_EQ(inner.type, MapType::kHash);
  EXPECT_EQ(inner.key_size, 8u);
  EXPECT_EQ(inner.max_entries, 9u);
  EXPECT_EQ(inner.flags, 1u);
}

TEST(Load, GlobalDataIsThere) {
  KILN_NEEDS_COMPILED_PROGRAMS();
  const Object object = load("globals");
  const MapSpec* rodata = find_map(object, "globals.rodata");
  ASSERT_NE(rodata, nullptr);
  EXPECT_TRUE(rodata->is_readonly);
  EXPECT_NE(
      std::string(reinterpret_cast<const char*>(rodata->initial.data()), rodata->initial.size())
          .find("length %d"),
      std::string::npos);
  const MapSpec* tuned = find_map(object, ".data.tuned");
  ASSERT_NE(tuned, nullptr);
  EXPECT_EQ(tuned->initial, (std::vector<std::byte>{std::byte{42}, {}, {}, {}}));
  EXPECT_EQ(find_map(object, ".xdp_run_config"), nullptr);
}

TEST(Load, BtfHasSizesAndOffsets) {
  KILN_NEEDS_COMPILED_PROGRAMS();
  const Object object = load("globals");
  const auto btf = Btf::parse(object.btf);
  ASSERT_TRUE(btf);
  const auto data = btf->find(BtfKind::kDatasec, ".bss");
  ASSERT_TRUE(data);
  EXPECT_EQ(btf->byte_size(*data), find_map(object, "globals.bss")->value_size);
  std::uint32_t before = 0;
  for (std::uint32_t i = 0; i < btf->vlen(*data); ++i) {
    EXPECT_GE(btf->variable(*data, i).offset, before);
    before = btf->variable(*data, i).offset + btf->variable(*data, i).size;
  }
  EXPECT_LE(before, btf->byte_size(*data));
}

TEST(Load, WorksWithoutDebugInformation) {
  KILN_NEEDS_COMPILED_PROGRAMS();
  const Object object = load("no_debug");
  EXPECT_TRUE(object.btf.empty());
  ASSERT_EQ(object.programs.size(), 1u);
  EXPECT_TRUE(object.programs[0].lines.empty());
  EXPECT_EQ(object.programs[0].insns, load("globals").programs[0].insns);
}

TEST(Load, WeakExternsAreZero) {
  KILN_NEEDS_COMPILED_PROGRAMS();
  const Object object = load("externs");
  const MapSpec* kconfig = find_map(object, "externs.kconfig");
  ASSERT_NE(kconfig, nullptr);
  EXPECT_TRUE(kconfig->is_readonly);
  EXPECT_EQ(kconfig->value_size, 16u);
  const std::string text = disassemble(object.programs[0], object);
  EXPECT_NE(text.find("map[idx:0,name:externs.kconfig][0]+"), std::string::npos) << text;
  EXPECT_NE(text.find("= 0x0 ll"), std::string::npos) << text;
  EXPECT_NE(text.find("call unknown#2002000000"), std::string::npos) << text;
}

TEST(Load, SettingsAreTheRunningKernels) {
  KILN_NEEDS_COMPILED_PROGRAMS();
  const Object object = load("externs_VERSION");
  const MapSpec* kconfig = find_map(object, "externs.kconfig");
  ASSERT_NE(kconfig, nullptr);
  struct utsname host {};
  ASSERT_EQ(uname(&host), 0);
  unsigned major = 0, minor = 0, patch = 0, value = 0;
  ASSERT_GE(std::sscanf(host.release, "%u.%u.%u", &major, &minor, &patch), 2);
  ASSERT_GE(kconfig->initial.size(), sizeof value);
  std::memcpy(&value, kconfig->initial.data(), sizeof value);
  EXPECT_EQ(value, major << 16 | minor << 8 | std::min(patch, 255u));
}

TEST(Load, SaysWhatIsMissing) {
  KILN_NEEDS_COMPILED_PROGRAMS();
  const std::string kconfig = error_of("externs_STRONG_KCONFIG");
  EXPECT_TRUE(kconfig.starts_with("section 'xdp', instruction ")) << kconfig;
  EXPECT_NE(kconfig.find("externs.bpf.c:"), std::string::npos)
      << "names the source line: " << kconfig;
  EXPECT_TRUE(kconfig.ends_with(
      "extern 'CONFIG_NOTHING_SETS' can't be resolved: a setting (__kconfig) that the running kernel does not have"))
      << kconfig;
  const std::string why = kernel_btf() ? "a symbol of the kernel" : "no BTF to relocate against";
  EXPECT_NE(error_of("externs_STRONG_KSYM").find("extern 'no_such_symbol' can't be resolved: " + why), std::string::npos);
  EXPECT_NE(error_of("externs_UNDEFINED")
                .find("extern 'defined_elsewhere' can't be resolved: it is defined nowhere"),
            std::string::npos);
  EXPECT_EQ(error_of("pointers"),
            "section '.data' holds the address of 'target' at byte 8; BPF has no addresses in "
            "global data");
  EXPECT_EQ(error_of("no_program"), "no BPF program in this object");
  EXPECT_EQ(error_of("no_btf_maps"), "maps in .maps need BTF; compile with -g");
  EXPECT_NE(error_of("static_program").find("function 'forgotten' in section 'xdp' is static"),
            std::string::npos);
}

TEST(Load, CoreNeedsBtf) {
  KILN_NEEDS_COMPILED_PROGRAMS();
  const auto object = load_object_file(compiled("core"), {.btf_path = "/nonexistent/btf"});
  ASSERT_FALSE(object);
  EXPECT_NE(object.error().message.find(
                "no BTF to relocate against (/nonexistent/btf: No such file or directory)"),
            std::string::npos)
      << object.error().message;
}

TEST(Load, SaysWhatTheFileIs) {
  const auto message = [](std::vector<std::byte> bytes) {
    const auto object = load_object(bytes, "x.o", {});
    return object ? "" : object.error().message;
  };
  EXPECT_EQ(message({}), "x.o: the file is empty");
  EXPECT_EQ(message(std::vector<std::byte>(100, std::byte{'a'})), "x.o: not an ELF file");
  const auto self = load_object_file("/proc/self/exe", {});
  ASSERT_FALSE(self);
  EXPECT_NE(self.error().message.find("an ELF file for "), std::string::npos)
      << self.error().message;
  EXPECT_NE(self.error().message.find(", not for BPF; compile with clang -target bpf"),
            std::string::npos);
  const auto missing = load_object_file("/nonexistent.o", {});
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().message, "/nonexistent.o: cannot open: No such file or directory");
  const auto directory = load_object_file("/", {});
  ASSERT_FALSE(directory);
  EXPECT_EQ(directory.error().message, "/: cannot read: Is a directory");
}

TEST(Load, SaysThatTheFileIsCutOff) {
  KILN_NEEDS_COMPILED_PROGRAMS();
  auto bytes = read_bytes(compiled("globals"));
  ASSERT_GT(bytes.size(), 100u);
  const std::size_t size = bytes.size();
  bytes.resize(size - 10);
  const auto object = load_object(bytes, "x.o", {});
  ASSERT_FALSE(object);
  EXPECT_EQ(object.error().message, "x.o: truncated: the section headers lie beyond its " +
                                        std::to_string(size - 10) + " bytes");
  bytes.resize(20);
  const auto header = load_object(bytes, "x.o", {});
  ASSERT_FALSE(header);
  EXPECT_EQ(header.error().message, "x.o: truncated: 20 bytes are less than an ELF header");
}

TEST(Load, OldSectionNames) {
  EXPECT_EQ(section_info("xdp_drop").type, ProgramType::kXdp);
  EXPECT_EQ(section_info("xdp/anything").type, ProgramType::kXdp);
  EXPECT_EQ(section_info("xdp_devmap/egress").type, ProgramType::kXdp);
  EXPECT_EQ(section_info("classifier/ingress").type, ProgramType::kSchedCls);
  EXPECT_EQ(section_info("socket1").type, ProgramType::kSocketFilter);
  EXPECT_TRUE(section_info("xdp.frags").has_frags);
  EXPECT_TRUE(section_info("xdp.frags/devmap").has_frags);
  EXPECT_EQ(section_info("xdp/devmap").attach, AttachType::kXdpDevmap);
  EXPECT_EQ(section_info("xdp_devmap/egress").attach, AttachType::kXdpDevmap);
  EXPECT_EQ(section_info("cgroup/connect4").attach, AttachType::kCgroupInet4Connect);
  EXPECT_EQ(section_info("tc/anything").type, ProgramType::kSchedCls);
  EXPECT_TRUE(section_info("uprobe.s/f").is_sleepable);
  EXPECT_FALSE(section_info("uprobe/f").is_sleepable);
  EXPECT_FALSE(section_info("xdp_frags").has_frags);
  EXPECT_EQ(section_info("kprobes").type, ProgramType::kUnspec);
  EXPECT_EQ(section_info("").type, ProgramType::kUnspec);
  EXPECT_EQ(section_info("?xdp").type, ProgramType::kXdp);
}

TEST(Load, DataMapNames) {
  EXPECT_EQ(data_map_name("/a/b/xdpfilt_dny_all.o", ".rodata"), "xdpfilt_.rodata");
  EXPECT_EQ(data_map_name("xdpfilt_dny_all.o", ".bss"), "xdpfilt_.bss");
  EXPECT_EQ(data_map_name("my prog.bpf.o", ".data"), "my_prog.data");
  EXPECT_EQ(data_map_name("x.o", ".rodata.str1.1"), ".rodata.str1.1");
  EXPECT_EQ(data_map_name("filter.o", ".kconfig"), "filter.kconfig");
}

}  // namespace
}  // namespace kiln::elf
