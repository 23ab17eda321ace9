// SPDX-License-Identifier: Apache-2.0
//
// The JIT against the interpreter without the rest of Kiln: for processors that it is cross-built for. Bundled programs and
// kernels with their captures and maps, and random programs that verify.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <iostream>

#include <kiln/address.h>
#include <kiln/capture.h>
#include <kiln/cpu_engines.h>
#include <kiln/load.h>
#include <kiln/verifier.h>

#include "case_file.h"
#include "facts_check.h"
#include "random_program.h"

namespace kiln {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostFrames = 120;
constexpr std::uint64_t kRandomPrograms = 1500;

/// The JIT a second time, at other addresses: what differs between the two is an address, which the interpreter has others of.
bool tells_addresses(const VerifiedObject& verified, std::size_t entry, const MapSet& maps, const std::vector<Frame>& frames) {
  const auto one = make_jit(), other = make_jit();
  if (!one->load(verified, entry, MapSet(maps), {}) || !other->load(verified, entry, MapSet(maps), {})) {
    return false;
  }
  for (const Frame& frame : frames) {
    const auto a = one->run(frame), b = other->run(frame);
    if (!a || !b || a->code != b->code || a->frame != b->frame) {
      return true;
    }
  }
  const auto a = one->maps(), b = other->maps();
  return a && b && !std::ranges::equal(a->arena(), b->arena());
}

/// What differs, or nothing. `refused` counts programs that the JIT has no code for on this processor.
std::optional<std::string> compare(const VerifiedObject& verified, std::size_t entry, const MapSet& maps,
                                   const std::vector<Frame>& frames, std::size_t& refused) {
  const auto interp = make_interp(), jit = make_jit();
  if (const auto loaded = interp->load(verified, entry, MapSet(maps), {}); !loaded) {
    return loaded.error().code == Errc::kUnsupported ? std::nullopt : std::optional(loaded.error().message);
  }
  if (const auto loaded = jit->load(verified, entry, MapSet(maps), {}); !loaded) {
    refused += 1;
    return loaded.error().code == Errc::kUnsupported ? std::nullopt : std::optional(loaded.error().message);
  }
  for (std::size_t i = 0; i < frames.size(); ++i) {
    const auto want = interp->run(frames[i]), got = jit->run(frames[i]);
    if (!want || !got) {
      return "frame " + std::to_string(i) + ": " + (want ? got.error().message : want.error().message);
    }
    if (want->code != got->code || want->frame != got->frame) {
      return "frame " + std::to_string(i) + ": returned " + std::to_string(got->code) + ", not " + std::to_string(want->code) +
             (want->frame != got->frame ? ", and the frames differ" : "");
    }
  }
  const auto want = interp->maps(), got = jit->maps();
  const bool equal = want && got && std::ranges::equal(want->arena(), got->arena());
  return equal ? std::nullopt : std::optional<std::string>("maps differ");
}

std::string text_of(const fs::path& file) {
  auto text = read_text(file);
  return text ? *text : std::string();
}

TEST(CpuAgreement, BundledPrograms) {
  const fs::path build = KILN_BUILD_DIR;
  std::size_t programs = 0, refused = 0;
  for (const fs::path& folder : {build / "programs", build / "programs" / "features", build / "programs" / "kernels"}) {
    for (const auto& file : fs::directory_iterator(folder)) {
      const std::string name = file.path().filename();
      if (!name.ends_with(".bpf.o")) {
        continue;
      }
      const std::string stem = name.substr(0, name.find('.'));
      auto object = load_object_file(file.path(), {});
      ASSERT_TRUE(object) << object.error().message;
      VerifiedObject verified{.object = &*object, .facts = {}};
      for (const Program& program : object->programs) {
        verified.facts.push_back(verify(*object, program).facts);
      }
      auto maps = MapSet::create(object->maps, 1);
      ASSERT_TRUE(maps) << maps.error().message;
      if (const fs::path json = folder / (stem + ".maps.json"); fs::exists(json)) {
        ASSERT_TRUE(load_maps_json(*maps, text_of(json)));
      }
      std::vector<Frame> frames;
      for (const fs::path& capture : {build / "captures" / (stem + ".pcap"), build / "captures" / "real.pcap",
                                      build / "captures" / "worst.pcap", folder / "frames.pcap"}) {
        if (auto read = fs::exists(capture) ? read_capture(capture) : Result<std::vector<Frame>>(std::vector<Frame>()); read) {
          frames.insert(frames.end(), read->begin(), read->begin() + static_cast<std::ptrdiff_t>(std::min(read->size(), kMostFrames)));
        }
      }
      std::erase_if(frames, [](const Frame& frame) { return frame.data.size() < 14 || frame.data.size() > address::kMaxFrame; });
      for (std::size_t i = 0; i < object->programs.size(); ++i) {
        if (verified.facts[i].empty() || object->programs[i].type != ProgramType::kXdp) {
          continue;
        }
        ++programs;
        const auto failure = compare(verified, i, *maps, frames, refused);
        EXPECT_FALSE(failure) << name << " " << object->programs[i].name << ": " << *failure;
      }
    }
  }
  std::cout << programs << " programs, " << refused << " of them without code for this processor\n";
  EXPECT_GT(programs, 2 * refused);
}

TEST(CpuAgreement, RandomPrograms) {
  std::size_t programs = 0, refused = 0, not_comparable = 0;
  for (std::uint64_t seed = 1; seed <= kRandomPrograms; ++seed) {
    Object object = verifier::standard_object();
    object.programs = {verifier::random_program(seed)};
    VerifyResult result = verify(object, object.programs[0]);
    if (!result.accepted) {
      continue;
    }
    VerifiedObject verified{.object = &object, .facts = {}};
    verified.facts.push_back(std::move(result.facts));
    auto maps = MapSet::create(object.maps, 1);
    ASSERT_TRUE(maps) << maps.error().message;
    ++programs;
    const auto failure = compare(verified, 0, *maps, random_frames(seed), refused);
    if (failure && tells_addresses(verified, 0, *maps, random_frames(seed))) {
      ++not_comparable;
      continue;
    }
    EXPECT_FALSE(failure) << "seed " << seed << ": " << *failure;
  }
  std::cout << programs << " random programs, " << refused << " of them without code for this processor, " << not_comparable
            << " that tell addresses\n";
  EXPECT_GT(programs, kRandomPrograms / 5);
  EXPECT_LT(10 * not_comparable, programs);
}

}  // namespace
}  // namespace kiln
