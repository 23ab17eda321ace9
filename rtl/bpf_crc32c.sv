// SPDX-License-Identifier: Apache-2.0
//
// One step of CRC-32C over a 64-bit word, as x86's crc32q does it: combinational, one XOR tree per
// output bit. (A loop of 64 conditional shifts synthesises to a chain four times as slow.)
//
// Source: maps/layout.md, Keys and hashes (polynomial 0x1EDC6F41, reflected 0x82F63B78).
module bpf_crc32c (
  input  logic [31:0] crc_i,
  input  logic [63:0] word_i,
  output logic [31:0] crc_o
);
  // Bits [32*j +: 32]: what input bit j adds to the result. Bit 63 enters the register at the last
  // of the 64 steps and so leaves the polynomial itself; each lower bit is stepped once more.
  function automatic logic [2047:0] contributions(input logic [31:0] polynomial);
    logic [31:0] value;
    logic [2047:0] all;
    value = polynomial;
    all = '0;
    for (int j = 63; j >= 0; j--) begin
      all[32*j +: 32] = value;
      value = {1'b0, value[31:1]} ^ (value[0] ? polynomial : 32'd0);
    end
    contributions = all;
  endfunction
  localparam logic [2047:0] CONTRIBUTIONS = contributions(32'h82f63b78);

  logic [63:0] mixed;
  assign mixed = word_i ^ {32'd0, crc_i};

  for (genvar bit_no = 0; bit_no < 32; bit_no++) begin : gen_bit
    logic [63:0] row;
    for (genvar j = 0; j < 64; j++) begin : gen_row
      assign row[j] = CONTRIBUTIONS[32*j + bit_no];
    end
    assign crc_o[bit_no] = ^(mixed & row);
  end
endmodule
