// SPDX-License-Identifier: Apache-2.0
//
// load_object(): the steps from bytes to Object, in order.
#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include <kiln/load.h>

#include "elf/steps.h"

namespace kiln {
namespace {

void read_license(elf::LoadState& state) {
  const elf::Section* section = state.elf.find("license");
  if (section == nullptr) {
    return;
  }
  for (const std::byte b : section->data) {
    if (b == std::byte{0}) {
      break;
    }
    state.object.license.push_back(static_cast<char>(b));
  }
}

Result<std::vector<std::byte>> read_all(std::FILE* file, const std::string& path) {
  std::vector<std::byte> bytes;
  std::size_t got = 0;
  do {
    constexpr std::size_t kChunk = 1 << 16;
    const std::size_t before = bytes.size();
    bytes.resize(before + kChunk);
    got = std::fread(bytes.data() + before, 1, kChunk, file);
    bytes.resize(before + got);
  } while (got != 0);
  if (std::ferror(file) != 0) {
    return Error{Errc::kInput, fmt::format("{}: cannot read: {}", path, std::strerror(errno))};
  }
  return bytes;
}

}  // namespace

Result<Object> load_object(std::span<const std::byte> bytes, const std::string& path,
                           const LoadOptions& options) {
  const auto file = elf::ElfFile::parse(bytes, path);
  if (!file) {
    return file.error();
  }
  KILN_TRY(file->require_bpf());
  elf::LoadState state{.elf = *file,
                       .options = options,
                       .object = {},
                       .btf = {},
                       .btf_ext = {},
                       .places = {},
                       .kconfig_map = {},
                       .externs = {},
                       .code = {}};
  state.object.path = path;
  read_license(state);
  KILN_TRY(elf::read_btf(state));
  KILN_TRY(elf::collect_maps(state));
  KILN_TRY(elf::apply_settings(state));
  KILN_TRY(elf::collect_code(state));
  KILN_TRY(elf::relocate_core(state));
  KILN_TRY(elf::relocate_code(state));
  KILN_TRY(elf::link_programs(state));
  KILN_TRY(elf::find_hooks(state));
  KILN_TRY(elf::fill_map_slots(state));
  return std::move(state.object);
}

Result<Object> load_object_file(const std::string& path, const LoadOptions& options) {
  const bool standard_input = path == "-";
  std::FILE* file = standard_input ? stdin : std::fopen(path.c_str(), "rb");
  if (file == nullptr) {
    return Error{Errc::kInput, fmt::format("{}: cannot open: {}", path, std::strerror(errno))};
  }
  const auto bytes = read_all(file, path);
  if (!standard_input) {
    std::fclose(file);
  }
  if (!bytes) {
    return bytes.error();
  }
  return load_object(*bytes, path, options);
}

}  // namespace kiln
