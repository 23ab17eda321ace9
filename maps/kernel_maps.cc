// SPDX-License-Identifier: Apache-2.0
//
// Maps and the request program in the kernel, through libbpf's thin wrappers of bpf(2).
#include "kernel_maps.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include "bytes.h"

namespace kiln::test {
namespace {

bpf_insn insn(unsigned code, unsigned dst, unsigned src, int off, int imm) {
  bpf_insn result{};
  result.code = static_cast<__u8>(code);
  result.dst_reg = dst & 0xf;
  result.src_reg = src & 0xf;
  result.off = static_cast<__s16>(off);
  result.imm = imm;
  return result;
}

int result(int value) { return value < 0 ? -errno : value; }

std::uint32_t padded(std::size_t size) { return static_cast<std::uint32_t>((size + 7) / 8 * 8); }

}  // namespace

std::string why_no_kernel() {
  const int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "kiln_probe", 4, 4, 1, nullptr);
  if (fd < 0) {
    return std::string("bpf(2): ") + std::strerror(errno);
  }
  close(fd);
  return {};
}

int steps_of_a_comparison() {
  constexpr int kFew = 2000;
  const char* asked = std::getenv("KILN_MAP_STEPS");
  return asked == nullptr ? kFew : std::max(1, std::atoi(asked));
}

ByteVector random_bytes(std::size_t size, std::mt19937& random) {
  ByteVector bytes(size);
  for (std::byte& byte : bytes) {
    byte = std::byte(random());
  }
  return bytes;
}

std::uint32_t pin_to_one_cpu() {
  const int cpu = sched_getcpu();
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<unsigned>(cpu), &set);
  EXPECT_EQ(sched_setaffinity(0, sizeof set, &set), 0);
  return static_cast<std::uint32_t>(cpu);
}

KernelMap::KernelMap(const MapSpec& spec, int inner_fd) : spec_(spec) {
  LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = spec.flags, .map_extra = spec.map_extra);
  if (inner_fd >= 0) {
    options.inner_map_fd = static_cast<__u32>(inner_fd);
  }
  fd_ = bpf_map_create(static_cast<bpf_map_type>(spec.type), spec.name.c_str(), spec.key_size,
                       spec.value_size, spec.max_entries, &options);
  EXPECT_GE(fd_, 0) << std::strerror(errno);
  user_value_bytes_ = is_per_cpu(spec.type)
                          ? std::size_t{padded(spec.value_size)} *
                                static_cast<std::size_t>(libbpf_num_possible_cpus())
                          : spec.value_size;
}

KernelMap::~KernelMap() {
  for (const int fd : {fd_, request_fd_, program_fd_}) {
    if (fd >= 0) {
      close(fd);
    }
  }
}

// bpf(2) wants no key where there is none.
static const void* pointer(const ByteVector& key) { return key.empty() ? nullptr : key.data(); }

int KernelMap::user_read(const ByteVector& key, ByteVector& value, std::uint64_t flags) const {
  return result(bpf_map_lookup_elem_flags(fd_, pointer(key), value.data(), flags));
}

int KernelMap::user_read_and_erase(const ByteVector& key, ByteVector& value, std::uint64_t flags) const {
  return result(bpf_map_lookup_and_delete_elem_flags(fd_, pointer(key), value.data(), flags));
}

int KernelMap::user_update(const ByteVector& key, const ByteVector& value, std::uint64_t flags) const {
  return result(bpf_map_update_elem(fd_, pointer(key), value.data(), flags));
}

int KernelMap::user_erase(const ByteVector& key) const {
  return result(bpf_map_delete_elem(fd_, pointer(key)));
}

std::optional<ByteVector> KernelMap::user_lookup(const ByteVector& key) const {
  ByteVector value(user_value_bytes_);
  if (bpf_map_lookup_elem(fd_, key.data(), value.data()) != 0) {
    return std::nullopt;
  }
  if (is_per_cpu(spec_.type)) {
    for (std::size_t at = 0; at < value.size(); at += padded(spec_.value_size)) {
      std::fill(value.begin() + static_cast<std::ptrdiff_t>(at + spec_.value_size),
                value.begin() + static_cast<std::ptrdiff_t>(at + padded(spec_.value_size)), std::byte{0});
    }
  }
  return value;
}

void KernelMap::load_program() {
  value_at_ = 16 + padded(spec_.key_size);
  value_bytes_ = is_ring(spec_.type) ? 2048 : spec_.value_size;
  request_bytes_ = value_at_ + padded(value_bytes_);
  request_fd_ = bpf_map_create(BPF_MAP_TYPE_ARRAY, "kiln_request", 4, request_bytes_, 1, nullptr);
  ASSERT_GE(request_fd_, 0);
  const auto value_at = static_cast<int>(value_at_);
  const unsigned kLoadImm = BPF_LD | BPF_DW | BPF_IMM;
  const unsigned kMove = BPF_ALU64 | BPF_MOV | BPF_X;
  const unsigned kAdd = BPF_ALU64 | BPF_ADD | BPF_K;
  const auto call_and_exit = [](int helper) {
    return std::vector<bpf_insn>{insn(BPF_JMP | BPF_CALL, 0, 0, 0, helper), insn(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)};
  };
  // R1 the map, R2 the key, R3 the value, R4 flags, R7 the operation.
  std::vector<bpf_insn> program = {
      insn(kLoadImm, 6, BPF_PSEUDO_MAP_VALUE, 0, request_fd_), insn(0, 0, 0, 0, 0),
      insn(kLoadImm, 1, BPF_PSEUDO_MAP_FD, 0, fd_), insn(0, 0, 0, 0, 0),
      insn(kMove, 2, 6, 0, 0), insn(kAdd, 2, 0, 0, 16),
      insn(kMove, 3, 6, 0, 0), insn(kAdd, 3, 0, 0, value_at),
      insn(BPF_LDX | BPF_MEM | BPF_DW, 4, 6, 8, 0),
      insn(BPF_LDX | BPF_MEM | BPF_W, 7, 6, 0, 0),
  };
  const auto append = [&program](const std::vector<bpf_insn>& more) {
    program.insert(program.end(), more.begin(), more.end());
  };
  const auto unless = [&](int operation, int skip) {
    program.push_back(insn(BPF_JMP | BPF_JNE | BPF_K, 7, 0, skip, operation));
  };
  if (is_ring(spec_.type)) {  // the key's place holds the length
    unless(kOutput, 6);
    append({insn(BPF_LDX | BPF_MEM | BPF_W, 8, 6, 4, 0), insn(kMove, 2, 3, 0, 0), insn(kMove, 3, 8, 0, 0),
            insn(BPF_JMP | BPF_JGT | BPF_K, 3, 0, 2, 2048)});
    append(call_and_exit(BPF_FUNC_ringbuf_output));
    append({insn(kMove, 2, 4, 0, 0)});
    append(call_and_exit(BPF_FUNC_ringbuf_query));
  } else if (is_keyless(spec_.type)) {
    append({insn(kMove, 2, 3, 0, 0), insn(kMove, 3, 4, 0, 0)});
    unless(kPush, 2);
    append(call_and_exit(BPF_FUNC_map_push_elem));
    if (spec_.type != MapType::kBloomFilter) {
      unless(kPop, 2);
      append(call_and_exit(BPF_FUNC_map_pop_elem));
    }
    append(call_and_exit(BPF_FUNC_map_peek_elem));
  } else {
    unless(kUpdate, 2);
    append(call_and_exit(BPF_FUNC_map_update_elem));
    unless(kErase, 2);
    append(call_and_exit(BPF_FUNC_map_delete_elem));
    append({insn(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_map_lookup_elem),
            insn(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1, 0),
            insn(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 1),
            insn(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)});
  }
  std::vector<char> log(65536);
  LIBBPF_OPTS(bpf_prog_load_opts, options, .log_level = 1, .log_size = static_cast<__u32>(log.size()),
              .log_buf = log.data());
  program_fd_ = bpf_prog_load(BPF_PROG_TYPE_XDP, "kiln_request", "GPL", program.data(), program.size(), &options);
  ASSERT_GE(program_fd_, 0) << log.data();
}

int KernelMap::call(Operation operation, const ByteVector& key, const ByteVector& value,
                    std::uint64_t flags, ByteVector* value_after) {
  if (program_fd_ < 0) {
    load_program();
  }
  ByteVector request(request_bytes_);
  detail::store<std::uint32_t>(request.data(), operation);
  detail::store(request.data() + 4, static_cast<std::uint32_t>(value.size()));
  detail::store(request.data() + 8, flags);
  if (!key.empty()) {
    std::memcpy(request.data() + 16, key.data(), key.size());
  }
  if (!value.empty()) {
    std::memcpy(request.data() + value_at_, value.data(), value.size());
  }
  const std::uint32_t zero = 0;
  EXPECT_EQ(bpf_map_update_elem(request_fd_, &zero, request.data(), BPF_ANY), 0);
  const std::array<char, 64> frame{};
  LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame.data(), .data_size_in = frame.size());
  EXPECT_EQ(bpf_prog_test_run_opts(program_fd_, &options), 0) << std::strerror(errno);
  if (value_after != nullptr) {
    EXPECT_EQ(bpf_map_lookup_elem(request_fd_, &zero, request.data()), 0);
    std::memcpy(value_after->data(), request.data() + value_at_, value_after->size());
  }
  return static_cast<int>(options.retval);
}

int KernelMap::push(const ByteVector& value, std::uint64_t flags) { return call(kPush, {}, value, flags); }

int KernelMap::pop(ByteVector& value) { return call(kPop, {}, value, 0, &value); }

int KernelMap::peek(ByteVector& value) { return call(kPeek, {}, value, 0, &value); }

int KernelMap::ring_output(const ByteVector& record, std::uint64_t flags) { return call(kOutput, {}, record, flags); }

int KernelMap::ring_query(std::uint64_t what) { return call(kQuery, {}, {}, what); }

int KernelMap::update(const ByteVector& key, const ByteVector& value, std::uint64_t flags) {
  return call(kUpdate, key, value, flags);
}

int KernelMap::erase(const ByteVector& key) { return call(kErase, key, {}, 0); }

bool KernelMap::lookup(const ByteVector& key) { return call(kLookup, key, {}, 0) != 0; }

Contents KernelMap::contents() const {
  Contents all;
  ByteVector key(spec_.key_size);
  ByteVector next(spec_.key_size);
  const void* from = nullptr;
  while (bpf_map_get_next_key(fd_, from, next.data()) == 0) {
    key = next;
    from = key.data();
    const auto value = user_lookup(key);
    if (!value) {
      continue;  // an empty slot
    }
    ByteVector name = key;
    if (spec_.type == MapType::kLpmTrie) {
      const auto length = detail::load<std::uint32_t>(name.data());
      for (std::uint32_t bit = length; bit < 8 * (spec_.key_size - 4); ++bit) {
        name[4 + bit / 8] &= ~std::byte(0x80 >> (bit % 8));
      }
    }
    all[name] = *value;
  }
  return all;
}

}  // namespace kiln::test
