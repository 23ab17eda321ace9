// SPDX-License-Identifier: Apache-2.0
//
// The real verifier's verdict. Twice when it refuses: its time is taken without writing a log.
#include <fmt/format.h>

#include <kiln/kernel_engine.h>

#include "kernel_maps.h"
#include "kernel_program.h"

namespace kiln {

Result<KernelVerdict> kernel_verify(const Object& object, const Program& program) {
  KILN_TRY(kernel::check_available());
  const ProgramType type = program.type;
  if (type == ProgramType::kUnspec || type == ProgramType::kTracing || type == ProgramType::kExt ||
      type == ProgramType::kLsm) {
    return Error{
        Errc::kUnsupported,
        fmt::format("program '{}': the kernel verifies type {} only for a target in the kernel, "
                    "which the object does not name",
                    program.name, program_type_name(type))};
  }
  const kernel::Types types = kernel::load_types(object, program);
  auto maps = kernel::KernelMaps::create(object.maps, types.btf.get());
  if (!maps) {
    return maps.error();
  }
  KILN_TRY(maps->fill_readonly());
  kernel::Loaded timed = kernel::load_program(object, program, maps->fds(), types, 0);
  KernelVerdict verdict;
  verdict.accepted = static_cast<bool>(timed.fd);
  verdict.processed = kernel::log_number(timed.log, "processed ");
  verdict.time_us = static_cast<double>(kernel::log_number(timed.log, "verification time "));
  const kernel::Loaded logged = kernel::load_program(object, program, maps->fds(), types, 1);
  verdict.log = logged.log;
  if (!verdict.accepted) {
    verdict.message = kernel::reason(logged);
  }
  return verdict;
}

}  // namespace kiln
