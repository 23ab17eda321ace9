// SPDX-License-Identifier: Apache-2.0
//
// Memory of the threads: packet windows, and stack plus context. Loads and stores of the pipeline
// on port a, packet input and output on port b.
//
//   x1: lanes, rotate what is stored   x2: array   x3: choose region, rotate   x4: cut, extend
//
// A thread reaches its own regions only: the thread number is part of every row, and addresses wrap
// inside the region. Bit 28 and 29 of the address choose: 11 packet, 10 stack, otherwise context.
// Rows: packet {thread, row}; stack and context {thread, is stack, row}.
// Latency:     3 cycles from x1 to x4_data_o (combinational behind a register, for the result mux).

module bpf_core_mem #(
  parameter int Threads     = 8,
  parameter int WindowBytes = 4096,
  localparam int TW = $clog2(Threads),
  localparam int WW = $clog2(WindowBytes),
  localparam int PR = TW + WW - 3,  // bits of a packet row
  localparam int LR = TW + 7        // bits of a stack or context row
) (
  input  logic          clk_i,
  // from bpf_core_operands and bpf_core
  input  logic          x1_store_i,   // a valid store to a region of the thread
  input  logic [TW-1:0] x1_thread_i,
  input  logic [31:0]   x1_addr_i,
  input  logic [WW-1:0] x1_next_i,    // x1_addr_i + 8
  input  logic [3:0]    x1_bytes_i,   // 1..8
  input  logic          x1_sext_i,
  input  logic [63:0]   x1_data_i,
  // to bpf_core_writeback
  output logic [63:0]   x4_data_o,
  // to bpf_core_scrub: stack lines of 64 bytes that the store in x2 touches
  output logic          x2_dirty_o,
  output logic          x2_dirty_two_o,  // also the following one
  output logic [TW-1:0] x2_dirty_thread_o,
  output logic [2:0]    x2_dirty_line_o,
  // packet input and output: windows
  input  logic [7:0]    pkt_we_i,
  input  logic [TW-1:0] pkt_thread_i,
  input  logic [WW-1:0] pkt_addr_i,
  input  logic [63:0]   pkt_wdata_i,
  output logic [63:0]   pkt_rdata_o,  // 3 cycles later, bytes in their lanes
  // packet input and output: stack and context, whole rows
  input  logic          loc_we_i,
  input  logic [LR-1:0] loc_row_i,
  input  logic [63:0]   loc_wdata_i,
  output logic [63:0]   loc_rdata_o   // 3 cycles later
);

  logic [63:0] wdata_x1, pkt_x3, loc_x3, raw_x3, rotated_x3, data_x4_q;
  logic [7:0] lanes_x1, we_x1;
  logic packet_x1, stack_x1;
  logic [2:0] off_x1, off_x2_q, off_x3_q;
  logic packet_x2_q, packet_x3_q, sext_x2_q, sext_x3_q, sext_x4_q;
  logic [3:0] bytes_x2_q, bytes_x3_q;
  logic [7:0] keep_x4_q;
  logic [2:0] width_x4_q;

  assign packet_x1 = x1_addr_i[29] && x1_addr_i[28];
  assign stack_x1  = x1_addr_i[29] && !x1_addr_i[28];
  assign off_x1    = x1_addr_i[2:0];

  // Stored byte k goes to lane (k + off) mod 8.
  bpf_core_rotate u_rotate_in (
    .data_i  (x1_data_i),
    .amount_i(3'd0 - off_x1),
    .data_o  (wdata_x1)
  );
  always_comb begin
    for (int l = 0; l < 8; l++) lanes_x1[l] = {1'b0, 3'(l) - off_x1} < x1_bytes_i;
    we_x1 = x1_store_i ? lanes_x1 : '0;
  end

  logic [2:0] pkt_off;
  assign pkt_off = pkt_addr_i[2:0];
  logic [WW-4:0] pkt_row, pkt_next;
  assign pkt_row  = pkt_addr_i[WW-1:3];
  assign pkt_next = pkt_row + 1'b1;

  bpf_core_lanes #(.Rows(1 << PR)) u_packet (
    .clk_i,
    .a_we_i   (packet_x1 ? we_x1 : 8'd0),
    .a_row_i  ({x1_thread_i, x1_addr_i[WW-1:3]}),
    .a_next_i ({x1_thread_i, x1_next_i[WW-1:3]}),
    .a_off_i  (off_x1),
    .a_wdata_i(wdata_x1),
    .a_rdata_o(pkt_x3),
    .b_we_i   (pkt_we_i),
    .b_row_i  ({pkt_thread_i, pkt_row}),
    .b_next_i ({pkt_thread_i, pkt_next}),
    .b_off_i  (pkt_off),
    .b_wdata_i(pkt_wdata_i),
    .b_rdata_o(pkt_rdata_o)
  );

  bpf_core_lanes #(.Rows(1 << LR)) u_local (
    .clk_i,
    .a_we_i   (packet_x1 ? 8'd0 : we_x1),
    .a_row_i  ({x1_thread_i, x1_addr_i[29], x1_addr_i[8:3]}),
    .a_next_i ({x1_thread_i, x1_addr_i[29], x1_next_i[8:3]}),
    .a_off_i  (off_x1),
    .a_wdata_i(wdata_x1),
    .a_rdata_o(loc_x3),
    .b_we_i   ({8{loc_we_i}}),
    .b_row_i  (loc_row_i),
    .b_next_i (loc_row_i),
    .b_off_i  (3'd0),
    .b_wdata_i(loc_wdata_i),
    .b_rdata_o(loc_rdata_o)
  );

  assign raw_x3 = packet_x3_q ? pkt_x3 : loc_x3;
  bpf_core_rotate u_rotate_out (
    .data_i  (raw_x3),
    .amount_i(off_x3_q),
    .data_o  (rotated_x3)
  );

  // Stage x4: bytes beyond the width become zero or copies of the sign.
  logic sign_x4;
  always_comb begin
    sign_x4 = sext_x4_q && ((width_x4_q[0] && data_x4_q[7]) || (width_x4_q[1] && data_x4_q[15]) ||
                            (width_x4_q[2] && data_x4_q[31]));
    for (int k = 0; k < 8; k++) begin
      x4_data_o[8*k+:8] = keep_x4_q[k] ? data_x4_q[8*k+:8] : {8{sign_x4}};
    end
  end

  always_ff @(posedge clk_i) begin
    off_x2_q    <= off_x1;
    packet_x2_q <= packet_x1;
    sext_x2_q   <= x1_sext_i;
    bytes_x2_q  <= x1_bytes_i;
    off_x3_q    <= off_x2_q;
    packet_x3_q <= packet_x2_q;
    sext_x3_q   <= sext_x2_q;
    bytes_x3_q  <= bytes_x2_q;
    sext_x4_q   <= sext_x3_q;
    width_x4_q  <= {bytes_x3_q == 4'd4, bytes_x3_q == 4'd2, bytes_x3_q == 4'd1};
    for (int k = 0; k < 8; k++) keep_x4_q[k] <= 4'(k) < bytes_x3_q;
    data_x4_q   <= rotated_x3;

    x2_dirty_o        <= x1_store_i && stack_x1;
    x2_dirty_two_o    <= {2'b0, x1_addr_i[5:0]} + {4'd0, x1_bytes_i} > 8'd64;
    x2_dirty_thread_o <= x1_thread_i;
    x2_dirty_line_o   <= x1_addr_i[8:6];
  end

  logic unused_ok;
  assign unused_ok = &{1'b0, x1_addr_i, x1_next_i};

endmodule
