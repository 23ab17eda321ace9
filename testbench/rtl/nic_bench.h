// SPDX-License-Identifier: Apache-2.0
//
// Drives a verilated kiln_nic through its pins: AXI4-Lite accesses, frames in with or without pauses,
// frames out with or without back-pressure, verdicts. Frames are bytes; how they are cut into beats
// is the bench's business, what becomes of them the test's.
#pragma once

#include <gtest/gtest.h>
#include <verilated.h>

#include <cstdint>
#include <cstring>
#include <deque>
#include <memory>
#include <random>
#include <type_traits>
#include <utility>
#include <vector>

namespace kiln::nic_test {

enum Register : std::uint16_t {
#define KILN_REG(name, offset, access, meaning) kReg##name = offset,
#include <kiln/nic_registers.def>
};

using Octets = std::vector<std::uint8_t>;

struct FrameIn {
  Octets data;
  std::uint16_t ifindex = 1, queue = 0;
};

struct FrameOut {
  Octets data;
  std::uint64_t user = 0;
  bool operator==(const FrameOut&) const = default;
};

struct VerdictRecord {
  std::uint32_t seq, code, redirect, start, end, insns;
  std::uint16_t redirect_map;
  std::uint8_t trap, core, thread;
};

template <typename Port>
void put_bytes(Port& port, const std::uint8_t* bytes, std::size_t size) {
  if constexpr (std::is_integral_v<Port>) {
    port = 0;
    std::memcpy(&port, bytes, size);
  } else {
    std::memset(port.data(), 0, sizeof(Port));
    std::memcpy(port.data(), bytes, size);
  }
}

template <typename Port>
void get_bytes(const Port& port, std::uint8_t* bytes, std::size_t size) {
  if constexpr (std::is_integral_v<Port>) {
    std::memcpy(bytes, &port, size);
  } else {
    std::memcpy(bytes, port.data(), size);
  }
}

template <typename Top>
class NicBench {
 public:
  explicit NicBench(std::uint32_t seed = 1) : random_(seed), top_(std::make_unique<Top>(&context_)) {
    top_->s_axil_wstrb_i = 0xf;
    top_->m_axis_tx_tready_i = 1;
    top_->m_axis_events_tready_i = 1;
    for (int i = 0; i < 8; ++i) {
      tick();
    }
    top_->rst_ni = 1;
    tick();
  }
  ~NicBench() { top_->final(); }

  static constexpr std::size_t kBeat = sizeof(Top::s_axis_rx_tdata_i);  ///< bytes of a beat

  std::uint64_t cycles = 0;
  unsigned idle_percent = 0;      ///< cycles in which the link has nothing to send
  unsigned pressure_percent = 0;  ///< cycles in which the link takes nothing
  std::deque<FrameIn> to_send;
  std::vector<FrameOut> sent;     ///< frames that came out
  std::vector<VerdictRecord> verdicts;
  std::deque<std::vector<std::uint64_t>> handed_over;   ///< messages to the host
  std::deque<std::vector<std::uint64_t>> host_answers;  ///< what the host sends

  Top& top() { return *top_; }

  void tick() {
    drive_rx();
    top_->m_axis_tx_tready_i = random_() % 100 >= pressure_percent;
    drive_host();
    top_->clk_i = 0;
    top_->eval();
    sample();
    top_->clk_i = 1;
    top_->eval();
    ++cycles;
  }

  /// \return the response code.
  unsigned write(std::uint16_t address, std::uint32_t data) {
    // Address and data channel in either order.
    const unsigned first = random_() % 3;
    top_->s_axil_awaddr_i = address;
    top_->s_axil_wdata_i = data;
    top_->s_axil_awvalid_i = first != 1;
    top_->s_axil_wvalid_i = first != 2;
    bool aw_done = false, w_done = false;
    for (int i = 0; i < 100'000; ++i) {
      top_->s_axil_bready_i = random_() % 2;
      tick();
      aw_done = aw_done || axil_.aw;
      w_done = w_done || axil_.w;
      top_->s_axil_awvalid_i = !aw_done;
      top_->s_axil_wvalid_i = !w_done;
      if (axil_.b) {
        top_->s_axil_bready_i = 0;
        return axil_.bresp;
      }
    }
    ADD_FAILURE() << "write of register " << address << " not answered";
    return ~0u;
  }
  std::uint32_t read(std::uint16_t address, unsigned* response = nullptr) {
    top_->s_axil_araddr_i = address;
    top_->s_axil_arvalid_i = 1;
    for (int i = 0; i < 100'000; ++i) {
      top_->s_axil_rready_i = random_() % 2;
      tick();
      if (axil_.ar) {
        top_->s_axil_arvalid_i = 0;
      }
      if (axil_.r) {
        top_->s_axil_rready_i = 0;
        if (response != nullptr) {
          *response = axil_.rresp;
        }
        return axil_.rdata;
      }
    }
    ADD_FAILURE() << "read of register " << address << " not answered";
    return 0;
  }
  std::uint64_t read64(std::uint16_t low) {
    const std::uint64_t value = read(low);
    return value | std::uint64_t{read(static_cast<std::uint16_t>(low + 4))} << 32;
  }

  void load(const std::vector<std::uint64_t>& words) {
    write(kRegIMEM_ADDR, 0);
    for (std::uint64_t word : words) {
      write(kRegIMEM_LO, static_cast<std::uint32_t>(word));
      write(kRegIMEM_HI, static_cast<std::uint32_t>(word >> 32));
    }
    write(kRegENTRY, 0);
  }

  /// Lets everything that is inside come out. \return false if it does not.
  bool drain(std::uint64_t limit = 300'000) {
    for (const std::uint64_t end = cycles + limit; cycles < end; tick()) {
      if (to_send.empty() && at_ == 0 && cycles % 64 == 0 && (read(kRegSTATUS) & 1) == 0) {
        for (int i = 0; i < 4; ++i) {
          tick();
        }
        return true;
      }
    }
    return false;
  }

 private:
  void drive_rx() {
    if (!offered_ && !to_send.empty()) {
      offered_ = random_() % 100 >= idle_percent;
    }
    top_->s_axis_rx_tvalid_i = offered_;
    if (!offered_) {
      return;
    }
    const FrameIn& frame = to_send.front();
    const std::size_t size = std::min(kBeat, frame.data.size() - at_);
    put_bytes(top_->s_axis_rx_tdata_i, frame.data.data() + at_, size);
    top_->s_axis_rx_tkeep_i =
        static_cast<std::remove_reference_t<decltype(top_->s_axis_rx_tkeep_i)>>(size == 64 ? ~0ull : (1ull << size) - 1);
    top_->s_axis_rx_tlast_i = at_ + size == frame.data.size();
    top_->s_axis_rx_tuser_i = at_ == 0 ? frame.ifindex | static_cast<std::uint32_t>(frame.queue) << 16 : 0xdeadbeef;
  }

  void drive_host() {
    top_->m_axis_host_tready_i = random_() % 100 >= pressure_percent;
    host_offered_ = host_offered_ || (!host_answers.empty() && random_() % 100 >= idle_percent);
    top_->s_axis_host_tvalid_i = host_offered_;
    if (host_offered_) {
      top_->s_axis_host_tdata_i = host_answers.front()[host_at_];
      top_->s_axis_host_tlast_i = host_at_ + 1 == host_answers.front().size();
    }
  }

  void sample_host() {
    if (top_->m_axis_host_tvalid_o && top_->m_axis_host_tready_i) {
      message_.push_back(top_->m_axis_host_tdata_o);
      if (top_->m_axis_host_tlast_o) {
        handed_over.push_back(std::exchange(message_, {}));
      }
    }
    if (host_offered_ && top_->s_axis_host_tready_o) {
      host_offered_ = false;
      if (++host_at_ == host_answers.front().size()) {
        host_answers.pop_front();
        host_at_ = 0;
      }
    }
  }

  void sample() {
    sample_host();
    axil_ = {.aw = top_->s_axil_awvalid_i && top_->s_axil_awready_o,
             .w = top_->s_axil_wvalid_i && top_->s_axil_wready_o,
             .b = top_->s_axil_bvalid_o && top_->s_axil_bready_i,
             .ar = top_->s_axil_arvalid_i && top_->s_axil_arready_o,
             .r = top_->s_axil_rvalid_o && top_->s_axil_rready_i,
             .bresp = top_->s_axil_bresp_o,
             .rresp = top_->s_axil_rresp_o,
             .rdata = top_->s_axil_rdata_o};
    if (offered_) {
      EXPECT_TRUE(top_->s_axis_rx_tready_o);
      at_ += kBeat;
      offered_ = false;
      if (at_ >= to_send.front().data.size()) {
        at_ = 0;
        to_send.pop_front();
      }
    }
    if (top_->m_axis_tx_tvalid_o && top_->m_axis_tx_tready_i) {
      sample_tx();
    }
    if (top_->verdict_valid_o) {
      verdicts.push_back({.seq = top_->verdict_seq_o, .code = top_->verdict_code_o,
                          .redirect = top_->verdict_redirect_o, .start = top_->verdict_start_o,
                          .end = top_->verdict_end_o, .insns = top_->verdict_insns_o,
                          .redirect_map = top_->verdict_redirect_map_o, .trap = top_->verdict_trap_o,
                          .core = top_->verdict_core_o, .thread = top_->verdict_thread_o});
    }
  }

  void sample_tx() {
    const std::uint64_t keep = top_->m_axis_tx_tkeep_o;
    const std::size_t size = keep == ~0ull ? 64 : static_cast<std::size_t>(__builtin_ctzll(~keep));
    EXPECT_EQ(keep >> size % 64, size == 64 ? ~0ull : 0u) << "tkeep with a hole";
    if (!top_->m_axis_tx_tlast_o) {
      EXPECT_EQ(size, kBeat) << "a short beat inside a frame";
    }
    if (!leaving_) {
      sent.push_back({{}, top_->m_axis_tx_tuser_o});
    }
    EXPECT_EQ(sent.back().user, top_->m_axis_tx_tuser_o) << "tuser changes within a frame";
    const std::size_t had = sent.back().data.size();
    sent.back().data.resize(had + size);
    get_bytes(top_->m_axis_tx_tdata_o, sent.back().data.data() + had, size);
    leaving_ = !top_->m_axis_tx_tlast_o;
  }

  struct Axil {
    bool aw = false, w = false, b = false, ar = false, r = false;
    unsigned bresp = 0, rresp = 0;
    std::uint32_t rdata = 0;
  };

  std::mt19937 random_;
  VerilatedContext context_;
  std::unique_ptr<Top> top_;
  std::size_t at_ = 0;  // bytes of the first frame that are in
  bool offered_ = false, leaving_ = false, host_offered_ = false;
  std::vector<std::uint64_t> message_;
  std::size_t host_at_ = 0;  // words of the first answer that are in
  Axil axil_;
};

}  // namespace kiln::nic_test
