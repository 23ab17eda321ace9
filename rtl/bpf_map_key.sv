// SPDX-License-Identifier: Apache-2.0
//
// The key of a map request: takes its words from the queue, keeps up to 64 bytes, and hashes one word
// a cycle. For LPM maps it makes the key again for a shorter prefix: prefix length replaced, host
// bits cleared, hashed anew.
//
// Latency:     words + 1 cycles from start_i or again_i to done_o.
// Handshake:   start_i and again_i only while done_o (again_i's prefix is taken with it); the queue holds all words at start_i.
// Reset:       rst_ni makes it done, with no key.
// Source:      maps/layout.md, Keys and hashes.
module bpf_map_key (
  input  logic        clk_i,
  input  logic        rst_ni,
  // queue of key words
  input  logic        start_i,
  input  logic [3:0]  words_i,   // with start_i: 0..8
  input  logic [63:0] word_i,
  output logic        pop_o,
  // LPM: the key for another prefix
  input  logic        again_i,
  input  logic [8:0]  prefix_i,  // bits; held until done_o
  // result
  output logic        done_o,
  output logic [31:0] hash_o,
  output logic [3:0]  words_o,
  output logic [63:0] first_o,   // word 0 as it came
  input  logic [2:0]  index_i,
  output logic [63:0] key_o,     // word index_i, as hashed
  // each word as it is hashed, for who keeps a copy
  output logic        put_o,
  output logic [2:0]  put_index_o,
  output logic [63:0] put_word_o
);
  logic [63:0] original [0:7];
  logic [63:0] key [0:7];
  logic        running_q, masking_q, word_valid_q;
  logic [3:0]  index_q, words_q;
  logic [2:0]  word_index_q;
  logic [63:0] word_q, source, mask, first_q;
  logic [31:0] hash_q, hash_next;

  // From start_i on, one word a cycle; the first goes in with start_i itself.
  logic       load, step, last;
  logic [3:0] index, words;
  assign load  = start_i || (running_q && !masking_q);
  assign index = start_i ? 4'd0 : index_q;
  assign words = start_i ? words_i : words_q;
  assign step  = (start_i && words_i != '0) || running_q;
  assign last  = index + 4'd1 == words;
  assign pop_o = step && load;
  assign source = load ? word_i : original[index[2:0]];

  // Bytes of data that belong to the prefix: byte j of word i is data byte 8 i + j - 4.
  always_comb begin
    for (int j = 0; j < 8; j++) begin
      if ({index[2:0], 3'(j)} < 6'd4) begin
        mask[8*j +: 8] = 8'h00;
      end else if (32'(prefix_i) >= 64 * 32'(index[2:0]) + 8 * j - 24) begin
        mask[8*j +: 8] = 8'hff;
      end else if (32'(prefix_i) > 64 * 32'(index[2:0]) + 8 * j - 32) begin
        mask[8*j +: 8] = ~(8'hff >> prefix_i[2:0]);
      end else begin
        mask[8*j +: 8] = 8'h00;
      end
    end
  end

  bpf_crc32c u_crc (.crc_i(hash_q), .word_i(word_q), .crc_o(hash_next));

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      running_q    <= 1'b0;
      word_valid_q <= 1'b0;
    end else begin
      running_q    <= again_i || (step && !last);
      word_valid_q <= step;
    end
    if (start_i) words_q <= words_i;
    if (start_i || again_i) masking_q <= again_i;
    index_q <= again_i ? 4'd0 : index + 4'd1;
    if (load) begin
      word_q <= word_i;
    end else begin
      word_q <= (source & mask) | ((index == '0) ? {32'd0, 23'd0, prefix_i} : 64'd0);
    end
    word_index_q <= index[2:0];
    if (step && load) original[index[2:0]] <= word_i;
    if (start_i) first_q <= word_i;
    if (word_valid_q) key[word_index_q] <= word_q;
    if (start_i || again_i) hash_q <= 32'hffff_ffff;
    else if (word_valid_q) hash_q <= hash_next;
  end

  assign done_o  = !running_q && !word_valid_q;
  assign hash_o  = hash_q;
  assign words_o = words_q;
  assign first_o = first_q;
  assign key_o   = key[index_i];
  assign put_o       = word_valid_q;
  assign put_index_o = word_index_q;
  assign put_word_o  = word_q;
endmodule
