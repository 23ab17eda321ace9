// SPDX-License-Identifier: Apache-2.0
//
// What a BPF atomic operation stores: combinational. Operands and result are in the low bytes; for 32 bits
// the upper half of the result is of no meaning.
//
// Source: RFC 9669 section 5.3, atomic operations (the imm field; FETCH changes what the core does with
//         the old value, not what is stored).
module bpf_atomic_alu (
  input  logic [7:0]  op_i,       // imm of the instruction
  input  logic        is_64_i,
  input  logic [63:0] old_i,
  input  logic [63:0] operand_i,
  input  logic [63:0] compare_i,  // R0, for CMPXCHG
  output logic [63:0] new_o
);
  logic equal;
  assign equal = old_i[31:0] == compare_i[31:0] && (!is_64_i || old_i[63:32] == compare_i[63:32]);

  always_comb begin
    case (op_i[7:4])
      4'h0:    new_o = old_i + operand_i;
      4'h4:    new_o = old_i | operand_i;
      4'h5:    new_o = old_i & operand_i;
      4'ha:    new_o = old_i ^ operand_i;
      4'he:    new_o = operand_i;                  // XCHG
      4'hf:    new_o = equal ? operand_i : old_i;  // CMPXCHG
      default: new_o = old_i;
    endcase
  end

  logic unused;
  assign unused = &{1'b0, op_i[3:0]};
endmodule
