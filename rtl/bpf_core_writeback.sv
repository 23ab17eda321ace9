// SPDX-License-Identifier: Apache-2.0
//
// The end of the pipeline: carries what retires from x1 to wb, joins the results of ALU, multiplier
// and memory, writes registers and key words, counts a frame's instructions, reports its end.
//
// x1_retire_i is an instruction that completes, not one that is sent off to wait for a response.
// Latency:     4 cycles from x1 to wb.
// Reset:       clears the valid bits.

module bpf_core_writeback #(
  parameter int Threads = 8,
  localparam int TW = $clog2(Threads)
) (
  input  logic                            clk_i,
  input  logic                            rst_ni,
  // from bpf_core_operands and bpf_core
  input  logic                            x1_retire_i,
  input  logic [TW-1:0]                   x1_thread_i,
  input  logic [bpf_core_pkg::C_BITS-1:0] x1_ctl_i,
  input  logic [3:0]                      x1_rd_i,
  input  logic                            x1_local_i,  // memory access that the core does itself
  // results, stage x4
  input  logic [63:0]                     x4_alu_i,
  input  logic [63:0]                     x4_mul_i,
  input  logic [63:0]                     x4_mem_i,
  // from bpf_core_rx: a frame starts
  input  logic                            start_valid_i,
  input  logic [TW-1:0]                   start_thread_i,
  // stage wb
  output logic                            wb_valid_o,
  output logic [TW-1:0]                   wb_thread_o,
  output logic                            wb_we_o,
  output logic [3:0]                      wb_rd_o,
  output logic [63:0]                     wb_data_o,
  output logic                            wb_push_o,
  output logic                            wb_end_o,
  output logic [31:0]                     wb_code_o,
  output logic [7:0]                      wb_trap_o,
  output logic [31:0]                     wb_insns_o
);

  // Carried along: retire, write, push, exit, trap, bad, memory, multiplier, its width.
  localparam int F_RETIRE = 0;
  localparam int F_WE     = 1;
  localparam int F_PUSH   = 2;
  localparam int F_EXIT   = 3;
  localparam int F_TRAP   = 4;
  localparam int F_BAD    = 5;
  localparam int F_MEM    = 6;
  localparam int F_MUL    = 7;
  localparam int F_MULHI  = 8;
  localparam int F_BITS   = 9;

  logic [F_BITS-1:0] flags_x1, flags_x2_q, flags_x3_q, flags_x4_q;
  logic [TW-1:0] thread_x2_q, thread_x3_q, thread_x4_q;
  logic [3:0] rd_x2_q, rd_x3_q, rd_x4_q;

  always_comb begin
    flags_x1           = '0;
    flags_x1[F_RETIRE] = x1_retire_i;
    flags_x1[F_WE]     = x1_retire_i && x1_ctl_i[bpf_core_pkg::C_WE];
    flags_x1[F_PUSH]   = x1_retire_i &&
                         (x1_ctl_i[bpf_core_pkg::C_PUSHM] || x1_ctl_i[bpf_core_pkg::C_PUSHR]);
    flags_x1[F_EXIT]   = x1_retire_i && x1_ctl_i[bpf_core_pkg::C_EXIT];
    flags_x1[F_TRAP]   = x1_retire_i && x1_ctl_i[bpf_core_pkg::C_TRAP];
    flags_x1[F_BAD]    = x1_retire_i && x1_ctl_i[bpf_core_pkg::C_BAD];
    flags_x1[F_MEM]    = x1_ctl_i[bpf_core_pkg::C_PUSHM] ||
                         (x1_ctl_i[bpf_core_pkg::C_LOAD] && x1_local_i);
    flags_x1[F_MUL]    = x1_ctl_i[bpf_core_pkg::C_MUL];
    flags_x1[F_MULHI]  = x1_ctl_i[bpf_core_pkg::C_MUL] && x1_ctl_i[bpf_core_pkg::C_W64];
  end

  // Instructions of the frame: read in x4, counted and written in wb. New: none counted yet.
  logic [Threads-1:0] new_q;
  logic [31:0] count_x4, count_wb_q;
  bpf_core_lutram #(.Width(32), .Depth(Threads)) u_count (
    .clk_i,
    .we_i   (wb_valid_o),
    .waddr_i(wb_thread_o),
    .wdata_i(wb_insns_o),
    .raddr_i(thread_x4_q),
    .rdata_o(count_x4)
  );
  assign wb_insns_o = count_wb_q + 32'd1;

  logic exit_wb_q, trap_wb_q, bad_wb_q;
  assign wb_end_o  = exit_wb_q || trap_wb_q || bad_wb_q;
  assign wb_code_o = exit_wb_q ? wb_data_o[31:0] : '0;
  assign wb_trap_o = trap_wb_q ? wb_data_o[7:0] : bad_wb_q ? bpf_core_pkg::TRAP_BAD_INSN : '0;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      flags_x2_q <= '0;
      flags_x3_q <= '0;
      flags_x4_q <= '0;
      wb_valid_o <= 1'b0;
      wb_we_o    <= 1'b0;
      wb_push_o  <= 1'b0;
      exit_wb_q  <= 1'b0;
      trap_wb_q  <= 1'b0;
      bad_wb_q   <= 1'b0;
    end else begin
      flags_x2_q <= flags_x1;
      flags_x3_q <= flags_x2_q;
      flags_x4_q <= flags_x3_q;
      wb_valid_o <= flags_x4_q[F_RETIRE];
      wb_we_o    <= flags_x4_q[F_WE];
      wb_push_o  <= flags_x4_q[F_PUSH];
      exit_wb_q  <= flags_x4_q[F_EXIT];
      trap_wb_q  <= flags_x4_q[F_TRAP];
      bad_wb_q   <= flags_x4_q[F_BAD];
    end
    thread_x2_q <= x1_thread_i;
    thread_x3_q <= thread_x2_q;
    thread_x4_q <= thread_x3_q;
    wb_thread_o <= thread_x4_q;
    rd_x2_q     <= x1_rd_i;
    rd_x3_q     <= rd_x2_q;
    rd_x4_q     <= rd_x3_q;
    wb_rd_o     <= rd_x4_q;
    count_wb_q  <= new_q[thread_x4_q] ? '0 : count_x4;
    wb_data_o   <= x4_alu_i | ({64{flags_x4_q[F_MEM]}} & x4_mem_i) |
                   ({{32{flags_x4_q[F_MULHI]}}, {32{flags_x4_q[F_MUL]}}} & x4_mul_i);
    for (int t = 0; t < Threads; t++) begin
      if (wb_valid_o && wb_thread_o == TW'(t)) new_q[t] <= 1'b0;
      if (start_valid_i && start_thread_i == TW'(t)) new_q[t] <= 1'b1;
    end
  end

  logic unused_ok;
  assign unused_ok = &{1'b0, x1_ctl_i};

endmodule
