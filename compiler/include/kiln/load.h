// SPDX-License-Identifier: Apache-2.0
//
// From ELF to Object: sections, symbols, relocations, maps, BTF, CO-RE. Runs nothing, trusts nothing.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <kiln/program.h>

namespace kiln {

struct LoadOptions {
  /// BTF that CO-RE relocates against, and that names kernel functions; empty: /sys/kernel/btf/vmlinux if needed,
  /// with_kernel_functions() where it lacks one
  std::string btf_path{};
  /// What the program's own loader would set before it loads the object, as NAME=VALUE: sizes of maps, and values of
  /// global variables that are numbers.
  std::vector<std::string> max_entries{};
  std::vector<std::string> globals{};
};

/// The types of a kernel, from a file of raw BTF or an ELF file with it; empty: those of the running kernel,
/// which are read once.
Result<std::shared_ptr<const Btf>> kernel_btf(const std::string& path = "");
/// Those types, ids unchanged, and behind them the functions of Linux 6.18 (kernel_functions.def) that are not among
/// them: older kernels lack them, and our engines do not. The very same types if they lack none.
/// \param types  nullptr: no kernel's.
std::shared_ptr<const Btf> with_kernel_functions(std::shared_ptr<const Btf> types);

/// \errors kInput, one sentence: not an ELF, not BPF, truncated, a section or relocation that makes
///         no sense, an unknown map type, CO-RE without BTF; kUsage: what is to be set is not there. Hostile bytes never crash it.
Result<Object> load_object(std::span<const std::byte> elf, const std::string& path, const LoadOptions& options);
/// Reads the file first ("-": standard input).
Result<Object> load_object_file(const std::string& path, const LoadOptions& options);

}  // namespace kiln
