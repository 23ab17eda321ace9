// SPDX-License-Identifier: Apache-2.0
#include "operations.h"

#include <iterator>

#include <fmt/format.h>

namespace kiln::verifier {
namespace {

/// Fields of a connection that congestion control may write. \source bpf_tcp_ca_btf_struct_access()
struct Path {
  std::string_view type, member, inner;
};
constexpr Path kCongestionFields[] = {
    {"sock", "sk_pacing_rate", ""},     {"sock", "sk_pacing_status", ""},
    {"inet_connection_sock", "icsk_ca_priv", ""}, {"inet_connection_sock", "icsk_ack", "pending"},
    {"tcp_sock", "snd_cwnd", ""},       {"tcp_sock", "snd_cwnd_cnt", ""},
    {"tcp_sock", "snd_cwnd_stamp", ""}, {"tcp_sock", "snd_ssthresh", ""},
    {"tcp_sock", "ecn_flags", ""},      {"tcp_sock", "app_limited", ""},
};

struct Range {
  u32 begin = 0, end = 0;
};

/// Where a member lies, also inside unions without a name.
std::optional<Range> place_of(const Btf& btf, u32 type, std::string_view name, u32 base = 0, unsigned depth = 0) {
  constexpr unsigned kMaxDepth = 4;
  for (u32 i = 0; depth < kMaxDepth && btf.is_composite(type) && i < btf.vlen(type); ++i) {
    const Btf::Member member = btf.member(type, i);
    const u32 begin = base + member.bit_offset / 8;
    if (member.name == name) {
      const u32 bytes = member.bitfield_size != 0 ? 1 : btf.size_of(member.type).value_or(0);
      return Range{begin, begin + bytes};
    }
    const auto inner = member.name.empty() ? place_of(btf, btf.strip(member.type).value_or(0), name, begin, depth + 1) : std::nullopt;
    if (inner) {
      return inner;
    }
  }
  return std::nullopt;
}

std::optional<Range> place_of(const Btf& btf, const Path& path) {
  const auto type = btf.find(BtfKind::kStruct, path.type);
  const auto outer = type ? place_of(btf, *type, path.member) : std::nullopt;
  if (!outer || path.inner.empty()) {
    return outer;
  }
  for (u32 i = 0; i < btf.vlen(*type); ++i) {
    if (const Btf::Member member = btf.member(*type, i); member.name == path.member) {
      return place_of(btf, btf.strip(member.type).value_or(0), path.inner, outer->begin);
    }
  }
  return std::nullopt;
}

}  // namespace

std::variant<Operation, std::string> find_operation(const Btf* kernel, std::string_view hook) {
  const std::size_t colon = hook.find(':');
  if (colon == hook.npos) {
    return std::string("no .struct_ops section says which operation the program implements");
  }
  const std::string_view type = hook.substr(0, colon), member = hook.substr(colon + 1);
  const auto id = kernel == nullptr ? std::nullopt : kernel->find(BtfKind::kStruct, type);
  if (!id) {
    return fmt::format("the kernel's BTF has no struct {}, or is not here", type);
  }
  for (u32 i = 0; i < kernel->vlen(*id); ++i) {
    const Btf::Member found = kernel->member(*id, i);
    if (found.name != member) {
      continue;
    }
    const u32 pointer = kernel->strip(found.type).value_or(0);
    const u32 proto = pointer != 0 && kernel->kind(pointer) == BtfKind::kPtr ? kernel->target(pointer) : 0;
    if (proto == 0 || kernel->kind(proto) != BtfKind::kFuncProto) {
      return fmt::format("attach to invalid member {}(@idx {}) of struct {}", member, i, type);
    }
    // Names of arguments say more than the type does; they are a function's of that name.
    const auto stub = kernel->find(BtfKind::kFunc, fmt::format("{}__{}", type, member));
    return Operation{std::string(type), std::string(member), proto, stub ? kernel->target(*stub) : 0};
  }
  return fmt::format("struct {} of the kernel has no member {}", type, member);
}

std::string refuse_write(const Btf& kernel, const Operation& operation, u32 type, s64 off, u32 bytes) {
  if (operation.type == "bpf_dummy_ops" && kernel.name(type) == "bpf_dummy_ops_state") {
    return off + s64{bytes} <= s64{kernel.byte_size(type)} ? "" : "access beyond bpf_dummy_ops_state";
  }
  if (operation.type != "tcp_congestion_ops" || kernel.name(type) != "tcp_sock") {
    return "only read is supported";
  }
  for (const Path& path : kCongestionFields) {
    const auto place = place_of(kernel, path);
    const bool anywhere = path.member == "icsk_ca_priv";
    if (place && (anywhere ? off >= s64{place->begin} && off < s64{place->end} : off == s64{place->begin})) {
      return off + s64{bytes} <= s64{place->end}
                 ? ""
                 : fmt::format("write access at off {} with size {} beyond the member of tcp_sock ended at {}", off, bytes,
                               place->end);
    }
  }
  return fmt::format("no write support to tcp_sock at off {}", off);
}

}  // namespace kiln::verifier
