// SPDX-License-Identifier: Apache-2.0
//
// The next program counter: compare in two halves, then combine.
//
//   x1: equal, less, common bits, of each half   x2: condition, choice   x3: counter
//
// x1_wait: the instruction waits for a response; the thread keeps its counter and comes again.
// Latency:     2 cycles from x1 to x3.
// Source:      RFC 9669 section 4.3.

module bpf_core_branch (
  input  logic                            clk_i,
  // from bpf_core_operands
  input  logic [bpf_core_pkg::C_BITS-1:0] x1_ctl_i,
  input  logic                            x1_wait_i,
  input  logic [63:0]                     x1_a_i,
  input  logic [63:0]                     x1_b_i,
  input  logic [15:0]                     x1_pc_i,
  input  logic [15:0]                     x1_pc_plus1_i,
  input  logic [15:0]                     x1_target_i,
  // to bpf_core_fetch
  output logic [15:0]                     x3_npc_o
);

  logic eq_lo_q, eq_hi_q, lt_lo_q, lt_hi_q, set_lo_q, set_hi_q, sign_a_q, sign_b_q;
  logic w64_q, signed_q, jeq_q, jlt_q, jle_q, jset_q, jinv_q, jcond_q, jump_q;
  logic [15:0] stay_q, target_q;
  logic eq, below, lt, set, met;

  always_comb begin
    eq    = eq_lo_q && (eq_hi_q || !w64_q);
    below = w64_q ? (lt_hi_q || (eq_hi_q && lt_lo_q)) : lt_lo_q;
    lt    = (signed_q && sign_a_q != sign_b_q) ? sign_a_q : below;
    set   = set_lo_q || (set_hi_q && w64_q);
    met   = (jeq_q && eq) || (jlt_q && lt) || (jle_q && (lt || eq)) || (jset_q && set);
  end

  always_ff @(posedge clk_i) begin
    eq_lo_q  <= x1_a_i[31:0] == x1_b_i[31:0];
    eq_hi_q  <= x1_a_i[63:32] == x1_b_i[63:32];
    lt_lo_q  <= x1_a_i[31:0] < x1_b_i[31:0];
    lt_hi_q  <= x1_a_i[63:32] < x1_b_i[63:32];
    set_lo_q <= (x1_a_i[31:0] & x1_b_i[31:0]) != '0;
    set_hi_q <= (x1_a_i[63:32] & x1_b_i[63:32]) != '0;
    sign_a_q <= x1_ctl_i[bpf_core_pkg::C_W64] ? x1_a_i[63] : x1_a_i[31];
    sign_b_q <= x1_ctl_i[bpf_core_pkg::C_W64] ? x1_b_i[63] : x1_b_i[31];
    w64_q    <= x1_ctl_i[bpf_core_pkg::C_W64];
    signed_q <= x1_ctl_i[bpf_core_pkg::C_SIGNED];
    jeq_q    <= x1_ctl_i[bpf_core_pkg::C_JEQ];
    jlt_q    <= x1_ctl_i[bpf_core_pkg::C_JLT];
    jle_q    <= x1_ctl_i[bpf_core_pkg::C_JLE];
    jset_q   <= x1_ctl_i[bpf_core_pkg::C_JSET];
    jinv_q   <= x1_ctl_i[bpf_core_pkg::C_JINV];
    jcond_q  <= x1_ctl_i[bpf_core_pkg::C_JCOND];
    jump_q   <= x1_ctl_i[bpf_core_pkg::C_JUMP];
    stay_q   <= x1_wait_i ? x1_pc_i : x1_pc_plus1_i;
    target_q <= x1_target_i;

    x3_npc_o <= (jump_q || (jcond_q && (met ^ jinv_q))) ? target_q : stay_q;
  end

  logic unused_ok;
  assign unused_ok = &{1'b0, x1_ctl_i};

endmodule
