// SPDX-License-Identifier: Apache-2.0
//
// Each frame is run many times in one call, and so is the empty program right after it; the
// difference is the program's. Long calls are timed by the thread's processor time, to a fraction
// of a nanosecond per packet; short ones by the kernel, which leaves the system call out.
#include "kernel_measure.h"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "test_run.h"

namespace kiln::kernel {
namespace {

constexpr std::size_t kMaxFrames = 256;        // of a long list, evenly spread
constexpr std::uint32_t kChangedRepeats = 16;  // the most for a frame that the program changes
constexpr std::uint32_t kLongCall =
    512;  // repeats from which on a call is timed by the thread's clock
constexpr std::uint32_t kMaxRepeats = 1'000'000;
constexpr std::uint32_t kFewestCalls = 32;  // of a frame that can't be repeated often

/// A frame and how often it may be repeated in one call.
struct Subject {
  const Frame* frame;
  std::uint32_t limit = 1;
  double guess_ns = 0;  ///< per packet, with the empty program's share
};

/// Linux hands a repeated program the frame that the last repeat left.
Result<Subject> examine(int program, const Frame& frame, std::vector<std::byte>& out) {
  Subject subject{&frame};
  auto first = test_run(program, frame, 1, out);
  if (!first) {
    return first.error();
  }
  const bool same = first->frame_bytes == frame.data.size() &&
                    std::memcmp(out.data(), frame.data.data(), frame.data.size()) == 0;
  if (same) {
    auto trial = test_run(program, frame, kLongCall, out);
    if (!trial) {
      return trial.error();
    }
    subject.limit = kMaxRepeats;
    subject.guess_ns = trial->thread_ns / kLongCall;
    return subject;
  }
  for (std::uint32_t repeat = 2; repeat <= kChangedRepeats; ++repeat) {
    auto again = test_run(program, frame, repeat, out);
    if (!again) {
      return again.error();
    }
    if (again->code != first->code || again->frame_bytes != first->frame_bytes) {
      break;
    }
    subject.limit = repeat;
  }
  return subject;
}

/// Nanoseconds per packet of one frame, and how many packets that took.
struct Sample {
  double ns = 0;
  std::uint64_t packets = 0;
};

/// One call of `repeat` each for program and empty program.
Result<Sample> sample_once(int program, int empty, const Frame& frame, std::uint32_t repeat,
                           std::vector<std::byte>& out) {
  auto with = test_run(program, frame, repeat, out);
  if (!with) {
    return with.error();
  }
  auto without = test_run(empty, frame, repeat, out);
  if (!without) {
    return without.error();
  }
  const double ns = repeat >= kLongCall ? (with->thread_ns - without->thread_ns) / repeat
                                        : with->kernel_ns - without->kernel_ns;
  return Sample{ns, repeat};
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

/// \param budget_ns  how long to go on, about half of it for the empty program.
Result<Sample> sample(int program, int empty, const Subject& subject, double budget_ns,
                      std::vector<std::byte>& out) {
  if (subject.limit >= kLongCall) {
    const double wanted = budget_ns / 2 / std::max(subject.guess_ns, 1.0);
    const auto repeat =
        static_cast<std::uint32_t>(std::clamp<double>(wanted, kLongCall, kMaxRepeats));
    return sample_once(program, empty, *subject.frame, repeat, out);
  }
  // What a call costs beside the program differs by machine, so the budget is watched, not computed.
  const auto start = std::chrono::steady_clock::now();
  const std::chrono::duration<double, std::nano> budget(budget_ns);
  Sample total;
  std::vector<double> differences;
  do {
    auto one = sample_once(program, empty, *subject.frame, subject.limit, out);
    if (!one) {
      return one.error();
    }
    differences.push_back(one->ns);
    total.packets += one->packets;
  } while (differences.size() < kFewestCalls || std::chrono::steady_clock::now() - start < budget);
  total.ns = middle_mean(differences);
  return total;
}

}  // namespace

Result<Throughput> measure(int program, int empty, std::span<const Frame> frames,
                           const MeasureOptions& options) {
  if (frames.empty()) {
    return Error{Errc::kInput, "there are no frames to measure with"};
  }
  std::vector<std::byte> out;
  std::vector<Subject> subjects;
  const std::size_t count = std::min(frames.size(), kMaxFrames);
  for (std::size_t i = 0; i < count; ++i) {
    auto subject = examine(program, frames[i * frames.size() / count], out);
    if (!subject) {
      return subject.error();
    }
    subjects.push_back(*subject);
  }
  Throughput result;
  const double budget_ns = options.seconds_per_round * 1e9 / static_cast<double>(count);
  for (std::uint32_t round = 0; round < options.repeats; ++round) {
    double ns = 0;
    for (const Subject& subject : subjects) {
      auto one = sample(program, empty, subject, budget_ns, out);
      if (!one) {
        return one.error();
      }
      ns += one->ns;
      result.packets += one->packets;
    }
    result.ns_per_packet.push_back(std::max(0.0, ns / static_cast<double>(count)));
  }
  return result;
}

}  // namespace kiln::kernel
