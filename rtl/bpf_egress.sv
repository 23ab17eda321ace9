// SPDX-License-Identifier: Apache-2.0
//
// Sends the cores' frames out in the order that bpf_reorder names, with their tuser on every beat.
//
// Latency:     2 cycles from a lane to the pins.
// Throughput:  1 beat per cycle, no bubble between frames.
// Handshake:   m_axis outputs come from registers and hold until taken.
// Reset:       rst_ni empties it.
module bpf_egress #(
  parameter int Cores     = 1,  // 1..32
  parameter int DataWidth = 64  // bits
) (
  input  logic                         clk_i,
  input  logic                         rst_ni,
  // reorder
  input  logic                         order_valid_i,
  output logic                         order_ready_o,
  input  logic [7:0]                   order_core_i,
  input  logic [63:0]                  order_user_i,
  // lanes
  input  logic [Cores-1:0]             lane_valid_i,
  output logic [Cores-1:0]             lane_ready_o,
  input  logic [Cores*DataWidth-1:0]   lane_data_i,
  input  logic [Cores*DataWidth/8-1:0] lane_keep_i,
  input  logic [Cores-1:0]             lane_last_i,
  // link
  output logic                         tx_valid_o,
  input  logic                         tx_ready_i,
  output logic [DataWidth-1:0]         tx_data_o,
  output logic [DataWidth/8-1:0]       tx_keep_o,
  output logic                         tx_last_o,
  output logic [63:0]                  tx_user_o,
  // one cycle when a frame's last beat has been taken
  output logic                         sent_o
);
  localparam int Keep = DataWidth / 8;

  logic                 front_valid, front_pop, out_ready, valid, last;
  logic [7:0]           core;
  logic [63:0]          user;
  logic [4:0]           unused_count;
  logic [Cores-1:0]     pick;
  logic [DataWidth-1:0] data;
  logic [Keep-1:0]      keep;

  bpf_fifo #(.Width(72), .Depth(16)) u_order (
    .clk_i, .rst_ni, .in_valid_i(order_valid_i), .in_ready_o(order_ready_o),
    .in_data_i({order_core_i, order_user_i}), .out_valid_o(front_valid), .out_ready_i(front_pop),
    .out_data_o({core, user}), .count_o(unused_count)
  );

  always_comb begin
    data = '0;
    keep = '0;
    for (int i = 0; i < Cores; i++) begin
      pick[i] = front_valid && core == 8'(i);
      if (pick[i]) data = data | lane_data_i[DataWidth*i +: DataWidth];
      if (pick[i]) keep = keep | lane_keep_i[Keep*i +: Keep];
    end
    valid = |(pick & lane_valid_i);
    last  = |(pick & lane_last_i);
  end
  assign lane_ready_o = pick & {Cores{out_ready}};
  assign front_pop    = valid && out_ready && last;

  bpf_skid #(.Width(DataWidth + Keep + 65)) u_out (
    .clk_i, .rst_ni, .in_valid_i(valid), .in_ready_o(out_ready), .in_data_i({last, user, keep, data}),
    .out_valid_o(tx_valid_o), .out_ready_i(tx_ready_i),
    .out_data_o({tx_last_o, tx_user_o, tx_keep_o, tx_data_o})
  );
  assign sent_o = tx_valid_o && tx_ready_i && tx_last_o;

  logic unused;
  assign unused = &{1'b0, unused_count};
endmodule
