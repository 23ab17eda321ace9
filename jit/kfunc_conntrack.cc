// SPDX-License-Identifier: Apache-2.0
//
// Connection tracking, where no connection is tracked: every look-up is refused for its arguments or finds nothing.
// The environment has no table of connections, as a machine without one in front of its NIC has none.
//
// Source: net/netfilter/nf_conntrack_bpf.c (__bpf_nf_ct_lookup), Linux 6.18.
#include <cerrno>
#include <cstddef>
#include <cstring>

#include "kfuncs.h"

namespace kiln {
namespace {

/// struct bpf_ct_opts.
struct Options {
  std::int32_t netns_id;
  std::int32_t error;
  std::uint8_t l4proto;
  std::uint8_t dir;
  std::uint16_t ct_zone_id;
  std::uint8_t ct_zone_dir;
  std::uint8_t reserved[3];
};
static_assert(sizeof(Options) == 16);

constexpr std::uint64_t kWithoutDirection = offsetof(Options, ct_zone_dir);  // their size before zones had one
constexpr std::int32_t kCurrentNetns = -1;                                   // BPF_F_CURRENT_NETNS
constexpr std::uint8_t kBothDirections = 3;                                  // NF_CT_DEFAULT_ZONE_DIR
constexpr std::uint8_t kTcp = 6, kUdp = 17;
constexpr std::uint64_t kTupleV4 = 12, kTupleV6 = 36;  // struct bpf_sock_tuple

/// Why the connection is not there. Fills in the zone's direction.
std::int32_t look_up(Options& options, std::uint64_t size, std::uint64_t tuple_size) {
  const bool has_direction = size == sizeof(Options);
  if (!has_direction && size != kWithoutDirection) {
    return -EINVAL;
  }
  if (has_direction ? (options.reserved[0] | options.reserved[1] | options.reserved[2]) != 0 : options.ct_zone_id != 0) {
    return -EINVAL;
  }
  if (options.l4proto != kTcp && options.l4proto != kUdp) {
    return -EPROTO;
  }
  if (options.netns_id < kCurrentNetns) {
    return -EINVAL;
  }
  if (tuple_size != kTupleV4 && tuple_size != kTupleV6) {
    return -EAFNOSUPPORT;
  }
  if (options.netns_id >= 0) {
    return -ENONET;  // namespaces have no numbers here
  }
  if (has_direction && options.ct_zone_dir == 0) {
    options.ct_zone_dir = kBothDirections;
  }
  return -ENOENT;
}

/// Arguments as bpf_xdp_ct_lookup() has them. \return NULL.
std::uint64_t no_connection(HelperRuntime& m, std::uint64_t tuple, std::uint64_t tuple_size, std::uint64_t opts,
                            std::uint64_t opts_size) {
  const std::uint64_t size = static_cast<std::uint32_t>(opts_size);
  if (opts == 0 || size < offsetof(Options, l4proto)) {
    return 0;  // nowhere to say why
  }
  std::byte* at = m.write(opts, size);
  if (at == nullptr) {
    return 0;
  }
  Options options{};
  const std::size_t known = std::min<std::size_t>(size, sizeof options);
  std::memcpy(&options, at, known);
  options.error = tuple == 0 ? -EINVAL : look_up(options, size, static_cast<std::uint32_t>(tuple_size));
  std::memcpy(at, &options, known);
  return 0;
}

}  // namespace

KILN_DEFINE_KFUNC(bpf_xdp_ct_lookup) { return no_connection(runtime(machine), r2, r3, r4, r5); }

KILN_DEFINE_KFUNC(bpf_skb_ct_lookup) { return no_connection(runtime(machine), r2, r3, r4, r5); }

KILN_DEFINE_KFUNC(bpf_ct_release) { return runtime(machine).fault("bpf_ct_release() of a connection, and none is tracked"); }

}  // namespace kiln
