// SPDX-License-Identifier: Apache-2.0
//
// The sequence of each map operation: which unit runs, what is written where, what is answered. Lookups
// in hash tables are handed to bpf_map_lookup; what may change a table waits until those are done, and then
// has map memory to itself. The writes are exactly those that maps/layout.md lists, so that the arena stays
// equal to the C++ maps' byte for byte.
//
// Latency:     see rtl/README.md, What a service costs.
// Handshake:   the answer holds until taken.
// Reset:       rst_ni makes it idle.
// Source:      maps/layout.md, Operations; errno numbers of Linux.
module bpf_map_seq #(
  parameter int RowBits = 17
) (
  input  logic               clk_i,
  input  logic               rst_ni,
  // request
  input  logic               req_valid_i,
  output logic               req_pop_o,
  input  logic [15:0]        req_tag_i,
  input  logic [3:0]         req_op_i,
  input  logic [63:0]        req_data_i,
  output logic               rsp_valid_o,
  input  logic               rsp_ready_i,
  output logic [15:0]        rsp_tag_o,
  output logic [63:0]        rsp_data_o,
  // descriptor
  input  logic [7:0]         type_i,
  input  logic [31:0]        bucket_mask_i,
  input  logic [RowBits-1:0] buckets_i,
  input  logic [RowBits-1:0] stride_i,
  input  logic [RowBits-1:0] value_i,
  input  logic [RowBits-1:0] header_i,
  input  logic [31:0]        max_entries_i,
  input  logic [31:0]        entry_count_i,
  input  logic [9:0]         key_size_i,
  // key unit
  input  logic               key_done_i,
  input  logic [31:0]        key_hash_i,
  input  logic [3:0]         key_words_i,
  input  logic [31:0]        key_first_i,   // index or prefix length
  output logic [2:0]         key_index_o,
  input  logic [63:0]        key_word_i,
  output logic               key_again_o,   // LPM: the key again, host bits cleared
  // chain walker
  output logic               walk_start_o,
  input  logic               walk_done_i,
  input  logic               walk_found_i,
  input  logic [RowBits-1:0] walk_link_i,
  input  logic [RowBits-1:0] walk_row_i,
  input  logic [RowBits-1:0] walk_next_i,
  input  logic [1:0]         walk_flags_i,
  input  logic [RowBits-1:0] walk_first_i,
  input  logic               walk_before_bucket_i,
  input  logic [RowBits-1:0] walk_before_row_i,
  input  logic               walk_before_half_i,
  input  logic [1:0]         walk_before_flags_i,
  // lookups: handed over, and answered from there
  input  logic               look_slot_i,
  output logic               look_start_o,
  input  logic               look_ready_i,
  input  logic               look_idle_i,
  output logic               look_lru_o,
  // longest-prefix match
  output logic               lpm_start_o,
  input  logic               lpm_done_i,
  input  logic               lpm_found_i,
  input  logic [RowBits-1:0] lpm_row_i,
  // LRU lists: an entry taken, or given back
  output logic               lru_start_o,
  output logic               lru_push_o,
  output logic [RowBits-1:0] lru_gone_o,
  input  logic               lru_done_i,
  input  logic               lru_found_i,
  input  logic [RowBits-1:0] lru_link_i,
  input  logic [RowBits-1:0] lru_row_i,
  // keyless maps, ring buffers: the whole operation
  output logic               keyless_start_o,
  output logic               ring_start_o,
  input  logic               unit_done_i,
  input  logic [7:0]         keyless_result_i,
  input  logic               ring_reserved_i,
  input  logic [RowBits-1:0] ring_row_i,
  output logic [63:0]        data_o,        // the request's
  output logic               is_pop_o,
  // address unit
  output logic [RowBits-1:0] link_o,
  input  logic [RowBits-1:0] row_i,
  // map memory
  output logic               mem_valid_o,
  input  logic               mem_ready_i,
  output logic [7:0]         mem_we_o,
  output logic [RowBits-1:0] mem_row_o,
  output logic [63:0]        mem_wdata_o,
  input  logic [63:0]        mem_data_i,
  // who uses walker, address unit and map memory now
  output logic [2:0]         turn_o        // 0 sequencer, 1 walker, 2 LPM, 3 LRU, 4 keyless, 5 ring
);
  localparam logic [5:0]
    StIdle = 6'd0, StLoad = 6'd1, StFind = 6'd2, StTouch = 6'd3, StHeader0 = 6'd4, StHeader1 = 6'd5,
    StHeaderWait = 6'd6, StTake = 6'd7, StAddress1 = 6'd8, StAddress2 = 6'd9, StFreeRead = 6'd10,
    StFreeWait = 6'd11, StFreeTaken = 6'd12, StPrepared = 6'd13, StZero = 6'd14, StEntryRead = 6'd15,
    StEntryWait = 6'd16, StCommit = 6'd17, StMergeNew = 6'd18, StMergeOld = 6'd19, StMergeWait = 6'd20,
    StMergeWrite = 6'd21, StPop = 6'd22, StPush = 6'd23, StUnlink = 6'd24, StFreeNext = 6'd25,
    StFreeHead = 6'd26, StKeys = 6'd29, StCount = 6'd30,
    StLinkEntry = 6'd31, StLinkBucket = 6'd32, StSetAside = 6'd33, StSetAsideNext = 6'd34,
    StLpm = 6'd35, StIndex = 6'd36, StSlotRead = 6'd37, StSlotWait = 6'd38, StOwner1 = 6'd39,
    StOwner2 = 6'd40, StMergeSeen = 6'd41, StMergeRest = 6'd42, StRespond = 6'd43,
    StMask = 6'd44, StMaskWait = 6'd45, StLenRead = 6'd46, StLenWait = 6'd47, StLenWrite = 6'd48,
    StBitRead = 6'd49, StBitWait = 6'd50, StBitWrite = 6'd51, StKeyless = 6'd52, StRing = 6'd53;
  localparam logic [7:0] ENOENT = -8'sd2, E2BIG = -8'sd7, ENOMEM = -8'sd12, EEXIST = -8'sd17,
                         EINVAL = -8'sd22, ENOSPC = -8'sd28, EOPNOTSUPP = -8'sd95;
  localparam logic [7:0] HASH = 8'd1, ARRAY = 8'd2, PERCPU_HASH = 8'd5, PERCPU_ARRAY = 8'd6,
                         LRU_HASH = 8'd9, LRU_PERCPU_HASH = 8'd10, LPM_TRIE = 8'd11,
                         HASH_OF_MAPS = 8'd13, QUEUE = 8'd22, STACK = 8'd23, DEVMAP_HASH = 8'd25,
                         RINGBUF = 8'd27, BLOOM_FILTER = 8'd30;

  // ---- the request --------------------------------------------------------------------------------
  logic [5:0]  state_q, state_d;
  logic [3:0]  op_q;
  logic [63:0] data_q;
  logic [7:0]  error_q, error_d;            // the answer, sign-extended: 0 or -errno
  logic        is_address_q, is_address_d;  // ... or an address
  logic [RowBits-1:0] address_q, address_d;
  logic [15:0] tag_q;
  logic        is_lookup, is_prepare, is_commit, is_delete, is_pop, is_keyless, is_reserve;
  logic        per_cpu, lru, updatable, hash_kind, array, slots, lpm;

  assign is_lookup  = op_q == bpf_isa_pkg::SVC_MAP_LOOKUP;
  assign is_prepare = op_q == bpf_isa_pkg::SVC_MAP_PREPARE;
  assign is_commit  = op_q == bpf_isa_pkg::SVC_MAP_COMMIT;
  assign is_delete  = op_q == bpf_isa_pkg::SVC_MAP_DELETE;
  assign is_pop     = op_q == bpf_isa_pkg::SVC_MAP_POP;
  assign is_keyless = op_q == bpf_isa_pkg::SVC_MAP_PUSH || is_pop;
  assign is_reserve = op_q == bpf_isa_pkg::SVC_RING_RESERVE;
  assign per_cpu    = type_i == PERCPU_HASH || type_i == LRU_PERCPU_HASH;
  assign lru        = type_i == LRU_HASH || type_i == LRU_PERCPU_HASH;
  assign updatable  = per_cpu || lru || lpm || type_i == HASH;
  assign hash_kind  = per_cpu || lru || type_i == HASH || type_i == HASH_OF_MAPS || type_i == DEVMAP_HASH;
  assign array      = type_i == ARRAY || type_i == PERCPU_ARRAY;
  assign lpm        = type_i == LPM_TRIE;
  // prog_array, perf_event_array, array_of_maps, devmap, cpumap, xskmap
  assign slots      = type_i == 8'd3 || type_i == 8'd4 || type_i == 8'd12 || type_i == 8'd14
                   || type_i == 8'd16 || type_i == 8'd17;

  // ---- what is known of the map and the entries ----------------------------------------------------
  logic [RowBits-1:0] extra_q, free_head_q, next_unused_q, count_q, new_count;  // of the header
  logic               full, found_q, from_free_q, own_q, half_q;
  logic [RowBits-1:0] own_link_q;            // the entry being prepared or committed
  logic [RowBits-1:0] own_row_q, place_q;
  logic [RowBits-1:0] first_link_q;          // the bucket's, once it is known to be current
  logic [63:0]        merge_q;
  logic [RowBits-1:0] own_next_q;            // link that an answer brought
  logic [2:0]         pipe_q;
  logic               answer, index_ok, read;

  assign new_count = is_delete ? count_q - 1'b1 : count_q + 1'b1;
  assign full     = count_q == max_entries_i[RowBits-1:0];
  assign answer   = pipe_q[2];
  assign index_ok = key_first_i < max_entries_i;

  // The bucket of the key.
  logic [31:0]        bucket;
  logic [RowBits-1:0] bucket_row;
  assign bucket     = key_hash_i & bucket_mask_i;
  assign bucket_row = buckets_i + bucket[RowBits:1];

  // LPM: entries with the key's prefix length, and the bit that says that there are some (MapHeader).
  localparam int LENGTHS = 3, LENGTH_COUNT = 11;  // rows of the header
  logic [RowBits-1:0] length_q, length_new;
  logic [RowBits-1:0] length_row, bits_row;
  logic [63:0]        length_bit;
  assign length_new = is_delete ? length_q - 1'b1 : length_q + 1'b1;
  assign length_row = header_i + RowBits'(LENGTH_COUNT) + RowBits'(key_first_i[8:1]);
  assign bits_row   = header_i + RowBits'(LENGTHS) + RowBits'(key_first_i[8:6]);
  assign length_bit = 64'd1 << key_first_i[5:0];

  // LRU: a PREPARE takes an entry, unless it could only change a per-CPU value where it is.
  logic pops;
  assign pops = lru && is_prepare && !(per_cpu && data_q == 64'd2);

  // The entry that StFreeNext and StFreeHead, or the LRU unit, free: our own, or the one the walker stands on.
  logic [RowBits-1:0] gone_row, gone_link;
  assign gone_row  = own_q ? own_row_q : walk_row_i;
  assign gone_link = own_q ? own_link_q : walk_link_i;

  // ---- next state ---------------------------------------------------------------------------------
  logic prefix_ok, more;
  assign prefix_ok = key_first_i <= {19'd0, key_size_i, 3'd0} - 32'd32;
  assign more      = place_q + 1'b1 != stride_i;

  always_comb begin
    state_d      = state_q;
    error_d      = error_q;
    is_address_d = is_address_q;
    address_d    = address_q;
    case (state_q)
      StIdle: begin
        is_address_d = 1'b0;
        error_d      = '0;
        if (req_pop_o) state_d = StLoad;
      end
      StLoad: if (key_done_i && hash_kind && is_lookup) begin
        if (look_ready_i) state_d = StIdle;
      end else if (key_done_i && (look_idle_i || is_lookup)) begin
        state_d = StRespond;
        if (is_keyless || is_reserve) begin
          error_d = EOPNOTSUPP;
          if (is_keyless && (type_i == QUEUE || type_i == STACK || type_i == BLOOM_FILTER)) state_d = StKeyless;
          if (is_reserve && type_i == RINGBUF) state_d = StRing;
        end else if (array) begin
          state_d = StIndex;
          if (is_commit || is_delete) state_d = StRespond;
          if (is_delete) error_d = EINVAL;
        end else if (slots && is_lookup) begin
          state_d = StIndex;
        end else if (lpm && is_lookup) begin
          state_d = prefix_ok ? StLpm : StRespond;
        end else if (!updatable) begin
          error_d = EOPNOTSUPP;
        end else if ((is_prepare && data_q > 64'd2) || (lpm && !prefix_ok)) begin
          error_d = EINVAL;
        end else if (lpm) begin
          state_d = StMask;
        end else begin
          state_d = is_commit ? StEntryRead : (pops ? StPop : StFind);
        end
      end
      // -- LPM: everything is done with the masked key
      StMask:     state_d = StMaskWait;
      StMaskWait: if (key_done_i) state_d = is_commit ? StEntryRead : StFind;
      // -- arrays
      StIndex: begin
        state_d = StRespond;
        if (is_lookup) begin
          if (index_ok) state_d = StAddress1;
        end else if ((data_q & ~64'd4) > 64'd2) begin
          error_d = EINVAL;
        end else if (!index_ok) begin
          error_d = E2BIG;
        end else if (data_q[0]) begin
          error_d = EEXIST;
        end else if (data_q[2]) begin
          error_d = EINVAL;
        end else begin
          state_d = StAddress1;
        end
      end
      StSlotRead: if (mem_ready_i) state_d = StSlotWait;
      StSlotWait: if (answer) begin
        state_d  = StRespond;
        is_address_d = mem_data_i[31:0] != '0;
        address_d    = own_row_q;
      end
      StKeyless, StRing: if (unit_done_i) begin
        state_d  = StRespond;
        error_d      = (state_q == StKeyless) ? keyless_result_i : '0;
        is_address_d = state_q == StRing && ring_reserved_i;
        address_d    = ring_row_i;
      end
      // -- find
      StLpm: if (lpm_done_i) begin
        state_d  = StRespond;
        is_address_d = lpm_found_i;
        address_d    = lpm_row_i;
      end
      StFind: if (walk_done_i) begin
        state_d = (is_prepare && pops) ? StPush : StRespond;
        if (!walk_found_i && (is_delete || (is_prepare && data_q[1]))) begin
          error_d = ENOENT;
        end else if (walk_found_i && is_prepare && data_q[0]) begin
          error_d = EEXIST;
        end else if (walk_found_i && is_prepare && per_cpu) begin
          {is_address_d, address_d} = {1'b1, walk_row_i + value_i};
          if (lru && !walk_flags_i[1]) state_d = StTouch;
        end else if (is_prepare && lru) begin
          state_d  = StPrepared;
          {is_address_d, address_d} = {1'b1, own_row_q + value_i};
        end else begin
          state_d = StHeader0;
        end
      end
      StTouch:   if (mem_ready_i) state_d = pops ? StPush : StRespond;
      // -- LRU: an entry is taken before it is known whether it is needed
      StPop: if (lru_done_i) begin
        state_d  = lru_found_i ? StFind : StRespond;
        error_d = ENOMEM;
      end
      StPush: if (lru_done_i) state_d = is_delete ? StCount : StRespond;
      StHeader0: if (mem_ready_i) state_d = StHeader1;
      StHeader1: if (mem_ready_i) state_d = StHeaderWait;
      StHeaderWait: if (answer && half_q) begin
        if (is_delete) state_d = StUnlink;
        else state_d = is_prepare ? StTake : StCommit;
      end
      // -- prepare
      StTake: begin
        if (!found_q && full) begin
          state_d = StRespond;
          error_d = lpm ? ENOSPC : E2BIG;
        end else if (found_q && extra_q != '0) begin
          if (mem_ready_i) state_d = StAddress1;
        end else if (free_head_q != '0) begin
          state_d = StAddress1;
        end else if (next_unused_q < entry_count_i[RowBits-1:0]) begin
          if (mem_ready_i) state_d = StAddress1;
        end else begin
          state_d = StRespond;
          error_d = ENOMEM;
        end
      end
      StAddress1: state_d = StAddress2;
      StAddress2: begin
        state_d = from_free_q ? StFreeRead : StPrepared;
        {is_address_d, address_d} = {1'b1, row_i + value_i};
        if (array) state_d = StRespond;
        else if (slots) state_d = StSlotRead;
      end
      StFreeRead:  if (mem_ready_i) state_d = StFreeWait;
      StFreeWait:  if (answer) state_d = StFreeTaken;
      StFreeTaken: if (mem_ready_i) state_d = StPrepared;
      StPrepared:  if (mem_ready_i) state_d = per_cpu ? StZero : StRespond;
      StZero:      if (mem_ready_i && !more) state_d = StRespond;
      // -- commit
      StEntryRead: if (mem_ready_i) state_d = StEntryWait;
      StEntryWait: if (answer) begin
        // Still ours: not live, and of our key. Whether it links to itself takes its address.
        state_d = (mem_data_i[30] || mem_data_i[63:32] != key_hash_i) ? StRespond : StOwner1;
      end
      StOwner1: state_d = StOwner2;
      StOwner2: state_d = (row_i == own_row_q) ? StFind : StRespond;
      StCommit: begin
        state_d = StKeys;
        if (found_q && per_cpu) begin
          state_d = StMergeNew;
        end else if (!found_q && full) begin  // never an LRU map, which has no spare entries
          state_d  = StFreeNext;
          error_d = lpm ? ENOSPC : E2BIG;
        end
      end
      // Words of other processors are zero here and left alone there: their owners may be writing.
      StMergeNew:   if (mem_ready_i) state_d = StMergeSeen;
      StMergeSeen: if (answer) begin
        if (mem_data_i != '0) state_d = StMergeOld;
        else state_d = StMergeRest;
      end
      StMergeOld:   if (mem_ready_i) state_d = StMergeWait;
      StMergeWait:  if (answer) state_d = StMergeWrite;
      StMergeWrite: if (mem_ready_i) state_d = StMergeRest;
      StMergeRest:  state_d = more ? StMergeNew : (lru ? StPush : StFreeNext);
      StUnlink:     if (mem_ready_i) state_d = is_commit ? StLinkEntry : (lru ? StPush : StFreeNext);
      StFreeNext:   if (mem_ready_i) state_d = StFreeHead;
      StFreeHead:   if (mem_ready_i) state_d = is_delete ? StCount : StRespond;
      StKeys: if (mem_ready_i && place_q[3:0] == key_words_i) state_d = found_q ? StUnlink : StCount;
      StCount: if (mem_ready_i) begin
        state_d = lpm ? StLenRead : is_delete ? StRespond : StLinkEntry;
      end
      // -- LPM: how many entries have this prefix length, and whether any
      StLenRead:  if (mem_ready_i) state_d = StLenWait;
      StLenWait:  if (answer) state_d = StLenWrite;
      StLenWrite: if (mem_ready_i) begin
        if (length_q == '0 || length_new == '0) state_d = StBitRead;
        else state_d = is_delete ? StRespond : StLinkEntry;
      end
      StBitRead:  if (mem_ready_i) state_d = StBitWait;
      StBitWait:  if (answer) state_d = StBitWrite;
      StBitWrite: if (mem_ready_i) state_d = is_delete ? StRespond : StLinkEntry;
      StLinkEntry:    if (mem_ready_i) state_d = StLinkBucket;
      StLinkBucket: if (mem_ready_i) begin
        state_d = StRespond;
        if (found_q) state_d = lru ? StPush : (extra_q == '0) ? StSetAside : StFreeNext;
      end
      StSetAside:     if (mem_ready_i) state_d = StSetAsideNext;
      StSetAsideNext: if (mem_ready_i) state_d = StRespond;
      default:        if (rsp_ready_i) state_d = StIdle;
    endcase
  end

  // ---- map memory ---------------------------------------------------------------------------------
  localparam logic [7:0] LOW = 8'h0f, HIGH = 8'hf0, ALL = 8'hff;
  logic [RowBits-1:0] link;  // what the new entry's next is
  assign link = (found_q && walk_before_bucket_i) ? walk_next_i : first_link_q;

  always_comb begin
    mem_valid_o = 1'b1;
    mem_we_o    = 8'h00;
    mem_row_o   = own_row_q;
    mem_wdata_o = '0;
    case (state_q)
      StSlotRead, StFreeRead, StEntryRead: ;
      StHeader0:    mem_row_o = header_i;
      StHeader1:    mem_row_o = header_i + 1'b1;
      StMergeNew:   mem_row_o = own_row_q + place_q;
      StMergeOld:   mem_row_o = walk_row_i + place_q;
      StTouch: begin
        {mem_we_o, mem_row_o} = {LOW, walk_row_i};
        mem_wdata_o = 64'({1'b1, walk_flags_i[0], 30'(walk_next_i)});
      end
      StTake: begin
        mem_valid_o = (found_q && extra_q != '0)
                   || (!(!found_q && full) && free_head_q == '0 && next_unused_q < entry_count_i[RowBits-1:0]);
        if (found_q && extra_q != '0) begin
          {mem_we_o, mem_row_o} = {HIGH, header_i};
        end else begin
          {mem_we_o, mem_row_o} = {HIGH, header_i + 1'b1};
          mem_wdata_o = {32'(next_unused_q) + 32'd1, 32'd0};
        end
      end
      StFreeTaken: begin
        {mem_we_o, mem_row_o} = {LOW, header_i};
        mem_wdata_o = 64'(own_next_q);
      end
      StPrepared: begin
        mem_we_o    = ALL;
        mem_wdata_o = {key_hash_i, 32'(own_link_q)};
      end
      StZero: {mem_we_o, mem_row_o} = {ALL, own_row_q + place_q};
      StMergeWrite: begin
        {mem_we_o, mem_row_o} = {ALL, walk_row_i + place_q};
        mem_wdata_o = merge_q;
      end
      StUnlink: begin
        {mem_we_o, mem_row_o} = {walk_before_half_i ? HIGH : LOW, walk_before_row_i};
        mem_wdata_o = {2{walk_before_flags_i, 30'(walk_next_i)}};
      end
      StFreeNext: begin
        {mem_we_o, mem_row_o} = {LOW, gone_row};
        mem_wdata_o = 64'(free_head_q);
      end
      StFreeHead: begin
        {mem_we_o, mem_row_o} = {LOW, header_i};
        mem_wdata_o = 64'(gone_link);
      end
      StKeys: begin
        {mem_we_o, mem_row_o} = {ALL, own_row_q + place_q};
        mem_wdata_o = key_word_i;
      end
      StCount: begin
        {mem_we_o, mem_row_o} = {LOW, header_i + 1'b1};
        mem_wdata_o = 64'(new_count);
      end
      StLenRead: mem_row_o = length_row;
      StLenWrite: begin
        {mem_we_o, mem_row_o} = {key_first_i[0] ? HIGH : LOW, length_row};
        mem_wdata_o = {2{32'(length_new)}};
      end
      StBitRead: mem_row_o = bits_row;
      StBitWrite: begin
        {mem_we_o, mem_row_o} = {ALL, bits_row};
        mem_wdata_o = merge_q ^ length_bit;
      end
      StLinkEntry: begin
        mem_we_o    = ALL;
        mem_wdata_o = {key_hash_i, lru && found_q, 1'b1, 30'(link)};
      end
      StLinkBucket: begin
        {mem_we_o, mem_row_o} = {bucket[0] ? HIGH : LOW, bucket_row};
        mem_wdata_o = {2{32'(own_link_q)}};
      end
      StSetAside: begin
        {mem_we_o, mem_row_o} = {HIGH, header_i};
        mem_wdata_o = {32'(walk_link_i), 32'd0};
      end
      StSetAsideNext: {mem_we_o, mem_row_o} = {LOW, walk_row_i};
      default: mem_valid_o = 1'b0;
    endcase
  end

  // ---- state --------------------------------------------------------------------------------------
  assign read = mem_valid_o && mem_ready_i && mem_we_o == '0;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q <= StIdle;
      pipe_q  <= '0;
    end else begin
      state_q <= state_d;
      pipe_q  <= {pipe_q[1:0], read};
    end
    error_q      <= error_d;
    is_address_q <= is_address_d;
    address_q    <= address_d;
    if (state_q == StIdle) begin
      op_q      <= req_op_i;
      tag_q     <= req_tag_i;
      data_q    <= req_data_i;
      own_q     <= 1'b0;
    end
    // The header's two words come in turn.
    if (state_q == StHeader0) half_q <= 1'b0;
    else if (answer) half_q <= 1'b1;
    if (state_q == StFind) begin
      found_q      <= walk_found_i;
      first_link_q <= walk_first_i;
    end
    if (state_q == StHeaderWait || state_q == StHeader1) begin
      if (answer && !half_q) {extra_q, free_head_q} <= {mem_data_i[32 +: RowBits], mem_data_i[RowBits-1:0]};
      if (answer && half_q) {next_unused_q, count_q} <= {mem_data_i[32 +: RowBits], mem_data_i[RowBits-1:0]};
    end
    if (state_q == StCommit) own_q <= (found_q && per_cpu) || (!found_q && full);
    else if (state_q == StPop) own_q <= 1'b1;
    if (answer) own_next_q <= mem_data_i[RowBits-1:0];
    if (state_q == StLenWait) length_q <= key_first_i[0] ? mem_data_i[32 +: RowBits] : mem_data_i[RowBits-1:0];
    if (state_q == StMergeSeen || state_q == StBitWait) merge_q <= mem_data_i;
    else if (state_q == StMergeWait && answer) merge_q <= merge_q | mem_data_i;
    // The entry taken, and its address.
    case (state_q)
      StIndex: {own_link_q, from_free_q} <= {key_first_i[RowBits-1:0] + 1'b1, 1'b0};
      StTake: begin
        from_free_q <= !(found_q && extra_q != '0) && free_head_q != '0;
        if (found_q && extra_q != '0) own_link_q <= extra_q;
        else if (free_head_q != '0) own_link_q <= free_head_q;
        else own_link_q <= next_unused_q + 1'b1;
      end
      StEntryWait: own_link_q <= mem_data_i[RowBits-1:0];
      StPop: own_link_q <= lru_link_i;
      default: ;
    endcase
    if (state_q == StAddress2) own_row_q <= row_i;
    else if (state_q == StPop) own_row_q <= lru_row_i;
    else if (state_q == StLoad) own_row_q <= data_q[3 +: RowBits] - value_i;  // commit: from PREPARE
    // Rows of an entry, counted: values from value_i to the end, key words from 1.
    case (state_q)
      StPrepared, StCommit: place_q <= (state_q == StCommit && !(found_q && per_cpu)) ? RowBits'(1) : value_i;
      StZero, StKeys: if (mem_ready_i) place_q <= place_q + 1'b1;
      StMergeRest: place_q <= place_q + 1'b1;
      default: ;
    endcase
  end

  // ---- the other units ----------------------------------------------------------------------------
  assign req_pop_o        = state_q == StIdle && req_valid_i && look_slot_i;
  assign look_start_o     = state_q == StLoad && key_done_i && hash_kind && is_lookup && look_ready_i;
  assign look_lru_o       = lru;
  assign rsp_valid_o      = state_q == StRespond;
  assign rsp_tag_o        = tag_q;
  assign rsp_data_o       = is_address_q ? {34'd1, 30'({address_q, 3'd0})} : {{56{error_q[7]}}, error_q};
  assign link_o           = own_link_q;
  assign key_index_o      = place_q[2:0] - 3'd1;
  assign key_again_o      = state_q == StMask;
  assign walk_start_o     = state_q != StFind && state_d == StFind;
  assign lpm_start_o      = state_q == StLoad && state_d == StLpm;
  assign lru_start_o      = (state_q != StPop && state_d == StPop) || (state_q != StPush && state_d == StPush);
  assign lru_push_o       = state_q == StPush;
  assign lru_gone_o       = gone_link;
  assign keyless_start_o  = state_q == StLoad && state_d == StKeyless;
  assign ring_start_o     = state_q == StLoad && state_d == StRing;
  assign data_o           = data_q;
  assign is_pop_o         = is_pop;

  always_comb begin
    case (state_q)
      StFind:           turn_o = 3'd1;
      StLpm:            turn_o = 3'd2;
      StPop, StPush:    turn_o = 3'd3;
      StKeyless:        turn_o = 3'd4;
      StRing:           turn_o = 3'd5;
      default:          turn_o = 3'd0;
    endcase
  end

  logic unused;
  assign unused = &{1'b0, entry_count_i, bucket[31:RowBits+1]};
endmodule
