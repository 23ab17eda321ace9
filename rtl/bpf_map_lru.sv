// SPDX-License-Identifier: Apache-2.0
//
// The lists of an LRU map: takes a free entry (and for it, if none is at hand, moves entries between lists and
// throws some out), or gives one back. A list's head is a row of the header and looks like the links of an entry,
// so that link 0 means the head, and an entry comes and goes without special cases.
//
//   load header > [ flush > rotate active > rotate inactive > shrink ] > take > save header
//                   each: list's last entry > read > move, evict or leave > the one before it
//
// Latency:     about 30 cycles for a free entry at hand, 20 to give one back; about 25 per entry moved, 40 per
//              entry thrown out.
// Handshake:   start_i only when idle; results hold from done_o (one cycle) to the next start_i.
// Reset:       rst_ni makes it idle.
// Source:      maps/layout.md, LRU.
module bpf_map_lru #(
  parameter int RowBits = 17
) (
  input  logic               clk_i,
  input  logic               rst_ni,
  // command
  input  logic               start_i,
  input  logic               push_i,         // give gone_link_i back, instead of taking one
  input  logic [RowBits-1:0] gone_link_i,    // held
  output logic               done_o,
  output logic               found_o,        // taken: link_o, row_o
  output logic [RowBits-1:0] node_link_o,
  output logic [RowBits-1:0] node_row_o,
  // map; held
  input  logic [7:0]         target_i,       // entries that are taken at once; 0: no common lists
  input  logic [RowBits-1:0] entry_count_i,
  input  logic [RowBits-1:0] header_i,       // a multiple of 8
  input  logic [RowBits-1:0] value_i,
  // address unit: the entry's row comes two cycles after its link
  output logic [RowBits-1:0] link_o,
  input  logic [RowBits-1:0] row_i,
  // chain walker, by number; has address unit and map memory while walking_o
  output logic               walk_start_o,
  output logic               walking_o,
  output logic [31:0]        hash_o,
  input  logic               walk_done_i,
  input  logic [RowBits-1:0] walk_before_row_i,
  input  logic               walk_before_half_i,
  input  logic [1:0]         walk_before_flags_i,
  // map memory
  output logic               mem_valid_o,
  input  logic               mem_ready_i,
  output logic [7:0]         mem_we_o,
  output logic [RowBits-1:0] mem_row_o,
  output logic [63:0]        mem_wdata_o,
  input  logic [63:0]        mem_data_i
);
  localparam logic [4:0]
    StIdle = 5'd0, StLoad = 5'd1, StLoadWait = 5'd2, StPhase = 5'd3, StHead = 5'd4, StHeadWait = 5'd5,
    StNode1 = 5'd6, StNode2 = 5'd7, StRead = 5'd8, StReadLinks = 5'd9, StReadWait = 5'd10, StDecide = 5'd11,
    StPrev1 = 5'd12, StPrev2 = 5'd13, StPrevWrite = 5'd14, StNext1 = 5'd15, StNext2 = 5'd16, StNextWrite = 5'd17,
    StTop = 5'd18, StTopWait = 5'd19, StLinks = 5'd20, StNear1 = 5'd21, StNear2 = 5'd22, StNearWrite = 5'd23,
    StTopWrite = 5'd24, StUnmark = 5'd25, StWalk = 5'd26, StUnchain = 5'd27, StFree = 5'd28, StStep = 5'd29,
    StSave = 5'd30;
  localparam logic [2:0] Flush = 3'd0, RotateActive = 3'd1, RotateInactive = 3'd2, Shrink = 3'd3, Force = 3'd4,
                         ForceActive = 3'd5, Take = 3'd6, Push = 3'd7;
  localparam logic [1:0] PENDING = 2'd1, INACTIVE = 2'd2, ACTIVE = 2'd3;
  localparam logic [7:0] LOW = 8'h0f, HIGH = 8'hf0, ALL = 8'hff;

  // ---- the header, while something is done ----------------------------------------------------------
  logic [RowBits-1:0] free_q, unused_q, count_q, rotation_q, taken_q;
  logic [RowBits:0]   surplus_q;  // active - inactive, signed
  logic [7:0]         local_q;

  // ---- the entry under work -------------------------------------------------------------------------
  (* fsm_encoding = "none" *)  // Yosys 0.23 breaks off when it recodes this one
  logic [4:0]         state_q;
  logic [4:0]         state_d;
  logic [2:0]         phase_q, phase_d;
  logic [RowBits-1:0] node_q, row_q, links_q, next_q, before_q, end_q, near_q;
  logic [RowBits-1:0] chain_q;     // its first word's link
  logic [31:0]        hash_q;
  logic [1:0]         list_q, to_q, head_list;
  logic               live_q, marked_q, fresh_q, found_q, common;
  logic [7:0]         seen_q;
  logic [2:0]         pipe_q;
  logic [1:0]         index_q, answers_q;
  logic               answer, done_q, evicting_q, freed_q;

  assign answer = pipe_q[2];
  assign common = target_i != '0;

  // Links of an entry stand before its value.
  logic [RowBits-1:0] links_at;
  assign links_at = value_i - 1'b1;
  function automatic logic [RowBits-1:0] header_row(input logic [2:0] row);
    header_row = {header_i[RowBits-1:3], row};
  endfunction

  // ---- decisions ------------------------------------------------------------------------------------
  logic [RowBits-1:0] room, last;
  logic               enough, exhausted, at_end, all_seen;
  assign room      = entry_count_i - taken_q;
  assign enough    = room >= RowBits'(target_i);
  assign exhausted = common ? local_q == '0 : taken_q == entry_count_i;
  assign at_end    = node_q == end_q;
  assign all_seen  = seen_q == (common ? 8'd127 : 8'd3);
  assign last      = mem_data_i[32 +: RowBits];

  always_comb begin
    case (phase_q)
      Flush:                     head_list = PENDING;
      RotateActive, ForceActive: head_list = ACTIVE;
      default:                   head_list = INACTIVE;
    endcase
  end

  always_comb begin
    state_d = state_q;
    phase_d = phase_q;
    case (state_q)
      StIdle: if (start_i) state_d = StLoad;
      StLoad: if (mem_ready_i && index_q == 2'd3) state_d = StLoadWait;
      StLoadWait: if (answer && answers_q == 2'd3) begin
        if (push_i) {state_d, phase_d} = {StNode1, Push};
        else if (common && mem_data_i[7:0] != '0) {state_d, phase_d} = {StPhase, Take};
        else {state_d, phase_d} = {StPhase, common ? Flush : RotateActive};
      end
      StPhase: begin
        state_d = StHead;
        if (phase_q == RotateActive && (surplus_q[RowBits] || surplus_q == '0)) phase_d = RotateInactive;
        // Shrinking comes after what is free has been taken; that may have been enough.
        if (phase_q == Shrink && (common ? enough : taken_q != entry_count_i)) {state_d, phase_d} = {StPhase, Take};
        if (phase_q == Take) state_d = exhausted ? StSave : StNode1;
      end
      StHead:     if (mem_ready_i) state_d = StHeadWait;
      StHeadWait: if (answer) begin
        state_d = StNode1;
        if (last == '0) begin  // nobody there
          state_d = StPhase;
          case (phase_q)
            Flush:          phase_d = RotateActive;
            RotateInactive: phase_d = Shrink;
            Shrink:         phase_d = Force;
            Force:          phase_d = ForceActive;
            default:        phase_d = Take;
          endcase
        end
      end
      // -- the entry's state and links
      StNode1:     state_d = StNode2;
      StNode2:     state_d = StRead;
      StRead:      if (mem_ready_i) state_d = StReadLinks;
      StReadLinks: if (mem_ready_i) state_d = StReadWait;
      StReadWait:  if (answer && answers_q == 2'd1) state_d = StDecide;
      StDecide: begin
        case (phase_q)
          Flush, RotateActive, Push: state_d = StPrev1;
          RotateInactive:            state_d = marked_q ? StPrev1 : StStep;
          Take:                      state_d = StTop;
          default: begin
            state_d = live_q ? StWalk : StStep;
            if (phase_q == Shrink && marked_q) state_d = StPrev1;
          end
        endcase
      end
      // -- out of its bucket
      StWalk:      if (walk_done_i) state_d = StUnchain;
      StUnchain:   if (mem_ready_i) state_d = StPrev1;
      // -- out of its list
      StPrev1:     state_d = StPrev2;
      StPrev2:     state_d = StPrevWrite;
      StPrevWrite: if (mem_ready_i) state_d = StNext1;
      StNext1:     state_d = StNext2;
      StNext2:     state_d = StNextWrite;
      StNextWrite: if (mem_ready_i) state_d = (evicting_q || phase_q == Push) ? StFree : StTop;
      // -- to the head of another
      StTop:       if (mem_ready_i) state_d = StTopWait;
      StTopWait:   if (answer) state_d = StLinks;
      StLinks:     if (mem_ready_i) state_d = StNear1;
      StNear1:     state_d = StNear2;
      StNear2:     state_d = StNearWrite;
      StNearWrite: if (mem_ready_i) state_d = StTopWrite;
      StTopWrite:  if (mem_ready_i) state_d = (phase_q == Take) ? StSave : (marked_q ? StUnmark : StStep);
      StUnmark:    if (mem_ready_i) state_d = StStep;
      StFree:      if (mem_ready_i) state_d = (phase_q == Push) ? StSave : StStep;
      // -- the one before it
      StStep: begin
        state_d = StNode1;
        case (phase_q)
          Flush: if (before_q == '0) {state_d, phase_d} = {StPhase, RotateActive};
          RotateActive: if (at_end || all_seen) {state_d, phase_d} = {StPhase, RotateInactive};
          RotateInactive: begin
            if (at_end || all_seen) {state_d, phase_d} = {StPhase, Shrink};
            else if (before_q == '0) state_d = StHead;  // around
          end
          Shrink: if (before_q == '0 || all_seen || (common && local_q == target_i)) {state_d, phase_d} = {StPhase, freed_q ? Take : Force};
          default: if (before_q == '0 || freed_q) {state_d, phase_d} = {StPhase, Take};
        endcase
      end
      default: if (mem_ready_i && index_q == 2'd3) state_d = StIdle;
    endcase
  end

  // ---- address unit and map memory ------------------------------------------------------------------
  logic [RowBits-1:0] links_of_row, head_row, neighbour, neighbour_row;
  logic [1:0]         near_list;
  assign links_of_row = row_i + links_at;
  // Where an entry goes to the head of a list, next_q is the list's first.
  assign neighbour     = (state_q == StPrev1 || state_q == StPrev2) ? before_q : next_q;
  assign near_list     = (state_q == StHead) ? head_list
                       : (state_q == StPrev2 || state_q == StNext2) ? list_q : to_q;
  assign head_row      = header_row(3'd2 + 3'(near_list));
  assign neighbour_row = (neighbour == '0) ? head_row : links_of_row;
  assign link_o        = (state_q == StNode1) ? node_q : neighbour;

  always_comb begin
    mem_valid_o = 1'b1;
    mem_we_o    = 8'h00;
    mem_row_o   = near_q;
    mem_wdata_o = '0;
    case (state_q)
      StLoad: mem_row_o = header_row((index_q == 2'd3) ? 3'd6 : 3'(index_q));
      StHead, StTop: mem_row_o = head_row;
      StRead:      mem_row_o = row_q;
      StReadLinks: mem_row_o = links_q;
      StUnchain: begin
        {mem_we_o, mem_row_o} = {walk_before_half_i ? HIGH : LOW, walk_before_row_i};
        mem_wdata_o = {2{walk_before_flags_i, 30'(chain_q)}};
      end
      StPrevWrite: begin
        mem_we_o    = LOW;
        mem_wdata_o = 64'(next_q);
      end
      StNextWrite: begin
        mem_we_o    = HIGH;
        mem_wdata_o = {list_q, 30'(before_q), 32'd0};
      end
      StLinks: begin
        {mem_we_o, mem_row_o} = {ALL, links_q};
        mem_wdata_o = {to_q, 30'd0, 32'(next_q)};
      end
      StNearWrite: begin
        mem_we_o    = HIGH;
        mem_wdata_o = {to_q, 30'(node_q), 32'd0};
      end
      StTopWrite: begin
        {mem_we_o, mem_row_o} = {LOW, head_row};
        mem_wdata_o = 64'(node_q);
      end
      StUnmark: begin
        {mem_we_o, mem_row_o} = {LOW, row_q};
        mem_wdata_o = {32'd0, 1'b0, live_q, 30'(chain_q)};
      end
      StFree: begin
        {mem_we_o, mem_row_o} = {LOW, row_q};
        mem_wdata_o = 64'(free_q);
      end
      StSave: begin
        mem_we_o  = (index_q == 2'd0) ? LOW : ALL;
        mem_row_o = header_row((index_q == 2'd3) ? 3'd6 : 3'(index_q));
        case (index_q)
          2'd0:    mem_wdata_o = 64'(free_q);
          2'd1:    mem_wdata_o = {32'(unused_q), 32'(count_q)};
          2'd2:    mem_wdata_o = {{(32-RowBits-1){surplus_q[RowBits]}}, surplus_q, 32'(rotation_q)};
          default: mem_wdata_o = {32'(taken_q), 32'(local_q)};
        endcase
      end
      default: mem_valid_o = 1'b0;
    endcase
  end

  // ---- state ----------------------------------------------------------------------------------------
  logic       step_on, leaves, arrives, takes, frees, to_local;
  logic [1:0] changed;
  assign step_on = state_q == StStep;
  assign leaves  = state_q == StNextWrite && mem_ready_i;
  assign arrives = state_q == StTopWrite && mem_ready_i;
  assign changed = leaves ? list_q : to_q;
  assign takes   = state_q == StPhase && phase_q == Take && !exhausted;
  assign frees   = state_q == StFree && mem_ready_i;
  assign to_local = (phase_q == Push) ? list_q == PENDING : common;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q <= StIdle;
      pipe_q  <= '0;
      done_q  <= 1'b0;
    end else begin
      state_q <= state_d;
      pipe_q  <= {pipe_q[1:0], mem_valid_o && mem_ready_i && mem_we_o == '0};
      done_q  <= state_q == StSave && state_d == StIdle;
    end
    phase_q <= phase_d;
    if (state_q == StIdle) index_q <= '0;
    else if ((state_q == StLoad || state_q == StSave) && mem_ready_i) index_q <= index_q + 2'd1;
    if (state_q == StIdle || state_q == StNode1) answers_q <= '0;
    else if (answer) answers_q <= answers_q + 2'd1;

    // The header.
    if ((state_q == StLoad || state_q == StLoadWait) && answer) begin
      case (answers_q)
        2'd0:    free_q <= mem_data_i[RowBits-1:0];
        2'd1:    {unused_q, count_q} <= {mem_data_i[32 +: RowBits], mem_data_i[RowBits-1:0]};
        2'd2:    {surplus_q, rotation_q} <= {mem_data_i[32 +: RowBits+1], mem_data_i[RowBits-1:0]};
        default: {taken_q, local_q} <= {mem_data_i[32 +: RowBits], mem_data_i[7:0]};
      endcase
    end
    // One more active or one fewer inactive, or the other way round.
    if (changed != PENDING && (leaves || arrives)) begin
      surplus_q <= surplus_q + ((leaves == (changed == ACTIVE)) ? '1 : (RowBits+1)'(1));
    end
    if (leaves && rotation_q == node_q) rotation_q <= before_q;
    if (step_on && phase_q == RotateInactive && phase_d == Shrink) rotation_q <= before_q;
    if (state_q == StPhase && phase_q == Shrink && common) begin
      taken_q <= taken_q + (enough ? RowBits'(target_i) : room);
      local_q <= enough ? target_i : room[7:0];
    end else if (frees) begin
      if (to_local) local_q <= local_q + 8'd1;
      else taken_q <= taken_q - 1'b1;
    end else if (takes) begin
      if (common) local_q <= local_q - 8'd1;
      else taken_q <= taken_q + 1'b1;
    end
    if (takes) begin
      fresh_q <= free_q == '0;
      if (free_q == '0) unused_q <= unused_q + 1'b1;
    end
    if (state_q == StDecide && phase_q == Take && !fresh_q) free_q <= chain_q;
    if (frees) begin
      free_q <= node_q;
      if (phase_q != Push) count_q <= count_q - 1'b1;
    end

    // The entry.
    case (state_q)
      StLoadWait: node_q <= gone_link_i;
      StPhase:    node_q <= (free_q == '0) ? unused_q + 1'b1 : free_q;
      StHeadWait: node_q <= (phase_q == RotateInactive && seen_q == '0 && rotation_q != '0) ? rotation_q : last;
      StStep:     node_q <= before_q;
      default: ;
    endcase
    if (state_q == StHeadWait && seen_q == '0) end_q <= mem_data_i[RowBits-1:0];
    // A rotation that begins at an entry ends at the one after it.
    if (state_q == StDecide && phase_q == RotateInactive && seen_q == '0 && rotation_q != '0 && next_q != '0) end_q <= next_q;
    if (state_q == StNode2) {row_q, links_q} <= {row_i, links_of_row};
    if (answer && (state_q == StReadLinks || state_q == StReadWait)) begin
      if (answers_q == 2'd0) begin
        {marked_q, live_q, chain_q} <= {mem_data_i[31:30], mem_data_i[RowBits-1:0]};
        hash_q <= mem_data_i[63:32];
      end else begin
        {list_q, before_q, next_q} <= {mem_data_i[63:62], mem_data_i[32 +: RowBits], mem_data_i[RowBits-1:0]};
      end
    end
    if (state_q == StTopWait && answer) next_q <= mem_data_i[RowBits-1:0];
    if (state_q == StPrev2 || state_q == StNext2 || state_q == StNear2) near_q <= neighbour_row;
    if (state_q == StDecide) begin
      to_q <= ACTIVE;
      if (phase_q == Take) to_q <= common ? PENDING : INACTIVE;
      else if (!marked_q) to_q <= INACTIVE;
      evicting_q <= state_d == StWalk;
    end
    if (state_q == StPhase) begin
      seen_q  <= '0;
      freed_q <= 1'b0;
      found_q <= !exhausted;
    end else if (step_on) begin
      seen_q  <= seen_q + 8'd1;
    end else if (state_q == StFree) begin
      freed_q <= 1'b1;
    end
  end

  assign walk_start_o = state_q == StDecide && state_d == StWalk;
  assign walking_o    = state_q == StWalk;
  assign hash_o       = hash_q;
  assign done_o       = done_q;
  assign found_o      = found_q;
  assign node_link_o  = node_q;
  assign node_row_o   = row_q;

  logic unused;
  assign unused = &{1'b0, header_i[2:0], mem_data_i};
endmodule
