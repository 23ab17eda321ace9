// SPDX-License-Identifier: Apache-2.0
//
// Two-beat skid buffer: registers valid, ready and data in both directions.
//
// Latency:     1 cycle from in_valid_i to out_valid_o when empty.
// Throughput:  1 beat per cycle, no bubble.
// Handshake:   in_ready_o comes from a register; out data is stable while valid && !ready.
// Reset:       rst_ni clears the two occupancy bits; data registers are not reset.
module bpf_skid #(
  parameter int Width = 64  // bits of a beat, >= 1
) (
  input  logic             clk_i,
  input  logic             rst_ni,
  // producer
  input  logic             in_valid_i,
  output logic             in_ready_o,
  input  logic [Width-1:0] in_data_i,
  // consumer
  output logic             out_valid_o,
  input  logic             out_ready_i,
  output logic [Width-1:0] out_data_o
);
  logic             out_valid_q, held_q;
  logic [Width-1:0] out_data_q, held_data_q;
  logic             out_move;

  assign in_ready_o  = !held_q;
  assign out_valid_o = out_valid_q;
  assign out_data_o  = out_data_q;
  assign out_move    = !out_valid_q || out_ready_i;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      out_valid_q <= 1'b0;
      held_q      <= 1'b0;
    end else begin
      if (out_move) out_valid_q <= held_q || in_valid_i;
      held_q <= !out_move && (held_q || in_valid_i);
    end
    if (out_move) out_data_q <= held_q ? held_data_q : in_data_i;
    if (!held_q) held_data_q <= in_data_i;
  end
endmodule
