// SPDX-License-Identifier: Apache-2.0
//
// Random numbers: xorshift64 with shifts 13, 7, 17. The state moves on once per request and at no
// other time, so that the numbers depend only on the seed and the order of requests.
//
// Reset:       the seed of environment.h. A seed of 0 would give only zeros.
// Source:      compiler/include/kiln/environment.h, next_random().
module bpf_random (
  input  logic        clk_i,
  input  logic        rst_ni,
  input  logic        we_i,     // seed with value_i
  input  logic [63:0] value_i,
  input  logic        next_i,   // a request: number_o is its answer, in the same cycle
  output logic [31:0] number_o
);
  logic [63:0] state_q, left, right, next;

  assign left     = state_q ^ (state_q << 13);
  assign right    = left ^ (left >> 7);
  assign next     = right ^ (right << 17);
  assign number_o = next[31:0];

  always_ff @(posedge clk_i) begin
    if (!rst_ni) state_q <= 64'h9e37_79b9_7f4a_7c15;
    else if (we_i) state_q <= value_i;
    else if (next_i) state_q <= next;
  end
endmodule
