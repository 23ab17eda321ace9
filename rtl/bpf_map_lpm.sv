// SPDX-License-Identifier: Apache-2.0
//
// Longest-prefix match: tries the prefix lengths that occur in the map, from the key's own downwards,
// each as a lookup of the shortened key in the map's hash table.
//
// Latency:     about 17 + key words cycles per prefix length tried.
// Handshake:   start_i only when idle and the key is loaded; found_o holds from done_o on.
// Reset:       rst_ni makes it idle.
// Source:      maps/README.md, LOOKUP (LPM).
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
  // chain walker
  output logic               walk_start_o,
  input  logic               walk_done_i,
  input  logic               walk_found_i,
  // map memory
  output logic               mem_valid_o,
  input  logic               mem_ready_i,
  output logic [RowBits-1:0] mem_row_o,
  input  logic [63:0]        mem_data_i,
  // result: the walker's, if found
  output logic               done_o,
  output logic               found_o
);
  localparam logic [2:0] StIdle = 3'd0, StRead = 3'd1, StReadWait = 3'd2, StScan = 3'd3,
                         StAgain = 3'd4, StKey = 3'd5, StWalk = 3'd6;
  logic [2:0]  state_q, pipe_q;
  logic [2:0]  word_q;                // which 64 lengths
  logic [63:0] lengths_q;             // those of them still to try
  logic [8:0]  prefix_q;
  logic [5:0]  highest;
  logic        done_q, found_q, answer;

  always_comb begin
    highest = '0;
    for (int i = 0; i < 64; i++) if (lengths_q[i]) highest = 6'(i);
  end

  assign answer       = pipe_q[2];
  assign mem_valid_o  = state_q == StRead;
  assign mem_row_o    = header_i + RowBits'(3) + RowBits'(word_q);
  assign key_again_o  = state_q == StAgain;
  assign key_prefix_o = prefix_q;
  assign walk_start_o = state_q == StKey && key_done_i;
  assign done_o       = done_q;
  assign found_o      = found_q;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q <= StIdle;
      pipe_q  <= '0;
      done_q  <= 1'b0;
    end else begin
      pipe_q <= {pipe_q[1:0], mem_valid_o && mem_ready_i};
      done_q <= (state_q == StScan && lengths_q == '0 && word_q == '0)
             || (state_q == StWalk && walk_done_i && walk_found_i);
      case (state_q)
        StIdle:     if (start_i) state_q <= StRead;
        StRead:     if (mem_ready_i) state_q <= StReadWait;
        StReadWait: if (answer) state_q <= StScan;
        StScan: begin
          if (lengths_q != '0) state_q <= StAgain;
          else state_q <= (word_q == '0) ? StIdle : StRead;
        end
        StAgain:    state_q <= StKey;
        StKey:      if (key_done_i) state_q <= StWalk;
        StWalk:     if (walk_done_i) state_q <= walk_found_i ? StIdle : StScan;
        default:    state_q <= StIdle;
      endcase
    end
    if (start_i) word_q <= prefix_i[8:6];
    else if (state_q == StScan && lengths_q == '0) word_q <= word_q - 3'd1;
    // Lengths above the key's own don't count; they lie in the first word read.
    if (start_i) prefix_q <= prefix_i;
    else if (state_q == StScan && lengths_q != '0) prefix_q <= {word_q, highest};
    if (state_q == StReadWait) begin
      lengths_q <= mem_data_i & ((word_q == prefix_q[8:6]) ? ~(64'hffff_ffff_ffff_fffe << prefix_q[5:0])
                                                          : '1);
    end else if (state_q == StAgain) begin
      lengths_q[prefix_q[5:0]] <= 1'b0;
    end
    if (state_q == StScan) found_q <= 1'b0;
    else if (state_q == StWalk && walk_done_i) found_q <= walk_found_i;
  end
endmodule
