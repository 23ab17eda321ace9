// SPDX-License-Identifier: Apache-2.0
//
// usage: verdict_fuzz [--count N] [--seed FIRST] | --show SEED | --asm FILE
//
// Random programs through our verifier and the running kernel's. Prints each difference, the commonest
// reasons, and one sentence at the end. --show prints one program and both logs, --asm those of a program
// in assembler. Exit status: 0 no difference, 1 some, 2 usage, 3 the kernel can't be asked.
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string_view>

#include "kernel_judge.h"
#include "random_program.h"
#include "verdict_run.h"

namespace {

using namespace kiln::verifier;

int run(std::uint64_t first, std::uint64_t count) {
  const VerdictTotals totals = compare_verdicts(first, count, std::cout);
  if (!totals.error.empty()) {
    std::cerr << "verdict_fuzz: " << totals.error << "\n";
    return 3;
  }
  for (const auto& [reason, programs] : totals.reasons) {
    if (programs * 100 > count) {
      std::cout << programs << " refused: " << reason << "\n";
    }
  }
  std::cout << summary(totals) << "\n";
  return totals.differ() == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  std::uint64_t count = 100'000, first = 1;
  std::string_view mode, file;
  for (int i = 1; i < argc; i += 2) {
    const std::string_view option = argv[i];
    const bool known = option == "--show" || option == "--asm" || option == "--seed" || option == "--count";
    if (i + 1 == argc || !known) {
      std::cerr << "usage: verdict_fuzz [--count N] [--seed FIRST] | --show SEED | --asm FILE\n";
      return 2;
    }
    mode = option == "--show" || option == "--asm" ? option : mode;
    file = argv[i + 1];
    (option == "--count" ? count : first) = std::strtoull(argv[i + 1], nullptr, 10);
  }
  if (!KernelJudge::available()) {
    std::cerr << "verdict_fuzz: bpf(2) is refused here, so there is nothing to compare with; run it as root\n";
    return 3;
  }
  if (mode == "--show") {
    std::cout << show_program(random_program(first), 2);
  } else if (mode == "--asm") {
    std::ifstream in{std::string(file)};
    const std::string text(std::istreambuf_iterator<char>(in), {});
    std::cout << show_program(program_from_text(std::string(file), text), 2);
  }
  return mode.empty() ? run(first, count) : 0;
}
