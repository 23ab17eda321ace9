// SPDX-License-Identifier: Apache-2.0
//
// BTF as clang leaves it has data sections without sizes and offsets: the linker is to fill them
// in. The kernel refuses that, so they are filled in here, in the order of the variables.
#include "btf.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>

#include <memory>

namespace kiln::kernel {
namespace {

constexpr __u32 kAlignment = 8;

struct FreeBtf {
  void operator()(btf* types) const { btf__free(types); }
};

void fill_in_section(btf_type* section) {
  btf_var_secinfo* variables = btf_var_secinfos(section);
  __u32 at = 0;
  for (__u16 i = 0; i < btf_vlen(section); ++i) {
    variables[i].offset = at;
    at += (variables[i].size + kAlignment - 1) / kAlignment * kAlignment;
  }
  section->size = at;
}

}  // namespace

Fd load_btf(std::span<const std::byte> raw) {
  if (raw.empty()) {
    return {};
  }
  const std::unique_ptr<btf, FreeBtf> types(btf__new(raw.data(), static_cast<__u32>(raw.size())));
  if (types == nullptr) {
    return {};
  }
  for (__u32 id = 1; id < btf__type_cnt(types.get()); ++id) {
    const btf_type* type = btf__type_by_id(types.get(), id);
    if (btf_is_datasec(type)) {
      fill_in_section(const_cast<btf_type*>(
          type));  // NOLINT(cppcoreguidelines-pro-type-const-cast): our own copy
    }
  }
  __u32 bytes = 0;
  const void* data = btf__raw_data(types.get(), &bytes);
  return data != nullptr ? Fd(bpf_btf_load(data, bytes, nullptr)) : Fd();
}

}  // namespace kiln::kernel
