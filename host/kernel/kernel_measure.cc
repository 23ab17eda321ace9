// SPDX-License-Identifier: Apache-2.0
//
// A call of BPF_PROG_TEST_RUN with many repeats, timed by the thread's processor time so that other load on
// the machine does not count, less the same for a program of two instructions. Calls are few and long: with more than
// one repeat Linux patches its XDP dispatcher before and after, which takes milliseconds.
#include "kernel_measure.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "test_run.h"

namespace kiln::kernel {
namespace {

constexpr std::size_t kMaxFrames = 32;  // of a longer list, evenly spread
constexpr std::uint32_t kFewRepeats = 1024;
constexpr std::uint32_t kMaxRepeats = 4'000'000;
constexpr std::uint32_t kMaxRepeatsWithRings = 16384;  // nobody reads them during a call
constexpr int kCalls = 3;  // the shortest counts: interrupts and where the frame's page lies only add
constexpr std::size_t kFewFrames = 8;  // with more, one call each must do: their mean evens out
constexpr double kShortestCallNs = 1e6;
constexpr std::uint32_t kFewestSingleRuns = 256;

bool equal(std::span<const std::byte> a, std::span<const std::byte> b) {
  return std::ranges::equal(a, b);
}

/// The words of the frame that the program changed or that are no longer there.
std::uint32_t changed_words(const Frame& frame, std::span<const std::byte> after, std::int32_t head) {
  std::uint32_t words = 0;
  const std::size_t whole = std::min(frame.data.size() / 8 * 8, 8 * RewindMap::kWords);
  for (std::size_t i = 0; i < whole; ++i) {
    const std::int64_t at = static_cast<std::int64_t>(i) - head;
    const bool is_there = at >= 0 && at < static_cast<std::int64_t>(after.size());
    if (!is_there || after[static_cast<std::size_t>(at)] != frame.data[i]) {
      words |= 1u << (i / 8);
    }
  }
  return words;
}

/// The mean of the middle half: calls that were interrupted lie in the quarters that are left out, and the kernel's whole
/// nanoseconds still average to parts of one.
double middle_mean(std::vector<double>& values) {
  std::sort(values.begin(), values.end());
  const std::size_t cut = values.size() / 4;
  const std::span<const double> middle(values.data() + cut, values.size() - 2 * cut);
  double sum = 0;
  for (const double value : middle) {
    sum += value;
  }
  return sum / static_cast<double>(middle.size());
}

}  // namespace

/// Without repeats to speak of, so that the rest is the call.
Result<void> Meter::measure_setup(const Frame& frame) {
  for (int i = 0; i < 5; ++i) {
    auto run = test_run(target_.empty, frame, 2, out_);
    if (!run) {
      return run.error();
    }
    setup_ns_ = setup_ns_ == 0 ? run->thread_ns : std::min(setup_ns_, run->thread_ns);
  }
  return {};
}

/// Whether a second run finds what the first one found: the frame is as before, or is after every other run.
Result<Meter::Subject> Meter::examine(const Frame& frame) {
  Subject subject{.frame = frame};
  auto first = test_run(target_.program, frame, 1, out_);
  if (!first) {
    return first.error();
  }
  subject.code = first->code;
  subject.frame_bytes = first->frame_bytes;
  const std::vector<std::byte> after_one(out_.begin(), out_.begin() + first->frame_bytes);
  if (equal(after_one, frame.data)) {
    subject.is_steady = true;
    return subject;
  }
  auto second = test_run(target_.program, frame, 2, out_);
  if (!second) {
    return second.error();
  }
  if (second->code == first->code && equal(std::span(out_).first(second->frame_bytes), frame.data)) {
    subject.is_steady = true;
    return subject;
  }
  if (target_.object.programs[target_.entry].type == ProgramType::kXdp) {
    KILN_TRY(try_rewinding(subject, after_one));
  }
  return subject;
}

Result<void> Meter::try_rewinding(Subject& subject, std::span<const std::byte> first) {
  if (!rewind_) {
    auto map = RewindMap::create();
    if (!map) {
      return map.error();
    }
    rewind_.emplace(std::move(*map));
  }
  const auto load = [&](std::uint32_t words) {
    return load_rewinding(target_.object, target_.entry, target_.maps, *rewind_, words);
  };
  const auto probe = load(0);
  if (!probe) {
    return {};  // single runs remain
  }
  rewind_->arm(subject.frame);
  auto twice = test_run(probe->get(), subject.frame, 2, out_);
  if (!twice) {
    return twice.error();
  }
  FrameChange change = rewind_->moved();
  change.words = changed_words(subject.frame, first, change.head);
  auto found = rewindings_.find(change);
  if (found == rewindings_.end()) {
    auto program = load(change.words);
    auto baselines = load_baselines(*rewind_, change, target_.object.programs[target_.entry].has_frags);
    if (!program || !baselines) {
      return {};
    }
    found = rewindings_.emplace(change, Rewinding{std::move(*program), std::move(*baselines)}).first;
  }
  rewind_->arm(subject.frame);
  auto thrice = test_run(found->second.program.get(), subject.frame, 3, out_);
  if (!thrice) {
    return thrice.error();
  }
  if (thrice->code == subject.code && equal(std::span(out_).first(thrice->frame_bytes), first)) {
    subject.is_steady = true;
    subject.change = change;
  }
  return {};
}

Result<Meter::Subject*> Meter::subject_of(const Frame& frame) {
  std::string key(reinterpret_cast<const char*>(frame.data.data()), frame.data.size());
  key += fmt::format(" {} {}", frame.ingress_ifindex, frame.rx_queue);
  auto found = subjects_.find(key);
  if (found == subjects_.end()) {
    auto subject = examine(frame);
    if (!subject) {
      return subject.error();
    }
    found = subjects_.emplace(std::move(key), std::move(*subject)).first;
  }
  return &found->second;
}

Result<Meter::Sample> Meter::time_repeats(int program, const Subject& subject, double budget_ns, bool rewinds) {
  const int calls = subjects_.size() < kFewFrames ? kCalls : 1;
  const auto call = [&](std::uint32_t repeat) {
    if (rewinds) {
      rewind_->arm(subject.frame);
    }
    if (target_.empty_rings) {
      target_.empty_rings();
    }
    return test_run(program, subject.frame, repeat, out_);
  };
  const auto per_packet = [&](const TestRun& run, std::uint32_t repeat) {
    return std::max(run.thread_ns - setup_ns_, 0.0) / repeat;
  };
  double& guess = guess_ns_[{program, &subject}];
  if (guess == 0) {
    auto trial = call(kFewRepeats);
    if (!trial) {
      return trial.error();
    }
    guess = std::max(per_packet(*trial, kFewRepeats), 1.0);
  }
  const auto repeat =
      static_cast<std::uint32_t>(std::clamp<double>(budget_ns / calls / guess, kFewRepeats,
                                                                 target_.empty_rings ? kMaxRepeatsWithRings : kMaxRepeats));
  Sample best;
  for (int i = 0; i < calls; ++i) {
    auto run = call(repeat);
    if (!run) {
      return run.error();
    }
    const double ns = per_packet(*run, repeat);
    best = {i == 0 ? ns : std::min(best.ns, ns), best.packets + repeat};
  }
  return best;
}

/// What rewinding costs on frames changed alike, without the program's own calls of adjust_head and adjust_tail.
Result<double> Meter::repeated_change_ns(const FrameChange& change, const Subject& subject, double budget_ns) {
  if (const auto known = change_ns_.find(change); known != change_ns_.end()) {
    return known->second;
  }
  const RewindBaselines& baselines = rewindings_.at(change).baselines;
  auto same = time_repeats(baselines.same.get(), subject, budget_ns, true);
  if (!same) {
    return same.error();
  }
  double ns = same->ns;
  if (baselines.moves) {
    auto moves = time_repeats(baselines.moves.get(), subject, budget_ns, true);
    auto calls = time_repeats(baselines.calls.get(), subject, budget_ns, true);
    if (!moves || !calls) {
      return moves ? calls.error() : moves.error();
    }
    ns = moves->ns - (calls->ns - same->ns);  // `moves` makes the calls twice: to move, and back
  }
  change_ns_[change] = ns;
  return ns;
}

Result<Meter::Sample> Meter::sample_steady(Subject& subject, double budget_ns, double empty_ns) {
  const bool rewinds = subject.change.has_value();
  const int program = rewinds ? rewindings_.at(*subject.change).program.get() : target_.program;
  auto sample = time_repeats(program, subject, budget_ns, rewinds);
  if (!sample) {
    return sample.error();
  }
  double besides = empty_ns;
  if (rewinds) {
    auto rewinding = repeated_change_ns(*subject.change, subject, budget_ns);
    if (!rewinding) {
      return rewinding.error();
    }
    besides = *rewinding;
  }
  sample->ns -= besides;
  return sample;
}

/// One run a call, timed by the kernel; no dispatcher is patched for those.
Result<Meter::Sample> Meter::sample_single_runs(const Subject& subject, double budget_ns) {
  const auto start = std::chrono::steady_clock::now();
  const std::chrono::duration<double, std::nano> budget(budget_ns);
  std::vector<double> differences;
  do {
    auto with = test_run(target_.program, subject.frame, 1, out_);
    auto without = test_run(target_.empty, subject.frame, 1, out_);
    if (!with || !without) {
      return with ? without.error() : with.error();
    }
    differences.push_back(with->kernel_ns - without->kernel_ns);
  } while (differences.size() < kFewestSingleRuns || std::chrono::steady_clock::now() - start < budget);
  const std::uint64_t packets = differences.size();
  return Sample{middle_mean(differences), packets};
}

Result<Throughput> Meter::measure(std::span<const Frame> frames, const MeasureOptions& options) {
  if (frames.empty()) {
    return Error{Errc::kInput, "there are no frames to measure with"};
  }
  std::map<Subject*, std::size_t> weights;
  const std::size_t count = std::min(frames.size(), kMaxFrames);
  for (std::size_t i = 0; i < count; ++i) {
    auto subject = subject_of(frames[i * frames.size() / count]);
    if (!subject) {
      return subject.error();
    }
    ++weights[*subject];
  }
  if (setup_ns_ == 0) {
    KILN_TRY(measure_setup(frames.front()));
  }
  const double budget_ns =
      std::max(kShortestCallNs, options.seconds_per_round * 1e9 / 2 / static_cast<double>(weights.size()));
  Throughput result;
  for (std::uint32_t round = 0; round < options.repeats; ++round) {
    change_ns_.clear();
    auto empty = time_repeats(target_.empty, weights.begin()->first[0], budget_ns, false);
    if (!empty) {
      return empty.error();
    }
    double ns = 0;
    for (const auto& [subject, weight] : weights) {
      auto one = subject->is_steady ? sample_steady(*subject, budget_ns, empty->ns) : sample_single_runs(*subject, budget_ns);
      if (!one) {
        return one.error();
      }
      ns += one->ns * static_cast<double>(weight);
      result.packets += one->packets;
    }
    result.ns_per_packet.push_back(std::max(0.0, ns / static_cast<double>(count)));
  }
  return result;
}

}  // namespace kiln::kernel
