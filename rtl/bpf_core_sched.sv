// SPDX-License-Identifier: Apache-2.0
//
// Picks the thread that issues next: round robin over the threads that are ready, i.e. run a frame,
// are not in the pipeline and do not wait for a response. None ready: no issue in that cycle.
//
//   start (frame received) --+
//   again (stage x1: went on) +--> ready --pick--> stage pc
//   wake  (response stored) --+
//
// A thread picked in cycle n says `again` in n + 7 (stage x1) and can be picked in n + 8.
// `first` marks the first issue of a frame, `complete` an issue whose response has been stored.
// Reset:       no thread is ready.

module bpf_core_sched #(
  parameter int Threads = 8,  // 8 or 16
  localparam int TW = $clog2(Threads)
) (
  input  logic          clk_i,
  input  logic          rst_ni,
  // what makes a thread ready
  input  logic          start_valid_i,
  input  logic [TW-1:0] start_thread_i,
  input  logic          again_valid_i,
  input  logic [TW-1:0] again_thread_i,
  input  logic          wake_valid_i,
  input  logic [TW-1:0] wake_thread_i,
  // to fetch, stage pc
  output logic          pc_valid_o,
  output logic [TW-1:0] pc_thread_o,
  output logic          pc_first_o,
  output logic          pc_complete_o
);

  logic [Threads-1:0] ready_q, ready_d, above_q, above_d, first_q, complete_q;
  logic [Threads-1:0] ahead, from, grant, start_hot, again_hot, wake_hot, issue_hot;
  logic [TW-1:0] thread_d, thread_q;
  logic valid_q;

  // Those above the last one picked come first; the lowest of them, by its lowest set bit.
  assign ahead = ready_q & above_q;
  assign from  = (ahead != '0) ? ahead : ready_q;
  assign grant = from & (~from + 1'b1);

  always_comb begin
    thread_d = '0;
    for (int t = 0; t < Threads; t++) begin
      if (grant[t]) thread_d = thread_d | TW'(t);
    end
    above_d = (grant != '0) ? ~(grant | (grant - 1'b1)) : above_q;
    for (int t = 0; t < Threads; t++) begin
      start_hot[t] = start_valid_i && start_thread_i == TW'(t);
      again_hot[t] = again_valid_i && again_thread_i == TW'(t);
      wake_hot[t]  = wake_valid_i && wake_thread_i == TW'(t);
      issue_hot[t] = valid_q && thread_q == TW'(t);
    end
    ready_d = (ready_q & ~grant) | start_hot | again_hot | wake_hot;
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      ready_q    <= '0;
      above_q    <= '0;
      valid_q    <= 1'b0;
      first_q    <= '0;
      complete_q <= '0;
    end else begin
      ready_q    <= ready_d;
      above_q    <= above_d;
      valid_q    <= ready_q != '0;
      first_q    <= (first_q & ~issue_hot) | start_hot;
      complete_q <= (complete_q & ~issue_hot) | wake_hot;
    end
    thread_q <= thread_d;
  end

  assign pc_valid_o    = valid_q;
  assign pc_thread_o   = thread_q;
  assign pc_first_o    = first_q[thread_q];
  assign pc_complete_o = complete_q[thread_q];

  `include "bpf_assert.svh"
  `BPF_ASSERT(ReadyOnceAtATime, (ready_q & (start_hot | again_hot | wake_hot)) == '0)

endmodule
