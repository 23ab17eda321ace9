// SPDX-License-Identifier: Apache-2.0
#include "case_file.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>

#include <fmt/format.h>

#include <kiln/btf.h>
#include <kiln/disasm.h>
#include <kiln/load.h>

namespace kiln::verifier {
namespace {

[[noreturn]] void malformed_case(const std::string& file, int line, const std::string& why) {
  std::cerr << file << ":" << line << ": " << why << "\n";
  std::exit(1);
}

Expectation expectation(const std::string& text) {
  return text.starts_with("reject") ? Expectation{false, text.size() > 7 ? text.substr(7) : ""}
                                    : Expectation{true, text.size() > 7 ? text.substr(7) : ""};
}

ProgramType type_by_name(const std::string& name) {
  for (unsigned i = 0; i < 40; ++i) {
    if (program_type_name(static_cast<ProgramType>(i)) == name) {
      return static_cast<ProgramType>(i);
    }
  }
  return ProgramType::kUnspec;
}

/// The running kernel's types, if it has any, and the kernel functions that cases call.
const std::shared_ptr<const Btf>& kernel_types() {
  static const std::shared_ptr<const Btf> types = [] {
    const auto running = kernel_btf();
    return with_kernel_functions(running ? *running : nullptr);
  }();
  return types;
}

class Reader {
 public:
  explicit Reader(const std::filesystem::path& path) : file_(path.filename().string()) {
    std::ifstream in(path);
    for (std::string line; std::getline(in, line);) {
      ++line_;
      take(line);
    }
    finish();
  }
  std::vector<Case> cases;

 private:
  void take(const std::string& line) {
    const auto begins = [&](const char* word) { return line.starts_with(word); };
    if (begins("== ")) {
      finish();
      open_ = true;
      current_ = Case{};
      current_.file = file_;
      current_.name = line.substr(3);
      current_.program.section = "xdp";
    } else if (line.empty() || begins("#")) {
      return;
    } else if (!open_) {
      malformed_case(file_, line_, "text before the first case");
    } else if (begins("accept") || begins("reject")) {
      current_.ours = expectation(line);
    } else if (begins("kernel ")) {
      current_.differs = true;
      current_.kernel = expectation(line.substr(7));
    } else if (begins("type ")) {
      current_.program.type = type_by_name(line.substr(5));
    } else if (begins("section ")) {
      current_.program.section = line.substr(8);
    } else if (begins("license ")) {
      current_.license = line.substr(8);
    } else if (line == "needs BTF") {
      current_.needs_btf = true;
    } else if (begins("call kfunc ")) {
      const std::uint32_t id = kernel_function(line.substr(11));
      current_.kernel_function = std::max(current_.kernel_function, id);
      text_ += fmt::format("call kernel-function#{}\n", id);
    } else {
      text_ += line + "\n";
    }
  }
  void finish() {
    if (!open_) {
      return;
    }
    auto insns = assemble(text_);
    if (!insns) {
      malformed_case(file_, line_, current_.name + ": " + insns.error().message);
    }
    current_.program.insns = *insns;
    current_.program.name = "case";
    if (!current_.differs) {
      current_.kernel = current_.ours;
    }
    cases.push_back(current_);
    text_.clear();
    open_ = false;
  }

  std::string file_, text_;
  int line_ = 0;
  bool open_ = false;
  Case current_;
};

MapSpec map(const char* name, MapType type, std::uint32_t key, std::uint32_t value, std::uint32_t entries,
            std::uint32_t flags = 0) {
  MapSpec spec;
  spec.name = name;
  spec.type = type;
  spec.key_size = key;
  spec.value_size = value;
  spec.max_entries = entries;
  spec.flags = flags;
  return spec;
}

}  // namespace

std::vector<Case> read_cases(const std::string& directory) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    if (entry.path().extension() == ".txt") {
      files.push_back(entry.path());
    }
  }
  std::sort(files.begin(), files.end());
  std::vector<Case> cases;
  for (const auto& file : files) {
    Reader reader(file);
    cases.insert(cases.end(), reader.cases.begin(), reader.cases.end());
  }
  return cases;
}

bool running_kernel_is_known() {
  constexpr const char* kSince618 = "bpf_strcasecmp";
  const auto types = kernel_btf();
  return types && (*types)->find(BtfKind::kFunc, kSince618).has_value();
}

std::uint32_t kernel_function(const std::string& name) {
  return kernel_types()->find(BtfKind::kFunc, name).value_or(0);
}

Object standard_object() {
  constexpr std::uint32_t kNoPrealloc = 1, kReadOnly = 1u << 7, kWriteOnly = 1u << 8;
  Object object;
  object.kernel_types = kernel_types();
  object.license = "GPL";
  object.maps = {
      map("array", MapType::kArray, 4, 48, 4),
      map("hash", MapType::kHash, 8, 16, 16),
      map("progs", MapType::kProgArray, 4, 4, 4),
      map("devs", MapType::kDevmap, 4, 4, 8),
      map("cpus", MapType::kCpumap, 4, 4, 2),
      map("xsks", MapType::kXskmap, 4, 4, 4),
      map("events", MapType::kPerfEventArray, 4, 4, 4),
      map("rodata", MapType::kArray, 4, 16, 1),
      map("bss", MapType::kArray, 4, 64, 1),
      map("outer", MapType::kArrayOfMaps, 4, 4, 4),
      map("wronly", MapType::kArray, 4, 8, 4, kWriteOnly),
      map("percpu", MapType::kPercpuArray, 4, 8, 4),
      map("lpm", MapType::kLpmTrie, 8, 4, 16, kNoPrealloc),
      map("rdonly", MapType::kArray, 4, 8, 4, kReadOnly),
  };
  object.maps[7].is_readonly = true;
  for (const int byte : {5, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xfe, 0xfd, 0xfc, 0, 0, 0, 0}) {
    object.maps[7].initial.push_back(static_cast<std::byte>(byte));
  }
  object.maps[9].inner = 0;
  return object;
}

Object case_object() {
  Object object = standard_object();
  const MapSpec more[] = {
      map("queue", MapType::kQueue, 0, 8, 4),
      map("bloom", MapType::kBloomFilter, 0, 8, 16),
      map("ringbuf", MapType::kRingbuf, 0, 0, 4096),
      map("percpu_hash", MapType::kPercpuHash, 4, 8, 4),
      map("stacks", MapType::kStackTrace, 4, 128, 4),
      map("sockets", MapType::kSockmap, 4, 4, 4),
      map("local", MapType::kCgroupStorage, 16, 8, 0),
  };
  object.maps.insert(object.maps.end(), std::begin(more), std::end(more));
  return object;
}

}  // namespace kiln::verifier
