// SPDX-License-Identifier: Apache-2.0
//
// One core's entrance: narrows stream beats to the core's 64 bits and carries frame number and tuser.
// A wide stream (DataWidth > 64) is buffered here, so that several cores can be fed at once.
//
// Latency:     2 cycles, 3 when wide.
// Throughput:  8 bytes per cycle; no bubble between beats or frames.
// Handshake:   in_seq_i and in_user_i go with the first beat, which may come only while waiting_o is
//              low. Outputs towards the core come from registers.
// Reset:       rst_ni empties it.
module bpf_ingress #(
  parameter int DataWidth   = 64,   // bits: 64, 128, 256, 512
  parameter int WindowBytes = 4096  // a frame is shorter
) (
  input  logic                   clk_i,
  input  logic                   rst_ni,
  // dispatcher
  input  logic                   in_valid_i,
  output logic                   in_ready_o,
  input  logic [DataWidth-1:0]   in_data_i,
  input  logic [DataWidth/8-1:0] in_keep_i,
  input  logic                   in_first_i,
  input  logic                   in_last_i,
  input  logic [31:0]            in_seq_i,
  input  logic [31:0]            in_user_i,
  output logic                   waiting_o,  // a frame is here whose first beat the core has not taken
  output logic [15:0]            space_o,    // beats that can be taken without a pause
  // core
  output logic                   rx_valid_o,
  input  logic                   rx_ready_i,
  output logic [63:0]            rx_data_o,
  output logic [7:0]             rx_keep_o,
  output logic                   rx_last_o,
  output logic [31:0]            rx_seq_o,
  output logic [31:0]            rx_user_o
);
  logic        word_valid, word_ready, word_last;
  logic [63:0] word_data;
  logic [7:0]  word_keep;

  if (DataWidth == 64) begin : gen_narrow
    assign word_valid = in_valid_i;
    assign in_ready_o = word_ready;
    assign word_data  = in_data_i;
    assign word_keep  = in_keep_i;
    assign word_last  = in_last_i;
    assign space_o    = 16'hffff;
  end else begin : gen_wide
    localparam int Words    = DataWidth / 64;
    localparam int WordBits = $clog2(Words);
    localparam int Depth    = WindowBytes * 8 / DataWidth;
    logic [DataWidth-1:0]    front_data;
    logic [DataWidth/8-1:0]  front_keep;
    logic                    front_valid, front_last, front_pop;
    logic [WordBits-1:0]     pick_q;
    logic [$clog2(Depth):0]  held;

    bpf_fifo #(.Width(DataWidth + DataWidth / 8 + 1), .Depth(Depth)) u_fifo (
      .clk_i, .rst_ni, .in_valid_i, .in_ready_o, .in_data_i({in_last_i, in_keep_i, in_data_i}),
      .out_valid_o(front_valid), .out_ready_i(front_pop),
      .out_data_o({front_last, front_keep, front_data}), .count_o(held)
    );

    // The last word of a beat is the top one, or the one behind which keep is zero.
    logic more_behind;
    always_comb begin
      word_data   = front_data[63:0];
      word_keep   = front_keep[7:0];
      more_behind = 1'b0;
      for (int i = 0; i < Words; i++) begin
        if (pick_q == WordBits'(i)) begin
          word_data = front_data[64*i +: 64];
          word_keep = front_keep[8*i +: 8];
          if (i + 1 < Words) more_behind = front_keep[8*((i+1)%Words)];
        end
      end
    end
    assign word_valid = front_valid;
    assign word_last  = front_last && !more_behind;
    assign front_pop  = word_valid && word_ready && !more_behind;
    assign space_o    = 16'(Depth) - 16'(held);

    always_ff @(posedge clk_i) begin
      if (!rst_ni) pick_q <= '0;
      else if (word_valid && word_ready) pick_q <= front_pop ? '0 : pick_q + 1'b1;
    end
  end

  bpf_skid #(.Width(73)) u_out (
    .clk_i, .rst_ni, .in_valid_i(word_valid), .in_ready_o(word_ready),
    .in_data_i({word_last, word_keep, word_data}), .out_valid_o(rx_valid_o),
    .out_ready_i(rx_ready_i), .out_data_o({rx_last_o, rx_keep_o, rx_data_o})
  );

  logic        waiting_q, rx_first_q, assigned;
  logic [31:0] seq_q, user_q;

  assign assigned  = in_valid_i && in_ready_o && in_first_i;
  assign waiting_o = waiting_q;
  assign rx_seq_o  = seq_q;
  assign rx_user_o = user_q;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      waiting_q  <= 1'b0;
      rx_first_q <= 1'b1;
    end else begin
      if (assigned) waiting_q <= 1'b1;
      else if (rx_valid_o && rx_ready_i && rx_first_q) waiting_q <= 1'b0;
      if (rx_valid_o && rx_ready_i) rx_first_q <= rx_last_o;
    end
    if (assigned) begin
      seq_q  <= in_seq_i;
      user_q <= in_user_i;
    end
  end

  `include "bpf_assert.svh"
  `BPF_ASSERT(OneFrameWaits, !(assigned && waiting_q))
endmodule
