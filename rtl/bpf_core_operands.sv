// SPDX-License-Identifier: Apache-2.0
//
// From instruction word to operands: decode, register read, address and jump target.
//
//   id: decode, register numbers into the RAM   rf: array; sums that need no register
//   op: values; operand select, address sum     x1: everything in registers
//
// An address is RF[src] + off for loads and PUSHM, RF[dst] + off for stores and atomics, RF[dst]
// for SVC; x1_next is address + 8 in as many low bits as the local memories need (bpf_core_mem).
// Latency:     3 cycles from id to x1.
// Reset:       clears the valid bits.

module bpf_core_operands #(
  parameter int Threads     = 8,
  parameter int WindowBytes = 4096,
  localparam int TW = $clog2(Threads),
  localparam int WW = $clog2(WindowBytes)
) (
  input  logic                            clk_i,
  input  logic                            rst_ni,
  // from bpf_core_fetch
  input  logic                            id_valid_i,
  input  logic [TW-1:0]                   id_thread_i,
  input  logic                            id_complete_i,
  input  logic [15:0]                     id_pc_i,
  input  logic [63:0]                     id_insn_i,
  // from bpf_core_writeback
  input  logic                            wb_we_i,
  input  logic [TW-1:0]                   wb_thread_i,
  input  logic [3:0]                      wb_rd_i,
  input  logic [63:0]                     wb_data_i,
  // to the execution units
  output logic                            x1_valid_o,
  output logic [TW-1:0]                   x1_thread_o,
  output logic                            x1_complete_o,
  output logic [15:0]                     x1_pc_o,
  output logic [15:0]                     x1_pc_plus1_o,
  output logic [15:0]                     x1_target_o,
  output logic [63:0]                     x1_insn_o,
  output logic [bpf_core_pkg::C_BITS-1:0] x1_ctl_o,
  output logic [3:0]                      x1_rd_o,
  output logic [63:0]                     x1_a_o,
  output logic [63:0]                     x1_b_o,
  output logic [31:0]                     x1_addr_o,
  output logic [WW-1:0]                   x1_next_o
);

  localparam int CB = bpf_core_pkg::C_BITS;

  logic valid_rf_q, valid_op_q, complete_rf_q, complete_op_q;
  logic [TW-1:0] thread_rf_q, thread_op_q;
  logic [15:0] pc_rf_q, pc_op_q, pc_plus1_rf_q, pc_plus1_op_q, target_op_q, off_op_q, off8_op_q;
  logic [63:0] insn_rf_q, insn_op_q;
  logic [CB-1:0] ctl_id, ctl_rf_q, ctl_op_q;
  logic [3:0] rd_op_q;

  bpf_core_decode u_decode (.insn_i(id_insn_i), .ctl_o(ctl_id));

  // Register numbers straight from the instruction word.
  logic [63:0] reg_dst, reg_src;
  bpf_core_regfile #(.Threads(Threads)) u_regfile (
    .clk_i,
    .a_addr_i({id_thread_i, id_insn_i[11:8]}),
    .a_data_o(reg_dst),
    .b_addr_i({id_thread_i, id_insn_i[15:12]}),
    .b_data_o(reg_src),
    .we_i    (wb_we_i),
    .waddr_i ({wb_thread_i, wb_rd_i}),
    .wdata_i (wb_data_i)
  );

  // Stage rf.
  logic [15:0] off_rf, step_rf, origin_rf;
  logic [3:0] rd_rf;
  logic cmpxchg_rf;
  assign off_rf     = ctl_rf_q[bpf_core_pkg::C_SVC] ? '0 : insn_rf_q[31:16];
  assign step_rf    = (ctl_rf_q[bpf_core_pkg::C_JIMM] || ctl_rf_q[bpf_core_pkg::C_JABS]) ?
                      insn_rf_q[47:32] : insn_rf_q[31:16];
  assign origin_rf  = ctl_rf_q[bpf_core_pkg::C_JABS] ? '0 : pc_plus1_rf_q;
  // An atomic's old value goes to src, that of a compare-and-exchange to R0.
  assign cmpxchg_rf = insn_rf_q[39:36] == 4'hf;
  assign rd_rf      = !ctl_rf_q[bpf_core_pkg::C_ATOMIC] ? insn_rf_q[11:8] :
                      cmpxchg_rf ? 4'd0 : insn_rf_q[15:12];

  // Stage op.
  logic [63:0] b_op;
  logic [31:0] base_op, imm_op;
  logic movhi_op;
  assign imm_op   = insn_op_q[63:32];
  assign movhi_op = ctl_op_q[bpf_core_pkg::C_MOVHI];
  assign base_op  = ctl_op_q[bpf_core_pkg::C_BSRC] ? reg_src[31:0] : reg_dst[31:0];
  always_comb begin
    b_op = reg_src;
    if (ctl_op_q[bpf_core_pkg::C_IMM]) b_op = {movhi_op ? imm_op : {32{imm_op[31]}}, imm_op};
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      valid_rf_q <= 1'b0;
      valid_op_q <= 1'b0;
      x1_valid_o <= 1'b0;
    end else begin
      valid_rf_q <= id_valid_i;
      valid_op_q <= valid_rf_q;
      x1_valid_o <= valid_op_q;
    end
    thread_rf_q   <= id_thread_i;
    complete_rf_q <= id_complete_i;
    pc_rf_q       <= id_pc_i;
    pc_plus1_rf_q <= id_pc_i + 16'd1;
    insn_rf_q     <= id_insn_i;
    ctl_rf_q      <= ctl_id;

    thread_op_q   <= thread_rf_q;
    complete_op_q <= complete_rf_q;
    pc_op_q       <= pc_rf_q;
    pc_plus1_op_q <= pc_plus1_rf_q;
    insn_op_q     <= insn_rf_q;
    ctl_op_q      <= ctl_rf_q;
    rd_op_q       <= rd_rf;
    off_op_q      <= off_rf;
    off8_op_q     <= off_rf + 16'd8;
    target_op_q   <= origin_rf + step_rf;

    x1_thread_o   <= thread_op_q;
    x1_complete_o <= complete_op_q;
    x1_pc_o       <= pc_op_q;
    x1_pc_plus1_o <= pc_plus1_op_q;
    x1_target_o   <= ctl_op_q[bpf_core_pkg::C_JREG] ? reg_src[15:0] : target_op_q;
    x1_insn_o     <= insn_op_q;
    x1_ctl_o      <= ctl_op_q;
    x1_rd_o       <= rd_op_q;
    x1_a_o        <= reg_dst;
    x1_b_o        <= b_op;
    x1_addr_o     <= base_op + {{16{off_op_q[15]}}, off_op_q};
    x1_next_o     <= base_op[WW-1:0] + off8_op_q[WW-1:0];
  end

  logic unused_ok;
  assign unused_ok = &{1'b0, off8_op_q};

endmodule
