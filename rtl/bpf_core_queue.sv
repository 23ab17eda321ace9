// SPDX-License-Identifier: Apache-2.0
//
// First-in first-out queue for what can never overflow: a thread has at most one request, exit or
// release under way, so Depth = Threads is enough and push has no ready. Words lie in LUT memory.
//
// Latency:     1 cycle from push_i to valid_o when empty.
// Throughput:  one push and one pop per cycle.
// Handshake:   valid_o/data_o hold until pop_i; pop_i only while valid_o.
// Reset:       rst_ni clears the pointers.

module bpf_core_queue #(
  parameter int Width = 32,  // bits a word
  parameter int Depth = 8    // words, power of two
) (
  input  logic             clk_i,
  input  logic             rst_ni,
  input  logic             push_i,
  input  logic [Width-1:0] data_i,
  output logic             valid_o,
  output logic [Width-1:0] data_o,
  input  logic             pop_i
);

  localparam int AW = $clog2(Depth);
  logic [AW:0] wr_q, rd_q;

  bpf_core_lutram #(.Width(Width), .Depth(Depth)) u_mem (
    .clk_i,
    .we_i   (push_i),
    .waddr_i(wr_q[AW-1:0]),
    .wdata_i(data_i),
    .raddr_i(rd_q[AW-1:0]),
    .rdata_o(data_o)
  );

  assign valid_o = wr_q != rd_q;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      wr_q <= '0;
      rd_q <= '0;
    end else begin
      if (push_i) wr_q <= wr_q + 1'b1;
      if (pop_i) rd_q <= rd_q + 1'b1;
    end
  end

  `include "bpf_assert.svh"
  `BPF_ASSERT(PushOnlyWithRoom, !push_i || wr_q != {~rd_q[AW], rd_q[AW-1:0]})
  `BPF_ASSERT(PopOnlyWhenValid, !pop_i || valid_o)

endmodule
