// SPDX-License-Identifier: Apache-2.0
//
// One barrel core: Threads hardware threads, one frame each, one instruction issued a cycle, in
// order within a thread, no forwarding and no branch penalty. rtl/core.md has the pipeline, stage
// by stage.
//
//   sched > pc f1 f2 id > rf op > x1 x2 x3 x4 > wb
//           fetch         operands  alu, mul, mem, branch   writeback
//                                   x1: wait? -> svc, div -> response -> sched
//   rx > memory (port b) > tx, handout                             wb: EXIT -> done
//              return > memory, done
//
// A thread issues again at the earliest 8 cycles after its last issue: x1 decides that the
// instruction needs no response, x3 brings the next counter, wb writes the register before the next
// one reads. An instruction that needs a response leaves the pipeline without effect and comes
// again with `complete` set once the response is stored; then it takes the response, and retires.
// Reset:       no thread runs; every stack is cleared before its thread is free.

module bpf_core #(
  parameter int Threads     = 8,     // 8 or 16
  parameter int ImemWords   = 4096,  // power of two, 1024..65536
  parameter int WindowBytes = 4096,  // 2048 or 4096, packet buffer of a thread
  parameter int CoreId      = 0,     // for the context's cpu word
  parameter bit Retire      = 1      // 0: retire port tied off
) (
  input  logic               clk_i,
  input  logic               rst_ni,
  // control
  input  logic               run_i,
  input  logic [Threads-1:0] thread_enable_i,
  input  logic [15:0]        entry_i,
  input  logic [31:0]        cycle_i,
  // program load
  input  logic               imem_we_i,
  input  logic [15:0]        imem_addr_i,
  input  logic [63:0]        imem_data_i,
  // frames in, from the dispatcher
  input  logic               rx_valid_i,
  output logic               rx_ready_o,
  input  logic [63:0]        rx_data_i,
  input  logic [7:0]         rx_keep_i,
  input  logic               rx_last_i,
  input  logic [31:0]        rx_seq_i,
  input  logic [31:0]        rx_user_i,
  output logic [7:0]         rx_thread_o,
  output logic [7:0]         free_o,
  // finished frames, to the reorder ring
  output logic               done_valid_o,
  input  logic               done_ready_i,
  output logic [7:0]         done_thread_o,
  output logic [31:0]        done_seq_o,
  output logic [31:0]        done_code_o,
  output logic [31:0]        done_redirect_o,
  output logic [31:0]        done_redirect_map_o,
  output logic [15:0]        done_ifindex_o,
  output logic [7:0]         done_trap_o,
  output logic [31:0]        done_start_o,
  output logic [31:0]        done_end_o,
  output logic [31:0]        done_insns_o,
  // release, from the reorder ring
  input  logic               release_valid_i,
  output logic               release_ready_o,
  input  logic [7:0]         release_thread_i,
  input  logic               release_send_i,
  // frames out, to egress
  output logic               tx_valid_o,
  input  logic               tx_ready_i,
  output logic [63:0]        tx_data_o,
  output logic [7:0]         tx_keep_o,
  output logic               tx_last_o,
  // host queue (handover.h)
  output logic               hand_valid_o,
  input  logic               hand_ready_i,
  output logic [63:0]        hand_data_o,
  output logic               hand_last_o,
  input  logic               ret_valid_i,
  output logic               ret_ready_o,
  input  logic [63:0]        ret_data_i,
  input  logic               ret_last_i,
  // service port
  output logic               svc_valid_o,
  input  logic               svc_ready_i,
  output logic [7:0]         svc_thread_o,
  output logic [3:0]         svc_op_o,
  output logic [1:0]         svc_size_o,
  output logic [31:0]        svc_addr_o,
  output logic [63:0]        svc_data_o,
  output logic [31:0]        svc_imm_o,
  output logic               svc_key_o,
  output logic               svc_last_o,
  input  logic               rsp_valid_i,
  input  logic [7:0]         rsp_thread_i,
  input  logic [63:0]        rsp_data_i,
  // retire port
  output logic               retire_valid_o,
  output logic [7:0]         retire_thread_o,
  output logic [31:0]        retire_seq_o,
  output logic [15:0]        retire_pc_o,
  output logic [63:0]        retire_insn_o,
  output logic [15:0]        retire_next_pc_o,
  output logic               retire_rd_we_o,
  output logic [3:0]         retire_rd_o,
  output logic [63:0]        retire_rd_data_o,
  output logic               retire_mem_we_o,
  output logic               retire_mem_re_o,
  output logic [31:0]        retire_mem_addr_o,
  output logic [3:0]         retire_mem_size_o,
  output logic [63:0]        retire_mem_data_o,
  output logic               retire_exit_o
);

  localparam int TW = $clog2(Threads);
  localparam int WW = $clog2(WindowBytes);
  localparam int CB = bpf_core_pkg::C_BITS;

`ifndef SYNTHESIS
  initial begin
    if (Threads != 8 && Threads != 16) $fatal(1, "%m: Threads must be 8 or 16");
    if (WindowBytes != 2048 && WindowBytes != 4096) $fatal(1, "%m: WindowBytes: 2048 or 4096");
    if (ImemWords < 1024 || ImemWords > 65536 || (ImemWords & (ImemWords - 1)) != 0)
      $fatal(1, "%m: ImemWords must be a power of two, 1024..65536");
  end
`endif

  logic claim_valid, start_valid, again_valid, wake_valid;
  logic [TW-1:0] io_thread, wake_thread;
  logic pc_valid, pc_first, pc_complete, id_valid, id_complete;
  logic [TW-1:0] pc_thread, id_thread;
  logic [15:0] id_pc;
  logic [63:0] id_insn;
  logic x1_valid, x1_complete, x1_store, x1_sext;
  logic [TW-1:0] x1_thread;
  logic [15:0] x1_pc, x1_pc_plus1, x1_target, x3_npc;
  logic [63:0] x1_insn, x1_a, x1_b, x4_mem;
  logic [CB-1:0] x1_ctl;
  logic [3:0] x1_rd, x1_bytes;
  logic [31:0] x1_addr;
  logic [WW-1:0] x1_next;
  logic x3_npc_valid, wb_we, wb_end;
  logic [TW-1:0] x3_thread, wb_thread;
  logic [3:0] wb_rd;
  logic [63:0] wb_data;
  logic [31:0] wb_code, wb_insns;
  logic [7:0] wb_trap, packet_we;
  logic dirty_valid, dirty_two, local_we;
  logic [TW-1:0] dirty_thread, packet_thread;
  logic [2:0] dirty_line;
  logic [WW-1:0] packet_addr;
  logic [63:0] packet_wdata, packet_rdata, local_wdata, local_rdata;
  logic [TW+6:0] local_row;

  bpf_core_sched #(.Threads(Threads)) u_sched (
    .clk_i, .rst_ni,
    .start_valid_i(start_valid), .start_thread_i(io_thread),
    .again_valid_i(again_valid), .again_thread_i(x1_thread),
    .wake_valid_i(wake_valid), .wake_thread_i(wake_thread),
    .pc_valid_o(pc_valid), .pc_thread_o(pc_thread), .pc_first_o(pc_first),
    .pc_complete_o(pc_complete)
  );

  bpf_core_fetch #(.Threads(Threads), .ImemWords(ImemWords)) u_fetch (
    .clk_i, .rst_ni, .entry_i, .imem_we_i, .imem_addr_i, .imem_data_i,
    .pc_valid_i(pc_valid), .pc_thread_i(pc_thread), .pc_first_i(pc_first),
    .pc_complete_i(pc_complete),
    .npc_valid_i(x3_npc_valid), .npc_thread_i(x3_thread), .npc_i(x3_npc),
    .id_valid_o(id_valid), .id_thread_o(id_thread), .id_complete_o(id_complete),
    .id_pc_o(id_pc), .id_insn_o(id_insn)
  );

  bpf_core_operands #(.Threads(Threads), .WindowBytes(WindowBytes)) u_operands (
    .clk_i, .rst_ni,
    .id_valid_i(id_valid), .id_thread_i(id_thread), .id_complete_i(id_complete),
    .id_pc_i(id_pc), .id_insn_i(id_insn),
    .wb_we_i(wb_we), .wb_thread_i(wb_thread), .wb_rd_i(wb_rd), .wb_data_i(wb_data),
    .x1_valid_o(x1_valid), .x1_thread_o(x1_thread), .x1_complete_o(x1_complete),
    .x1_pc_o(x1_pc), .x1_pc_plus1_o(x1_pc_plus1), .x1_target_o(x1_target), .x1_insn_o(x1_insn),
    .x1_ctl_o(x1_ctl), .x1_rd_o(x1_rd), .x1_a_o(x1_a), .x1_b_o(x1_b), .x1_addr_o(x1_addr),
    .x1_next_o(x1_next)
  );

  bpf_core_execute #(.Threads(Threads), .Retire(Retire)) u_execute (
    .clk_i, .rst_ni,
    .x1_valid_i(x1_valid), .x1_thread_i(x1_thread), .x1_complete_i(x1_complete),
    .x1_pc_i(x1_pc), .x1_pc_plus1_i(x1_pc_plus1), .x1_target_i(x1_target), .x1_insn_i(x1_insn),
    .x1_ctl_i(x1_ctl), .x1_rd_i(x1_rd), .x1_a_i(x1_a), .x1_b_i(x1_b), .x1_addr_i(x1_addr),
    .x1_store_o(x1_store), .x1_bytes_o(x1_bytes), .x1_sext_o(x1_sext), .x4_mem_i(x4_mem),
    .again_valid_o(again_valid), .wake_valid_o(wake_valid), .wake_thread_o(wake_thread),
    .npc_valid_o(x3_npc_valid), .npc_thread_o(x3_thread), .npc_o(x3_npc),
    .wb_thread_o(wb_thread), .wb_we_o(wb_we), .wb_rd_o(wb_rd), .wb_data_o(wb_data),
    .wb_end_o(wb_end), .wb_code_o(wb_code), .wb_trap_o(wb_trap), .wb_insns_o(wb_insns),
    .claim_valid_i(claim_valid), .claim_thread_i(io_thread), .claim_seq_i(rx_seq_i),
    .svc_valid_o, .svc_ready_i, .svc_thread_o, .svc_op_o, .svc_size_o, .svc_addr_o, .svc_data_o,
    .svc_imm_o, .svc_key_o, .svc_last_o, .rsp_valid_i, .rsp_thread_i, .rsp_data_i,
    .retire_valid_o, .retire_thread_o, .retire_seq_o, .retire_pc_o, .retire_insn_o,
    .retire_next_pc_o, .retire_rd_we_o, .retire_rd_o, .retire_rd_data_o, .retire_mem_we_o,
    .retire_mem_re_o, .retire_mem_addr_o, .retire_mem_size_o, .retire_mem_data_o, .retire_exit_o
  );

  bpf_core_mem #(.Threads(Threads), .WindowBytes(WindowBytes)) u_mem (
    .clk_i,
    .x1_store_i(x1_store), .x1_thread_i(x1_thread), .x1_addr_i(x1_addr), .x1_next_i(x1_next),
    .x1_bytes_i(x1_bytes), .x1_sext_i(x1_sext), .x1_data_i(x1_b), .x4_data_o(x4_mem),
    .x2_dirty_o(dirty_valid), .x2_dirty_two_o(dirty_two), .x2_dirty_thread_o(dirty_thread),
    .x2_dirty_line_o(dirty_line),
    .pkt_we_i(packet_we), .pkt_thread_i(packet_thread), .pkt_addr_i(packet_addr),
    .pkt_wdata_i(packet_wdata), .pkt_rdata_o(packet_rdata),
    .loc_we_i(local_we), .loc_row_i(local_row), .loc_wdata_i(local_wdata),
    .loc_rdata_o(local_rdata)
  );

  bpf_core_io #(.Threads(Threads), .WindowBytes(WindowBytes), .CoreId(CoreId)) u_io (
    .clk_i, .rst_ni, .run_i, .thread_enable_i, .cycle_i,
    .rx_valid_i, .rx_ready_o, .rx_data_i, .rx_keep_i, .rx_last_i, .rx_seq_i, .rx_user_i,
    .rx_thread_o, .free_o,
    .done_valid_o, .done_ready_i, .done_thread_o, .done_seq_o, .done_code_o, .done_redirect_o,
    .done_redirect_map_o, .done_ifindex_o, .done_trap_o, .done_start_o, .done_end_o,
    .done_insns_o,
    .release_valid_i, .release_ready_o, .release_thread_i, .release_send_i,
    .tx_valid_o, .tx_ready_i, .tx_data_o, .tx_keep_o, .tx_last_o,
    .hand_valid_o, .hand_ready_i, .hand_data_o, .hand_last_o, .ret_valid_i, .ret_ready_o,
    .ret_data_i, .ret_last_i,
    .claim_valid_o(claim_valid), .start_valid_o(start_valid), .start_thread_o(io_thread),
    .issue_valid_i(pc_valid && pc_first), .issue_thread_i(pc_thread),
    .wb_end_i(wb_end), .wb_thread_i(wb_thread), .wb_code_i(wb_code), .wb_trap_i(wb_trap),
    .wb_insns_i(wb_insns),
    .dirty_valid_i(dirty_valid), .dirty_two_i(dirty_two), .dirty_thread_i(dirty_thread),
    .dirty_line_i(dirty_line),
    .packet_we_o(packet_we), .packet_thread_o(packet_thread), .packet_addr_o(packet_addr),
    .packet_wdata_o(packet_wdata), .packet_rdata_i(packet_rdata),
    .local_we_o(local_we), .local_row_o(local_row), .local_wdata_o(local_wdata),
    .local_rdata_i(local_rdata)
  );

endmodule
