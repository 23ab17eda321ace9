// SPDX-License-Identifier: Apache-2.0
#include "kernel_names.h"

namespace kiln::verifier {

std::string_view kind_word(const Btf& btf, u32 type) {
  switch (type == 0 ? BtfKind::kVoid : btf.kind(type)) {
    case BtfKind::kStruct: return "STRUCT";
    case BtfKind::kUnion: return "UNION";
    case BtfKind::kPtr: return "PTR";
    case BtfKind::kInt: return "INT";
    case BtfKind::kEnum: return "ENUM";
    case BtfKind::kFwd: return "FWD";
    case BtfKind::kFuncProto: return "FUNC_PROTO";
    default: return "UNKN";
  }
}

/// Does `type` hold, at `off`, a structure of type `wanted`?
bool holds_struct(const Btf& btf, u32 type, u32 off, u32 wanted) {
  for (unsigned depth = 0; depth < 8; ++depth) {
    if (type == wanted && off == 0) {
      return true;
    }
    bool inside = false;
    for (u32 i = 0; btf.is_composite(type) && i < btf.vlen(type) && !inside; ++i) {
      const Btf::Member member = btf.member(type, i);
      const auto plain = btf.strip(member.type);
      const u32 size = btf.size_of(member.type).value_or(0), begin = member.bit_offset / 8;
      if (plain && *plain != 0 && btf.is_composite(*plain) && off >= begin && off < begin + size) {
        off -= begin;
        type = *plain;
        inside = true;
      }
    }
    if (!inside) {
      return false;
    }
  }
  return false;
}

std::string_view kernel_context(ProgramType type) {
  switch (type) {
    case ProgramType::kXdp: return "xdp_buff";
    case ProgramType::kSchedCls:
    case ProgramType::kSchedAct:
    case ProgramType::kSocketFilter:
    case ProgramType::kCgroupSkb:
    case ProgramType::kLwtIn:
    case ProgramType::kLwtOut:
    case ProgramType::kLwtXmit:
    case ProgramType::kLwtSeg6local:
    case ProgramType::kSkSkb: return "sk_buff";
    case ProgramType::kPerfEvent: return "bpf_perf_event_data_kern";
    case ProgramType::kSockOps: return "bpf_sock_ops_kern";
    case ProgramType::kCgroupSockAddr: return "bpf_sock_addr_kern";
    case ProgramType::kCgroupSock: return "sock";
    default: return "";
  }
}

bool is_context_name(ProgramType type, std::string_view name) {
  const std::string_view kernel = kernel_context(type);
  if (name.empty() || kernel.empty()) {
    return false;
  }
  return name == kernel || (kernel == "xdp_buff" && name == "xdp_md") ||
         (kernel == "sk_buff" && name == "__sk_buff") ||
         (kernel.ends_with("_kern") && name == kernel.substr(0, kernel.size() - 5));
}

/// \source include/linux/bpf_types.h of the kernel
std::string_view context_struct_name(ProgramType type) {
  switch (type) {
    case ProgramType::kXdp: return "xdp_md";
    case ProgramType::kSchedCls:
    case ProgramType::kSchedAct:
    case ProgramType::kSocketFilter:
    case ProgramType::kCgroupSkb:
    case ProgramType::kLwtIn:
    case ProgramType::kLwtOut:
    case ProgramType::kLwtXmit:
    case ProgramType::kLwtSeg6local:
    case ProgramType::kSkSkb:
    case ProgramType::kFlowDissector: return "__sk_buff";
    case ProgramType::kCgroupSock: return "bpf_sock";
    case ProgramType::kCgroupSockAddr: return "bpf_sock_addr";
    case ProgramType::kSockOps: return "bpf_sock_ops";
    case ProgramType::kSkMsg: return "sk_msg_md";
    case ProgramType::kSkReuseport: return "sk_reuseport_md";
    case ProgramType::kSkLookup: return "bpf_sk_lookup";
    case ProgramType::kCgroupDevice: return "bpf_cgroup_dev_ctx";
    case ProgramType::kCgroupSysctl: return "bpf_sysctl";
    case ProgramType::kCgroupSockopt: return "bpf_sockopt";
    case ProgramType::kKprobe: return "pt_regs";
    case ProgramType::kPerfEvent: return "bpf_perf_event_data";
    case ProgramType::kRawTracepoint:
    case ProgramType::kRawTracepointWritable: return "bpf_raw_tracepoint_args";
    default: return "";
  }
}

/// \source the map_btf_id of each map type of the kernel
std::string_view map_struct(MapType type) {
  switch (type) {
    case MapType::kArray:
    case MapType::kPercpuArray:
    case MapType::kProgArray:
    case MapType::kPerfEventArray:
    case MapType::kCgroupArray:
    case MapType::kArrayOfMaps: return "bpf_array";
    case MapType::kHash:
    case MapType::kPercpuHash:
    case MapType::kLruHash:
    case MapType::kLruPercpuHash:
    case MapType::kHashOfMaps: return "bpf_htab";
    case MapType::kStackTrace: return "bpf_stack_map";
    case MapType::kLpmTrie: return "lpm_trie";
    case MapType::kDevmap:
    case MapType::kDevmapHash: return "bpf_dtab";
    case MapType::kCpumap: return "bpf_cpu_map";
    case MapType::kXskmap: return "xsk_map";
    case MapType::kSockmap: return "bpf_stab";
    case MapType::kSockhash: return "bpf_shtab";
    case MapType::kCgroupStorage:
    case MapType::kPercpuCgroupStorage: return "bpf_cgroup_storage_map";
    case MapType::kReuseportSockarray: return "reuseport_array";
    case MapType::kQueue:
    case MapType::kStack: return "bpf_queue_stack";
    case MapType::kSkStorage:
    case MapType::kInodeStorage:
    case MapType::kTaskStorage:
    case MapType::kCgrpStorage: return "bpf_local_storage_map";
    case MapType::kRingbuf:
    case MapType::kUserRingbuf: return "bpf_ringbuf_map";
    case MapType::kBloomFilter: return "bpf_bloom_filter";
    default: return "";
  }
}

}  // namespace kiln::verifier
