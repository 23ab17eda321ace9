// SPDX-License-Identifier: Apache-2.0
//
// Program counters and instruction memory: thread in, instruction word out.
//
//   pc: counter of the thread   f1: memory address   f2: array   id: word from the output register
//
// Latency:     3 cycles from pc to id.
// The next counter comes back from stage x3 (npc_*) and can be read in the same cycle: a thread
// that is issued again after the least distance of 8 has its new counter in x3 when it is in pc.
// Reset:       clears the valid bits.

module bpf_core_fetch #(
  parameter int Threads   = 8,
  parameter int ImemWords = 4096,  // power of two, up to 65536
  localparam int TW = $clog2(Threads)
) (
  input  logic          clk_i,
  input  logic          rst_ni,
  input  logic [15:0]   entry_i,
  // program load
  input  logic          imem_we_i,
  input  logic [15:0]   imem_addr_i,
  input  logic [63:0]   imem_data_i,
  // from bpf_core_sched, stage pc
  input  logic          pc_valid_i,
  input  logic [TW-1:0] pc_thread_i,
  input  logic          pc_first_i,
  input  logic          pc_complete_i,
  // from bpf_core_branch, stage x3
  input  logic          npc_valid_i,
  input  logic [TW-1:0] npc_thread_i,
  input  logic [15:0]   npc_i,
  // to bpf_core_operands, stage id
  output logic          id_valid_o,
  output logic [TW-1:0] id_thread_o,
  output logic          id_complete_o,
  output logic [15:0]   id_pc_o,
  output logic [63:0]   id_insn_o
);

  localparam int AW = $clog2(ImemWords);

  logic [15:0] pc_ram, pc_f1_q, pc_f2_q, pc_id_q;
  logic valid_f1_q, valid_f2_q, valid_id_q;
  logic complete_f1_q, complete_f2_q, complete_id_q;
  logic [TW-1:0] thread_f1_q, thread_f2_q, thread_id_q;

  bpf_core_lutram #(.Width(16), .Depth(Threads)) u_pc (
    .clk_i,
    .we_i   (npc_valid_i),
    .waddr_i(npc_thread_i),
    .wdata_i(npc_i),
    .raddr_i(pc_thread_i),
    .rdata_o(pc_ram)
  );

  bpf_core_bram #(.Width(64), .Depth(ImemWords), .OutReg(1)) u_imem (
    .clk_i,
    .we_i   (imem_we_i),
    .waddr_i(imem_addr_i[AW-1:0]),
    .wdata_i(imem_data_i),
    .raddr_i(pc_f1_q[AW-1:0]),
    .rdata_o(id_insn_o)
  );

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      valid_f1_q <= 1'b0;
      valid_f2_q <= 1'b0;
      valid_id_q <= 1'b0;
    end else begin
      valid_f1_q <= pc_valid_i;
      valid_f2_q <= valid_f1_q;
      valid_id_q <= valid_f2_q;
    end
    thread_f1_q   <= pc_thread_i;
    complete_f1_q <= pc_complete_i;
    pc_f1_q       <= pc_first_i ? entry_i :
                     (npc_valid_i && npc_thread_i == pc_thread_i) ? npc_i : pc_ram;
    thread_f2_q   <= thread_f1_q;
    complete_f2_q <= complete_f1_q;
    pc_f2_q       <= pc_f1_q;
    thread_id_q   <= thread_f2_q;
    complete_id_q <= complete_f2_q;
    pc_id_q       <= pc_f2_q;
  end

  assign id_valid_o    = valid_id_q;
  assign id_thread_o   = thread_id_q;
  assign id_complete_o = complete_id_q;
  assign id_pc_o       = pc_id_q;

  logic unused_ok;
  assign unused_ok = &{1'b0, imem_addr_i};

endmodule
