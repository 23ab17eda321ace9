// SPDX-License-Identifier: Apache-2.0
//
// Everything around one verilated bpf_core: a dispatcher that offers frames, a service unit that
// answers in any order, a reorder ring that releases, an egress that collects frames. Each has its
// own probability of being idle. Every retired instruction is checked against CoreRef, every
// request, report and sent frame against what CoreRef says; a difference is a GoogleTest failure.
#pragma once

#include <gtest/gtest.h>
#include <verilated.h>

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <vector>

#include "core_asm.h"
#include "core_ref.h"

namespace kiln::core_test {

/// Chances per cycle, 0 to 1, and latencies in cycles.
struct Weather {
  double rx_idle = 0;
  double tx_stall = 0;
  double done_stall = 0;
  double svc_stall = 0;
  unsigned rsp_latency_max = 12;
  unsigned release_delay_max = 0;
  double send = 1;  ///< share of frames that are sent rather than dropped
};

struct Frame {
  std::vector<std::uint8_t> bytes;
  std::uint32_t user = 0;
};

/// A frame as it left.
struct Outcome {
  unsigned thread = 0;
  std::uint32_t code = 0;
  std::uint8_t trap = 0;
  std::uint32_t insns = 0;
  std::uint32_t start = 0;
  std::uint32_t end = 0;
  std::vector<std::uint8_t> frame;
};

/// Cycle in which something last began, for latencies.
struct Times {
  std::uint64_t last_beat_in = 0;  ///< taken
  std::uint64_t request = 0;       ///< svc_valid_o rose
  std::uint64_t response = 0;      ///< rsp_valid_i
  std::uint64_t done = 0;          ///< done_valid_o rose
  std::uint64_t release = 0;       ///< taken
  std::uint64_t tx = 0;            ///< tx_valid_o rose
  std::uint64_t free = 0;          ///< free_o rose
};

template <typename Model, unsigned kThreads, unsigned kWindow>
class CoreBench {
 public:
  explicit CoreBench(std::uint32_t seed) : seed_(seed), random_(seed) {
    context_.randReset(2);
    context_.randSeed(static_cast<int>(seed | 1));
    model_ = std::make_unique<Model>(&context_);
    for (unsigned t = 0; t < kThreads; ++t) {
      threads_.emplace_back(t, kCoreId * kThreads + t, kWindow);
    }
    model_->rst_ni = 0;
    model_->thread_enable_i = (1u << kThreads) - 1;
    model_->run_i = 1;
    idle_inputs();
    for (int i = 0; i < 4; ++i) {
      clock();
    }
    model_->rst_ni = 1;
  }
  ~CoreBench() {
    // The model's scopes unregister from the thread's context: with several benches, say which.
    Verilated::threadContextp(&context_);
    model_->final();
    model_.reset();
  }

  Weather weather;

  void load(const std::vector<std::uint64_t>& words, std::uint16_t entry = 0) {
    rest();
    imem_ = words;
    entry_ = entry;
    model_->entry_i = entry;
    for (std::size_t i = 0; i < words.size(); ++i) {
      model_->imem_we_i = 1;
      model_->imem_addr_i = static_cast<std::uint16_t>(i);
      model_->imem_data_i = words[i];
      clock();
    }
    model_->imem_we_i = 0;
  }
  void enable(std::uint32_t mask) {
    rest();
    model_->thread_enable_i = mask;
    clock();
    clock();
  }
  void offer(Frame frame) { to_send_.push_back(std::move(frame)); }

  /// Runs until every offered frame has left; at most `limit` cycles.
  void run(std::uint64_t limit = 2'000'000) {
    const std::uint64_t stop = cycle_ + limit;
    while (!(to_send_.empty() && in_flight() == 0 && expected_.empty()) &&
           !(stop_at_failure && ::testing::Test::HasFailure())) {
      if (cycle_ >= stop) {
        ADD_FAILURE() << "not finished after " << limit << " cycles, seed " << seed_;
        return;
      }
      step();
    }
  }
  /// Runs a fixed number of cycles.
  void run_cycles(std::uint64_t count) {
    for (std::uint64_t i = 0; i < count; ++i) {
      step();
    }
  }
  /// Until all threads are free, e.g. after reset.
  void settle() {
    for (int i = 0; i < 20'000 && model_->free_o != popcount(model_->thread_enable_i); ++i) {
      step();
    }
    EXPECT_EQ(model_->free_o, popcount(model_->thread_enable_i));
  }

  std::vector<Outcome> outcomes;        ///< by frame number
  std::set<std::uint8_t> opcodes_seen;  ///< of retired instructions
  std::uint64_t retired = 0;
  Times times;
  bool stop_at_failure = true;  ///< run() returns at once when anything has failed
  std::uint64_t cycle() const { return cycle_; }
  Model& model() { return *model_; }

 private:
  static constexpr unsigned kCoreId = 3;
  enum class Phase { kFree, kRunning, kEnded, kReported, kReleased };

  struct Thread {
    Thread(unsigned thread, std::uint32_t cpu, std::uint32_t window) : ref(thread, cpu, window) {}
    CoreRef ref;
    Phase phase = Phase::kFree;
    std::uint32_t seq = 0;
    std::uint16_t ifindex = 0;
    std::optional<Step> end;
    std::optional<std::uint64_t> response;
    bool asked = false;
  };

  static unsigned popcount(std::uint64_t v) {
    return static_cast<unsigned>(__builtin_popcountll(v));
  }
  bool chance(double p) { return p > 0 && std::uniform_real_distribution<>(0, 1)(random_) < p; }
  unsigned in_flight() const {
    unsigned n = receiving_ ? 1 : 0;
    for (const Thread& t : threads_) {
      n += t.phase != Phase::kFree;
    }
    return n;
  }

  void idle_inputs() {
    model_->imem_we_i = 0;
    model_->rx_valid_i = 0;
    model_->done_ready_i = 0;
    model_->release_valid_i = 0;
    model_->tx_ready_i = 0;
    model_->hand_ready_i = 0;  // hand-over is the NIC tests' concern (nic_handover_test.cc)
    model_->ret_valid_i = 0;
    model_->svc_ready_i = 0;
    model_->rsp_valid_i = 0;
  }

  // Cycles outside step(): nothing is offered, nothing is taken.
  void rest() {
    ASSERT_EQ(in_flight(), 0u);
    idle_inputs();
    release_taken_ = false;
  }

  void clock() {
    model_->clk_i = 0;
    model_->eval();
    model_->clk_i = 1;
    model_->eval();
    ++cycle_;
    model_->cycle_i = static_cast<std::uint32_t>(cycle_);
  }

  // One cycle: inputs, then what the handshakes of this cycle mean, then the edge.
  void step() {
    drive_rx();
    drive_release();
    drive_response();
    model_->tx_ready_i = !chance(weather.tx_stall);
    model_->svc_ready_i = !chance(weather.svc_stall);
    model_->done_ready_i = !chance(weather.done_stall);
    model_->clk_i = 0;
    model_->eval();
    note_times();
    check_retire();
    check_held();
    take_request();
    take_done();
    take_release();
    take_tx();
    take_rx();
    clock();
  }

  void drive_rx() {
    if (rx_valid_) {
      // offered and not yet taken: hold
    } else if (!to_send_.empty() && !chance(weather.rx_idle)) {
      const Frame& f = to_send_.front();
      const std::size_t n = std::min<std::size_t>(8, f.bytes.size() - rx_offset_);
      std::uint64_t data = random_() | static_cast<std::uint64_t>(random_()) << 32;
      for (std::size_t i = 0; i < n; ++i) {
        data &= ~(0xffull << 8 * i);
        data |= static_cast<std::uint64_t>(f.bytes[rx_offset_ + i]) << 8 * i;
      }
      model_->rx_data_i = data;
      model_->rx_keep_i = static_cast<std::uint8_t>((1u << n) - 1);
      model_->rx_last_i = rx_offset_ + n == f.bytes.size();
      model_->rx_seq_i = rx_offset_ == 0 ? next_seq_ : random_();
      model_->rx_user_i = rx_offset_ == 0 ? f.user : random_();
      rx_valid_ = true;
    }
    model_->rx_valid_i = rx_valid_;
  }

  void take_rx() {
    if (!model_->rx_valid_i || !model_->rx_ready_o) {
      return;
    }
    rx_valid_ = false;
    if (rx_offset_ == 0) {
      rx_thread_ = model_->rx_thread_o;
      ASSERT_LT(rx_thread_, kThreads);
      ASSERT_TRUE(model_->thread_enable_i >> rx_thread_ & 1);
      ASSERT_EQ(threads_[rx_thread_].phase, Phase::kFree) << "thread " << rx_thread_;
      receiving_ = true;
    }
    rx_offset_ += 8;
    if (!model_->rx_last_i) {
      return;
    }
    Thread& t = threads_[rx_thread_];
    t.phase = Phase::kRunning;
    t.seq = next_seq_++;
    t.ifindex = static_cast<std::uint16_t>(to_send_.front().user);
    t.end.reset();
    t.asked = false;
    t.response.reset();
    t.ref.start(entry_, to_send_.front().bytes, to_send_.front().user);
    to_send_.pop_front();
    rx_offset_ = 0;
    receiving_ = false;
  }

  void note_times() {
    const auto rose = [&](bool now, bool& before, std::uint64_t& when) {
      if (now && !before) {
        when = cycle_;
      }
      before = now;
    };
    rose(model_->svc_valid_o, svc_before_, times.request);
    rose(model_->done_valid_o, done_before_, times.done);
    rose(model_->tx_valid_o, tx_before_, times.tx);
    if (model_->free_o > free_before_) {
      times.free = cycle_;
    }
    free_before_ = model_->free_o;
    if (model_->rsp_valid_i) {
      times.response = cycle_;
    }
    if (model_->release_valid_i && model_->release_ready_o) {
      times.release = cycle_;
    }
    if (model_->rx_valid_i && model_->rx_ready_o && model_->rx_last_i) {
      times.last_beat_in = cycle_;
    }
  }

  void check_retire() {
    if (!model_->retire_valid_o) {
      return;
    }
    ++retired;
    ASSERT_LT(model_->retire_thread_o, kThreads);
    Thread& t = threads_[model_->retire_thread_o];
    ASSERT_EQ(t.phase, Phase::kRunning);
    const std::uint16_t pc = t.ref.pc();
    ASSERT_EQ(model_->retire_pc_o, pc) << where();
    const std::uint64_t insn = pc < imem_.size() ? imem_[pc] : model_->retire_insn_o;
    ASSERT_EQ(model_->retire_insn_o, insn) << where();
    opcodes_seen.insert(static_cast<std::uint8_t>(insn));
    const bool asks = t.ref.request(insn).has_value();
    ASSERT_EQ(asks, t.response.has_value()) << where();
    const Step s = t.ref.step(insn, t.response.value_or(0), model_->retire_rd_data_o);
    t.response.reset();
    EXPECT_EQ(model_->retire_seq_o, t.seq) << where();
    EXPECT_EQ(model_->retire_next_pc_o, s.next_pc) << where();
    EXPECT_EQ(model_->retire_rd_we_o, s.rd_we) << where();
    if (s.rd_we) {
      EXPECT_EQ(model_->retire_rd_o, s.rd) << where();
      EXPECT_EQ(model_->retire_rd_data_o, s.rd_data) << where();
    }
    EXPECT_EQ(model_->retire_mem_we_o, s.mem_we) << where();
    EXPECT_EQ(model_->retire_mem_re_o, s.mem_re) << where();
    if (s.mem_we || s.mem_re) {
      EXPECT_EQ(model_->retire_mem_addr_o, s.addr) << where();
      EXPECT_EQ(model_->retire_mem_size_o, s.size) << where();
    }
    if (s.mem_we) {
      EXPECT_EQ(model_->retire_mem_data_o, s.data) << where();
    }
    EXPECT_EQ(model_->retire_exit_o, s.exit) << where();
    if (s.exit) {
      t.end = s;
      t.phase = Phase::kEnded;
    }
  }
  std::string where() const {
    char text[120];
    std::snprintf(text, sizeof text, "thread %u pc %u insn %016llx cycle %llu seed %u",
                  unsigned{model_->retire_thread_o}, unsigned{model_->retire_pc_o},
                  static_cast<unsigned long long>(model_->retire_insn_o),
                  static_cast<unsigned long long>(cycle_), seed_);
    return text;
  }

  // The handshake law: what is offered and not taken stays as it is.
  void check_held() {
    if (svc_held_) {
      EXPECT_TRUE(model_->svc_valid_o);
      EXPECT_EQ(model_->svc_data_o, svc_held_data_);
    }
    svc_held_ = model_->svc_valid_o && !model_->svc_ready_i;
    svc_held_data_ = model_->svc_data_o;
    if (tx_held_) {
      EXPECT_TRUE(model_->tx_valid_o);
      EXPECT_EQ(model_->tx_data_o, tx_held_data_);
    }
    tx_held_ = model_->tx_valid_o && !model_->tx_ready_i;
    tx_held_data_ = model_->tx_data_o;
    if (done_held_) {
      EXPECT_TRUE(model_->done_valid_o);
      EXPECT_EQ(model_->done_seq_o, done_held_seq_);
    }
    done_held_ = model_->done_valid_o && !model_->done_ready_i;
    done_held_seq_ = model_->done_seq_o;
  }

  void take_request() {
    if (!model_->svc_valid_o || !model_->svc_ready_i) {
      return;
    }
    if (keys_.empty()) {
      svc_thread_ = model_->svc_thread_o;
    }
    ASSERT_EQ(model_->svc_thread_o, svc_thread_) << "beats of two requests mixed";
    ASSERT_NE(model_->svc_key_o, model_->svc_last_o);
    if (model_->svc_key_o) {
      keys_.push_back(model_->svc_data_o);
      return;
    }
    ASSERT_LT(svc_thread_, kThreads);
    Thread& t = threads_[svc_thread_];
    ASSERT_EQ(t.phase, Phase::kRunning);
    ASSERT_FALSE(t.asked);
    const auto expected = t.ref.request(imem_[t.ref.pc()]);
    ASSERT_TRUE(expected.has_value());
    EXPECT_EQ(model_->svc_op_o, expected->op);
    EXPECT_EQ(model_->svc_addr_o, expected->addr);
    if (expected->op != kSvcLOAD) {
      EXPECT_EQ(model_->svc_data_o, expected->data);
    }
    if (expected->op <= kSvcATOMIC) {
      EXPECT_EQ(model_->svc_size_o, expected->size);
    }
    if (expected->op >= kSvcATOMIC) {
      EXPECT_EQ(model_->svc_imm_o, expected->imm);
    }
    EXPECT_EQ(keys_, expected->keys) << "thread " << svc_thread_ << " pc " << t.ref.pc();
    keys_.clear();
    t.asked = true;
    std::uint64_t answer = random_() | static_cast<std::uint64_t>(random_()) << 32;
    constexpr std::uint64_t kMasks[4] = {0xffff'ffff, 0xffff, 0xff, ~0ull};
    if (expected->op == kSvcLOAD || expected->op == kSvcATOMIC) {
      answer &= kMasks[expected->size];
    }
    const std::uint64_t due =
        cycle_ + 1 + std::uniform_int_distribution<unsigned>(0, weather.rsp_latency_max)(random_);
    responses_.emplace(due, std::pair(svc_thread_, answer));
  }

  void drive_response() {
    model_->rsp_valid_i = 0;
    model_->rsp_data_i = random_();
    if (responses_.empty() || responses_.begin()->first > cycle_) {
      return;
    }
    const auto [thread, answer] = responses_.begin()->second;
    responses_.erase(responses_.begin());
    model_->rsp_valid_i = 1;
    model_->rsp_thread_i = static_cast<std::uint8_t>(thread);
    model_->rsp_data_i = answer;
    threads_[thread].asked = false;
    threads_[thread].response = answer;
  }

  void take_done() {
    if (!model_->done_valid_o || !model_->done_ready_i) {
      return;
    }
    const unsigned thread = model_->done_thread_o;
    ASSERT_LT(thread, kThreads);
    Thread& t = threads_[thread];
    ASSERT_EQ(t.phase, Phase::kEnded);
    t.phase = Phase::kReported;
    EXPECT_EQ(model_->done_seq_o, t.seq);
    EXPECT_EQ(model_->done_code_o, t.end->code);
    EXPECT_EQ(model_->done_trap_o, t.end->trap);
    EXPECT_EQ(model_->done_insns_o, t.ref.insns());
    EXPECT_EQ(model_->done_ifindex_o, t.ifindex);
    EXPECT_EQ(model_->done_redirect_o, t.ref.context_word(24));
    EXPECT_EQ(model_->done_redirect_map_o, t.ref.context_word(28));
    EXPECT_LT(model_->done_start_o, model_->done_end_o);
    EXPECT_LE(model_->done_end_o, cycle_);
    if (outcomes.size() <= t.seq) {
      outcomes.resize(t.seq + 1);
    }
    outcomes[t.seq] = {thread,
                       model_->done_code_o,
                       model_->done_trap_o,
                       model_->done_insns_o,
                       model_->done_start_o,
                       model_->done_end_o,
                       {}};
    const std::uint64_t due =
        cycle_ + 1 + std::uniform_int_distribution<unsigned>(0, weather.release_delay_max)(random_);
    releases_.emplace(due, thread);
  }

  void drive_release() {
    if (release_taken_) {
      model_->release_valid_i = 0;
      release_taken_ = false;
    }
    if (!model_->release_valid_i && !releases_.empty() && releases_.begin()->first <= cycle_) {
      model_->release_valid_i = 1;
      model_->release_thread_i = static_cast<std::uint8_t>(releases_.begin()->second);
      model_->release_send_i = chance(weather.send);
      releases_.erase(releases_.begin());
    }
  }

  void take_release() {
    if (!model_->release_valid_i || !model_->release_ready_o) {
      return;
    }
    release_taken_ = true;
    Thread& t = threads_[model_->release_thread_i];
    ASSERT_EQ(t.phase, Phase::kReported);
    // Free for the bench at once: the core says when the next frame comes.
    t.phase = Phase::kFree;
    if (model_->release_send_i) {
      expected_.push_back({t.seq, t.ref.frame()});
    }
  }

  void take_tx() {
    if (!model_->tx_valid_o || !model_->tx_ready_i) {
      return;
    }
    ASSERT_FALSE(expected_.empty()) << "a frame nobody asked for";
    for (unsigned k = 0; k < 8; ++k) {
      if (model_->tx_keep_o >> k & 1) {
        sent_.push_back(static_cast<std::uint8_t>(model_->tx_data_o >> 8 * k));
      }
    }
    ASSERT_EQ(model_->tx_keep_o & (model_->tx_keep_o + 1), 0) << "keep has a gap";
    if (!model_->tx_last_o) {
      ASSERT_EQ(model_->tx_keep_o, 0xff);
      return;
    }
    EXPECT_EQ(sent_, expected_.front().second);
    outcomes[expected_.front().first].frame = sent_;
    expected_.pop_front();
    sent_.clear();
  }

  std::uint32_t seed_;
  std::mt19937 random_;
  VerilatedContext context_;
  std::unique_ptr<Model> model_;
  std::uint64_t cycle_ = 0;
  std::vector<std::uint64_t> imem_;
  std::uint16_t entry_ = 0;
  std::vector<Thread> threads_;
  std::deque<Frame> to_send_;
  std::uint32_t next_seq_ = 0;
  std::size_t rx_offset_ = 0;
  unsigned rx_thread_ = 0;
  bool rx_valid_ = false;
  bool receiving_ = false;
  bool release_taken_ = false;
  unsigned svc_thread_ = 0;
  std::vector<std::uint64_t> keys_;
  std::multimap<std::uint64_t, std::pair<unsigned, std::uint64_t>> responses_;
  std::multimap<std::uint64_t, unsigned> releases_;
  std::deque<std::pair<std::uint32_t, std::vector<std::uint8_t>>> expected_;
  std::vector<std::uint8_t> sent_;
  bool svc_held_ = false, tx_held_ = false, done_held_ = false;
  std::uint64_t svc_held_data_ = 0, tx_held_data_ = 0;
  std::uint32_t done_held_seq_ = 0;
  bool svc_before_ = false, done_before_ = false, tx_before_ = false;
  unsigned free_before_ = 0;
};

}  // namespace kiln::core_test
