// SPDX-License-Identifier: Apache-2.0
//
// Section names that only libbpf before 1.0 took.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#define PROGRAM(section, name) \
  SEC(section) int name(void *ctx) { return 0; }

PROGRAM("xdp_drop", p_xdp_suffix)
PROGRAM("xdp/anything", p_xdp_name)
PROGRAM("xdp_devmap/egress", p_xdp_devmap)
PROGRAM("classifier/ingress", p_classifier)
PROGRAM("socket1", p_socket)

char _license[] SEC("license") = "GPL";
