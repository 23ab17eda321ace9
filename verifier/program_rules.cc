// SPDX-License-Identifier: Apache-2.0
#include "program_rules.h"

#include "context_fields.h"

namespace kiln::verifier {
namespace {

/// \source return_retval_range() of the kernel
std::optional<ReturnRange> return_range(ProgramType type, AttachType attach) {
  using A = AttachType;
  switch (type) {
    case ProgramType::kCgroupSkb:
      // Egress programs may also ask for congestion signals (2, 3).
      return ReturnRange{0, attach == A::kCgroupInetEgress ? 3 : 1};
    case ProgramType::kCgroupSockAddr:
      switch (attach) {
        case A::kCgroupUdp4Recvmsg:
        case A::kCgroupUdp6Recvmsg:
        case A::kCgroupUnixRecvmsg:
        case A::kCgroupInet4Getpeername:
        case A::kCgroupInet6Getpeername:
        case A::kCgroupUnixGetpeername:
        case A::kCgroupInet4Getsockname:
        case A::kCgroupInet6Getsockname:
        case A::kCgroupUnixGetsockname:
          return ReturnRange{1, 1};
        case A::kCgroupInet4Bind:
        case A::kCgroupInet6Bind:
          return ReturnRange{0, 3};
        default:
          return ReturnRange{0, 1};
      }
    case ProgramType::kCgroupSock:
    case ProgramType::kSockOps:
    case ProgramType::kCgroupDevice:
    case ProgramType::kCgroupSysctl:
    case ProgramType::kCgroupSockopt:
    case ProgramType::kSkLookup:
    case ProgramType::kNetfilter:
      return ReturnRange{0, 1};
    case ProgramType::kKprobe:
      return attach == A::kTraceKprobeSession || attach == A::kTraceUprobeSession ? std::optional(ReturnRange{0, 1})
                                                                                  : std::nullopt;
    default:
      return std::nullopt;
  }
}

/// \source may_access_direct_pkt_data() and may_access_skb() of the kernel
void set_packet_rules(ProgramType type, ProgramRules& rules) {
  switch (type) {
    case ProgramType::kSchedCls:
    case ProgramType::kSchedAct:
      rules.legacy_packet_loads = true;
      [[fallthrough]];
    case ProgramType::kXdp:
    case ProgramType::kLwtXmit:
    case ProgramType::kSkSkb:
    case ProgramType::kSkMsg:
      rules.packet_write = true;
      [[fallthrough]];
    case ProgramType::kLwtIn:
    case ProgramType::kLwtOut:
    case ProgramType::kLwtSeg6local:
    case ProgramType::kSkReuseport:
    case ProgramType::kFlowDissector:
    case ProgramType::kCgroupSkb:
      rules.packet_read = true;
      return;
    case ProgramType::kSocketFilter:
      rules.legacy_packet_loads = true;
      return;
    case ProgramType::kCgroupSockopt:
      rules.packet_write = rules.packet_to_helpers = true;
      return;
    default:
      return;
  }
}

}  // namespace

std::optional<ProgramRules> program_rules(const Program& program) {
  const bool watches_function = program.type == ProgramType::kTracing || program.type == ProgramType::kLsm ||
                                program.type == ProgramType::kStructOps;
  if (!watches_function && !has_context(program.type)) {
    return std::nullopt;
  }
  ProgramRules rules;
  rules.watches_function = watches_function;
  const SectionInfo section = section_info(program.section);
  if (section.type == program.type) {
    rules.attach = section.attach;
    rules.sleepable = section.is_sleepable;
  }
  rules.return_range = return_range(program.type, rules.attach);
  set_packet_rules(program.type, rules);
  return rules;
}

}  // namespace kiln::verifier
