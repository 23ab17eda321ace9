// SPDX-License-Identifier: Apache-2.0
#include <kiln/capture.h>

#include <pcap/pcap.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>
#include <sstream>

#include <fmt/format.h>

namespace kiln {
namespace {

struct ClosePcap {
  void operator()(pcap_t* handle) const { pcap_close(handle); }
};
using Pcap = std::unique_ptr<pcap_t, ClosePcap>;

constexpr int kSnapLength = 262144;

/// Runs `write` on a temporary name beside `path`, then renames.
template <typename Write>
Result<void> write_whole(const std::string& path, Write write) {
  if (path == "-") {
    return write(path);
  }
  const std::string temporary = fmt::format("{}.tmp{}", path, getpid());
  if (auto written = write(temporary); !written) {
    std::remove(temporary.c_str());
    Error error = written.error();  // it names the temporary file
    if (const auto at = error.message.find(temporary); at != std::string::npos) {
      error.message.replace(at, temporary.size(), path);
    }
    return error;
  }
  if (std::rename(temporary.c_str(), path.c_str()) != 0) {
    const int reason = errno;
    std::remove(temporary.c_str());
    return Error{Errc::kInput, fmt::format("{}: {}", path, std::strerror(reason))};
  }
  return {};
}

}  // namespace

Result<std::vector<Frame>> read_capture(const std::string& path) {
  char reason[PCAP_ERRBUF_SIZE] = "";
  const Pcap handle(pcap_open_offline(path.c_str(), reason));
  if (!handle) {
    // libpcap names the file itself when it cannot open it.
    const std::string text = reason;
    return Error{Errc::kInput, text.starts_with(path) ? text : path + ": " + text};
  }
  if (pcap_datalink(handle.get()) != DLT_EN10MB) {
    return Error{Errc::kInput, fmt::format("{}: link type {} is not Ethernet", path,
                                           pcap_datalink(handle.get()))};
  }
  std::vector<Frame> frames;
  pcap_pkthdr* header = nullptr;
  const u_char* data = nullptr;
  int got = 0;
  while ((got = pcap_next_ex(handle.get(), &header, &data)) == 1) {
    if (header->caplen < header->len) {
      return Error{Errc::kInput,
                   fmt::format("{}: packet {} was captured short ({} of {} bytes); capture with -s 0",
                               path, frames.size() + 1, header->caplen, header->len)};
    }
    const auto* bytes = reinterpret_cast<const std::byte*>(data);
    frames.push_back(Frame{.data = {bytes, bytes + header->caplen}});
  }
  if (got == PCAP_ERROR) {
    return Error{Errc::kInput, fmt::format("{}: after {} packets: {}", path, frames.size(),
                                           pcap_geterr(handle.get()))};
  }
  if (frames.empty()) {
    return Error{Errc::kInput, path + ": no packets in this capture"};
  }
  return frames;
}

Result<void> write_capture(const std::string& path, std::span<const std::vector<std::byte>> frames) {
  return write_whole(path, [&](const std::string& file) -> Result<void> {
    const Pcap handle(pcap_open_dead(DLT_EN10MB, kSnapLength));
    pcap_dumper_t* dumper = pcap_dump_open(handle.get(), file.c_str());
    if (dumper == nullptr) {
      return Error{Errc::kInput, pcap_geterr(handle.get())};
    }
    pcap_pkthdr header{};
    for (const auto& frame : frames) {
      header.caplen = header.len = static_cast<bpf_u_int32>(frame.size());
      pcap_dump(reinterpret_cast<u_char*>(dumper), &header,
                reinterpret_cast<const u_char*>(frame.data()));
      if (++header.ts.tv_usec == 1'000'000) {
        header.ts.tv_usec = 0;
        ++header.ts.tv_sec;
      }
    }
    const bool complete = pcap_dump_flush(dumper) == 0;
    pcap_dump_close(dumper);
    if (!complete) {
      return Error{Errc::kInput, fmt::format("{}: {}", path, std::strerror(errno))};
    }
    return {};
  });
}

Result<std::string> read_text(const std::string& path) {
  if (path == "-") {
    return std::string{std::istreambuf_iterator<char>(std::cin), {}};
  }
  std::ifstream in(path, std::ios::binary);
  if (!in) {
    return Error{Errc::kInput, fmt::format("{}: {}", path, std::strerror(errno))};
  }
  std::string text{std::istreambuf_iterator<char>(in), {}};
  if (in.bad()) {
    return Error{Errc::kInput, path + ": cannot be read"};
  }
  return text;
}

Result<void> write_text(const std::string& path, const std::string& text) {
  return write_whole(path, [&](const std::string& file) -> Result<void> {
    if (file == "-") {
      std::cout << text << std::flush;
      return {};
    }
    std::ofstream out(file, std::ios::binary);
    out << text << std::flush;
    if (!out) {
      return Error{Errc::kInput, fmt::format("{}: {}", path, std::strerror(errno))};
    }
    return {};
  });
}

}  // namespace kiln
