// SPDX-License-Identifier: Apache-2.0
//
// Random programs: numbers, their conversions, comparisons and links.
#include <string_view>

#include "random_generator.h"

namespace kiln::verifier {

int Generator::number() {
  const int r = find(Kind::kNumber);
  return r >= 0 ? r : fresh_number();
}

int Generator::small() {
  const int r = find(Kind::kSmall);
  if (r >= 0 && random_.chance(70)) {
    return r;
  }
  const int made = fresh_number();
  static constexpr int kMasks[] = {1, 3, 7, 8, 15, 28, 31, 56, 63};
  switch (random_.below(7)) {
    case 0: emit("r{} >>= {}", made, 58 + random_.below(6)); break;
    case 1: emit("if r{} > {} goto out{}", made, 3 + random_.below(40), block_out()); break;
    case 2:
      emit("if w{} > {} goto out{}", made, 3 + random_.below(40), block_out());
      if (!random_.chance(5)) {
        emit("w{0} = w{0}", made);
      }
      break;
    case 3:  // both ends, signed
      emit("if r{} s< {} goto out{}", made, random_.chance(97) ? 0 : -1, block_out());
      emit("if r{} s>{} {} goto out{}", made, random_.chance(50) ? "=" : "", 3 + random_.below(40), block_out());
      break;
    case 4: emit("r{} %= {}", made, 1 + random_.below(48)); break;
    default: emit("{}{} &= {}", random_.chance(80) ? "r" : "w", made, random_.pick(kMasks)); break;
  }
  set(made, Kind::kSmall);
  return made;
}

int Generator::fresh_number() {
  const int r = target();
  const int ctx = find(Kind::kCtx);
  if (ctx >= 0 && random_.chance(70)) {
    emit("r{} = *(u32 *)(r{} +{})", r, ctx, random_.chance(50) ? 12 : 16);
  } else if (random_.chance(30)) {
    emit("r{} = *(u64 *)(r10 -{})", r, 8 * number_slot());
  } else if (random_.chance(10)) {
    emit("r{} = {:#x} ll", r, random_.chance(50) ? std::uint64_t{1} << random_.below(64) : random_.next());
  } else {
    emit("r{} = {}", r, constant());
  }
  set(r, Kind::kNumber);
  return r;
}

std::string Generator::condition(int left) {
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

void Generator::arithmetic() {
  static constexpr const char* kOps[] = {"+=",  "-=",  "*=",   "|=", "&=",  "^=", "<<=",
                                         ">>=", "s>>=", "/=", "%=", "s/=", "s%="};
  const int dst = number();
  const std::string_view op = random_.pick(kOps);
  const bool wide = random_.chance(65);
  const char* bank = wide ? "r" : "w";
  const bool shift = op.find("<<") != op.npos || op.find(">>") != op.npos;
  const bool divides = op.find('/') != op.npos || op.find('%') != op.npos;
  if (shift && !random_.chance(5)) {
    emit("{}{} {} {}", bank, dst, op, random_.below(wide ? 64 : 32));
  } else if (random_.chance(40)) {
    emit("{}{} {} {}{}", bank, dst, op, bank, number());
  } else {
    const std::int64_t k = constant();
    emit("{}{} {} {}", bank, dst, op, (divides || shift) && k <= 0 ? 3 : k);
  }
  set(dst, op == "&=" && kind(dst) == Kind::kSmall ? Kind::kSmall : Kind::kNumber);
}

void Generator::conversion() {
  const int src = number(), dst = target();
  switch (random_.below(9)) {
    case 0: emit("r{} = r{}", dst, src); break;
    case 1: emit("w{} = w{}", dst, src); break;
    case 2: emit("r{} = (s8)r{}", dst, src); break;
    case 3: emit("r{} = (s16)r{}", dst, src); break;
    case 4: emit("r{} = (s32)r{}", dst, src); break;
    case 5: emit("w{} = (s8)w{}", dst, src); break;
    case 6: emit("w{} = (s16)w{}", dst, src); break;
    case 7: emit("{0}{1} = -{0}{1}", random_.chance(60) ? "r" : "w", src); return set(src, Kind::kNumber);
    default: {
      static constexpr const char* kSwaps[] = {"be", "be", "bswap", "le"};
      emit("r{0} = {1}{2} r{0}", src, random_.pick(kSwaps), 16u << random_.below(3));
      return set(src, Kind::kNumber);
    }
  }
  set(dst, Kind::kNumber);
}

void Generator::copy_and_bound() {
  const int source = number(), copy = target();
  emit("r{} = r{}", copy, source);
  if (random_.chance(40)) {
    emit("r{} += {}", copy, random_.below(8));
  }
  emit("if {} goto out{}", condition(random_.chance(50) ? source : copy), block_out());
  set(copy, Kind::kNumber);
  if (random_.chance(50)) {
    emit("if r{} > {} goto out{}", random_.chance(50) ? source : copy, random_.below(50), out_label_);
    set(source, Kind::kSmall);
    set(copy, Kind::kSmall);
  }
}

/// Copies at a distance: one is bounded, another is used as an index.
void Generator::linked_use() {
  const int source = number(), copy = other_than(source), value = other_than(source, copy);
  const char* bank = random_.chance(85) ? "r" : "w";
  emit("{0}{1} = {0}{2}", bank, copy, source);
  if (random_.chance(75)) {
    emit("{}{} {} {}", random_.chance(90) ? bank : "w", copy, random_.chance(65) ? "+=" : "-=",
         random_.chance(90) ? constant() % 16 : constant());
  }
  if (random_.chance(30)) {
    emit("*(u64 *)(r10 -{}) = r{}", 8 * (1 + random_.below(4)), random_.chance(50) ? copy : source);
  }
  const int tested = random_.chance(50) ? source : copy;
  const int used = random_.chance(80) ? (tested == source ? copy : source) : tested;
  const bool jump_out = random_.chance(93);
  emit("if {}{} {} {} goto out{}", random_.chance(92) ? "r" : "w", tested, jump_out ? ">" : "<", random_.below(32),
       block_out());
  emit("if r{} s{} {} goto out{}", used, jump_out ? "<" : ">", jump_out ? 0 : 40, block_out());
  emit("r{} = map[idx:8][0]+0", value);
  set(value, Kind::kValue);
  emit("r{} += r{}", value, used);
  set(value, Kind::kNone);
  set(copy, Kind::kNumber);
  const int dst = target();
  emit("r{} = *(u8 *)(r{} +{})", dst, value, random_.below(12));
  set(dst, Kind::kNumber);
}

/// A number narrowed in one width and used in the other.
void Generator::narrow_and_index() {
  static constexpr const char* kOps[] = {"<", "<=", "s<", "s<=", "==", ">", "s>", "!="};
  const int r = fresh_number(), value = other_than(r);
  if (random_.chance(50)) {
    emit("{}{} {} {}", random_.chance(50) ? "w" : "r", r, random_.chance(50) ? "+=" : "-=", constant() % 1000);
  }
  const std::string use = label();
  emit("if {}{} {} {} goto {}", random_.chance(50) ? "w" : "r", r, random_.pick(kOps), random_.below(40), use);
  emit("goto out{}", block_out());
  emit("{}:", use);
  switch (random_.below(5)) {
    case 0: emit("w{0} = w{0}", r); break;
    case 1: emit("r{0} = (s32)r{0}", r); break;
    case 2:
      emit("r{} <<= 32", r);
      emit("r{} {}>>= 32", r, random_.chance(50) ? "s" : "");
      break;
    case 3: emit("if r{} s< 0 goto out{}", r, block_out()); break;
    default: break;
  }
  if (random_.chance(75)) {
    emit("if {}{} > {} goto out{}", random_.chance(92) ? "r" : "w", r, random_.below(32), block_out());
  }
  emit("r{} = map[idx:8][0]+8", value);
  emit("r{} += r{}", value, r);
  set(value, Kind::kNone);
  emit("*(u8 *)(r{} +{}) = {}", value, static_cast<int>(random_.below(22)) - (random_.chance(90) ? 0 : 8), random_.below(9));
}

}  // namespace kiln::verifier
