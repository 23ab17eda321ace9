// SPDX-License-Identifier: Apache-2.0
//
// Takes a frame into the window of the lowest free enabled thread, writes the thread's context
// words and starts it. Other threads run meanwhile.
//
// Context rows 1..5 are written while beats arrive, row 0 (data, data_end) when the length is
// known:
//   0 data, data_end   1 data_meta, ingress_ifindex   2 rx_queue_index, egress_ifindex = 0
//   3 redirect = 0, redirect map = 0   4 zero_low = data, cpu   5 tail calls = 0, reserved = 0
// Throughput:  one beat a cycle while packet_busy_i is low; a 64-byte frame takes 10 cycles.
// Handshake:   rx_ready_o does not depend on rx_valid_i. Before the first beat rx_thread_o may
//              change.
// Reset:       no frame under way.

module bpf_core_rx #(
  parameter int Threads     = 8,
  parameter int WindowBytes = 4096,
  parameter int CoreId      = 0,
  localparam int TW = $clog2(Threads),
  localparam int WW = $clog2(WindowBytes)
) (
  input  logic               clk_i,
  input  logic               rst_ni,
  input  logic               run_i,
  // from bpf_core_scrub: free and enabled
  input  logic [Threads-1:0] free_i,
  // frame stream
  input  logic               rx_valid_i,
  output logic               rx_ready_o,
  input  logic [63:0]        rx_data_i,
  input  logic [7:0]         rx_keep_i,
  input  logic               rx_last_i,
  input  logic [31:0]        rx_user_i,
  output logic [7:0]         rx_thread_o,
  output logic [7:0]         free_o,
  // packet memory
  input  logic               packet_busy_i,  // no beat now
  output logic               packet_we_o,
  output logic [7:0]         packet_keep_o,
  output logic [TW-1:0]      packet_thread_o,
  output logic [WW-1:0]      packet_addr_o,
  output logic [63:0]        packet_data_o,
  // context memory
  output logic               local_req_o,
  input  logic               local_gnt_i,
  output logic [TW+6:0]      local_row_o,
  output logic [63:0]        local_data_o,
  // to bpf_core_scrub and bpf_core_done: first beat; to bpf_core_sched: all there
  output logic               claim_valid_o,
  output logic               start_valid_o,
  output logic [TW-1:0]      thread_o
);

  localparam logic [31:0] DATA = bpf_addr_pkg::ADDR_PACKET + bpf_addr_pkg::HEADROOM;
  localparam logic [2:0] ROWS = 3'd6;  // context rows a frame sets

  typedef enum logic [1:0] {StIdle, StFill, StContext} state_e;
  state_e state_q;

  logic some_free_q, beat, first;
  logic [TW-1:0] thread_q, lowest;
  logic [WW-1:0] addr_q;
  logic [15:0] ifindex_q, queue_q;
  logic [31:0] end_q;
  logic [2:0] row_q;  // next of rows 1..5; ROWS: they are written
  logic [3:0] beat_bytes;
  logic [7:0] free_count, free_count_q;

  always_comb begin
    lowest = '0;
    for (int t = Threads - 1; t >= 0; t--) begin
      if (free_i[t]) lowest = TW'(t);
    end
    free_count = '0;
    for (int t = 0; t < Threads; t++) free_count = free_count + 8'(free_i[t]);
    beat_bytes = '0;
    for (int k = 0; k < 8; k++) beat_bytes = beat_bytes + 4'(rx_keep_i[k]);
  end

  assign rx_ready_o = !packet_busy_i && (state_q == StFill || (state_q == StIdle && some_free_q));
  assign beat       = rx_valid_i && rx_ready_o;
  assign first      = beat && state_q == StIdle;

  assign packet_we_o     = beat;
  assign packet_keep_o   = rx_keep_i;
  assign packet_thread_o = thread_q;
  assign packet_addr_o   = first ? bpf_addr_pkg::HEADROOM[WW-1:0] : addr_q;
  assign packet_data_o   = rx_data_i;

  assign local_req_o = (state_q == StFill && row_q != ROWS) || state_q == StContext;
  assign local_row_o = {thread_q, 4'd0, (row_q == ROWS) ? 3'd0 : row_q};
  always_comb begin
    case (row_q)
      3'd1:    local_data_o = {16'd0, ifindex_q, DATA};
      3'd2:    local_data_o = {48'd0, queue_q};
      3'd4:    local_data_o = {32'(CoreId * Threads) + 32'(thread_q), DATA};
      ROWS:    local_data_o = {end_q, DATA};
      default: local_data_o = '0;
    endcase
  end

  assign claim_valid_o = first;
  assign start_valid_o = state_q == StContext && row_q == ROWS && local_gnt_i;
  assign thread_o      = thread_q;
  assign rx_thread_o   = 8'(thread_q);
  assign free_o        = free_count_q;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q      <= StIdle;
      some_free_q  <= 1'b0;
      free_count_q <= '0;
    end else begin
      case (state_q)
        StIdle:  if (first) state_q <= rx_last_i ? StContext : StFill;
        StFill:  if (beat && rx_last_i) state_q <= StContext;
        default: if (start_valid_o) state_q <= StIdle;
      endcase
      some_free_q  <= state_q == StIdle && !first && run_i && free_i != '0;
      free_count_q <= free_count;
    end

    if (state_q == StIdle && !first) thread_q <= lowest;
    if (beat) begin
      addr_q <= packet_addr_o + WW'(8);
      end_q  <= (first ? DATA : end_q) + 32'(beat_bytes);
    end
    if (first) begin
      {queue_q, ifindex_q} <= rx_user_i;
      row_q                <= 3'd1;
    end else if (local_req_o && local_gnt_i && row_q != ROWS) begin
      row_q <= row_q + 3'd1;
    end
  end

endmodule
