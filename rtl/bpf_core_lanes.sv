// SPDX-License-Identifier: Apache-2.0
//
// Eight byte-wide RAMs side by side, two ports. A row is 8 bytes, one in each lane. An access that
// starts in lane `off` takes its first bytes from `row` and those of the lanes below `off` from
// `next`, so up to 8 bytes at any address are one access. Bytes stay in their lanes: the users
// rotate.
//
// Latency:     2 cycles from row to data, per port. Port b: 3, it has a register in front.

module bpf_core_lanes #(
  parameter int Rows = 512,  // power of two
  localparam int RW = $clog2(Rows)
) (
  input  logic          clk_i,
  // port a, the pipeline
  input  logic [7:0]    a_we_i,
  input  logic [RW-1:0] a_row_i,
  input  logic [RW-1:0] a_next_i,
  input  logic [2:0]    a_off_i,
  input  logic [63:0]   a_wdata_i,
  output logic [63:0]   a_rdata_o,
  // port b, packet input and output
  input  logic [7:0]    b_we_i,
  input  logic [RW-1:0] b_row_i,
  input  logic [RW-1:0] b_next_i,
  input  logic [2:0]    b_off_i,
  input  logic [63:0]   b_wdata_i,
  output logic [63:0]   b_rdata_o
);

  for (genvar l = 0; l < 8; l++) begin : gen_lane
    logic a_wraps, b_wraps;
    assign a_wraps = {1'b0, a_off_i} > 4'(l);
    assign b_wraps = {1'b0, b_off_i} > 4'(l);
    logic          b_we_q;
    logic [RW-1:0] b_row_q;
    logic [7:0]    b_wdata_q;
    always_ff @(posedge clk_i) begin
      b_we_q    <= b_we_i[l];
      b_row_q   <= b_wraps ? b_next_i : b_row_i;
      b_wdata_q <= b_wdata_i[8*l+:8];
    end

    bpf_core_dpram #(.Width(8), .Depth(Rows)) u_ram (
      .clk_i,
      .a_we_i   (a_we_i[l]),
      .a_addr_i (a_wraps ? a_next_i : a_row_i),
      .a_wdata_i(a_wdata_i[8*l+:8]),
      .a_rdata_o(a_rdata_o[8*l+:8]),
      .b_we_i   (b_we_q),
      .b_addr_i (b_row_q),
      .b_wdata_i(b_wdata_q),
      .b_rdata_o(b_rdata_o[8*l+:8])
    );
  end

endmodule
