// SPDX-License-Identifier: Apache-2.0
#include "verify_report.h"

#include <filesystem>

#include <fmt/format.h>

#include <kiln/prepare.h>

namespace kiln::cli {
namespace {

const char* verdict_word(bool accepted) { return accepted ? "accept" : "reject"; }

nlohmann::ordered_json kernel_json(const KernelVerdict& kernel, int log) {
  nlohmann::ordered_json json = {{"verdict", verdict_word(kernel.accepted)},
                                 {"message", kernel.message},
                                 {"processed", kernel.processed},
                                 {"time_us", kernel.time_us}};
  if (log > 0) {
    json["log"] = kernel.log;
  }
  return json;
}

/// As libbpf names what an XDP program is attached to; the object does not say for other types.
std::string attach_type(const Program& program) {
  if (program.type != ProgramType::kXdp) {
    return "N/A";
  }
  const bool devmap = program.section.find("/devmap") != std::string::npos;
  const bool cpumap = program.section.find("/cpumap") != std::string::npos;
  return devmap ? "xdp_devmap" : cpumap ? "xdp_cpumap" : "xdp";
}

}  // namespace

nlohmann::ordered_json verdict_json(const Checked& checked, int log) {
  const VerifyResult& r = checked.result;
  nlohmann::ordered_json json = {{"name", checked.program->name},
                                 {"section", checked.program->section},
                                 {"type", program_type_name(checked.program->type)},
                                 {"insns", checked.program->insns.size()},
                                 {"verdict", verdict_word(r.accepted)}};
  if (!r.accepted) {
    json["message"] = r.message;
    json["insn"] = r.insn;
    if (const SourceLine* line = checked.program->line_of(r.insn)) {
      json["source"] = fmt::format("{}:{}: {}", line->file, line->line, line->text);
    }
    json["explanation"] = {{"reason", r.explanation.reason},
                           {"at", r.explanation.at},
                           {"path", r.explanation.path},
                           {"suggestion", r.explanation.suggestion}};
  }
  json["processed"] = r.processed;
  json["time_us"] = r.time_us;
  json["total_states"] = r.total_states;
  json["peak_states"] = r.peak_states;
  json["peak_bytes"] = r.peak_bytes;
  json["stack_bytes"] = r.stack_bytes;
  if (log > 0) {
    json["log"] = r.log;
  }
  if (checked.kernel) {
    json["kernel"] = kernel_json(*checked.kernel, log);
  } else if (!checked.kernel_error.empty()) {
    json["kernel"] = {{"error", checked.kernel_error}};
  }
  return json;
}

std::string verdict_text(const Checked& checked, int log) {
  const VerifyResult& r = checked.result;
  std::string text = log > 0 ? r.log : "";
  text += fmt::format("{:<32} {:<14} {:>6} insns  {}  {} processed, {:.0f} us\n", checked.program->name,
                      program_type_name(checked.program->type), checked.program->insns.size(),
                      verdict_word(r.accepted), r.processed, r.time_us);
  if (!r.accepted) {
    text += fmt::format("    {}: {}\n", describe_insn(*checked.program, r.insn), r.message);
    text += r.explanation.text();
  }
  if (!checked.kernel_error.empty()) {
    text += fmt::format("    kernel: not asked: {}\n", checked.kernel_error);
  }
  if (const auto& kernel = checked.kernel) {
    text += log > 0 ? "kernel's log:\n" + kernel->log : "";
    text += fmt::format("    kernel: {}{}{}, {} processed, {:.0f} us\n", verdict_word(kernel->accepted),
                        kernel->accepted ? "" : ": ", kernel->accepted ? "" : kernel->message, kernel->processed,
                        kernel->time_us);
  }
  return text;
}

std::string csv_header() {
  return "file_name,prog_name,verdict,duration,total_insns,total_states,peak_states,max_states_per_insn,"
         "max_mark_read_len,prog_size,prog_size_jited,prog_type,attach_type,stack_depth,mem_peak\n";
}

std::string csv_row(const Checked& checked) {
  const VerifyResult& r = checked.result;
  constexpr std::uint64_t kMiB = 1u << 20;
  return fmt::format("{},{},{},{:.0f},{},{},{},{},0,{},0,{},{},{},{}\n",
                     std::filesystem::path(checked.object).filename().string(), checked.program->name,
                     r.accepted ? "success" : "failure", r.time_us, r.processed, r.total_states, r.peak_states,
                     r.max_states_per_insn, checked.program->insns.size(), program_type_name(checked.program->type),
                     attach_type(*checked.program), r.stack_bytes, (r.peak_bytes + kMiB - 1) / kMiB);
}

}  // namespace kiln::cli
