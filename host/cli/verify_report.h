// SPDX-License-Identifier: Apache-2.0
//
// What `kiln verify` prints about one program: text, JSON, or a row of veristat's CSV.
#pragma once

#include <optional>
#include <string>

#include <kiln/kernel_engine.h>
#include <kiln/verifier.h>

#include "command.h"

namespace kiln::cli {

struct Checked {
  std::string object;
  const Program* program = nullptr;
  VerifyResult result;
  std::optional<KernelVerdict> kernel;
  std::string kernel_error;  ///< asked for, and why it could not be asked
};

/// \param log  level of --log: 0 leaves the logs out
nlohmann::ordered_json verdict_json(const Checked& checked, int log);
std::string verdict_text(const Checked& checked, int log);

/// Column names and a row as `veristat -o csv` of Linux 6.18 prints them. What Kiln does not measure when
/// it only verifies (marks, JITed size) is 0.
std::string csv_header();
std::string csv_row(const Checked& checked);

}  // namespace kiln::cli
