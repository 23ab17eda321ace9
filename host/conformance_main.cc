// SPDX-License-Identifier: Apache-2.0
//
// kiln-conformance: runs one raw program and prints R0. The plug-in for public conformance runners.
//
//   kiln-conformance [--program HEX] [MEMORY] [--engine interp|jit|nic] [--verify] [--elf] [--debug]
//
// The program comes as pairs of hexadecimal digits from --program or standard input, the memory the same way
// from the first argument that is no option (it may be empty or missing). R1 is the memory's address, R2 its length.
// --verify runs it as an XDP program instead: verified, R1 the context, the memory as the frame (zero-padded to
// 14 bytes), as the kernel's test run would. --elf: the bytes are an object file; its only program is run.
// Runners hand their options over as one argument or several, so blanks inside an option separate too.
// On failure: one line on standard error, exit status 1 refused or faulted, 2 usage, 3 input, 4 bug.
#include <cstdio>
#include <iostream>
#include <iterator>
#include <sstream>

#include <fmt/format.h>
#include <kiln/cpu_engines.h>
#include <kiln/load.h>
#if KILN_HAVE_VERIFIER
#include <kiln/verifier.h>
#endif
#if KILN_HAVE_NIC
#include <kiln/nic_engine.h>
#endif

namespace kiln {
namespace {

constexpr const char* kUsageLine =
    "usage: kiln-conformance [--program HEX] [MEMORY] [--engine interp|jit|nic] [--verify] [--elf] [--debug]";

struct Request {
  std::string engine = "interp";
  std::optional<std::string> program;
  std::string memory;
  bool verify = false, elf = false, debug = false, help = false;
};

Error usage(const std::string& what) { return Error{Errc::kUsage, what + "; " + kUsageLine}; }

int hex_digit(char c) {
  if (c >= '0' && c <= '9') {
    return c - '0';
  }
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/// Pairs of digits, separated by blanks or not at all.
Result<std::vector<std::byte>> parse_hex(const std::string& text, const char* what) {
  std::vector<std::byte> bytes;
  int high = -1;
  for (const char c : text) {
    if (c == ' ' || c == '\n' || c == '\r' || c == '\t') {
      if (high >= 0) {
        return Error{Errc::kInput, fmt::format("{}: a single hexadecimal digit where a pair should be", what)};
      }
      continue;
    }
    const int digit = hex_digit(c);
    if (digit < 0) {
      return Error{Errc::kInput, fmt::format("{}: '{}' is not a hexadecimal digit", what, c)};
    }
    if (high < 0) {
      high = digit;
    } else {
      bytes.push_back(static_cast<std::byte>(high << 4 | digit));
      high = -1;
    }
  }
  if (high >= 0) {
    return Error{Errc::kInput, fmt::format("{}: an odd number of hexadecimal digits", what)};
  }
  return bytes;
}

/// Options split at blanks; everything else as it is, since memory is one argument with blanks in it.
std::vector<std::string> split_options(int argc, char** argv) {
  std::vector<std::string> words;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (!argument.starts_with("--")) {
      words.push_back(argument);
      continue;
    }
    std::istringstream stream(argument);
    for (std::string word; stream >> word;) {
      const std::size_t equals = word.find('=');
      words.push_back(word.substr(0, equals));
      if (equals != std::string::npos) {
        words.push_back(word.substr(equals + 1));
      }
    }
  }
  return words;
}

Result<Request> parse(const std::vector<std::string>& words) {
  Request request;
  bool has_memory = false;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (word == "--engine" || word == "--program") {
      if (++i == words.size()) {
        return usage(word + " needs a value");
      }
      word == "--engine" ? request.engine = words[i] : *(request.program = "") = words[i];
    } else if (word == "--verify") {
      request.verify = true;
    } else if (word == "--elf") {
      request.elf = true;
    } else if (word == "--debug") {
      request.debug = true;
    } else if (word == "--help") {
      request.help = true;
    } else if (word.starts_with("--")) {
      return usage("unknown option " + word);
    } else if (!has_memory) {
      request.memory = word;
      has_memory = true;
    } else if (!word.empty()) {
      return usage("unexpected argument " + word);
    }
  }
  if (request.engine != "interp" && request.engine != "jit" && request.engine != "nic") {
    return usage("unknown engine " + request.engine);
  }
  return request;
}

[[maybe_unused]] Error not_built(const char* what) {
  return Error{Errc::kUnavailable, fmt::format("this kiln-conformance was built without {}", what)};
}

Result<std::uint64_t> run_raw(const Request& request, std::span<const Insn> insns, std::span<std::byte> memory) {
  if (request.engine == "interp") {
    return run_raw_interp(insns, memory);
  }
  if (request.engine == "jit") {
    return run_raw_jit(insns, memory);
  }
#if KILN_HAVE_NIC
  return run_raw_nic(insns, memory);
#else
  return not_built("the NIC");
#endif
}

[[maybe_unused]] Result<std::unique_ptr<Engine>> make_engine(const Request& request) {
  if (request.engine == "interp") {
    return make_interp();
  }
  if (request.engine == "jit") {
    return make_jit();
  }
#if KILN_HAVE_NIC
  return make_nic(NicOptions());
#else
  return not_built("the NIC");
#endif
}

Result<std::uint64_t> run_verified(const Request& request, const Object& object, std::vector<std::byte> memory) {
#if KILN_HAVE_VERIFIER
  VerifyResult verified = verify(object, object.programs[0], {.log_level = request.debug ? 2 : 0});
  if (request.debug) {
    std::fputs(verified.log.c_str(), stderr);
  }
  if (!verified.accepted) {
    return Error{Errc::kRejected, fmt::format("slot {}: {}", verified.insn, verified.message), verified.insn};
  }
  VerifiedObject ready{.object = &object, .facts = {}};
  ready.facts.push_back(std::move(verified.facts));
  auto engine = make_engine(request);
  auto maps = MapSet::create(object.maps, 1);
  if (!engine || !maps) {
    return engine ? maps.error() : engine.error();
  }
  KILN_TRY((*engine)->load(ready, 0, std::move(*maps), Environment()));
  constexpr std::size_t kShortestFrame = 14;
  memory.resize(std::max(memory.size(), kShortestFrame));
  auto outcome = (*engine)->run(Frame{.data = std::move(memory)});
  if (!outcome) {
    return outcome.error();
  }
  return std::uint64_t{outcome->code};
#else
  static_cast<void>(request);
  static_cast<void>(object);
  static_cast<void>(memory);
  return not_built("the verifier");
#endif
}

Result<Object> object_of(const Request& request, std::span<const std::byte> bytes) {
  if (request.elf) {
#if KILN_HAVE_ELF
    auto object = load_object(bytes, "standard input", LoadOptions());
    if (object && object->programs.size() != 1) {
      return Error{Errc::kInput, fmt::format("the object has {} programs, not one", object->programs.size())};
    }
    return object;
#else
    return not_built("the ELF loader");
#endif
  }
  auto insns = decode_all(bytes);
  if (!insns) {
    return insns.error();
  }
  Object object;
  Program& program = object.programs.emplace_back();
  program.name = "conformance";
  program.section = "xdp";
  program.insns = std::move(*insns);
  program.subprograms.push_back({.name = "conformance", .start = 0, .end = static_cast<std::uint32_t>(program.insns.size())});
  return object;
}

Result<std::uint64_t> run(const Request& request) {
  std::string text = request.program.value_or("");
  if (!request.program) {
    text.assign(std::istreambuf_iterator<char>(std::cin), {});
  }
  auto bytes = parse_hex(text, "program");
  auto memory = parse_hex(request.memory, "memory");
  if (!bytes || !memory) {
    return bytes ? memory.error() : bytes.error();
  }
  auto object = object_of(request, *bytes);
  if (!object) {
    return object.error();
  }
  if (request.debug) {
    std::fprintf(stderr, "%zu slots, %zu bytes of memory, engine %s\n", object->programs[0].insns.size(),
                 memory->size(), request.engine.c_str());
  }
  return request.verify ? run_verified(request, *object, std::move(*memory))
                        : run_raw(request, object->programs[0].insns, *memory);
}

int exit_status(Errc code) {
  switch (code) {
    case Errc::kUsage:
      return 2;
    case Errc::kInput:
      return 3;
    case Errc::kInternal:
      return 4;
    default:
      return 1;
  }
}

}  // namespace
}  // namespace kiln

int main(int argc, char** argv) {
  const auto request = kiln::parse(kiln::split_options(argc, argv));
  if (request && request->help) {
    std::puts(kiln::kUsageLine);
    return 0;
  }
  const auto r0 = request ? kiln::run(*request) : kiln::Result<std::uint64_t>(request.error());
  if (!r0) {
    std::fprintf(stderr, "kiln-conformance: %s\n", r0.error().message.c_str());
    return kiln::exit_status(r0.error().code);
  }
  std::printf("%llx\n", static_cast<unsigned long long>(*r0));
  return 0;
}
