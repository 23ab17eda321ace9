// SPDX-License-Identifier: Apache-2.0
//
// Captures: frames from and to pcap and pcapng files, by libpcap.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <kiln/engine.h>
#include <kiln/result.h>

namespace kiln {

/// Reads every frame. \param path  "-" is standard input.
/// \errors kInput: cannot be opened, not a capture, not Ethernet, cut off in the middle of a packet, or
///         no packets. A packet that was captured short (snap length) is an error too: it is not
///         the frame that was on the wire.
Result<std::vector<Frame>> read_capture(const std::string& path);

/// Writes frames as a pcap file, 1 microsecond apart. The file appears complete or not at all.
/// \param path  "-" is standard output. \errors kInput: cannot be written.
Result<void> write_capture(const std::string& path, std::span<const std::vector<std::byte>> frames);

/// Reads a whole text file. \param path  "-" is standard input. \errors kInput.
Result<std::string> read_text(const std::string& path);
/// Writes a whole text file through a temporary one, so that it appears complete or not at all.
Result<void> write_text(const std::string& path, const std::string& text);

}  // namespace kiln
