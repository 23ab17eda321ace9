// SPDX-License-Identifier: Apache-2.0
//
// Drives a verilated bpf_memory_system as cores and host would: service requests beat by beat, with
// random pauses, and the host's row accesses. What a response should be is the test's business.
#pragma once

#include <Vnic_memory.h>
#include <verilated.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <span>
#include <utility>
#include <vector>

#include <kiln/map_layout.h>

namespace kiln::nic_test {

enum Service : std::uint8_t {
#define KILN_SERVICE(name, number, fields, result) kSvc##name = number,
#include <kiln/core_services.def>
};

/// BPF size encoding of an access of 1, 2, 4 or 8 bytes.
constexpr std::uint8_t size_code(unsigned bytes) {
  return bytes == 4 ? 0 : bytes == 2 ? 1 : bytes == 1 ? 2 : 3;
}

struct Request {
  std::uint8_t core = 0, thread = 0, op = 0, size = 3;
  std::uint32_t addr = 0, imm = 0;
  std::uint64_t data = 0;
  std::vector<std::uint64_t> keys = {};
};

struct Response {
  std::uint8_t core = 0, thread = 0;
  std::uint64_t data = 0;
};

class MemoryBench {
 public:
  static constexpr unsigned kCores = 2;  // as testbench/rtl/CMakeLists.txt verilates it

  explicit MemoryBench(std::uint32_t seed = 1) : random_(seed), top_(std::make_unique<Vnic_memory>(&context_)) {
    top_->rst_ni = 0;
    for (int i = 0; i < 8; ++i) {
      tick();
    }
    top_->rst_ni = 1;
    tick();
  }
  ~MemoryBench() { top_->final(); }

  std::uint64_t cycles() const { return cycles_; }
  /// Share of cycles, in percent, in which a core offers nothing although it could.
  void set_idle(unsigned percent) { idle_percent_ = percent; }

  /// Queues a request on its core. REQUIRES: its thread has none outstanding.
  void send(const Request& request) { queues_[request.core].push_back({request, 0}); }
  /// Responses of the last tick().
  const std::vector<Response>& responses() const { return responses_; }

  /// Sends one request and waits: its response, and the cycles from the first beat to it.
  std::uint64_t call(const Request& request, std::uint64_t* took = nullptr) {
    send(request);
    const std::uint64_t start = cycles_;
    for (int i = 0; i < 100'000; ++i) {
      tick();
      for (const Response& response : responses_) {
        if (response.core == request.core && response.thread == request.thread) {
          if (took != nullptr) {
            *took = cycles_ - start;
          }
          return response.data;
        }
      }
    }
    ADD_FAILURE() << "no response to service request " << int{request.op};
    return ~0ull;
  }

  void write_descriptor(std::size_t map, const MapDescriptor& descriptor) {
    std::uint32_t words[16];
    std::memcpy(words, &descriptor, sizeof words);
    for (unsigned i = 0; i < 16; ++i) {
      top_->desc_we_i = 1;
      top_->desc_addr_i = static_cast<std::uint16_t>(map * 16 + i);
      top_->desc_data_i = words[i];
      tick();
    }
    top_->desc_we_i = 0;
  }

  void write_row(std::uint32_t row, std::uint64_t data) { command(1, row, data); }
  void fill(std::uint32_t row, std::uint64_t rows) {
    command(2, row, rows);
    tick();
    while (top_->filling_o) {
      tick();
    }
  }
  std::uint64_t read_row(std::uint32_t row) {
    command(0, row, 0);
    row_data_.reset();
    while (!row_data_) {
      tick();
    }
    return *row_data_;
  }
  std::vector<std::byte> read(std::size_t bytes) {
    std::vector<std::byte> out(bytes);
    for (std::size_t at = 0; at < bytes; at += 8) {
      const std::uint64_t word = read_row(static_cast<std::uint32_t>(at / 8));
      std::memcpy(out.data() + at, &word, 8);
    }
    return out;
  }
  void write(std::span<const std::byte> bytes) {
    fill(0, bytes.size() / 8);
    for (std::size_t at = 0; at < bytes.size(); at += 8) {
      std::uint64_t word = 0;
      std::memcpy(&word, bytes.data() + at, 8);
      if (word != 0) {
        write_row(static_cast<std::uint32_t>(at / 8), word);
      }
    }
  }
  void set_random(std::uint64_t seed) {
    top_->random_i = seed;
    top_->random_we_i = 1;
    tick();
    top_->random_we_i = 0;
  }
  void set_clock(std::uint64_t now, std::uint32_t step) {
    top_->clock_step_i = step;
    top_->clock_i = now;
    top_->clock_we_i = 1;
    tick();
    top_->clock_we_i = 0;
  }

  /// Messages that came out whole, oldest first. `event_pressure`: cycles in percent in which nobody takes a word.
  std::deque<std::vector<std::uint64_t>> events;
  unsigned event_pressure = 0;
  void pulse_frame() {
    top_->frame_i = 1;
    tick();
    top_->frame_i = 0;
  }
  /// A frame leaves: rings may be read. \return when nothing is left to send.
  void frame_left() {
    pulse_frame();
    for (int i = 0; i < 2 || top_->events_busy_o; ++i) {
      tick();
    }
  }

  void tick() {
    top_->event_ready_i = event_pressure == 0 || random_() % 100 >= event_pressure;
    drive();
    top_->clk_i = 0;
    top_->eval();
    sample();
    top_->clk_i = 1;
    top_->eval();
    ++cycles_;
  }

 private:
  struct Sending {
    Request request;
    std::size_t beat = 0;
  };

  void command(unsigned op, std::uint32_t row, std::uint64_t data) {
    top_->cmd_valid_i = 1;
    top_->cmd_op_i = static_cast<std::uint8_t>(op);
    top_->cmd_row_i = row;
    top_->cmd_data_i = data;
    do {
      tick();
    } while (!cmd_ready_);
    top_->cmd_valid_i = 0;
  }

  void drive() {
    std::uint64_t thread = 0, op = 0, size = 0;
    for (unsigned c = 0; c < kCores; ++c) {
      // Once offered, a beat stays until it is taken.
      if (!offered_[c] && !queues_[c].empty()) {
        offered_[c] = random_() % 100 >= idle_percent_;
      }
      if (!offered_[c]) {
        continue;
      }
      const auto& [request, beat] = queues_[c].front();
      const bool key = beat < request.keys.size();
      const std::uint64_t data = key ? request.keys[beat] : request.data;
      thread |= std::uint64_t{request.thread} << 8 * c;
      op |= std::uint64_t{request.op} << 4 * c;
      size |= std::uint64_t{request.size} << 2 * c;
      addr_[c] = request.addr;
      imm_[c] = request.imm;
      data_[2 * c] = static_cast<std::uint32_t>(data);
      data_[2 * c + 1] = static_cast<std::uint32_t>(data >> 32);
      set_bit(top_->svc_key_i, c, key);
      set_bit(top_->svc_last_i, c, !key);
    }
    top_->svc_thread_i = static_cast<std::uint16_t>(thread);
    top_->svc_op_i = static_cast<std::uint8_t>(op);
    top_->svc_size_i = static_cast<std::uint8_t>(size);
    top_->svc_addr_i = std::uint64_t{addr_[1]} << 32 | addr_[0];
    top_->svc_imm_i = std::uint64_t{imm_[1]} << 32 | imm_[0];
    for (unsigned i = 0; i < 2 * kCores; ++i) {
      top_->svc_data_i[i] = data_[i];
    }
    top_->svc_valid_i = static_cast<std::uint8_t>(offered_[0] | offered_[1] << 1);
  }

  void sample() {
    responses_.clear();
    for (unsigned c = 0; c < kCores; ++c) {
      if (top_->rsp_valid_o >> c & 1) {
        responses_.push_back({static_cast<std::uint8_t>(c), top_->rsp_thread_o, top_->rsp_data_o});
      }
      if (offered_[c] && (top_->svc_ready_o >> c & 1)) {
        Sending& front = queues_[c].front();
        offered_[c] = false;
        if (front.beat++ == front.request.keys.size()) {
          queues_[c].pop_front();
        }
      }
    }
    if (top_->event_valid_o && top_->event_ready_i) {
      event_.push_back(top_->event_data_o);
      if (top_->event_last_o) {
        events.push_back(std::exchange(event_, {}));
      }
    }
    cmd_ready_ = top_->cmd_ready_o;
    if (top_->rvalid_o) {
      row_data_ = top_->rdata_o;
    }
  }

  template <typename Port>
  static void set_bit(Port& port, unsigned bit, bool value) {
    port = static_cast<Port>((port & ~(1u << bit)) | (value ? 1u << bit : 0u));
  }

  std::mt19937 random_;
  VerilatedContext context_;
  std::unique_ptr<Vnic_memory> top_;
  std::deque<Sending> queues_[kCores];
  bool offered_[kCores] = {};
  std::uint32_t addr_[kCores] = {}, imm_[kCores] = {}, data_[2 * kCores] = {};
  std::vector<Response> responses_;
  std::vector<std::uint64_t> event_;
  std::optional<std::uint64_t> row_data_;
  bool cmd_ready_ = false;
  unsigned idle_percent_ = 0;
  std::uint64_t cycles_ = 0;
};

}  // namespace kiln::nic_test
