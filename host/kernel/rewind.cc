// SPDX-License-Identifier: Apache-2.0
//
// The instructions that rewind, in assembly text. A packet pointer becomes a number by way of the map: stored as one,
// loaded as the other, which Linux allows those who may see addresses.
#include "rewind.h"

#include <bpf/bpf.h>
#include <fmt/format.h>
#include <linux/bpf.h>

#include <algorithm>
#include <cstring>
#include <string>

#include <kiln/disasm.h>

#include "kernel_program.h"

namespace kiln::kernel {
namespace {

/// The value of the map.
struct Position {
  std::uint64_t data = 0;      ///< of the first run; 0: there was none yet
  std::uint64_t data_end = 0;
  std::uint64_t data_now = 0;  ///< of the run that goes on
  std::uint64_t data_end_now = 0;
  std::int64_t head = 0;       ///< what had to be moved back, the last time
  std::int64_t tail = 0;
  std::array<std::byte, 8 * RewindMap::kWords> bytes{};  ///< what the frame starts with
};

/// R7 is the position's address. Leaves R1 = context, as a program finds it.
std::string rewinding_text(std::uint32_t words) {
  std::string text =
      "r6 = r1\n"
      "r2 = *(u32 *)(r6 + 0)\n"
      "r3 = *(u32 *)(r6 + 4)\n"
      "r8 = *(u64 *)(r7 + 0)\n"
      "if r8 != 0 goto again\n"
      "*(u64 *)(r7 + 0) = r2\n"
      "*(u64 *)(r7 + 8) = r3\n"
      "goto placed\n"
      "again:\n"
      "*(u64 *)(r7 + 16) = r2\n"
      "*(u64 *)(r7 + 24) = r3\n"
      "r4 = *(u64 *)(r7 + 16)\n"
      "r5 = *(u64 *)(r7 + 24)\n"
      "r9 = *(u64 *)(r7 + 8)\n"
      "r8 -= r4\n"
      "r9 -= r5\n"
      "*(u64 *)(r7 + 32) = r8\n"
      "*(u64 *)(r7 + 40) = r9\n"
      "if r9 == 0 goto end_placed\n"
      "r1 = r6\n"
      "r2 = r9\n"
      "call 65\n"
      "end_placed:\n"
      "if r8 == 0 goto placed\n"
      "r1 = r6\n"
      "r2 = r8\n"
      "call 44\n"
      "placed:\n";
  if (words != 0) {
    const unsigned bytes = 8 * (32 - static_cast<unsigned>(__builtin_clz(words)));
    text += fmt::format(
        "r2 = *(u32 *)(r6 + 0)\n"
        "r3 = *(u32 *)(r6 + 4)\n"
        "r4 = r2\n"
        "r4 += {}\n"
        "if r4 > r3 goto restored\n",
        bytes);
    for (unsigned i = 0; i < RewindMap::kWords; ++i) {
      if ((words >> i & 1) != 0) {
        text += fmt::format("r5 = *(u64 *)(r7 + {})\n*(u64 *)(r2 + {}) = r5\n", offsetof(Position, bytes) + 8 * i, 8 * i);
      }
    }
    text += "restored:\n";
  }
  return text + "r1 = r6\n";
}

std::vector<Insn> assembled(const std::string& text) {
  auto insns = assemble(text);
  KILN_CHECK(insns);
  return std::move(insns).value();
}

/// `r7 = ` the position, in the map that comes after the object's own.
std::vector<Insn> rewinding(std::uint32_t words, std::size_t map) {
  constexpr std::uint8_t kMapIndexValue = 6;  // BPF_PSEUDO_MAP_IDX_VALUE
  std::vector<Insn> insns = {{.opcode = 0x18, .dst = 7, .src = kMapIndexValue, .imm = static_cast<std::int32_t>(map)}, {}};
  const std::vector<Insn> rest = assembled(rewinding_text(words));
  insns.insert(insns.end(), rest.begin(), rest.end());
  return insns;
}

Program put_before(const Program& program, const std::vector<Insn>& front) {
  Program result = program;
  const auto shift = static_cast<std::uint32_t>(front.size());
  result.insns.insert(result.insns.begin(), front.begin(), front.end());
  for (std::size_t i = 0; i < result.subprograms.size(); ++i) {
    result.subprograms[i].start += i == 0 ? 0 : shift;
    result.subprograms[i].end += shift;
  }
  for (SourceLine& line : result.lines) {
    line.insn += line.insn == 0 ? 0 : shift;
  }
  return result;
}

Result<Fd> load(const Object& object, const Program& program, std::span<const int> maps) {
  Loaded loaded = load_program(object, program, maps, load_types(object, program), 0);
  if (!loaded.fd) {
    return Error{Errc::kUnsupported, fmt::format("'{}' can't be measured on frames that it changes: {}", program.name,
                                                 errno_text(loaded.error))};
  }
  return std::move(loaded.fd);
}

Result<Fd> load_baseline(const RewindMap& rewind, std::uint32_t words, const std::string& body, bool has_frags) {
  Object object;
  object.license = "GPL";
  Program program;
  program.name = "kiln_baseline";
  program.section = has_frags ? "xdp.frags" : "xdp";
  program.has_frags = has_frags;
  program.insns = rewinding(words, 0);
  const std::vector<Insn> rest = assembled(body + "r0 = 1\nexit\n");
  program.insns.insert(program.insns.end(), rest.begin(), rest.end());
  const int map = rewind.fd();
  return load(object, program, std::span(&map, 1));
}

/// The calls that move data_end and data. \param change  only says which are needed.
std::string moving_text(const FrameChange& change, std::int32_t head, std::int32_t tail) {
  std::string text;
  if (change.tail != 0) {
    text += fmt::format("r1 = r6\nr2 = {}\ncall 65\n", tail);
  }
  if (change.head != 0) {
    text += fmt::format("r1 = r6\nr2 = {}\ncall 44\n", head);
  }
  return text;
}

}  // namespace

Result<RewindMap> RewindMap::create() {
  Fd map(bpf_map_create(BPF_MAP_TYPE_ARRAY, "kiln_position", 4, sizeof(Position), 1, nullptr));
  if (!map) {
    return Error{Errc::kUnavailable, fmt::format("the kernel refuses a map: {}", errno_text(errno))};
  }
  return RewindMap(std::move(map));
}

void RewindMap::arm(const Frame& frame) const {
  Position position;
  std::memcpy(position.bytes.data(), frame.data.data(), std::min(position.bytes.size(), frame.data.size()));
  const std::uint32_t key = 0;
  KILN_CHECK(bpf_map_update_elem(map_.get(), &key, &position, BPF_ANY) == 0);
}

FrameChange RewindMap::moved() const {
  Position position;
  const std::uint32_t key = 0;
  KILN_CHECK(bpf_map_lookup_elem(map_.get(), &key, &position) == 0);
  return {.head = static_cast<std::int32_t>(-position.head), .tail = static_cast<std::int32_t>(-position.tail)};
}

Result<Fd> load_rewinding(const Object& object, std::size_t program, std::span<const int> maps, const RewindMap& rewind,
                          std::uint32_t words) {
  std::vector<int> all(maps.begin(), maps.end());
  all.push_back(rewind.fd());
  return load(object, put_before(object.programs[program], rewinding(words, maps.size())), all);
}

Result<RewindBaselines> load_baselines(const RewindMap& rewind, const FrameChange& change, bool has_frags) {
  RewindBaselines result;
  auto same = load_baseline(rewind, change.words, "", has_frags);
  if (!same) {
    return same.error();
  }
  result.same = std::move(*same);
  if (change.head == 0 && change.tail == 0) {
    return result;
  }
  auto moves = load_baseline(rewind, change.words, moving_text(change, change.head, change.tail), has_frags);
  auto calls = load_baseline(rewind, change.words, moving_text(change, 0, 0), has_frags);
  if (!moves || !calls) {
    return moves ? calls.error() : moves.error();
  }
  result.moves = std::move(*moves);
  result.calls = std::move(*calls);
  return result;
}

}  // namespace kiln::kernel
