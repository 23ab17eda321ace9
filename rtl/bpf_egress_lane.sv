// SPDX-License-Identifier: Apache-2.0
//
// One core's exit: gathers the core's 64-bit beats into stream beats, and when the stream is wide
// holds up to a frame, so that several cores can hand over frames at once.
//
// Latency:     2 cycles for a full beat.
// Throughput:  8 bytes per cycle in; 1 beat per cycle out when gathered.
// Handshake:   tx_ready_o comes from a register; out data is stable while valid && !ready.
// Reset:       rst_ni empties it.
module bpf_egress_lane #(
  parameter int DataWidth   = 64,   // bits: 64, 128, 256, 512
  parameter int WindowBytes = 4096  // a frame is shorter
) (
  input  logic                   clk_i,
  input  logic                   rst_ni,
  // core: all beats but the last are full
  input  logic                   tx_valid_i,
  output logic                   tx_ready_o,
  input  logic [63:0]            tx_data_i,
  input  logic [7:0]             tx_keep_i,
  input  logic                   tx_last_i,
  // egress
  output logic                   out_valid_o,
  input  logic                   out_ready_i,
  output logic [DataWidth-1:0]   out_data_o,
  output logic [DataWidth/8-1:0] out_keep_o,
  output logic                   out_last_o
);
  if (DataWidth == 64) begin : gen_narrow
    bpf_skid #(.Width(73)) u_skid (
      .clk_i, .rst_ni, .in_valid_i(tx_valid_i), .in_ready_o(tx_ready_o),
      .in_data_i({tx_last_i, tx_keep_i, tx_data_i}), .out_valid_o, .out_ready_i,
      .out_data_o({out_last_o, out_keep_o, out_data_o})
    );
  end else begin : gen_wide
    localparam int Words    = DataWidth / 64;
    localparam int WordBits = $clog2(Words);
    localparam int Depth    = WindowBytes * 8 / DataWidth;
    logic                   full_q, full_last_q, take, complete, room;
    logic [WordBits-1:0]    place_q;
    logic [DataWidth-1:0]   data_q;
    logic [DataWidth/8-1:0] keep_q;
    logic [$clog2(Depth):0] unused_count;

    assign tx_ready_o = !full_q || room;
    assign take       = tx_valid_i && tx_ready_o;
    assign complete   = tx_last_i || (&place_q);

    always_ff @(posedge clk_i) begin
      if (!rst_ni) begin
        full_q  <= 1'b0;
        place_q <= '0;
      end else begin
        if (take) begin
          full_q  <= complete;
          place_q <= complete ? '0 : place_q + 1'b1;
        end else if (room) begin
          full_q <= 1'b0;
        end
      end
      if (take) begin
        full_last_q <= tx_last_i;
        for (int i = 0; i < Words; i++) begin
          if (place_q == WordBits'(i)) begin
            data_q[64*i +: 64] <= tx_data_i;
            keep_q[8*i +: 8]   <= tx_keep_i;
          end else if (place_q == '0) begin
            data_q[64*i +: 64] <= '0;
            keep_q[8*i +: 8]   <= '0;
          end
        end
      end
    end

    bpf_fifo #(.Width(DataWidth + DataWidth / 8 + 1), .Depth(Depth)) u_fifo (
      .clk_i, .rst_ni, .in_valid_i(full_q), .in_ready_o(room),
      .in_data_i({full_last_q, keep_q, data_q}), .out_valid_o, .out_ready_i,
      .out_data_o({out_last_o, out_keep_o, out_data_o}), .count_o(unused_count)
    );
    logic unused;
    assign unused = &{1'b0, unused_count};
  end
endmodule
