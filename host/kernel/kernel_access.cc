// SPDX-License-Identifier: Apache-2.0
//
// Descriptors, error texts, and finding out whether bpf(2) is to be had.
#include "kernel_access.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <linux/bpf.h>
#include <unistd.h>

#include <array>
#include <cctype>
#include <cerrno>
#include <cstring>

namespace kiln::kernel {

Fd::~Fd() {
  if (fd_ >= 0) {
    close(fd_);
  }
}

std::string errno_text(int error) {
  std::array<char, 128> buffer{};
  return libbpf_strerror(error, buffer.data(), buffer.size()) == 0 || buffer[0] != '\0'
             ? std::string(buffer.data())
             : std::to_string(error);
}

std::string kernel_name(std::string_view name) {
  std::string result(name.substr(0, BPF_OBJ_NAME_LEN - 1));
  for (char& c : result) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0 && c != '.') {
      c = '_';
    }
  }
  return result;
}

Result<void> check_available() {
  libbpf_set_print(nullptr);  // what libbpf would print, our messages say
  const Fd map(bpf_map_create(BPF_MAP_TYPE_ARRAY, "kiln_probe", 4, 4, 1, nullptr));
  if (!map) {
    return Error{Errc::kUnavailable,
                 fmt::format("the kernel refuses bpf(2): {}", errno_text(errno))};
  }
  auto program = load_empty_program();
  return program ? Result<void>() : program.error();
}

Result<Fd> load_empty_program() {
  std::array<bpf_insn, 2> insns{};
  insns[0].code = BPF_ALU64 | BPF_MOV | BPF_K;
  insns[0].imm = XDP_DROP;
  insns[1].code = BPF_JMP | BPF_EXIT;
  Fd program(
      bpf_prog_load(BPF_PROG_TYPE_XDP, "kiln_empty", "GPL", insns.data(), insns.size(), nullptr));
  if (!program) {
    return Error{Errc::kUnavailable,
                 fmt::format("the kernel refuses to load any XDP program: {}", errno_text(errno))};
  }
  return program;
}

std::uint32_t possible_cpus() {
  const int cpus = libbpf_num_possible_cpus();
  return cpus > 0 ? static_cast<std::uint32_t>(cpus) : 1;
}

std::uint32_t choose_cpu() {
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) == 0) {
    for (std::uint32_t cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
      if (CPU_ISSET(cpu, &allowed)) {
        return cpu;
      }
    }
  }
  return 0;
}

PinnedTo::PinnedTo(std::uint32_t cpu) {
  if (sched_getaffinity(0, sizeof before_, &before_) != 0) {
    return;
  }
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(cpu, &one);
  changed_ = CPU_EQUAL(&one, &before_) == 0 && sched_setaffinity(0, sizeof one, &one) == 0;
}

PinnedTo::~PinnedTo() {
  if (changed_) {
    sched_setaffinity(0, sizeof before_, &before_);
  }
}

}  // namespace kiln::kernel
