// SPDX-License-Identifier: Apache-2.0
//
// One program for each of many section names.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#define PROGRAM(section, name) \
  SEC(section) int name(void *ctx) { return 0; }

PROGRAM("xdp", p_xdp)
PROGRAM("xdp.frags", p_xdp_frags)
PROGRAM("xdp/devmap", p_xdp_devmap)
PROGRAM("xdp.frags/cpumap", p_xdp_frags_cpumap)
PROGRAM("?xdp", p_optional)
PROGRAM("tc", p_tc)
PROGRAM("classifier", p_classifier)
PROGRAM("action", p_action)
PROGRAM("socket", p_socket)
PROGRAM("cgroup_skb/ingress", p_cgroup_skb)
PROGRAM("cgroup/connect4", p_connect)
PROGRAM("cgroup/sock_create", p_sock)
PROGRAM("kprobe/tcp_sendmsg", p_kprobe)
PROGRAM("kretprobe", p_kretprobe)
PROGRAM("tracepoint/xdp/xdp_exception", p_tracepoint)
PROGRAM("tp/xdp/xdp_exception", p_tp)
PROGRAM("raw_tp/xdp_exception", p_raw_tp)
PROGRAM("tp_btf/xdp_exception", p_tp_btf)
PROGRAM("fentry/tcp_sendmsg", p_fentry)
PROGRAM("fexit/tcp_sendmsg", p_fexit)
PROGRAM("lsm/file_open", p_lsm)
PROGRAM("freplace/prog0", p_freplace)
PROGRAM("iter/task", p_iter)
PROGRAM("sockops", p_sockops)
PROGRAM("sk_skb/stream_verdict", p_sk_skb)
PROGRAM("sk_msg", p_sk_msg)
PROGRAM("sk_lookup", p_sk_lookup)
PROGRAM("syscall", p_syscall)
PROGRAM("perf_event", p_perf_event)
PROGRAM("flow_dissector", p_flow_dissector)
PROGRAM("lwt_xmit", p_lwt_xmit)
PROGRAM("nonsense", p_nonsense)

char _license[] SEC("license") = "GPL";
