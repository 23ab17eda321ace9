// SPDX-License-Identifier: Apache-2.0
//
// Block memory with one write port and one read port on the same clock. Reading a word in the cycle
// that writes it is not defined: users keep their pointers apart.
//
// Latency:     rd_data_o is valid the cycle after rd_en_i and holds until the next one.
// Reset:       none; contents start undefined.
module bpf_ram_sdp #(
  parameter int Width = 64,  // bits of a word
  parameter int Depth = 512  // words, power of two
) (
  input  logic                     clk_i,
  input  logic                     wr_en_i,
  input  logic [$clog2(Depth)-1:0] wr_addr_i,
  input  logic [Width-1:0]         wr_data_i,
  input  logic                     rd_en_i,
  input  logic [$clog2(Depth)-1:0] rd_addr_i,
  output logic [Width-1:0]         rd_data_o
);
  logic [Width-1:0] mem [0:Depth-1];
  logic [Width-1:0] rd_data_q;

  assign rd_data_o = rd_data_q;

  always_ff @(posedge clk_i) begin
    if (wr_en_i) mem[wr_addr_i] <= wr_data_i;
    if (rd_en_i) rd_data_q <= mem[rd_addr_i];
  end
endmodule
