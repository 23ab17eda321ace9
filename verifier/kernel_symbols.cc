// SPDX-License-Identifier: Apache-2.0
//
// Addresses of the kernel's variables and functions, which instructions name by their BTF ("__ksym").
//
// Rules: the symbol has an address in the running kernel; a function's is only compared with NULL, a variable is read
// as its type says, a per-CPU one by its helpers.
#include <functional>
#include <set>
#include <string>

#include <kiln/kernel_addresses.h>

#include "checker.h"
#include "kernel_names.h"

namespace kiln::verifier {
namespace {

/// Kernels may be built without the names of their variables. Where they can't be read, what BTF says counts.
bool has_address(std::string_view name) {
  static const std::set<std::string, std::less<>> kNames = [] {  // once, not at each visit of each path
    std::set<std::string, std::less<>> names;
    for_each_kernel_symbol([&](std::string_view symbol, std::uint64_t) { names.emplace(symbol); });
    return names;
  }();
  return kNames.empty() || kNames.contains(name);
}

bool is_per_cpu(const Btf& kernel, u32 variable) {
  const auto section = kernel.find(BtfKind::kDatasec, ".data..percpu");
  for (u32 i = 0; section && i < kernel.vlen(*section); ++i) {
    if (kernel.variable(*section, i).type == variable) {
      return true;
    }
  }
  return false;
}

}  // namespace

bool Checker::load_kernel_symbol() {
  const u32 id = static_cast<u32>(insn().imm);
  const Btf* kernel = kernel_types();
  if (kernel == nullptr || id == 0 || id >= kernel->count()) {
    return reject("ldimm64 insn specifies invalid btf_id {}.", insn().imm);
  }
  const bool is_function = kernel->kind(id) == BtfKind::kFunc;
  if (!is_function && kernel->kind(id) != BtfKind::kVar) {
    return reject("pseudo btf_id {} in ldimm64 isn't KIND_VAR or KIND_FUNC", insn().imm);
  }
  if (!has_address(kernel->name(id))) {
    return reject("ldimm64 failed to find the address for kernel symbol '{}'.", kernel->name(id));
  }
  Reg reg = Reg::pointer(RegType::kMem);
  reg.set(kReadOnly);
  const u32 type = is_function ? 0 : kernel->strip(kernel->target(id)).value_or(0);
  const bool per_cpu = !is_function && is_per_cpu(*kernel, id);
  if (type != 0 && (per_cpu || kernel->is_composite(type))) {
    reg = Reg::pointer(RegType::kBtf);
    reg.extra = static_cast<s32>(type);
    reg.set(per_cpu ? kPerCpu : 0u);
  } else if (!is_function) {
    const auto size = type == 0 ? std::nullopt : kernel->size_of(type);
    if (!size) {
      return reject("ldimm64 unable to resolve the size of type '{}'", type == 0 ? "" : kernel->name(type));
    }
    reg.extra = static_cast<s32>(*size);
  }
  set_reg(insn().dst, reg);
  return true;
}

}  // namespace kiln::verifier
