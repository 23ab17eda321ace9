// SPDX-License-Identifier: Apache-2.0
//
// 16 registers of 64 bits for each thread: two reads and one write a cycle, as two copies of a
// block RAM. No forwarding: a thread's result is written before its next instruction reads
// (bpf_core).
//
// Latency:     2 cycles from numbers (stage id) to values (stage op).

module bpf_core_regfile #(
  parameter int Threads = 8,
  localparam int AW = $clog2(Threads) + 4
) (
  input  logic          clk_i,
  input  logic [AW-1:0] a_addr_i,
  output logic [63:0]   a_data_o,
  input  logic [AW-1:0] b_addr_i,
  output logic [63:0]   b_data_o,
  input  logic          we_i,
  input  logic [AW-1:0] waddr_i,
  input  logic [63:0]   wdata_i
);

  bpf_core_bram #(.Width(64), .Depth(16 * Threads), .OutReg(1)) u_a (
    .clk_i,
    .we_i,
    .waddr_i,
    .wdata_i,
    .raddr_i(a_addr_i),
    .rdata_o(a_data_o)
  );

  bpf_core_bram #(.Width(64), .Depth(16 * Threads), .OutReg(1)) u_b (
    .clk_i,
    .we_i,
    .waddr_i,
    .wdata_i,
    .raddr_i(b_addr_i),
    .rdata_o(b_data_o)
  );

endmodule
