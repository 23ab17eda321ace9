// SPDX-License-Identifier: Apache-2.0
//
// The NIC's 64-bit counters, in the order of the registers from RX_FRAMES_LO on. They count events
// that other modules signal for one cycle; nothing clears them but reset.
//
// Latency:     a counter shows an event two cycles later.
module bpf_counters (
  input  logic             clk_i,
  input  logic             rst_ni,
  // receive FIFO
  input  logic             rx_frame_i,
  input  logic             rx_full_i,
  input  logic             rx_long_i,
  // reorder: a frame leaves
  input  logic             verdict_valid_i,
  input  logic [31:0]      verdict_code_i,
  input  logic             verdict_trap_i,
  input  logic [31:0]      verdict_insns_i,
  // host queue: a thread was handed over
  input  logic             handover_i,
  output logic [13*64-1:0] counters_o
);
  localparam int Counters = 13;
  logic [Counters-1:0]    event_q, event_d;
  logic [Counters*64-1:0] counters_q;
  logic [31:0]            insns_q;

  always_comb begin
    event_d     = '0;
    event_d[0]  = rx_frame_i;
    event_d[1]  = rx_full_i;
    event_d[2]  = rx_long_i;
    event_d[4]  = verdict_valid_i && (verdict_code_i == 32'd0 || verdict_code_i > 32'd4);
    event_d[5]  = verdict_valid_i && verdict_code_i == 32'd1;
    event_d[6]  = verdict_valid_i && verdict_code_i == 32'd2;
    event_d[7]  = verdict_valid_i && verdict_code_i == 32'd3;
    event_d[8]  = verdict_valid_i && verdict_code_i == 32'd4;
    event_d[9]  = verdict_valid_i && verdict_trap_i;
    event_d[10] = 1'b1;  // cycles
    event_d[11] = verdict_valid_i;
    event_d[12] = handover_i;
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) event_q <= '0;
    else event_q <= event_d;
    insns_q <= verdict_insns_i;
    for (int i = 0; i < Counters; i++) begin
      if (!rst_ni) counters_q[64*i +: 64] <= '0;
      else if (event_q[i]) begin
        counters_q[64*i +: 64] <= counters_q[64*i +: 64] + ((i == 11) ? 64'(insns_q) : 64'd1);
      end
    end
  end

  assign counters_o = counters_q;
endmodule
