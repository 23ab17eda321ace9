// SPDX-License-Identifier: Apache-2.0
//
// Reads the Ethernet type without having compared with data_end: every verifier must refuse it.
#include "bpf.h"

SEC("xdp")
int refused(struct xdp_md* ctx) {
  const unsigned char* data = (const unsigned char*)(long)ctx->data;
  return data[12] == 0x08 ? XDP_PASS : XDP_DROP;
}

LICENSE("Apache-2.0");
