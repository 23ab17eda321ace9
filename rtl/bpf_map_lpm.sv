// SPDX-License-Identifier: Apache-2.0
//
// Longest-prefix match: starts a lookup of the shortened key for each prefix length that occurs in
// the map, from the key's own downwards, side by side, and takes the longest that is found. As soon
// as one is found no shorter one is started.
//
// Latency:     about 18 + key words cycles for the first prefix length, 3 + key words more for each
//              further one.
// Handshake:   start_i only when idle and the key is loaded; results hold from done_o on.
// Reset:       rst_ni makes it idle.
// Source:      maps/layout.md, LOOKUP (LPM).
module bpf_map_lpm #(
  parameter int RowBits = 17
) (
  input  logic               clk_i,
  input  logic               rst_ni,
  input  logic               start_i,
  input  logic [8:0]         prefix_i,     // with start_i: bits, not more than the key has
  input  logic [RowBits-1:0] header_i,     // held
  // key unit
  output logic               key_again_o,
  output logic [8:0]         key_prefix_o,
  input  logic               key_done_i,
  // lookups
  input  logic               slot_valid_i,
  output logic               look_start_o,
  input  logic               look_ready_i,
  input  logic               look_valid_i,
  input  logic               look_found_i,
  input  logic [8:0]         look_prefix_i,
  input  logic [RowBits-1:0] look_row_i,
  // map memory
  output logic               mem_valid_o,
  input  logic               mem_ready_i,
  output logic [RowBits-1:0] mem_row_o,
  input  logic [63:0]        mem_data_i,
  // result
  output logic               done_o,
  output logic               found_o,
  output logic [RowBits-1:0] row_o         // of the value
);
  localparam logic [2:0] StIdle = 3'd0, StRead = 3'd1, StReadWait = 3'd2, StScan = 3'd3,
                         StKey = 3'd4, StDrain = 3'd5;
  logic [2:0]         state_q, pipe_q;
  logic [2:0]         word_q;              // which 64 lengths
  logic [63:0]        lengths_q;           // those of them still to try
  logic [8:0]         prefix_q, best_q;
  logic [5:0]         highest;
  logic [3:0]         running_q;           // lookups started and not answered
  logic [RowBits-1:0] row_q;
  logic               done_q, found_q, answer, more;

  always_comb begin
    highest = '0;
    for (int i = 0; i < 64; i++) if (lengths_q[i]) highest = 6'(i);
  end

  assign answer       = pipe_q[2];
  assign more         = lengths_q != '0 && !found_q;
  assign mem_valid_o  = state_q == StRead;
  assign mem_row_o    = header_i + RowBits'(3) + RowBits'(word_q);
  assign key_again_o  = state_q == StScan && more && slot_valid_i;
  assign key_prefix_o = (state_q == StScan) ? {word_q, highest} : prefix_q;
  assign look_start_o = state_q == StKey && key_done_i && look_ready_i;
  assign done_o       = done_q;
  assign found_o      = found_q;
  assign row_o        = row_q;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q   <= StIdle;
      pipe_q    <= '0;
      done_q    <= 1'b0;
      running_q <= '0;
    end else begin
      pipe_q    <= {pipe_q[1:0], mem_valid_o && mem_ready_i};
      done_q    <= state_q == StDrain && running_q == '0;
      running_q <= running_q + 4'(look_start_o) - 4'(look_valid_i);
      case (state_q)
        StIdle:     if (start_i) state_q <= StRead;
        StRead:     if (mem_ready_i) state_q <= StReadWait;
        StReadWait: if (answer) state_q <= StScan;
        StScan: begin
          if (key_again_o) state_q <= StKey;
          else if (found_q || (lengths_q == '0 && word_q == '0)) state_q <= StDrain;
          else if (lengths_q == '0) state_q <= StRead;
        end
        StKey:      if (look_start_o) state_q <= StScan;
        default:    if (running_q == '0) state_q <= StIdle;
      endcase
    end
    if (start_i) word_q <= prefix_i[8:6];
    else if (state_q == StScan && lengths_q == '0) word_q <= word_q - 3'd1;
    // Lengths above the key's own don't count; they lie in the first word read.
    if (start_i) prefix_q <= prefix_i;
    else if (key_again_o) prefix_q <= {word_q, highest};
    if (state_q == StReadWait) begin
      lengths_q <= mem_data_i & ((word_q == prefix_q[8:6]) ? ~(64'hffff_ffff_ffff_fffe << prefix_q[5:0])
                                                          : '1);
    end else if (key_again_o) begin
      lengths_q[highest] <= 1'b0;
    end
    // Answers come in any order: the longest counts.
    if (start_i) found_q <= 1'b0;
    else if (look_valid_i && look_found_i) found_q <= 1'b1;
    if (look_valid_i && look_found_i && (!found_q || look_prefix_i > best_q)) begin
      best_q <= look_prefix_i;
      row_q  <= look_row_i;
    end
  end
endmodule
