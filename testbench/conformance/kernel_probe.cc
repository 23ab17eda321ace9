// SPDX-License-Identifier: Apache-2.0
#include "kernel_probe.h"

#include <linux/bpf.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include <fmt/format.h>

namespace kiln::conformance {
namespace {

long bpf(int command, union bpf_attr& attr) { return ::syscall(__NR_bpf, command, &attr, sizeof(attr)); }

std::uint64_t pointer(const void* at) { return reinterpret_cast<std::uintptr_t>(at); }

Error refused(const char* what, int error) {
  const bool denied = error == EPERM || error == ENOSYS || error == EACCES;
  return Error{denied ? Errc::kUnavailable : Errc::kRejected, fmt::format("{}: {}", what, std::strerror(error))};
}

/// The verifier's log, without the statistics at its end: its last words.
std::string last_line(std::string_view log) {
  std::string last;
  while (!log.empty()) {
    const std::size_t end = std::min(log.find('\n'), log.size());
    const std::string_view line = log.substr(0, end);
    if (!line.empty() && !line.starts_with("processed ") && !line.starts_with("verification time") &&
        !line.starts_with("stack depth")) {
      last = line;
    }
    log.remove_prefix(std::min(end + 1, log.size()));
  }
  return last;
}

Result<Descriptor> create_map(const MapSpec& spec) {
  union bpf_attr attr;
  std::memset(&attr, 0, sizeof(attr));
  attr.map_type = static_cast<std::uint32_t>(spec.type);
  attr.key_size = spec.key_size;
  attr.value_size = spec.value_size;
  attr.max_entries = spec.max_entries;
  attr.map_flags = spec.flags;
  const long fd = bpf(BPF_MAP_CREATE, attr);
  if (fd < 0) {
    return refused("BPF_MAP_CREATE", errno);
  }
  return Descriptor(static_cast<int>(fd));
}

}  // namespace

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

Descriptor::~Descriptor() {
  if (fd_ >= 0) {
    ::close(fd_);
  }
}

Result<KernelProgram> KernelProgram::load(std::span<const Insn> insns, std::span<const MapSpec> maps, ProgramType type,
                                          bool frags) {
  KernelProgram program;
  program.type_ = type;
  for (const MapSpec& spec : maps) {
    auto map = create_map(spec);
    if (!map) {
      return map.error();
    }
    program.maps_.push_back(std::move(*map));
  }
  std::vector<Insn> patched(insns.begin(), insns.end());
  for (Insn& insn : patched) {
    const InsnInfo* info = find_insn(insn);
    if (info != nullptr && (info->op == Op::LD_MAP_IDX || info->op == Op::LD_MAP_IDX_VALUE)) {
      insn.src = info->op == Op::LD_MAP_IDX ? BPF_PSEUDO_MAP_FD : BPF_PSEUDO_MAP_VALUE;
      insn.imm = program.maps_.at(static_cast<std::size_t>(insn.imm)).get();
    }
  }
  const std::vector<std::uint64_t> words = encode_all(patched);
  std::vector<char> log(1 << 20);
  union bpf_attr attr;
  std::memset(&attr, 0, sizeof(attr));
  attr.prog_type = static_cast<std::uint32_t>(type);
  attr.insns = pointer(words.data());
  attr.insn_cnt = static_cast<std::uint32_t>(words.size());
  attr.license = pointer("GPL");
  attr.prog_flags = frags ? BPF_F_XDP_HAS_FRAGS : 0;
  attr.log_level = 1;
  attr.log_buf = pointer(log.data());
  attr.log_size = static_cast<std::uint32_t>(log.size());
  const long fd = bpf(BPF_PROG_LOAD, attr);
  if (fd < 0) {
    const int error = errno;
    const std::string why = last_line(log.data());
    return why.empty() ? refused("BPF_PROG_LOAD", error) : Error{Errc::kRejected, why};
  }
  program.program_ = Descriptor(static_cast<int>(fd));
  return program;
}

Result<KernelOutcome> KernelProgram::run(std::span<const std::byte> frame) const {
  KernelOutcome outcome;
  outcome.frame.resize(80 * 1024);
  struct __sk_buff before, after;
  std::memset(&before, 0, sizeof(before));
  union bpf_attr attr;
  std::memset(&attr, 0, sizeof(attr));
  attr.test.prog_fd = static_cast<std::uint32_t>(program_.get());
  attr.test.data_in = pointer(frame.data());
  attr.test.data_size_in = static_cast<std::uint32_t>(frame.size());
  attr.test.data_out = pointer(outcome.frame.data());
  attr.test.data_size_out = static_cast<std::uint32_t>(outcome.frame.size());
  attr.test.repeat = 1;
  if (type_ != ProgramType::kXdp) {
    attr.test.ctx_in = pointer(&before);
    attr.test.ctx_size_in = sizeof(before);
    attr.test.ctx_out = pointer(&after);
    attr.test.ctx_size_out = sizeof(after);
  }
  if (bpf(BPF_PROG_TEST_RUN, attr) < 0) {
    return refused("BPF_PROG_TEST_RUN", errno);
  }
  outcome.code = attr.test.retval;
  outcome.frame.resize(attr.test.data_size_out);
  if (type_ != ProgramType::kXdp) {
    const auto bytes = std::as_bytes(std::span(&after, 1));
    outcome.context.assign(bytes.begin(), bytes.end());
  }
  return outcome;
}

int KernelProgram::update(std::size_t map, std::span<const std::byte> key, std::span<const std::byte> value) const {
  union bpf_attr attr;
  std::memset(&attr, 0, sizeof(attr));
  attr.map_fd = static_cast<std::uint32_t>(maps_.at(map).get());
  attr.key = pointer(key.data());
  attr.value = pointer(value.data());
  return bpf(BPF_MAP_UPDATE_ELEM, attr) < 0 ? -errno : 0;
}

std::vector<Insn> as_xdp(std::span<const Insn> insns, std::size_t memory_bytes) {
  constexpr std::int32_t kHeader = kRawHeader;
  const auto length = static_cast<std::int32_t>(memory_bytes);
  std::vector<Insn> program = {
      {.opcode = 0x61, .dst = 7, .src = 1, .off = 0},      // r7 = data
      {.opcode = 0x61, .dst = 8, .src = 1, .off = 4},      // r8 = data_end
      {.opcode = 0xbf, .dst = 1, .src = 7},                // r1 = r7
      {.opcode = 0x07, .dst = 1, .imm = kHeader + length}, // r1 += what must be there
      {.opcode = 0x2d, .dst = 1, .src = 8, .off = 7},      // if r1 > r8 goto out
      {.opcode = 0xbf, .dst = 1, .src = 7},                // r1 = r7
      {.opcode = 0x07, .dst = 1, .imm = kHeader},          // r1 += 16
      {.opcode = 0xb7, .dst = 2, .imm = length},           // r2 = length
      {.opcode = 0x85, .src = 1, .imm = 5},                // call the instructions
      {.opcode = 0x7b, .dst = 7, .src = 0, .off = 0},      // *(u64 *)(r7 +0) = r0
      {.opcode = 0xb7, .dst = 0, .imm = 2},                // r0 = XDP_PASS
      {.opcode = 0x95},                                    // exit
      {.opcode = 0xb7, .dst = 0, .imm = 0},                // out: r0 = XDP_ABORTED
      {.opcode = 0x95},                                    // exit
  };
  program.insert(program.end(), insns.begin(), insns.end());
  return program;
}

RawOutcome raw_outcome(std::span<const std::byte> frame) {
  RawOutcome raw;
  std::memcpy(&raw.r0, frame.data(), sizeof(raw.r0));
  raw.memory.assign(frame.begin() + kRawHeader, frame.end());
  return raw;
}

Result<RawOutcome> run_raw_kernel(std::span<const Insn> insns, std::span<const std::byte> memory) {
  auto loaded = KernelProgram::load(as_xdp(insns, memory.size()), {});
  if (!loaded) {
    return loaded.error();
  }
  std::vector<std::byte> frame(kRawHeader);
  frame.insert(frame.end(), memory.begin(), memory.end());
  auto outcome = loaded->run(frame);
  if (!outcome) {
    return outcome.error();
  }
  if (outcome->code != 2) {
    return Error{Errc::kInternal, "the frame was too short for its own memory"};
  }
  return raw_outcome(outcome->frame);
}

}  // namespace kiln::conformance
