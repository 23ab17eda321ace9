// SPDX-License-Identifier: Apache-2.0
//
// Rotates 8 bytes right by 0..7: byte k of the result is byte (k + amount) mod 8. Combinational.

module bpf_core_rotate (
  input  logic [63:0] data_i,
  input  logic [2:0]  amount_i,
  output logic [63:0] data_o
);

  logic [63:0] by4, by2;
  assign by4    = amount_i[2] ? {data_i[31:0], data_i[63:32]} : data_i;
  assign by2    = amount_i[1] ? {by4[15:0], by4[63:16]} : by4;
  assign data_o = amount_i[0] ? {by2[7:0], by2[63:8]} : by2;

endmodule
