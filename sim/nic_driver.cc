// SPDX-License-Identifier: Apache-2.0
#include "nic_driver.h"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

namespace kiln::sim {
namespace {

constexpr std::uint32_t kNicId = 0x4b494c4e;
constexpr std::uint32_t kMajorVersion = 1;
constexpr std::uint32_t kRun = 1;
constexpr std::uint32_t kFillBusy = 2;
constexpr std::uint32_t kEvents = 4;

std::uint64_t load64(std::span<const std::byte> bytes, std::size_t at) {
  std::uint64_t word = 0;
  std::memcpy(&word, bytes.data() + at, sizeof word);
  return word;
}

std::uint32_t low_bits(std::uint32_t count) {
  return count >= 32 ? ~0u : (1u << count) - 1;
}

}  // namespace

Result<NicIdentity> NicDriver::identify() {
  const std::uint32_t id = port_.read(kRegID);
  const std::uint32_t version = port_.read(kRegVERSION);
  if (id != kNicId || version >> 16 != kMajorVersion) {
    return Error{Errc::kInternal,
                 fmt::format("no Kiln NIC of register map 1.x: ID {:#x}, VERSION {:#x}", id, version)};
  }
  const std::uint32_t c0 = port_.read(kRegCONFIG0);
  const std::uint32_t c1 = port_.read(kRegCONFIG1);
  return NicIdentity{.cores = c0 & 0xff,
                     .threads = c0 >> 8 & 0xff,
                     .imem_words = 1u << (c0 >> 16 & 0xff),
                     .map_bytes = 1u << (c0 >> 24),
                     .window_bytes = c1 & 0xffff,
                     .data_width = c1 >> 16};
}

void NicDriver::load_image(const CoreImage& image) {
  port_.write(kRegIMEM_ADDR, 0);
  for (std::uint64_t word : image.words) {
    port_.write(kRegIMEM_LO, static_cast<std::uint32_t>(word));
    port_.write(kRegIMEM_HI, static_cast<std::uint32_t>(word >> 32));
  }
}

void NicDriver::load_maps(const MapSet& maps) {
  const std::span<const std::byte> arena = maps.arena();
  KILN_CHECK(arena.size() % 8 == 0);
  if (!arena.empty()) {
    port_.write(kRegMAPMEM_ADDR, 0);
    port_.write(kRegMAPMEM_FILL, static_cast<std::uint32_t>(arena.size()));
    while ((port_.read(kRegSTATUS) & kFillBusy) != 0) {
    }
  }
  std::size_t next = ~std::size_t{0};  // where MAPMEM_ADDR stands
  for (std::size_t at = 0; at < arena.size(); at += 8) {
    const std::uint64_t word = load64(arena, at);
    if (word == 0) {
      continue;
    }
    if (at != next) {
      port_.write(kRegMAPMEM_ADDR, static_cast<std::uint32_t>(at));
    }
    port_.write(kRegMAPMEM_LO, static_cast<std::uint32_t>(word));
    port_.write(kRegMAPMEM_HI, static_cast<std::uint32_t>(word >> 32));
    next = at + 8;
  }
  for (std::size_t map = 0; map < maps.size(); ++map) {
    std::uint32_t words[sizeof(MapDescriptor) / 4];
    std::memcpy(words, &maps.descriptor(map), sizeof words);
    port_.write(kRegMAP_INDEX, static_cast<std::uint32_t>(map * std::size(words)));
    for (std::uint32_t word : words) {
      port_.write(kRegMAP_WORD, word);
    }
  }
}

void NicDriver::read_maps(MapSet& maps) {
  for (std::size_t map = 0; map < maps.size(); ++map) {
    if (nic_has_map_type(maps.spec(map).type)) {
      const std::span<std::byte> bytes = maps.bytes_of(map);
      read_memory(static_cast<std::uint32_t>(bytes.data() - maps.arena().data()), bytes);
    }
  }
}

void NicDriver::read_memory(std::uint32_t offset, std::span<std::byte> bytes) {
  const std::uint32_t end = offset + static_cast<std::uint32_t>(bytes.size());
  port_.write(kRegMAPMEM_ADDR, offset / 8 * 8);
  for (std::uint32_t row = offset / 8 * 8; row < end; row += 8) {
    const std::uint64_t low = port_.read(kRegMAPMEM_LO);
    const std::uint64_t word = low | std::uint64_t{port_.read(kRegMAPMEM_HI)} << 32;
    const std::uint32_t from = std::max(row, offset);
    const std::uint32_t to = std::min(row + 8, end);
    std::memcpy(bytes.data() + (from - offset), reinterpret_cast<const std::byte*>(&word) + (from - row), to - from);
  }
}

void NicDriver::write_changes(std::uint32_t offset, std::span<const std::byte> before, std::span<const std::byte> now) {
  KILN_CHECK(offset % 8 == 0 && now.size() % 8 == 0 && before.size() == now.size());
  std::size_t next = ~std::size_t{0};
  for (std::size_t at = 0; at < now.size(); at += 8) {
    const std::uint64_t word = load64(now, at);
    if (word == load64(before, at)) {
      continue;
    }
    if (at != next) {
      port_.write(kRegMAPMEM_ADDR, offset + static_cast<std::uint32_t>(at));
    }
    port_.write(kRegMAPMEM_LO, static_cast<std::uint32_t>(word));
    port_.write(kRegMAPMEM_HI, static_cast<std::uint32_t>(word >> 32));
    next = at + 8;
  }
}

std::uint64_t NicDriver::request(const Request& request) {
  constexpr std::uint32_t kBusy = 1;
  const std::uint32_t size = request.bytes == 8 ? 3 : request.bytes == 4 ? 0 : request.bytes == 2 ? 1 : 2;
  for (const std::uint64_t word : request.key) {
    port_.write(kRegSVC_KEY_LO, static_cast<std::uint32_t>(word));
    port_.write(kRegSVC_KEY_HI, static_cast<std::uint32_t>(word >> 32));
  }
  port_.write(kRegSVC_ADDR, request.addr);
  port_.write(kRegSVC_IMM, request.imm);
  port_.write(kRegSVC_DATA_LO, static_cast<std::uint32_t>(request.data));
  port_.write(kRegSVC_DATA_HI, static_cast<std::uint32_t>(request.data >> 32));
  port_.write(kRegSVC_GO, static_cast<std::uint32_t>(request.service) | size << 4);
  while ((port_.read(kRegSVC_GO) & kBusy) != 0) {
  }
  const std::uint64_t low = port_.read(kRegSVC_RESULT_LO);
  return low | std::uint64_t{port_.read(kRegSVC_RESULT_HI)} << 32;
}

void NicDriver::hold(bool on) {
  constexpr std::uint32_t kQuiet = 4;
  port_.write(kRegSVC_HOLD, on ? 1 : 0);
  while (on && (port_.read(kRegSVC_GO) & kQuiet) == 0) {
  }
}

bool NicDriver::sends_events() { return (port_.read(kRegSTATUS) & kEvents) != 0; }

std::uint64_t NicDriver::clock() {
  const std::uint64_t low = port_.read(kRegCLOCK_LO);
  return low | std::uint64_t{port_.read(kRegCLOCK_HI)} << 32;
}

void NicDriver::set_clock(std::uint64_t ns, std::uint32_t step_q16) {
  port_.write(kRegCLOCK_STEP, step_q16);
  write64(kRegCLOCK_HI, kRegCLOCK_LO, ns);
}

void NicDriver::set_random(std::uint64_t seed) { write64(kRegRANDOM_HI, kRegRANDOM_LO, seed); }

void NicDriver::enable(std::uint32_t cores, std::uint32_t threads) {
  port_.write(kRegCORE_ENABLE, low_bits(cores));
  port_.write(kRegTHREAD_ENABLE, low_bits(threads));
}

void NicDriver::start(std::uint32_t entry, std::uint32_t max_in_flight) {
  port_.write(kRegENTRY, entry);
  port_.write(kRegMAX_IN_FLIGHT, max_in_flight);
  port_.write(kRegCONTROL, kRun);
}

void NicDriver::stop() { port_.write(kRegCONTROL, 0); }

std::uint64_t NicDriver::counter(NicRegister low) {
  const std::uint64_t value = port_.read(low);
  return value | std::uint64_t{port_.read(static_cast<std::uint16_t>(low + 4))} << 32;
}

void NicDriver::write64(NicRegister high, NicRegister low, std::uint64_t value) {
  port_.write(high, static_cast<std::uint32_t>(value >> 32));
  port_.write(low, static_cast<std::uint32_t>(value));
}

}  // namespace kiln::sim
