// SPDX-License-Identifier: Apache-2.0
//
// What an ELF object holds once loaded: programs in canonical form, map descriptions, source lines.
//
// Immutable after load_object(). Canonical form means: relocations applied, CO-RE applied, each
// program followed by the subprograms it calls (calls are CALL_LOCAL within the program), and every
// map reference an LD_MAP_IDX or LD_MAP_IDX_VALUE whose imm is an index into Object::maps (the
// kernel's BPF_PSEUDO_MAP_IDX forms; for a VALUE the second slot's imm is the offset in the value).
// Kernel functions are CALL_KFUNC, kernel variables LD_VAR_ADDR, with an id of Object::kernel_types.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <kiln/isa.h>

namespace kiln {

class Btf;

/// enum bpf_map_type; the numbers are the kernel's. kinds.def has the names.
enum class MapType : std::uint32_t {
#define KILN_MAP_TYPE(enumerator, number, name) enumerator = number,
#include <kiln/map_types.def>
};
constexpr bool is_ring(MapType type) { return type == MapType::kRingbuf || type == MapType::kUserRingbuf; }
std::string_view map_type_name(MapType type);
std::optional<MapType> map_type_from_number(std::uint32_t number);

/// enum bpf_prog_type; the section's name chooses, as in libbpf (elf/section_types.def).
enum class ProgramType : std::uint32_t {
#define KILN_PROGRAM_TYPE(enumerator, number, name) enumerator = number,
#include <kiln/program_types.def>
};
std::string_view program_type_name(ProgramType type);

/// enum bpf_attach_type, as far as sections ask for one.
enum class AttachType : std::uint32_t {
#define KILN_ATTACH_TYPE(enumerator, number) enumerator = number,
#include <kiln/attach_types.def>
};

/// What a section's name says about the programs in it (elf/section_types.def).
struct SectionInfo {
  ProgramType type = ProgramType::kUnspec;  ///< kUnspec: no such name
  AttachType attach = AttachType::kNone;
  bool has_frags = false;
  bool is_sleepable = false;
};
/// A leading '?' (libbpf: do not load by default) is passed over.
SectionInfo section_info(std::string_view name);

/// A map as the object describes it. Sizes in bytes.
struct MapSpec {
  std::string name;
  MapType type = MapType::kArray;
  std::uint32_t key_size = 0;
  std::uint32_t value_size = 0;
  std::uint32_t max_entries = 0;
  std::uint32_t flags = 0;  ///< BPF_F_*, map_flags of BPF_MAP_CREATE
  std::uint64_t map_extra = 0;  ///< Bloom filter: hash functions, 0 for 5
  std::uint32_t btf_key_type = 0;
  std::uint32_t btf_value_type = 0;
  bool is_global_data = false;       ///< .rodata, .data, .bss: one array element
  bool is_readonly = false;          ///< .rodata: frozen, constants to the verifier
  bool is_pinned = false;            ///< LIBBPF_PIN_BY_NAME: outlives the process, under its name
  std::optional<std::uint32_t> lock_offset;  ///< of the struct bpf_spin_lock in a value, from BTF
  std::vector<std::byte> initial;    ///< global data: value_size bytes
  std::optional<std::uint32_t> inner;  ///< maps in maps: index of the inner template in Object::maps
  struct Slot {
    std::uint32_t key = 0;
    std::uint32_t target = 0;  ///< program index (prog array) or map index (map of maps)
  };
  std::vector<Slot> slots;  ///< initialisers of prog arrays and maps of maps
};

/// Where a slot came from, from BTF.ext.
struct SourceLine {
  std::uint32_t insn = 0;  ///< first slot it applies to, up to the next SourceLine
  std::string file;
  std::uint32_t line = 0;
  std::uint32_t column = 0;
  std::string text;  ///< the line itself, trimmed
};

/// A function inside a program. The first starts at slot 0 and is the program itself.
struct Subprogram {
  std::string name;
  std::uint32_t start = 0;
  std::uint32_t end = 0;  ///< one past the last slot
  bool is_global = false;            ///< not static: the kernel verifies it on its own
  std::uint32_t btf_func = 0;        ///< BTF id of its FUNC, 0 without BTF
};

struct Program {
  std::string name;
  std::string section;
  std::string hook;  ///< struct_ops: "tcp_congestion_ops:init", the operation it implements; empty: none is named
  ProgramType type = ProgramType::kXdp;
  bool has_frags = false;  ///< xdp.frags: takes frames longer than one buffer
  std::vector<Insn> insns;
  std::vector<Subprogram> subprograms;
  std::vector<SourceLine> lines;  ///< sorted by insn; empty without BTF.ext

  /// The line of a slot, or nullptr.
  const SourceLine* line_of(std::uint32_t insn) const;
  /// The subprogram that holds a slot. REQUIRES: insn < insns.size().
  const Subprogram& subprogram_of(std::uint32_t insn) const;
};

struct Object {
  std::string path;
  std::string license;
  std::vector<Program> programs;
  std::vector<MapSpec> maps;
  std::vector<std::byte> btf;  ///< raw .BTF, empty if none
  std::shared_ptr<const Btf> kernel_types;  ///< the kernel's, if the object needed them; ids of kfuncs are its
};

/// Picks one program. \param name  empty: the only XDP program, or the only one.
/// \errors kUsage if there is no such program, or several and no name (the message lists them).
Result<std::size_t> select_program(const Object& object, std::string_view name);

}  // namespace kiln
