// SPDX-License-Identifier: Apache-2.0
#include "kernel_judge.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <unistd.h>

#include <kiln/attach_target.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <memory>

namespace kiln::verifier {
namespace {

constexpr std::uint8_t kMapByFd = 1, kMapValueByFd = 2, kMapByIndex = 5, kMapValueByIndex = 6;

std::vector<struct bpf_insn> for_kernel(const Program& program, const std::vector<int>& maps) {
  std::vector<struct bpf_insn> result(program.insns.size());
  for (std::size_t i = 0; i < result.size(); ++i) {
    Insn insn = program.insns[i];
    const auto index = static_cast<std::size_t>(insn.imm);
    if (insn.is_wide() && (insn.src == kMapByIndex || insn.src == kMapValueByIndex) && index < maps.size()) {
      insn.src = insn.src == kMapByIndex ? kMapByFd : kMapValueByFd;
      insn.imm = maps[index];
    }
    const std::uint64_t word = encode(insn);
    std::memcpy(&result[i], &word, sizeof word);
  }
  return result;
}

std::uint32_t attach_type(const Program& program) {
  const SectionInfo info = section_info(program.section);
  return info.type == program.type ? static_cast<std::uint32_t>(info.attach) : 0;
}

}  // namespace

bool KernelJudge::available() {
  const struct bpf_insn exits[] = {{.code = 0xb7, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0},
                                   {.code = 0x95, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0}};
  const int fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "probe", "GPL", exits, 2, nullptr);
  if (fd >= 0) {
    close(fd);
  }
  return fd >= 0;
}

KernelJudge::KernelJudge(const Object& object)
    : object_(object), types_(nullptr, btf__free), maps_(object.maps.size(), -1) {
  for (std::size_t i = 0; i < object.maps.size() && error_.empty(); ++i) {
    if (maps_[i] < 0) {
      maps_[i] = create_map(i);
    }
    if (maps_[i] < 0) {
      error_ = "map " + object.maps[i].name + ": " + std::strerror(errno);
    }
  }
}

KernelJudge::~KernelJudge() {
  for (const int fd : maps_) {
    if (fd >= 0) {
      close(fd);
    }
  }
}

int KernelJudge::create_map(std::size_t index) {
  const MapSpec& spec = object_.maps[index];
  LIBBPF_OPTS(bpf_map_create_opts, options);
  options.map_flags = spec.flags | (spec.is_readonly ? BPF_F_RDONLY_PROG : 0u);
  if (spec.inner) {
    if (maps_[*spec.inner] < 0) {
      maps_[*spec.inner] = create_map(*spec.inner);
    }
    options.inner_map_fd = static_cast<__u32>(maps_[*spec.inner]);
  }
  const int fd = bpf_map_create(static_cast<bpf_map_type>(spec.type), "kiln_judge", spec.key_size,
                                spec.value_size, spec.max_entries, &options);
  if (fd >= 0 && !spec.initial.empty()) {
    const __u32 key = 0;
    bpf_map_update_elem(fd, &key, spec.initial.data(), BPF_ANY);
  }
  if (fd >= 0 && spec.is_readonly) {
    bpf_map_freeze(fd);
  }
  return fd;
}

/// Types that say of a function that it is static, without which the kernel takes no address of one.
bool KernelJudge::describe_functions() {
  if (types_ == nullptr) {
    types_.reset(btf__new_empty());
    const int number = btf__add_int(types_.get(), "long", 8, BTF_INT_SIGNED);
    const int prototype = btf__add_func_proto(types_.get(), number);
    function_type_ = static_cast<std::uint32_t>(btf__add_func(types_.get(), "f", BTF_FUNC_STATIC, prototype));
    if (btf__load_into_kernel(types_.get()) != 0) {
      error_ = "the types of functions are refused";
    }
  }
  return error_.empty();
}

Judgement KernelJudge::judge(const Program& program, int log_level) {
  return judge(program, log_level, attach_type(program));
}

Judgement KernelJudge::judge(const Program& program, int log_level, std::uint32_t attach_type) {
  Judgement result;
  result.error = error_;
  if (!error_.empty()) {
    return result;
  }
  const auto is_described = [](const Subprogram& sub) { return sub.btf_func != 0; };
  std::vector<bpf_func_info> functions;
  if (std::any_of(program.subprograms.begin(), program.subprograms.end(), is_described)) {
    if (!describe_functions()) {
      result.error = error_;
      return result;
    }
    for (const Subprogram& sub : program.subprograms) {
      functions.push_back({.insn_off = sub.start, .type_id = function_type_});
    }
  }
  // Kept from call to call: the kernel zeroes what it needs, and clearing it here would cost more
  // than the verification.
  static const std::size_t kLogBytes = 64u << 20;
  static const std::unique_ptr<char[]> log(new char[kLogBytes]);
  log[0] = 0;
  LIBBPF_OPTS(bpf_prog_load_opts, options);
  options.expected_attach_type = static_cast<bpf_attach_type>(attach_type);
  if (const std::string_view target = attach_target(program); !target.empty()) {
    const int id = libbpf_find_vmlinux_btf_id(std::string(target).c_str(), options.expected_attach_type);
    options.attach_btf_id = id > 0 ? static_cast<__u32>(id) : 0;
  }
  options.log_level = static_cast<__u32>(log_level);
  options.log_size = log_level == 0 ? 0u : static_cast<__u32>(kLogBytes);
  options.log_buf = log_level == 0 ? nullptr : log.get();
  options.prog_btf_fd = functions.empty() ? 0u : static_cast<__u32>(btf__fd(types_.get()));
  options.func_info = functions.data();
  options.func_info_cnt = static_cast<__u32>(functions.size());
  options.func_info_rec_size = sizeof(bpf_func_info);
  options.prog_flags = (program.has_frags ? BPF_F_XDP_HAS_FRAGS : 0u) |
                       (section_info(program.section).is_sleepable ? BPF_F_SLEEPABLE : 0u);
  const auto insns = for_kernel(program, maps_);
  const auto began = std::chrono::steady_clock::now();
  const int fd = bpf_prog_load(static_cast<bpf_prog_type>(program.type), "kiln_judge", object_.license.c_str(),
                               insns.data(), insns.size(), &options);
  result.time_us =
      std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - began).count();
  result.accepted = fd >= 0;
  if (fd >= 0) {
    close(fd);
  }
  if (log_level != 0) {
    result.log = log.get();
  }
  return result;
}

}  // namespace kiln::verifier
