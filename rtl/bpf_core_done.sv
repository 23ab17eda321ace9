// SPDX-License-Identifier: Apache-2.0
//
// Reports finished frames: takes the ends that writeback sees in order, reads the redirect words
// from the thread's context, adds what is kept of the frame since it came, and offers the record. A
// thread that goes to the host is passed to bpf_core_handout instead; its end comes from bpf_core_return.
//
// Latency:     7 cycles from EXIT in stage wb to done_valid_o when idle.
// Throughput:  one frame in 6 cycles.
// Handshake:   done_* hold until done_ready_i.
// Reset:       nothing to report.

module bpf_core_done #(
  parameter int Threads = 8,
  localparam int TW = $clog2(Threads)
) (
  input  logic          clk_i,
  input  logic          rst_ni,
  input  logic [31:0]   cycle_i,
  // from bpf_core_rx: first beat of a frame
  input  logic          claim_valid_i,
  input  logic [TW-1:0] claim_thread_i,
  input  logic [31:0]   claim_seq_i,
  input  logic [15:0]   claim_ifindex_i,
  // from bpf_core_sched: first issue of a frame
  input  logic          issue_valid_i,
  input  logic [TW-1:0] issue_thread_i,
  // from bpf_core_writeback
  input  logic          wb_end_i,
  input  logic [TW-1:0] wb_thread_i,
  input  logic [31:0]   wb_code_i,
  input  logic [7:0]    wb_trap_i,
  input  logic [31:0]   wb_insns_i,
  // from bpf_core_return: an end that the host has found; ready while writeback has none
  input  logic          ret_valid_i,
  output logic          ret_ready_o,
  input  logic [TW-1:0] ret_thread_i,
  input  logic [31:0]   ret_code_i,
  input  logic [31:0]   ret_insns_i,
  // to bpf_core_handout; thread, frame, start and instructions are those of the record
  output logic          hand_valid_o,
  input  logic          hand_ready_i,
  // context memory; data 3 cycles after the grant
  output logic          local_req_o,
  input  logic          local_gnt_i,
  output logic [TW+6:0] local_row_o,
  input  logic [63:0]   local_rdata_i,
  // record
  output logic          done_valid_o,
  input  logic          done_ready_i,
  output logic [7:0]    done_thread_o,
  output logic [31:0]   done_seq_o,
  output logic [31:0]   done_code_o,
  output logic [31:0]   done_redirect_o,
  output logic [31:0]   done_redirect_map_o,
  output logic [15:0]   done_ifindex_o,
  output logic [7:0]    done_trap_o,
  output logic [31:0]   done_start_o,
  output logic [31:0]   done_end_o,
  output logic [31:0]   done_insns_o
);

  typedef enum logic [1:0] {StIdle, StWait, StOffer} state_e;
  state_e state_q;
  logic [1:0] wait_q;

  logic head_valid, pop;
  logic [TW-1:0] head_thread;
  bpf_core_queue #(.Width(TW + 32 + 8 + 32 + 32), .Depth(Threads)) u_ends (
    .clk_i,
    .rst_ni,
    .push_i (wb_end_i || ret_valid_i),
    .data_i (wb_end_i ? {wb_thread_i, wb_code_i, wb_trap_i, wb_insns_i, cycle_i}
                      : {ret_thread_i, ret_code_i, 8'd0, ret_insns_i, cycle_i}),
    .valid_o(head_valid),
    .data_o ({head_thread, done_code_o, done_trap_o, done_insns_o, done_end_o}),
    .pop_i  (pop)
  );

  bpf_core_lutram #(.Width(48), .Depth(Threads)) u_frame (
    .clk_i,
    .we_i   (claim_valid_i),
    .waddr_i(claim_thread_i),
    .wdata_i({claim_seq_i, claim_ifindex_i}),
    .raddr_i(head_thread),
    .rdata_o({done_seq_o, done_ifindex_o})
  );

  bpf_core_lutram #(.Width(32), .Depth(Threads)) u_start (
    .clk_i,
    .we_i   (issue_valid_i),
    .waddr_i(issue_thread_i),
    .wdata_i(cycle_i),
    .raddr_i(head_thread),
    .rdata_o(done_start_o)
  );

  localparam logic [6:0] ROW = bpf_addr_pkg::CTX_REDIRECT[9:3];
  logic to_host;
  assign to_host       = done_trap_o == bpf_isa_pkg::TRAP_HANDOVER;
  assign ret_ready_o   = !wb_end_i;
  assign hand_valid_o  = state_q == StIdle && head_valid && to_host;
  assign local_req_o   = state_q == StIdle && head_valid && !to_host;
  assign local_row_o   = {head_thread, ROW};
  assign done_valid_o  = state_q == StOffer;
  assign done_thread_o = 8'(head_thread);
  assign pop           = (done_valid_o && done_ready_i) || (hand_valid_o && hand_ready_i);

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q <= StIdle;
    end else begin
      case (state_q)
        StIdle:  if (local_req_o && local_gnt_i) state_q <= StWait;
        StWait:  if (wait_q == 2'd2) state_q <= StOffer;
        default: if (done_ready_i) state_q <= StIdle;
      endcase
    end
    wait_q <= (state_q == StWait) ? wait_q + 2'd1 : 2'd0;
    if (state_q == StWait) {done_redirect_map_o, done_redirect_o} <= local_rdata_i;
  end

endmodule
