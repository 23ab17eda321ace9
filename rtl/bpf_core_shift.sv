// SPDX-License-Identifier: Apache-2.0
//
// Shifts of 32 and 64 bits: one right shifter in two stages; a left shift reverses before and
// after. For 32 bits the value is first extended with what is to be shifted in; the upper half of a
// 32-bit result is for the caller to clear. The amount is masked to the width.
//
//   x1: prepare, 32, 16, 8   x2: 4, 2, 1, reverse   x3: result
//
// Latency:     2 cycles.
// Source:      RFC 9669 section 4.1.

module bpf_core_shift (
  input  logic        clk_i,
  input  logic        x1_w64_i,
  input  logic        x1_left_i,
  input  logic        x1_arith_i,
  input  logic [63:0] x1_a_i,
  input  logic [5:0]  x1_amount_i,
  output logic [63:0] x3_result_o
);

  logic [63:0] start, s32, s16, s8, s8_q, s4, s2, s1, back;
  logic fill, left_q, fill_q;
  logic [2:0] amount_q;

  always_comb begin
    fill  = x1_arith_i && (x1_w64_i ? x1_a_i[63] : x1_a_i[31]);
    start = {x1_w64_i ? x1_a_i[63:32] : {32{fill}}, x1_a_i[31:0]};
    if (x1_left_i) begin
      for (int i = 0; i < 64; i++) start[i] = x1_a_i[63-i];
    end
    s32 = (x1_amount_i[5] && x1_w64_i) ? {{32{fill}}, start[63:32]} : start;
    s16 = x1_amount_i[4] ? {{16{fill}}, s32[63:16]} : s32;
    s8  = x1_amount_i[3] ? {{8{fill}}, s16[63:8]} : s16;
    s4  = amount_q[2] ? {{4{fill_q}}, s8_q[63:4]} : s8_q;
    s2  = amount_q[1] ? {{2{fill_q}}, s4[63:2]} : s4;
    s1  = amount_q[0] ? {fill_q, s2[63:1]} : s2;
    for (int i = 0; i < 64; i++) back[i] = s1[63-i];
  end

  always_ff @(posedge clk_i) begin
    s8_q        <= s8;
    fill_q      <= fill;
    left_q      <= x1_left_i;
    amount_q    <= x1_amount_i[2:0];
    x3_result_o <= left_q ? back : s1;
  end

endmodule
