// SPDX-License-Identifier: Apache-2.0
//
// For tests: objects made of assembly text, and the engine with one loaded.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include <kiln/disasm.h>
#include <kiln/kernel_engine.h>

#include "kernel_access.h"

namespace kiln::kernel::test {

inline Program program(std::string_view text, std::string name = "entry", bool frags = false) {
  auto insns = assemble(text);
  EXPECT_TRUE(insns) << insns.error().message;
  Program p;
  p.name = std::move(name);
  p.section = frags ? "xdp.frags" : "xdp";
  p.has_frags = frags;
  p.insns = std::move(insns).value();
  p.subprograms = {{.name = p.name, .start = 0, .end = static_cast<std::uint32_t>(p.insns.size())}};
  return p;
}

inline MapSpec map(MapType type, std::uint32_t key, std::uint32_t value, std::uint32_t entries) {
  MapSpec s;
  s.name = std::string(map_type_name(type));
  s.type = type;
  s.key_size = key;
  s.value_size = value;
  s.max_entries = entries;
  s.flags = type == MapType::kLpmTrie ? 1 : 0;
  return s;
}

inline Object object(std::vector<Program> programs, std::vector<MapSpec> maps = {}) {
  Object o;
  o.path = "test";
  o.license = "GPL";
  o.programs = std::move(programs);
  o.maps = std::move(maps);
  return o;
}

inline Frame frame(std::size_t bytes) {
  Frame f;
  f.data.resize(bytes);
  for (std::size_t i = 0; i < bytes; ++i) {
    f.data[i] = std::byte(i + 1);
  }
  return f;
}

inline std::vector<std::byte> u32(std::uint32_t number) {
  std::vector<std::byte> result(4);
  std::memcpy(result.data(), &number, 4);
  return result;
}

/// An object in the kernel; all its programs count as verified.
struct Running {
  explicit Running(Object o, std::uint32_t cpus = 1) : object(std::move(o)), engine(make_kernel()) {
    verified.object = &object;
    for (const Program& p : object.programs) {
      verified.facts.emplace_back().insns.resize(p.insns.size());
    }
    environment.cpu_count = cpus;
    auto created = MapSet::create(object.maps, cpus);
    EXPECT_TRUE(created) << created.error().message;
    maps = std::move(created).value();
  }
  Result<void> load() { return engine->load(verified, 0, maps, environment); }
  Outcome run(const Frame& f) {
    auto outcome = engine->run(f);
    EXPECT_TRUE(outcome) << outcome.error().message;
    return outcome ? *outcome : Outcome{};
  }
  MapSet state() {
    auto result = engine->maps();
    EXPECT_TRUE(result) << result.error().message;
    return std::move(result).value();
  }

  Object object;
  VerifiedObject verified;
  Environment environment;
  MapSet maps;
  std::unique_ptr<Engine> engine;
};

/// Skips, saying why, where there is no bpf(2).
class KernelTest : public testing::Test {
 protected:
  void SetUp() override {
    if (auto available = check_available(); !available) {
      GTEST_SKIP() << available.error().message;
    }
  }
};

#define KILN_LOAD(running)                           \
  do {                                               \
    auto loaded_ = (running).load();                 \
    ASSERT_TRUE(loaded_) << loaded_.error().message; \
  } while (false)

}  // namespace kiln::kernel::test
