// SPDX-License-Identifier: Apache-2.0
//
// The low 64 bits of a 64 x 64 product: ten 16 x 16 products, then two stages of sums. The low half
// is also the 32-bit product.
//
//        a3 b0  a2 b0  a1 b0  a0 b0
//        a2 b1  a1 b1  a0 b1
//        a1 b2  a0 b2
//        a0 b3
//     bits 48..  32..   16..   0..
//
// Latency:     3 cycles (x1 operands, x4 result), one product a cycle.

module bpf_core_mul (
  input  logic        clk_i,
  input  logic [63:0] x1_a_i,
  input  logic [63:0] x1_b_i,
  output logic [63:0] x4_result_o
);

  logic [31:0] p00_q, p01_q, p10_q, p02_q, p11_q, p20_q, p03_q, p12_q, p21_q, p30_q;

  // Stage x1: products.
  always_ff @(posedge clk_i) begin
    p00_q <= x1_a_i[15:0] * x1_b_i[15:0];
    p01_q <= x1_a_i[15:0] * x1_b_i[31:16];
    p10_q <= x1_a_i[31:16] * x1_b_i[15:0];
    p02_q <= x1_a_i[15:0] * x1_b_i[47:32];
    p11_q <= x1_a_i[31:16] * x1_b_i[31:16];
    p20_q <= x1_a_i[47:32] * x1_b_i[15:0];
    p03_q <= x1_a_i[15:0] * x1_b_i[63:48];
    p12_q <= x1_a_i[31:16] * x1_b_i[47:32];
    p21_q <= x1_a_i[47:32] * x1_b_i[31:16];
    p30_q <= x1_a_i[63:48] * x1_b_i[15:0];
  end

  // Stage x2: sums of one weight. Bits beyond 63 are dropped.
  logic [31:0] low_q, sum32a_q, sum32b_q;
  logic [32:0] sum16_q;
  logic [15:0] sum48_q;
  always_ff @(posedge clk_i) begin
    low_q    <= p00_q;
    sum16_q  <= {1'b0, p01_q} + {1'b0, p10_q};
    sum32a_q <= p02_q + p11_q;
    sum32b_q <= p20_q + {p03_q[15:0], 16'd0};
    sum48_q  <= p12_q[15:0] + p21_q[15:0] + p30_q[15:0];
  end

  // Stage x3: all of it.
  logic [31:0] upper;
  assign upper = sum32a_q + sum32b_q + {sum48_q, 16'd0};
  always_ff @(posedge clk_i) begin
    x4_result_o[15:0]  <= low_q[15:0];
    x4_result_o[63:16] <= {upper, low_q[31:16]} + {15'd0, sum16_q};
  end

  logic unused_ok;
  assign unused_ok = &{1'b0, p03_q, p12_q, p21_q, p30_q};

endmodule
