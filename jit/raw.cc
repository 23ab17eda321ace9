// SPDX-License-Identifier: Apache-2.0
#include "raw.h"

#include <kiln/cpu_engines.h>

#include "interp_machine.h"

namespace kiln {
namespace {

constexpr std::size_t kContextRoom = 64;

}  // namespace

Result<std::unique_ptr<RawMachine>> RawMachine::make(std::span<std::byte> memory, AddressSpaceKind kind) {
  auto machine = std::make_unique<RawMachine>();
  auto pages = LowPages::map(kContextRoom + address::kStackBytes);
  if (!pages) {
    return pages.error();
  }
  machine->pages_ = std::move(*pages);
  FrameMemory& frame = machine->frame_;
  frame.context = reinterpret_cast<std::uint32_t*>(machine->pages_.data());
  frame.stack = machine->pages_.data() + kContextRoom;
  frame.tagged = kind == AddressSpaceKind::kTagged;
  frame.move_to_window(memory.data());
  if (frame.tagged) {
    frame.window_address += address::kHeadroom;  // where the NIC's packet starts too
  }
  const auto length = static_cast<std::uint32_t>(memory.size());
  frame.window_bytes = length;
  frame.position = {.meta = 0, .data = 0, .end = length};
  machine->runtime_ = std::make_unique<HelperRuntime>(frame, std::make_shared<MapSet>(), Environment(), kind);
  HelperRuntime& runtime = *machine->runtime_;
  runtime.memory.without_context();
  runtime.begin_frame();
  runtime.r1 = frame.window_address;
  runtime.r2 = length;
  return machine;
}

Result<std::uint64_t> run_raw_interp(std::span<const Insn> insns, std::span<std::byte> memory) {
  auto code = decode_program(insns, nullptr, nullptr, kInterp, 0);
  if (!code) {
    return code.error();
  }
  auto machine = RawMachine::make(memory, AddressSpaceKind::kTagged);
  if (!machine) {
    return machine.error();
  }
  std::vector<Code> programs;
  programs.push_back(std::move(*code));
  return InterpMachine(programs, (*machine)->runtime(), nullptr).run(0);
}

}  // namespace kiln
