// SPDX-License-Identifier: Apache-2.0
//
// A core image as bytes for the host, and as text for people.
#include <fmt/format.h>

#include <kiln/core_image.h>
#include <kiln/core_isa.h>
#include <kiln/disasm.h>

namespace kiln {
namespace {

constexpr std::uint32_t kVersion = 1;
constexpr std::size_t kTextColumn = 46;  // where the BPF instruction stands

void put(std::vector<std::byte>& out, std::uint64_t value, unsigned bytes) {
  for (unsigned i = 0; i < bytes; ++i) {
    out.push_back(static_cast<std::byte>(value >> 8 * i));
  }
}

std::string_view service_name(std::int16_t number) {
  switch (number) {
#define KILN_SERVICE(name, value, fields, result) \
  case value:                                     \
    return #name;
#include <kiln/core_services.def>
    default:
      return "?";
  }
}

std::string core_text(const Insn& word) {
  switch (static_cast<CoreOp>(word.opcode)) {
    case CoreOp::MOVHI:
      return fmt::format("r{}[63:32] = {:#x}", word.dst, static_cast<std::uint32_t>(word.imm));
    case CoreOp::CSUM:
      return fmt::format("r{0} += r{1}[31:0] + r{1}[63:32]", word.dst, word.src);
    case CoreOp::PUSHM:
      return fmt::format("push {} bytes at r{} {:+d}", word.imm, word.src, word.off);
    case CoreOp::PUSHR:
      return fmt::format("push r{}", word.src);
    case CoreOp::JAL:
      return fmt::format("r{} = pc, goto {}", word.dst, word.imm);
    case CoreOp::JALR:
      return fmt::format("r{} = pc, goto r{}", word.dst, word.src);
    case CoreOp::JR:
      return fmt::format("goto r{}", word.src);
    case CoreOp::EXIT:
      return fmt::format("exit r{}", word.src);
    case CoreOp::SVC:
      return fmt::format("r{} = service {}(r{}, {})", word.dst, service_name(word.off), word.src, word.imm);
    case CoreOp::TRAP:
      if (word.imm == kTrapHandover) {
        return "hand over to the host";
      }
      return fmt::format("trap {}", word.imm);
  }
  return "";
}

std::string origin_text(const CoreOrigin& origin, const Object& object) {
  if (origin.insn == kNoInsn || !origin.first || origin.program >= object.programs.size()) {
    return "";
  }
  const Program& program = object.programs[origin.program];
  const Insn& insn = program.insns[origin.insn];
  const Insn* second = insn.is_wide() ? &program.insns[origin.insn + 1] : nullptr;
  return fmt::format("; {}: {}", origin.insn, disassemble(insn, second));
}

}  // namespace

std::vector<std::byte> serialise(const CoreImage& image) {
  std::vector<std::byte> out;
  for (const char c : {'K', 'I', 'L', 'N'}) {
    out.push_back(static_cast<std::byte>(c));
  }
  put(out, kVersion, 4);
  put(out, image.words.size(), 4);
  put(out, image.entry, 4);
  for (const std::uint64_t word : image.words) {
    put(out, word, 8);
  }
  return out;
}

std::string disassemble_core(const CoreImage& image, const Object& object) {
  std::string out;
  for (std::size_t at = 0; at < image.words.size(); ++at) {
    const Insn word = decode(image.words[at]);
    std::string line = fmt::format("{:5}{} {}", at, at == image.entry ? '>' : ':',
                                   is_core_insn(word) ? core_text(word) : disassemble(word));
    const std::string origin = at < image.origins.size() ? origin_text(image.origins[at], object) : "";
    if (!origin.empty()) {
      line.resize(std::max(line.size() + 1, kTextColumn), ' ');
      line += origin;
    }
    out += line + "\n";
  }
  return out;
}

}  // namespace kiln
