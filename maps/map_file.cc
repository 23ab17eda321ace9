// SPDX-License-Identifier: Apache-2.0
//
// The bytes of a map file, checked before anything is believed.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include <kiln/map_file.h>

#include "bytes.h"
#include "hash_key.h"

namespace kiln {
namespace {

using detail::load;
using detail::round_up;
using detail::store;
using Bytes = std::span<const std::byte>;

constexpr char kMagic[8] = {'K', 'I', 'L', 'N', 'M', 'A', 'P', 'S'};
constexpr std::uint32_t kVersion = 2;
constexpr std::size_t kHeaderBytes = 64;
constexpr std::size_t kSpecWords = 14;
constexpr std::uint32_t kMaxName = 4096;

// Bits of a description's tenth word.
constexpr std::uint32_t kGlobalData = 1, kReadOnly = 2, kPinned = 4, kFrozen = 8, kHasLock = 16, kHasInner = 32;

std::uint32_t checksum(Bytes bytes) {
  std::uint32_t crc = kHashSeed;
  for (std::size_t i = 0; i + 8 <= bytes.size(); i += 8) {
    crc = detail::crc32c_step(crc, load<std::uint64_t>(bytes.data() + i));
  }
  return crc;
}

void pad(std::vector<std::byte>& out) { out.resize(round_up(out.size(), 8)); }

void append(std::vector<std::byte>& out, Bytes bytes) {
  out.insert(out.end(), bytes.begin(), bytes.end());
  pad(out);
}

void append_spec(std::vector<std::byte>& out, const MapSpec& spec, bool frozen) {
  const std::uint32_t bits = (spec.is_global_data ? kGlobalData : 0) | (spec.is_readonly ? kReadOnly : 0) |
                             (spec.is_pinned ? kPinned : 0) | (frozen ? kFrozen : 0) |
                             (spec.lock_offset ? kHasLock : 0) | (spec.inner ? kHasInner : 0);
  const std::array<std::uint32_t, kSpecWords> words = {
      static_cast<std::uint32_t>(spec.type), spec.key_size, spec.value_size, spec.max_entries, spec.flags,
      static_cast<std::uint32_t>(spec.map_extra), static_cast<std::uint32_t>(spec.map_extra >> 32), spec.btf_key_type,
      spec.btf_value_type, bits, spec.lock_offset.value_or(0), spec.inner.value_or(0),
      static_cast<std::uint32_t>(spec.name.size()), 0};
  append(out, std::as_bytes(std::span(words)));
  append(out, std::as_bytes(std::span(spec.name)));
}

struct Header {
  std::uint32_t map_count = 0;
  std::uint32_t cpu_count = 0;
  std::uint32_t possible_cpus = 0;
  std::uint64_t spec_bytes = 0;
  std::uint64_t btf_bytes = 0;
  std::uint64_t arena_bytes = 0;
};

std::vector<std::byte> encode_header(const Header& header, std::uint32_t body) {
  std::vector<std::byte> out(kHeaderBytes);
  std::memcpy(out.data(), kMagic, sizeof kMagic);
  store(out.data() + 8, kVersion);
  store(out.data() + 12, header.map_count);
  store(out.data() + 16, header.cpu_count);
  store(out.data() + 20, body);
  store(out.data() + 48, header.possible_cpus);
  store(out.data() + 24, header.spec_bytes);
  store(out.data() + 32, header.btf_bytes);
  store(out.data() + 40, header.arena_bytes);
  store(out.data() + 56, std::uint64_t{checksum(Bytes(out).first(56))});
  return out;
}

Error damaged(std::string_view what) {
  return Error{Errc::kInput, fmt::format("damaged map file: {}", what)};
}

Result<Header> decode_header(Bytes file) {
  if (file.size() < kHeaderBytes || std::memcmp(file.data(), kMagic, sizeof kMagic) != 0) {
    return Error{Errc::kInput, "not a map file"};
  }
  if (const auto version = load<std::uint32_t>(file.data() + 8); version != kVersion) {
    return Error{Errc::kInput, fmt::format("a map file of version {}, but this program knows version {}", version, kVersion)};
  }
  if (load<std::uint64_t>(file.data() + 56) != checksum(file.first(56))) {
    return damaged("its header's checksum is wrong");
  }
  const Header header{.map_count = load<std::uint32_t>(file.data() + 12),
                      .cpu_count = load<std::uint32_t>(file.data() + 16),
                      .possible_cpus = load<std::uint32_t>(file.data() + 48),
                      .spec_bytes = load<std::uint64_t>(file.data() + 24),
                      .btf_bytes = load<std::uint64_t>(file.data() + 32),
                      .arena_bytes = load<std::uint64_t>(file.data() + 40)};
  const std::uint64_t rest = file.size() - kHeaderBytes;
  if (header.spec_bytes > rest || header.btf_bytes > rest || header.arena_bytes > rest ||
      header.spec_bytes + round_up(header.btf_bytes, 8) + header.arena_bytes != rest) {
    return damaged(fmt::format("it has {} bytes, not what its header says", file.size()));
  }
  if (load<std::uint32_t>(file.data() + 20) != checksum(file.subspan(kHeaderBytes))) {
    return damaged("its contents' checksum is wrong");
  }
  return header;
}

struct Specs {
  std::vector<MapSpec> specs;
  std::vector<bool> frozen;
};

Result<Specs> decode_specs(Bytes bytes, std::uint32_t count) {
  Specs all;
  for (std::uint32_t i = 0; i < count; ++i) {
    std::array<std::uint32_t, kSpecWords> word;
    if (bytes.size() < sizeof word) {
      return damaged("a map's description is cut off");
    }
    std::memcpy(word.data(), bytes.data(), sizeof word);
    bytes = bytes.subspan(sizeof word);
    const auto type = map_type_from_number(word[0]);
    const std::uint32_t name_bytes = word[12];
    if (!type || name_bytes > kMaxName || round_up(name_bytes, 8) > bytes.size() || word[11] >= count) {
      return damaged("a map's description makes no sense");
    }
    MapSpec& spec = all.specs.emplace_back();
    spec.type = *type;
    spec.key_size = word[1];
    spec.value_size = word[2];
    spec.max_entries = word[3];
    spec.flags = word[4];
    spec.map_extra = word[5] | std::uint64_t{word[6]} << 32;
    spec.btf_key_type = word[7];
    spec.btf_value_type = word[8];
    spec.is_global_data = (word[9] & kGlobalData) != 0;
    spec.is_readonly = (word[9] & kReadOnly) != 0;
    spec.is_pinned = (word[9] & kPinned) != 0;
    spec.lock_offset = (word[9] & kHasLock) != 0 ? std::optional(word[10]) : std::nullopt;
    spec.inner = (word[9] & kHasInner) != 0 ? std::optional(word[11]) : std::nullopt;
    spec.name.assign(reinterpret_cast<const char*>(bytes.data()), name_bytes);
    all.frozen.push_back((word[9] & kFrozen) != 0);
    bytes = bytes.subspan(round_up(name_bytes, 8));
  }
  return all;
}

Result<MapFile> decode(Bytes file) {
  auto header = decode_header(file);
  if (!header) {
    return header.error();
  }
  auto specs = decode_specs(file.subspan(kHeaderBytes, header->spec_bytes), header->map_count);
  if (!specs) {
    return specs.error();
  }
  for (const std::uint32_t cpus : {header->cpu_count, header->possible_cpus}) {
    if (cpus == 0 || cpus > 8192) {
      return damaged(fmt::format("it says that there are {} processors", cpus));
    }
  }
  auto maps = MapSet::create(specs->specs, header->cpu_count, header->possible_cpus);
  if (!maps) {
    return maps.error();
  }
  if (maps->arena().size() != header->arena_bytes) {
    return damaged("its maps do not have the sizes that are described");
  }
  const Bytes btf = file.subspan(kHeaderBytes + header->spec_bytes, header->btf_bytes);
  std::memcpy(maps->arena().data(), file.data() + (file.size() - header->arena_bytes), header->arena_bytes);
  for (std::size_t map = 0; map < maps->size(); ++map) {
    if (specs->frozen[map]) {
      maps->freeze(map);
    }
  }
  return MapFile{std::move(maps).value(), {btf.begin(), btf.end()}};
}

Error about(const std::string& path, std::string_view what) {
  return Error{Errc::kInput, fmt::format("{}: {}", path, what)};
}

bool write_all(int file, Bytes bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(file, bytes.data(), bytes.size());
    if (written < 0 && errno != EINTR) {
      return false;
    }
    bytes = bytes.subspan(written < 0 ? 0 : static_cast<std::size_t>(written));
  }
  return true;
}

/// Through a temporary file beside it: a reader sees the old bytes or the new ones.
Result<void> replace_file(const std::string& path, std::initializer_list<Bytes> parts) {
  std::string temporary = path + ".XXXXXX";
  const int file = mkostemp(temporary.data(), O_CLOEXEC);
  if (file < 0) {
    return about(path, std::strerror(errno));
  }
  bool good = fchmod(file, 0644) == 0;
  for (const Bytes part : parts) {
    good = good && write_all(file, part);
  }
  good = good && fsync(file) == 0;
  int error = errno;
  good = close(file) == 0 && good;
  if (!good || rename(temporary.c_str(), path.c_str()) != 0) {
    error = good ? errno : error;
    unlink(temporary.c_str());
    return about(path, std::strerror(error));
  }
  const auto folder = std::filesystem::path(path).parent_path();
  const int directory = open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory >= 0) {  // so that the name survives a power cut, too
    fsync(directory);
    close(directory);
  }
  return {};
}

}  // namespace

Result<void> save_map_file(const std::string& path, const MapSet& maps, std::span<const std::byte> btf) {
  std::vector<std::byte> front;
  for (std::size_t map = 0; map < maps.size(); ++map) {
    append_spec(front, maps.spec(map), maps.is_frozen(map));
  }
  const Header header{.map_count = static_cast<std::uint32_t>(maps.size()),
                      .cpu_count = maps.cpu_count(),
                      .possible_cpus = maps.possible_cpus(),
                      .spec_bytes = front.size(),
                      .btf_bytes = btf.size(),
                      .arena_bytes = maps.arena().size()};
  append(front, btf);
  std::uint32_t body = checksum(front);
  for (std::size_t i = 0; i < maps.arena().size(); i += 8) {
    body = detail::crc32c_step(body, load<std::uint64_t>(maps.arena().data() + i));
  }
  return replace_file(path, {encode_header(header, body), front, maps.arena()});
}

Result<MapFile> load_map_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) {
    return about(path, std::strerror(errno));
  }
  std::error_code failed;
  const std::uintmax_t size = std::filesystem::file_size(path, failed);
  if (failed) {
    return about(path, failed.message());
  }
  std::vector<std::byte> file(size);
  if (!in.read(reinterpret_cast<char*>(file.data()), static_cast<std::streamsize>(size))) {
    return about(path, "cannot be read");
  }
  auto decoded = decode(file);
  return decoded ? std::move(decoded) : about(path, decoded.error().message);
}

Result<FileLock> FileLock::take(const std::string& path) {
  const std::filesystem::path file(path);
  const std::string lock = (file.parent_path() / fmt::format(".{}.lock", file.filename().string())).string();
  const int descriptor = open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (descriptor < 0) {
    return about(lock, std::strerror(errno));
  }
  int result = 0;
  do {
    result = flock(descriptor, LOCK_EX);
  } while (result != 0 && errno == EINTR);
  if (result != 0) {
    const int error = errno;
    close(descriptor);
    return about(lock, std::strerror(error));
  }
  return FileLock(descriptor);
}

FileLock::~FileLock() {
  if (descriptor_ >= 0) {
    close(descriptor_);
  }
}

}  // namespace kiln
