// SPDX-License-Identifier: Apache-2.0
//
// Everything that has its result in three stages: sum, logic, byte order, sign extension, shift;
// and what comes from outside the pipeline (a stored response, the link address).
//
//   x1: adder inputs | and, or, xor, move, byte swap | shift
//   x2: sum          | cut or extend                 | shift
//   x3: choose one, clear the upper half of a 32-bit result      x4: result
//
// Nothing chosen gives 0, so that the result can be or-ed with those of memory and multiplier.
// Latency:     3 cycles from x1 to x4.
// Source:      RFC 9669 sections 4.1 and 4.2.

module bpf_core_alu (
  input  logic                            clk_i,
  // from bpf_core_operands
  input  logic [bpf_core_pkg::C_BITS-1:0] x1_ctl_i,
  input  logic [63:0]                     x1_a_i,
  input  logic [63:0]                     x1_b_i,
  input  logic [2:0]                      x1_end_i,    // imm[6:4]: byte order over 64, 32, 16 bits
  input  logic [2:0]                      x1_movsx_i,  // off[5:3]: extend from 32, 16, 8 bits
  // from bpf_core: what is neither, stage x3
  input  logic                            x3_late_i,
  input  logic [63:0]                     x3_late_data_i,
  // to bpf_core_writeback
  output logic [63:0]                     x4_result_o
);

  // Stage x1: what goes into the adder. -a is 0 + ~a + 1.
  logic [63:0] add_a, add_b;
  always_comb begin
    add_a = x1_ctl_i[bpf_core_pkg::C_NEG] ? '0 : x1_a_i;
    add_b = x1_b_i;
    if (x1_ctl_i[bpf_core_pkg::C_SUB]) add_b = ~x1_b_i;
    if (x1_ctl_i[bpf_core_pkg::C_NEG]) add_b = ~x1_a_i;
    if (x1_ctl_i[bpf_core_pkg::C_CSUM]) begin
      add_b = {31'd0, {1'b0, x1_b_i[31:0]} + {1'b0, x1_b_i[63:32]}};
    end
  end

  // Stage x1: logic and byte swap. Only MOVHI treats the halves differently.
  logic [63:0] logic_x1, swap_x1;
  always_comb begin
    logic_x1 = x1_b_i;
    if (x1_ctl_i[bpf_core_pkg::C_AND]) logic_x1 = x1_a_i & x1_b_i;
    if (x1_ctl_i[bpf_core_pkg::C_OR]) logic_x1 = x1_a_i | x1_b_i;
    if (x1_ctl_i[bpf_core_pkg::C_XOR]) logic_x1 = x1_a_i ^ x1_b_i;
    if (x1_ctl_i[bpf_core_pkg::C_MOVHI]) logic_x1[31:0] = x1_a_i[31:0];

    swap_x1 = x1_a_i;
    if (x1_ctl_i[bpf_core_pkg::C_SWAP]) begin
      for (int k = 0; k < 8; k++) begin
        swap_x1[8*k+:8] = x1_a_i[8*(7-k)+:8];
        if (x1_end_i[1] && k < 4) swap_x1[8*k+:8] = x1_a_i[8*(3-(k&3))+:8];
        if (x1_end_i[0] && k < 2) swap_x1[8*k+:8] = x1_a_i[8*(1-(k&1))+:8];
      end
    end
  end

  logic [63:0] add_a_q, add_b_q, misc_q;
  logic carry_q, end_q, movsx_q, w64_x2_q, add_x2_q, misc_x2_q, shift_x2_q;
  logic [2:0] width_q;  // value in misc_q has 32, 16, 8 or (none set) 64 significant bits
  always_ff @(posedge clk_i) begin
    add_a_q    <= add_a;
    add_b_q    <= add_b;
    carry_q    <= x1_ctl_i[bpf_core_pkg::C_SUB] || x1_ctl_i[bpf_core_pkg::C_NEG];
    misc_q     <= x1_ctl_i[bpf_core_pkg::C_END] ? swap_x1 : logic_x1;
    movsx_q    <= x1_ctl_i[bpf_core_pkg::C_MOVSX];
    end_q      <= x1_ctl_i[bpf_core_pkg::C_END];
    width_q    <= x1_ctl_i[bpf_core_pkg::C_END] ? {x1_end_i[1:0], 1'b0} : x1_movsx_i;
    w64_x2_q   <= x1_ctl_i[bpf_core_pkg::C_W64];
    add_x2_q   <= x1_ctl_i[bpf_core_pkg::C_ADD];
    misc_x2_q  <= x1_ctl_i[bpf_core_pkg::C_MISC];
    shift_x2_q <= x1_ctl_i[bpf_core_pkg::C_SHIFT];
  end

  // Stage x2: sum; cut (byte order) or extend (MOVSX) at the width.
  logic [63:0] ext_x2;
  logic sign_x2, cut_x2;
  always_comb begin
    sign_x2 = movsx_q && ((width_q[2] && misc_q[31]) || (width_q[1] && misc_q[15]) ||
                          (width_q[0] && misc_q[7]));
    cut_x2  = movsx_q || end_q;
    ext_x2  = misc_q;
    if (cut_x2 && width_q[0]) ext_x2[15:8] = {8{sign_x2}};
    if (cut_x2 && width_q[1:0] != '0) ext_x2[31:16] = {16{sign_x2}};
    if (cut_x2 && width_q != '0) ext_x2[63:32] = {32{sign_x2}};
  end

  logic [63:0] sum_x3_q, misc_x3_q, shift_x3, chosen_x3;
  logic w64_x3_q, add_x3_q, misc_sel_x3_q, shift_x3_q;
  always_ff @(posedge clk_i) begin
    sum_x3_q      <= add_a_q + add_b_q + {63'd0, carry_q};
    misc_x3_q     <= ext_x2;
    w64_x3_q      <= w64_x2_q;
    add_x3_q      <= add_x2_q;
    misc_sel_x3_q <= misc_x2_q;
    shift_x3_q    <= shift_x2_q;
  end

  bpf_core_shift u_shift (
    .clk_i,
    .x1_w64_i   (x1_ctl_i[bpf_core_pkg::C_W64]),
    .x1_left_i  (x1_ctl_i[bpf_core_pkg::C_LEFT]),
    .x1_arith_i (x1_ctl_i[bpf_core_pkg::C_ARITH]),
    .x1_a_i,
    .x1_amount_i(x1_b_i[5:0]),
    .x3_result_o(shift_x3)
  );

  // Stage x3: choose.
  always_comb begin
    chosen_x3 = ({64{add_x3_q}} & sum_x3_q) | ({64{misc_sel_x3_q}} & misc_x3_q) |
                ({64{shift_x3_q}} & shift_x3);
    if (!w64_x3_q) chosen_x3[63:32] = '0;
  end
  always_ff @(posedge clk_i) begin
    x4_result_o <= chosen_x3 | ({64{x3_late_i}} & x3_late_data_i);
  end

  logic unused_ok;
  assign unused_ok = &{1'b0, x1_ctl_i, x1_end_i};

endmodule
