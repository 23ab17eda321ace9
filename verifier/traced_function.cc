// SPDX-License-Identifier: Apache-2.0
#include "traced_function.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include <kiln/attach_target.h>

namespace kiln::verifier {
namespace {

constexpr u32 kArgumentBytes = 8, kMaxArguments = 12;

/// Tracepoints that may pass NULL: the arguments' numbers, as bits. Linux 6.18 knows more, in modules.
struct Doubtful {
  std::string_view tracepoint;
  unsigned null = 0;
};
constexpr Doubtful kDoubtful[] = {
    {"sched_pi_setprio", 2}, {"sched_stick_numa", 4}, {"sched_swap_numa", 4}, {"fib_table_lookup", 4},
    {"posix_lock_inode", 2}, {"fcntl_setlk", 2}, {"locks_remove_posix", 2}, {"flock_lock_inode", 2},
    {"break_lease_noblock", 2}, {"break_lease_block", 2}, {"break_lease_unblock", 2}, {"generic_delete_lease", 2},
    {"time_out_leases", 2}, {"ext4_mballoc_discard", 2}, {"ext4_mballoc_free", 2}, {"mm_khugepaged_scan_pmd", 2},
    {"mm_collapse_huge_page_isolate", 1}, {"mm_khugepaged_scan_file", 2}, {"mm_khugepaged_collapse_file", 2},
    {"mm_page_alloc", 1}, {"mm_page_pcpu_drain", 1}, {"mm_page_alloc_zone_locked", 1}, {"netfs_failure", 2},
    {"device_pm_callback_start", 2}, {"qdisc_dequeue", 8}, {"kfree_skb", 8}, {"tcp_send_reset", 3},
    {"tcp_sendmsg_locked", 4}, {"tmigr_update_events", 1}, {"writeback_dirty_folio", 2}, {"folio_wait_writeback", 2},
    {"hugetlbfs_alloc_inode", 2}, {"kvm_page_fault_enter", 4}, {"neigh_update", 2}, {"wiphy_work_queue", 2},
    {"wiphy_work_run", 2}, {"wiphy_work_cancel", 2}, {"wiphy_work_flush", 2}, {"nfs4_setup_sequence", 1},
    {"cfg80211_scan_done", 3}, {"xs_stream_read_data", 1}, {"netfs_folioq", 1}, {"xfs_defer_create_intent", 1},
    {"xfs_defer_cancel_list", 1}, {"xfs_defer_pending_finish", 1}, {"xfs_defer_pending_abort", 1},
    {"xfs_defer_relog_intent", 1}, {"xfs_defer_isolate_paused", 1}, {"xfs_defer_item_pause", 1},
    {"xfs_defer_item_unpause", 1}, {"xfs_defer_add_item", 1}, {"xfs_defer_cancel_item", 1},
    {"xfs_defer_finish_item", 1}, {"xfs_inodegc_flush", 1}, {"xfs_inodegc_push", 1}, {"xfs_inodegc_start", 1},
    {"xfs_inodegc_stop", 1}, {"xfs_inodegc_queue", 1}, {"xfs_inodegc_throttle", 1}, {"xfs_fs_sync_fs", 1},
    {"xfs_blockgc_start", 1}, {"xfs_blockgc_stop", 1}, {"xfs_blockgc_worker", 1}, {"xfs_blockgc_flush_all", 1},
    {"xfs_ioc_free_eofblocks", 2}, {"xfs_blockgc_free_space", 2}, {"xfs_map_blocks_found", 16},
    {"xfs_map_blocks_alloc", 16},
};

/// Hooks that are called while the object is being made or taken apart.
constexpr std::string_view kUntrustedHooks[] = {
    "bpf_lsm_bpf_map_free",      "bpf_lsm_bpf_prog_free",      "bpf_lsm_file_alloc_security",
    "bpf_lsm_file_free_security", "bpf_lsm_sk_alloc_security", "bpf_lsm_sk_free_security",
    "bpf_lsm_task_free",         "bpf_lsm_bdev_alloc_security", "bpf_lsm_bdev_free_security"};
/// Hooks that answer yes or no; all others 0 or an error.
constexpr std::string_view kYesNoHooks[] = {"bpf_lsm_xfrm_state_pol_flow_match", "bpf_lsm_audit_rule_known",
                                            "bpf_lsm_inode_xattr_skipcap"};

/// Arguments of iterators that are no bare pointers to what the prototype says: NULL after the last element.
enum class Walks : u8 { kOrNull, kTrustedOrNull, kBuffer, kReadOnlyBuffer };
struct IteratorArgument {
  std::string_view function;
  u32 argument;
  Walks kind;
};
/// \source the bpf_iter_reg of each iterator in Linux 6.18: ctx_arg_info
constexpr IteratorArgument kIteratorArguments[] = {
    {"bpf_iter_task", 1, Walks::kTrustedOrNull},       {"bpf_iter_cgroup", 1, Walks::kTrustedOrNull},
    {"bpf_iter_kmem_cache", 1, Walks::kTrustedOrNull}, {"bpf_iter_bpf_map", 1, Walks::kTrustedOrNull},
    {"bpf_iter_tcp", 1, Walks::kTrustedOrNull},        {"bpf_iter_udp", 1, Walks::kTrustedOrNull},
    {"bpf_iter_bpf_prog", 1, Walks::kOrNull},          {"bpf_iter_bpf_link", 1, Walks::kOrNull},
    {"bpf_iter_task_file", 1, Walks::kOrNull},         {"bpf_iter_task_file", 3, Walks::kOrNull},
    {"bpf_iter_task_vma", 1, Walks::kOrNull},          {"bpf_iter_task_vma", 2, Walks::kOrNull},
    {"bpf_iter_dmabuf", 1, Walks::kOrNull},            {"bpf_iter_netlink", 1, Walks::kOrNull},
    {"bpf_iter_ipv6_route", 1, Walks::kOrNull},        {"bpf_iter_unix", 1, Walks::kOrNull},
    {"bpf_iter_ksym", 1, Walks::kOrNull},              {"bpf_iter_sockmap", 2, Walks::kReadOnlyBuffer},
    {"bpf_iter_sockmap", 3, Walks::kOrNull},           {"bpf_iter_bpf_sk_storage_map", 2, Walks::kOrNull},
    {"bpf_iter_bpf_sk_storage_map", 3, Walks::kBuffer}, {"bpf_iter_bpf_map_elem", 2, Walks::kReadOnlyBuffer},
    {"bpf_iter_bpf_map_elem", 3, Walks::kBuffer},
};

const IteratorArgument* iterator_argument(std::string_view function, u32 argument) {
  const auto found = std::find_if(std::begin(kIteratorArguments), std::end(kIteratorArguments), [&](const IteratorArgument& a) {
    return a.function == function && a.argument == argument;
  });
  return found == std::end(kIteratorArguments) ? nullptr : &*found;
}

template <std::size_t N>
bool is_one_of(std::string_view name, const std::string_view (&names)[N]) {
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

std::string_view prefix(AttachType attach) {
  switch (attach) {
    case AttachType::kTraceRawTp: return "btf_trace_";
    case AttachType::kLsmMac:
    case AttachType::kLsmCgroup: return "bpf_lsm_";
    case AttachType::kTraceIter: return "bpf_iter_";
    default: return "";
  }
}

}  // namespace

std::variant<TracedFunction, std::string> TracedFunction::find(const Program& program, AttachType attach,
                                                               const Btf* kernel) {
  if (program.type == ProgramType::kStructOps) {
    return implemented(program, kernel);
  }
  const std::string_view target = attach_target(program);
  const bool is_known = attach == AttachType::kTraceRawTp || attach == AttachType::kTraceFentry ||
                        attach == AttachType::kTraceFexit || attach == AttachType::kModifyReturn ||
                        attach == AttachType::kLsmMac || attach == AttachType::kLsmCgroup ||
                        attach == AttachType::kTraceIter;
  if (!is_known) {
    return fmt::format("program type {} is not supported by this verifier for section '{}'",
                       program_type_name(program.type), program.section);
  }
  if (target.empty()) {
    return fmt::format("program type {} is verified for a function of the kernel, which section '{}' does not name",
                       program_type_name(program.type), program.section);
  }
  TracedFunction f;
  f.kernel_ = kernel;
  f.attach_ = attach;
  f.name_ = fmt::format("{}{}", prefix(attach), target);
  const bool is_tracepoint = attach == AttachType::kTraceRawTp;
  const auto id = kernel == nullptr ? std::nullopt
                                    : kernel->find(is_tracepoint ? BtfKind::kTypedef : BtfKind::kFunc, f.name_);
  u32 proto = id ? kernel->target(*id) : 0;
  if (is_tracepoint) {
    proto = proto != 0 && kernel->kind(proto) == BtfKind::kPtr ? kernel->target(proto) : 0;
    f.first_ = 1;  // what the tracepoint was registered with
    f.name_ = target;
  }
  if (proto == 0 || kernel->kind(proto) != BtfKind::kFuncProto) {
    return fmt::format("the kernel's BTF has no function {}{}, or is not here", prefix(attach), target);
  }
  f.proto_ = proto;
  return f;
}

std::variant<TracedFunction, std::string> TracedFunction::implemented(const Program& program, const Btf* kernel) {
  auto found = find_operation(kernel, program.hook);
  if (const auto* reason = std::get_if<std::string>(&found)) {
    return *reason;
  }
  TracedFunction f;
  f.kernel_ = kernel;
  f.operation_ = std::get<Operation>(std::move(found));
  f.name_ = f.operation_->member;
  f.proto_ = f.operation_->proto;
  for (u32 i = 0; f.operation_->stub != 0 && i < kernel->vlen(f.operation_->stub); ++i) {
    if (kernel->param(f.operation_->stub, i).name.ends_with("__ref")) {
      return fmt::format("operation {}: an argument that must be released is not supported by this verifier", program.hook);
    }
  }
  const u32 result = kernel->strip(kernel->target(f.proto_)).value_or(0);
  if (result != 0 && kernel->kind(result) == BtfKind::kPtr) {
    return fmt::format("operation {}: returning a pointer is not supported by this verifier", program.hook);
  }
  return f;
}

bool TracedFunction::is_small_int(u32 type) const {
  return kernel_->is_enum(type) ||
         (kernel_->kind(type) == BtfKind::kInt && kernel_->byte_size(type) <= kArgumentBytes);
}

std::variant<Reg, std::string> TracedFunction::load(s64 off, u32 bytes) const {
  if (off < 0 || off >= s64{kArgumentBytes} * kMaxArguments || off % bytes != 0) {
    return fmt::format("invalid bpf_context access off={} size={}", off, bytes);
  }
  if (off % kArgumentBytes != 0) {
    return fmt::format("func '{}' offset {} is not multiple of 8", name_, off);
  }
  const u32 argument = static_cast<u32>(off) / kArgumentBytes;
  const u32 count = kernel_->vlen(proto_) - std::min(first_, kernel_->vlen(proto_));
  const bool has_result = attach_ == AttachType::kTraceFexit || attach_ == AttachType::kModifyReturn ||
                          attach_ == AttachType::kLsmMac || attach_ == AttachType::kLsmCgroup;
  if (argument > count || (argument == count && !has_result)) {
    return fmt::format("func '{}' doesn't have {}-th argument", name_, argument + 1);
  }
  const u32 declared = argument == count ? kernel_->target(proto_) : kernel_->param(proto_, first_ + argument).type;
  const u32 type = kernel_->strip(declared).value_or(0);
  if (type != 0 && (is_small_int(type) || kernel_->kind(type) == BtfKind::kStruct)) {
    return argument == count ? result() : Reg::unknown();
  }
  if (type == 0 || kernel_->kind(type) != BtfKind::kPtr) {
    return fmt::format("func '{}' arg{} '{}' has type {}. Only pointer access is allowed", name_, argument,
                       type == 0 ? "" : kernel_->name(type), type == 0 ? "VOID" : "UNION");
  }
  if (bytes != kArgumentBytes) {
    return fmt::format("func '{}' size {} must be 8", name_, bytes);
  }
  const IteratorArgument* walked = attach_ == AttachType::kTraceIter ? iterator_argument(name_, argument) : nullptr;
  if (walked != nullptr && (walked->kind == Walks::kBuffer || walked->kind == Walks::kReadOnlyBuffer)) {
    Reg buffer = Reg::pointer(RegType::kBuf);
    buffer.set(walked->kind == Walks::kReadOnlyBuffer ? kReadOnly : 0u);
    buffer.maybe_null = true;
    return buffer;
  }
  auto reg = pointer(argument, kernel_->target(type));
  if (Reg* element = std::get_if<Reg>(&reg); walked != nullptr && element != nullptr) {
    element->maybe_null = true;
    walked->kind == Walks::kOrNull ? element->clear(kTrusted) : element->set(kTrusted);
  }
  return reg;
}

/// What the function, or the hooks before this one, gave. Of hooks it is in the range that they must keep to.
Reg TracedFunction::result() const {
  Reg reg = Reg::unknown();
  const auto range = attach_ == AttachType::kLsmMac ? return_range() : std::nullopt;
  if (range) {
    reg.bounds.w.limit_signed(range->min, range->max);
    reg.bounds.h.limit_signed(static_cast<s32>(range->min), static_cast<s32>(range->max));
    reg.bounds.sync();
  }
  return reg;
}

/// Pointers to structs and unions can be followed, those to numbers and to nothing are as good as numbers.
std::variant<Reg, std::string> TracedFunction::pointer(u32 argument, u32 pointed) const {
  const u32 target = kernel_->strip(pointed).value_or(0);
  if (target == 0 || kernel_->kind(target) == BtfKind::kInt) {
    return Reg::unknown();
  }
  if (!kernel_->is_composite(target)) {
    return fmt::format("func '{}' arg{} type PTR is not a struct", name_, argument);
  }
  Reg reg = Reg::pointer(RegType::kBtf);
  reg.extra = static_cast<s32>(target);
  const bool is_tracepoint = attach_ == AttachType::kTraceRawTp;
  const bool is_iterator = attach_ == AttachType::kTraceIter || operation_;
  const bool is_hook = attach_ == AttachType::kLsmMac || attach_ == AttachType::kLsmCgroup;
  reg.set(is_tracepoint || is_iterator || (is_hook && !is_one_of(name_, kUntrustedHooks)) ? kTrusted : 0u);
  if (operation_ && operation_->type == "tcp_congestion_ops" && kernel_->name(target) == "sock") {
    reg.extra = static_cast<s32>(kernel_->find(BtfKind::kStruct, "tcp_sock").value_or(target));  // which it is
  }
  if (operation_ && operation_->stub != 0 && argument < kernel_->vlen(operation_->stub)) {
    reg.maybe_null = kernel_->param(operation_->stub, argument).name.ends_with("__nullable");
  } else if (argument + first_ < kernel_->vlen(proto_)) {
    reg.maybe_null = kernel_->param(proto_, first_ + argument).name.ends_with("__nullable");
  }
  if (kernel_->kind(pointed) == BtfKind::kTypeTag) {
    reg.set(kernel_->name(pointed) == "user" ? kUser : kernel_->name(pointed) == "percpu" ? kPerCpu : 0u);
  }
  const auto doubt = std::find_if(std::begin(kDoubtful), std::end(kDoubtful),
                                  [this](const Doubtful& d) { return d.tracepoint == name_; });
  if (is_tracepoint && doubt != std::end(kDoubtful)) {
    reg.maybe_null = reg.maybe_null || (doubt->null >> argument & 1) != 0;
  }
  return reg;
}

/// \source check_return_code() and bpf_lsm_get_retval_range() of the kernel
std::optional<ReturnRange> TracedFunction::return_range() const {
  constexpr s64 kMaxErrno = 4095;
  const bool is_void = kernel_->target(proto_) == 0;
  switch (attach_) {
    case AttachType::kTraceFentry:
    case AttachType::kTraceFexit: return ReturnRange{0, 0};
    case AttachType::kTraceIter: return ReturnRange{0, 1};
    case AttachType::kLsmMac:
      return is_void ? std::nullopt
                     : std::optional(is_one_of(name_, kYesNoHooks) ? ReturnRange{0, 1, true} : ReturnRange{-kMaxErrno, 0, true});
    case AttachType::kLsmCgroup: return is_void ? ReturnRange{1, 1} : ReturnRange{0, 1};
    default: return std::nullopt;
  }
}

}  // namespace kiln::verifier
