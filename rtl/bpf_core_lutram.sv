// SPDX-License-Identifier: Apache-2.0
//
// Small memory in LUTs: one write port, one read port without a register. Contents at start are
// whatever they are. A word written in this cycle is read from the next one on.
//
// Latency:     none for reads; writes at the clock edge.

module bpf_core_lutram #(
  parameter int Width = 32,  // bits a word
  parameter int Depth = 16   // words, power of two
) (
  input  logic                     clk_i,
  input  logic                     we_i,
  input  logic [$clog2(Depth)-1:0] waddr_i,
  input  logic [Width-1:0]         wdata_i,
  input  logic [$clog2(Depth)-1:0] raddr_i,
  output logic [Width-1:0]         rdata_o
);

  (* ram_style = "distributed" *) logic [Width-1:0] mem [Depth];

  always_ff @(posedge clk_i) begin
    if (we_i) mem[waddr_i] <= wdata_i;
  end
  assign rdata_o = mem[raddr_i];

endmodule
