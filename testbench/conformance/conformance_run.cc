// SPDX-License-Identifier: Apache-2.0
//
// conformance_run [--engines=interp,jit,nic,kernel] [--quiet] FILE.data..: every case on every engine, then a table of how
// many cases use each row of isa.def.
//
// `kernel` runs the cases without maps, packet or expected error through bpf(2), as a function called by an XDP program:
// the truth behind the expectations. What its verifier refuses is counted, and not a failure.
//
// Fails when a result is wrong, when there are no cases, and when a row is in no case at all. An engine that is not
// built in is named and skipped. A case that an engine refuses as unsupported is a failure unless it says so.
#include <algorithm>
#include <array>
#include <cstdio>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <kiln/cpu_engines.h>
#if KILN_HAVE_VERIFIER
#include <kiln/verifier.h>
#endif
#if KILN_HAVE_NIC
#include <kiln/nic_engine.h>
#endif

#include "data_file.h"
#include "kernel_probe.h"
#include "test_object.h"

namespace kiln::conformance {
namespace {

struct Runner {
  std::string name;
  std::function<Result<std::uint64_t>(std::span<const Insn>, std::span<std::byte>)> raw;
  std::function<std::unique_ptr<Engine>()> make;
  bool is_cpu = true;  ///< checks every access of an unverified program, and says so in the corpus's words
};

std::vector<Runner> all_runners() {
  return {
      {"interp", run_raw_interp, [] { return make_interp(); }},
      {"jit", run_raw_jit, [] { return make_jit(); }},
#if KILN_HAVE_NIC
      {"nic", run_raw_nic, [] { return make_nic(NicOptions{.continuation = [] { return make_resumable_interp(); }}); }, false},
#endif
  };
}

/// The case as an XDP program of an object of its own. Verified where the verifier is there.
Result<std::uint64_t> run_xdp(const Runner& runner, const Case& one) {
  Object object;
  object.maps = one.maps;
  add_program(object, one.name.empty() ? "conformance" : one.name, one.insns);
  VerifiedObject ready{.object = &object, .facts = {}};
#if KILN_HAVE_VERIFIER
  VerifyResult verified = verify(object, object.programs.front());
  if (verified.accepted) {
    ready.facts.push_back(std::move(verified.facts));
  }
#endif
  auto maps = MapSet::create(object.maps, 1);
  if (!maps) {
    return maps.error();
  }
  const std::unique_ptr<Engine> engine = runner.make();
  KILN_TRY(engine->load(ready, 0, std::move(*maps), Environment()));
  auto outcome = engine->run(Frame{.data = one.memory});
  if (!outcome) {
    return outcome.error();
  }
  return std::uint64_t{outcome->code};
}

/// Empty if the case passes, else what is wrong.
std::string check(const Runner& runner, const Case& one) {
  std::vector<std::byte> memory = one.memory;
  const auto got = one.is_xdp ? run_xdp(runner, one) : runner.raw(one.insns, memory);
  if (one.result) {
    if (!got) {
      return fmt::format("expected {:#x}, got the error: {}", *one.result, got.error().message);
    }
    return *got == *one.result ? "" : fmt::format("expected {:#x}, got {:#x}", *one.result, *got);
  }
  if (got) {
    return fmt::format("expected an error with '{}', got {:#x}", one.error, *got);
  }
  return !runner.is_cpu || got.error().message.find(one.error) != std::string::npos
             ? ""
             : fmt::format("expected an error with '{}', got: {}", one.error, got.error().message);
}

/// Cases that use each row.
std::vector<unsigned> count_rows(const std::vector<Case>& cases) {
  std::vector<unsigned> count(isa_table().size());
  for (const Case& one : cases) {
    std::set<std::size_t> used;
    for (std::size_t slot = 0; slot < one.insns.size(); ++slot) {
      const Insn& insn = one.insns[slot];
      if (const InsnInfo* info = find_insn(insn); info != nullptr && malformed(insn) == nullptr) {
        used.insert(static_cast<std::size_t>(info->op));
      }
      slot += insn.is_wide() ? 1 : 0;
    }
    for (const std::size_t row : used) {
      ++count[row];
    }
  }
  return count;
}

bool print_coverage(const std::vector<unsigned>& count, bool quiet) {
  bool complete = true;
  int column = 0;
  for (std::size_t row = 0; row < count.size(); ++row) {
    if (!quiet) {
      fmt::print("{:<20}{:>4}{}", isa_table()[row].name, count[row], ++column % 4 == 0 ? "\n" : "   ");
    }
    if (count[row] == 0) {
      fmt::print("{}: in no case\n", isa_table()[row].name);
      complete = false;
    }
  }
  fmt::print("{}{} of {} rows of isa.def are covered\n", quiet || column % 4 == 0 ? "" : "\n",
             count.size() - static_cast<std::size_t>(std::count(count.begin(), count.end(), 0u)), count.size());
  return complete;
}

bool run_all(const Runner& runner, const std::vector<Case>& cases) {
  std::size_t failed = 0, ran = 0;
  for (const Case& one : cases) {
    if (one.is_fault && !runner.is_cpu) {
      continue;
    }
    ++ran;
    if (const std::string wrong = check(runner, one); !wrong.empty()) {
      fmt::print("FAIL {} {}:{} {}: {}\n", runner.name, one.file, one.line, one.name, wrong);
      ++failed;
    }
  }
  fmt::print("{}: {} of {} cases pass, {} not for it\n", runner.name, ran - failed, ran, cases.size() - ran);
  return failed == 0;
}

/// What Linux says to the same cases.
bool run_kernel(const std::vector<Case>& cases, bool quiet) {
  std::size_t ran = 0, refused = 0, failed = 0;
  for (const Case& one : cases) {
    if (!one.result || one.is_xdp || one.not_kernel) {
      continue;
    }
    const auto got = run_raw_kernel(one.insns, one.memory);
    if (!got && got.error().code == Errc::kUnavailable) {
      fmt::print("kernel: skipped, {}\n", got.error().message);
      return true;
    }
    if (!got) {
      if (!quiet) {
        fmt::print("refused by the kernel: {}:{} {}: {}\n", one.file, one.line, one.name, got.error().message);
      }
      ++refused;
      continue;
    }
    ++ran;
    if (got->r0 != *one.result) {
      fmt::print("FAIL kernel {}:{} {}: expected {:#x}, got {:#x}\n", one.file, one.line, one.name, *one.result, got->r0);
      ++failed;
    }
  }
  fmt::print("kernel: {} of {} cases pass, {} refused by its verifier\n", ran - failed, ran, refused);
  return failed == 0 && ran > 0;
}

/// \return the exit status.
int run(const std::vector<std::string>& engines, const std::vector<std::string>& files, bool quiet) {
  std::vector<Case> cases;
  for (const std::string& file : files) {
    auto read = read_data_file(file);
    if (!read) {
      fmt::print(stderr, "conformance_run: {}\n", read.error().message);
      return 3;
    }
    cases.insert(cases.end(), read->begin(), read->end());
  }
  if (cases.empty()) {
    fmt::print("no cases: nothing was shown\n");
    return 1;
  }
  bool good = true;
  std::size_t ran = 0;
  const std::vector<Runner> runners = all_runners();
  for (const std::string& name : engines) {
    if (name == "kernel") {
      good &= run_kernel(cases, quiet);
      ++ran;
      continue;
    }
    const auto runner = std::find_if(runners.begin(), runners.end(), [&](const Runner& r) { return r.name == name; });
    if (runner == runners.end()) {
      fmt::print("{}: skipped, this conformance_run was built without it\n", name);
      continue;
    }
    good &= run_all(*runner, cases);
    ++ran;
  }
  good &= print_coverage(count_rows(cases), quiet);
  return good && ran > 0 ? 0 : 1;
}

}  // namespace
}  // namespace kiln::conformance

int main(int argc, char** argv) {
  std::vector<std::string> engines = {"interp", "jit", "nic"}, files;
  bool quiet = false;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument.starts_with("--engines=")) {
      engines.clear();
      for (std::size_t at = 10; at <= argument.size();) {
        const std::size_t comma = std::min(argument.find(',', at), argument.size());
        engines.push_back(argument.substr(at, comma - at));
        at = comma + 1;
      }
    } else if (argument == "--quiet") {
      quiet = true;
    } else if (argument.starts_with("--")) {
      fmt::print(stderr, "usage: conformance_run [--engines=interp,jit,nic,kernel] [--quiet] FILE.data..\n");
      return 2;
    } else {
      files.push_back(argument);
    }
  }
  std::sort(files.begin(), files.end());
  return kiln::conformance::run(engines, files, quiet);
}
