// SPDX-License-Identifier: Apache-2.0
//
// Maps without keys: push, pop and peek of queues and stacks, push and peek of Bloom filters. A queue or
// stack is a ring of entries with {tail, head} in its header; a Bloom filter is an array of bits, of which a
// value has hash_count.
//
//   queue, stack:  header -> entry's address -> rows copied -> header written
//   Bloom filter:  row of a bit read, written back with the bit set (push) or looked at (peek), bit by bit
//
// A value comes as the request's key, or, where there is none, from rows of map memory (`stage`, of the
// thread that asks); a popped value goes to such rows, zeroes where there is none.
//
// Latency:     queue and stack 10 cycles, and 1 a row of a keyed push, else 5 a row; Bloom filter 5 a bit,
//              6 where it is set.
// Handshake:   start_i only when idle, with the key loaded; result_o holds from done_o on.
// Reset:       rst_ni makes it idle.
// Source:      maps/layout.md, Other maps.
module bpf_map_keyless #(
  parameter int RowBits = 17
) (
  input  logic               clk_i,
  input  logic               rst_ni,
  // sequencer; held until done_o
  input  logic               start_i,
  input  logic               pop_i,          // pop or peek, else push
  input  logic [RowBits-1:0] stage_i,        // row where a value is or goes
  input  logic [1:0]         flags_i,        // push: BPF_ANY 0, BPF_EXIST 2. Pop: bit 0 leaves the value there
  output logic               done_o,
  output logic [7:0]         result_o,       // 0 or -errno
  // descriptor
  input  logic [7:0]         type_i,
  input  logic [RowBits-1:0] header_i,
  input  logic [RowBits-1:0] entries_i,
  input  logic [RowBits-1:0] stride_i,       // rows of a value
  input  logic [RowBits-1:0] entry_count_i,
  input  logic [31:0]        bit_mask_i,
  input  logic [3:0]         hash_count_i,
  // key: the value, or nothing
  input  logic [3:0]         key_words_i,
  input  logic [31:0]        key_hash_i,
  output logic [2:0]         key_index_o,
  input  logic [63:0]        key_word_i,
  // address unit: row of the entry with this number plus one, two cycles later
  output logic [RowBits-1:0] link_o,
  input  logic [RowBits-1:0] row_i,
  // map memory
  output logic               mem_valid_o,
  input  logic               mem_ready_i,
  output logic [7:0]         mem_we_o,
  output logic [RowBits-1:0] mem_row_o,
  output logic [63:0]        mem_wdata_o,
  input  logic [63:0]        mem_data_i
);
  localparam logic [7:0] STACK = 8'd23, BLOOM_FILTER = 8'd30;
  localparam logic [7:0] ENOENT = -8'sd2, E2BIG = -8'sd7, EINVAL = -8'sd22;
  localparam logic [3:0]
    StIdle = 4'd0, StHeader = 4'd1, StHeaderWait = 4'd2, StDecide = 4'd3, StAddress1 = 4'd4, StAddress2 = 4'd5,
    StRead = 4'd6, StReadWait = 4'd7, StWrite = 4'd8, StHeaderWrite = 4'd9, StBit = 4'd10, StBitWait = 4'd11,
    StBitWrite = 4'd12, StDone = 4'd13;
  logic [3:0]         state_q, state_d;
  logic [7:0]         result_q, result_d;
  logic [63:0]        word_q;
  logic [2:0]         pipe_q;
  logic               answer, is_bloom, is_stack;

  assign answer   = pipe_q[2];
  assign is_bloom = type_i == BLOOM_FILTER;
  assign is_stack = type_i == STACK;

  // ---- queue and stack: where, and the header afterwards --------------------------------------------
  logic [RowBits-1:0] head_q, tail_q, head_next, tail_next, head_before, head_then, tail_then;
  logic        full, empty, keyed;
  logic [RowBits-1:0] link_q, row_q, place_q;

  assign head_next   = (head_q + 1'b1 == entry_count_i) ? '0 : head_q + 1'b1;
  assign tail_next   = (tail_q + 1'b1 == entry_count_i) ? '0 : tail_q + 1'b1;
  assign head_before = ((head_q == '0) ? entry_count_i : head_q) - 1'b1;
  assign head_then   = !pop_i ? head_next : (is_stack ? head_before : head_q);
  assign tail_then   = (pop_i ? !is_stack : full) ? tail_next : tail_q;
  assign full        = head_next == tail_q;
  assign empty       = pop_i && head_q == tail_q;
  assign keyed       = key_words_i != '0;

  // ---- Bloom filter: the bit at hand -----------------------------------------------------------------
  logic [31:0] position_q, step, bit_number;
  logic [3:0]  count_q;
  logic        bit_set, last_bit;
  assign step       = {key_hash_i[15:0], key_hash_i[31:17], 1'b1};  // rotated by 16, odd
  assign bit_number = position_q & bit_mask_i;
  assign bit_set    = mem_data_i[bit_number[5:0]];
  assign last_bit   = count_q + 4'd1 == hash_count_i;

  always_comb begin
    state_d  = state_q;
    result_d = result_q;
    case (state_q)
      StIdle: if (start_i) begin
        result_d = '0;
        state_d  = is_bloom ? StBit : StHeader;
        if (!pop_i && (flags_i[0] || (is_bloom && flags_i[1]))) begin
          result_d = EINVAL;
          state_d  = StDone;
        end
      end
      StHeader:     if (mem_ready_i) state_d = StHeaderWait;
      StHeaderWait: if (answer) state_d = StDecide;
      StDecide: begin
        state_d = StAddress1;
        if (empty) result_d = ENOENT;
        if (!pop_i && full && !flags_i[1]) begin
          result_d = E2BIG;
          state_d  = StDone;
        end
      end
      StAddress1: state_d = StAddress2;
      StAddress2: state_d = ((!pop_i && keyed) || empty) ? StWrite : StRead;
      StRead:     if (mem_ready_i) state_d = StReadWait;
      StReadWait: if (answer) state_d = StWrite;
      StWrite: if (mem_ready_i) begin
        if (place_q + 1'b1 != stride_i) state_d = ((!pop_i && keyed) || empty) ? StWrite : StRead;
        else state_d = (empty || (pop_i && flags_i[0])) ? StDone : StHeaderWrite;
      end
      StHeaderWrite: if (mem_ready_i) state_d = StDone;
      StBit:     if (mem_ready_i) state_d = StBitWait;
      StBitWait: if (answer) begin
        state_d = last_bit ? StDone : StBit;
        if (pop_i && !bit_set) begin
          result_d = ENOENT;
          state_d  = StDone;
        end
        if (!pop_i && !bit_set) state_d = StBitWrite;
      end
      StBitWrite: if (mem_ready_i) state_d = last_bit ? StDone : StBit;
      default:    state_d = StIdle;
    endcase
  end

  // ---- map memory -------------------------------------------------------------------------------------
  always_comb begin
    mem_valid_o = 1'b1;
    mem_we_o    = 8'h00;
    mem_row_o   = header_i;
    mem_wdata_o = word_q;
    case (state_q)
      StHeader: ;
      StRead:   mem_row_o = (pop_i ? row_q : stage_i) + place_q;
      StWrite: begin
        {mem_we_o, mem_row_o} = {8'hff, (pop_i ? stage_i : row_q) + place_q};
        if (empty) mem_wdata_o = '0;
        else if (!pop_i && keyed) mem_wdata_o = key_word_i;
      end
      StHeaderWrite: begin
        mem_we_o = 8'hff;
        mem_wdata_o = {32'(tail_then), 32'(head_then)};
      end
      StBit: mem_row_o = entries_i + RowBits'(bit_number[31:6]);
      StBitWrite: {mem_we_o, mem_row_o} = {8'hff, entries_i + RowBits'(bit_number[31:6])};
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
    result_q <= result_d;
    if (state_q == StHeaderWait) {tail_q, head_q} <= {mem_data_i[32 +: RowBits], mem_data_i[RowBits-1:0]};
    if (state_q == StDecide) begin
      if (pop_i && is_stack) link_q <= (head_q == '0) ? entry_count_i : head_q;
      else link_q <= (pop_i ? tail_q : head_q) + 1'b1;
    end
    if (state_q == StBitWait && !bit_set) begin
      word_q <= mem_data_i;
      word_q[bit_number[5:0]] <= 1'b1;
    end else if (state_q == StReadWait) begin
      word_q <= mem_data_i;
    end
    if (state_q == StAddress2) row_q <= row_i;
    if (state_q == StDecide) place_q <= '0;
    else if (state_q == StWrite && mem_ready_i) place_q <= place_q + 1'b1;
    if (state_q == StIdle) begin
      position_q <= key_hash_i;
      count_q    <= '0;
    end else if (state_d == StBit && (state_q == StBitWait || state_q == StBitWrite)) begin
      position_q <= position_q + step;
      count_q    <= count_q + 4'd1;
    end
  end

  assign link_o      = link_q;
  assign key_index_o = place_q[2:0];
  assign done_o      = state_q == StDone;
  assign result_o    = result_q;
endmodule
