// SPDX-License-Identifier: Apache-2.0
#include "verdict_run.h"

#include <cstdlib>
#include <ostream>

#include <fmt/format.h>

#include <kiln/disasm.h>
#include <kiln/verifier.h>

#include "case_file.h"
#include "kernel_judge.h"
#include "random_program.h"

namespace kiln::verifier {
namespace {

std::uint64_t processed_by_kernel(const std::string& log) {
  const auto at = log.rfind("processed ");
  return at == std::string::npos ? 0 : std::strtoull(log.c_str() + at + 10, nullptr, 10);
}

/// Ids are counted differently on the two sides.
std::string without_ids(std::string text) {
  for (std::size_t at = text.find("id="); at != std::string::npos; at = text.find("id=", at + 3)) {
    std::size_t end = at + 3;
    while (end < text.size() && text[end] >= '0' && text[end] <= '9') {
      ++end;
    }
    text.erase(at + 3, end - at - 3);
  }
  return text;
}

std::string without_numbers(const std::string& text) {
  std::string result;
  for (const char c : text) {
    const bool digit = c >= '0' && c <= '9';
    if (!digit || result.empty() || result.back() != '#') {
      result += digit ? '#' : c;
    }
  }
  return result;
}

/// Differences that are known to be the kernel's fault (README.md, Contracts); empty: this is none.
std::string defect_behind(const Object& object, const Program& program, const VerifyResult& ours, const Judgement& kernel) {
  if (ours.accepted) {
    return kernel.log.find("verifier bug: ") != std::string::npos ? "it says so itself" : "";
  }
  return verify(object, program, {.forget_atomic_fetches = true}).accepted ? "it loses track of an atomic fetch" : "";
}

void note_difference(const Object& object, std::uint64_t seed, const VerifyResult& ours, const Judgement& kernel,
                     VerdictTotals& totals, std::ostream& out) {
  const std::string defect = defect_behind(object, object.programs[0], ours, kernel);
  ++(!defect.empty() ? totals.kernel_defects : ours.accepted ? totals.we_only : totals.kernel_only);
  const std::string theirs = kernel.accepted ? "" : ": " + kernel.log.substr(0, kernel.log.find('\n'));
  out << fmt::format("seed {}: we {}, the kernel {}{}{}\n", seed, ours.accepted ? "accept" : "refuse: " + ours.message,
                     kernel.accepted ? "accepts" : "refuses", theirs,
                     defect.empty() ? "" : " (a defect of the kernel: " + defect + ")");
}

}  // namespace

VerdictTotals compare_verdicts(std::uint64_t first, std::uint64_t count, std::ostream& out) {
  Object object = standard_object();
  KernelJudge judge(object);
  VerdictTotals totals;
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    object.programs = {random_program(seed)};
    const VerifyResult ours = verify(object, object.programs[0]);
    const Judgement kernel = judge.judge(object.programs[0], 4);
    if (!kernel.error.empty()) {
      totals.error = kernel.error;
      break;
    }
    ++totals.programs;
    totals.insns += ours.processed;
    totals.reasons[without_numbers(ours.message)] += ours.accepted ? 0 : 1;
    totals.kernel_accepts += kernel.accepted ? 1 : 0;
    if (ours.accepted != kernel.accepted) {
      note_difference(object, seed, ours, kernel, totals, out);
    } else if (ours.accepted) {
      ++totals.both_accept;
      totals.same_processed += processed_by_kernel(kernel.log) == ours.processed ? 1 : 0;
    } else {
      ++totals.both_refuse;
      const bool same = without_ids(kernel.log).find(without_ids(ours.message)) != std::string::npos;
      totals.same_words += same ? 1 : 0;
    }
  }
  return totals;
}

std::string summary(const VerdictTotals& t) {
  return fmt::format(
      "{} programs, {} instructions processed: the kernel accepts {}; verdicts differ for {} (only we accept {}, only "
      "the kernel {}), and for {} by a defect of the kernel's; of {} accepted by both {} have the same number of processed instructions; of {} refused by "
      "both {} have the same reason",
      t.programs, t.insns, t.kernel_accepts, t.differ(), t.we_only, t.kernel_only, t.kernel_defects, t.both_accept,
      t.same_processed, t.both_refuse, t.same_words);
}

std::string show_program(Program program, int log_level) {
  Object object = standard_object();
  object.programs = {std::move(program)};
  KernelJudge judge(object);
  return disassemble(object.programs[0], object) + "---- ours\n" +
         verify(object, object.programs[0], {.log_level = log_level}).log + "---- kernel\n" +
         judge.judge(object.programs[0], log_level).log;
}

}  // namespace kiln::verifier
