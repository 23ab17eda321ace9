// SPDX-License-Identifier: Apache-2.0
//
// BPF_PROG_TEST_RUN. A struct xdp_md goes along only where it must (an interface that is not the
// default, a program that makes metadata), because kernels before 5.15 refuse one.
#include "test_run.h"

#include <bpf/bpf.h>
#include <fmt/format.h>
#include <linux/bpf.h>

#include <cerrno>
#include <ctime>

#include <kiln/address.h>

#include "kernel_access.h"

namespace kiln::kernel {
namespace {

double thread_time_ns() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

bool default_interface(const Frame& frame) {
  return frame.ingress_ifindex == 1 && frame.rx_queue == 0;
}

Error run_error(const Frame& frame, int code) {
  if (!default_interface(frame) && (code == ENODEV || code == EINVAL)) {
    return Error{Errc::kUnsupported,
                 fmt::format("the kernel has no interface {} with a receive queue {} to say "
                             "that the frame came from",
                             frame.ingress_ifindex, frame.rx_queue)};
  }
  if (code == EINVAL || code == ENOMEM || code == E2BIG) {
    return Error{Errc::kInput,
                 fmt::format("the kernel does not take a frame of {} bytes", frame.data.size())};
  }
  return Error{code == EPERM ? Errc::kUnavailable : Errc::kInternal,
               fmt::format("BPF_PROG_TEST_RUN: {}", errno_text(code))};
}

}  // namespace

Result<TestRun> test_run(int program, const Frame& frame, std::uint32_t repeat,
                         std::vector<std::byte>& out, bool with_context) {
  const std::size_t room = frame.data.size() + address::kWindowBytes;  // adjust_head, adjust_tail
  if (out.size() < room) {
    out.resize(room);
  }
  xdp_md context{};
  bpf_test_run_opts options{};
  options.sz = sizeof options;
  options.data_in = frame.data.data();
  options.data_size_in = static_cast<__u32>(frame.data.size());
  options.data_out = out.data();
  options.data_size_out = static_cast<__u32>(out.size());
  options.repeat = static_cast<int>(repeat);
  xdp_md after_run{};
  if (!default_interface(frame) || with_context) {
    context.data_end = options.data_size_in;
    if (!default_interface(frame)) {
      context.ingress_ifindex = frame.ingress_ifindex;
      context.rx_queue_index = frame.rx_queue;
    }
    options.ctx_in = &context;
    options.ctx_size_in = sizeof context;
    options.ctx_out = &after_run;
    options.ctx_size_out = sizeof after_run;
  }
  const double before = thread_time_ns();
  int failed = 0;
  do {  // a signal ends the repeats early
    failed = bpf_prog_test_run_opts(program, &options);
  } while (failed != 0 && errno == EINTR);
  const int code = failed != 0 ? errno : 0;
  const double after = thread_time_ns();
  if (failed != 0) {
    return run_error(frame, code);
  }
  return TestRun{.code = options.retval,
                 .frame_bytes = options.data_size_out,
                 .meta_bytes = after_run.data,  // what comes out starts with the metadata
                 .kernel_ns = static_cast<double>(options.duration),
                 .thread_ns = after - before};
}

}  // namespace kiln::kernel
