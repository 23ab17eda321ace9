// SPDX-License-Identifier: Apache-2.0
//
// Names for the bits of the control word that bpf_core_decode makes and the pipeline carries. A
// flat vector instead of a struct, because Yosys 0.23 and Icarus take no package structs on ports.
// A stage uses the bits it needs; synthesis removes the rest behind it.

package bpf_core_pkg;
  // Operands.
  localparam int C_IMM    = 0;   // B is the sign-extended immediate
  localparam int C_BSRC   = 1;   // the address base is RF[src], else RF[dst]
  localparam int C_W64    = 2;   // 64-bit operation; else the result's upper half is zero
  localparam int C_WE     = 3;   // writes a register
  // Adder.
  localparam int C_ADD    = 4;   // the result is the adder's
  localparam int C_SUB    = 5;   // a - b
  localparam int C_NEG    = 6;   // -a
  localparam int C_CSUM   = 7;   // a + low half of b + high half of b
  // Logic and byte order.
  localparam int C_MISC   = 8;   // the result is that of the logic unit
  localparam int C_AND    = 9;
  localparam int C_OR     = 10;
  localparam int C_XOR    = 11;  // none of the three: b
  localparam int C_MOVHI  = 12;  // {imm, a[31:0]}
  localparam int C_END    = 13;  // byte order: width in imm
  localparam int C_SWAP   = 14;  // ... and reverse the bytes
  localparam int C_MOVSX  = 15;  // sign-extend b from the width in off
  // Shifter.
  localparam int C_SHIFT  = 16;
  localparam int C_LEFT   = 17;
  localparam int C_ARITH  = 18;
  // Multiplier, divider.
  localparam int C_MUL    = 19;
  localparam int C_DIV    = 20;
  localparam int C_MOD    = 21;  // with C_DIV: the remainder
  localparam int C_SIGNED = 22;  // signed division or comparison
  // Jumps.
  localparam int C_JCOND  = 23;
  localparam int C_JEQ    = 24;
  localparam int C_JLT    = 25;
  localparam int C_JLE    = 26;
  localparam int C_JSET   = 27;
  localparam int C_JINV   = 28;  // jump if not
  localparam int C_JUMP   = 29;  // always
  localparam int C_JREG   = 30;  // target in RF[src]
  localparam int C_JIMM   = 31;  // target pc + 1 + imm, else pc + 1 + off
  localparam int C_JABS   = 32;  // target imm
  localparam int C_LINK   = 33;  // the result is pc + 1
  // Memory.
  localparam int C_LOAD   = 34;
  localparam int C_STORE  = 35;
  localparam int C_ATOMIC = 36;
  localparam int C_SEXT   = 37;  // sign-extend what was loaded
  localparam int C_PUSHM  = 38;
  localparam int C_PUSHR  = 39;
  // Requests and ends.
  localparam int C_SVC    = 40;
  localparam int C_EXIT   = 41;
  localparam int C_TRAP   = 42;
  localparam int C_BAD    = 43;  // no such instruction: trap with TRAP_BAD_INSN
  localparam int C_BITS   = 44;

  localparam logic [7:0] TRAP_BAD_INSN = 8'hff;
endpackage
