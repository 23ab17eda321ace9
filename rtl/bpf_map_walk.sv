// SPDX-License-Identifier: Apache-2.0
//
// Follows a bucket's chain to the entry with a given key, or with a given number, and remembers where
// the link to it stands. Key words are read one a cycle behind the entry's first word and compared as they
// come; a mismatch turns to the next entry at once.
//
// Latency:     per entry 2 cycles for its address, then 4 + key words; 5 for the bucket.
// Handshake:   start_i only when idle; results hold from done_o (one cycle) to the next start_i.
// Reset:       rst_ni makes it idle.
// Source:      maps/layout.md, find().
module bpf_map_walk #(
  parameter int RowBits = 17
) (
  input  logic               clk_i,
  input  logic               rst_ni,
  // command
  input  logic               start_i,
  input  logic               by_number_i,    // find entry target_i instead of the key
  input  logic [RowBits-1:0] target_i,       // link: entry number + 1; held
  input  logic [31:0]        hash_i,         // held
  input  logic [31:0]        bucket_mask_i,
  input  logic [RowBits-1:0] buckets_i,
  // key
  input  logic [3:0]         words_i,
  output logic [2:0]         key_index_o,
  input  logic [63:0]        key_i,
  // address unit: the entry's row comes two cycles after its link
  output logic [RowBits-1:0] link_o,
  input  logic [RowBits-1:0] row_i,
  // map memory: data 3 cycles after acceptance
  output logic               mem_valid_o,
  input  logic               mem_ready_i,
  output logic [RowBits-1:0] mem_row_o,
  input  logic [63:0]        mem_data_i,
  // result: link_o as well
  output logic               done_o,
  output logic               found_o,
  output logic [RowBits-1:0] row_o,          // of the entry
  output logic [RowBits-1:0] next_o,         // its link
  output logic [1:0]         flags_o,        // its flags: referenced, live
  output logic [RowBits-1:0] first_o,        // the bucket's link
  output logic               before_bucket_o,  // the link to it is the bucket's
  output logic [RowBits-1:0] before_row_o,   // where the link to it stands
  output logic               before_half_o,  // ... in the upper half
  output logic [1:0]         before_flags_o  // bits 31:30 beside it
);
  localparam logic [2:0] StIdle = 3'd0, StBucket = 3'd1, StBucketWait = 3'd2, StAddress1 = 3'd3,
                         StAddress2 = 3'd4, StEntry = 3'd5;
  logic [2:0]         state_q;
  logic               by_number_q, found_q, done_q, bucket_half_q;
  logic [RowBits-1:0] bucket_row, bucket_row_q, link_q, row_q;
  logic [RowBits-1:0] next_q, first_q;
  logic [1:0]         flags_q;
  logic [31:0]        bucket;

  assign bucket     = hash_i & bucket_mask_i;
  assign bucket_row = buckets_i + bucket[RowBits:1];

  // ---- reads: what was asked for comes out of a three-cycle pipe ----------------------------------
  logic       ask, answer, abort;
  logic [3:0] ask_index_q, answer_index;  // 0: first word; n: key word n - 1
  logic [2:0] pipe_valid_q;
  logic [11:0] pipe_index_q;

  assign mem_valid_o  = state_q == StBucket || (state_q == StEntry && ask_index_q <= words_i
                        && (ask_index_q == '0 || !by_number_q));
  assign mem_row_o    = (state_q == StBucket) ? bucket_row_q : row_q + RowBits'(ask_index_q);
  assign ask          = mem_valid_o && mem_ready_i && !abort;
  assign answer       = pipe_valid_q[2];
  assign answer_index = pipe_index_q[11:8];
  assign key_index_o  = 3'(answer_index - 4'd1);

  // ---- what an answer means -----------------------------------------------------------------------
  logic        entry_answer, first_word, match, found, mismatch;
  logic [RowBits-1:0] next;  // of the first word
  logic [1:0]  flags;

  assign entry_answer = answer && state_q == StEntry;
  assign first_word   = answer_index == '0;
  assign next         = first_word ? mem_data_i[RowBits-1:0] : next_q;
  assign flags        = first_word ? mem_data_i[31:30] : flags_q;
  always_comb begin
    if (by_number_q) match = link_q == target_i;
    else if (first_word) match = mem_data_i[63:32] == hash_i;
    else match = mem_data_i == key_i;
  end
  assign found    = entry_answer && match && (by_number_q || answer_index == words_i);
  assign mismatch = entry_answer && !match;
  assign abort    = found || mismatch;

  logic [RowBits-1:0] bucket_link, new_link;
  logic               new_chain, follow;
  assign bucket_link = bucket_half_q ? mem_data_i[32 +: RowBits] : mem_data_i[RowBits-1:0];
  assign new_chain   = answer && state_q == StBucketWait;
  assign new_link    = new_chain ? bucket_link : next;
  assign follow      = new_chain || mismatch;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q      <= StIdle;
      pipe_valid_q <= '0;
      done_q       <= 1'b0;
    end else begin
      pipe_valid_q <= abort ? 3'd0 : {pipe_valid_q[1:0], ask};
      done_q       <= found || (follow && new_link == '0);
      case (state_q)
        StIdle:     if (start_i) state_q <= StBucket;
        StBucket:   if (mem_ready_i) state_q <= StBucketWait;
        StAddress1: state_q <= StAddress2;
        StAddress2: state_q <= StEntry;
        default: begin
          if (found || (follow && new_link == '0)) state_q <= StIdle;
          else if (follow) state_q <= StAddress1;
        end
      endcase
    end
    if (start_i) begin
      by_number_q   <= by_number_i;
      bucket_row_q  <= bucket_row;
      bucket_half_q <= bucket[0];
    end
    pipe_index_q <= {pipe_index_q[7:0], (state_q == StEntry) ? ask_index_q : 4'd0};
    if (state_q == StAddress2) begin
      row_q       <= row_i;
      ask_index_q <= '0;
    end else if (ask) begin
      ask_index_q <= ask_index_q + 4'd1;
    end
    if (entry_answer && first_word) {flags_q, next_q} <= {mem_data_i[31:30], mem_data_i[RowBits-1:0]};
    if (found || follow) found_q <= found;
    if (follow) link_q <= new_link;
    if (new_chain) begin
      first_q         <= bucket_link;
      before_bucket_o <= 1'b1;
      before_row_o    <= bucket_row_q;
      before_half_o   <= bucket_half_q;
      before_flags_o  <= 2'b00;
    end else if (mismatch) begin
      before_bucket_o <= 1'b0;
      before_row_o    <= row_q;
      before_half_o   <= 1'b0;
      before_flags_o  <= flags;
    end
  end

  assign done_o  = done_q;
  assign found_o = found_q;
  assign link_o  = link_q;
  assign row_o   = row_q;
  assign next_o  = next_q;
  assign flags_o = flags_q;
  assign first_o = first_q;

  logic unused;
  assign unused = &{1'b0, bucket[31:RowBits+1]};
endmodule
