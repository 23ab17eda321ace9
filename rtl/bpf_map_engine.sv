// SPDX-License-Identifier: Apache-2.0
//
// The map engine: looks up, prepares, commits and deletes entries of the maps in map memory. Lookups run
// side by side, anything else alone. This file only joins its units: descriptors, key and hash, lookups,
// chain walker, longest-prefix match, LRU lists, queues and Bloom filters, ring buffers, and the sequencer
// that drives them. Values of maps with keys are not read here: the answer is an address.
//
// Latency:     see rtl/README.md, What a service costs.
// Handshake:   a request's key words follow it in the queue and are all there when it is. While
//              rsp_ready_i is low, another answer may take the place of the one offered.
// Reset:       rst_ni drops the request under way.
module bpf_map_engine #(
  parameter int RowBits = 17,  // of map memory
  parameter int Maps    = 64
) (
  input  logic                    clk_i,
  input  logic                    rst_ni,
  // host: descriptors
  input  logic                    desc_we_i,
  input  logic [$clog2(Maps)+3:0] desc_addr_i,
  input  logic [31:0]             desc_data_i,
  // service: requests
  input  logic                    req_valid_i,
  output logic                    req_pop_o,
  input  logic [15:0]             req_tag_i,
  input  logic [3:0]              req_op_i,
  input  logic [$clog2(Maps)-1:0] req_map_i,
  input  logic [63:0]             req_data_i,
  input  logic [3:0]              req_words_i,
  input  logic [63:0]             req_key_i,
  output logic                    req_key_pop_o,
  output logic                    rsp_valid_o,
  input  logic                    rsp_ready_i,
  output logic [15:0]             rsp_tag_o,
  output logic [63:0]             rsp_data_o,
  // events: a record of a ring buffer has been reserved
  output logic                    reserved_o,
  output logic [$clog2(Maps)-1:0] reserved_map_o,
  // map memory, port B
  output logic                    mem_valid_o,
  input  logic                    mem_ready_i,
  output logic [7:0]              mem_we_o,
  output logic [RowBits-1:0]      mem_row_o,
  output logic [63:0]             mem_wdata_o,
  input  logic [63:0]             mem_data_i
);
  // ---- descriptor ---------------------------------------------------------------------------------
  logic [7:0]         map_type;
  logic [31:0]        bucket_mask, max_entries, entry_count;
  logic [RowBits-1:0] buckets, entries, stride, value, header, base;
  logic [9:0]         key_size;
  logic [7:0]         hash_count;

  bpf_map_desc #(.Maps(Maps), .RowBits(RowBits)) u_desc (
    .clk_i, .we_i(desc_we_i), .addr_i(desc_addr_i), .data_i(desc_data_i), .fetch_i(req_pop_o),
    .map_i(req_map_i), .type_o(map_type), .bucket_mask_o(bucket_mask), .buckets_o(buckets),
    .entries_o(entries), .stride_o(stride), .value_o(value), .header_o(header),
    .max_entries_o(max_entries), .entry_count_o(entry_count), .hash_count_o(hash_count),
    .key_size_o(key_size), .base_o(base)
  );

  // ---- key ----------------------------------------------------------------------------------------
  logic        key_again, seq_key_again, key_done, desc_wait_q, desc_wait2_q;
  logic [8:0]  key_prefix;
  logic [31:0] key_hash;
  logic [3:0]  key_words;
  logic [63:0] key_first, key_word;
  logic [2:0]  key_index, seq_key_index, walk_key_index;
  logic [2:0]  turn, keyless_key_index;
  logic        put;
  logic [2:0]  put_index;
  logic [63:0] put_word;

  bpf_map_key u_key (
    .clk_i, .rst_ni, .start_i(req_pop_o), .words_i(req_words_i), .word_i(req_key_i),
    .pop_o(req_key_pop_o), .again_i(key_again || seq_key_again),
    .prefix_i((turn == 3'd2) ? key_prefix : key_first[8:0]), .done_o(key_done),
    .hash_o(key_hash), .words_o(key_words), .first_o(key_first), .index_i(key_index), .key_o(key_word),
    .put_o(put), .put_index_o(put_index), .put_word_o(put_word)
  );
  assign key_index = (turn == 3'd0) ? seq_key_index : (turn == 3'd4) ? keyless_key_index : walk_key_index;

  // The sequencer decides once the key is hashed and the descriptor's first three rows are here.
  logic [2:0] desc_wait;
  always_ff @(posedge clk_i) begin
    desc_wait_q  <= req_pop_o;
    desc_wait2_q <= desc_wait_q;
  end
  assign desc_wait = {desc_wait2_q, desc_wait_q, req_pop_o};

  // ---- address unit: row of the entry with a given link, two cycles -------------------------------
  logic [RowBits-1:0] seq_link, walk_link, lru_link, keyless_link, link, product_q, entry_row;
  always_comb begin
    case (turn)
      3'd0:    link = seq_link;
      3'd3:    link = lru_walking ? walk_link : lru_link;
      3'd4:    link = keyless_link;
      default: link = walk_link;
    endcase
  end
  assign entry_row = base + product_q;
  always_ff @(posedge clk_i) product_q <= link * stride;

  // ---- walker -------------------------------------------------------------------------------------
  logic               walk_start, lru_walk_start, walk_by_number, walk_done, walk_found;
  logic [RowBits-1:0] walk_row, walk_before_row;
  logic [RowBits-1:0] walk_next, walk_first;
  logic [1:0]         walk_flags;
  logic               walk_before_bucket, walk_before_half;
  logic [1:0]         walk_before_flags;
  logic [31:0]        lru_hash;
  logic               walk_mem_valid, lpm_mem_valid, lru_mem_valid, seq_mem_valid, lru_walking;
  logic [RowBits-1:0] walk_mem_row, lpm_mem_row, lru_mem_row, seq_mem_row, lru_node_link, lru_node_row;
  logic [7:0]         lru_mem_we, seq_mem_we;
  logic [63:0]        lru_mem_wdata, seq_mem_wdata;
  assign walk_by_number = lru_walk_start;

  bpf_map_walk #(.RowBits(RowBits)) u_walk (
    .clk_i, .rst_ni, .start_i(walk_start || lru_walk_start), .by_number_i(walk_by_number),
    .target_i(lru_node_link), .hash_i(walk_by_number ? lru_hash : key_hash),
    .bucket_mask_i(bucket_mask), .buckets_i(buckets), .words_i(key_words),
    .key_index_o(walk_key_index), .key_i(key_word), .link_o(walk_link), .row_i(entry_row),
    .mem_valid_o(walk_mem_valid), .mem_ready_i(other_ready), .mem_row_o(walk_mem_row), .mem_data_i,
    .done_o(walk_done), .found_o(walk_found), .row_o(walk_row), .next_o(walk_next), .flags_o(walk_flags),
    .first_o(walk_first), .before_bucket_o(walk_before_bucket), .before_row_o(walk_before_row),
    .before_half_o(walk_before_half), .before_flags_o(walk_before_flags)
  );

  // ---- lookups, longest-prefix match, LRU lists ---------------------------------------------------
  logic               slot_valid, seq_look_start, lpm_look_start, look_ready, look_lru, look_idle;
  logic               look_valid, look_found, look_rsp_ready, lpm_valid, look_mem_valid;
  logic [15:0]        look_tag, seq_tag;
  logic [8:0]         lpm_prefix;
  logic [RowBits-1:0] look_row, lpm_row, look_mem_row;
  logic [7:0]         look_mem_we;
  logic [63:0]        look_mem_wdata;
  logic               lpm_start, lpm_done, lpm_found, lru_start, lru_push, lru_done, lru_found;
  logic [RowBits-1:0] lru_gone;

  bpf_map_lookup #(.RowBits(RowBits)) u_lookup (
    .clk_i, .rst_ni, .slot_valid_o(slot_valid), .put_i(put), .put_index_i(put_index),
    .put_word_i(put_word), .start_i(seq_look_start || lpm_look_start), .start_ready_o(look_ready),
    .tag_i(seq_tag), .lpm_i(lpm_look_start), .prefix_i(key_prefix), .lru_i(look_lru),
    .hash_i(key_hash), .words_i(key_words), .bucket_mask_i(bucket_mask), .buckets_i(buckets),
    .entries_i(entries), .stride_i(stride), .value_i(value), .rsp_valid_o(look_valid),
    .rsp_ready_i(look_rsp_ready), .rsp_tag_o(look_tag), .rsp_found_o(look_found),
    .rsp_row_o(look_row), .lpm_valid_o(lpm_valid), .lpm_prefix_o(lpm_prefix), .idle_o(look_idle),
    .mem_valid_o(look_mem_valid), .mem_ready_i, .mem_we_o(look_mem_we), .mem_row_o(look_mem_row),
    .mem_wdata_o(look_mem_wdata), .mem_data_i
  );

  bpf_map_lpm #(.RowBits(RowBits)) u_lpm (
    .clk_i, .rst_ni, .start_i(lpm_start), .prefix_i(key_first[8:0]), .header_i(header),
    .key_again_o(key_again), .key_prefix_o(key_prefix), .key_done_i(key_done),
    .slot_valid_i(slot_valid), .look_start_o(lpm_look_start), .look_ready_i(look_ready),
    .look_valid_i(lpm_valid), .look_found_i(look_found), .look_prefix_i(lpm_prefix),
    .look_row_i(look_row), .mem_valid_o(lpm_mem_valid), .mem_ready_i(other_ready),
    .mem_row_o(lpm_mem_row), .mem_data_i, .done_o(lpm_done), .found_o(lpm_found), .row_o(lpm_row)
  );

  bpf_map_lru #(.RowBits(RowBits)) u_lru (
    .clk_i, .rst_ni, .start_i(lru_start), .push_i(lru_push), .gone_link_i(lru_gone), .done_o(lru_done),
    .found_o(lru_found), .node_link_o(lru_node_link), .node_row_o(lru_node_row), .target_i(hash_count),
    .entry_count_i(entry_count[RowBits-1:0]), .header_i(header), .value_i(value), .link_o(lru_link),
    .row_i(entry_row), .walk_start_o(lru_walk_start), .walking_o(lru_walking), .hash_o(lru_hash),
    .walk_done_i(walk_done), .walk_before_row_i(walk_before_row), .walk_before_half_i(walk_before_half),
    .walk_before_flags_i(walk_before_flags), .mem_valid_o(lru_mem_valid), .mem_ready_i(other_ready),
    .mem_we_o(lru_mem_we), .mem_row_o(lru_mem_row), .mem_wdata_o(lru_mem_wdata), .mem_data_i
  );

  // ---- maps without keys, ring buffers ------------------------------------------------------------
  logic               keyless_start, ring_start, keyless_done, ring_done, ring_reserved, is_pop;
  logic               keyless_mem_valid, ring_mem_valid;
  logic [63:0]        seq_data, keyless_mem_wdata, ring_mem_wdata;
  logic [7:0]         keyless_result;
  logic [RowBits-1:0] ring_row, keyless_mem_row, ring_mem_row;
  logic [7:0]         keyless_mem_we, ring_mem_we;
  logic [$clog2(Maps)-1:0] map_q;

  bpf_map_keyless #(.RowBits(RowBits)) u_keyless (
    .clk_i, .rst_ni, .start_i(keyless_start), .pop_i(is_pop), .stage_i(seq_data[3 +: RowBits]),
    .flags_i(seq_data[1:0]), .done_o(keyless_done), .result_o(keyless_result), .type_i(map_type),
    .header_i(header), .entries_i(entries), .stride_i(stride), .entry_count_i(entry_count[RowBits-1:0]),
    .bit_mask_i(bucket_mask), .hash_count_i(hash_count[3:0]), .key_words_i(key_words),
    .key_hash_i(key_hash), .key_index_o(keyless_key_index), .key_word_i(key_word),
    .link_o(keyless_link), .row_i(entry_row), .mem_valid_o(keyless_mem_valid),
    .mem_ready_i(other_ready), .mem_we_o(keyless_mem_we), .mem_row_o(keyless_mem_row),
    .mem_wdata_o(keyless_mem_wdata), .mem_data_i
  );

  bpf_map_ring #(.RowBits(RowBits)) u_ring (
    .clk_i, .rst_ni, .start_i(ring_start), .size_i(seq_data), .done_o(ring_done),
    .reserved_o(ring_reserved), .row_o(ring_row), .header_i(header), .entries_i(entries),
    .byte_mask_i(bucket_mask), .mem_valid_o(ring_mem_valid), .mem_ready_i(other_ready),
    .mem_we_o(ring_mem_we), .mem_row_o(ring_mem_row), .mem_wdata_o(ring_mem_wdata), .mem_data_i
  );

  always_ff @(posedge clk_i) if (req_pop_o) map_q <= req_map_i;
  assign reserved_o     = ring_done && ring_reserved;
  assign reserved_map_o = map_q;

  // ---- sequencer ----------------------------------------------------------------------------------
  logic        seq_rsp_valid;
  logic [63:0] seq_rsp_data;
  assign look_rsp_ready = rsp_ready_i;
  assign rsp_valid_o    = look_valid || seq_rsp_valid;
  assign rsp_tag_o      = look_valid ? look_tag : seq_tag;
  assign rsp_data_o     = !look_valid ? seq_rsp_data : (look_found ? {34'd1, 30'({look_row, 3'd0})} : '0);

  bpf_map_seq #(.RowBits(RowBits)) u_seq (
    .clk_i, .rst_ni, .req_valid_i, .req_pop_o, .req_tag_i, .req_op_i, .req_data_i,
    .rsp_valid_o(seq_rsp_valid), .rsp_ready_i(rsp_ready_i && !look_valid), .rsp_tag_o(seq_tag),
    .rsp_data_o(seq_rsp_data), .type_i(map_type), .bucket_mask_i(bucket_mask),
    .buckets_i(buckets), .stride_i(stride), .value_i(value), .header_i(header),
    .max_entries_i(max_entries), .entry_count_i(entry_count), .key_size_i(key_size),
    .key_done_i(key_done && desc_wait == '0), .key_hash_i(key_hash), .key_words_i(key_words),
    .key_first_i(key_first[31:0]), .key_index_o(seq_key_index), .key_word_i(key_word),
    .key_again_o(seq_key_again), .walk_start_o(walk_start), .walk_done_i(walk_done),
    .walk_found_i(walk_found), .walk_link_i(walk_link), .walk_row_i(walk_row),
    .walk_next_i(walk_next), .walk_flags_i(walk_flags), .walk_first_i(walk_first), .walk_before_bucket_i(walk_before_bucket),
    .walk_before_row_i(walk_before_row), .walk_before_half_i(walk_before_half),
    .walk_before_flags_i(walk_before_flags), .look_slot_i(slot_valid),
    .look_start_o(seq_look_start), .look_ready_i(look_ready), .look_idle_i(look_idle),
    .look_lru_o(look_lru), .lpm_start_o(lpm_start), .lpm_done_i(lpm_done),
    .lpm_found_i(lpm_found), .lpm_row_i(lpm_row), .lru_start_o(lru_start),
    .lru_push_o(lru_push), .lru_gone_o(lru_gone), .lru_done_i(lru_done), .lru_found_i(lru_found),
    .lru_link_i(lru_node_link), .lru_row_i(lru_node_row),
    .keyless_start_o(keyless_start), .ring_start_o(ring_start), .unit_done_i(keyless_done || ring_done),
    .keyless_result_i(keyless_result), .ring_reserved_i(ring_reserved), .ring_row_i(ring_row),
    .data_o(seq_data), .is_pop_o(is_pop), .link_o(seq_link), .row_i(entry_row), .mem_valid_o(seq_mem_valid),
    .mem_ready_i(other_ready), .mem_we_o(seq_mem_we), .mem_row_o(seq_mem_row), .mem_wdata_o(seq_mem_wdata),
    .mem_data_i, .turn_o(turn)
  );

  // ---- map memory: lookups first, then the unit whose turn it is -----------------------------------
  logic other_ready;
  assign other_ready = mem_ready_i && !look_mem_valid;

  always_comb begin
    mem_valid_o = seq_mem_valid;
    mem_we_o    = seq_mem_we;
    mem_row_o   = seq_mem_row;
    mem_wdata_o = seq_mem_wdata;
    case (turn)
      3'd1: {mem_valid_o, mem_we_o, mem_row_o} = {walk_mem_valid, 8'h00, walk_mem_row};
      3'd2: {mem_valid_o, mem_we_o, mem_row_o} = {lpm_mem_valid, 8'h00, lpm_mem_row};
      3'd3: begin
        {mem_valid_o, mem_we_o, mem_row_o} = lru_walking ? {walk_mem_valid, 8'h00, walk_mem_row}
                                                         : {lru_mem_valid, lru_mem_we, lru_mem_row};
        mem_wdata_o = lru_mem_wdata;
      end
      3'd4: begin
        {mem_valid_o, mem_we_o, mem_row_o} = {keyless_mem_valid, keyless_mem_we, keyless_mem_row};
        mem_wdata_o = keyless_mem_wdata;
      end
      3'd5: begin
        {mem_valid_o, mem_we_o, mem_row_o} = {ring_mem_valid, ring_mem_we, ring_mem_row};
        mem_wdata_o = ring_mem_wdata;
      end
      default: ;
    endcase
    if (look_mem_valid) begin
      {mem_valid_o, mem_we_o, mem_row_o} = {1'b1, look_mem_we, look_mem_row};
      mem_wdata_o = look_mem_wdata;
    end
  end

  logic unused;
  assign unused = &{1'b0, key_first[63:32]};

  `include "bpf_assert.svh"
  `BPF_ASSERT(TablesChangeOnlyWithoutLookups, look_idle || !mem_valid_o || mem_we_o == '0 || look_mem_valid)
endmodule
