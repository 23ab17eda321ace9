// SPDX-License-Identifier: Apache-2.0
//
// kiln: one program, one verb after another; `kiln VERB OBJECT [options]`.
#include "command.h"

int main(int argc, char** argv) {
  CLI::App app{"Kiln runs XDP programs on CPU engines, the Linux kernel and a simulated SmartNIC, and compares them."};
  app.require_subcommand(1);
  app.footer("Exit status: 0 done and equal, 1 rejected or engines disagree, 2 usage, 3 input or output failed, 4 a bug.");
  int status = kiln::cli::kDone;
  kiln::cli::add_info(app, status);
  kiln::cli::add_disasm(app, status);
  kiln::cli::add_verify(app, status);
  kiln::cli::add_run(app, status);
  kiln::cli::add_compare(app, status);
  kiln::cli::add_bench(app, status);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kiln::cli::kDone : kiln::cli::kUsageError;
  }
  return status;
}
