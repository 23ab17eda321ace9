// SPDX-License-Identifier: Apache-2.0
//
// Moves map contents between a MapSet and the kernel.
//
// Only hashes and arrays are read back: programs can't change the others. Where the MapSet has an
// index + 1 (programs, maps) or a number that stands for something outside (sockets, perf events),
// the kernel gets a descriptor.
#include "kernel_maps.h"

#include <bpf/bpf.h>
#include <fmt/format.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "map_contents.h"

namespace kiln::kernel {
namespace {

using Bytes = std::span<const std::byte>;

bool is_outer(const MapSpec& spec) {
  return spec.type == MapType::kArrayOfMaps || spec.type == MapType::kHashOfMaps;
}

bool programs_change(const MapSpec& spec) {
  // Ring buffers are read as events, queues and stacks by read_queue(); a Bloom filter can't be read at all.
  return !is_slot_array(spec.type) && !is_outer(spec) && spec.type != MapType::kDevmapHash &&
         !is_ring(spec.type) && !is_keyless(spec.type) && !spec.is_readonly;
}

std::uint32_t first_word(Bytes bytes) {
  std::uint32_t word = 0;
  std::memcpy(&word, bytes.data(), sizeof word);
  return word;
}

std::uint32_t stride(const MapSpec& spec) {
  return (spec.value_size + 7) / 8 * 8;
}

/// Exchanges processor 0 and the one that programs run on.
std::uint32_t kernel_cpu(std::uint32_t ours, std::uint32_t cpu) {
  return ours == 0 ? cpu : ours == cpu ? 0 : ours;
}

/// Values of a MapSet's processors in the kernel's order, the rest zero; or back.
std::vector<std::byte> exchange(Bytes from, std::uint32_t bytes, std::uint32_t from_cpus,
                                std::uint32_t to_cpus, std::uint32_t cpu) {
  std::vector<std::byte> to(std::size_t{bytes} * to_cpus);
  for (std::uint32_t i = 0; i < from_cpus; ++i) {
    const std::uint32_t at = kernel_cpu(i, cpu);
    if (at < to_cpus) {
      std::memcpy(to.data() + std::size_t{at} * bytes, from.data() + std::size_t{i} * bytes, bytes);
    }
  }
  return to;
}

}  // namespace

Error KernelMaps::error(std::size_t map, std::string_view what, int code) const {
  return Error{code == EPERM || code == ENOSYS ? Errc::kUnavailable : Errc::kUnsupported,
               fmt::format("map '{}' ({}): {}: {}", specs_[map].name,
                           map_type_name(specs_[map].type), what, errno_text(code))};
}

Result<KernelMaps> KernelMaps::create(std::span<const MapSpec> specs, int btf) {
  KernelMaps maps;
  maps.specs_ = specs;
  maps.owned_.resize(specs.size());
  maps.fds_.assign(specs.size(), -1);
  for (const bool outer : {false, true}) {  // a map of maps is made after its template
    for (std::size_t map = 0; map < specs.size(); ++map) {
      if (is_outer(specs[map]) == outer) {
        KILN_TRY(maps.create_one(map, btf));
      }
    }
  }
  return maps;
}

Result<void> KernelMaps::create_one(std::size_t map, int btf) {
  const MapSpec& spec = specs_[map];
  bpf_map_create_opts options{};
  options.sz = sizeof options;
  options.map_flags = spec.flags | (spec.is_readonly ? BPF_F_RDONLY_PROG : 0);
  if (is_outer(spec)) {
    if (!spec.inner || *spec.inner >= specs_.size() || fds_[*spec.inner] < 0) {
      return Error{Errc::kUnsupported,
                   fmt::format("map '{}': the object does not say what its inner maps look like",
                               spec.name)};
    }
    options.inner_map_fd = static_cast<__u32>(fds_[*spec.inner]);
  }
  const bool sized_by_cpus = spec.type == MapType::kPerfEventArray && spec.max_entries == 0;
  const auto make = [&] {
    return Fd(bpf_map_create(static_cast<bpf_map_type>(spec.type), kernel_name(spec.name).c_str(),
                             spec.key_size, spec.value_size,
                             sized_by_cpus ? possible_cpus() : spec.max_entries, &options));
  };
  Fd fd;
  if (btf >= 0 && spec.btf_value_type != 0) {
    options.btf_fd = static_cast<__u32>(btf);
    options.btf_key_type_id = spec.btf_key_type;
    options.btf_value_type_id = spec.btf_value_type;
    fd = make();
    options.btf_fd = options.btf_key_type_id = options.btf_value_type_id = 0;
  }
  if (!fd) {  // not every type of map takes BTF
    fd = make();
  }
  if (!fd) {
    const int code = errno;
    return error(map, spec.max_entries == 0 ? "the kernel does not make it with max_entries 0; if its loader sets it, so does --max-entries"
                                            : "the kernel does not make it", code);
  }
  fds_[map] = fd.get();
  owned_[map] = std::move(fd);
  if (spec.type == MapType::kRingbuf) {
    RingBuffer ring(fds_[map], map, spec.max_entries);
    if (!ring) {
      return error(map, "its memory can't be mapped", errno);
    }
    ring_buffers_.push_back(std::move(ring));
  }
  return {};
}

Result<void> KernelMaps::fill_readonly() {
  for (std::size_t map = 0; map < specs_.size(); ++map) {
    const MapSpec& spec = specs_[map];
    if (!spec.is_readonly) {
      continue;
    }
    std::vector<std::byte> value = spec.initial;
    value.resize(spec.value_size);
    const std::uint32_t zero = 0;
    if (bpf_map_update_elem(fds_[map], &zero, value.data(), BPF_ANY) != 0 ||
        bpf_map_freeze(fds_[map]) != 0) {
      return error(map, "the kernel does not take its contents", errno);
    }
  }
  return {};
}

Result<void> KernelMaps::fill(const MapSet& maps, std::uint32_t cpu) {
  for (std::size_t map = 0; map < specs_.size(); ++map) {
    if (!specs_[map].is_readonly && specs_[map].type != MapType::kProgArray) {
      KILN_TRY(fill_one(maps, map, cpu));
    }
  }
  return {};
}

Result<void> KernelMaps::fill_one(const MapSet& maps, std::size_t map, std::uint32_t cpu) {
  const MapSpec& spec = specs_[map];
  const bool slots =
      is_slot_array(spec.type) || is_outer(spec) || spec.type == MapType::kDevmapHash;
  Result<void> result;
  maps.for_each(map, [&](Bytes key, Bytes value) {
    if (!result) {
      return;
    }
    if (slots) {
      result = put_slot(map, key, value, cpu);
      return;
    }
    if (is_array(spec.type) &&
        std::all_of(value.begin(), value.end(), [](std::byte b) { return b == std::byte{0}; })) {
      return;  // as it is in a new map
    }
    std::vector<std::byte> copy(value.begin(), value.end());
    if (is_per_cpu(spec.type)) {
      copy = exchange(value, stride(spec), maps.cpu_count(), possible_cpus(), cpu);
    }
    if (bpf_map_update_elem(fds_[map], key.data(), copy.data(), BPF_ANY) != 0) {
      result = error(map, "the kernel does not take its contents", errno);
    }
  });
  return result;
}

Result<void> KernelMaps::put_slot(std::size_t map, Bytes key, Bytes value, std::uint32_t cpu) {
  const MapSpec& spec = specs_[map];
  std::vector<std::byte> words(value.begin(), value.end());
  if (spec.type == MapType::kXskmap) {
    return open_socket(map, key);
  }
  if (spec.type == MapType::kPerfEventArray) {
    return open_perf_event(map, key, cpu);
  }
  if (is_outer(spec)) {
    const int inner = fds_[first_word(value) - 1];
    std::memcpy(words.data(), &inner, sizeof inner);
  } else if (words.size() == 8 && first_word(value.subspan(4)) != 0) {
    return Error{
        Errc::kUnsupported,
        fmt::format(
            "map '{}': element {} has a program of its own, which the kernel would need as a "
            "descriptor",
            spec.name, first_word(key))};
  }
  if (bpf_map_update_elem(fds_[map], key.data(), words.data(), BPF_ANY) != 0) {
    return error(
        map,
        fmt::format("the kernel does not take element {}, value {} (is there such an interface "
                    "or processor?)",
                    first_word(key), first_word(value)),
        errno);
  }
  return {};
}

/// An AF_XDP socket that is bound to nothing: enough for bpf_redirect_map() to find.
Result<void> KernelMaps::open_socket(std::size_t map, Bytes key) {
  Fd fd(socket(AF_XDP, SOCK_RAW, 0));
  const int number = fd.get();
  if (!fd || bpf_map_update_elem(fds_[map], key.data(), &number, BPF_ANY) != 0) {
    return error(map, fmt::format("no AF_XDP socket for element {}", first_word(key)), errno);
  }
  owned_.push_back(std::move(fd));
  return {};
}

/// A listener that overwrites what nobody reads, so that bpf_perf_event_output() succeeds.
Result<void> KernelMaps::open_perf_event(std::size_t map, Bytes key, std::uint32_t cpu) {
  perf_event_attr attributes{};
  attributes.size = sizeof attributes;
  attributes.type = PERF_TYPE_SOFTWARE;
  attributes.config = PERF_COUNT_SW_BPF_OUTPUT;
  attributes.sample_type = PERF_SAMPLE_RAW;
  const std::uint32_t slot = kernel_cpu(first_word(key), cpu);
  Fd fd(static_cast<int>(syscall(SYS_perf_event_open, &attributes, -1, static_cast<int>(slot), -1,
                                 PERF_FLAG_FD_CLOEXEC)));
  const int number = fd.get();
  PerfRing ring(number, map, first_word(key));
  if (!fd || !ring || bpf_map_update_elem(fds_[map], &slot, &number, BPF_ANY) != 0) {
    return error(map, fmt::format("no perf event for element {}", first_word(key)), errno);
  }
  owned_.push_back(std::move(fd));
  perf_rings_.push_back(std::move(ring));
  return {};
}

Result<void> KernelMaps::fill_prog_slot(std::size_t map, std::uint32_t key, int program_fd) {
  if (bpf_map_update_elem(fds_[map], &key, &program_fd, BPF_ANY) != 0) {
    return error(map, fmt::format("the kernel does not take the program of element {}", key),
                 errno);
  }
  return {};
}

void KernelMaps::drain(std::vector<Event>& events) {
  for (PerfRing& ring : perf_rings_) {
    ring.drain([&](Bytes bytes) {
      events.push_back({.kind = EventKind::kPerf, .map = static_cast<std::uint32_t>(ring.map), .index = ring.index,
                        .data = {bytes.begin(), bytes.end()}});
    });
  }
  for (RingBuffer& ring : ring_buffers_) {
    ring.drain([&](Bytes bytes) {
      events.push_back({.kind = EventKind::kRing, .map = static_cast<std::uint32_t>(ring.map), .index = 0,
                        .data = {bytes.begin(), bytes.end()}});
    });
  }
}

void KernelMaps::empty_rings() {
  for (RingBuffer& ring : ring_buffers_) {
    ring.drain([](Bytes) {});
  }
}

/// Takes everything out and puts it back: there is no other way to see what is behind the first value.
Result<void> KernelMaps::read_queue(MapSet& maps, std::size_t map) const {
  const MapSpec& spec = specs_[map];
  std::vector<std::vector<std::byte>> values;
  std::vector<std::byte> value(spec.value_size);
  while (bpf_map_lookup_and_delete_elem(fds_[map], nullptr, value.data()) == 0) {
    values.push_back(value);
  }
  if (errno != ENOENT) {
    return error(map, "the kernel does not tell its contents", errno);
  }
  if (spec.type == MapType::kStack) {
    std::reverse(values.begin(), values.end());
  }
  maps.clear(map);
  for (const std::vector<std::byte>& one : values) {
    if (bpf_map_update_elem(fds_[map], nullptr, one.data(), BPF_ANY) != 0) {
      return error(map, "the kernel does not take its contents back", errno);
    }
    maps.push(map, one, kAny);
  }
  return {};
}

Result<void> KernelMaps::read_back(MapSet& maps, std::uint32_t cpu) const {
  for (std::size_t map = 0; map < specs_.size(); ++map) {
    const MapSpec& spec = specs_[map];
    if (spec.type == MapType::kQueue || spec.type == MapType::kStack) {
      KILN_TRY(read_queue(maps, map));
    }
    if (!programs_change(spec)) {
      continue;
    }
    maps.clear(map);
    const bool per_cpu = is_per_cpu(spec.type);
    const std::uint32_t value_bytes = per_cpu ? stride(spec) * possible_cpus() : spec.value_size;
    std::int64_t failed = 0;
    const int problem = for_each_element(
        {fds_[map], spec.key_size, value_bytes, spec.max_entries}, [&](Bytes key, Bytes value) {
          std::int64_t put = 0;
          if (per_cpu) {
            put = maps.restore(map, key, exchange(value, stride(spec), possible_cpus(), maps.cpu_count(), cpu));
          } else {
            put = maps.restore(map, key, value);
          }
          failed = failed != 0 ? failed : put;
        });
    if (problem != 0) {
      return error(map, "the kernel does not tell its contents", problem);
    }
    if (failed != 0) {
      return Error{Errc::kInternal, fmt::format("map '{}': the kernel's contents do not fit: {}",
                                                spec.name, errno_text(static_cast<int>(-failed)))};
    }
  }
  return {};
}

}  // namespace kiln::kernel
