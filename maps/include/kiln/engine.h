// SPDX-License-Identifier: Apache-2.0
//
// The interface that every engine is behind: interp, jit, nic, kernel.
//
// load() once, then run() frames one after another; each run sees the map state that the previous
// one left. An engine works on its own MapSet, so that several can be compared.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include <kiln/environment.h>
#include <kiln/facts.h>
#include <kiln/map_set.h>
#include <kiln/program.h>
#include <kiln/result.h>

namespace kiln {

/// enum xdp_action. What a program returns may be any number; anything above kRedirect aborts.
enum class Verdict : std::uint32_t { kAborted = 0, kDrop = 1, kPass = 2, kTx = 3, kRedirect = 4 };

/// A frame as it arrives. 14..max_frame bytes, from the first octet of the destination address.
struct Frame {
  std::vector<std::byte> data;
  std::uint32_t ingress_ifindex = 1;
  std::uint32_t rx_queue = 0;
  /// What else the program is given. Packets that are struct sk_buff: bytes of struct __sk_buff, as
  /// BPF_PROG_TEST_RUN takes them. Tracing programs: their whole context; `data` is empty then.
  std::vector<std::byte> context = {};
};

/// Where a redirected frame goes.
struct RedirectTarget {
  std::int32_t map = -1;    ///< index of the map (redirect_map), or -1: `key` is an ifindex
  std::uint32_t key = 0;
  bool operator==(const RedirectTarget&) const = default;
};

/// Something that a program handed to user space.
enum class EventKind : std::uint8_t {
  kPerf,   ///< bpf_perf_event_output(): `index` is the slot
  kRing,   ///< a record of a ring buffer
  kTrace,  ///< text of bpf_trace_printk(); the kernel engine can't tell
  kCloned, ///< a packet of bpf_clone_redirect(): `index` is the ifindex; the kernel engine can't tell
};
struct Event {
  EventKind kind = EventKind::kPerf;
  std::optional<std::uint32_t> map;  ///< index in Object::maps
  std::uint32_t index = 0;
  std::vector<std::byte> data;
  bool operator==(const Event&) const = default;
};

struct Outcome {
  std::uint32_t code = 0;        ///< R0, low 32 bits
  std::vector<std::byte> frame;  ///< as the program left it
  std::optional<RedirectTarget> redirect;  ///< only where the engine can tell (not the kernel)
  /// Packets that are struct sk_buff: struct __sk_buff afterwards, as BPF_PROG_TEST_RUN gives it.
  std::vector<std::byte> context = {};
  std::vector<Event> events = {};  ///< in the order they were written
  std::uint64_t insns = 0;   ///< instructions executed, 0 if the engine does not count
  std::uint64_t cycles = 0;  ///< NIC: clock edges from first fetch to exit, else 0
  bool handed_over = false;  ///< NIC: the host went on with the program; cycles then include the time it took
  Verdict verdict() const { return code <= 4 ? static_cast<Verdict>(code) : Verdict::kAborted; }
};

/// An object whose programs were verified (or not: facts[i].empty()), ready for any engine.
struct VerifiedObject {
  const Object* object = nullptr;  ///< outlives the engines
  std::vector<Facts> facts;        ///< by program index; a program that was not verified is not tail-called
};

/// Steady-state throughput of a list of frames, run over and over.
struct Throughput {
  std::uint64_t packets = 0;
  std::vector<double> ns_per_packet;  ///< one per repeat; empty for the NIC
  double cycles_per_packet = 0;       ///< NIC
  double insns_per_packet = 0;        ///< 0 if not counted
  std::vector<double> latency_cycles; ///< NIC: last beat in to first beat out, one per packet that the NIC did alone
  std::uint64_t handovers = 0;        ///< NIC: of `packets`, those that the host went on with
};

struct MeasureOptions {
  std::uint32_t repeats = 9;      ///< timed rounds
  double seconds_per_round = 0.05;  ///< CPU engines: length of a round
};

class Engine {
 public:
  virtual ~Engine() = default;
  virtual std::string_view name() const = 0;

  /// Prepares program `entry` of the object. May be called again: the engine starts afresh.
  /// \param maps  the initial state; the engine takes it over.
  /// \errors kUnsupported: the message names instruction, source line and reason; kUnavailable.
  virtual Result<void> load(const VerifiedObject& object, std::size_t entry, MapSet maps,
                            const Environment& environment) = 0;
  /// Runs one frame to its end, alone. \errors kFault, kInput for a frame too long or too short.
  virtual Result<Outcome> run(const Frame& frame) = 0;
  /// The current state of the maps, fetched from wherever it lives.
  virtual Result<MapSet> maps() = 0;
  /// Throughput over `frames`, which the engine may keep in flight together. Map state is changed.
  virtual Result<Throughput> measure(std::span<const Frame> frames, const MeasureOptions& options) = 0;
};

}  // namespace kiln
