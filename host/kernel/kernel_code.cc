// SPDX-License-Identifier: Apache-2.0
//
// The machine code that Linux's JIT compiler made of a program, for running it outside of the kernel.
//
// BPF_OBJ_GET_INFO_BY_FD gives the code and the translated instructions it was made from: look-ups in arrays are inline there, and what is still a
// call goes into the kernel. Such programs stay there; so do those that reach for other memory of a processor than values of arrays.
#include <bpf/bpf.h>
#include <linux/bpf.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <span>

#include <fmt/format.h>

#include <kiln/btf.h>
#include <kiln/kernel_addresses.h>
#include <kiln/kernel_engine.h>
#include <kiln/load.h>

#include "kernel_maps.h"
#include "kernel_program.h"

namespace kiln {
namespace {

/// What bpf(2) tells of a loaded program. The kernel fills `insns`, `code`, `addresses` and `lengths`.
struct ProgramInfo {
  std::vector<bpf_insn> insns;
  std::vector<std::byte> code;  ///< of all functions, one after another
  std::vector<__u64> addresses;
  std::vector<__u32> lengths;
};

Result<bpf_prog_info> ask(int program, bpf_prog_info info) {
  __u32 bytes = sizeof info;
  if (bpf_obj_get_info_by_fd(program, &info, &bytes) != 0) {
    return Error{Errc::kUnavailable, fmt::format("the kernel does not tell of its programs: {}", kernel::errno_text(errno))};
  }
  return info;
}

Result<ProgramInfo> info_of(int program) {
  auto sizes = ask(program, {});
  if (!sizes) {
    return sizes.error();
  }
  ProgramInfo info;
  info.insns.resize(sizes->xlated_prog_len / sizeof(bpf_insn));
  info.code.resize(sizes->jited_prog_len);
  info.addresses.resize(sizes->nr_jited_ksyms);
  info.lengths.resize(sizes->nr_jited_func_lens);
  bpf_prog_info where{};
  where.xlated_prog_len = sizes->xlated_prog_len;
  where.xlated_prog_insns = reinterpret_cast<__u64>(info.insns.data());
  where.jited_prog_len = sizes->jited_prog_len;
  where.jited_prog_insns = reinterpret_cast<__u64>(info.code.data());
  where.nr_jited_ksyms = sizes->nr_jited_ksyms;
  where.jited_ksyms = reinterpret_cast<__u64>(info.addresses.data());
  where.nr_jited_func_lens = sizes->nr_jited_func_lens;
  where.jited_func_lens = reinterpret_cast<__u64>(info.lengths.data());
  auto told = ask(program, where);
  if (!told) {
    return told.error();
  }
  // The kernel clears the pointers of what it keeps to itself.
  if (told->jited_prog_len == 0 || told->jited_prog_insns == 0 || told->jited_ksyms == 0 || told->xlated_prog_insns == 0 || info.addresses.empty() ||
      info.addresses.front() == 0) {
    return Error{Errc::kUnavailable, "the kernel does not show its machine code: there is none, or kernel.kptr_restrict or net.core.bpf_jit_harden hides it"};
  }
  return info;
}

/// Functions jump to one of these instead of returning, where the processor needs it. \errors kUnavailable: addresses are hidden.
Result<std::vector<std::uint64_t>> return_thunks() {
  std::vector<std::uint64_t> found;
  for_each_kernel_symbol([&](std::string_view name, std::uint64_t address) {
    if (name.ends_with("return_thunk")) {
      found.push_back(address);
    }
  });
  if (std::find(found.begin(), found.end(), 0) != found.end()) {
    return Error{Errc::kUnavailable, "the kernel hides its addresses (kernel.kptr_restrict)"};
  }
  return found;
}

/// Bytes from struct bpf_array to its values: the union at its end.
Result<std::uint32_t> array_values_offset() {
  auto types = kernel_btf();
  if (!types) {
    return types.error();
  }
  const Btf& btf = **types;
  if (const auto array = btf.find(BtfKind::kStruct, "bpf_array"); array && btf.vlen(*array) != 0) {
    const Btf::Member last = btf.member(*array, btf.vlen(*array) - 1);
    if (last.name.empty()) {
      return last.bit_offset / 8;
    }
  }
  return Error{Errc::kUnavailable, "the running kernel's struct bpf_array is not the one that is known"};
}

std::optional<std::size_t> map_by_id(std::span<const int> maps, std::uint32_t id) {
  for (std::size_t i = 0; i < maps.size(); ++i) {
    bpf_map_info info{};
    __u32 bytes = sizeof info;
    if (bpf_obj_get_info_by_fd(maps[i], &info, &bytes) == 0 && info.id == id) {
      return i;
    }
  }
  return std::nullopt;
}

/// Adds where this processor's copy is (BPF_ADDR_PERCPU).
bool adds_own_offset(const bpf_insn& insn) { return insn.code == (BPF_ALU64 | BPF_MOV | BPF_X) && insn.off == -1; }

/// ... to what the list of a per-CPU array has.
bool is_own_value(std::span<const bpf_insn> insns, std::size_t i) {
  return i != 0 && insns[i - 1].code == (BPF_LDX | BPF_MEM | BPF_DW) && insns[i - 1].dst_reg == insns[i].src_reg;
}

bool calls_the_kernel(const bpf_insn& insn) { return insn.code == (BPF_JMP | BPF_CALL) && insn.src_reg != BPF_PSEUDO_CALL; }

bool is_plain_or_per_cpu_array(MapType type) { return type == MapType::kArray || type == MapType::kPercpuArray; }

/// What the code has of the kernel's. \errors kUnsupported: too much.
Result<void> find_references(const Object& object, std::span<const int> maps, std::span<const bpf_insn> insns, KernelCode& code) {
  for (std::size_t i = 0; i < insns.size(); ++i) {
    const bpf_insn& insn = insns[i];
    if (calls_the_kernel(insn) || (adds_own_offset(insn) && !is_own_value(insns, i))) {
      return Error{Errc::kUnsupported, fmt::format("the kernel's code calls functions of the kernel, or reads memory of its own (translated instruction {})", i)};
    }
    code.own_offsets += adds_own_offset(insn) ? 1 : 0;
    if (insn.code != (BPF_LD | BPF_IMM | BPF_DW)) {
      continue;
    }
    const bool is_map = insn.src_reg == BPF_PSEUDO_MAP_FD, is_value = insn.src_reg == BPF_PSEUDO_MAP_VALUE;
    if (is_map || is_value) {
      const auto map = map_by_id(maps, static_cast<std::uint32_t>(insn.imm));
      if (!map || !is_plain_or_per_cpu_array(object.maps[*map].type)) {
        return Error{Errc::kUnsupported, "the kernel's code refers to a map that is not an array"};
      }
      auto before = array_values_offset();
      if (!before) {
        return before.error();
      }
      code.constants.push_back({.map = *map, .from_values = is_value ? insns[i + 1].imm : -static_cast<std::int64_t>(*before)});
    } else if (insn.src_reg != 0) {
      return Error{Errc::kUnsupported, "the kernel's code refers to a function by address"};
    }
    ++i;
  }
  return {};
}

}  // namespace

Result<KernelCode> kernel_code(const Object& object, const Program& program) {
  KILN_TRY(kernel::check_available());
  const kernel::Types types = kernel::load_types(object, program);
  auto maps = kernel::KernelMaps::create(object.maps, types.btf.get());
  if (!maps) {
    return maps.error();
  }
  KILN_TRY(maps->fill_readonly());
  const kernel::Loaded loaded = kernel::load_program(object, program, maps->fds(), types, 0);
  if (!loaded.fd) {
    return Error{Errc::kRejected, fmt::format("the kernel refuses program '{}': {}", program.name, kernel::reason(loaded))};
  }
  auto info = info_of(loaded.fd.get());
  if (!info) {
    return info.error();
  }
  KernelCode code;
  KILN_TRY(find_references(object, maps->fds(), info->insns, code));
  auto thunks = return_thunks();
  if (!thunks) {
    return thunks.error();
  }
  code.return_thunks = std::move(*thunks);
  auto next = info->code.begin();
  for (std::size_t i = 0; i < info->addresses.size(); ++i) {
    const auto length = i < info->lengths.size() ? static_cast<std::ptrdiff_t>(info->lengths[i]) : info->code.end() - next;
    if (length > info->code.end() - next) {
      return Error{Errc::kUnavailable, "the kernel's account of its machine code does not add up"};
    }
    code.functions.push_back({.address = info->addresses[i], .bytes = {next, next + length}});
    next += length;
  }
  return code;
}

}  // namespace kiln
