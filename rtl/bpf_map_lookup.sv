// SPDX-License-Identifier: Apache-2.0
//
// Lookups in hash tables, several at once: each has a context, and the contexts take turns on map
// memory, so that a lookup costs the engine its reads and not its latency. A lookup changes nothing
// but an LRU entry's `referenced`, so lookups may run side by side; what changes a table waits until
// idle_o.
//
//   start > bucket read ................ > link > queue > address > entry reads ........ > found?
//                     3 cycles of memory                2 cycles  first word, key words   next: queue
//
// Latency:     14 cycles + key words for the first entry of a chain.
// Throughput:  a lookup in 2 + key words cycles of map memory.
// Handshake:   key words of the lookup to come are put while slot_valid_o; start_i takes the slot.
// Reset:       rst_ni drops all contexts.
// Source:      maps/layout.md, find(), LOOKUP.
module bpf_map_lookup #(
  parameter int RowBits  = 17,
  parameter int Contexts = 8   // power of two, 2..8
) (
  input  logic               clk_i,
  input  logic               rst_ni,
  // key, into the slot
  output logic               slot_valid_o,
  input  logic               put_i,
  input  logic [2:0]         put_index_i,
  input  logic [63:0]        put_word_i,
  // start
  input  logic               start_i,        // only while start_ready_o
  output logic               start_ready_o,
  input  logic [15:0]        tag_i,
  input  logic               lpm_i,          // the answer goes to bpf_map_lpm
  input  logic [8:0]         prefix_i,
  input  logic               lru_i,
  input  logic [31:0]        hash_i,
  input  logic [3:0]         words_i,
  input  logic [31:0]        bucket_mask_i,
  input  logic [RowBits-1:0] buckets_i,
  input  logic [RowBits-1:0] entries_i,
  input  logic [RowBits-1:0] stride_i,
  input  logic [RowBits-1:0] value_i,
  // answers, in the order in which they are ready
  output logic               rsp_valid_o,
  input  logic               rsp_ready_i,
  output logic [15:0]        rsp_tag_o,
  output logic               rsp_found_o,
  output logic [RowBits-1:0] rsp_row_o,      // of the value
  output logic               lpm_valid_o,    // always taken
  output logic [8:0]         lpm_prefix_o,
  output logic               idle_o,
  // map memory, port B
  output logic               mem_valid_o,
  input  logic               mem_ready_i,
  output logic [7:0]         mem_we_o,
  output logic [RowBits-1:0] mem_row_o,
  output logic [63:0]        mem_wdata_o,
  input  logic [63:0]        mem_data_i
);
  localparam int Bits = $clog2(Contexts);

  // ---- contexts: one is always set apart for the key that is being loaded --------------------------
  logic [Contexts-1:0] busy_q, freed, available;
  logic [Bits-1:0]     slot_q, next_slot;
  logic                slot_valid_q, pick;

  assign available = ~busy_q;
  always_comb begin
    next_slot = '0;
    for (int i = Contexts - 1; i >= 0; i--) if (available[i]) next_slot = Bits'(i);
  end
  assign pick = start_i || !slot_valid_q;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      busy_q       <= '0;
      slot_valid_q <= 1'b0;
    end else begin
      if (pick) slot_valid_q <= available != '0;
      busy_q <= (busy_q & ~freed) | (Contexts'(pick && available != '0) << next_slot);
    end
    if (pick) slot_q <= next_slot;
  end
  assign slot_valid_o = slot_valid_q;

  // What each context keeps, in one memory per place that reads it.
  logic [63:0]            keys     [0:8*Contexts-1];
  logic [2*RowBits+3:0]   to_issue [0:Contexts-1];   // entries, stride, words
  logic [32:0]            to_match [0:Contexts-1];   // hash, lru
  logic [RowBits+25:0]    to_tell  [0:Contexts-1];   // value, tag, lpm, prefix
  always_ff @(posedge clk_i) begin
    if (put_i) keys[{slot_q, put_index_i}] <= put_word_i;
    if (start_i) begin
      to_issue[slot_q] <= {entries_i, stride_i, words_i};
      to_match[slot_q] <= {hash_i, lru_i};
      to_tell[slot_q]  <= {value_i, tag_i, lpm_i, prefix_i};
    end
  end

  // ---- the bucket of a lookup just started ---------------------------------------------------------
  logic               bucket_valid_q, bucket_half_q, bucket_go;
  logic [Bits-1:0]    bucket_context_q;
  logic [RowBits-1:0] bucket_row_q;
  logic [31:0]        bucket;

  assign bucket        = hash_i & bucket_mask_i;
  assign start_ready_o = slot_valid_q && (!bucket_valid_q || bucket_go);
  always_ff @(posedge clk_i) begin
    if (!rst_ni) bucket_valid_q <= 1'b0;
    else bucket_valid_q <= start_i || (bucket_valid_q && !bucket_go);
    if (start_i) begin
      bucket_context_q <= slot_q;
      bucket_row_q     <= buckets_i + bucket[RowBits:1];
      bucket_half_q    <= bucket[0];
    end
  end

  // ---- entries to read: queue, address, reads ------------------------------------------------------
  logic               queue_push, queue_valid, queue_pop, address_valid_q, address_go;
  logic [RowBits-1:0] push_number, number, entries, stride, entries_q, product_q, row_q;
  logic [Bits-1:0]    back_context, queue_context, address_context_q, entry_context_q;
  logic [3:0]         words, address_words_q, entry_words_q, index_q;
  logic               entry_valid_q, entry_go, entry_last;
  logic [Bits:0]      unused_count;
  logic               unused_room;

  bpf_fifo #(.Width(Bits + RowBits), .Depth(Contexts)) u_queue (
    .clk_i, .rst_ni, .in_valid_i(queue_push), .in_ready_o(unused_room),
    .in_data_i({back_context, push_number}), .out_valid_o(queue_valid), .out_ready_i(queue_pop),
    .out_data_o({queue_context, number}), .count_o(unused_count)
  );
  assign {entries, stride, words} = to_issue[queue_context];
  assign entry_last = index_q == entry_words_q;
  assign address_go = !entry_valid_q || (entry_go && entry_last);
  assign queue_pop  = queue_valid && (!address_valid_q || address_go);

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      address_valid_q <= 1'b0;
      entry_valid_q   <= 1'b0;
    end else begin
      address_valid_q <= queue_pop || (address_valid_q && !address_go);
      if (address_go) entry_valid_q <= address_valid_q;
    end
    if (queue_pop) begin
      product_q         <= number * stride;
      entries_q         <= entries;
      address_words_q   <= words;
      address_context_q <= queue_context;
    end
    if (address_go) begin
      row_q           <= entries_q + product_q;
      entry_words_q   <= address_words_q;
      entry_context_q <= address_context_q;
      index_q         <= '0;
    end else if (entry_go) begin
      index_q <= index_q + 4'd1;
    end
  end

  // ---- map memory: a `referenced` to set, then entries, then buckets -------------------------------
  logic               touch_valid, touch_pop, touch_push, touch_room;
  logic [RowBits-1:0] touch_row;
  logic               touch_live;
  logic [RowBits-1:0] touch_next;
  logic [2:0]         touch_count;
  assign touch_pop = mem_ready_i;
  assign entry_go  = entry_valid_q && mem_ready_i && !touch_valid;
  assign bucket_go = bucket_valid_q && mem_ready_i && !touch_valid && !entry_valid_q;
  assign mem_valid_o = touch_valid || entry_valid_q || bucket_valid_q;
  assign mem_we_o    = touch_valid ? 8'h0f : 8'h00;
  assign mem_row_o   = touch_valid ? touch_row
                     : (entry_valid_q ? row_q + RowBits'(index_q) : bucket_row_q);
  assign mem_wdata_o = {32'd0, 1'b1, touch_live, 30'(touch_next)};

  // ---- what comes back, three cycles later ----------------------------------------------------------
  localparam int BackBits = RowBits + Bits + 3 + 3;
  logic [2:0]            back_valid_q;
  logic [3*BackBits-1:0] back_q;
  logic [RowBits-1:0]    back_row;
  logic [2:0]            back_index;
  logic                  back_bucket, back_first, back_last, back_valid;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) back_valid_q <= '0;
    else back_valid_q <= {back_valid_q[1:0], entry_go || bucket_go};
    // The index of a bucket's read holds which half is meant; that of an entry's, the key word.
    back_q <= {back_q[2*BackBits-1:0],
               entry_valid_q ? {row_q, entry_context_q, index_q[2:0] - 3'd1, 1'b0, index_q == '0, entry_last}
                             : {bucket_row_q, bucket_context_q, 2'd0, bucket_half_q, 1'b1, 2'b00}};
  end
  assign {back_row, back_context, back_index, back_bucket, back_first, back_last} = back_q[2*BackBits +: BackBits];
  assign back_valid = back_valid_q[2];

  logic [31:0]        hash;
  logic [RowBits+1:0] first_q, first;  // of the first word: flags, link
  logic               lru, same, match, match_q, ended, found;
  logic [RowBits-1:0] link;

  assign {hash, lru} = to_match[back_context];
  assign same   = back_first ? mem_data_i[63:32] == hash : mem_data_i == keys[{back_context, back_index}];
  assign match  = same && (back_first || match_q);
  assign first  = back_first ? {mem_data_i[31:30], mem_data_i[RowBits-1:0]} : first_q;
  assign found  = back_valid && back_last && match;
  // Where the chain goes on, unless this was the entry.
  assign link   = back_bucket ? (back_index[0] ? mem_data_i[32 +: RowBits] : mem_data_i[RowBits-1:0]) : first[RowBits-1:0];
  assign ended  = back_valid && (back_bucket || (back_last && !match)) && link == '0;
  assign queue_push  = back_valid && (back_bucket || (back_last && !match)) && link != '0;
  assign push_number = link - 1'b1;
  assign touch_push  = found && lru && !first[RowBits+1];

  always_ff @(posedge clk_i) begin
    if (back_valid && !back_bucket) match_q <= match;
    if (back_valid && back_first) first_q <= first;
  end

  bpf_fifo #(.Width(2*RowBits + 1), .Depth(4)) u_touch (
    .clk_i, .rst_ni, .in_valid_i(touch_push), .in_ready_o(touch_room), .in_data_i({back_row, first[RowBits:0]}),
    .out_valid_o(touch_valid), .out_ready_i(touch_pop), .out_data_o({touch_row, touch_live, touch_next}),
    .count_o(touch_count)
  );

  // ---- answers --------------------------------------------------------------------------------------
  logic               tell_valid, tell_pop, tell_lpm, unused_tell_room;
  logic [Bits-1:0]    tell_context;
  logic [RowBits-1:0] tell_row, value;
  logic [Bits:0]      unused_tell_count;

  bpf_fifo #(.Width(Bits + 1 + RowBits), .Depth(Contexts)) u_tell (
    .clk_i, .rst_ni, .in_valid_i(found || ended), .in_ready_o(unused_tell_room),
    .in_data_i({back_context, found, back_row}), .out_valid_o(tell_valid), .out_ready_i(tell_pop),
    .out_data_o({tell_context, rsp_found_o, tell_row}), .count_o(unused_tell_count)
  );
  assign {value, rsp_tag_o, tell_lpm, lpm_prefix_o} = to_tell[tell_context];
  assign rsp_row_o   = tell_row + value;
  assign rsp_valid_o = tell_valid && !tell_lpm;
  assign lpm_valid_o = tell_valid && tell_lpm;
  assign tell_pop    = tell_lpm || rsp_ready_i;
  assign freed       = Contexts'(tell_valid && tell_pop) << tell_context;
  assign idle_o      = (busy_q & ~(Contexts'(slot_valid_q) << slot_q)) == '0 && !touch_valid;

  logic unused;
  assign unused = &{1'b0, unused_count, unused_room, unused_tell_room, unused_tell_count, touch_count,
                    bucket[31:RowBits+1]};

  `include "bpf_assert.svh"
  `BPF_ASSERT(StartsOnlyWhenReady, !start_i || start_ready_o)
  `BPF_ASSERT(TouchesFit, !touch_push || touch_room)
endmodule
