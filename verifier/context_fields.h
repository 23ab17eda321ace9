// SPDX-License-Identifier: Apache-2.0
//
// The context of each program type: which bytes a program may load and store, how wide, and what it gets.
// Source: the is_valid_access functions of Linux 6.18 (net/core/filter.c, kernel/bpf/cgroup.c,
// kernel/trace/bpf_trace.c), struct __sk_buff and its like in uapi/linux/bpf.h.
#pragma once

#include <optional>

#include <kiln/program.h>

#include "tnum.h"

namespace kiln::verifier {

/// What a load from the context gives.
enum class ContextValue : u8 {
  kNumber,
  kPacket,
  kPacketMeta,
  kPacketEnd,
  kSocket,
  kSocketOrNull,
  kSockCommonOrNull,
  kFlowKeys,
  kTracepointBuffer,
  kHookState,  ///< struct nf_hook_state
  kSkBuff,     ///< struct sk_buff
};

/// A load or store of a context at a fixed place.
struct ContextAccess {
  s64 off = 0;
  u32 bytes = 0;
  bool write = false;
  bool sign_extends = false;
};

/// Is there a table for contexts of this type?
bool has_context(ProgramType type);
/// nullopt: not allowed.
std::optional<ContextValue> context_access(ProgramType type, AttachType attach, const ContextAccess& access);

}  // namespace kiln::verifier
