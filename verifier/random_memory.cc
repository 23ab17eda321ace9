// SPDX-License-Identifier: Apache-2.0
//
// Random programs: the stack, the packet and map values.
#include <algorithm>

#include "random_generator.h"

namespace kiln::verifier {
namespace {

constexpr const char* kSizes[] = {"u8", "u16", "u32", "u64"};
constexpr const char* kSignedSizes[] = {"s8", "s16", "s32"};
constexpr const char* kTests[] = {"{0} > {1}", "{1} < {0}", "{0} >= {1}", "{1} <= {0}"};

std::string compare(const char* form, int left, int right) {
  return fmt::format(fmt::runtime(form), fmt::format("r{}", left), fmt::format("r{}", right));
}

}  // namespace

std::string Generator::stack_size(std::uint64_t bytes) {
  const int index = bytes == 1 ? 0 : bytes == 2 ? 1 : bytes == 4 ? 2 : 3;
  return index < 3 && random_.chance(12) ? kSignedSizes[index] : kSizes[index];
}

/// A slot that likely holds no pointer, counted in eights from R10.
int Generator::number_slot() {
  int slot = 1 + static_cast<int>(random_.below(6));
  for (int tries = 0; tries < 6 && (pointer_slots_ >> slot & 1) != 0 && !random_.chance(3); ++tries) {
    slot = 1 + slot % 6;
  }
  return slot;
}

void Generator::spill() {
  const std::uint64_t bytes = 1u << random_.below(4);
  const std::uint64_t off = bytes * (1 + random_.below(48 / bytes));
  if (random_.chance(20)) {
    static constexpr Kind kPointers[] = {Kind::kCtx, Kind::kValue, Kind::kPacket, Kind::kMaybeValue};
    const int pointer = find(random_.pick(kPointers));
    if (pointer >= 0) {
      const unsigned slot = 1 + static_cast<unsigned>(random_.below(6));
      pointer_slots_ |= 1u << slot;
      return emit("*(u64 *)(r10 -{}) = r{}", 8 * slot, pointer);
    }
  }
  const char* size = kSizes[bytes == 1 ? 0 : bytes == 2 ? 1 : bytes == 4 ? 2 : 3];
  if (random_.chance(30)) {
    emit("*({} *)(r10 -{}) = {}", size, off, random_.chance(50) ? 0 : constant());
  } else {
    emit("*({} *)(r10 -{}) = r{}", size, off, number());
  }
}

void Generator::fill() {
  const std::uint64_t bytes = random_.chance(60) ? 8 : 1u << random_.below(3);
  const int dst = target();
  const std::uint64_t off = bytes == 8 ? 8 * static_cast<unsigned>(number_slot()) : bytes * (1 + random_.below(48 / bytes));
  if (bytes == 8 && random_.chance(15)) {
    return atomic(10, -static_cast<std::int64_t>(off));
  }
  emit("r{} = *({} *)(r10 -{})", dst, stack_size(bytes), off);
  set(dst, Kind::kNumber);
}

void Generator::variable_stack() {
  const int index = small();
  const int pointer = index == 4 ? 5 : 4;
  emit("r{} &= {}", index, random_.chance(70) ? 8 : 24);
  emit("r{} = r10", pointer);
  emit("r{} += r{}", pointer, index);
  emit("r{} += {}", pointer, -48 + static_cast<int>(random_.below(3)) * 8);
  set(pointer, Kind::kNone);
  const char* size = random_.chance(70) ? "u64" : random_.pick(kSizes);
  if (random_.chance(50)) {
    const int dst = target();
    emit("r{} = *({} *)(r{} +0)", dst, size, pointer);
    set(dst, Kind::kNumber);
  } else {
    emit("*({} *)(r{} +0) = {}", size, pointer, random_.chance(50) ? "0" : fmt::format("r{}", number()));
  }
}

int Generator::value_pointer() {
  int pointer = find(Kind::kValue);
  if (pointer < 0 || random_.chance(40)) {
    pointer = target();
    emit("r{} = map[idx:{}][0]+{}", pointer, random_.chance(97) ? 8 : 7, random_.below(4) * 4);
    set(pointer, Kind::kValue);
  }
  return pointer;
}

void Generator::value_access() {
  const int pointer = value_pointer();
  int base = pointer;
  if (random_.chance(60)) {
    const int index = small();
    base = target();
    if (base == index) {
      return;
    }
    emit("r{} = r{}", base, pointer);
    if (random_.chance(15)) {
      emit("r{} += {}", base, static_cast<int>(random_.below(20)) - (random_.chance(90) ? 0 : 20));
    }
    emit("r{} {} r{}", base, random_.chance(98) ? "+=" : "-=", index);
    set(base, random_.chance(20) ? Kind::kValue : Kind::kNone);
  }
  access(base, static_cast<std::int64_t>(random_.below(20)), 64);
}

/// \param room  bytes there are from `base`, or 0: no atomics there
void Generator::access(int base, std::int64_t off, std::uint64_t room) {
  const char* size = random_.pick(kSizes);
  const std::uint64_t what = random_.below(20);
  if (what < 12) {
    const int dst = target();
    emit("r{} = *({} *)(r{} {:+})", dst, random_.chance(12) ? random_.pick(kSignedSizes) : size, base, off);
    set(dst, Kind::kNumber);
  } else if (what < 16) {
    emit("*({} *)(r{} {:+}) = r{}", size, base, off, number());
  } else if (what < 19 || (room == 0 && !random_.chance(5))) {
    emit("*({} *)(r{} {:+}) = {}", size, base, off, random_.below(100));
  } else {
    atomic(base, off & ~std::int64_t{7});
  }
}

void Generator::atomic(int base, std::int64_t off) {
  static constexpr const char* kOps[] = {"+=", "|=", "&=", "^="};
  static constexpr const char* kFetches[] = {"add", "or", "and", "xor"};
  const int operand = number();
  const bool wide = random_.chance(60);
  switch (random_.below(4)) {
    case 0:
    case 1: return emit("lock *({} *)(r{} {:+}) {} r{}", wide ? "u64" : "u32", base, off, random_.pick(kOps), operand);
    case 2:
      emit("r{0} = atomic{1}_fetch_{2}(({3} *)(r{4} {5:+}), r{0})", operand, wide ? "64" : "", random_.pick(kFetches),
           wide ? "u64" : "u32", base, off);
      return set(operand, Kind::kNumber);
    default:
      if (random_.chance(50)) {
        emit("r{0} = xchg{1}(r{2} {3:+}, r{0})", operand, wide ? "_64" : "32_32", base, off);
        return set(operand, Kind::kNumber);
      }
      emit("r0 = 3");
      emit("r0 = cmpxchg{}(r{} {:+}, r0, r{})", wide ? "_64" : "32_32", base, off, operand == 0 ? 6 : operand);
      return set(0, Kind::kNumber);
  }
}

/// data and data_end in registers, new ones now and then.
bool Generator::packet_registers(int& data, int& end) {
  const int ctx = find(Kind::kCtx);
  if (ctx < 0) {
    return false;
  }
  data = find(Kind::kPacket);
  end = find(Kind::kEnd);
  if (data < 0 || end < 0 || random_.chance(30)) {
    data = static_cast<int>(random_.below(3)) + 2;
    end = data == 2 ? 3 : 2;
    emit("r{} = *(u32 *)(r{} +{})", data, ctx, random_.chance(95) ? 0 : 8);
    emit("r{} = *(u32 *)(r{} +4)", end, ctx);
    set(data, Kind::kPacket);
    set(end, Kind::kEnd);
  }
  return true;
}

void Generator::packet_access() {
  int data = 0, end = 0;
  if (!packet_registers(data, end)) {
    return;
  }
  if (random_.chance(40)) {
    const int index = small();
    if (index == data || index == end) {
      return;
    }
    emit("r{} += r{}", data, index);
  }
  const int limit = data == 5 || end == 5 ? 8 : 5;
  const std::uint64_t bytes = 8 + random_.below(30);
  emit("r{} = r{}", limit, data);
  emit("r{} += {}", limit, bytes);
  set(limit, Kind::kNone);
  emit("if {} goto out{}", compare(random_.pick(kTests), limit, end), block_out());
  access(data, static_cast<std::int64_t>(random_.chance(95) ? random_.below(bytes - 7) : random_.below(bytes + 1)), 0);
}

/// Every form of comparison, either way out, with the access in front of or behind the tested pointer.
void Generator::packet_compare() {
  int data = 0, end = 0;
  if (!packet_registers(data, end)) {
    return;
  }
  struct Form {
    const char* text;
    bool jumps_inside;  ///< the way taken is the one inside the packet
    int extra;          ///< bytes more than `bytes`, or none at all: -64
  };
  static constexpr Form kAll[] = {{"{0} > {1}", false, 0},    {"{0} >= {1}", false, 1},   {"{0} < {1}", true, 1},
                                  {"{0} <= {1}", true, 0},    {"{1} > {0}", true, 1},     {"{1} >= {0}", true, 0},
                                  {"{1} < {0}", false, 0},    {"{1} <= {0}", false, 1},   {"{0} == {1}", false, -64},
                                  {"{0} != {1}", true, -64},  {"{0} s< {1}", true, -64},  {"{0} s> {1}", false, -64}};
  const int limit = data == 5 || end == 5 ? 8 : 5;
  const std::int64_t bytes = static_cast<std::int64_t>(random_.below(24)) - (random_.chance(10) ? 8 : 0);
  emit("r{} = r{}", limit, data);
  emit("r{} += {}", limit, bytes);
  set(limit, Kind::kPacket);
  const std::string there = label(), behind = label();
  const Form& form = random_.pick(kAll);
  emit("if {} goto {}", compare(form.text, limit, end), there);
  const std::int64_t room = bytes > 0 || (bytes == 0 && form.extra == 0) ? bytes + form.extra : -64;
  const bool good = room > 0, inside = random_.chance(97) == form.jumps_inside;
  const bool fall = (good && !inside) || random_.chance(2), jump = (good && inside) || random_.chance(2);
  const auto touch = [&] {
    const bool from_limit = random_.chance(30);
    const std::int64_t last = room - 1 + (random_.chance(3) ? 1 : 0) - static_cast<std::int64_t>(random_.below(2));
    const std::int64_t off = std::max<std::int64_t>(last, 0) - (from_limit ? bytes : 0);
    const int dst = other_than(data, end);
    if (dst != limit) {
      emit("r{} = *(u8 *)(r{} {:+})", dst, from_limit ? limit : data, off);
      set(dst, Kind::kNumber);
    }
  };
  if (fall) {
    touch();
  }
  emit("goto {}", behind);
  emit("{}:", there);
  if (jump) {
    touch();
  }
  emit("{}:", behind);
  set(limit, Kind::kNone);
}

/// The next header lies behind one whose length is a field of it.
void Generator::packet_walk() {
  int data = 0, end = 0;
  if (!packet_registers(data, end)) {
    return;
  }
  const int at = 7, limit = data == 5 || end == 5 ? 8 : 5, length = data == 4 || end == 4 ? 0 : 4;
  emit("r{} = r{}", at, data);
  const int headers = 1 + static_cast<int>(random_.below(3));
  for (int i = 0; i < headers; ++i) {
    const std::uint64_t bytes = 1 + random_.below(20);
    emit("r{} = r{}", limit, at);
    emit("r{} += {}", limit, bytes);
    emit("if {} goto out{}", compare(random_.pick(kTests), limit, end), block_out());
    emit("r{} = *(u8 *)(r{} +{})", length, at, random_.below(bytes + (random_.chance(5) ? 1 : 0)));
    if (random_.chance(70)) {
      emit("r{} &= {}", length, random_.chance(50) ? 15 : 60);
    }
    if (random_.chance(50)) {
      emit("r{} <<= {}", length, 1 + random_.below(random_.chance(90) ? 4 : 12));
    }
    emit("r{} += r{}", at, length);
  }
  set(limit, Kind::kNone);
  set(length, Kind::kNumber);
  set(at, random_.chance(50) ? Kind::kPacket : Kind::kNone);
}

/// Sums and differences that are allowed or not: end - data, pointer += unknown, pointer in 32 bits.
void Generator::pointer_arithmetic() {
  int data = 0, end = 0;
  if (!packet_registers(data, end)) {
    return;
  }
  const int r = other_than(data, end);
  switch (random_.below(7)) {
    case 0:
      emit("r{} = r{}", r, end);
      emit("r{} -= r{}", r, data);
      return set(r, Kind::kNumber);
    case 1:
      emit("r{} = r{}", r, number());
      emit("r{} += r{}", r, data);
      return set(r, random_.chance(20) ? Kind::kPacket : Kind::kNone);
    case 2:
      emit("r{} = r{}", r, data);
      emit("r{} += {}", r, random_.chance(50) ? 0x7fff : static_cast<std::int32_t>(random_.next()) >> random_.below(8));
      return set(r, random_.chance(5) ? Kind::kPacket : Kind::kNone);
    case 3:
      emit("r{} = r{}", r, random_.chance(96) ? data : end);
      emit("r{} -= {}", r, random_.below(20));
      return set(r, random_.chance(20) ? Kind::kPacket : Kind::kNone);
    case 4:
      emit("{0}{1} = {0}{2}", random_.chance(96) ? "w" : "r", r, data);
      return set(r, Kind::kNumber);
    case 5: {
      const int meta = other_than(data, end), ctx = find(Kind::kCtx);
      if (ctx < 0) {
        return;
      }
      emit("r{} = *(u32 *)(r{} +8)", meta, ctx);
      emit("r{} = r{}", 1, meta);
      emit("r{} += {}", 1, (random_.chance(95) ? 1 : 0) + random_.below(9));
      emit("if {} goto out{}", compare(random_.pick(kTests), 1, data), block_out());
      set(1, Kind::kNone);
      emit("r0 = *(u8 *)(r{} +{})", meta, 0);
      return set(0, Kind::kNumber);
    }
    default:
      emit("r{} = map[idx:8][0]+0", r);
      emit("r{} {} {}", r, random_.chance(95) ? "+=" : "-=", static_cast<std::int64_t>(random_.below(random_.chance(95) ? 48 : 70)));
      set(r, Kind::kNone);
      return access(r, static_cast<std::int64_t>(random_.below(8)), 64);
  }
}

}  // namespace kiln::verifier
