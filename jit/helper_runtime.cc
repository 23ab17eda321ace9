// SPDX-License-Identifier: Apache-2.0
//
// The helper table and what all helpers share. The helpers themselves, by theme: helper_*.cc.
#include "helper_runtime.h"

#include <cstring>

#include <fmt/format.h>

#include <kiln/btf.h>
#include <kiln/device.h>

namespace kiln {

HelperRuntime::HelperRuntime(FrameMemory& frame_memory, std::shared_ptr<MapSet> map_set, const Environment& env, AddressSpaceKind kind,
                             ProgramType program_type)
    : frame(frame_memory),
      owned_maps(std::move(map_set)),
      maps(*owned_maps),
      memory(frame, maps, kind),
      environment(env),
      objects(SocketTable::bytes(environment.network.sockets) + kLoanBytes + kHeapBytes),
      sockets(environment.network.sockets, objects),
      type(program_type),
      random(env.random_seed),
      processor(env.cpu) {
  memory.set_objects(objects, objects.size() - kHeapBytes);
  if (frame.kind == ContextKind::kSkb) {
    skb.emplace(frame, type);
  }
  for (std::uint32_t map = 0; map < maps.size(); ++map) {
    if (maps.spec(map).type == MapType::kRingbuf) {
      rings.push_back(map);
    }
  }
}

Result<void> HelperRuntime::load_frame(const Frame& given) {
  if (frame.kind == ContextKind::kXdp) {
    frame.begin(given);
    return {};
  }
  if (frame.kind == ContextKind::kSkb) {
    KILN_TRY(skb->begin(given, memory.object(SocketTable::kOwn)));
    const auto* context = reinterpret_cast<const std::byte*>(frame.context);
    constexpr std::uint32_t kInet6 = 10;
    const bool v6 = skb->get(SkbField::kFamily) == kInet6;
    sockets.begin_packet(skb->get(SkbField::kFamily), context + (v6 ? SkbField::kLocalIp6 : SkbField::kLocalIp4),
                         context + (v6 ? SkbField::kRemoteIp6 : SkbField::kRemoteIp4));
    return {};
  }
  if (given.context.size() > kMaxRawContext) {
    return Error{Errc::kInput, fmt::format("a context of {} bytes: {} at most", given.context.size(), kMaxRawContext)};
  }
  std::memset(frame.context, 0, kMaxRawContext);
  if (!given.context.empty()) {
    std::memcpy(frame.context, given.context.data(), given.context.size());
  }
  return {};
}

std::uint32_t HelperRuntime::ingress_ifindex() const {
  return skb ? skb->get(SkbField::kIfindex) : is_xdp() ? frame.context[address::kCtxIngressIfindex / 4] : 0;
}

void HelperRuntime::record(Event event) {
  if (keeps_events && events.size() < kMaxEvents) {
    events.push_back(std::move(event));
  }
}

std::uint64_t HelperRuntime::lend(std::span<const std::byte> bytes) {
  KILN_CHECK(lent + bytes.size() <= kLoanBytes);  // keys of at most eight callbacks inside one another
  const std::size_t at = objects.size() - kHeapBytes - kLoanBytes + lent;
  std::memcpy(objects.data() + at, bytes.data(), bytes.size());
  lent += bytes.size();
  return memory.object(at);
}

std::uint64_t HelperRuntime::allocate(std::uint64_t type_id) {
  constexpr std::size_t kAlign = 8;
  const auto id = static_cast<std::uint32_t>(type_id);
  const std::optional<std::uint32_t> size =
      types != nullptr && type_id < types->count() ? types->size_of(id) : std::nullopt;
  if (!size) {
    return fault(fmt::format("bpf_obj_new() of type {}, which the object does not have", type_id));
  }
  const std::size_t bytes = (std::size_t{*size} + kAlign - 1) / kAlign * kAlign;
  if (bytes > kHeapBytes - allocated) {
    return 0;
  }
  const std::size_t at = objects.size() - kHeapBytes + allocated;
  std::memset(objects.data() + at, 0, bytes);
  allocated += bytes;
  ++allocations;
  return memory.object(at);
}

void HelperRuntime::give_object_back() {
  if (allocations != 0 && --allocations == 0) {
    allocated = 0;  // programs keep few objects, and none for long
  }
}

std::uint64_t HelperRuntime::clock() const {
  return device != nullptr ? device->clock_ns() : environment.clock_ns + frame_number * environment.clock_step_ns;
}

std::uint32_t HelperRuntime::draw_random() { return device != nullptr ? device->random() : next_random(random); }

std::uint64_t HelperRuntime::fault(std::string message) {
  if (faulted == 0) {
    faulted = 1;
    fault_message = std::move(message);
  }
  return 0;
}

const std::byte* HelperRuntime::read(std::uint64_t address, std::uint64_t size) {
  const std::byte* at = memory.at(address, size, Access::kRead);
  if (at == nullptr) {
    fault(memory.explain(address, size, Access::kRead));
  }
  return at;
}

std::byte* HelperRuntime::write(std::uint64_t address, std::uint64_t size) {
  std::byte* at = memory.at(address, size, Access::kWrite);
  if (at == nullptr) {
    fault(memory.explain(address, size, Access::kWrite));
  }
  return at;
}

std::optional<std::uint32_t> HelperRuntime::map_of(std::uint64_t handle) {
  const std::uint64_t map = handle - address::kMapHandle;
  if (map >= maps.size()) {
    fault(fmt::format("{:#x} is not a map", handle));
    return std::nullopt;
  }
  return static_cast<std::uint32_t>(map);
}

std::uint64_t HelperRuntime::call_function(std::uint64_t address, const FunctionArguments& arguments) {
  return functions == nullptr ? fault("a helper that calls functions, where there are none")
                              : functions->call(address, arguments);
}

bool calls_functions(std::uint32_t number) {
  const HelperInfo* helper = find_helper(number);
  return helper != nullptr && helper->has(kCallsBack);
}

HelperFunction helper_function(std::uint32_t number) {
  switch (number) {
#define KILN_HELPER(nr, name, engines, ...)                     \
  case nr:                                                      \
    if constexpr (((engines) & (kInterp | kJit)) != 0) {        \
      return &helper_##name;                                    \
    } else {                                                    \
      return nullptr;                                           \
    }
#include <kiln/helpers.def>
    default:
      return nullptr;
  }
}

CallxTarget resolve_callx(std::uint64_t value, const Code& code, HelperRuntime& machine) {
  const std::uint64_t slot = value - address::kCode;
  if (slot < code.insns.size()) {
    if (const Function* function = code.function_at(static_cast<std::uint32_t>(slot))) {
      return {.helper = 0, .function = static_cast<std::uint64_t>(function - code.functions.data())};
    }
    machine.fault(fmt::format("callx to slot {}, which is not the start of a function", slot));
    return {};
  }
  const HelperFunction helper = value < 0x10000 ? helper_function(static_cast<std::uint32_t>(value)) : nullptr;
  if (helper == nullptr || value == kTailCallHelper) {
    machine.fault(fmt::format("callx to {:#x}: neither a function of the program nor a helper to be called so", value));
    return {};
  }
  return {.helper = reinterpret_cast<std::uintptr_t>(helper), .function = 0};
}

PacketLoad load_from_packet(std::uint64_t r6, std::uint64_t offset, std::uint64_t size, MachineState* machine) {
  HelperRuntime& m = runtime(machine);
  if (r6 != m.r1) {
    m.fault("LD_ABS and LD_IND need the context in r6");
    return {};
  }
  const std::span<const std::byte> packet = m.frame.frame();
  const std::byte* start = packet.data();
  std::int64_t at = static_cast<std::int32_t>(offset);
  if (at < 0) {
    // Classic BPF's way to count from a header that may lie before the program's data.
    constexpr std::int32_t kNetworkHeader = -0x100000, kLinkHeader = -0x200000;
    if (!m.skb || at < kLinkHeader) {
      return {};
    }
    start = at >= kNetworkHeader ? m.skb->network_data() : m.skb->mac_data();
    at -= at >= kNetworkHeader ? kNetworkHeader : kLinkHeader;
  }
  if (packet.data() + packet.size() - start < at + static_cast<std::int64_t>(size)) {
    return {};
  }
  std::uint64_t value = 0;
  for (std::uint64_t i = 0; i < size; ++i) {
    value = value << 8 | std::to_integer<std::uint64_t>(start[static_cast<std::size_t>(at) + i]);
  }
  return {.value = value, .ok = 1};
}

std::uint64_t load_packet_or_ones(std::uint64_t r6, std::uint64_t offset, std::uint64_t size, std::uint64_t, std::uint64_t, MachineState* machine) {
  const PacketLoad loaded = load_from_packet(r6, offset, size, machine);
  return loaded.ok != 0 ? loaded.value : ~std::uint64_t{0};
}

}  // namespace kiln
