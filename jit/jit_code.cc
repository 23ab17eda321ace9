// SPDX-License-Identifier: Apache-2.0
#include "jit_code.h"

#include <sys/mman.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include <fmt/format.h>

namespace kiln {
namespace {

constexpr std::size_t kPage = 4096;
constexpr std::uintptr_t kNear = 512u << 20;  // well inside the 2 GiB that a direct call reaches

}  // namespace

Result<CodePages> CodePages::map(std::size_t bytes) {
  CodePages pages;
  pages.bytes_ = (bytes + kPage - 1) / kPage * kPage + 2 * kPage;
  const std::uintptr_t here = reinterpret_cast<std::uintptr_t>(&helper_function) / kPage * kPage;
  void* hint = reinterpret_cast<void*>(here > kNear ? here - kNear : here + kNear);  // NOLINT(performance-no-int-to-ptr)
  void* at = ::mmap(hint, pages.bytes_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED || ::mprotect(static_cast<std::byte*>(at) + kPage, pages.bytes_ - 2 * kPage, PROT_READ | PROT_WRITE) != 0) {
    return Error{Errc::kUnavailable, fmt::format("no memory for {} bytes of machine code: {}", bytes, std::strerror(errno))};
  }
  pages.data_ = static_cast<std::byte*>(at) + kPage;
  return pages;
}

CodePages::CodePages(CodePages&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}

CodePages& CodePages::operator=(CodePages&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

CodePages::~CodePages() {
  if (data_ != nullptr) {
    ::munmap(data_ - kPage, bytes_);
  }
}

Result<void> CodePages::seal() {
  if (::mprotect(data_, bytes_ - 2 * kPage, PROT_READ | PROT_EXEC) != 0) {
    return Error{Errc::kUnavailable, fmt::format("the system forbids executable memory: {}", std::strerror(errno))};
  }
  return {};
}

}  // namespace kiln
