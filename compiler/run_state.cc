// SPDX-License-Identifier: Apache-2.0
#include <kiln/run_state.h>

#include <cstring>

#include <fmt/format.h>

namespace kiln {
namespace {

constexpr std::array<char, 4> kMagic = {'K', 'R', 'U', 'N'};
constexpr std::size_t kFixedBytes = 160 + address::kStackBytes;
constexpr std::size_t kCallerBytes = 48;
constexpr std::uint32_t kMostCallers = 64;
constexpr std::uint32_t kMostWindow = 1u << 20;

class Writer {
 public:
  void u32(std::uint32_t value) { put(&value, sizeof value); }
  void u64(std::uint64_t value) { put(&value, sizeof value); }
  void put(const void* from, std::size_t bytes) {
    const auto* at = static_cast<const std::byte*>(from);
    out_.insert(out_.end(), at, at + bytes);
  }
  std::vector<std::byte> take() { return std::move(out_); }

 private:
  std::vector<std::byte> out_;
};

/// REQUIRES: what is read is there; parse_run_state() checks lengths first.
class Reader {
 public:
  explicit Reader(std::span<const std::byte> bytes) : rest_(bytes) {}
  std::uint32_t u32() { return number<std::uint32_t>(); }
  std::uint64_t u64() { return number<std::uint64_t>(); }
  void get(void* to, std::size_t bytes) {
    KILN_CHECK(bytes <= rest_.size());
    std::memcpy(to, rest_.data(), bytes);
    rest_ = rest_.subspan(bytes);
  }

 private:
  template <typename T>
  T number() {
    T value{};
    get(&value, sizeof value);
    return value;
  }
  std::span<const std::byte> rest_;
};

Error bad(std::string_view what) { return Error{Errc::kInput, fmt::format("saved run state: {}", what)}; }

}  // namespace

std::vector<std::byte> serialise(const RunState& state) {
  Writer out;
  out.put(kMagic.data(), kMagic.size());
  out.u32(kRunStateVersion);
  out.u32(state.program);
  out.u32(state.pc);
  for (const std::uint64_t reg : state.regs) {
    out.u64(reg);
  }
  out.u32(state.ingress_ifindex);
  out.u32(state.rx_queue);
  out.u32(state.egress_ifindex);
  out.u32(state.cpu);
  out.u32(state.tail_calls);
  out.u32(state.redirect ? static_cast<std::uint32_t>(state.redirect->map + 1) : 0);
  out.u32(state.redirect ? state.redirect->key : 0);
  out.u32(state.redirect ? 1 : 0);
  out.u32(state.data);
  out.u32(state.data_end);
  out.u32(state.data_meta);
  out.u32(state.window_start);
  out.u32(static_cast<std::uint32_t>(state.window.size()));
  out.u32(static_cast<std::uint32_t>(state.callers.size()));
  out.put(state.stack.data(), state.stack.size());
  for (const CallerState& caller : state.callers) {
    out.u32(caller.program);
    out.u32(caller.slot);
    for (const std::uint64_t reg : caller.saved) {
      out.u64(reg);
    }
  }
  out.put(state.window.data(), state.window.size());
  return out.take();
}

Result<RunState> parse_run_state(std::span<const std::byte> bytes) {
  if (bytes.size() < kFixedBytes || std::memcmp(bytes.data(), kMagic.data(), kMagic.size()) != 0) {
    return bad("not one, or cut short");
  }
  Reader in(bytes.subspan(kMagic.size()));
  if (const std::uint32_t version = in.u32(); version != kRunStateVersion) {
    return bad(fmt::format("version {}, this program reads {}", version, kRunStateVersion));
  }
  RunState state;
  state.program = in.u32();
  state.pc = in.u32();
  for (std::uint64_t& reg : state.regs) {
    reg = in.u64();
  }
  state.ingress_ifindex = in.u32();
  state.rx_queue = in.u32();
  state.egress_ifindex = in.u32();
  state.cpu = in.u32();
  state.tail_calls = in.u32();
  const auto map = static_cast<std::int32_t>(in.u32() - 1);
  const std::uint32_t key = in.u32();
  if (in.u32() != 0) {
    state.redirect = RunState::Redirect{.map = map, .key = key};
  }
  state.data = in.u32();
  state.data_end = in.u32();
  state.data_meta = in.u32();
  state.window_start = in.u32();
  const std::uint32_t window = in.u32();
  const std::uint32_t callers = in.u32();
  if (window > kMostWindow || callers > kMostCallers ||
      bytes.size() != kFixedBytes + callers * kCallerBytes + window) {
    return bad("its length is not what it says");
  }
  const std::uint64_t end = std::uint64_t{state.window_start} + window;
  if (state.data_meta > state.data || state.data > state.data_end || state.window_start > state.data_meta ||
      state.data_end > end) {
    return bad("the frame does not lie in its window");
  }
  in.get(state.stack.data(), state.stack.size());
  state.callers.resize(callers);
  for (CallerState& caller : state.callers) {
    caller.program = in.u32();
    caller.slot = in.u32();
    for (std::uint64_t& reg : caller.saved) {
      reg = in.u64();
    }
  }
  state.window.resize(window);
  in.get(state.window.data(), window);
  return state;
}

}  // namespace kiln
