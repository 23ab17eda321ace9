// SPDX-License-Identifier: Apache-2.0
#include "signature.h"

#include <fmt/format.h>

#include <kiln/btf.h>

namespace kiln::verifier {
namespace {

std::string_view context_name(ProgramType type) {
  return type == ProgramType::kXdp ? "xdp_md" : "__sk_buff";
}

bool is_number(const Btf& btf, std::optional<u32> type) {
  return type && *type != 0 && (btf.kind(*type) == BtfKind::kInt || btf.is_enum(*type));
}

/// What the callee may assume of an argument of this type; kNotInit: not supported.
Reg argument(const Btf& btf, u32 type, ProgramType program_type) {
  const auto plain = btf.strip(type);
  if (is_number(btf, plain)) {
    return Reg::unknown();
  }
  if (!plain || btf.kind(*plain) != BtfKind::kPtr) {
    return Reg{};
  }
  const auto target = btf.strip(btf.target(*plain));
  if (!target || *target == 0) {
    return Reg{};
  }
  if (btf.kind(*target) == BtfKind::kStruct && btf.name(*target) == context_name(program_type)) {
    return Reg::pointer(RegType::kCtx);
  }
  const auto size = btf.size_of(*target);
  if (!size || *size == 0) {
    return Reg{};
  }
  Reg memory = Reg::pointer(RegType::kMem);
  memory.extra = static_cast<s32>(*size);
  memory.maybe_null = true;
  return memory;
}

}  // namespace

Signature read_signature(const Object& object, u32 func, ProgramType program_type) {
  Signature s;
  const auto parsed = Btf::parse(object.btf);
  const bool found = parsed && func != 0 && func < parsed->count() && parsed->kind(func) == BtfKind::kFunc;
  const u32 proto = found ? parsed->target(func) : 0;
  if (proto == 0 || parsed->kind(proto) != BtfKind::kFuncProto) {
    s.defect = "global function has no BTF prototype";
    return s;
  }
  const Btf& btf = *parsed;
  s.name = btf.name(func);
  const u32 result = btf.target(proto);
  if (result != 0 && !is_number(btf, btf.strip(result))) {
    s.defect = fmt::format("Global function {}() doesn't return scalar. Only those are supported.", s.name);
    return s;
  }
  if (btf.vlen(proto) > 5) {
    s.defect = fmt::format("Global function {}() with {} > 5 args. Buggy compiler.", s.name, btf.vlen(proto));
    return s;
  }
  for (u32 i = 0; i < btf.vlen(proto); ++i) {
    const Reg reg = argument(btf, btf.param(proto, i).type, program_type);
    if (reg.type == RegType::kNotInit) {
      s.defect = fmt::format("Arg#{} type in {}() is not supported yet.", i, s.name);
      return s;
    }
    s.arguments.push_back(reg);
  }
  return s;
}

}  // namespace kiln::verifier
