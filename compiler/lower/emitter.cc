// SPDX-License-Identifier: Apache-2.0
#include "emitter.h"

#include <limits>

#include <fmt/format.h>

namespace kiln::lowering {
namespace {

constexpr std::uint32_t kUnbound = 0xffff'ffff;
// Words that a branch whose target is too far away takes: the inverse over a JA32; JSET, which has no
// inverse, over a JA over a JA32.
constexpr std::uint32_t kFarBranch = 2;
constexpr std::uint32_t kFarSetBranch = 3;

Op inverse(Op op) {
  switch (op) {
#define KILN_PAIR(a, b) \
  case Op::a##64_IMM:   \
    return Op::b##64_IMM; \
  case Op::a##64_REG:   \
    return Op::b##64_REG; \
  case Op::a##32_IMM:   \
    return Op::b##32_IMM; \
  case Op::a##32_REG:   \
    return Op::b##32_REG;
    KILN_PAIR(JEQ, JNE)
    KILN_PAIR(JNE, JEQ)
    KILN_PAIR(JGT, JLE)
    KILN_PAIR(JLE, JGT)
    KILN_PAIR(JGE, JLT)
    KILN_PAIR(JLT, JGE)
    KILN_PAIR(JSGT, JSLE)
    KILN_PAIR(JSLE, JSGT)
    KILN_PAIR(JSGE, JSLT)
    KILN_PAIR(JSLT, JSGE)
#undef KILN_PAIR
    default:
      return op;
  }
}

bool is_set_branch(const Insn& word) {
  Insn copy = word;
  return !invert(copy);
}

}  // namespace

bool invert(Insn& word) {
  const InsnInfo* row = find_insn(word);
  KILN_CHECK(row != nullptr);
  const Op op = inverse(row->op);
  if (op == row->op) {
    return false;
  }
  word.opcode = isa_table()[static_cast<std::size_t>(op)].opcode;
  return true;
}

Label Emitter::make_label() {
  labels_.push_back(kUnbound);
  return Label{static_cast<std::uint32_t>(labels_.size() - 1)};
}

void Emitter::bind(Label label) {
  std::uint32_t& at = labels_[static_cast<std::uint32_t>(label)];
  KILN_CHECK(at == kUnbound);
  at = static_cast<std::uint32_t>(items_.size());
}

Label Emitter::here() {
  const Label label = make_label();
  bind(label);
  return label;
}

void Emitter::start(std::uint32_t program, std::uint32_t insn, std::uint16_t live) {
  origin_ = CoreOrigin{.program = program, .insn = insn, .first = true, .live = live};
}

void Emitter::start_prologue(std::uint32_t program) {
  origin_ = CoreOrigin{.program = program, .insn = kNoInsn, .first = false, .live = 0};
}

void Emitter::push(const Insn& word, Fixup fixup, Label target) {
  items_.push_back(Item{.word = word, .fixup = fixup, .target = target, .origin = origin_});
  origin_.first = false;
  origin_.live = 0;
}

void Emitter::emit(const Insn& word) { push(word, Fixup::kNone, kNoLabel); }

void Emitter::branch(const Insn& word, Label target) { push(word, Fixup::kBranch, target); }

void Emitter::jump(Label target) { push(bpf(Op::JA, 0, 0, 0, 0), Fixup::kJump, target); }

void Emitter::jump_and_link(unsigned link_register, Label target) {
  push(core(CoreOp::JAL, link_register, 0, 0, 0), Fixup::kAbsolute, target);
}

void Emitter::constant(unsigned reg, std::uint64_t value) {
  const auto low = static_cast<std::int32_t>(value);
  if (fits_imm(value)) {
    emit(reg_imm(Op::MOV64_IMM, reg, low));
    return;
  }
  emit(reg_imm(Op::MOV32_IMM, reg, low));
  if (value >> 32 != 0) {
    emit(core(CoreOp::MOVHI, reg, 0, 0, static_cast<std::int32_t>(value >> 32)));
  }
}

void Emitter::cold(std::function<void()> body) {
  CoreOrigin origin = origin_;
  origin.first = false;
  origin.live = 0;
  cold_.push_back(Cold{.origin = origin, .body = std::move(body)});
}

void Emitter::flush_cold() {
  const CoreOrigin saved = origin_;
  for (std::size_t i = 0; i < cold_.size(); ++i) {  // a body may add to the list
    const Cold cold = cold_[i];
    origin_ = cold.origin;
    cold.body();
  }
  cold_.clear();
  origin_ = saved;
}

std::uint32_t Emitter::note(const CoreFunction& function) {
  functions_.push_back(function);
  return static_cast<std::uint32_t>(functions_.size() - 1);
}

void Emitter::note(const CoreReturn& site, Label label) { returns_.emplace_back(site, label); }

std::uint32_t Emitter::note(HandoverPoint point) {
  handovers_.push_back(std::move(point));
  return static_cast<std::uint32_t>(handovers_.size() - 1);
}

/// Address of every item, and one past the last: starts short, lengthens what does not reach, and
/// repeats until nothing changes. Items only grow, so it ends.
std::vector<std::uint32_t> Emitter::place() const {
  std::vector<std::uint32_t> words(items_.size(), 1);
  std::vector<std::uint32_t> at(items_.size() + 1, 0);
  for (bool changed = true; changed;) {
    changed = false;
    for (std::size_t i = 0; i < items_.size(); ++i) {
      at[i + 1] = at[i] + words[i];
    }
    for (std::size_t i = 0; i < items_.size(); ++i) {
      if (items_[i].fixup != Fixup::kBranch || words[i] != 1) {
        continue;
      }
      const std::uint32_t target = labels_[static_cast<std::uint32_t>(items_[i].target)];
      KILN_CHECK(target != kUnbound);
      if (!fits_off(std::int64_t{at[target]} - at[i] - 1)) {
        words[i] = is_set_branch(items_[i].word) ? kFarSetBranch : kFarBranch;
        changed = true;
      }
    }
  }
  return at;
}

void Emitter::write_branch(CoreImage& image, const Item& item, std::uint32_t words,
                           std::int64_t distance) {
  CoreOrigin origin = item.origin;
  const auto put = [&image, &origin](const Insn& word) {
    image.words.push_back(encode(word));
    image.origins.push_back(origin);
    origin.first = false;
    origin.live = 0;
  };
  Insn word = item.word;
  if (words == 1) {
    word.off = static_cast<std::int16_t>(distance);
    put(word);
    return;
  }
  if (words == kFarBranch) {
    KILN_CHECK(invert(word));
    word.off = 1;
    put(word);
  } else {
    word.off = 1;
    put(word);
    put(bpf(Op::JA, 0, 0, 1, 0));
  }
  put(bpf(Op::JA32, 0, 0, 0, static_cast<std::int32_t>(distance - (words - 1))));
}

Result<CoreImage> Emitter::link(Label entry, std::uint32_t limit) const {
  const std::vector<std::uint32_t> at = place();
  if (at.back() > limit) {
    return Error{Errc::kUnsupported,
                 fmt::format("the program takes {} words of instruction memory, this NIC has {}",
                             at.back(), limit)};
  }
  CoreImage image;
  image.entry = at[labels_[static_cast<std::uint32_t>(entry)]];
  for (std::size_t i = 0; i < items_.size(); ++i) {
    const Item& item = items_[i];
    Insn word = item.word;
    if (item.fixup == Fixup::kNone) {
      image.words.push_back(encode(word));
      image.origins.push_back(item.origin);
      continue;
    }
    const std::uint32_t target = labels_[static_cast<std::uint32_t>(item.target)];
    KILN_CHECK(target != kUnbound);
    if (item.fixup == Fixup::kBranch) {
      write_branch(image, item, at[i + 1] - at[i], std::int64_t{at[target]} - at[i] - 1);
      continue;
    }
    if (item.fixup == Fixup::kAbsolute) {
      word.imm = static_cast<std::int32_t>(at[target]);
    } else {
      word = bpf(Op::JA32, 0, 0, 0, static_cast<std::int32_t>(std::int64_t{at[target]} - at[i] - 1));
    }
    image.words.push_back(encode(word));
    image.origins.push_back(item.origin);
  }
  KILN_CHECK(image.words.size() == at.back());
  image.functions = functions_;
  image.handovers = handovers_;
  for (const auto& [site, label] : returns_) {
    image.returns.push_back(site);
    image.returns.back().word = at[labels_[static_cast<std::uint32_t>(label)]];
  }
  return image;
}

}  // namespace kiln::lowering
