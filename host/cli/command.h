// SPDX-License-Identifier: Apache-2.0
//
// What every verb of the command line shares: common options, exit statuses, engine lists.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <kiln/compare.h>
#include <kiln/environment_file.h>
#include <kiln/load.h>
#include <kiln/result.h>

namespace kiln::cli {

// Documented in README.md and `kiln --help`.
enum ExitStatus { kDone = 0, kDiffers = 1, kUsageError = 2, kInputError = 3, kBug = 4 };

/// Prints "kiln: message" on standard error and gives the exit status of the error's kind.
int fail(const Error& error);

/// OBJ, --prog, --btf, --max-entries, --set-global-vars, --json.
struct ObjectOptions {
  std::string object;
  std::string program;
  std::string btf;
  std::vector<std::string> max_entries;
  std::vector<std::string> globals;
  bool json = false;

  LoadOptions load() const { return {.btf_path = btf, .max_entries = max_entries, .globals = globals}; }
};
void add_object_options(CLI::App& verb, ObjectOptions& options, bool object_required = true);

/// --environment, --links, --routes, --neighbours.
void add_environment_options(CLI::App& verb, EnvironmentFiles& files);

/// --pcap and --context: what the program is given.
struct InputOptions {
  std::string capture;
  std::string context;
};
void add_input_options(CLI::App& verb, InputOptions& options);
/// The frames of the capture, each with the context; one without bytes for a program that takes none.
/// \errors kUsage: the program needs a capture, or takes none; kInput.
Result<std::vector<Frame>> read_input(const InputOptions& options, const Program& program);

/// "2 drop, 5 pass": the verdicts that occurred.
std::string verdict_counts(ProgramType type, const std::vector<std::uint64_t>& verdicts);

/// Splits "a,b,c"; "all" gives every engine.
std::vector<std::string> split_engines(const std::string& list);

/// --cores, --threads, --clock.
void add_speed_options(CLI::App& verb, SpeedOptions& options);

/// The "engines" member of compare's and bench's JSON.
nlohmann::ordered_json engine_json(const EngineReport& report, const SpeedOptions& options);
/// Rows of the table under compare and bench, with its header.
std::string engine_table(const std::vector<EngineReport>& reports, const SpeedOptions& options);
/// "On nic (...) xdp1 runs ... times as fast as on jit (...)"; empty with fewer than two speeds.
std::string speed_sentence(const std::string& program, const std::vector<EngineReport>& reports,
                           const SpeedOptions& options);

/// Every row of the helper table, on standard output (info --helpers).
void list_helpers(bool json);

/// bench --compile. \param objects  names and paths.
int bench_compile(const std::vector<std::pair<std::string, std::string>>& objects, bool with_made, const SpeedOptions& options);

/// Each verb registers itself; its exit status goes to `status`.
void add_info(CLI::App& app, int& status);
void add_disasm(CLI::App& app, int& status);
void add_verify(CLI::App& app, int& status);
void add_run(CLI::App& app, int& status);
void add_map(CLI::App& app, int& status);
void add_compare(CLI::App& app, int& status);
void add_bench(CLI::App& app, int& status);

}  // namespace kiln::cli
