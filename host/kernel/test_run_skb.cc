// SPDX-License-Identifier: Apache-2.0
//
// BPF_PROG_TEST_RUN of programs on packets (struct __sk_buff) and on raw tracepoints.
#include <bpf/bpf.h>
#include <fmt/format.h>
#include <linux/bpf.h>

#include <cerrno>
#include <cstring>

#include "kernel_access.h"
#include "test_run.h"

namespace kiln::kernel {
namespace {

Error refused(const Frame& frame, int code) {
  if (code == EINVAL) {
    return Error{Errc::kInput, fmt::format("the kernel takes no packet of {} bytes with this context", frame.data.size())};
  }
  if (code == ENODEV) {
    return Error{Errc::kUnsupported, "the kernel has no such interface as the context names"};
  }
  return Error{code == EPERM ? Errc::kUnavailable : Errc::kInternal,
               fmt::format("BPF_PROG_TEST_RUN: {}", errno_text(code))};
}

}  // namespace

Result<PacketRun> test_run_packet(int program, const Frame& frame) {
  constexpr std::size_t kRoom = 80 * 1024;  // more than helpers can make a packet
  PacketRun run;
  run.frame.resize(kRoom);
  __sk_buff context{};
  run.context.resize(sizeof context);
  std::memcpy(&context, frame.context.data(), std::min(frame.context.size(), sizeof context));
  bpf_test_run_opts options{};
  options.sz = sizeof options;
  options.data_in = frame.data.data();
  options.data_size_in = static_cast<__u32>(frame.data.size());
  options.data_out = run.frame.data();
  options.data_size_out = static_cast<__u32>(run.frame.size());
  options.ctx_in = &context;
  options.ctx_size_in = sizeof context;
  options.ctx_out = run.context.data();
  options.ctx_size_out = sizeof context;
  options.repeat = 1;
  int failed = 0;
  do {
    failed = bpf_prog_test_run_opts(program, &options);
  } while (failed != 0 && errno == EINTR);
  if (failed != 0) {
    return refused(frame, errno);
  }
  run.code = options.retval;
  run.frame.resize(options.data_size_out);
  return run;
}

Result<PacketRun> test_run_tracepoint(int program, const Frame& frame) {
  constexpr std::size_t kMost = 12 * 8;  // MAX_BPF_FUNC_ARGS words
  if (frame.context.size() > kMost) {
    return Error{Errc::kInput, fmt::format("a raw tracepoint has at most {} bytes of context, not {}", kMost, frame.context.size())};
  }
  std::vector<std::byte> context = frame.context;
  context.resize(kMost);
  bpf_test_run_opts options{};
  options.sz = sizeof options;
  options.ctx_in = context.data();
  options.ctx_size_in = static_cast<__u32>(context.size());
  if (bpf_prog_test_run_opts(program, &options) != 0) {
    return refused(frame, errno);
  }
  PacketRun run;
  run.code = options.retval;
  return run;
}

}  // namespace kiln::kernel
