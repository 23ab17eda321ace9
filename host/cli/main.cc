// SPDX-License-Identifier: Apache-2.0
//
// kiln: one program, one verb after another; `kiln VERB OBJECT [options]`.
#include <fmt/format.h>

#include "command.h"

namespace {

/// What is wrong with the command line, in one line.
std::string usage_error(const CLI::App& app, const std::string& what) {
  const auto verbs = app.get_subcommands();
  const std::string verb = verbs.empty() ? "" : verbs.front()->get_name();
  return fmt::format("{}{}; see kiln {}--help", verb.empty() ? "" : verb + ": ", what, verb.empty() ? "" : verb + " ");
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Kiln runs XDP programs on CPU engines, the Linux kernel and a simulated SmartNIC, and compares them."};
  app.footer("Exit status: 0 done and equal, 1 rejected or engines disagree, 2 usage, 3 input or output failed, 4 a bug.");
  int status = kiln::cli::kDone;
  kiln::cli::add_info(app, status);
  kiln::cli::add_disasm(app, status);
  kiln::cli::add_verify(app, status);
  kiln::cli::add_run(app, status);
  kiln::cli::add_compare(app, status);
  kiln::cli::add_bench(app, status);
  kiln::cli::add_map(app, status);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) {  // --help
      return app.exit(error);
    }
    return kiln::cli::fail({kiln::Errc::kUsage, usage_error(app, error.what())});
  }
  if (app.get_subcommands().empty()) {
    return kiln::cli::fail({kiln::Errc::kUsage, usage_error(app, "no verb")});
  }
  return status;
}
