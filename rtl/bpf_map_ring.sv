// SPDX-License-Identifier: Apache-2.0
//
// Ring buffers: RESERVE. Moves `pending` over committed records, and if there is room for the record writes
// its two words, busy, and moves `producer`. A thread then stores the record's bytes, and commits it with
// one atomic on the first word; bpf_events takes committed records out.
//
//   consumer, producer, pending read -> records from pending on, while committed -> pending written
//   -> record's words written -> producer written
//
// Latency:     about 20 cycles, and 6 a record passed over.
// Handshake:   start_i only when idle; address_o holds from done_o on.
// Reset:       rst_ni makes it idle.
// Source:      maps/layout.md, Other maps; kernel/bpf/ringbuf.c, __bpf_ringbuf_reserve().
module bpf_map_ring #(
  parameter int RowBits = 17
) (
  input  logic               clk_i,
  input  logic               rst_ni,
  // sequencer; held until done_o
  input  logic               start_i,
  input  logic [63:0]        size_i,      // bytes of the record
  output logic               done_o,
  output logic               reserved_o,  // with done_o: there was room
  output logic [RowBits-1:0] row_o,       // of the record's first data byte, then
  // descriptor
  input  logic [RowBits-1:0] header_i,
  input  logic [RowBits-1:0] entries_i,
  input  logic [31:0]        byte_mask_i,
  // map memory
  output logic               mem_valid_o,
  input  logic               mem_ready_i,
  output logic [7:0]         mem_we_o,
  output logic [RowBits-1:0] mem_row_o,
  output logic [63:0]        mem_wdata_o,
  input  logic [63:0]        mem_data_i
);
  localparam logic [3:0]
    StIdle = 4'd0, StHeader = 4'd1, StHeaderWait = 4'd2, StWalk = 4'd3, StRecord = 4'd4, StRecordWait = 4'd5,
    StPending = 4'd6, StRoom = 4'd7, StWrite = 4'd8, StProducer = 4'd9, StDone = 4'd10;
  logic [3:0]  state_q, state_d;
  logic [1:0]  ask_q, got_q;  // rows of the header: consumer, producer, pending
  logic [2:0]  pipe_q;
  logic        answer, fits, room, reserved_q;
  logic [31:0] length, passed;
  logic [31:0] consumer_q;    // the difference to the others is below 2^31
  logic [63:0] producer_q, pending_q, sum;
  logic [RowBits-1:0] producer_row, pending_row;

  assign answer = pipe_q[2];
  assign length = {1'b0, size_i[30:0] + 31'd15} & ~32'd7;              // with its header, in whole rows
  assign passed = ({2'b00, mem_data_i[29:0]} + 32'd15) & ~32'd7;        // of a record
  assign fits   = size_i[63:30] == '0 && length - 32'd1 <= byte_mask_i;
  // One adder: pending over a record, then producer over the new one.
  assign sum    = ((state_q == StRecordWait) ? pending_q : producer_q)
                + {32'd0, (state_q == StRecordWait) ? passed : length};
  assign room   = sum[31:0] - consumer_q <= byte_mask_i && sum[31:0] - pending_q[31:0] <= byte_mask_i;
  assign producer_row = entries_i + RowBits'((producer_q[31:0] & byte_mask_i) >> 3);
  assign pending_row  = entries_i + RowBits'((pending_q[31:0] & byte_mask_i) >> 3);

  always_comb begin
    state_d = state_q;
    case (state_q)
      StIdle:       if (start_i) state_d = fits ? StHeader : StDone;
      StHeader:     if (mem_ready_i && ask_q == 2'd2) state_d = StHeaderWait;
      StHeaderWait: if (answer && got_q == 2'd2) state_d = StWalk;
      StWalk:       state_d = (pending_q[31:0] == producer_q[31:0]) ? StPending : StRecord;
      StRecord:     if (mem_ready_i) state_d = StRecordWait;
      StRecordWait: if (answer) state_d = mem_data_i[31] ? StPending : StWalk;
      StPending:    if (mem_ready_i) state_d = StRoom;
      StRoom:       state_d = room ? StWrite : StDone;
      StWrite:      if (mem_ready_i) state_d = StProducer;
      StProducer:   if (mem_ready_i) state_d = StDone;
      default:      state_d = StIdle;
    endcase
  end

  always_comb begin
    mem_valid_o = 1'b1;
    mem_we_o    = 8'h00;
    mem_row_o   = header_i + RowBits'(ask_q);
    mem_wdata_o = sum;
    case (state_q)
      StHeader:   ;
      StRecord:   mem_row_o = pending_row;
      StPending: begin
        {mem_we_o, mem_row_o} = {8'hff, header_i + RowBits'(2)};
        mem_wdata_o = pending_q;
      end
      StWrite: begin
        {mem_we_o, mem_row_o} = {8'hff, producer_row};
        mem_wdata_o = {32'({header_i, 3'd0}), 2'b10, size_i[29:0]};
      end
      StProducer: {mem_we_o, mem_row_o} = {8'hff, header_i + RowBits'(1)};
      default: mem_valid_o = 1'b0;
    endcase
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q <= StIdle;
      pipe_q  <= '0;
    end else begin
      state_q <= state_d;
      pipe_q  <= {pipe_q[1:0], mem_valid_o && mem_ready_i && mem_we_o == '0};
    end
    if (state_q == StIdle) {ask_q, got_q, reserved_q} <= '0;
    if (state_q == StHeader && mem_ready_i) ask_q <= ask_q + 2'd1;
    if (answer && (state_q == StHeader || state_q == StHeaderWait)) begin
      got_q <= got_q + 2'd1;
      case (got_q)
        2'd0:    consumer_q <= mem_data_i[31:0];
        2'd1:    producer_q <= mem_data_i;
        default: pending_q  <= mem_data_i;
      endcase
    end
    if (state_q == StRecordWait && answer && !mem_data_i[31]) pending_q <= sum;
    if (state_q == StProducer) reserved_q <= 1'b1;
  end

  assign done_o     = state_q == StDone;
  assign reserved_o = reserved_q;
  assign row_o      = producer_row + 1'b1;
endmodule
