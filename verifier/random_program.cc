// SPDX-License-Identifier: Apache-2.0
//
// Random programs: their blocks, branches and loops, and which statement comes next.
#include "random_program.h"

#include <set>
#include <vector>

#include <kiln/disasm.h>

#include "random_generator.h"

namespace kiln::verifier {

std::string Generator::text() {
  functions_ = random_.chance(40) ? 1 + static_cast<int>(random_.below(2)) : 0;
  emit("r6 = r1");
  kinds_[1] = kinds_[6] = Kind::kCtx;
  body(6 + static_cast<int>(random_.below(22)));
  finish();
  for (int f = 0; f < functions_; ++f) {
    if ((called_ >> f & 1) == 0) {
      continue;
    }
    emit("f{}:", f);
    in_function_ = true;
    kinds_ = {};
    pointer_slots_ = 0;
    kinds_[1] = kinds_[2] = Kind::kNumber;
    kinds_[3] = Kind::kCtx;
    body(3 + static_cast<int>(random_.below(8)));
    finish();
  }
  callbacks();
  return text_;
}

void Generator::finish() {
  if (random_.chance(8)) {
    const int r = number();
    emit("r0 = r{}", r);
  } else if (random_.below(300) != 0) {
    emit("r0 = 2");
  }
  emit("exit");
}

void Generator::body(int statements) {
  for (int i = 0; i < statements; ++i) {
    statement();
  }
}

/// Some register of that kind, or -1. Sometimes just any.
int Generator::find(Kind wanted) {
  if (random_.below(500) == 0) {
    return static_cast<int>(random_.below(10));
  }
  std::vector<int> fits;
  for (int r = 0; r < 10; ++r) {
    if (kind(r) == wanted || (wanted == Kind::kNumber && kind(r) == Kind::kSmall)) {
      fits.push_back(r);
    }
  }
  return fits.empty() ? -1 : fits[random_.below(fits.size())];
}

int Generator::target() {
  const int r = static_cast<int>(random_.below(10));
  const bool keep = r == 6 || (r == 9 && depth_ > 0);  // the context, a loop's counter
  return keep && !random_.chance(1) ? 7 : r;
}

int Generator::other_than(int a, int b) {
  int r = target();
  while (r == a || r == b) {
    r = static_cast<int>(random_.below(6));
  }
  return r;
}

std::int64_t Generator::constant() {
  static constexpr std::int64_t kEdges[] = {0,      1,       -1,         2,             7,  8,  15,   16,  31,
                                            32,     63,      64,         127,           128, 255, 256, 32767, -32768,
                                            0xffff, 0x10000, 0x7fffffff, -0x80000000ll, -2, -8, -64,  1000};
  return random_.chance(80) ? random_.pick(kEdges) : static_cast<std::int32_t>(random_.next());
}

/// Every jump out of a statement goes behind it.
int Generator::block_out() {
  outs_ = true;
  return out_label_;
}

void Generator::statement() {
  const int saved = out_label_;
  const bool saved_outs = outs_;
  out_label_ = labels_++;
  outs_ = false;
  const Kinds before = kinds_;
  choose();
  if (outs_) {
    emit("out{}:", out_label_);
    join(before);
  }
  out_label_ = saved;
  outs_ = saved_outs;
}

void Generator::join(const Kinds& other) {
  for (std::size_t r = 0; r < kinds_.size(); ++r) {
    if (kinds_[r] != other[r]) {
      const bool numbers = kinds_[r] != Kind::kNone && other[r] != Kind::kNone && kinds_[r] <= Kind::kSmall &&
                           other[r] <= Kind::kSmall;
      kinds_[r] = numbers ? Kind::kNumber : random_.chance(1) ? kinds_[r] : Kind::kNone;
    }
  }
}

void Generator::choose() {
  switch (random_.below(extended_ ? 35 : 30)) {
    case 0:
    case 1:
    case 2: return arithmetic();
    case 3:
    case 4: return conversion();
    case 5: return branch();
    case 6: return spill();
    case 7: return fill();
    case 8:
    case 9: return value_access();
    case 10:
    case 11: return packet_access();
    case 12: return packet_compare();
    case 13: return packet_walk();
    case 14: return lookup();
    case 15: return null_tracking();
    case 16: return loop();
    case 17:
    case 18: return call();
    case 19: return variable_stack();
    case 20: return linked_use();
    case 21: return narrow_and_index();
    case 22: return pointer_arithmetic();
    case 23: return update();
    case 24: return move_packet();
    case 25: return checksum();
    case 26: return redirect();
    case 27: return tail_call();
    case 30:
    case 31: return callback();
    case 32: return iterate();
    case 33: return may_goto();
    case 34: return reference();
    default: return copy_and_bound();
  }
}

void Generator::branch() {
  const int left = number();
  const std::string test = condition(left);
  if (depth_ > 2 || random_.chance(30)) {
    return emit("if {} goto out{}", test, block_out());
  }
  const std::string other = label(), end = label();
  emit("if {} goto {}", test, other);
  ++depth_;
  const Kinds before = kinds_;
  body(1 + static_cast<int>(random_.below(3)));
  emit("goto {}", end);
  emit("{}:", other);
  const Kinds first = kinds_;
  kinds_ = before;
  body(1 + static_cast<int>(random_.below(3)));
  emit("{}:", end);
  --depth_;
  join(first);
}

void Generator::loop() {
  if (depth_ > 0 || in_function_ || ++loops_ > 2) {  // nested loops of branches take the kernel seconds
    return arithmetic();
  }
  const std::string again = label();
  emit("r9 = {}", random_.below(4));
  emit("{}:", again);
  ++depth_;
  const Kinds before = kinds_;
  body(1 + static_cast<int>(random_.below(3)));
  --depth_;
  join(before);
  static constexpr const char* kTests[] = {"r9 < {}", "r9 != {}", "w9 < {}", "r9 s< {}"};
  if (random_.chance(99)) {
    emit("{}9 += 1", random_.chance(80) ? "r" : "w");
  }
  emit("if {} goto {}", fmt::format(fmt::runtime(random_.chance(85) ? kTests[0] : random_.pick(kTests)),
                                    3 + random_.below(6)),
       again);
  set(9, Kind::kNumber);
}

Program random_program(std::uint64_t seed) {
  return program_from_text(fmt::format("random_{}", seed), Generator(seed, seed >= kFirstExtendedSeed).text());
}

Program program_from_text(const std::string& name, const std::string& text) {
  Program program;
  program.name = name;
  program.section = "xdp";
  auto insns = assemble(text);
  if (!insns) {
    std::fprintf(stderr, "%s: %s\n%s", name.c_str(), insns.error().message.c_str(), text.c_str());
    std::exit(1);
  }
  program.insns = *insns;
  bool calls_back = false;
  std::set<std::uint32_t> starts = {0};
  for (std::uint32_t at = 0; at < program.insns.size(); ++at) {
    const InsnInfo* info = find_insn(program.insns[at]);
    calls_back |= info != nullptr && info->op == Op::LD_CODE_ADDR;
    if (info != nullptr && (info->op == Op::CALL_LOCAL || info->op == Op::LD_CODE_ADDR)) {
      starts.insert(static_cast<std::uint32_t>(static_cast<std::int64_t>(at) + 1 + program.insns[at].imm));
    }
  }
  for (const std::uint32_t start : starts) {
    const auto after = starts.upper_bound(start);
    Subprogram sub;
    sub.name = fmt::format("f{}", start);
    sub.btf_func = calls_back ? 1 : 0;  // any: the kernel wants to be told that a callback is a function
    sub.start = start;
    sub.end = after == starts.end() ? static_cast<std::uint32_t>(program.insns.size()) : *after;
    program.subprograms.push_back(sub);
  }
  return program;
}

}  // namespace kiln::verifier
