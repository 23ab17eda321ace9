// SPDX-License-Identifier: Apache-2.0
//
// Events that programs hand to user space, as lines of JSON, and listeners for those that need one.
#pragma once

#include <cstdint>
#include <string>

#include <kiln/engine.h>
#include <kiln/program.h>

namespace kiln {

/// {"packet": 3, "kind": "perf", "map": "events", "index": 0, "data": "0a00.."}, without a line's end. Text of
/// bpf_trace_printk() is "text" instead of "data". \param packet  counted from 1.
std::string event_json(const Object& object, const Event& event, std::uint64_t packet);

/// Fills the empty slots of perf event arrays, one a processor, as a program that listens does.
void listen_to_events(MapSet& maps);

/// Whether the kernel engine can tell events of this kind too.
bool kernel_tells(EventKind kind);

}  // namespace kiln
