// SPDX-License-Identifier: Apache-2.0
//
// Kernel functions about strings, which end with a zero byte or with the memory: bpf_strcmp() and its like.
//
// Any address may be asked about. -ERANGE: there is no memory; -EFAULT: it ends before the string does; -E2BIG: the
// string has 65,536 bytes or more. Characters are unsigned. Source: kernel/bpf/helpers.c (bpf_strnchr), Linux 6.18.
#include <cerrno>

#include "kfuncs.h"

namespace kiln {
namespace {

constexpr std::uint64_t kLongest = 65536;  // XATTR_SIZE_MAX
constexpr int kNoMemory = -1;

/// A string in program memory, read byte by byte.
class Text {
 public:
  Text(MachineState* machine, std::uint64_t address) : memory_(&runtime(machine).memory), address_(address) {}

  /// The byte, or kNoMemory.
  int at(std::uint64_t index) const {
    const std::byte* byte = memory_->checked(address_ + index, 1, Access::kRead);
    return byte == nullptr ? kNoMemory : std::to_integer<int>(*byte);
  }
  bool exists() const { return at(0) != kNoMemory; }

 private:
  AddressSpace* memory_;
  std::uint64_t address_;
};

int lower(int c) { return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : (c >= 0xc0 && c <= 0xde && c != 0xd7) ? c + 0x20 : c; }

std::int64_t compare(const Text& a, const Text& b, bool ignores_case) {
  if (!a.exists() || !b.exists()) {
    return -ERANGE;
  }
  for (std::uint64_t i = 0; i < kLongest; ++i) {
    int x = a.at(i), y = b.at(i);
    if (x == kNoMemory || y == kNoMemory) {
      return -EFAULT;
    }
    if (ignores_case) {
      x = lower(x);
      y = lower(y);
    }
    if (x != y) {
      return x < y ? -1 : 1;
    }
    if (x == 0) {
      return 0;
    }
  }
  return -E2BIG;
}

/// Calls stop(c, i) for the bytes up to `count`; the first index that it returns is the result.
/// \return `at_end` if there are `count` bytes.
template <typename Stop>
std::int64_t scan(const Text& text, std::uint64_t count, std::int64_t at_end, Stop&& stop) {
  if (!text.exists()) {
    return -ERANGE;
  }
  for (std::uint64_t i = 0; i < std::min(count, kLongest); ++i) {
    const int c = text.at(i);
    if (c == kNoMemory) {
      return -EFAULT;
    }
    if (const std::optional<std::int64_t> result = stop(c, static_cast<std::int64_t>(i))) {
      return *result;
    }
  }
  return count >= kLongest ? -E2BIG : at_end;
}

using Found = std::optional<std::int64_t>;

std::int64_t find(const Text& text, std::uint64_t count, int wanted) {
  return scan(text, count, -ENOENT, [wanted](int c, std::int64_t i) {
    return c == wanted ? Found(i) : c == 0 ? Found(-ENOENT) : Found();
  });
}

std::int64_t length(const Text& text, std::uint64_t count) {
  return scan(text, count, static_cast<std::int64_t>(count), [](int c, std::int64_t i) { return c == 0 ? Found(i) : Found(); });
}

/// How many bytes at the start are in the set, or (`wanted` false) are not.
std::int64_t span(const Text& text, const Text& set, bool wanted) {
  if (!text.exists() || !set.exists()) {
    return -ERANGE;
  }
  return scan(text, kLongest, 0, [&](int c, std::int64_t i) -> Found {
    if (c == 0) {
      return i;
    }
    const std::int64_t at = scan(set, kLongest, 0, [c](int s, std::int64_t k) { return s == c || s == 0 ? Found(k) : Found(); });
    if (at < 0) {
      return at;
    }
    return (set.at(static_cast<std::uint64_t>(at)) == c) == wanted ? Found() : Found(i);
  });
}

/// Where `needle` begins in the first `count` bytes of `text`.
std::int64_t find_text(const Text& text, const Text& needle, std::uint64_t count) {
  if (!text.exists() || !needle.exists()) {
    return -ERANGE;
  }
  for (std::uint64_t i = 0; i < kLongest; ++i) {
    std::uint64_t k = 0;
    for (; i + k <= count && k < kLongest; ++k) {
      const int wanted = needle.at(k);
      if (wanted == kNoMemory) {
        return -EFAULT;
      }
      if (wanted == 0) {
        return static_cast<std::int64_t>(i);
      }
      if (i + k == count) {  // only the end of the needle was still allowed here
        break;
      }
      const int c = text.at(i + k);
      if (c == kNoMemory) {
        return -EFAULT;
      }
      if (c == 0) {
        return -ENOENT;
      }
      if (c != wanted) {
        break;
      }
    }
    if (k == kLongest) {
      return -E2BIG;
    }
    if (i + k == count) {
      return -ENOENT;
    }
  }
  return -E2BIG;
}

int character(std::uint64_t r) { return static_cast<std::uint8_t>(r); }

}  // namespace

KILN_DEFINE_KFUNC(bpf_strcmp) { return as_int(compare({machine, r1}, {machine, r2}, false)); }
KILN_DEFINE_KFUNC(bpf_strcasecmp) { return as_int(compare({machine, r1}, {machine, r2}, true)); }
KILN_DEFINE_KFUNC(bpf_strnchr) { return as_int(find({machine, r1}, r2, character(r3))); }
KILN_DEFINE_KFUNC(bpf_strchr) { return as_int(find({machine, r1}, kLongest, character(r2))); }
KILN_DEFINE_KFUNC(bpf_strlen) { return as_int(length({machine, r1}, kLongest)); }
KILN_DEFINE_KFUNC(bpf_strnlen) { return as_int(length({machine, r1}, r2)); }
KILN_DEFINE_KFUNC(bpf_strspn) { return as_int(span({machine, r1}, {machine, r2}, true)); }
KILN_DEFINE_KFUNC(bpf_strcspn) { return as_int(span({machine, r1}, {machine, r2}, false)); }
KILN_DEFINE_KFUNC(bpf_strstr) { return as_int(find_text({machine, r1}, {machine, r2}, kLongest)); }
KILN_DEFINE_KFUNC(bpf_strnstr) { return as_int(find_text({machine, r1}, {machine, r2}, r3)); }

KILN_DEFINE_KFUNC(bpf_strchrnul) {
  const int wanted = character(r2);
  return as_int(scan({machine, r1}, kLongest, 0, [wanted](int c, std::int64_t i) {
    return c == wanted || c == 0 ? Found(i) : Found();
  }));
}

KILN_DEFINE_KFUNC(bpf_strrchr) {
  const auto wanted = static_cast<std::int32_t>(r2);  // an int: what is no byte is never found
  std::int64_t last = -ENOENT;
  return as_int(scan({machine, r1}, kLongest, 0, [&](int c, std::int64_t i) {
    last = c == wanted ? i : last;
    return c == 0 ? Found(last) : Found();
  }));
}

}  // namespace kiln
