// SPDX-License-Identifier: Apache-2.0
#include "facts_check.h"

#include <random>

#include <fmt/format.h>

#include <kiln/address.h>
#include <kiln/cpu_engines.h>
#include <kiln/verifier.h>

#include "case_file.h"
#include "random_program.h"

namespace kiln {
namespace {

constexpr ValueKinds kAnything = 0x7ff;  ///< not recorded
constexpr int kFramesEach = 12;

class FactsCheck {
 public:
  FactsCheck(const Object& object, std::size_t program, const Facts& facts, const MapSet& maps)
      : object_(object), program_(object.programs[program]), index_(program), facts_(facts), maps_(maps) {}

  void begin_frame(std::size_t bytes) {
    frame_bytes_ = bytes;
    previous_ = kNoPc;
  }

  void operator()(const InterpState& state) {
    if (state.program != index_ || state.pc == kNoPc || failure_) {
      previous_ = kNoPc;
      return;
    }
    ++steps_;
    const InsnFact& fact = facts_.insns[state.pc];
    expect(fact.reachable, state, "reached, but proven unreachable");
    check_branch(state);
    for (unsigned r = 0; r < kRegisters; ++r) {
      const RegFact& reg = fact.regs[r];
      if (reg.kinds != kAnything && reg.kinds != 0) {
        if (!fits(reg, state.regs[r], state)) {
          fail(state, fmt::format("R{} is outside its fact", r));
        }
        ++values_;
      }
    }
    previous_ = state.pc;
  }

  const std::optional<std::string>& failure() const { return failure_; }
  std::uint64_t steps() const { return steps_; }
  std::uint64_t values() const { return values_; }

 private:
  void expect(bool ok, const InterpState& state, const char* what) {
    if (!ok) {
      fail(state, what);
    }
  }

  void fail(const InterpState& state, std::string_view what) {
    if (!failure_) {
      failure_ = fmt::format("instruction {}: {}", state.pc, what);
      for (unsigned r = 0; r < kRegisters; ++r) {
        const RegFact& f = facts_.insns[state.pc].regs[r];
        *failure_ += fmt::format("\n  R{}={:#x} kinds={:#x} map={} known={:#x}/{:#x} u=[{:#x},{:#x}]", r, state.regs[r],
                                 f.kinds, f.map, f.known_value, f.known_mask, f.umin, f.umax);
      }
    }
  }

  /// The instruction before was a conditional jump: the way taken must be a proven possibility.
  void check_branch(const InterpState& state) {
    if (previous_ == kNoPc) {
      return;
    }
    const InsnInfo* info = find_insn(program_.insns[previous_]);
    if (info == nullptr || (info->form != Form::kJmpImm && info->form != Form::kJmpReg) ||
        program_.insns[previous_].off == 0) {
      return;
    }
    const InsnFact& fact = facts_.insns[previous_];
    const bool taken = state.pc != previous_ + 1;
    expect(taken ? fact.branch_taken : fact.branch_not_taken, state, "came by a branch proven impossible");
  }

  static bool in_ranges(const RegFact& fact, std::uint64_t v) {
    const auto s = static_cast<std::int64_t>(v);
    return ((v ^ fact.known_value) & fact.known_mask) == 0 && v >= fact.umin && v <= fact.umax && s >= fact.smin &&
           s <= fact.smax;
  }

  static bool in_region(std::uint64_t v, std::uint32_t base, std::uint32_t size) {
    return v >= base && v <= std::uint64_t{base} + size;
  }

  bool fits(const RegFact& fact, std::uint64_t v, const InterpState& state) const {
    // Of a mixture of kinds the ranges are joined, so one kind that fits is enough.
    return (has(fact.kinds, ValueKind::kScalar) && in_ranges(fact, v)) ||
           (has(fact.kinds, ValueKind::kNull) && v == 0) || has(fact.kinds, ValueKind::kUninit) ||
           has(fact.kinds, ValueKind::kOther) || has(fact.kinds, ValueKind::kCode) ||
           (has(fact.kinds, ValueKind::kContext) && in_ranges(fact, v - address::kContext)) ||
           (has(fact.kinds, ValueKind::kStack) && fits_stack(fact, v, state)) ||
           (has(fact.kinds, ValueKind::kPacket) && fits_packet(fact, v)) ||
           (has(fact.kinds, ValueKind::kPacketMeta) && fits_packet(fact, v)) ||
           (has(fact.kinds, ValueKind::kPacketEnd) && in_region(v, address::kPacket, address::kWindowBytes)) ||
           (has(fact.kinds, ValueKind::kMapHandle) && fits_handle(fact, v)) ||
           (has(fact.kinds, ValueKind::kMapValue) && fits_value(fact, v));
  }

  bool fits_stack(const RegFact& fact, std::uint64_t v, const InterpState& state) const {
    const bool one_frame = program_.subprograms.size() <= 1;
    return one_frame ? in_ranges(fact, v - state.regs[kFramePointer])
                     : in_region(v, address::kStack - (1u << 16), 1u << 17);
  }

  bool fits_packet(const RegFact& fact, std::uint64_t v) const {
    return facts_.changes_packet ? true : in_ranges(fact, v - (address::kPacket + address::kHeadroom));
  }

  static bool fits_handle(const RegFact& fact, std::uint64_t v) {
    return fact.map < 0 || v == (address::kMapHandle | static_cast<std::uint32_t>(fact.map));
  }

  bool fits_value(const RegFact& fact, std::uint64_t v) const {
    if (fact.map < 0) {
      return fact.smin <= static_cast<std::int64_t>(v - address::kMap);  // from the base of whatever map
    }
    const MapDescriptor& d = maps_.descriptor(static_cast<std::size_t>(fact.map));
    if (d.entry_stride == 0 || d.cpu_count != 1) {
      return true;
    }
    // Some element of the map is at an offset that fits.
    const std::uint64_t first = std::uint64_t{address::kMap} + d.entries + d.value_offset;
    for (std::uint64_t k = 0; k < std::max(d.entry_count, d.max_entries); ++k) {
      if (in_ranges(fact, v - (first + k * d.entry_stride))) {
        return true;
      }
    }
    return false;
  }

  const Object& object_;
  const Program& program_;
  const std::size_t index_;
  const Facts& facts_;
  const MapSet& maps_;
  std::size_t frame_bytes_ = 0;
  std::uint32_t previous_ = kNoPc;
  std::uint64_t steps_ = 0, values_ = 0;
  std::optional<std::string> failure_;
};

}  // namespace

std::optional<std::string> run_checked(const Object& object, std::size_t index, const std::vector<Facts>& facts,
                                       const std::vector<Frame>& frames, FactsTotals& totals) {
  auto maps = MapSet::create(object.maps, 1);
  if (!maps) {
    return maps.error().message;
  }
  FactsCheck check(object, index, facts[index], *maps);
  auto engine = make_interp([&check](const InterpState& state) { check(state); });
  const VerifiedObject verified{.object = &object, .facts = facts};
  if (auto loaded = engine->load(verified, index, MapSet(*maps), {}); !loaded) {
    return loaded.error().code == Errc::kUnsupported ? std::nullopt : std::optional(loaded.error().message);
  }
  ++totals.programs;
  for (const Frame& frame : frames) {
    check.begin_frame(frame.data.size());
    const auto outcome = engine->run(frame);
    if (!outcome) {
      return "faulted: " + outcome.error().message;
    }
    if (check.failure()) {
      return check.failure();
    }
    ++totals.frames;
  }
  totals.steps += check.steps();
  totals.values += check.values();
  return std::nullopt;
}

std::vector<Frame> random_frames(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<Frame> frames(kFramesEach);
  for (Frame& frame : frames) {
    frame.data.resize(14 + random() % 100);
    for (std::byte& byte : frame.data) {
      byte = static_cast<std::byte>(random() % 3 == 0 ? random() : 0);
    }
    frame.ingress_ifindex = static_cast<std::uint32_t>(random() >> random() % 64);
    frame.rx_queue = static_cast<std::uint32_t>(random() >> random() % 64);
  }
  return frames;
}

std::optional<std::string> check_seed(std::uint64_t seed, FactsTotals& totals) {
  Object object = verifier::standard_object();
  object.programs = {verifier::random_program(seed)};
  VerifyResult result = verify(object, object.programs[0]);
  if (!result.accepted) {
    return std::nullopt;
  }
  std::vector<Facts> facts;
  facts.push_back(std::move(result.facts));
  return run_checked(object, 0, facts, random_frames(seed), totals);
}

}  // namespace kiln
