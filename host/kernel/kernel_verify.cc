// SPDX-License-Identifier: Apache-2.0
//
// The real verifier's verdict. Twice when it refuses: its time is taken without writing a log.
#include <cerrno>

#include <fmt/format.h>

#include <kiln/attach_target.h>
#include <kiln/kernel_engine.h>

#include "kernel_maps.h"
#include "kernel_program.h"

namespace kiln {
namespace {

constexpr int kNotSupported = 524;  // ENOTSUPP, which is the kernel's own

}  // namespace

Result<KernelVerdict> kernel_verify(const Object& object, const Program& program, int log_level) {
  KILN_TRY(kernel::check_available());
  const ProgramType type = program.type;
  const bool needs_target = type == ProgramType::kTracing || type == ProgramType::kLsm || type == ProgramType::kExt;
  const bool no_operation = type == ProgramType::kStructOps && !kernel::kernel_operation(program);
  if (type == ProgramType::kUnspec || (needs_target && attach_target(program).empty()) || no_operation) {
    return Error{
        Errc::kUnsupported,
        fmt::format("program '{}': the kernel verifies type {} only for a target in the kernel, "
                    "which the object does not name or the kernel does not have",
                    program.name, program_type_name(type))};
  }
  const kernel::Types types = kernel::load_types(object, program);
  auto maps = kernel::KernelMaps::create(object.maps, types.btf.get());
  if (!maps) {
    return maps.error();
  }
  KILN_TRY(maps->fill_readonly());
  kernel::Loaded timed = kernel::load_program(object, program, maps->fds(), types, 0);
  if (!timed.fd && needs_target && (timed.error == EPERM || timed.error == kNotSupported) && timed.log.find("processed ") == std::string::npos) {
    return Error{Errc::kUnsupported, fmt::format("program '{}': this kernel can't attach to '{}' ({})", program.name,
                                                 attach_target(program), kernel::errno_text(timed.error))};
  }
  KernelVerdict verdict;
  verdict.accepted = static_cast<bool>(timed.fd);
  verdict.processed = kernel::log_number(timed.log, "processed ");
  verdict.time_us = static_cast<double>(kernel::log_number(timed.log, "verification time "));
  const kernel::Loaded logged = kernel::load_program(object, program, maps->fds(), types, static_cast<std::uint32_t>(log_level));
  verdict.log = logged.log;
  if (!verdict.accepted) {
    verdict.message = kernel::reason(logged);
  }
  return verdict;
}

}  // namespace kiln
