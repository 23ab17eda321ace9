// SPDX-License-Identifier: Apache-2.0
//
// The retire port: one record for each instruction that completes (rtl/interfaces.md, Retire port).
// Observes only. With Retire = 0 every output is 0 and nothing is left of it.
//
// Latency:     the record appears in stage wb, in the cycle of the register write.

module bpf_core_retire #(
  parameter bit Retire  = 1,
  parameter int Threads = 8,
  localparam int TW = $clog2(Threads)
) (
  input  logic                            clk_i,
  // from bpf_core_operands and bpf_core
  input  logic [bpf_core_pkg::C_BITS-1:0] x1_ctl_i,
  input  logic [15:0]                     x1_pc_i,
  input  logic [63:0]                     x1_insn_i,
  input  logic [31:0]                     x1_addr_i,
  input  logic [3:0]                      x1_bytes_i,
  input  logic [63:0]                     x1_data_i,
  // from bpf_core_branch
  input  logic [15:0]                     x3_npc_i,
  // from bpf_core_writeback
  input  logic                            wb_valid_i,
  input  logic [TW-1:0]                   wb_thread_i,
  input  logic                            wb_we_i,
  input  logic [3:0]                      wb_rd_i,
  input  logic [63:0]                     wb_data_i,
  input  logic                            wb_end_i,
  // from bpf_core_io: number of the frame that a thread gets
  input  logic                            claim_valid_i,
  input  logic [TW-1:0]                   claim_thread_i,
  input  logic [31:0]                     claim_seq_i,
  // retire port
  output logic                            retire_valid_o,
  output logic [7:0]                      retire_thread_o,
  output logic [31:0]                     retire_seq_o,
  output logic [15:0]                     retire_pc_o,
  output logic [63:0]                     retire_insn_o,
  output logic [15:0]                     retire_next_pc_o,
  output logic                            retire_rd_we_o,
  output logic [3:0]                      retire_rd_o,
  output logic [63:0]                     retire_rd_data_o,
  output logic                            retire_mem_we_o,
  output logic                            retire_mem_re_o,
  output logic [31:0]                     retire_mem_addr_o,
  output logic [3:0]                      retire_mem_size_o,
  output logic [63:0]                     retire_mem_data_o,
  output logic                            retire_exit_o
);

  localparam int W = 16 + 64 + 2 + 32 + 4 + 64;

  if (Retire) begin : gen_retire
    logic write, read;
    logic [63:0] data;
    logic [W-1:0] x2_q, x3_q, x4_q, wb_q;
    logic [15:0] npc_x4_q, npc_wb_q;
    always_comb begin
      write = x1_ctl_i[bpf_core_pkg::C_STORE] || x1_ctl_i[bpf_core_pkg::C_ATOMIC];
      read  = x1_ctl_i[bpf_core_pkg::C_LOAD] || x1_ctl_i[bpf_core_pkg::C_ATOMIC] ||
              x1_ctl_i[bpf_core_pkg::C_PUSHM];
      for (int k = 0; k < 8; k++) data[8*k+:8] = (4'(k) < x1_bytes_i) ? x1_data_i[8*k+:8] : '0;
    end
    always_ff @(posedge clk_i) begin
      x2_q     <= {x1_pc_i, x1_insn_i, write, read, x1_addr_i, x1_bytes_i, data};
      x3_q     <= x2_q;
      x4_q     <= x3_q;
      wb_q     <= x4_q;
      npc_x4_q <= x3_npc_i;
      npc_wb_q <= npc_x4_q;
    end
    bpf_core_lutram #(.Width(32), .Depth(Threads)) u_seq (
      .clk_i,
      .we_i   (claim_valid_i),
      .waddr_i(claim_thread_i),
      .wdata_i(claim_seq_i),
      .raddr_i(wb_thread_i),
      .rdata_o(retire_seq_o)
    );
    assign retire_valid_o   = wb_valid_i;
    assign retire_thread_o  = 8'(wb_thread_i);
    assign retire_next_pc_o = npc_wb_q;
    assign retire_rd_we_o   = wb_we_i;
    assign retire_rd_o      = wb_rd_i;
    assign retire_rd_data_o = wb_data_i;
    assign retire_exit_o    = wb_end_i;
    assign {retire_pc_o, retire_insn_o, retire_mem_we_o, retire_mem_re_o, retire_mem_addr_o,
            retire_mem_size_o, retire_mem_data_o} = wb_q;
  end else begin : gen_none
    assign retire_valid_o   = 1'b0;
    assign retire_thread_o  = '0;
    assign retire_seq_o     = '0;
    assign retire_pc_o      = '0;
    assign retire_insn_o    = '0;
    assign retire_next_pc_o = '0;
    assign retire_rd_we_o   = 1'b0;
    assign retire_rd_o      = '0;
    assign retire_rd_data_o = '0;
    assign retire_mem_we_o   = 1'b0;
    assign retire_mem_re_o   = 1'b0;
    assign retire_mem_addr_o = '0;
    assign retire_mem_size_o = '0;
    assign retire_mem_data_o = '0;
    assign retire_exit_o     = 1'b0;
    logic unused_ok;
    assign unused_ok = &{1'b0, clk_i, x1_ctl_i, x1_pc_i, x1_insn_i, x1_addr_i, x1_bytes_i,
                         x1_data_i, x3_npc_i, wb_valid_i, wb_thread_i, wb_we_i, wb_rd_i,
                         wb_data_i, wb_end_i, claim_valid_i, claim_thread_i, claim_seq_i};
  end

  logic unused_ctl;
  assign unused_ctl = &{1'b0, x1_ctl_i};

endmodule
