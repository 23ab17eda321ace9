// SPDX-License-Identifier: Apache-2.0
//
// Events to the host: a DMA reader of map memory with a stream behind it. It sends what EVENT requests point
// at (perf events, gathered in the thread's stage), and takes committed records out of ring buffers, as a
// reader in user space would.
//
// A message is one word of header, then the bytes in whole words; the rest of the last word is anything:
//   [31:0] bytes   [47:32] map   [63:48] slot of a perf event
//
// Rings are looked at when a frame has left, so that a program sees none of its own records go while it
// runs. `active` marks rings that may hold records: set by RESERVE, cleared when a visit begins, set again
// when it ends at a record that is still busy. For each record: header read, record read, data sent,
// consumer moved. A discarded record is passed over.
//
// Latency:     of an EVENT, 8 cycles and one a word; the answer comes when all has been read.
// Throughput:  one word a cycle, while port B of map memory is free.
// Handshake:   reads only for what there is room for; with nobody to take messages, requests wait.
// Reset:       rst_ni drops what is under way; no ring is active.
// Source:      maps/layout.md, Other maps (ring buffer).
module bpf_events #(
  parameter int RowBits = 17,
  parameter int Maps    = 64
) (
  input  logic                    clk_i,
  input  logic                    rst_ni,
  // host: descriptors, as bpf_map_desc gets them
  input  logic                    desc_we_i,
  input  logic [$clog2(Maps)+3:0] desc_addr_i,
  input  logic [31:0]             desc_data_i,
  // a record has been reserved; a frame has left
  input  logic                    reserved_i,
  input  logic [$clog2(Maps)-1:0] reserved_map_i,
  input  logic                    frame_i,
  output logic                    busy_o,       // there is more to send, as far as frames have left
  // EVENT requests and their answers
  input  logic                    req_valid_i,
  output logic                    req_pop_o,
  input  logic [15:0]             req_tag_i,
  input  logic [$clog2(Maps)-1:0] req_map_i,
  input  logic [RowBits-1:0]      req_row_i,
  input  logic [63:0]             req_data_i,   // [31:0] bytes, [63:48] slot
  output logic                    rsp_valid_o,
  input  logic                    rsp_ready_i,
  output logic [15:0]             rsp_tag_o,
  // map memory, port B
  output logic                    mem_valid_o,
  input  logic                    mem_ready_i,
  output logic [7:0]              mem_we_o,
  output logic [RowBits-1:0]      mem_row_o,
  output logic [63:0]             mem_wdata_o,
  input  logic [63:0]             mem_data_i,
  // messages
  output logic                    out_valid_o,
  input  logic                    out_ready_i,
  output logic [63:0]             out_data_o,
  output logic                    out_last_o
);
  localparam int MapBits = $clog2(Maps);
  localparam int Depth   = 8;  // words read ahead
  localparam logic [3:0]
    StIdle = 4'd0, StDesc = 4'd1, StHeader = 4'd2, StHeaderWait = 4'd3, StRecord = 4'd4, StRecordWait = 4'd5,
    StStart = 4'd6, StSend = 4'd7, StConsume = 4'd8, StRespond = 4'd9;

  // ---- which rings, and when ---------------------------------------------------------------------------
  logic [Maps-1:0]    active_q;
  logic               asked_q, sweep_q, visit;   // a frame has left; going through the maps
  logic [MapBits-1:0] map_q;                     // the sweep's place; the ring being visited
  logic [3:0]         state_q, state_d;
  logic               ring_q;                    // what is sent is a ring's

  assign visit  = state_q == StIdle && !req_valid_i && sweep_q && active_q[map_q];
  assign busy_o = (asked_q && active_q != '0) || sweep_q || state_q != StIdle || req_valid_i || out_valid_o;

  // ---- the ring's descriptor: header, byte mask, entries ------------------------------------------------
  logic [31:0] desc_header, byte_mask, desc_entries;
  bpf_ram_sdp #(.Width(32), .Depth(Maps)) u_header (
    .clk_i, .wr_en_i(desc_we_i && desc_addr_i[3:0] == 4'd5), .wr_addr_i(desc_addr_i[MapBits+3:4]),
    .wr_data_i(desc_data_i), .rd_en_i(visit), .rd_addr_i(map_q), .rd_data_o(desc_header)
  );
  bpf_ram_sdp #(.Width(32), .Depth(Maps)) u_mask (
    .clk_i, .wr_en_i(desc_we_i && desc_addr_i[3:0] == 4'd7), .wr_addr_i(desc_addr_i[MapBits+3:4]),
    .wr_data_i(desc_data_i), .rd_en_i(visit), .rd_addr_i(map_q), .rd_data_o(byte_mask)
  );
  bpf_ram_sdp #(.Width(32), .Depth(Maps)) u_entries (
    .clk_i, .wr_en_i(desc_we_i && desc_addr_i[3:0] == 4'd8), .wr_addr_i(desc_addr_i[MapBits+3:4]),
    .wr_data_i(desc_data_i), .rd_en_i(visit), .rd_addr_i(map_q), .rd_data_o(desc_entries)
  );

  // ---- what is at hand: a record or a request ------------------------------------------------------------
  logic [63:0]        consumer_q;
  logic [31:0]        bytes_q, producer_q, passed;
  logic [15:0]        slot_q, tag_q;
  logic [MapBits-1:0] of_map_q;
  logic [RowBits-1:0] row_q, record_row, header_row;
  logic [28:0]        left_q;      // rows not asked for yet
  logic [2:0]         pipe_q, last_q;
  logic [3:0]         free_q;      // places in the queue that nothing is on its way to
  logic               half_q, second_q, answer, issue, push, pop, empty_ring;

  assign answer     = pipe_q[2];
  assign header_row = desc_header[3 +: RowBits];
  assign record_row = desc_entries[3 +: RowBits] + RowBits'((consumer_q[31:0] & byte_mask) >> 3);
  assign passed     = (bytes_q + 32'd15) & ~32'd7;  // of a record, with its header
  assign empty_ring = consumer_q[31:0] == producer_q;
  assign issue      = state_q == StSend && left_q != '0 && free_q != '0;

  always_comb begin
    state_d = state_q;
    case (state_q)
      StIdle: begin
        if (req_valid_i) state_d = StStart;
        else if (visit) state_d = StDesc;
      end
      StDesc:       state_d = StHeader;
      StHeader:     if (mem_ready_i && half_q) state_d = StHeaderWait;
      StHeaderWait: if (answer && second_q) state_d = StRecord;
      StRecord:     if (empty_ring) state_d = StIdle; else if (mem_ready_i) state_d = StRecordWait;
      StRecordWait: if (answer) begin
        if (mem_data_i[31]) state_d = StIdle;
        else state_d = mem_data_i[30] ? StConsume : StStart;
      end
      StStart:      if (free_q != '0) state_d = StSend;
      StSend:       if (left_q == '0 && pipe_q == '0) state_d = ring_q ? StConsume : StRespond;
      StConsume:    if (mem_ready_i) state_d = StHeader;
      default:      if (rsp_ready_i) state_d = StIdle;
    endcase
  end

  always_comb begin
    mem_valid_o = 1'b1;
    mem_we_o    = 8'h00;
    mem_row_o   = row_q;
    case (state_q)
      StHeader:  mem_row_o = header_row + RowBits'(half_q);
      StRecord: begin
        mem_valid_o = !empty_ring;
        mem_row_o   = record_row;
      end
      StConsume: {mem_we_o, mem_row_o} = {8'hff, header_row};
      default:   mem_valid_o = issue;
    endcase
    mem_wdata_o = consumer_q + {32'd0, passed};
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q  <= StIdle;
      pipe_q   <= '0;
      free_q   <= 4'(Depth);
      active_q <= '0;
      asked_q  <= 1'b0;
      sweep_q  <= 1'b0;
    end else begin
      state_q <= state_d;
      pipe_q  <= {pipe_q[1:0], mem_valid_o && mem_ready_i && mem_we_o == '0};
      free_q  <= free_q + 4'(pop) - 4'((issue && mem_ready_i) || (state_q == StStart && free_q != '0));
      if (visit) active_q[map_q] <= 1'b0;
      if (state_q == StRecordWait && answer && mem_data_i[31]) active_q[map_q] <= 1'b1;
      if (reserved_i) active_q[reserved_map_i] <= 1'b1;
      // A sweep steps on when it stands at a map that need not be visited, or has been.
      if (!sweep_q && asked_q) begin
        sweep_q <= active_q != '0;
      end else if (sweep_q && state_q == StIdle && !req_valid_i && !active_q[map_q]) begin
        sweep_q <= map_q != MapBits'(Maps - 1);
      end else if (sweep_q && ring_q && state_q != StIdle && state_d == StIdle) begin
        sweep_q <= map_q != MapBits'(Maps - 1);
      end
      asked_q <= frame_i || (asked_q && sweep_q);
    end
    if (!sweep_q) map_q <= '0;
    else if (state_q == StIdle && !req_valid_i && !active_q[map_q]) map_q <= map_q + 1'b1;
    else if (ring_q && state_q != StIdle && state_d == StIdle) map_q <= map_q + 1'b1;

    last_q <= {last_q[1:0], left_q == 29'd1};
    half_q <= state_q == StHeader && (half_q || mem_ready_i);
    if (state_q == StIdle) begin
      ring_q   <= !req_valid_i;
      tag_q    <= req_tag_i;
      slot_q   <= req_valid_i ? req_data_i[63:48] : '0;
      of_map_q <= req_valid_i ? req_map_i : map_q;
      bytes_q  <= req_data_i[31:0];
      row_q    <= req_row_i;
    end
    // The header's two rows come in turn.
    if (state_q == StDesc || state_q == StConsume) second_q <= 1'b0;
    else if (answer) second_q <= 1'b1;
    if (answer && (state_q == StHeader || state_q == StHeaderWait)) begin
      if (!second_q) consumer_q <= mem_data_i;
      else producer_q <= mem_data_i[31:0];
    end
    if (state_q == StRecordWait && answer) begin
      bytes_q <= {2'b00, mem_data_i[29:0]};
      row_q   <= record_row + 1'b1;
    end
    if (state_q == StStart) left_q <= 29'((bytes_q + 32'd7) >> 3);
    else if (issue && mem_ready_i) left_q <= left_q - 1'b1;
    if (issue && mem_ready_i) row_q <= row_q + 1'b1;
  end

  assign req_pop_o   = state_q == StIdle && req_valid_i;
  assign rsp_valid_o = state_q == StRespond;
  assign rsp_tag_o   = tag_q;

  // ---- out ---------------------------------------------------------------------------------------------
  logic        start;
  logic [64:0] word;
  logic [3:0]  unused_count;
  logic        unused_ready;
  assign start = state_q == StStart && free_q != '0;
  assign push  = start || (answer && state_q == StSend);
  assign word  = start ? {bytes_q == '0, slot_q, 16'(of_map_q), bytes_q} : {last_q[2], mem_data_i};
  assign pop   = out_valid_o && out_ready_i;

  bpf_fifo #(.Width(65), .Depth(Depth)) u_queue (
    .clk_i, .rst_ni, .in_valid_i(push), .in_ready_o(unused_ready), .in_data_i(word), .out_valid_o,
    .out_ready_i, .out_data_o({out_last_o, out_data_o}), .count_o(unused_count)
  );

  logic unused;
  assign unused = &{1'b0, unused_count, unused_ready, desc_header, desc_entries, req_data_i[47:32]};

  `include "bpf_assert.svh"
  `BPF_ASSERT(ReadOnlyWhatHasRoom, !push || unused_ready)
endmodule
