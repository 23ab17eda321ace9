// SPDX-License-Identifier: Apache-2.0
//
// What bpf_trace_printk(), bpf_trace_vprintk() and bpf_snprintf() make of a format and its arguments.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "helper_runtime.h"

namespace kiln {

struct Formatted {
  int error = 0;  ///< 0, or what the kernel says of such a format: EINVAL, ENOSPC
  std::string text;
};

/// \param format  without its zero byte. \param arguments  one word for each conversion, or more.
/// \source bpf_bprintf_prepare() in kernel/bpf/helpers.c, bstr_printf() in lib/vsprintf.c, Linux 6.18.
Formatted format_text(HelperRuntime& machine, std::string_view format, std::span<const std::uint64_t> arguments);

}  // namespace kiln
