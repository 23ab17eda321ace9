// SPDX-License-Identifier: Apache-2.0
//
// The BTF of a kernel: what CO-RE relocates against, and where kernel functions and variables are found.
#include <cerrno>
#include <cstdio>
#include <cstring>

#include <kiln/btf.h>
#include <kiln/load.h>

#include "elf/elf_file.h"

namespace kiln {
namespace {

constexpr const char* kKernelBtf = "/sys/kernel/btf/vmlinux";

Result<std::vector<std::byte>> read_file(const std::string& path) {
  std::FILE* file = std::fopen(path.c_str(), "rb");
  std::vector<std::byte> bytes;
  std::size_t got = file == nullptr ? 0 : 1;
  while (got != 0) {
    constexpr std::size_t kChunk = 1 << 20;
    const std::size_t before = bytes.size();
    bytes.resize(before + kChunk);
    got = std::fread(bytes.data() + before, 1, kChunk, file);
    bytes.resize(before + got);
  }
  const bool failed = file == nullptr || std::ferror(file) != 0;
  const int reason = errno;
  if (file != nullptr) {
    std::fclose(file);
  }
  if (failed) {
    return Error{Errc::kInput, fmt::format("{}: {}", path, std::strerror(reason))};
  }
  return bytes;
}

Result<std::shared_ptr<const Btf>> read(const std::string& path) {
  auto bytes = read_file(path);
  if (!bytes) {
    return bytes.error();
  }
  constexpr std::string_view kMagic = "\x7f" "ELF";
  const bool is_elf = bytes->size() > kMagic.size() && std::memcmp(bytes->data(), kMagic.data(), kMagic.size()) == 0;
  if (is_elf) {
    const auto file = elf::ElfFile::parse(*bytes, path);
    if (!file) {
      return file.error();
    }
    const elf::Section* section = file->find(".BTF");
    if (section == nullptr) {
      return file->error("it has no BTF");
    }
    *bytes = std::vector<std::byte>(section->data.begin(), section->data.end());
  }
  auto btf = Btf::parse(std::move(*bytes));
  if (!btf) {
    return Error{Errc::kInput, path + ": " + btf.error().message};
  }
  return std::shared_ptr<const Btf>(std::make_shared<Btf>(std::move(*btf)));
}

}  // namespace

Result<std::shared_ptr<const Btf>> kernel_btf(const std::string& path) {
  if (!path.empty()) {
    return read(path);
  }
  static const Result<std::shared_ptr<const Btf>> running = read(kKernelBtf);  // it can't change
  return running;
}

}  // namespace kiln
