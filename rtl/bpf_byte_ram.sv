// SPDX-License-Identifier: Apache-2.0
//
// One byte lane of map memory: true dual-port block memory. In one cycle a port reads or writes. The
// two ports may not touch the same byte in the same cycle when one of them writes.
//
// Latency:     the byte read is valid the cycle after, and holds while the port writes.
// Reset:       none.
module bpf_byte_ram #(
  parameter int Depth = 1024  // bytes, power of two
) (
  input  logic                     clk_i,
  input  logic                     a_we_i,
  input  logic [$clog2(Depth)-1:0] a_addr_i,
  input  logic [7:0]               a_data_i,
  output logic [7:0]               a_data_o,
  input  logic                     b_we_i,
  input  logic [$clog2(Depth)-1:0] b_addr_i,
  input  logic [7:0]               b_data_i,
  output logic [7:0]               b_data_o
);
  logic [7:0] mem [0:Depth-1];
  logic [7:0] a_q, b_q;

  assign a_data_o = a_q;
  assign b_data_o = b_q;

  always_ff @(posedge clk_i) begin
    if (a_we_i) mem[a_addr_i] <= a_data_i;
    else a_q <= mem[a_addr_i];
  end

  always_ff @(posedge clk_i) begin
    if (b_we_i) mem[b_addr_i] <= b_data_i;
    else b_q <= mem[b_addr_i];
  end
endmodule
