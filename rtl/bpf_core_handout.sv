// SPDX-License-Identifier: Apache-2.0
//
// Hands threads over to the host: sends all that a thread is made of as 64-bit words, in the order of
// compiler/include/kiln/handover.h: two header words, context, stack, and the packet window from the lowest
// byte that is defined to the frame's end, whole rows.
//
// The thread stays claimed; what becomes of it comes back through bpf_core_return.
// Latency:     5 cycles from hand_valid_i to the first word when idle.
// Throughput:  one word a cycle while the memories' ports are granted.
// Handshake:   out_* hold until out_ready_i.
// Reset:       nothing to send.

module bpf_core_handout #(
  parameter int Threads     = 8,
  parameter int WindowBytes = 4096,
  parameter int CoreId      = 0,
  localparam int TW = $clog2(Threads),
  localparam int WW = $clog2(WindowBytes)
) (
  input  logic          clk_i,
  input  logic          rst_ni,
  // from bpf_core_done
  input  logic          hand_valid_i,
  output logic          hand_ready_o,
  input  logic [TW-1:0] hand_thread_i,
  input  logic [31:0]   hand_seq_i,
  input  logic [31:0]   hand_start_i,
  input  logic [31:0]   hand_insns_i,
  // context and stack memory; data 3 cycles after the grant
  output logic          local_req_o,
  input  logic          local_gnt_i,
  output logic [TW+6:0] local_row_o,
  input  logic [63:0]   local_rdata_i,
  // packet memory; the same
  output logic          packet_req_o,
  input  logic          packet_gnt_i,
  output logic [TW-1:0] packet_thread_o,
  output logic [WW-1:0] packet_addr_o,
  input  logic [63:0]   packet_rdata_i,
  // words, to the host
  output logic          out_valid_o,
  input  logic          out_ready_i,
  output logic [63:0]   out_data_o,
  output logic          out_last_o
);

  localparam int DEPTH = 16;  // words of the output queue
  localparam logic [7:0] VERSION = 8'd1;
  localparam logic [6:0] ROW_ENDS = bpf_addr_pkg::CTX_DATA[9:3];
  localparam logic [6:0] ROW_LOW  = bpf_addr_pkg::CTX_ZERO_LOW[9:3];
  localparam logic [1:0] HEAD = 2'd0, LOCAL = 2'd1, PACKET = 2'd2;

  typedef enum logic [1:0] {StIdle, StHead, StLocal, StPacket} state_e;
  state_e state_q;

  logic [TW-1:0] thread_q;
  logic [31:0]   seq_q, start_q, insns_q;
  logic [6:0]    row_q;             // of the context and stack; in StHead the header word
  logic [WW-4:0] low_q, end_q;      // packet rows: next, and one past the last
  logic [4:0]    held_q;            // words asked for and not yet sent
  logic          room, issue, last, out_pop;
  logic [1:0]    kind;

  assign room = held_q != 5'(DEPTH);
  assign hand_ready_o = state_q == StIdle;

  assign local_req_o     = state_q == StLocal && room;
  assign local_row_o     = {thread_q, row_q};
  assign packet_req_o    = state_q == StPacket && room;
  assign packet_thread_o = thread_q;
  assign packet_addr_o   = {low_q, 3'd0};

  assign issue = (state_q == StHead && room) || (local_req_o && local_gnt_i)
              || (packet_req_o && packet_gnt_i);
  assign kind  = (state_q == StHead) ? HEAD : (state_q == StLocal) ? LOCAL : PACKET;
  assign last  = state_q == StPacket && end_q - low_q <= (WW-3)'(1);

  // What was asked for comes 3 cycles later.
  logic [2:0] valid_q, last_pipe_q;
  logic [1:0] kind1_q, kind2_q, kind3_q;
  logic [6:0] row1_q, row2_q, row3_q;
  logic [63:0] header;
  assign header = (row3_q == '0) ? {VERSION, 8'd0, 8'(thread_q), 8'(CoreId), seq_q}
                                 : {start_q, insns_q};

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q <= StIdle;
      held_q  <= '0;
      valid_q <= '0;
    end else begin
      case (state_q)
        StIdle:  if (hand_valid_i) state_q <= StHead;
        StHead:  if (issue && row_q == 7'd1) state_q <= StLocal;
        StLocal: if (issue && row_q == '1) state_q <= StPacket;
        default: if (issue && last) state_q <= StIdle;
      endcase
      held_q  <= held_q + {4'd0, issue} - {4'd0, out_pop};
      valid_q <= {valid_q[1:0], issue};
    end
    if (state_q == StIdle) begin
      thread_q <= hand_thread_i;
      seq_q    <= hand_seq_i;
      start_q  <= hand_start_i;
      insns_q  <= hand_insns_i;
      row_q    <= '0;
    end else if (issue) begin
      row_q <= (state_q == StHead && row_q == 7'd1) ? '0 : row_q + 7'd1;
    end
    // The context passes by before the packet's turn comes.
    if (valid_q[2] && kind3_q == LOCAL && row3_q == ROW_ENDS)
      end_q <= local_rdata_i[35+:WW-3] + (WW-3)'(local_rdata_i[34:32] != '0);
    if (valid_q[2] && kind3_q == LOCAL && row3_q == ROW_LOW) low_q <= local_rdata_i[3+:WW-3];
    else if (state_q == StPacket && issue) low_q <= low_q + 1'b1;

    last_pipe_q <= {last_pipe_q[1:0], last};
    kind1_q <= kind;
    kind2_q <= kind1_q;
    kind3_q <= kind2_q;
    row1_q  <= row_q;
    row2_q  <= row1_q;
    row3_q  <= row2_q;
  end

  assign out_pop = out_valid_o && out_ready_i;
  bpf_core_queue #(.Width(65), .Depth(DEPTH)) u_out (
    .clk_i,
    .rst_ni,
    .push_i (valid_q[2]),
    .data_i ({last_pipe_q[2], (kind3_q == HEAD) ? header : (kind3_q == LOCAL) ? local_rdata_i : packet_rdata_i}),
    .valid_o(out_valid_o),
    .data_o ({out_last_o, out_data_o}),
    .pop_i  (out_pop)
  );

  logic unused_ok;
  assign unused_ok = &{1'b0, local_rdata_i};

endmodule
