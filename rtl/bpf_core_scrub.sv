// SPDX-License-Identifier: Apache-2.0
//
// Knows which threads are free, and gives every frame a zero stack: remembers the 64-byte stack
// lines that a thread stored to, and clears them when it is released. What was not touched costs
// nothing.
//
//   free --claim (rx)--> in use --release--> [sent (tx)] and [lines cleared] --> free
//
// After reset every line of every thread counts as touched, so that the memory needs no start
// value.
// Latency:     2 cycles from release to free, 1 more and 9 a touched line, while granted.
// Reset:       all threads released, nothing free.

module bpf_core_scrub #(
  parameter int Threads = 8,
  localparam int TW = $clog2(Threads)
) (
  input  logic               clk_i,
  input  logic               rst_ni,
  // from bpf_core_rx
  input  logic               claim_valid_i,
  input  logic [TW-1:0]      claim_thread_i,
  // release; with send, a later `sent` is awaited
  input  logic               release_valid_i,
  input  logic [TW-1:0]      release_thread_i,
  input  logic               release_send_i,
  input  logic               sent_valid_i,
  input  logic [TW-1:0]      sent_thread_i,
  // from bpf_core_mem: stack stores, lines of 64 bytes
  input  logic               dirty_valid_i,
  input  logic               dirty_two_i,  // and the line after
  input  logic [TW-1:0]      dirty_thread_i,
  input  logic [2:0]         dirty_line_i,
  // stack memory
  output logic               local_req_o,
  input  logic               local_gnt_i,
  output logic [TW+6:0]      local_row_o,
  // to bpf_core_rx
  output logic [Threads-1:0] free_o
);

  logic [Threads-1:0] free_q, released_q, sending_q, clean, freed;
  logic [8*Threads-1:0] dirty_q, touched;
  logic [Threads-1:0] claim_hot, release_hot, sent_hot;

  typedef enum logic [1:0] {StThread, StLine, StClear} state_e;
  state_e state_q;
  logic [TW-1:0] thread_q, thread_d;
  logic [2:0] line_q, line_d, row_q, after;
  logic [7:0] lines;
  logic cleared;

  assign after = dirty_line_i + 3'd1;
  assign lines = dirty_q[8*thread_q+:8];
  always_comb begin
    for (int t = 0; t < Threads; t++) begin
      clean[t]       = dirty_q[8*t+:8] == '0;
      claim_hot[t]   = claim_valid_i && claim_thread_i == TW'(t);
      release_hot[t] = release_valid_i && release_thread_i == TW'(t);
      sent_hot[t]    = sent_valid_i && sent_thread_i == TW'(t);
      for (int l = 0; l < 8; l++) begin
        touched[8*t+l] = dirty_valid_i && dirty_thread_i == TW'(t) &&
                         (dirty_line_i == 3'(l) || (dirty_two_i && after == 3'(l)));
      end
    end
    freed = released_q & ~sending_q & clean;

    thread_d = '0;
    for (int t = Threads - 1; t >= 0; t--) begin
      if (released_q[t] && !clean[t]) thread_d = TW'(t);
    end
    line_d = '0;
    for (int l = 7; l >= 0; l--) begin
      if (lines[l]) line_d = 3'(l);
    end
  end

  assign local_req_o = state_q == StClear;
  assign local_row_o = {thread_q, 1'b1, line_q, row_q};
  assign cleared     = local_req_o && local_gnt_i && row_q == 3'd7;
  assign free_o      = free_q;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      free_q     <= '0;
      released_q <= '1;
      sending_q  <= '0;
      dirty_q    <= '1;
      state_q    <= StThread;
    end else begin
      free_q     <= (free_q | freed) & ~claim_hot;
      released_q <= (released_q & ~freed) | release_hot;
      sending_q  <= (sending_q & ~sent_hot) | (release_hot & {Threads{release_send_i}});
      dirty_q    <= dirty_q | touched;
      if (cleared) dirty_q[{thread_q, line_q}] <= 1'b0;
      case (state_q)
        StThread: if ((released_q & ~clean) != '0) state_q <= StLine;
        StLine:   state_q <= (lines != '0) ? StClear : StThread;
        default:  if (cleared) state_q <= StLine;
      endcase
    end
    if (state_q == StThread) thread_q <= thread_d;
    if (state_q == StLine) line_q <= line_d;
    if (state_q != StClear) row_q <= '0;
    else if (local_gnt_i) row_q <= row_q + 3'd1;
  end

  `include "bpf_assert.svh"
  `BPF_ASSERT(ClaimOnlyFree, (claim_hot & ~free_q) == '0)
  `BPF_ASSERT(ReleaseOnlyInUse, (release_hot & (free_q | released_q)) == '0)
  `BPF_ASSERT(FreeStackIsClean, (free_q & ~clean) == '0)

endmodule
