// SPDX-License-Identifier: Apache-2.0
//
// Test only: asks the running kernel's verifier, through BPF_PROG_LOAD.
//
// Where bpf(2) is refused, available() says so and tests skip.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <kiln/program.h>

struct btf;

namespace kiln::verifier {

struct Judgement {
  bool accepted = false;
  std::string log;
  std::string error;  ///< not empty: the kernel could not be asked (maps, ...); nothing else counts
  double time_us = 0;
};

/// Keeps an object's maps alive in the kernel while its programs are judged.
class KernelJudge {
 public:
  explicit KernelJudge(const Object& object);
  ~KernelJudge();
  KernelJudge(const KernelJudge&) = delete;
  KernelJudge& operator=(const KernelJudge&) = delete;

  static bool available();
  /// \param log_level  0: time only; 1, 2, 4 as the kernel's
  Judgement judge(const Program& program, int log_level);
  Judgement judge(const Program& program, int log_level, std::uint32_t attach_type);

 private:
  int create_map(std::size_t index);
  bool describe_functions();

  const Object& object_;
  std::unique_ptr<::btf, void (*)(::btf*)> types_;  ///< of functions, once asked for
  std::uint32_t function_type_ = 0;
  std::vector<int> maps_;  ///< file descriptors; -1: not created
  std::string error_;
};

}  // namespace kiln::verifier
