// SPDX-License-Identifier: Apache-2.0
//
// BTF as clang leaves it has data sections without sizes and offsets: the linker is to fill them
// in. The kernel refuses that, so they are filled in here, in the order of the variables. The texts
// of source lines are added to its strings, because Program has them as text.
#include "btf.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>

#include <algorithm>
#include <memory>

namespace kiln::kernel {
namespace {

constexpr __u32 kAlignment = 8;
constexpr unsigned kColumnBits = 10;  // struct bpf_line_info: line << 10 | column

struct FreeBtf {
  void operator()(btf* types) const { btf__free(types); }
};
using Btf = std::unique_ptr<btf, FreeBtf>;

__u32 btf_type_info(__u32 kind, __u32 vlen, __u32 flag) { return flag << 31 | kind << 24 | vlen; }

void fill_in_section(btf_type* section) {
  btf_var_secinfo* variables = btf_var_secinfos(section);
  __u32 at = 0;
  for (__u16 i = 0; i < btf_vlen(section); ++i) {
    variables[i].offset = at;
    at += (variables[i].size + kAlignment - 1) / kAlignment * kAlignment;
  }
  section->size = at;
}

btf_type* editable(btf* types, __u32 id) {
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-const-cast): our copy
  return const_cast<btf_type*>(btf__type_by_id(types, id));
}

/// The kernel takes no extern functions and variables: they become global ones, the section's entries a
/// variable that is not used, as libbpf does it.
void settle_ksyms(btf* types, __u32 section) {
  const int number = btf__add_int(types, "int", sizeof(int), BTF_INT_SIGNED);
  const int unused = btf__add_var(types, "dummy_ksym", BTF_VAR_GLOBAL_ALLOCATED, number);
  if (number < 0 || unused < 0) {
    return;
  }
  const __u32 name = btf__type_by_id(types, static_cast<__u32>(unused))->name_off;
  for (__u16 i = 0; i < btf_vlen(editable(types, section)); ++i) {
    btf_var_secinfo& entry = btf_var_secinfos(editable(types, section))[i];
    btf_type* type = editable(types, entry.type);
    if (btf_is_func(type)) {
      btf_type* proto = editable(types, type->type);
      for (__u16 k = 0; k < btf_vlen(proto); ++k) {
        btf_param& parameter = btf_params(proto)[k];
        parameter.name_off = parameter.type != 0 && parameter.name_off == 0 ? name : parameter.name_off;
      }
      type->info = btf_type_info(BTF_KIND_FUNC, BTF_FUNC_GLOBAL, 0);
      entry.type = static_cast<__u32>(unused);
    } else if (btf_is_var(type)) {
      btf_var(type)->linkage = BTF_VAR_GLOBAL_ALLOCATED;
      type->type = static_cast<__u32>(number);
    }
    entry.size = sizeof(int);
  }
}

/// Extern variables that are not the kernel's (.kconfig) become global ones of their own type.
void settle_externs(btf* types, __u32 section) {
  for (__u16 i = 0; i < btf_vlen(editable(types, section)); ++i) {
    btf_type* type = editable(types, btf_var_secinfos(editable(types, section))[i].type);
    if (btf_is_var(type) && btf_var(type)->linkage == BTF_VAR_GLOBAL_EXTERN) {
      btf_var(type)->linkage = BTF_VAR_GLOBAL_ALLOCATED;
    }
  }
}

Btf parse(std::span<const std::byte> raw) {
  Btf types(raw.empty() ? nullptr : btf__new(raw.data(), static_cast<__u32>(raw.size())));
  const __u32 count = types == nullptr ? 0 : btf__type_cnt(types.get());
  for (__u32 id = 1; id < count; ++id) {
    const btf_type* type = btf__type_by_id(types.get(), id);
    if (!btf_is_datasec(type)) {
      continue;
    }
    const bool ksyms = std::string_view(btf__name_by_offset(types.get(), type->name_off)) == ".ksyms";
    if (ksyms) {
      settle_ksyms(types.get(), id);
    }
    settle_externs(types.get(), id);
    if (ksyms || type->size == 0) {
      fill_in_section(editable(types.get(), id));
    }
  }
  return types;
}

/// One type per function, or none at all.
std::vector<bpf_func_info> function_types(const Program& program) {
  std::vector<bpf_func_info> result;
  for (const Subprogram& function : program.subprograms) {
    if (function.btf_func == 0) {
      return {};
    }
    result.push_back({.insn_off = function.start, .type_id = function.btf_func});
  }
  return result;
}

/// The kernel wants ascending slots and one line at the start of every function.
bool lines_fit(const Program& program) {
  const auto is_at = [&](const Subprogram& function) {
    const SourceLine* line = program.line_of(function.start);
    return line != nullptr && line->insn == function.start;
  };
  const auto not_ascending = [](const SourceLine& a, const SourceLine& b) {
    return a.insn >= b.insn;
  };
  return std::all_of(program.subprograms.begin(), program.subprograms.end(), is_at) &&
         std::adjacent_find(program.lines.begin(), program.lines.end(), not_ascending) ==
             program.lines.end();
}

std::vector<bpf_line_info> source_lines(const Program& program, btf* types) {
  std::vector<bpf_line_info> result;
  if (!lines_fit(program)) {
    return result;
  }
  for (const SourceLine& line : program.lines) {
    const int file = btf__add_str(types, line.file.c_str());
    const int text = btf__add_str(types, line.text.c_str());
    if (file < 0 || text < 0) {
      return {};
    }
    result.push_back(
        {.insn_off = line.insn,
         .file_name_off = static_cast<__u32>(file),
         .line_off = static_cast<__u32>(text),
         .line_col = line.line << kColumnBits | std::min(line.column, (1u << kColumnBits) - 1)});
  }
  return result;
}

}  // namespace

Types load_types(const Object& object, const Program& program) {
  Types result;
  const Btf types = parse(object.btf);
  result.functions = function_types(program);
  if (types == nullptr) {
    return {};
  }
  if (!result.functions.empty()) {  // the kernel takes lines only together with functions
    result.lines = source_lines(program, types.get());
  }
  __u32 bytes = 0;
  const void* data = btf__raw_data(types.get(), &bytes);
  result.btf = data != nullptr ? Fd(bpf_btf_load(data, bytes, nullptr)) : Fd();
  return result.btf ? std::move(result) : Types{};
}

}  // namespace kiln::kernel
