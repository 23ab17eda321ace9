// SPDX-License-Identifier: Apache-2.0
//
// Streams the frames of released threads out, in the order of their release: reads data and
// data_end from the context, then 8 bytes a cycle from whatever alignment data has, through a queue
// that takes up back-pressure. Length 0 gives one beat with keep = 0, so that every frame has its
// last.
//
// Latency:     11 cycles from release_i to the first beat when idle.
// Throughput:  one beat a cycle while the packet memory is granted; 5 idle cycles between frames.
// Handshake:   tx_* hold until tx_ready_i.
// Reset:       nothing to send.

module bpf_core_tx #(
  parameter int Threads     = 8,
  parameter int WindowBytes = 4096,
  localparam int TW = $clog2(Threads),
  localparam int WW = $clog2(WindowBytes)
) (
  input  logic          clk_i,
  input  logic          rst_ni,
  // release with send
  input  logic          release_i,
  input  logic [TW-1:0] release_thread_i,
  // context memory; data 3 cycles after the grant
  output logic          local_req_o,
  input  logic          local_gnt_i,
  output logic [TW+6:0] local_row_o,
  input  logic [63:0]   local_rdata_i,
  // packet memory; data 3 cycles after the grant, bytes in their lanes
  output logic          packet_req_o,
  input  logic          packet_gnt_i,
  output logic [TW-1:0] packet_thread_o,
  output logic [WW-1:0] packet_addr_o,
  input  logic [63:0]   packet_rdata_i,
  // to bpf_core_scrub: all of the frame has been read
  output logic          sent_valid_o,
  output logic [TW-1:0] sent_thread_o,
  // frame stream
  output logic          tx_valid_o,
  input  logic          tx_ready_i,
  output logic [63:0]   tx_data_o,
  output logic [7:0]    tx_keep_o,
  output logic          tx_last_o
);

  localparam int DEPTH = 16;  // words of the output queue

  typedef enum logic [1:0] {StIdle, StAsk, StWait, StRead} state_e;
  state_e state_q;

  logic head_valid, pop;
  logic [TW-1:0] head_thread, thread_q;
  bpf_core_queue #(.Width(TW), .Depth(Threads)) u_threads (
    .clk_i,
    .rst_ni,
    .push_i (release_i),
    .data_i (release_thread_i),
    .valid_o(head_valid),
    .data_o (head_thread),
    .pop_i  (pop)
  );

  logic [1:0] wait_q;
  logic [WW-1:0] addr_q, left_q, length;
  logic [4:0] held_q;  // words asked for and not yet sent
  logic issue, last, tx_pop;
  logic [7:0] keep;

  assign pop         = state_q == StIdle && head_valid;
  assign local_req_o = state_q == StAsk;
  assign local_row_o = {thread_q, 7'd0};

  // Frames are shorter than the window, so its address bits give the length.
  assign length = local_rdata_i[32+:WW] - local_rdata_i[WW-1:0];

  assign packet_req_o    = state_q == StRead && held_q != 5'(DEPTH);
  assign packet_thread_o = thread_q;
  assign packet_addr_o   = addr_q;
  assign issue           = packet_req_o && packet_gnt_i;
  assign last            = left_q <= WW'(8);
  assign sent_valid_o    = issue && last;
  assign sent_thread_o   = thread_q;
  always_comb begin
    for (int k = 0; k < 8; k++) keep[k] = !last || WW'(k) < left_q;
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q <= StIdle;
      held_q  <= '0;
    end else begin
      case (state_q)
        StIdle:  if (head_valid) state_q <= StAsk;
        StAsk:   if (local_gnt_i) state_q <= StWait;
        StWait:  if (wait_q == 2'd2) state_q <= StRead;
        default: if (sent_valid_o) state_q <= StIdle;
      endcase
      held_q <= held_q + {4'd0, issue} - {4'd0, tx_pop};
    end
    if (state_q == StIdle) thread_q <= head_thread;
    wait_q <= (state_q == StWait) ? wait_q + 2'd1 : 2'd0;
    if (state_q == StWait) begin
      addr_q <= local_rdata_i[WW-1:0];
      left_q <= length;
    end else if (issue) begin
      addr_q <= addr_q + WW'(8);
      left_q <= left_q - WW'(8);
    end
  end

  // What was asked for comes 3 cycles later; one more to rotate it.
  logic [3:0] valid_q, last_q;
  logic [7:0] keep1_q, keep2_q, keep3_q, keep4_q;
  logic [2:0] off1_q, off2_q, off3_q;
  logic [63:0] rotated, data_q;
  bpf_core_rotate u_rotate (.data_i(packet_rdata_i), .amount_i(off3_q), .data_o(rotated));
  always_ff @(posedge clk_i) begin
    if (!rst_ni) valid_q <= '0;
    else valid_q <= {valid_q[2:0], issue};
    last_q  <= {last_q[2:0], last};
    keep1_q <= keep;
    keep2_q <= keep1_q;
    keep3_q <= keep2_q;
    keep4_q <= keep3_q;
    off1_q  <= addr_q[2:0];
    off2_q  <= off1_q;
    off3_q  <= off2_q;
    data_q  <= rotated;
  end

  assign tx_pop = tx_valid_o && tx_ready_i;
  bpf_core_queue #(.Width(64 + 8 + 1), .Depth(DEPTH)) u_out (
    .clk_i,
    .rst_ni,
    .push_i (valid_q[3]),
    .data_i ({data_q, keep4_q, last_q[3]}),
    .valid_o(tx_valid_o),
    .data_o ({tx_data_o, tx_keep_o, tx_last_o}),
    .pop_i  (tx_pop)
  );

  logic unused_ok;
  assign unused_ok = &{1'b0, local_rdata_i};

endmodule
