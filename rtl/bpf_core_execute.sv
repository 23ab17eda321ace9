// SPDX-License-Identifier: Apache-2.0
//
// Stages x1 to wb: what becomes of an instruction whose operands are there.
//
// x1 decides: it waits (sent to the service port or the divider, no other effect), it ends the
// frame, or it goes on; only what does not wait retires. A load, store or atomic is remote when its
// address has a map tag (bits 31:30 = 01); atomics always are. `complete`: the response is stored,
// take it.
// Latency:     4 cycles from x1 to wb.

module bpf_core_execute #(
  parameter int Threads = 8,
  parameter bit Retire  = 1,
  localparam int TW = $clog2(Threads),
  localparam int CB = bpf_core_pkg::C_BITS
) (
  input  logic          clk_i,
  input  logic          rst_ni,
  // from bpf_core_operands
  input  logic          x1_valid_i,
  input  logic [TW-1:0] x1_thread_i,
  input  logic          x1_complete_i,
  input  logic [15:0]   x1_pc_i,
  input  logic [15:0]   x1_pc_plus1_i,
  input  logic [15:0]   x1_target_i,
  input  logic [63:0]   x1_insn_i,
  input  logic [CB-1:0] x1_ctl_i,
  input  logic [3:0]    x1_rd_i,
  input  logic [63:0]   x1_a_i,
  input  logic [63:0]   x1_b_i,
  input  logic [31:0]   x1_addr_i,
  // to and from bpf_core_mem
  output logic          x1_store_o,
  output logic [3:0]    x1_bytes_o,
  output logic          x1_sext_o,
  input  logic [63:0]   x4_mem_i,
  // to bpf_core_sched; again_valid_o is for x1_thread_i
  output logic          again_valid_o,
  output logic          wake_valid_o,
  output logic [TW-1:0] wake_thread_o,
  // to bpf_core_fetch
  output logic          npc_valid_o,
  output logic [TW-1:0] npc_thread_o,
  output logic [15:0]   npc_o,
  // to the register file and bpf_core_io
  output logic [TW-1:0] wb_thread_o,
  output logic          wb_we_o,
  output logic [3:0]    wb_rd_o,
  output logic [63:0]   wb_data_o,
  output logic          wb_end_o,
  output logic [31:0]   wb_code_o,
  output logic [7:0]    wb_trap_o,
  output logic [31:0]   wb_insns_o,
  // from bpf_core_io: a thread takes a frame
  input  logic          claim_valid_i,
  input  logic [TW-1:0] claim_thread_i,
  input  logic [31:0]   claim_seq_i,
  // service port
  output logic          svc_valid_o,
  input  logic          svc_ready_i,
  output logic [7:0]    svc_thread_o,
  output logic [3:0]    svc_op_o,
  output logic [1:0]    svc_size_o,
  output logic [31:0]   svc_addr_o,
  output logic [63:0]   svc_data_o,
  output logic [31:0]   svc_imm_o,
  output logic          svc_key_o,
  output logic          svc_last_o,
  input  logic          rsp_valid_i,
  input  logic [7:0]    rsp_thread_i,
  input  logic [63:0]   rsp_data_i,
  // retire port
  output logic          retire_valid_o,
  output logic [7:0]    retire_thread_o,
  output logic [31:0]   retire_seq_o,
  output logic [15:0]   retire_pc_o,
  output logic [63:0]   retire_insn_o,
  output logic [15:0]   retire_next_pc_o,
  output logic          retire_rd_we_o,
  output logic [3:0]    retire_rd_o,
  output logic [63:0]   retire_rd_data_o,
  output logic          retire_mem_we_o,
  output logic          retire_mem_re_o,
  output logic [31:0]   retire_mem_addr_o,
  output logic [3:0]    retire_mem_size_o,
  output logic [63:0]   retire_mem_data_o,
  output logic          retire_exit_o
);

  // Stage x1: what becomes of it.
  logic map_x1, load_x1, store_x1, atomic_x1, svc_x1, div_x1, asks_x1, wait_x1, retire_x1, end_x1;
  assign map_x1    = !x1_addr_i[31] && x1_addr_i[30];
  assign load_x1   = x1_ctl_i[bpf_core_pkg::C_LOAD];
  assign store_x1  = x1_ctl_i[bpf_core_pkg::C_STORE];
  assign atomic_x1 = x1_ctl_i[bpf_core_pkg::C_ATOMIC];
  assign svc_x1    = x1_ctl_i[bpf_core_pkg::C_SVC];
  assign div_x1    = x1_ctl_i[bpf_core_pkg::C_DIV];
  assign asks_x1   = ((load_x1 || store_x1) && map_x1) || atomic_x1 || svc_x1 || div_x1;
  assign wait_x1   = x1_valid_i && asks_x1 && !x1_complete_i;
  assign retire_x1 = x1_valid_i && !wait_x1;
  assign end_x1    = x1_ctl_i[bpf_core_pkg::C_EXIT] || x1_ctl_i[bpf_core_pkg::C_TRAP] ||
                     x1_ctl_i[bpf_core_pkg::C_BAD];
  assign again_valid_o = retire_x1 && !end_x1;
  assign x1_store_o    = x1_valid_i && store_x1 && !map_x1;
  assign x1_sext_o     = x1_ctl_i[bpf_core_pkg::C_SEXT];
  always_comb begin
    case (x1_insn_i[4:3])
      2'd0:    x1_bytes_o = 4'd4;
      2'd1:    x1_bytes_o = 4'd2;
      2'd2:    x1_bytes_o = 4'd1;
      default: x1_bytes_o = 4'd8;
    endcase
    if (x1_ctl_i[bpf_core_pkg::C_PUSHM]) x1_bytes_o = x1_insn_i[35:32];
  end

  // Stage x2: requests; x3: the next counter.
  logic svc_x2_q, div_x2_q, keyed_x2_q, valid_x2_q, w64_x2_q, signed_x2_q, mod_x2_q;
  logic [TW-1:0] thread_x2_q;
  logic [3:0] op_x2_q;
  logic [1:0] size_x2_q;
  logic [31:0] addr_x2_q, imm_x2_q;
  logic [63:0] a_x2_q, b_x2_q;
  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      svc_x2_q    <= 1'b0;
      div_x2_q    <= 1'b0;
      valid_x2_q  <= 1'b0;
      npc_valid_o <= 1'b0;
    end else begin
      svc_x2_q    <= wait_x1 && !div_x1;
      div_x2_q    <= wait_x1 && div_x1;
      valid_x2_q  <= x1_valid_i;
      npc_valid_o <= valid_x2_q;
    end
    thread_x2_q  <= x1_thread_i;
    npc_thread_o <= thread_x2_q;
    op_x2_q      <= svc_x1 ? x1_insn_i[19:16] : atomic_x1 ? bpf_isa_pkg::SVC_ATOMIC :
                    store_x1 ? bpf_isa_pkg::SVC_STORE : bpf_isa_pkg::SVC_LOAD;
    keyed_x2_q   <= svc_x1 || atomic_x1;
    size_x2_q    <= x1_insn_i[4:3];
    addr_x2_q    <= x1_addr_i;
    imm_x2_q     <= x1_insn_i[63:32];
    a_x2_q       <= x1_a_i;
    b_x2_q       <= x1_b_i;
    w64_x2_q     <= x1_ctl_i[bpf_core_pkg::C_W64];
    signed_x2_q  <= x1_ctl_i[bpf_core_pkg::C_SIGNED];
    mod_x2_q     <= x1_ctl_i[bpf_core_pkg::C_MOD];
  end

  bpf_core_branch u_branch (
    .clk_i, .x1_ctl_i, .x1_wait_i(wait_x1), .x1_a_i, .x1_b_i, .x1_pc_i, .x1_pc_plus1_i,
    .x1_target_i, .x3_npc_o(npc_o)
  );

  logic [63:0] x4_alu, x4_mul, x3_late_data;
  logic x3_late;
  bpf_core_alu u_alu (
    .clk_i, .x1_ctl_i, .x1_a_i, .x1_b_i, .x1_end_i(x1_insn_i[38:36]),
    .x1_movsx_i(x1_insn_i[21:19]), .x3_late_i(x3_late), .x3_late_data_i(x3_late_data),
    .x4_result_o(x4_alu)
  );

  bpf_core_mul u_mul (.clk_i, .x1_a_i, .x1_b_i, .x4_result_o(x4_mul));

  logic div_valid, div_ready;
  logic [TW-1:0] div_thread;
  logic [63:0] div_data;
  bpf_core_div #(.Threads(Threads)) u_div (
    .clk_i, .rst_ni,
    .x2_valid_i(div_x2_q), .x2_thread_i(thread_x2_q), .x2_w64_i(w64_x2_q),
    .x2_signed_i(signed_x2_q), .x2_mod_i(mod_x2_q), .x2_a_i(a_x2_q), .x2_b_i(b_x2_q),
    .result_valid_o(div_valid), .result_ready_i(div_ready), .result_thread_o(div_thread),
    .result_data_o(div_data)
  );

  logic wb_valid, wb_push;
  bpf_core_svc #(.Threads(Threads)) u_svc (
    .clk_i, .rst_ni,
    .x2_valid_i(svc_x2_q), .x2_keyed_i(keyed_x2_q), .x2_thread_i(thread_x2_q),
    .x2_op_i(op_x2_q), .x2_size_i(size_x2_q), .x2_addr_i(addr_x2_q), .x2_data_i(b_x2_q),
    .x2_imm_i(imm_x2_q),
    .push_i(wb_push), .push_thread_i(wb_thread_o), .push_data_i(wb_data_o),
    .start_valid_i(claim_valid_i), .start_thread_i(claim_thread_i),
    .svc_valid_o, .svc_ready_i, .svc_thread_o, .svc_op_o, .svc_size_o, .svc_addr_o, .svc_data_o,
    .svc_imm_o, .svc_key_o, .svc_last_o
  );

  bpf_core_response #(.Threads(Threads)) u_response (
    .clk_i, .rst_ni, .rsp_valid_i, .rsp_thread_i, .rsp_data_i,
    .div_valid_i(div_valid), .div_ready_o(div_ready), .div_thread_i(div_thread),
    .div_data_i(div_data), .wake_valid_o, .wake_thread_o, .x1_thread_i, .x1_complete_i,
    .x1_link_i(x1_ctl_i[bpf_core_pkg::C_LINK]), .x1_sext_i(x1_sext_o), .x1_bytes_i(x1_bytes_o),
    .x1_pc_plus1_i, .x3_late_o(x3_late), .x3_late_data_o(x3_late_data)
  );

  bpf_core_writeback #(.Threads(Threads)) u_writeback (
    .clk_i, .rst_ni,
    .x1_retire_i(retire_x1), .x1_thread_i, .x1_ctl_i, .x1_rd_i, .x1_local_i(!map_x1),
    .x4_alu_i(x4_alu), .x4_mul_i(x4_mul), .x4_mem_i,
    .start_valid_i(claim_valid_i), .start_thread_i(claim_thread_i),
    .wb_valid_o(wb_valid), .wb_thread_o, .wb_we_o, .wb_rd_o, .wb_data_o, .wb_push_o(wb_push),
    .wb_end_o, .wb_code_o, .wb_trap_o, .wb_insns_o
  );

  bpf_core_retire #(.Retire(Retire), .Threads(Threads)) u_retire (
    .clk_i, .x1_ctl_i, .x1_pc_i, .x1_insn_i, .x1_addr_i, .x1_bytes_i(x1_bytes_o),
    .x1_data_i(x1_b_i), .x3_npc_i(npc_o), .wb_valid_i(wb_valid), .wb_thread_i(wb_thread_o),
    .wb_we_i(wb_we_o), .wb_rd_i(wb_rd_o), .wb_data_i(wb_data_o), .wb_end_i(wb_end_o),
    .claim_valid_i, .claim_thread_i, .claim_seq_i,
    .retire_valid_o, .retire_thread_o, .retire_seq_o, .retire_pc_o, .retire_insn_o,
    .retire_next_pc_o, .retire_rd_we_o, .retire_rd_o, .retire_rd_data_o, .retire_mem_we_o,
    .retire_mem_re_o, .retire_mem_addr_o, .retire_mem_size_o, .retire_mem_data_o, .retire_exit_o
  );

endmodule
