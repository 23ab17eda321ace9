// SPDX-License-Identifier: Apache-2.0
//
// Small synchronous FIFO whose front is visible without a read cycle (distributed memory). Not for
// deep storage: bpf_rx_fifo keeps frames in block memory.
//
// Latency:     1 cycle from in_valid_i to out_valid_o when empty.
// Throughput:  1 beat per cycle, also when full beats leave and enter in turn.
// Handshake:   in_ready_o is low exactly when Depth beats are held; both sides are registered.
// Reset:       rst_ni clears the pointers; memory is not reset.
module bpf_fifo #(
  parameter int Width = 64,  // bits of a beat
  parameter int Depth = 4    // beats, power of two >= 2
) (
  input  logic                   clk_i,
  input  logic                   rst_ni,
  // producer
  input  logic                   in_valid_i,
  output logic                   in_ready_o,
  input  logic [Width-1:0]       in_data_i,
  // consumer
  output logic                   out_valid_o,
  input  logic                   out_ready_i,
  output logic [Width-1:0]       out_data_o,
  // beats held
  output logic [$clog2(Depth):0] count_o
);
  localparam int AddrBits = $clog2(Depth);
  logic [Width-1:0]    mem [0:Depth-1];
  logic [AddrBits-1:0] wr_q, rd_q;
  logic [AddrBits:0]   count_q;
  logic                push, pop;

  assign in_ready_o  = count_q != (AddrBits + 1)'(Depth);
  assign out_valid_o = count_q != '0;
  assign out_data_o  = mem[rd_q];
  assign count_o     = count_q;
  assign push        = in_valid_i && in_ready_o;
  assign pop         = out_valid_o && out_ready_i;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      wr_q    <= '0;
      rd_q    <= '0;
      count_q <= '0;
    end else begin
      if (push) wr_q <= wr_q + 1'b1;
      if (pop) rd_q <= rd_q + 1'b1;
      if (push && !pop) count_q <= count_q + 1'b1;
      if (pop && !push) count_q <= count_q - 1'b1;
    end
    if (push) mem[wr_q] <= in_data_i;
  end

`ifndef SYNTHESIS
  initial if (Depth < 2 || (1 << AddrBits) != Depth) $fatal(1, "%m: Depth must be a power of two");
`endif
endmodule
