// SPDX-License-Identifier: Apache-2.0
//
// Whether a map can be: what BPF_MAP_CREATE checks, type by type. Source: the *_alloc_check() and *_alloc()
// of kernel/bpf and net, Linux 6.18. Types that mean nothing outside a kernel are refused by name.
#include <fmt/format.h>

#include <bit>

#include <kiln/map_ops.h>

#include "layout.h"

namespace kiln::detail {
namespace {

constexpr std::uint32_t kUserAccess = kReadOnlyForUser | kWriteOnlyForUser;
constexpr std::uint32_t kProgramAccess = kReadOnlyForProgram | kWriteOnlyForProgram;
constexpr std::uint32_t kAccess = kUserAccess | kProgramAccess;
constexpr std::uint32_t kPage = 4096;
constexpr std::uint64_t kMaxAllocation = 4u << 20;     // KMALLOC_MAX_SIZE
constexpr std::uint32_t kMaxPerCpuBytes = 32 << 10;    // PCPU_MIN_UNIT_SIZE
constexpr std::uint32_t kMaxStackBytes = 512;          // MAX_BPF_STACK
constexpr std::uint32_t kHashElementBytes = 48;        // sizeof(struct htab_elem)
constexpr std::uint32_t kMaxStorageBytes = 0xffff - 64;  // BPF_LOCAL_STORAGE_MAX_VALUE_SIZE, about
constexpr std::uint32_t kMaxTraceDepth = 127;          // sysctl kernel.perf_event_max_stack
constexpr std::uint32_t kMaxProcessors = 8192;         // NR_CPUS of distributions

/// One description under examination: says why not, naming map and type.
class Check {
 public:
  explicit Check(const MapSpec& spec) : spec_(spec) {}

  template <typename... Args>
  Error error(fmt::format_string<Args...> format, Args&&... args) const {
    return Error{Errc::kInput, fmt::format("map '{}' ({}): {}", spec_.name, map_type_name(spec_.type),
                                           fmt::format(format, std::forward<Args>(args)...))};
  }
  Result<void> flags(std::uint32_t allowed) const {
    const std::uint32_t wrong = spec_.flags & ~allowed;
    if (wrong != 0) {
      return error("flags {:#x} are not for this type", wrong);
    }
    for (const std::uint32_t both : {kUserAccess, kProgramAccess}) {
      if ((spec_.flags & both) == both) {
        return error("flags {:#x} exclude each other", both);
      }
    }
    return {};
  }
  Result<void> key(std::uint32_t bytes) const {
    return spec_.key_size == bytes ? Result<void>() : error("the key size is {}, not {}", spec_.key_size, bytes);
  }
  Result<void> value(std::uint32_t bytes, std::uint32_t or_bytes) const {
    if (spec_.value_size == bytes || spec_.value_size == or_bytes) {
      return {};
    }
    return bytes == or_bytes ? error("the value size is {}, not {}", spec_.value_size, bytes)
                             : error("the value size is {}, neither {} nor {}", spec_.value_size, bytes, or_bytes);
  }
  Result<void> some_entries() const { return spec_.max_entries != 0 ? Result<void>() : error("max_entries is 0; if its loader sets it, so does --max-entries {}=N", spec_.name); }
  Result<void> no_entries() const {
    return spec_.max_entries == 0 ? Result<void>() : error("max_entries is {}, but must be 0", spec_.max_entries);
  }
  Result<void> some_value(std::uint64_t most) const {
    if (spec_.value_size == 0) {
      return error("the value size is 0");
    }
    return spec_.value_size <= most ? Result<void>() : error("the value size {} is above {}", spec_.value_size, most);
  }

 private:
  const MapSpec& spec_;
};

Result<void> check_array(const MapSpec& spec, const Check& check) {
  const bool per_cpu = spec.type == MapType::kPercpuArray;
  KILN_TRY(check.key(4));
  KILN_TRY(check.flags(per_cpu ? kAccess : kNumaNode | kMmapable | kAccess | kInnerMap));
  KILN_TRY(check.some_entries());
  return check.some_value(per_cpu ? kMaxPerCpuBytes : 0x7fff'ffff);
}

Result<void> check_slots(const MapSpec& spec, const Check& check) {
  const MapType type = spec.type;
  const bool two_sizes = type == MapType::kDevmap || type == MapType::kCpumap || type == MapType::kSockmap ||
                         type == MapType::kReuseportSockarray;
  std::uint32_t flags = kNumaNode | kUserAccess;
  if (type == MapType::kPerfEventArray) {
    flags |= kPreserveElements;
  } else if (type == MapType::kReuseportSockarray) {
    flags |= kProgramAccess;
  } else if (type == MapType::kCpumap) {
    flags = kNumaNode;
  }
  KILN_TRY(check.key(4));
  KILN_TRY(check.value(4, two_sizes ? 8 : 4));
  KILN_TRY(check.flags(flags));
  if (type == MapType::kCpumap && spec.max_entries > kMaxProcessors) {
    return check.error("max_entries is above {}", kMaxProcessors);
  }
  return check.some_entries();
}

Result<void> check_hash(const MapSpec& spec, const Check& check) {
  KILN_TRY(check.flags(kNoPrealloc | kNoCommonLru | kNumaNode | kAccess | kZeroSeed));
  if (is_lru(spec.type) && (spec.flags & kNoPrealloc) != 0) {
    return check.error("an LRU hash can't have BPF_F_NO_PREALLOC");
  }
  if (!is_lru(spec.type) && (spec.flags & kNoCommonLru) != 0) {
    return check.error("BPF_F_NO_COMMON_LRU is for LRU hashes");
  }
  const bool by_cpu = is_per_cpu(spec.type) || (spec.flags & kNoCommonLru) != 0;
  if (by_cpu && (spec.flags & kNumaNode) != 0) {
    return check.error("a map with something for each processor has no NUMA node");
  }
  KILN_TRY(check.some_entries());
  if (spec.key_size == 0) {
    return check.error("the key size is 0");
  }
  KILN_TRY(check.some_value(is_per_cpu(spec.type) ? kMaxPerCpuBytes : kMaxAllocation));
  if (std::uint64_t{spec.key_size} + spec.value_size >= kMaxAllocation - kHashElementBytes) {
    return check.error("key and value together have {} bytes, more than a kernel allocates",
                       std::uint64_t{spec.key_size} + spec.value_size);
  }
  return spec.type == MapType::kHashOfMaps ? check.value(4, 4) : Result<void>();
}

Result<void> check_lpm(const MapSpec& spec, const Check& check) {
  if (spec.key_size < 5 || spec.key_size - 4 > kMaxLpmDataBytes) {
    return check.error("the key has {} bytes, not 4 of prefix length and 1 to {} of data", spec.key_size,
                       kMaxLpmDataBytes);
  }
  if ((spec.flags & kNoPrealloc) == 0) {
    return check.error("an LPM trie needs BPF_F_NO_PREALLOC");
  }
  KILN_TRY(check.flags(kNoPrealloc | kNumaNode | kAccess));
  KILN_TRY(check.some_entries());
  return check.some_value(kMaxAllocation - kMaxLpmDataBytes - 64);
}

Result<void> check_device_hash(const Check& check) {
  KILN_TRY(check.key(4));
  KILN_TRY(check.value(4, 8));
  KILN_TRY(check.flags(kNumaNode | kUserAccess));
  return check.some_entries();
}

Result<void> check_sockhash(const MapSpec& spec, const Check& check) {
  KILN_TRY(check.value(4, 8));
  KILN_TRY(check.flags(kNumaNode | kUserAccess));
  KILN_TRY(check.some_entries());
  if (spec.key_size == 0 || spec.key_size > kMaxStackBytes) {
    return check.error("the key size {} is not 1 to {}", spec.key_size, kMaxStackBytes);
  }
  return {};
}

Result<void> check_keyless(const MapSpec& spec, const Check& check) {
  const bool bloom = spec.type == MapType::kBloomFilter;
  KILN_TRY(check.key(0));
  KILN_TRY(check.flags(kNumaNode | kAccess | (bloom ? kZeroSeed : 0)));
  KILN_TRY(check.some_entries());
  KILN_TRY(check.some_value(kMaxAllocation));
  if (bloom && spec.map_extra > 15) {
    return check.error("map_extra asks for {:#x} hash functions, not 0 to 15", spec.map_extra);
  }
  if (!bloom && spec.max_entries >= 0xffff'ffff / spec.value_size) {
    return check.error("more than 4 GiB of values");
  }
  return {};
}

Result<void> check_ring(const MapSpec& spec, const Check& check) {
  KILN_TRY(check.key(0));
  KILN_TRY(check.value(0, 0));
  KILN_TRY(check.flags(kNumaNode));
  if (!std::has_single_bit(spec.max_entries) || spec.max_entries % kPage != 0) {
    return check.error("its size of {} bytes is not a power of two of pages of {}", spec.max_entries, kPage);
  }
  return {};
}

Result<void> check_stack_trace(const MapSpec& spec, const Check& check) {
  const std::uint32_t unit = (spec.flags & kStackBuildId) != 0 ? 32 : 8;  // struct bpf_stack_build_id, or u64
  KILN_TRY(check.key(4));
  KILN_TRY(check.flags(kNumaNode | kUserAccess | kStackBuildId));
  KILN_TRY(check.some_entries());
  if (spec.value_size < unit || spec.value_size % unit != 0 || spec.value_size / unit > kMaxTraceDepth) {
    return check.error("the value size {} is not 1 to {} times {} bytes", spec.value_size, kMaxTraceDepth, unit);
  }
  return {};
}

Result<void> check_local_storage(const MapSpec& spec, const Check& check) {
  KILN_TRY(check.key(4));
  KILN_TRY(check.no_entries());
  KILN_TRY(check.flags(kNoPrealloc | kClone));
  if ((spec.flags & kNoPrealloc) == 0) {
    return check.error("local storage needs BPF_F_NO_PREALLOC");
  }
  if (spec.btf_key_type == 0 || spec.btf_value_type == 0) {
    return check.error("local storage needs BTF types of key and value");
  }
  return check.some_value(kMaxStorageBytes);
}

Result<void> check_cgroup_storage(const MapSpec& spec, const Check& check) {
  if (spec.key_size != 8 && spec.key_size != 16) {
    return check.error("the key size is {}, neither 8 nor 16", spec.key_size);
  }
  KILN_TRY(check.no_entries());
  KILN_TRY(check.flags(kNumaNode | kAccess));
  return check.some_value(spec.type == MapType::kPercpuCgroupStorage ? kMaxPerCpuBytes : kMaxStorageBytes);
}

Result<void> check_by_type(const MapSpec& spec, const Check& check) {
  if (is_array(spec.type)) {
    return check_array(spec, check);
  }
  if (is_slot_array(spec.type)) {
    return check_slots(spec, check);
  }
  if (spec.type == MapType::kLpmTrie) {
    return check_lpm(spec, check);
  }
  if (spec.type == MapType::kDevmapHash) {
    return check_device_hash(check);
  }
  if (spec.type == MapType::kSockhash) {
    return check_sockhash(spec, check);
  }
  if (is_local_storage(spec.type)) {
    return check_local_storage(spec, check);
  }
  if (is_cgroup_storage(spec.type)) {
    return check_cgroup_storage(spec, check);
  }
  if (is_keyless(spec.type)) {
    return check_keyless(spec, check);
  }
  if (is_ring(spec.type)) {
    return check_ring(spec, check);
  }
  return spec.type == MapType::kStackTrace ? check_stack_trace(spec, check) : check_hash(spec, check);
}

}  // namespace

Result<void> check_spec(const MapSpec& spec) {
  if (!has_layout(spec.type)) {
    return Error{Errc::kUnsupported, fmt::format("map '{}': type {} is not supported", spec.name,
                                                 map_type_name(spec.type))};
  }
  const Check check(spec);
  KILN_TRY(check_by_type(spec, check));
  if (spec.map_extra != 0 && spec.type != MapType::kBloomFilter) {
    return check.error("map_extra is for Bloom filters");
  }
  if (spec.initial.size() > spec.value_size) {
    return check.error("{} initial bytes for a value of {}", spec.initial.size(), spec.value_size);
  }
  if (spec.lock_offset && (*spec.lock_offset > spec.value_size || spec.value_size - *spec.lock_offset < 4)) {
    return check.error("its bpf_spin_lock lies outside the value");
  }
  return {};
}

}  // namespace kiln::detail
