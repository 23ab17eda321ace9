// SPDX-License-Identifier: Apache-2.0
//
// kiln bench --compile: how long the JIT takes to make machine code of a verified program, optimiser included.
//
// Measured is Engine::load(), from Facts to code that can run: decoding, the optimiser, emission, pages, the machine's memory. What a load costs whatever
// the program is (that of two instructions, with the same maps, measured in turn with it) is subtracted. Beside the programs that are given, straight code and loops of 1,000
// to 10,000 instructions are made, to see whether the time is linear.
#include <algorithm>
#include <ctime>

#include <fmt/format.h>
#include <kiln/cpu_engines.h>
#include <kiln/disasm.h>
#include <kiln/verifier.h>

#include "command.h"

namespace kiln::cli {
namespace {

double thread_microseconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) * 1e-3;
}

/// Of one load, in microseconds.
Result<double> time_load(const VerifiedObject& verified, std::size_t entry, const Environment& environment, const SpeedOptions& options) {
  auto maps = MapSet::create(verified.object->maps, environment.cpu_count);
  if (!maps) {
    return maps.error();
  }
  auto engine = make_jit({.passes = options.passes, .processor = {}});
  const double start = thread_microseconds();
  KILN_TRY(engine->load(verified, entry, std::move(*maps), environment));
  return thread_microseconds() - start;
}

double median(std::vector<double> times) {
  std::nth_element(times.begin(), times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2), times.end());
  return times[times.size() / 2];
}

struct Made {
  Object object;
  VerifiedObject verified;
};

/// A program of the text's instructions, verified, beside maps.
Result<std::unique_ptr<Made>> make_program(const std::string& text, const std::vector<MapSpec>& maps) {
  auto insns = assemble(text);
  if (!insns) {
    return insns.error();
  }
  auto made = std::make_unique<Made>();
  made->object.maps = maps;
  Program& program = made->object.programs.emplace_back();
  program.name = "made";
  program.type = ProgramType::kXdp;
  program.subprograms = {{.name = "made", .start = 0, .end = static_cast<std::uint32_t>(insns->size())}};
  program.insns = std::move(*insns);
  VerifyResult result = verify(made->object, program);
  if (!result.accepted) {
    return Error{Errc::kInternal, "a program of the compile benchmark is rejected: " + result.message};
  }
  made->verified = {.object = &made->object, .facts = {std::move(result.facts)}};
  return made;
}

/// About `insns` instructions on the frame: loads, arithmetic, stores, stack, branches; every 200 a loop of 8 rounds if wanted.
std::string made_text(std::size_t insns, bool loops) {
  std::string text = "r6 = *(u32 *)(r1 +0)\nr7 = *(u32 *)(r1 +4)\nr2 = r6\nr2 += 64\nr0 = 1\nif r2 <= r7 goto begin\nexit\nbegin:\nr0 = 0\n";
  constexpr std::size_t kBlock = 16;
  for (std::size_t k = 0; k < insns / kBlock; ++k) {
    const bool loop = loops && k % 12 == 0;
    text += loop ? fmt::format("r8 = 0\nagain{}:\n", k) : "";
    text += fmt::format("r2 = *(u32 *)(r6 +{0})\nr3 = r2\nr3 >>= {1}\nr2 ^= r3\nr2 *= {2}\nr0 += r2\n*(u64 *)(r10 -8) = r0\nif r2 s> {3} goto skip{4}\n"
                        "r0 ^= {4}\nr4 = *(u16 *)(r6 +{5})\nr4 = be16 r4\nr0 += r4\nskip{4}:\nr5 = *(u64 *)(r10 -8)\nr5 <<= 3\nr0 |= r5\n*(u8 *)(r6 +{6}) = r0\n",
                        4 * (k % 15), k % 31 + 1, 3 + k, 1000 * k + 7, k, 2 * (k % 31), k % 64);
    text += loop ? fmt::format("r8 += 1\nif r8 != 8 goto again{}\n", k) : "";
  }
  return text + "r0 &= 3\nexit\n";
}

/// Medians of `rounds` loads in turn, in microseconds.
struct LoadTimes {
  double program = 0, nothing = 0;
  double own() const { return std::max(0.0, program - nothing); }
};
Result<LoadTimes> load_times(const VerifiedObject& verified, std::size_t entry, const Environment& environment, const SpeedOptions& options) {
  auto nothing = make_program("r0 = 1\nexit\n", verified.object->maps);
  if (!nothing) {
    return nothing.error();
  }
  std::vector<double> of_program, of_nothing;
  for (std::uint32_t round = 0; round < options.measure.repeats; ++round) {
    auto base = time_load((*nothing)->verified, 0, environment, options);
    auto time = base ? time_load(verified, entry, environment, options) : base;
    if (!time) {
      return time.error();
    }
    of_nothing.push_back(*base);
    of_program.push_back(*time);
  }
  return LoadTimes{.program = median(of_program), .nothing = median(of_nothing)};
}

/// A processor that was idle is slow for a while: its clock rises with work.
Result<void> warm_up(const SpeedOptions& options) {
  constexpr double kMicroseconds = 500e3;
  const double start = thread_microseconds();
  auto nothing = make_program("r0 = 1\nexit\n", {});
  while (nothing && thread_microseconds() - start < kMicroseconds) {
    if (auto time = time_load((*nothing)->verified, 0, Environment(), options); !time) {
      return time.error();
    }
  }
  return nothing ? Result<void>() : nothing.error();
}

void print_row(const std::string& name, std::size_t insns, double us) {
  fmt::print("| {} | {} | {:.1f} | {:.2f} |\n", name, insns, us, us / static_cast<double>(insns));
}

}  // namespace

int bench_compile(const std::vector<std::pair<std::string, std::string>>& objects, bool with_made, const SpeedOptions& options) {
  if (auto warm = warm_up(options); !warm) {
    return fail(warm.error());
  }
  fmt::print("| program | instructions | us | us/instruction |\n|---|---|---|---|\n");
  for (const auto& [name, path] : objects) {
    auto prepared = prepare(path, "", {});
    if (!prepared) {
      return fail(prepared.error());
    }
    auto times = load_times((*prepared)->verified, (*prepared)->entry, (*prepared)->environment, options);
    if (!times) {
      return fail(times.error());
    }
    print_row(name, (*prepared)->program().insns.size(), times->own());
  }
  if (!with_made) {
    return kDone;
  }
  double nothing = 0;
  for (const bool loops : {false, true}) {
    for (const std::size_t insns : {1000, 2000, 5000, 10000}) {
      auto made = make_program(made_text(insns, loops), {});
      auto times = made ? load_times((*made)->verified, 0, Environment(), options) : made.error();
      if (!times) {
        return fail(times.error());
      }
      nothing = times->nothing;
      print_row(loops ? "made, with loops" : "made, straight", (*made)->object.programs[0].insns.size(), times->own());
    }
  }
  fmt::print("\nA load of two instructions with the same maps is subtracted, measured in turn: {:.1f} us without maps.\n", nothing);
  return kDone;
}

}  // namespace kiln::cli
