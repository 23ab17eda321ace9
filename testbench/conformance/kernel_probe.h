// SPDX-License-Identifier: Apache-2.0
//
// Programs through the real kernel: bpf(2)'s BPF_PROG_LOAD and BPF_PROG_TEST_RUN, one frame a run.
//
// For tests of semantics only (the engine that users select is host/kernel). Where bpf(2) is refused
// everything fails with kUnavailable, and tests skip.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include <kiln/isa.h>
#include <kiln/program.h>

namespace kiln::conformance {

/// A file descriptor that closes itself.
class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  Descriptor& operator=(Descriptor&& other) noexcept;
  ~Descriptor();
  int get() const { return fd_; }

 private:
  int fd_;
};

struct KernelOutcome {
  std::uint32_t code = 0;
  std::vector<std::byte> frame;  ///< from data_meta on, as BPF_PROG_TEST_RUN gives it
  std::vector<std::byte> context = {};  ///< struct __sk_buff, of programs that have one
};

/// A program in the kernel, with its maps.
class KernelProgram {
 public:
  /// \param insns  canonical form (program.h); map references are replaced by file descriptors.
  /// \errors kUnavailable: bpf(2) refused to us; kRejected: the verifier's last line.
  static Result<KernelProgram> load(std::span<const Insn> insns, std::span<const MapSpec> maps,
                                    ProgramType type = ProgramType::kXdp, bool frags = false);
  Result<KernelOutcome> run(std::span<const std::byte> frame) const;
  /// BPF_MAP_UPDATE_ELEM. \return 0 or a negative errno.
  int update(std::size_t map, std::span<const std::byte> key, std::span<const std::byte> value) const;
  int descriptor() const { return program_.get(); }

 private:
  std::vector<Descriptor> maps_;
  Descriptor program_;
  ProgramType type_ = ProgramType::kXdp;
};

/// Raw instructions with R1 = memory, R2 = its length, as an XDP program: they become a function that the
/// program calls with its packet. R0 comes back in the frame's first 8 bytes, the memory kRawHeader bytes in.
inline constexpr std::size_t kRawHeader = 16;
std::vector<Insn> as_xdp(std::span<const Insn> insns, std::size_t memory_bytes);

struct RawOutcome {
  std::uint64_t r0 = 0;
  std::vector<std::byte> memory;
  bool operator==(const RawOutcome&) const = default;
};
/// What a frame that went through as_xdp() holds.
RawOutcome raw_outcome(std::span<const std::byte> frame);
Result<RawOutcome> run_raw_kernel(std::span<const Insn> insns, std::span<const std::byte> memory);

}  // namespace kiln::conformance
