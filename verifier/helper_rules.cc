// SPDX-License-Identifier: Apache-2.0
#include "helper_rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>

namespace kiln::verifier {
namespace {

using H = HelperId;
using M = MapType;

template <typename T>
bool is_one_of(T value, std::initializer_list<T> values) {
  return std::find(values.begin(), values.end(), value) != values.end();
}

/// What the map allows. \source check_map_func_compatibility(), first half
bool map_takes(M type, H helper) {
  switch (type) {
    case M::kProgArray:
      return helper == H::tail_call;
    case M::kPerfEventArray:
      return is_one_of(helper, {H::perf_event_read, H::perf_event_output, H::skb_output, H::perf_event_read_value,
                                H::xdp_output});
    case M::kRingbuf:
      return is_one_of(helper, {H::ringbuf_output, H::ringbuf_reserve, H::ringbuf_query, H::ringbuf_reserve_dynptr,
                                H::ringbuf_submit_dynptr, H::ringbuf_discard_dynptr});
    case M::kUserRingbuf:
      return helper == H::user_ringbuf_drain;
    case M::kStackTrace:
      return helper == H::get_stackid;
    case M::kCgroupArray:
      return is_one_of(helper, {H::skb_under_cgroup, H::current_task_under_cgroup});
    case M::kCgroupStorage:
    case M::kPercpuCgroupStorage:
      return helper == H::get_local_storage;
    case M::kDevmap:
    case M::kDevmapHash:
    case M::kXskmap:
      return is_one_of(helper, {H::redirect_map, H::map_lookup_elem});
    case M::kCpumap:
      return helper == H::redirect_map;
    case M::kArrayOfMaps:
    case M::kHashOfMaps:
      return helper == H::map_lookup_elem;
    case M::kSockmap:
      return is_one_of(helper, {H::sk_redirect_map, H::sock_map_update, H::map_delete_elem, H::msg_redirect_map,
                                H::sk_select_reuseport, H::map_lookup_elem, H::map_update_elem});
    case M::kSockhash:
      return is_one_of(helper, {H::sk_redirect_hash, H::sock_hash_update, H::map_delete_elem, H::msg_redirect_hash,
                                H::sk_select_reuseport, H::map_lookup_elem, H::map_update_elem});
    case M::kReuseportSockarray:
      return helper == H::sk_select_reuseport;
    case M::kQueue:
    case M::kStack:
      return is_one_of(helper, {H::map_peek_elem, H::map_pop_elem, H::map_push_elem});
    case M::kSkStorage:
      return is_one_of(helper, {H::sk_storage_get, H::sk_storage_delete, H::kptr_xchg});
    case M::kInodeStorage:
      return is_one_of(helper, {H::inode_storage_get, H::inode_storage_delete, H::kptr_xchg});
    case M::kTaskStorage:
      return is_one_of(helper, {H::task_storage_get, H::task_storage_delete, H::kptr_xchg});
    case M::kCgrpStorage:
      return is_one_of(helper, {H::cgrp_storage_get, H::cgrp_storage_delete, H::kptr_xchg});
    case M::kBloomFilter:
      return is_one_of(helper, {H::map_peek_elem, H::map_push_elem});
    default:
      return true;
  }
}

/// What the helper allows. \source check_map_func_compatibility(), second half
bool helper_takes(H helper, M type) {
  switch (helper) {
    case H::tail_call:
      return type == M::kProgArray;
    case H::perf_event_read:
    case H::perf_event_output:
    case H::perf_event_read_value:
    case H::skb_output:
    case H::xdp_output:
      return type == M::kPerfEventArray;
    case H::ringbuf_output:
    case H::ringbuf_reserve:
    case H::ringbuf_query:
    case H::ringbuf_reserve_dynptr:
    case H::ringbuf_submit_dynptr:
    case H::ringbuf_discard_dynptr:
      return type == M::kRingbuf;
    case H::user_ringbuf_drain:
      return type == M::kUserRingbuf;
    case H::get_stackid:
      return type == M::kStackTrace;
    case H::current_task_under_cgroup:
    case H::skb_under_cgroup:
      return type == M::kCgroupArray;
    case H::redirect_map:
      return is_one_of(type, {M::kDevmap, M::kDevmapHash, M::kCpumap, M::kXskmap});
    case H::sk_redirect_map:
    case H::msg_redirect_map:
    case H::sock_map_update:
      return type == M::kSockmap;
    case H::sk_redirect_hash:
    case H::msg_redirect_hash:
    case H::sock_hash_update:
      return type == M::kSockhash;
    case H::get_local_storage:
      return is_one_of(type, {M::kCgroupStorage, M::kPercpuCgroupStorage});
    case H::sk_select_reuseport:
      return is_one_of(type, {M::kReuseportSockarray, M::kSockmap, M::kSockhash});
    case H::map_pop_elem:
      return is_one_of(type, {M::kQueue, M::kStack});
    case H::map_peek_elem:
    case H::map_push_elem:
      return is_one_of(type, {M::kQueue, M::kStack, M::kBloomFilter});
    case H::map_lookup_percpu_elem:
      return is_one_of(type, {M::kPercpuArray, M::kPercpuHash, M::kLruPercpuHash});
    case H::sk_storage_get:
    case H::sk_storage_delete:
      return type == M::kSkStorage;
    case H::inode_storage_get:
    case H::inode_storage_delete:
      return type == M::kInodeStorage;
    case H::task_storage_get:
    case H::task_storage_delete:
      return type == M::kTaskStorage;
    case H::cgrp_storage_get:
    case H::cgrp_storage_delete:
      return type == M::kCgrpStorage;
    default:
      return true;
  }
}

bool is_followed(HelperResult result) {
  switch (result) {
    case HelperResult::kVoid:
    case HelperResult::kInteger:
    case HelperResult::kLength:
    case HelperResult::kProcessor:
    case HelperResult::kMapValue:
    case HelperResult::kMapValueOrNull:
    case HelperResult::kSocketOrNull:
    case HelperResult::kSockCommonOrNull:
    case HelperResult::kTcpSockOrNull:
    case HelperResult::kRingbufMemOrNull:
    case HelperResult::kDynptrMemOrNull:
    case HelperResult::kKptrOrNull:
    case HelperResult::kPercpuVariable:
    case HelperResult::kPercpuVariableOrNull:
      return true;
    default:
      return !result_struct(result).empty();
  }
}

}  // namespace

/// \source cgroup_common_func_proto() of the kernel
bool has_retval(AttachType attach) {
  using A = AttachType;
  return !is_one_of<A>(attach, {A::kCgroupInetEgress, A::kCgroupUdp4Recvmsg, A::kCgroupUdp6Recvmsg,
                                A::kCgroupUnixRecvmsg, A::kCgroupInet4Getpeername, A::kCgroupInet6Getpeername,
                                A::kCgroupUnixGetpeername, A::kCgroupInet4Getsockname, A::kCgroupInet6Getsockname,
                                A::kCgroupUnixGetsockname});
}

std::string_view result_struct(HelperResult result) {
  switch (result) {
    case HelperResult::kBtfTaskTrusted: return "task_struct";
    case HelperResult::kBtfPtRegs: return "pt_regs";
    case HelperResult::kBtfSocketOrNull: return "socket";
    case HelperResult::kBtfTcpSockOrNull: return "tcp_sock";
    case HelperResult::kBtfTcp6SockOrNull: return "tcp6_sock";
    case HelperResult::kBtfTcpTimewaitSockOrNull: return "tcp_timewait_sock";
    case HelperResult::kBtfTcpRequestSockOrNull: return "tcp_request_sock";
    case HelperResult::kBtfUdp6SockOrNull: return "udp6_sock";
    case HelperResult::kBtfUnixSockOrNull: return "unix_sock";
    case HelperResult::kBtfMptcpSockOrNull: return "mptcp_sock";
    default: return "";
  }
}

std::string_view argument_struct(HelperArg arg) {
  switch (arg) {
    case HelperArg::kBtfSockCommon:
    case HelperArg::kBtfSockCommonOrNull:
    case HelperArg::kBtfSockCommonRelease: return "sock_common";
    case HelperArg::kBtfSockOrNull: return "sock";
    case HelperArg::kBtfTcpSock: return "tcp_sock";
    case HelperArg::kBtfTask:
    case HelperArg::kBtfTaskOrNull: return "task_struct";
    case HelperArg::kBtfCgroupOrNull: return "cgroup";
    case HelperArg::kBtfInode:
    case HelperArg::kBtfInodeOrNull: return "inode";
    case HelperArg::kBtfFile: return "file";
    case HelperArg::kBtfPath: return "path";
    case HelperArg::kBtfSeqFile: return "seq_file";
    case HelperArg::kBtfSkBuff: return "sk_buff";
    case HelperArg::kBtfXdpBuff: return "xdp_buff";
    case HelperArg::kBtfLinuxBinprm: return "linux_binprm";
    default: return "";
  }
}

bool fits_map(const HelperInfo& helper, MapType type) {
  const auto id = static_cast<HelperId>(helper.number);
  return map_takes(type, id) && helper_takes(id, type);
}

bool may_update_sockmap(ProgramType type, AttachType attach, bool deletes) {
  switch (type) {
    case ProgramType::kTracing:
      return attach == AttachType::kTraceIter;
    case ProgramType::kSockOps:
      return deletes;
    case ProgramType::kSocketFilter:
    case ProgramType::kSchedCls:
    case ProgramType::kSchedAct:
    case ProgramType::kXdp:
    case ProgramType::kSkReuseport:
    case ProgramType::kFlowDissector:
    case ProgramType::kSkLookup:
      return true;
    default:
      return false;
  }
}

bool is_for_sleepable(MapType type) {
  return is_one_of(type, {M::kHash, M::kLruHash, M::kArray, M::kPercpuHash, M::kPercpuArray, M::kLruPercpuHash,
                          M::kArrayOfMaps, M::kHashOfMaps, M::kRingbuf, M::kUserRingbuf, M::kInodeStorage,
                          M::kSkStorage, M::kTaskStorage, M::kCgrpStorage, M::kQueue, M::kStack, M::kArena});
}

bool is_read_only(const MapSpec& map) {
  constexpr u32 kReadOnlyFlag = 1u << 7;  // BPF_F_RDONLY_PROG
  // A devmap's value is the kernel's own, so it is created read-only.
  return map.is_readonly || (map.flags & kReadOnlyFlag) != 0 || map.type == MapType::kDevmap ||
         map.type == MapType::kDevmapHash;
}

std::string not_followed(const HelperInfo& helper) {
  return is_followed(helper.result) ? "" : "its result";
}

bool is_gpl_compatible(std::string_view license) {
  return is_one_of<std::string_view>(license, {"GPL", "GPL v2", "GPL and additional rights", "Dual BSD/GPL",
                                               "Dual MIT/GPL", "Dual MPL/GPL"});
}

}  // namespace kiln::verifier
