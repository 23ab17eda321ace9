// SPDX-License-Identifier: Apache-2.0
//
// The generator writes assembler text: statements over registers whose kind it remembers, in blocks
// behind forward branches, in counted loops and in subprograms. It remembers only roughly, which is
// where programs that must be refused come from.
#include "random_program.h"

#include <array>
#include <set>
#include <string>
#include <vector>

#include <fmt/format.h>

#include <kiln/disasm.h>

namespace kiln::verifier {
namespace {

enum class Kind : std::uint8_t { kNone, kNumber, kSmall, kCtx, kPacket, kEnd, kValue, kStack };
using Kinds = std::array<Kind, 10>;

/// xorshift64*, because std distributions differ between libraries.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15u + 1) {
    for (int i = 0; i < 8; ++i) {
      next();
    }
  }
  std::uint64_t next() {
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    return state_ * 0x2545f4914f6cdd1du;
  }
  std::uint64_t below(std::uint64_t n) { return (next() >> 11) % n; }
  bool chance(unsigned percent) { return below(100) < percent; }
  template <typename T, std::size_t N>
  const T& pick(const T (&from)[N]) {
    return from[below(N)];
  }

 private:
  std::uint64_t state_;
};

constexpr const char* kSizes[] = {"u8", "u16", "u32", "u64"};

class Generator {
 public:
  explicit Generator(std::uint64_t seed) : random_(seed) {}

  std::string text() {
    functions_ = random_.chance(40) ? 1 + static_cast<int>(random_.below(2)) : 0;
    emit("r6 = r1");
    kinds_[1] = kinds_[6] = Kind::kCtx;
    body(8 + static_cast<int>(random_.below(25)));
    finish();
    for (int f = 0; f < functions_; ++f) {
      if ((called_ >> f & 1) == 0) {
        continue;
      }
      emit(fmt::format("f{}:", f));
      in_function_ = true;
      kinds_ = {};
      kinds_[1] = kinds_[2] = Kind::kNumber;
      body(3 + static_cast<int>(random_.below(8)));
      finish();
    }
    return text_;
  }

 private:
  void emit(const std::string& line) { text_ += line + "\n"; }
  std::string label() { return fmt::format("l{}", labels_++); }

  void finish() {
    if (!random_.chance(1)) {
      emit("r0 = 2");
    }
    emit("exit");
  }

  void body(int statements) {
    for (int i = 0; i < statements; ++i) {
      statement();
    }
  }

  /// Some register of that kind, or -1. Sometimes just any.
  int find(Kind kind) {
    if (random_.chance(1)) {
      return static_cast<int>(random_.below(10));
    }
    std::vector<int> fits;
    for (int r = 0; r < 10; ++r) {
      const bool number = kind == Kind::kNumber && kinds_[static_cast<std::size_t>(r)] == Kind::kSmall;
      if (kinds_[static_cast<std::size_t>(r)] == kind || number) {
        fits.push_back(r);
      }
    }
    return fits.empty() ? -1 : fits[random_.below(fits.size())];
  }
  int target() {
    const int r = static_cast<int>(random_.below(10));
    const bool keep = r == 6 || (r == 9 && depth_ > 0);  // the context, a loop's counter
    return keep && !random_.chance(2) ? 7 : r;
  }
  void set(int r, Kind kind) { kinds_[static_cast<std::size_t>(r)] = kind; }

  std::int64_t constant() {
    static constexpr std::int64_t kEdges[] = {0, 1, -1, 2, 7, 8, 15, 16, 31, 32, 63, 64, 127, 128, 255, 256,
                                              0xffff, 0x10000, 0x7fffffff, -0x80000000ll, -2, -8, -64, 1000};
    return random_.chance(80) ? random_.pick(kEdges) : static_cast<std::int32_t>(random_.next());
  }

  int number() {
    const int r = find(Kind::kNumber);
    return r >= 0 ? r : fresh_number();
  }
  int small() {
    const int r = find(Kind::kSmall);
    if (r >= 0 && random_.chance(70)) {
      return r;
    }
    const int made = fresh_number();
    static constexpr int kMasks[] = {1, 3, 7, 8, 15, 28, 31, 56, 63};
    switch (random_.below(4)) {
      case 0: emit(fmt::format("r{} >>= {}", made, 58 + random_.below(6))); break;
      case 1: emit(fmt::format("if r{} > {} goto out{}", made, 3 + random_.below(40), block_out())); break;
      default: emit(fmt::format("r{} &= {}", made, random_.pick(kMasks))); break;
    }
    set(made, Kind::kSmall);
    return made;
  }
  int fresh_number() {
    const int r = target();
    const int ctx = find(Kind::kCtx);
    if (ctx >= 0 && random_.chance(70)) {
      emit(fmt::format("r{} = *(u32 *)(r{} +{})", r, ctx, random_.chance(50) ? 12 : 16));
    } else if (random_.chance(30)) {
      emit(fmt::format("r{} = *(u64 *)(r10 -{})", r, 8 * (1 + random_.below(6))));
    } else {
      emit(fmt::format("r{} = {}", r, constant()));
    }
    set(r, Kind::kNumber);
    return r;
  }

  /// Every jump out of a statement goes behind it.
  int block_out() {
    outs_ = true;
    return out_label_;
  }

  void statement() {
    const int saved = out_label_;
    const bool saved_outs = outs_;
    out_label_ = labels_++;
    outs_ = false;
    const Kinds before = kinds_;
    choose();
    if (outs_) {
      emit(fmt::format("out{}:", out_label_));
      join(before);
    }
    out_label_ = saved;
    outs_ = saved_outs;
  }

  void join(const Kinds& other) {
    for (std::size_t r = 0; r < kinds_.size(); ++r) {
      if (kinds_[r] != other[r]) {
        const bool numbers = kinds_[r] != Kind::kNone && other[r] != Kind::kNone &&
                             kinds_[r] <= Kind::kSmall && other[r] <= Kind::kSmall;
        kinds_[r] = numbers ? Kind::kNumber : random_.chance(4) ? kinds_[r] : Kind::kNone;
      }
    }
  }

  void choose() {
    switch (random_.below(16)) {
      case 0:
      case 1:
      case 2: return arithmetic();
      case 3: return conversion();
      case 4: return branch();
      case 5: return spill();
      case 6: return fill();
      case 7:
      case 8: return value_access();
      case 9:
      case 10: return packet_access();
      case 11: return lookup();
      case 12: return loop();
      case 13: return call();
      case 14: return variable_stack();
      default: return copy_and_bound();
    }
  }

  void arithmetic() {
    static constexpr const char* kOps[] = {"+=", "-=", "*=", "|=", "&=", "^=", "<<=", ">>=", "s>>=", "/=", "%="};
    const int dst = number();
    const std::string op = random_.pick(kOps);
    const bool wide = random_.chance(65);
    const char* bank = wide ? "r" : "w";
    const bool shift = op.find("<<") != std::string::npos || op.find(">>") != std::string::npos;
    if (shift && !random_.chance(5)) {
      emit(fmt::format("{}{} {} {}", bank, dst, op, random_.below(wide ? 64 : 32)));
    } else if (random_.chance(40)) {
      emit(fmt::format("{}{} {} {}{}", bank, dst, op, bank, number()));
    } else {
      const std::int64_t k = constant();
      emit(fmt::format("{}{} {} {}", bank, dst, op, (op == "/=" || op == "%=" || shift) && k <= 0 ? 3 : k));
    }
    set(dst, op == "&=" && kinds_[static_cast<std::size_t>(dst)] == Kind::kSmall ? Kind::kSmall : Kind::kNumber);
  }

  void conversion() {
    const int src = number(), dst = target();
    switch (random_.below(8)) {
      case 0: emit(fmt::format("r{} = r{}", dst, src)); break;
      case 1: emit(fmt::format("w{} = w{}", dst, src)); break;
      case 2: emit(fmt::format("r{} = (s8)r{}", dst, src)); break;
      case 3: emit(fmt::format("r{} = (s16)r{}", dst, src)); break;
      case 4: emit(fmt::format("r{} = (s32)r{}", dst, src)); break;
      case 5: emit(fmt::format("w{} = (s8)w{}", dst, src)); break;
      case 6: emit(fmt::format("r{0} = -r{0}", src)); return set(src, Kind::kNumber);
      default:
        emit(fmt::format("r{0} = {1}{2} r{0}", src, random_.chance(70) ? "be" : "bswap", 16u << random_.below(3)));
        return set(src, Kind::kNumber);
    }
    set(dst, Kind::kNumber);
  }

  std::string condition(int left) {
    static constexpr const char* kOps[] = {"==", "!=", ">", ">=", "<", "<=", "s>", "s>=", "s<", "s<=", "&"};
    const char* bank = random_.chance(65) ? "r" : "w";
    if (random_.chance(30)) {
      const int right = number();
      if (right != left) {  // the kernel narrows a register by itself, in ways that mean nothing
        return fmt::format("{}{} {} {}{}", bank, left, random_.pick(kOps), bank, right);
      }
    }
    return fmt::format("{}{} {} {}", bank, left, random_.pick(kOps), constant());
  }

  void branch() {
    const int left = number();
    const std::string test = condition(left);
    if (depth_ > 2 || random_.chance(30)) {
      emit(fmt::format("if {} goto out{}", test, block_out()));
      return;
    }
    const std::string other = label(), end = label();
    emit(fmt::format("if {} goto {}", test, other));
    ++depth_;
    const Kinds before = kinds_;
    body(1 + static_cast<int>(random_.below(3)));
    emit(fmt::format("goto {}", end));
    emit(other + ":");
    const Kinds first = kinds_;
    kinds_ = before;
    body(1 + static_cast<int>(random_.below(3)));
    emit(end + ":");
    --depth_;
    join(first);
  }

  void spill() {
    const std::uint64_t bytes = 1u << random_.below(4);
    const std::uint64_t off = bytes * (1 + random_.below(48 / bytes));
    if (random_.chance(15)) {
      const int pointer = find(random_.chance(50) ? Kind::kCtx : Kind::kValue);
      if (pointer >= 0) {
        emit(fmt::format("*(u64 *)(r10 -{}) = r{}", 8 * (1 + random_.below(6)), pointer));
        return;
      }
    }
    const char* size = kSizes[bytes == 1 ? 0 : bytes == 2 ? 1 : bytes == 4 ? 2 : 3];
    if (random_.chance(30)) {
      emit(fmt::format("*({} *)(r10 -{}) = {}", size, off, random_.chance(50) ? 0 : constant()));
    } else {
      emit(fmt::format("*({} *)(r10 -{}) = r{}", size, off, number()));
    }
  }

  void fill() {
    const std::uint64_t bytes = random_.chance(60) ? 8 : 1u << random_.below(3);
    const int dst = target();
    const std::uint64_t off = bytes * (1 + random_.below(48 / bytes));
    const char* size = kSizes[bytes == 1 ? 0 : bytes == 2 ? 1 : bytes == 4 ? 2 : 3];
    if (bytes == 8 && random_.chance(15)) {
      const int operand = number();
      emit(fmt::format("r{0} = atomic64_fetch_add((u64 *)(r10 -{1}), r{0})", operand, off));
      return set(operand, Kind::kNumber);
    }
    emit(fmt::format("r{} = *({} *)(r10 -{})", dst, size, off));
    set(dst, Kind::kNumber);
  }

  int value_pointer() {
    int pointer = find(Kind::kValue);
    if (pointer < 0 || random_.chance(40)) {
      pointer = target();
      emit(fmt::format("r{} = map[idx:{}][0]+{}", pointer, random_.chance(97) ? 8 : 7, random_.below(4) * 4));
      set(pointer, Kind::kValue);
    }
    return pointer;
  }

  void value_access() {
    const int pointer = value_pointer();
    int base = pointer;
    if (random_.chance(60)) {
      const int index = small();
      base = target();
      if (base == index) {
        return;
      }
      emit(fmt::format("r{} = r{}", base, pointer));
      emit(fmt::format("r{} += r{}", base, index));
      set(base, random_.chance(20) ? Kind::kValue : Kind::kNone);
    }
    access(base, random_.below(20), 64);
  }

  /// \param room  bytes there are from `base`, or 0: no atomics there
  void access(int base, std::uint64_t off, std::uint64_t room) {
    const char* size = random_.pick(kSizes);
    const std::uint64_t what = random_.below(20);
    if (what < 12) {
      const int dst = target();
      emit(fmt::format("r{} = *({} *)(r{} +{})", dst, size, base, off));
      set(dst, Kind::kNumber);
    } else if (what < 16) {
      emit(fmt::format("*({} *)(r{} +{}) = r{}", size, base, off, number()));
    } else if (what < 19 || (room == 0 && !random_.chance(5))) {
      emit(fmt::format("*({} *)(r{} +{}) = {}", size, base, off, random_.below(100)));
    } else {
      emit(fmt::format("lock *(u32 *)(r{} +{}) += r{}", base, off & ~std::uint64_t{3}, number()));
    }
  }

  void packet_access() {
    const int ctx = find(Kind::kCtx);
    if (ctx < 0) {
      return;
    }
    int data = find(Kind::kPacket), end = find(Kind::kEnd);
    if (data < 0 || end < 0 || random_.chance(30)) {
      data = static_cast<int>(random_.below(3)) + 2;
      end = data == 2 ? 3 : 2;
      emit(fmt::format("r{} = *(u32 *)(r{} +{})", data, ctx, random_.chance(95) ? 0 : 8));
      emit(fmt::format("r{} = *(u32 *)(r{} +4)", end, ctx));
      set(data, Kind::kPacket);
      set(end, Kind::kEnd);
    }
    if (random_.chance(40)) {
      const int index = small();
      if (index == data || index == end) {
        return;
      }
      emit(fmt::format("r{} += r{}", data, index));
    }
    const int limit = data == 5 || end == 5 ? 8 : 5;
    const std::uint64_t bytes = 8 + random_.below(30);
    emit(fmt::format("r{} = r{}", limit, data));
    emit(fmt::format("r{} += {}", limit, bytes));
    set(limit, Kind::kNone);
    static constexpr const char* kTests[] = {"r{0} > r{1}", "r{1} < r{0}", "r{0} >= r{1}", "r{1} <= r{0}"};
    emit("if " + fmt::format(fmt::runtime(random_.pick(kTests)), limit, end) + fmt::format(" goto out{}", block_out()));
    access(data, random_.chance(95) ? random_.below(bytes - 7) : random_.below(bytes + 1), 0);
  }

  void lookup() {
    if (in_function_ && random_.chance(60)) {
      return;
    }
    const bool array = random_.chance(60);
    emit(fmt::format("*(u{} *)(r10 -8) = {}", array ? 32 : 64, random_.below(6)));
    emit(fmt::format("r1 = map[idx:{}]", array ? 0 : 1));
    emit("r2 = r10");
    emit(fmt::format("r2 += {}", random_.chance(97) ? -8 : -4));
    emit("call map_lookup_elem");
    for (int r = 0; r <= 5; ++r) {
      set(r, Kind::kNone);
    }
    if (random_.chance(95)) {
      emit(fmt::format("if r0 == 0 goto out{}", block_out()));
    }
    access(0, random_.below(random_.chance(95) ? (array ? 40 : 8) : (array ? 48 : 16)), 1);
    if (random_.chance(50)) {
      emit("r7 = r0");
    }
  }

  void loop() {
    if (depth_ > 0 || in_function_ || ++loops_ > 2) {  // nested loops of branches take the kernel seconds
      return arithmetic();
    }
    const std::string again = label();
    emit(fmt::format("r9 = {}", random_.below(4)));
    emit(again + ":");
    ++depth_;
    const Kinds before = kinds_;
    body(1 + static_cast<int>(random_.below(3)));
    --depth_;
    join(before);
    if (random_.chance(99)) {
      emit("r9 += 1");
    }
    emit(fmt::format("if r9 < {} goto {}", 3 + random_.below(6), again));
    set(9, Kind::kNumber);
  }

  void call() {
    if (in_function_ || functions_ == 0) {
      emit(random_.chance(50) ? "call get_prandom_u32" : "call ktime_get_ns");
    } else {
      const int a = number();
      emit(fmt::format("r1 = r{}", a));
      set(1, Kind::kNumber);
      emit(fmt::format("r2 = r{}", small()));
      const std::uint64_t callee = random_.below(static_cast<std::uint64_t>(functions_));
      called_ |= 1u << callee;
      emit(fmt::format("call f{}", callee));
    }
    for (int r = 1; r <= 5; ++r) {
      set(r, Kind::kNone);
    }
    set(0, Kind::kNumber);
  }

  void variable_stack() {
    const int index = small();
    const int pointer = index == 4 ? 5 : 4;
    emit(fmt::format("r{} &= {}", index, random_.chance(70) ? 8 : 24));
    emit(fmt::format("r{} = r10", pointer));
    emit(fmt::format("r{} += r{}", pointer, index));
    emit(fmt::format("r{} += {}", pointer, -48 + static_cast<int>(random_.below(3)) * 8));
    set(pointer, Kind::kNone);
    if (random_.chance(50)) {
      const int dst = target();
      emit(fmt::format("r{} = *(u64 *)(r{} +0)", dst, pointer));
      set(dst, Kind::kNumber);
    } else {
      emit(fmt::format("*(u64 *)(r{} +0) = {}", pointer, random_.chance(50) ? "0" : fmt::format("r{}", number())));
    }
  }

  void copy_and_bound() {
    const int source = number(), copy = target();
    emit(fmt::format("r{} = r{}", copy, source));
    if (random_.chance(40)) {
      emit(fmt::format("r{} += {}", copy, random_.below(8)));
    }
    emit(fmt::format("if {} goto out{}", condition(random_.chance(50) ? source : copy), block_out()));
    set(copy, Kind::kNumber);
    if (random_.chance(50)) {
      emit(fmt::format("if r{} > {} goto out{}", random_.chance(50) ? source : copy, random_.below(50), out_label_));
      set(source, Kind::kSmall);
      set(copy, Kind::kSmall);
    }
  }

  Random random_;
  std::string text_;
  Kinds kinds_{};
  int labels_ = 0, depth_ = 0, loops_ = 0, functions_ = 0, out_label_ = 0;
  unsigned called_ = 0;
  bool outs_ = false, in_function_ = false;
};

}  // namespace

Program random_program(std::uint64_t seed) {
  Program program;
  program.name = fmt::format("random_{}", seed);
  program.section = "xdp";
  const std::string text = Generator(seed).text();
  auto insns = assemble(text);
  if (!insns) {
    std::fprintf(stderr, "seed %llu: %s\n%s", static_cast<unsigned long long>(seed),
                 insns.error().message.c_str(), text.c_str());
    std::exit(1);
  }
  program.insns = *insns;
  std::set<std::uint32_t> starts = {0};
  for (std::uint32_t at = 0; at < program.insns.size(); ++at) {
    const InsnInfo* info = find_insn(program.insns[at]);
    if (info != nullptr && info->op == Op::CALL_LOCAL) {
      starts.insert(static_cast<std::uint32_t>(static_cast<std::int64_t>(at) + 1 + program.insns[at].imm));
    }
  }
  for (const std::uint32_t start : starts) {
    const auto after = starts.upper_bound(start);
    Subprogram sub;
    sub.name = fmt::format("f{}", start);
    sub.start = start;
    sub.end = after == starts.end() ? static_cast<std::uint32_t>(program.insns.size()) : *after;
    program.subprograms.push_back(sub);
  }
  return program;
}

}  // namespace kiln::verifier
