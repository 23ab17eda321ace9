// SPDX-License-Identifier: Apache-2.0
//
// Receive FIFO: stores whole frames and gives them on only when complete. It never holds the sender
// up: a frame that finds no room, or that is longer than MaxFrame, is dropped whole and counted.
// While run_i is low at a frame's first beat, the frame is ignored and not counted.
//
// Latency:     a frame's first beat leaves 8 cycles after its last one came.
// Throughput:  1 beat per cycle in and out.
// Handshake:   in has no ready. Out data is stable while valid && !ready; out_valid_o is registered.
// Reset:       rst_ni empties it.
// All beats of a frame but the last must be full; tkeep of the last one has its ones at the bottom.
module bpf_rx_fifo #(
  parameter int DataWidth = 64,     // bits: 64, 128, 256, 512
  parameter int FifoBytes = 16384,  // power of two, > MaxFrame
  parameter int MaxFrame  = 3520    // bytes that a thread's packet window takes
) (
  input  logic                   clk_i,
  input  logic                   rst_ni,
  input  logic                   run_i,
  // link
  input  logic                   in_valid_i,
  input  logic [DataWidth-1:0]   in_data_i,
  input  logic [DataWidth/8-1:0] in_keep_i,
  input  logic                   in_last_i,
  input  logic [31:0]            in_user_i,
  // dispatcher: user, flow and words hold for every beat of a frame
  output logic                   out_valid_o,
  input  logic                   out_ready_i,
  output logic [DataWidth-1:0]   out_data_o,
  output logic [DataWidth/8-1:0] out_keep_o,
  output logic                   out_first_o,
  output logic                   out_last_o,
  output logic [31:0]            out_user_o,
  output logic [15:0]            out_flow_o,
  output logic [15:0]            out_words_o,  // beats of the frame
  // counters: one-cycle pulses
  output logic                   frame_o,      // a frame has arrived, kept or not
  output logic                   full_o,       // ... and was dropped for want of room
  output logic                   long_o,       // ... and was dropped for its length
  output logic                   busy_o        // a frame is inside
);
  localparam int Bytes     = DataWidth / 8;
  localparam int ByteBits  = $clog2(Bytes);
  localparam int Depth     = FifoBytes / Bytes;
  localparam int AddrBits  = $clog2(Depth);
  localparam int InfoDepth = (FifoBytes / 64 < 16) ? 16 : FifoBytes / 64;
  localparam int InfoBits  = $clog2(InfoDepth);
  localparam int WordBits  = $clog2(MaxFrame / Bytes + 3);
  localparam int InfoWidth = 32 + 16 + WordBits + ByteBits + 1;

  // ---- one register behind the pins -------------------------------------------------------------
  logic                 beat_valid_q, beat_first_q, beat_last_q, next_first_q, ignore_q;
  logic [DataWidth-1:0] beat_data_q;
  logic [Bytes-1:0]     beat_keep_q;
  logic [31:0]          beat_user_q;
  logic                 in_take;

  assign in_take = in_valid_i && (next_first_q ? run_i : !ignore_q);

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      beat_valid_q <= 1'b0;
      next_first_q <= 1'b1;
    end else begin
      beat_valid_q <= in_take;
      if (in_valid_i) next_first_q <= in_last_i;
    end
    if (in_valid_i && next_first_q) ignore_q <= !run_i;
    beat_first_q <= next_first_q;
    beat_last_q  <= in_last_i;
    beat_data_q  <= in_data_i;
    beat_keep_q  <= in_keep_i;
    if (next_first_q) beat_user_q <= in_user_i;
  end

  // ---- write side -------------------------------------------------------------------------------
  logic [AddrBits:0]   wr_q, start_q, rd_q, used;  // one bit more than an address: full from empty
  logic [WordBits-1:0] words_q, words;             // beats so far, this one included; saturates
  logic                lost_q, lost, too_long, no_room, write, keep_frame;
  logic [ByteBits:0]   beat_bytes;
  logic [InfoBits:0]   info_count;

  always_comb begin
    beat_bytes = '0;
    for (int i = 0; i < Bytes; i++) beat_bytes = beat_bytes + (ByteBits + 1)'(beat_keep_q[i]);
  end

  assign used     = wr_q - rd_q;
  assign words    = beat_first_q ? WordBits'(1) : (&words_q ? words_q : words_q + 1'b1);
  assign too_long = 32'(words) * Bytes - Bytes + 32'(beat_bytes) > MaxFrame;
  // The info FIFO fills four cycles behind the last beat, so a margin is kept.
  assign no_room  = used[AddrBits] || info_count > (InfoBits + 1)'(InfoDepth - 6);
  assign lost     = no_room || (!beat_first_q && lost_q);
  assign write    = beat_valid_q && !lost && !too_long;
  assign keep_frame = write && beat_last_q;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      wr_q    <= '0;
      start_q <= '0;
      frame_o <= 1'b0;
      full_o  <= 1'b0;
      long_o  <= 1'b0;
    end else begin
      if (beat_valid_q && beat_last_q) begin
        wr_q    <= keep_frame ? wr_q + 1'b1 : start_q;
        start_q <= keep_frame ? wr_q + 1'b1 : start_q;
      end else if (write) begin
        wr_q <= wr_q + 1'b1;
      end
      frame_o <= beat_valid_q && beat_last_q;
      long_o  <= beat_valid_q && beat_last_q && too_long;
      full_o  <= beat_valid_q && beat_last_q && lost && !too_long;
    end
    if (beat_valid_q) begin
      words_q <= words;
      lost_q  <= lost;
    end
  end

  // ---- what belongs to a frame: hash, length, tuser ---------------------------------------------
  logic                 hash_valid, info_push, info_valid, info_pop, info_room;
  logic [15:0]          hash;
  logic [InfoWidth-1:0] info_out;
  logic [3:0]           keep_pipe_q;
  logic [4*(InfoWidth-16)-1:0] info_pipe_q;  // newest at the bottom

  bpf_flow_hash #(.DataWidth(DataWidth)) u_flow (
    .clk_i, .rst_ni, .valid_i(beat_valid_q), .first_i(beat_first_q), .last_i(beat_last_q),
    .data_i(beat_data_q), .keep_i(beat_keep_q), .hash_valid_o(hash_valid), .hash_o(hash)
  );

  always_ff @(posedge clk_i) begin
    if (!rst_ni) keep_pipe_q <= '0;
    else keep_pipe_q <= {keep_pipe_q[2:0], keep_frame};
    info_pipe_q <= {info_pipe_q[3*(InfoWidth-16)-1:0], beat_user_q, words, beat_bytes};
  end

  assign info_push = hash_valid && keep_pipe_q[3];

  bpf_fifo #(.Width(InfoWidth), .Depth(InfoDepth)) u_info (
    .clk_i, .rst_ni, .in_valid_i(info_push), .in_ready_o(info_room),
    .in_data_i({hash, info_pipe_q[3*(InfoWidth-16) +: InfoWidth-16]}),
    .out_valid_o(info_valid), .out_ready_i(info_pop), .out_data_o(info_out), .count_o(info_count)
  );

  // ---- read side: one beat of read latency behind four places to put it --------------------------
  logic [15:0]          info_flow;
  logic [31:0]          info_user;
  logic [WordBits-1:0]  info_words, word_q;
  logic [ByteBits:0]    info_bytes;
  logic                 read, read_last, got_q, out_room, got_last_q, got_first_q;
  logic [ByteBits:0]    got_bytes_q, out_bytes;
  logic [DataWidth-1:0] got_data;
  logic [2:0]           out_count;
  logic [WordBits+47:0] got_side_q, out_side;

  assign {info_flow, info_user, info_words, info_bytes} = info_out;
  assign read      = info_valid && 32'(out_count) + 32'(got_q) < 4;
  assign read_last = word_q == info_words - 1'b1;
  assign info_pop  = read && read_last;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      rd_q   <= '0;
      word_q <= '0;
      got_q  <= 1'b0;
    end else begin
      got_q <= read;
      if (read) begin
        rd_q   <= rd_q + 1'b1;
        word_q <= read_last ? '0 : word_q + 1'b1;
      end
    end
    got_first_q <= word_q == '0;
    got_last_q  <= read_last;
    got_bytes_q <= read_last ? info_bytes : (ByteBits + 1)'(Bytes);
    got_side_q  <= {info_words, info_flow, info_user};
  end

  bpf_ram_sdp #(.Width(DataWidth), .Depth(Depth)) u_ram (
    .clk_i, .wr_en_i(write), .wr_addr_i(wr_q[AddrBits-1:0]), .wr_data_i(beat_data_q),
    .rd_en_i(read), .rd_addr_i(rd_q[AddrBits-1:0]), .rd_data_o(got_data)
  );

  bpf_fifo #(.Width(DataWidth + ByteBits + 3 + WordBits + 48), .Depth(4)) u_out (
    .clk_i, .rst_ni, .in_valid_i(got_q), .in_ready_o(out_room),
    .in_data_i({got_side_q, got_first_q, got_last_q, got_bytes_q, got_data}),
    .out_valid_o, .out_ready_i,
    .out_data_o({out_side, out_first_o, out_last_o, out_bytes, out_data_o}), .count_o(out_count)
  );

  always_comb begin
    for (int i = 0; i < Bytes; i++) out_keep_o[i] = 32'(out_bytes) > i;
  end
  assign out_user_o  = out_side[31:0];
  assign out_flow_o  = out_side[47:32];
  assign out_words_o = 16'(out_side[WordBits+47:48]);

  assign busy_o = beat_valid_q || wr_q != rd_q || info_valid || got_q || out_valid_o
               || keep_pipe_q != '0;

  `include "bpf_assert.svh"
  `BPF_ASSERT(InfoNeverOverflows, !info_push || info_room)
  `BPF_ASSERT(OutputNeverOverflows, !got_q || out_room)
`ifndef SYNTHESIS
  initial begin
    if ((1 << AddrBits) != Depth) $fatal(1, "%m: FifoBytes must be a power of two");
    if (FifoBytes < MaxFrame) $fatal(1, "%m: FifoBytes must hold the longest frame");
  end
`endif
endmodule
