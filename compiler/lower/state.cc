// SPDX-License-Identifier: Apache-2.0
#include "state.h"

#include <algorithm>
#include <bit>

namespace kiln::lowering {
namespace {

constexpr std::int64_t kFrameBottom = -std::int64_t{address::kStackBytes};
constexpr ValueKinds kEveryKind = 0xffff;
constexpr std::uint64_t kMostMapsInSet = 64;
constexpr std::uint64_t kHandleBits = 0x0fff'ffff;

/// Set of maps that a value is the handle of; 0 if it is something else.
std::uint64_t map_set(const Value& value) {
  if (value.kind == Value::Kind::kMaps) {
    return value.number;
  }
  const bool handle = value.kind == Value::Kind::kConstant && value.number >= address::kMapHandle &&
                      value.number < address::kMapHandle + kMostMapsInSet;
  return handle ? std::uint64_t{1} << (value.number - address::kMapHandle) : 0;
}

Value join(const Value& left, const Value& right) {
  if (left == right) {
    return left;
  }
  if (const std::uint64_t a = map_set(left), b = map_set(right); a != 0 && b != 0) {
    return {Value::Kind::kMaps, a | b, ~std::uint64_t{0}};
  }
  const auto never_zero = [](const Value& value) {
    return value.kind == Value::Kind::kNonZero || value.kind == Value::Kind::kFrame ||
           value.kind == Value::Kind::kMaps ||
           (value.kind == Value::Kind::kConstant && value.number != 0);
  };
  return never_zero(left) && never_zero(right) ? Value::non_zero() : Value::unknown(left.bits | right.bits);
}

/// Whether one may stand where a map in a map is declared like the other. Source: bpf_map_meta_equal(), Linux 6.18.
bool are_alike(const CoreMap& a, const CoreMap& b) {
  return a.type == b.type && a.key_size == b.key_size && a.value_size == b.value_size;
}

/// The largest number with no bit above the highest of `bits`.
std::uint64_t below_power(std::uint64_t bits) {
  return bits == 0 ? 0 : ~std::uint64_t{0} >> std::countl_zero(bits);
}

Word join(const Word& left, const Word& right) {
  Word both{.min = std::min(left.min, right.min), .max = std::max(left.max, right.max)};
  if (left.reg == right.reg && left.high == right.high) {
    both.reg = left.reg;
    both.high = left.high;
  }
  return both;
}

}  // namespace

const Word* State::word(std::int64_t offset) const {
  if (offset < kFrameBottom || offset > -4 || offset % 4 != 0) {
    return nullptr;
  }
  return &words[static_cast<std::size_t>((offset - kFrameBottom) / 4)];
}

void State::note_copy(unsigned dst, unsigned src) {
  const std::uint8_t root = copy_of[src] == kNoRegister ? static_cast<std::uint8_t>(src) : copy_of[src];
  copy_of[dst] = root == dst ? kNoRegister : root;
}

void State::set(unsigned reg, const Value& value) {
  regs[reg] = value;
  copy_of[reg] = kNoRegister;
  for (std::uint8_t& root : copy_of) {
    root = root == reg ? kNoRegister : root;
  }
  for (Word& word : words) {
    if (word.reg == reg) {
      word.reg = kNoRegister;
      word.high = false;
    }
  }
}

void State::forget_bytes(std::int64_t from, std::int64_t to) {
  const std::int64_t low = std::max(from, kFrameBottom) - kFrameBottom;
  const std::int64_t high = std::min<std::int64_t>(to, 0) - kFrameBottom;
  for (std::int64_t at = low / 4; at * 4 < high; ++at) {
    words[static_cast<std::size_t>(at)] = Word{};
  }
}

void State::store(std::int64_t offset, unsigned bytes, std::uint8_t reg, std::optional<std::uint64_t> number,
                  std::uint64_t max) {
  forget_bytes(offset, offset + bytes);
  if (bytes < 4 || word(offset) == nullptr) {
    return;
  }
  const auto at = static_cast<std::size_t>((offset - kFrameBottom) / 4);
  const auto half = [&](bool high) {
    const bool small = max <= std::numeric_limits<std::uint32_t>::max();
    Word word;
    if (number) {
      word = Word::constant(static_cast<std::uint32_t>(high ? *number >> 32 : *number));
    } else if (small) {
      word.max = high ? 0 : static_cast<std::uint32_t>(max);
    }
    word.reg = reg;
    word.high = high;
    return word;
  };
  words[at] = half(false);
  if (bytes == 8 && at + 1 < words.size()) {
    words[at + 1] = half(true);
  }
}

Value join_values(const Value& left, const Value& right) { return join(left, right); }

State join(const State& left, const State& right) {
  State both;
  for (std::size_t i = 0; i < both.regs.size(); ++i) {
    both.regs[i] = join(left.regs[i], right.regs[i]);
    both.copy_of[i] = left.copy_of[i] == right.copy_of[i] ? left.copy_of[i] : kNoRegister;
  }
  for (std::size_t i = 0; i < both.words.size(); ++i) {
    both.words[i] = join(left.words[i], right.words[i]);
  }
  return both;
}

std::optional<std::uint64_t> At::constant(unsigned reg) const {
  const Value& value = state.regs[reg];
  if (value.kind == Value::Kind::kConstant) {
    return value.number;
  }
  const RegFact* fact = view.fact(slot, reg);
  if (fact == nullptr) {
    return std::nullopt;
  }
  if (fact->is_constant()) {
    return fact->umin;
  }
  if (only(fact->kinds, ValueKind::kContext) && fact->umin == 0 && fact->umax == 0) {
    return address::kContext;
  }
  if (only(fact->kinds, ValueKind::kMapHandle) && fact->map >= 0 &&
      !comes_from_map(static_cast<std::uint32_t>(fact->map))) {
    return address::kMapHandle | static_cast<std::uint32_t>(fact->map);
  }
  return std::nullopt;
}

std::uint64_t At::max(unsigned reg) const {
  if (const auto number = constant(reg)) {
    return *number;
  }
  const std::uint64_t by_bits = below_power(state.regs[reg].bits);
  const RegFact* fact = view.fact(slot, reg);
  const bool scalar = fact != nullptr && only(fact->kinds, ValueKind::kScalar);
  return scalar ? std::min(fact->umax, by_bits) : by_bits;
}

std::uint64_t At::possible_bits(unsigned reg) const {
  if (const auto number = constant(reg)) {
    return *number;
  }
  std::uint64_t bits = state.regs[reg].bits & below_power(max(reg));
  if (const RegFact* fact = view.fact(slot, reg); fact != nullptr && only(fact->kinds, ValueKind::kScalar)) {
    bits &= ~fact->known_mask | fact->known_value;
  }
  return bits;
}

unsigned At::root(unsigned reg) const {
  if (!view.proven()) {
    return reg;
  }
  if (const auto number = constant(reg)) {
    // A constant is made anew in each register that needs it; the context is kept where calls leave it.
    for (const unsigned kept : {6u, 7u, 8u, 9u}) {
      if (*number == address::kContext && constant(kept) == number) {
        return kept;
      }
    }
    return reg;
  }
  const std::uint8_t root = state.copy_of[reg];
  return root == kNoRegister ? reg : root;
}

bool At::non_zero(unsigned reg) const {
  const Value::Kind kind = state.regs[reg].kind;
  if (kind == Value::Kind::kNonZero || kind == Value::Kind::kFrame || kind == Value::Kind::kMaps) {
    return true;
  }
  const auto number = constant(reg);
  return number && *number != 0;
}

std::optional<std::int64_t> At::frame_offset(unsigned reg) const {
  const Value& value = state.regs[reg];
  if (value.kind != Value::Kind::kFrame) {
    return std::nullopt;
  }
  return static_cast<std::int64_t>(value.number);
}

std::vector<std::uint32_t> At::maps(unsigned reg) const {
  std::vector<std::uint32_t> found;
  const auto count = static_cast<std::uint32_t>(view.maps().size());
  if (const auto number = constant(reg)) {
    const auto index = static_cast<std::uint32_t>(*number & kHandleBits);
    if ((*number & ~kHandleBits) == address::kMapHandle && index < count) {
      found.push_back(index);
    }
    return found;
  }
  const Value& value = state.regs[reg];
  const RegFact* fact = view.fact(slot, reg);
  const bool some_map = fact != nullptr && only(fact->kinds, ValueKind::kMapHandle);
  for (std::uint32_t i = 0; i < count; ++i) {
    const bool alike = some_map && (fact->map < 0 || are_alike(view.maps()[static_cast<std::size_t>(fact->map)], view.maps()[i]));
    const bool in_set = value.kind == Value::Kind::kMaps && i < kMostMapsInSet && (value.number >> i & 1) != 0;
    if (in_set || (alike && value.kind != Value::Kind::kMaps)) {
      found.push_back(i);
    }
  }
  return found;
}

bool At::comes_from_map(std::uint32_t map) const {
  const std::span<const CoreMap> maps = view.maps();
  const std::vector<MapSpec>& specs = view.object().maps;
  return map < maps.size() && std::any_of(specs.begin(), specs.end(), [&](const MapSpec& outer) {
    return outer.inner && *outer.inner < maps.size() && are_alike(maps[*outer.inner], maps[map]);
  });
}

ValueKinds At::kinds(unsigned reg) const {
  if (state.regs[reg].kind == Value::Kind::kFrame) {
    return static_cast<ValueKinds>(ValueKind::kStack);
  }
  const RegFact* fact = view.fact(slot, reg);
  return fact == nullptr ? kEveryKind : fact->kinds;
}

}  // namespace kiln::lowering
