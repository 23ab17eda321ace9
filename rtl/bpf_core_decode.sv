// SPDX-License-Identifier: Apache-2.0
//
// Instruction word to control bits (bpf_core_pkg). Combinational. Register numbers are not decoded:
// they go from the word straight to the register file.
//
// Reserved fields are not looked at; an opcode that is neither BPF's nor core_isa.def's, or that
// the lowering replaces (LD_IMM64, legacy packet access), sets C_BAD and nothing else that acts.
// Source: RFC 9669 sections 3 to 5 for the opcode's fields; compiler/include/kiln/core_isa.def.

module bpf_core_decode (
  input  logic [63:0]                     insn_i,
  output logic [bpf_core_pkg::C_BITS-1:0] ctl_o
);

  logic [7:0] op;
  logic [3:0] code;
  logic       x, alu32, alu64, alu, jmp64, jmp32, jmp, cls_ldx, cls_st, cls_stx;
  logic       movhi, csum, pushm, pushr, load, store, atomic, svc, exit_, trap, jal, jalr, jr;
  logic       cond, bswap, is_shift, is_end, is_logic, good;

  assign op   = insn_i[7:0];
  assign code = op[7:4];
  assign x    = op[3];

  assign cls_ldx = op[2:0] == 3'd1;
  assign cls_st  = op[2:0] == 3'd2;
  assign cls_stx = op[2:0] == 3'd3;
  assign alu32   = op[2:0] == 3'd4;
  assign jmp64   = op[2:0] == 3'd5;
  assign jmp32   = op[2:0] == 3'd6;
  assign alu64   = op[2:0] == 3'd7;
  assign alu     = alu32 || alu64;
  assign jmp     = jmp64 || jmp32;

  assign movhi  = op == bpf_isa_pkg::OPC_NATIVE_MOVHI;
  assign csum   = op == bpf_isa_pkg::OPC_NATIVE_CSUM;
  assign pushm  = op == bpf_isa_pkg::OPC_NATIVE_PUSHM;
  assign pushr  = op == bpf_isa_pkg::OPC_NATIVE_PUSHR;
  assign jal    = op == bpf_isa_pkg::OPC_NATIVE_JAL;
  assign jalr   = op == bpf_isa_pkg::OPC_NATIVE_JALR;
  assign jr     = op == bpf_isa_pkg::OPC_NATIVE_JR;
  assign exit_  = op == bpf_isa_pkg::OPC_NATIVE_EXIT;
  assign svc    = op == bpf_isa_pkg::OPC_NATIVE_SVC;
  assign trap   = op == bpf_isa_pkg::OPC_NATIVE_TRAP;
  // Mode 3 is MEM, 4 is MEMSX (not for 8 bytes), 6 is ATOMIC (4 and 8 bytes).
  assign load   = cls_ldx && (op[7:5] == 3'd3 || (op[7:5] == 3'd4 && op[4:3] != 2'd3));
  assign store  = (cls_st || cls_stx) && op[7:5] == 3'd3;
  assign atomic = cls_stx && op[7:5] == 3'd6 && (op[4:3] == 2'd0 || op[4:3] == 2'd3);
  assign cond   = jmp && ((code >= 4'h1 && code <= 4'h7) || (code >= 4'ha && code <= 4'hd));

  assign is_end   = alu && code == 4'hd;
  assign bswap    = alu64;
  assign is_shift = alu && (code == 4'h6 || code == 4'h7 || code == 4'hc);
  assign is_logic = alu && (code == 4'h4 || code == 4'h5 || code == 4'ha || code == 4'hb);

  always_comb begin
    good = load || store || atomic || cond || movhi || csum || pushm || pushr ||
           jal || jalr || jr || exit_ || svc || trap;
    if (alu) good = code <= 4'hd && !(code == 4'h8 && x) && !(alu64 && code == 4'hd && x);
    if (jmp && op[7:3] == 5'd0) good = 1'b1;  // JA, JA32

    ctl_o = '0;
    ctl_o[bpf_core_pkg::C_IMM]  = (alu && !x) || cls_st || movhi ||
                                  (jmp && !x && code != 4'h9 && code != 4'he);
    ctl_o[bpf_core_pkg::C_BSRC] = cls_ldx;
    ctl_o[bpf_core_pkg::C_W64]  = !(alu32 && !is_end) && !jmp32;
    ctl_o[bpf_core_pkg::C_WE]   = good && (alu || movhi || csum || load || jal || jalr || svc ||
                                           (atomic && insn_i[32]));

    ctl_o[bpf_core_pkg::C_ADD]  = (alu && (code == 4'h0 || code == 4'h1 || code == 4'h8)) || csum;
    ctl_o[bpf_core_pkg::C_SUB]  = code == 4'h1 && !csum;
    ctl_o[bpf_core_pkg::C_NEG]  = code == 4'h8;
    ctl_o[bpf_core_pkg::C_CSUM] = csum;

    // EXIT and TRAP end with verdict and cause on the result bus.
    ctl_o[bpf_core_pkg::C_MISC]  = is_logic || is_end || movhi || pushr || exit_ || trap;
    ctl_o[bpf_core_pkg::C_OR]    = alu && code == 4'h4;
    ctl_o[bpf_core_pkg::C_AND]   = alu && code == 4'h5;
    ctl_o[bpf_core_pkg::C_XOR]   = alu && code == 4'ha;
    ctl_o[bpf_core_pkg::C_MOVHI] = movhi;
    ctl_o[bpf_core_pkg::C_END]   = is_end;
    ctl_o[bpf_core_pkg::C_SWAP]  = is_end && (bswap || x);
    ctl_o[bpf_core_pkg::C_MOVSX] = alu && code == 4'hb && x && insn_i[21:19] != 3'd0;

    ctl_o[bpf_core_pkg::C_SHIFT] = is_shift;
    ctl_o[bpf_core_pkg::C_LEFT]  = code == 4'h6;
    ctl_o[bpf_core_pkg::C_ARITH] = code == 4'hc;

    ctl_o[bpf_core_pkg::C_MUL]    = alu && code == 4'h2;
    ctl_o[bpf_core_pkg::C_DIV]    = alu && (code == 4'h3 || code == 4'h9);
    ctl_o[bpf_core_pkg::C_MOD]    = code == 4'h9;
    ctl_o[bpf_core_pkg::C_SIGNED] = alu ? insn_i[16] : (code == 4'h6 || code == 4'h7 ||
                                                        code == 4'hc || code == 4'hd);

    ctl_o[bpf_core_pkg::C_JCOND] = cond;
    ctl_o[bpf_core_pkg::C_JEQ]   = code == 4'h1 || code == 4'h5;
    ctl_o[bpf_core_pkg::C_JSET]  = code == 4'h4;
    ctl_o[bpf_core_pkg::C_JLT]   = code == 4'h3 || code == 4'h7 || code == 4'ha || code == 4'hc;
    ctl_o[bpf_core_pkg::C_JLE]   = code == 4'h2 || code == 4'h6 || code == 4'hb || code == 4'hd;
    ctl_o[bpf_core_pkg::C_JINV]  = code == 4'h2 || code == 4'h3 || code == 4'h5 || code == 4'h6 ||
                                   code == 4'h7;
    ctl_o[bpf_core_pkg::C_JUMP]  = (jmp && op[7:3] == 5'd0) || jal || jalr || jr;
    ctl_o[bpf_core_pkg::C_JREG]  = jalr || jr;
    ctl_o[bpf_core_pkg::C_JIMM]  = jmp32 && op[7:3] == 5'd0;
    ctl_o[bpf_core_pkg::C_JABS]  = jal;
    ctl_o[bpf_core_pkg::C_LINK]  = jal || jalr;

    ctl_o[bpf_core_pkg::C_LOAD]   = load;
    ctl_o[bpf_core_pkg::C_STORE]  = store;
    ctl_o[bpf_core_pkg::C_ATOMIC] = atomic;
    ctl_o[bpf_core_pkg::C_SEXT]   = load && op[7];
    ctl_o[bpf_core_pkg::C_PUSHM]  = pushm;
    ctl_o[bpf_core_pkg::C_PUSHR]  = pushr;

    ctl_o[bpf_core_pkg::C_SVC]  = svc;
    ctl_o[bpf_core_pkg::C_EXIT] = exit_;
    ctl_o[bpf_core_pkg::C_TRAP] = trap;
    ctl_o[bpf_core_pkg::C_BAD]  = !good;
    if (!good) begin
      ctl_o = '0;
      ctl_o[bpf_core_pkg::C_BAD] = 1'b1;
    end
  end

  logic unused_ok;
  assign unused_ok = &{1'b0, insn_i};

endmodule
