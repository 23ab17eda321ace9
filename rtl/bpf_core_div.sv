// SPDX-License-Identifier: Apache-2.0
//
// Division and remainder, signed and unsigned, 32 and 64 bits: one restoring radix-2 divider on
// magnitudes, and a queue for the threads that wait for it.
//
// Division by zero gives 0, its remainder the dividend; the most negative number divided by -1
// gives itself, remainder 0. A 32-bit result has a zero upper half.
// Latency:     from x2 to result, when idle: 36 cycles if the dividend's magnitude is below 2^32,
//              else 68.
// Throughput:  one division at a time.
// Handshake:   result_* hold until result_ready_i.
// Reset:       empties the queue, stops the divider.
// Source:      RFC 9669 section 4.1.

module bpf_core_div #(
  parameter int Threads = 8,
  localparam int TW = $clog2(Threads)
) (
  input  logic          clk_i,
  input  logic          rst_ni,
  // from the pipeline, stage x2
  input  logic          x2_valid_i,
  input  logic [TW-1:0] x2_thread_i,
  input  logic          x2_w64_i,
  input  logic          x2_signed_i,
  input  logic          x2_mod_i,
  input  logic [63:0]   x2_a_i,
  input  logic [63:0]   x2_b_i,
  // to bpf_core_response
  output logic          result_valid_o,
  input  logic          result_ready_i,
  output logic [TW-1:0] result_thread_o,
  output logic [63:0]   result_data_o
);

  logic head_valid, pop, head_w64, head_signed, head_mod;
  logic [TW-1:0] head_thread;
  logic [63:0] head_a, head_b;
  bpf_core_queue #(.Width(TW + 3 + 128), .Depth(Threads)) u_queue (
    .clk_i,
    .rst_ni,
    .push_i (x2_valid_i),
    .data_i ({x2_thread_i, x2_w64_i, x2_signed_i, x2_mod_i, x2_a_i, x2_b_i}),
    .valid_o(head_valid),
    .data_o ({head_thread, head_w64, head_signed, head_mod, head_a, head_b}),
    .pop_i  (pop)
  );

  typedef enum logic [2:0] {StIdle, StSign, StAlign, StStep, StFix, StDone} state_e;
  state_e state_q;

  logic [TW-1:0] thread_q;
  logic w64_q, signed_q, mod_q, neg_a_q, neg_b_q, zero_q;
  logic [6:0] left_q;
  logic [63:0] a_q, b_q, rem_q;  // a_q: dividend, bit by bit replaced by the quotient
  logic [64:0] trial;
  logic [63:0] raw, fixed;
  logic negate;

  assign trial  = {rem_q, a_q[63]} - {1'b0, b_q};
  // Signs: the quotient's is the product of both, the remainder's is the dividend's.
  assign negate = mod_q ? neg_a_q : (neg_a_q ^ neg_b_q);
  assign raw    = mod_q ? rem_q : zero_q ? '0 : a_q;
  assign fixed  = negate ? -raw : raw;
  assign pop    = state_q == StIdle && head_valid;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q <= StIdle;
    end else begin
      case (state_q)
        StIdle:  if (head_valid) state_q <= StSign;
        StSign:  state_q <= StAlign;
        StAlign: state_q <= StStep;
        StStep:  if (left_q == 7'd1) state_q <= StFix;
        StFix:   state_q <= StDone;
        default: if (result_ready_i) state_q <= StIdle;  // StDone
      endcase
    end

    case (state_q)
      StIdle: begin  // to 64 bits
        thread_q <= head_thread;
        w64_q    <= head_w64;
        signed_q <= head_signed;
        mod_q    <= head_mod;
        a_q      <= head_a;
        b_q      <= head_b;
        if (!head_w64) begin
          a_q[63:32] <= {32{head_signed && head_a[31]}};
          b_q[63:32] <= {32{head_signed && head_b[31]}};
        end
      end
      StSign: begin  // to magnitudes
        neg_a_q <= signed_q && a_q[63];
        neg_b_q <= signed_q && b_q[63];
        if (signed_q && a_q[63]) a_q <= -a_q;
        if (signed_q && b_q[63]) b_q <= -b_q;
      end
      StAlign: begin  // leading zeros of the dividend need no steps
        zero_q <= b_q == '0;
        rem_q  <= '0;
        left_q <= (a_q[63:32] == '0) ? 7'd32 : 7'd64;
        if (a_q[63:32] == '0) a_q <= {a_q[31:0], 32'd0};
      end
      StStep: begin
        rem_q  <= trial[64] ? {rem_q[62:0], a_q[63]} : trial[63:0];
        a_q    <= {a_q[62:0], !trial[64]};
        left_q <= left_q - 7'd1;
      end
      StFix: begin
        result_data_o   <= w64_q ? fixed : {32'd0, fixed[31:0]};
        result_thread_o <= thread_q;
      end
      default: ;
    endcase
  end

  assign result_valid_o = state_q == StDone;

endmodule
