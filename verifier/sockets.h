// SPDX-License-Identifier: Apache-2.0
//
// What a program may read of the sockets that it gets pointers to.
#pragma once

#include "state.h"

namespace kiln::verifier {

/// A read of `bytes` at `off` of struct bpf_sock (all of it, or what every socket has), bpf_tcp_sock,
/// bpf_xdp_sock. REQUIRES: is_socket(type).
/// \source net/core/filter.c: bpf_sock_is_valid_access and the like
bool socket_load(RegType type, s64 off, u32 bytes);

}  // namespace kiln::verifier
