// SPDX-License-Identifier: Apache-2.0
//
// Map references stay indices: the kernel resolves them through fd_array.
#include "kernel_program.h"

#include <kiln/attach_target.h>
#include <kiln/btf.h>
#include <kiln/load.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <memory>
#include <vector>

namespace kiln::kernel {
namespace {

constexpr std::uint32_t kLogStatistics = 4;     // BPF_LOG_STATS
constexpr std::uint32_t kLogBytes = 16u << 20;  // the pages that are not written cost nothing

/// What the section asks for, if it is one for programs of the type.
SectionInfo section_of(const Program& program) {
  const SectionInfo info = section_info(program.section);
  return info.type == program.type ? info : SectionInfo{};
}

bpf_attach_type attach_type(const Program& program) {
  const AttachType attach = section_of(program).attach;
  return program.type == ProgramType::kXdp && attach == AttachType::kNone ? BPF_XDP
                                                                         : static_cast<bpf_attach_type>(attach);
}

/// Lines that tell the state before an instruction or show the source are not the reason.
bool is_trace(std::string_view line) {
  const std::size_t digits = line.find_first_not_of("0123456789");
  return line.starts_with(';') || line.starts_with("from ") ||
         (digits != 0 && digits != std::string_view::npos && line[digits] == ':');
}

}  // namespace

bool runs_from_map(const Program& program) {
  const AttachType attach = section_of(program).attach;
  return attach == AttachType::kXdpDevmap || attach == AttachType::kXdpCpumap;
}

std::optional<KernelOperation> kernel_operation(const Program& program) {
  const std::size_t colon = program.hook.find(':');
  const auto types = colon == std::string::npos ? Result<std::shared_ptr<const kiln::Btf>>(nullptr) : kernel_btf();
  const kiln::Btf* kernel = types ? types->get() : nullptr;
  const auto id = kernel == nullptr ? std::nullopt : kernel->find(BtfKind::kStruct, program.hook.substr(0, colon));
  for (std::uint32_t i = 0; id && i < kernel->vlen(*id); ++i) {
    if (kernel->member(*id, i).name == std::string_view(program.hook).substr(colon + 1)) {
      return KernelOperation{*id, i};
    }
  }
  return std::nullopt;
}

Loaded load_program(const Object& object, const Program& program, std::span<const int> maps,
                    const Types& types, std::uint32_t log_level) {
  const std::vector<std::uint64_t> insns = encode_all(program.insns);
  static_assert(sizeof(bpf_insn) == sizeof insns[0]);
  const auto log = std::make_unique_for_overwrite<char[]>(kLogBytes);
  log[0] = '\0';
  bpf_prog_load_opts options{};
  options.sz = sizeof options;
  options.expected_attach_type = attach_type(program);
  options.prog_flags = (program.has_frags ? BPF_F_XDP_HAS_FRAGS : 0u) |
                       (section_of(program).is_sleepable ? BPF_F_SLEEPABLE : 0u);
  if (const std::string_view target = attach_target(program); !target.empty()) {
    const int id = libbpf_find_vmlinux_btf_id(std::string(target).c_str(), options.expected_attach_type);
    options.attach_btf_id = id > 0 ? static_cast<__u32>(id) : 0;
  }
  if (const auto operation = kernel_operation(program)) {
    options.attach_btf_id = operation->type;
    options.expected_attach_type = static_cast<bpf_attach_type>(operation->member);
  }
  options.fd_array = maps.data();
  options.log_level = log_level | kLogStatistics;
  options.log_buf = log.get();
  options.log_size = kLogBytes;
  if (types.btf) {
    options.prog_btf_fd = static_cast<__u32>(types.btf.get());
    options.func_info = types.functions.data();
    options.func_info_cnt = static_cast<__u32>(types.functions.size());
    options.func_info_rec_size = sizeof(bpf_func_info);
    options.line_info = types.lines.data();
    options.line_info_cnt = static_cast<__u32>(types.lines.size());
    options.line_info_rec_size = sizeof(bpf_line_info);
  }
  Loaded loaded;
  loaded.fd =
      Fd(bpf_prog_load(static_cast<bpf_prog_type>(program.type), kernel_name(program.name).c_str(),
                       object.license.c_str(), reinterpret_cast<const bpf_insn*>(insns.data()),
                       insns.size(), &options));
  loaded.error = loaded.fd ? 0 : errno;
  loaded.log = log.get();
  return loaded;
}

std::string reason(const Loaded& loaded) {
  constexpr std::size_t kMaxLines = 4;
  std::vector<std::string_view> lines;
  std::string_view rest = loaded.log;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (line.starts_with("processed ") || line.starts_with("verification time") ||
        line.starts_with("stack depth")) {
      break;  // the statistics, at the end
    }
    if (is_trace(line)) {
      lines.clear();
    } else if (!line.empty()) {
      lines.push_back(line);
    }
  }
  if (lines.empty()) {
    return errno_text(loaded.error);
  }
  std::string text;
  const std::size_t first = lines.size() > kMaxLines ? lines.size() - kMaxLines : 0;
  for (std::size_t i = first; i < lines.size(); ++i) {
    text += i == first ? "" : "; ";
    text += lines[i];
  }
  return text;
}

std::uint64_t log_number(const std::string& log, std::string_view before) {
  const std::size_t at = log.rfind(before);
  std::uint64_t number = 0;
  if (at != std::string::npos) {
    std::from_chars(log.data() + at + before.size(), log.data() + log.size(), number);
  }
  return number;
}

}  // namespace kiln::kernel
