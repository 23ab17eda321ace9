// SPDX-License-Identifier: Apache-2.0
//
// Chooses the entry that a full LRU map gives up: a clock hand passes over the entries in use, spares those looked
// up since it last came by (at most 32 of them), and stops at the next. It clears `referenced` as it
// goes and writes the hand back; taking the entry out of its chain is left to bpf_map_seq.
//
// Latency:     5 cycles per entry looked at, and 7 more.
// Handshake:   start_i only when idle; results hold from done_o (one cycle) to the next start_i.
// Reset:       rst_ni makes it idle.
// Source:      maps/layout.md, evict.
module bpf_map_evict #(
  parameter int RowBits = 17
) (
  input  logic               clk_i,
  input  logic               rst_ni,
  input  logic               start_i,
  // map; held
  input  logic [31:0]        next_unused_i,
  input  logic [RowBits-1:0] header_i,
  input  logic [RowBits-1:0] entries_i,
  input  logic [RowBits-1:0] stride_i,
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
  // result: link_o is the entry's
  output logic               done_o,
  output logic [31:0]        hash_o
);
  localparam logic [3:0] StIdle = 4'd0, StHand = 4'd1, StHandWait = 4'd2, StAddress1 = 4'd3,
                         StAddress2 = 4'd4, StRead = 4'd5, StReadWait = 4'd6, StClear = 4'd7,
                         StNext = 4'd8, StSave = 4'd9;
  logic [3:0]         state_q;
  logic [2:0]         pipe_q;
  logic [31:0]        number_q, hash_q;  // of the entry looked at
  logic [29:0]        next_q;
  logic [5:0]         cleared_q;
  logic [RowBits-1:0] row_q;
  logic               done_q, answer, spare;

  assign answer      = pipe_q[2];
  assign link_o      = number_q[RowBits-1:0] + 1'b1;
  assign hash_o      = hash_q;
  assign done_o      = done_q;
  // Not live: go on. Referenced: go on as well, but clear it.
  assign spare       = !mem_data_i[30] || (mem_data_i[31] && !cleared_q[5]);

  assign mem_valid_o = state_q == StHand || state_q == StRead || state_q == StClear || state_q == StSave;
  always_comb begin
    mem_we_o    = 8'h00;
    mem_row_o   = row_q;
    mem_wdata_o = {32'd0, 2'b01, next_q};
    if (state_q == StHand || state_q == StSave) mem_row_o = header_i + RowBits'(2);
    if (state_q == StSave) mem_wdata_o = {32'd0, number_q + 32'd1};
    if (state_q == StClear || state_q == StSave) mem_we_o = 8'h0f;
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q <= StIdle;
      pipe_q  <= '0;
      done_q  <= 1'b0;
    end else begin
      pipe_q <= {pipe_q[1:0], mem_valid_o && mem_ready_i && mem_we_o == '0};
      done_q <= state_q == StSave && mem_ready_i;
      case (state_q)
        StIdle:     if (start_i) state_q <= StHand;
        StHand:     if (mem_ready_i) state_q <= StHandWait;
        StHandWait: if (answer) state_q <= StAddress1;
        StAddress1: state_q <= StAddress2;
        StAddress2: state_q <= StRead;
        StRead:     if (mem_ready_i) state_q <= StReadWait;
        StReadWait: if (answer) begin
          if (!spare) state_q <= StSave;
          else state_q <= mem_data_i[30] ? StClear : StNext;
        end
        StClear:    if (mem_ready_i) state_q <= StNext;
        StNext:     state_q <= StRead;
        default:    if (mem_ready_i) state_q <= StIdle;
      endcase
    end
    if (start_i) cleared_q <= '0;
    else if (state_q == StClear && mem_ready_i) cleared_q <= cleared_q + 6'd1;
    if (state_q == StHandWait) begin
      number_q <= (mem_data_i[31:0] >= next_unused_i) ? '0 : mem_data_i[31:0];
    end else if (state_q == StNext) begin
      number_q <= (number_q + 32'd1 >= next_unused_i) ? '0 : number_q + 32'd1;
    end
    if (state_q == StAddress2) row_q <= row_i;
    else if (state_q == StNext) row_q <= (number_q + 32'd1 >= next_unused_i) ? entries_i : row_q + stride_i;
    if (state_q == StReadWait) begin
      next_q <= mem_data_i[29:0];
      hash_q <= mem_data_i[63:32];
    end
  end
endmodule
