// SPDX-License-Identifier: Apache-2.0
//
// Block RAM with two ports that each read or write in a cycle, generic form. The two ports must not
// meet at one address in one cycle when either writes: what is then read or kept is undefined.
//
// Latency:     2 cycles from address to data (array, output register).
// Throughput:  one access per port and cycle; a port that writes reads nothing in that cycle.

module bpf_core_dpram #(
  parameter int Width = 8,    // bits a word
  parameter int Depth = 1024  // words, power of two
) (
  input  logic                     clk_i,
  // port a
  input  logic                     a_we_i,
  input  logic [$clog2(Depth)-1:0] a_addr_i,
  input  logic [Width-1:0]         a_wdata_i,
  output logic [Width-1:0]         a_rdata_o,
  // port b
  input  logic                     b_we_i,
  input  logic [$clog2(Depth)-1:0] b_addr_i,
  input  logic [Width-1:0]         b_wdata_i,
  output logic [Width-1:0]         b_rdata_o
);

  (* ram_style = "block", no_rw_check *) logic [Width-1:0] mem [Depth];
  logic [Width-1:0] a_array_q, b_array_q;

  always_ff @(posedge clk_i) begin
    if (a_we_i) mem[a_addr_i] <= a_wdata_i;
    else a_array_q <= mem[a_addr_i];
    a_rdata_o <= a_array_q;
  end

  always_ff @(posedge clk_i) begin
    if (b_we_i) mem[b_addr_i] <= b_wdata_i;
    else b_array_q <= mem[b_addr_i];
    b_rdata_o <= b_array_q;
  end

endmodule
