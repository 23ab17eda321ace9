// SPDX-License-Identifier: Apache-2.0
#include "program_rules.h"

#include <string_view>

#include <kiln/address.h>

namespace kiln::verifier {
namespace {

// struct xdp_md: six fields of four bytes, loaded whole. (net/core/filter.c, xdp_is_valid_access)
std::optional<RegType> xdp_load(const Program& program, s64 off, u32 bytes, bool sign_extends) {
  if (off < 0 || off >= address::kCtxBytes || bytes != 4 || off % 4 != 0) {
    return std::nullopt;
  }
  const auto pointer = [sign_extends](RegType type) {
    return sign_extends ? std::nullopt : std::optional<RegType>(type);
  };
  switch (static_cast<u32>(off)) {
    case address::kCtxData:
      return pointer(RegType::kPacket);
    case address::kCtxDataMeta:
      return pointer(RegType::kPacketMeta);
    case address::kCtxDataEnd:
      return pointer(RegType::kPacketEnd);
    case address::kCtxEgressIfindex: {
      // Only programs that run in a devmap have an egress device.
      const std::string_view section = program.section;
      const bool devmap = section.starts_with("xdp/devmap") || section.starts_with("xdp.frags/devmap");
      return devmap ? std::optional<RegType>(RegType::kScalar) : std::nullopt;
    }
    default:
      return RegType::kScalar;
  }
}

// Offsets in struct __sk_buff (uapi/linux/bpf.h).
constexpr s64 kSkbTcClassid = 72, kSkbCb = 48, kSkbCbEnd = 68, kSkbData = 76, kSkbDataEnd = 80;
constexpr s64 kSkbFamily = 88, kSkbLocalPort = 136, kSkbDataMeta = 140, kSkbFlowKeys = 144;
constexpr s64 kSkbTstamp = 152, kSkbTstampEnd = 160, kSkbSk = 168, kSkbEnd = 192;

/// \source net/core/filter.c, bpf_skb_is_valid_access and tc_cls_act_is_valid_access
std::optional<RegType> skb_load(const Program& program, s64 off, u32 bytes, bool sign_extends) {
  const bool has_packet = program.type != ProgramType::kSocketFilter;
  if (off < 0 || off >= kSkbEnd || off % bytes != 0) {
    return std::nullopt;
  }
  const auto pointer = [&](RegType type) {
    const bool allowed = has_packet && !sign_extends && bytes == 4;
    return allowed ? std::optional<RegType>(type) : std::nullopt;
  };
  if (off >= kSkbData && off < kSkbData + 4) {
    return off == kSkbData ? pointer(RegType::kPacket) : std::nullopt;
  }
  if (off >= kSkbDataEnd && off < kSkbDataEnd + 4) {
    return off == kSkbDataEnd ? pointer(RegType::kPacketEnd) : std::nullopt;
  }
  if (off >= kSkbDataMeta && off < kSkbDataMeta + 4) {
    const bool tc = program.type == ProgramType::kSchedCls || program.type == ProgramType::kSchedAct;
    return tc && off == kSkbDataMeta ? pointer(RegType::kPacketMeta) : std::nullopt;
  }
  if (off >= kSkbCb && off < kSkbCbEnd) {
    return off + bytes <= kSkbCbEnd ? std::optional<RegType>(RegType::kScalar) : std::nullopt;
  }
  if (off >= kSkbTstamp && off < kSkbTstampEnd) {
    return has_packet && bytes == 8 ? std::optional<RegType>(RegType::kScalar) : std::nullopt;
  }
  if (off == kSkbSk && bytes == 8 && !sign_extends) {
    return RegType::kSockCommon;
  }
  const bool pointer_field = (off >= kSkbFlowKeys && off < kSkbFlowKeys + 8) ||
                             (off >= kSkbSk && off < kSkbSk + 8);
  const bool classid_hidden = program.type == ProgramType::kSocketFilter && off >= kSkbTcClassid &&
                              off < kSkbTcClassid + 4;
  const bool address_hidden = has_packet ? false : off >= kSkbFamily && off < kSkbLocalPort + 4;
  if (pointer_field || classid_hidden || address_hidden || bytes == 8) {
    return std::nullopt;
  }
  return RegType::kScalar;
}

bool is_skb_type(ProgramType type) {
  return type == ProgramType::kSchedCls || type == ProgramType::kSchedAct ||
         type == ProgramType::kSocketFilter || type == ProgramType::kCgroupSkb;
}

}  // namespace

std::optional<ProgramRules> program_rules(const Program& program) {
  ProgramRules rules;
  switch (program.type) {
    case ProgramType::kXdp:
      rules.packet_read = rules.packet_write = true;
      return rules;
    case ProgramType::kSchedCls:
    case ProgramType::kSchedAct:
      rules.packet_read = rules.packet_write = rules.legacy_packet_loads = true;
      return rules;
    case ProgramType::kSocketFilter:
      rules.legacy_packet_loads = true;
      return rules;
    case ProgramType::kCgroupSkb: {
      // Egress programs may also ask for congestion signals (2, 3).
      const bool egress = program.section.find("egress") != std::string::npos;
      rules.packet_read = rules.legacy_packet_loads = true;
      rules.return_range = ReturnRange{0, egress ? 3 : 1};
      return rules;
    }
    default:
      return std::nullopt;
  }
}

std::optional<RegType> context_load(const Program& program, s64 off, u32 bytes, bool sign_extends) {
  if (program.type == ProgramType::kXdp) {
    return xdp_load(program, off, bytes, sign_extends);
  }
  return is_skb_type(program.type) ? skb_load(program, off, bytes, sign_extends) : std::nullopt;
}

bool context_store(const Program& program, s64 off, u32 bytes) {
  if (!is_skb_type(program.type) || off < 0 || off % bytes != 0) {
    return false;  // XDP's context is read-only
  }
  if (off >= kSkbCb && off < kSkbCbEnd) {
    return off + bytes <= kSkbCbEnd;
  }
  constexpr s64 kMark = 8, kPriority = 32, kQueueMapping = 16, kTcIndex = 44;
  const bool tc = program.type == ProgramType::kSchedCls || program.type == ProgramType::kSchedAct;
  const bool cgroup = program.type == ProgramType::kCgroupSkb;
  if (off == kSkbTstamp && bytes == 8) {
    return tc || cgroup;
  }
  if (bytes != 4) {
    return false;
  }
  return ((tc || cgroup) && (off == kMark || off == kPriority)) ||
         (tc && (off == kQueueMapping || off == kTcIndex || off == kSkbTcClassid));
}

}  // namespace kiln::verifier
