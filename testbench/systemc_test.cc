// SPDX-License-Identifier: Apache-2.0
//
// The SystemC platform against stepping the verilated model directly: the same program, maps and
// frames give the same verdicts, the same frames and the same cycle counts.
#include <string>
#include <vector>

#include "nic_harness.h"
#include "platform.h"

#include <gtest/gtest.h>

#include <kiln/capture.h>
#include <kiln/compare.h>
#include <kiln/nic_engine.h>
#include <kiln/prepare.h>

namespace kiln {
namespace {

constexpr std::uint64_t kPatience = 2'000'000;  // cycles
constexpr std::uint64_t kClockNs = 5'000'000'000;
constexpr double kClockMhz = 150;
constexpr std::size_t kFifoBytes = 12'000;  // of frames that are sent back to back and must not be dropped

struct Case {
  std::unique_ptr<Prepared> prepared;
  std::unique_ptr<MapSet> maps;
  CoreImage image;
  std::vector<Frame> frames;
};

Case load_case(const std::string& name) {
  const std::string directory = KILN_BUILD_DIR;
  Case c;
  auto prepared = prepare(directory + "/programs/" + name + ".bpf.o", "", {});
  EXPECT_TRUE(prepared);
  c.prepared = std::move(prepared).value();
  auto maps = initial_maps(*c.prepared, "", nic_configurations().front().threads);
  EXPECT_TRUE(maps);
  c.maps = std::make_unique<MapSet>(std::move(maps).value());
  auto image = lower_for_nic(c.prepared->verified, c.prepared->entry, *c.maps);
  EXPECT_TRUE(image);
  c.image = std::move(image).value();
  auto frames = read_capture(directory + "/captures/" + name + ".pcap");
  EXPECT_TRUE(frames);
  std::size_t bytes = 0;
  for (const Frame& frame : fitting_frames(*frames, *c.prepared)) {
    bytes += frame.data.size() + 64;
    if (bytes <= kFifoBytes) {
      c.frames.push_back(frame);
    }
  }
  return c;
}

void configure(sim::NicDriver& driver, const Case& c) {
  ASSERT_TRUE(driver.identify());
  driver.load_image(c.image);
  driver.load_maps(*c.maps);
  driver.set_clock(kClockNs, 0);
  driver.set_random(1);
  driver.start(c.image.entry, 0);
}

struct Observed {
  std::vector<sim::PlatformVerdict> verdicts;
  std::vector<std::vector<std::byte>> frames;
};

void collect(sim::FrameSink& sink, Observed& run) {
  while (!sink.empty()) {
    run.frames.push_back(sink.pop().bytes);
  }
}

Observed run_directly(const Case& c) {
  sim::NicHarness harness(sim::make_nic_model(1, 8), nullptr);
  sim::NicDriver driver(harness);
  configure(driver, c);
  for (const Frame& frame : c.frames) {
    harness.source().push(frame.data, frame.ingress_ifindex);
  }
  // The source offers its first beat in the next cycle, and the receive stream is always ready.
  const std::uint64_t first_beat = harness.model().cycles();
  Observed run;
  for (std::uint64_t i = 0; i < kPatience && harness.verdicts().size() < c.frames.size(); ++i) {
    harness.tick();
  }
  for (int i = 0; i < 1024; ++i) {
    harness.tick();
  }
  for (const sim::TimedVerdict& verdict : harness.verdicts()) {
    run.verdicts.push_back({verdict.record, verdict.cycle - first_beat});
  }
  collect(harness.sink(), run);
  return run;
}

Observed run_in_systemc(const Case& c) {
  sim::Platform platform("platform", sim::make_nic_model(1, 8), kClockMhz,
                         [&c](sim::NicDriver& driver) { configure(driver, c); });
  for (const Frame& frame : c.frames) {
    platform.send(frame.data, frame.ingress_ifindex);
  }
  sc_core::sc_start(sc_core::sc_time(kPatience, sc_core::SC_US));
  Observed run;
  run.verdicts = platform.verdicts();
  collect(platform.sent(), run);
  return run;
}

class SystemC : public testing::TestWithParam<const char*> {};

TEST_P(SystemC, VerdictsFramesAndCyclesEqualDirectStepping) {
  const Case c = load_case(GetParam());
  ASSERT_GT(c.frames.size(), 10u);
  const Observed direct = run_directly(c);
  const Observed systemc = run_in_systemc(c);
  ASSERT_EQ(direct.verdicts.size(), c.frames.size());
  ASSERT_EQ(systemc.verdicts.size(), c.frames.size());
  for (std::size_t i = 0; i < c.frames.size(); ++i) {
    const sim::PlatformVerdict& a = direct.verdicts[i];
    const sim::PlatformVerdict& b = systemc.verdicts[i];
    EXPECT_EQ(a.record.code, b.record.code) << "frame " << i;
    EXPECT_EQ(a.record.insns, b.record.insns) << "frame " << i;
    EXPECT_EQ(a.record.end - a.record.start, b.record.end - b.record.start) << "frame " << i;
    EXPECT_EQ(a.cycle, b.cycle) << "frame " << i;
  }
  EXPECT_EQ(direct.frames, systemc.frames);
}

INSTANTIATE_TEST_SUITE_P(Programs, SystemC, testing::Values("xdp2", "simple_firewall"));

}  // namespace
}  // namespace kiln

/// libsystemc has main() and calls this.
int sc_main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
