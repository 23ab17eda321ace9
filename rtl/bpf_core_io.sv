// SPDX-License-Identifier: Apache-2.0
//
// Packet input and output of a core: frames in, reports, releases, frames out; and who of them has
// port b of the memories. Threads run meanwhile and never wait for it.
//
// Packet memory: input and output take turns when both want it, then the host's answers, then what goes
// to the host. Stack and context: input, reports, output, the host's answers, clearing, what goes to the
// host, in this order; each needs little.
// Handshake:   release_ready_o is always 1.

module bpf_core_io #(
  parameter int Threads     = 8,
  parameter int WindowBytes = 4096,
  parameter int CoreId      = 0,
  localparam int TW = $clog2(Threads),
  localparam int WW = $clog2(WindowBytes),
  localparam int LR = TW + 7
) (
  input  logic               clk_i,
  input  logic               rst_ni,
  input  logic               run_i,
  input  logic [Threads-1:0] thread_enable_i,
  input  logic [31:0]        cycle_i,
  // frames in
  input  logic               rx_valid_i,
  output logic               rx_ready_o,
  input  logic [63:0]        rx_data_i,
  input  logic [7:0]         rx_keep_i,
  input  logic               rx_last_i,
  input  logic [31:0]        rx_seq_i,
  input  logic [31:0]        rx_user_i,
  output logic [7:0]         rx_thread_o,
  output logic [7:0]         free_o,
  // reports
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
  // releases
  input  logic               release_valid_i,
  output logic               release_ready_o,
  input  logic [7:0]         release_thread_i,
  input  logic               release_send_i,
  // frames out
  output logic               tx_valid_o,
  input  logic               tx_ready_i,
  output logic [63:0]        tx_data_o,
  output logic [7:0]         tx_keep_o,
  output logic               tx_last_o,
  // threads handed over to the host, and what it answers
  output logic               hand_valid_o,
  input  logic               hand_ready_i,
  output logic [63:0]        hand_data_o,
  output logic               hand_last_o,
  input  logic               ret_valid_i,
  output logic               ret_ready_o,
  input  logic [63:0]        ret_data_i,
  input  logic               ret_last_i,
  // to bpf_core_sched
  output logic               claim_valid_o,
  output logic               start_valid_o,
  output logic [TW-1:0]      start_thread_o,
  // from bpf_core_sched: first issue of a frame
  input  logic               issue_valid_i,
  input  logic [TW-1:0]      issue_thread_i,
  // from bpf_core_writeback
  input  logic               wb_end_i,
  input  logic [TW-1:0]      wb_thread_i,
  input  logic [31:0]        wb_code_i,
  input  logic [7:0]         wb_trap_i,
  input  logic [31:0]        wb_insns_i,
  // bpf_core_mem: stack lines touched
  input  logic               dirty_valid_i,
  input  logic               dirty_two_i,
  input  logic [TW-1:0]      dirty_thread_i,
  input  logic [2:0]         dirty_line_i,
  // bpf_core_mem: port b
  output logic [7:0]         packet_we_o,
  output logic [TW-1:0]      packet_thread_o,
  output logic [WW-1:0]      packet_addr_o,
  output logic [63:0]        packet_wdata_o,
  input  logic [63:0]        packet_rdata_i,
  output logic               local_we_o,
  output logic [LR-1:0]      local_row_o,
  output logic [63:0]        local_wdata_o,
  input  logic [63:0]        local_rdata_i
);

  logic [Threads-1:0] free;
  logic [TW-1:0] rx_thread, tx_thread, sent_thread, release_thread;
  logic sent_valid;
  assign release_ready_o = 1'b1;
  assign release_thread  = release_thread_i[TW-1:0];
  assign start_thread_o  = rx_thread;

  // Packet memory.
  logic rx_we, tx_req, tx_gnt, tx_turn_q;
  logic [7:0] rx_keep;
  logic [TW-1:0] rx_mem_thread;
  logic [WW-1:0] rx_addr, tx_addr;
  logic ret_req, ret_gnt, out_req, out_gnt;
  logic [TW-1:0] ret_mem_thread, out_thread;
  logic [WW-1:0] ret_addr, out_addr;
  logic [63:0] rx_data, ret_data;
  assign tx_gnt          = !rx_we;
  assign ret_gnt         = !rx_we && !tx_req;
  assign out_gnt         = !rx_we && !tx_req && !ret_req;
  assign packet_we_o     = rx_we ? rx_keep : {8{ret_gnt && ret_req}};
  assign packet_thread_o = rx_we ? rx_mem_thread : tx_req ? tx_thread : ret_req ? ret_mem_thread : out_thread;
  assign packet_addr_o   = rx_we ? rx_addr : tx_req ? tx_addr : ret_req ? ret_addr : out_addr;
  assign packet_wdata_o  = rx_we ? rx_data : ret_data;
  always_ff @(posedge clk_i) tx_turn_q <= tx_req && rx_we;

  // Stack and context memory.
  logic rx_req, done_req, tx_ctx_req, scrub_req, done_gnt, tx_ctx_gnt, scrub_gnt;
  logic [LR-1:0] rx_row, done_row, tx_row, scrub_row;
  logic [63:0] rx_ctx_data;
  assign done_gnt      = !rx_req;
  assign tx_ctx_gnt    = !rx_req && !done_req;
  logic ret_ctx_req, ret_ctx_gnt, out_ctx_req, out_ctx_gnt;
  logic [LR-1:0] ret_row, out_row;
  logic [63:0] ret_ctx_data;
  assign ret_ctx_gnt   = !rx_req && !done_req && !tx_ctx_req;
  assign scrub_gnt     = ret_ctx_gnt && !ret_ctx_req;
  assign out_ctx_gnt   = scrub_gnt && !scrub_req;
  assign local_we_o    = rx_req || (ret_ctx_gnt && ret_ctx_req) || (scrub_gnt && scrub_req);
  assign local_row_o   = rx_req ? rx_row : done_req ? done_row : tx_ctx_req ? tx_row
                       : ret_ctx_req ? ret_row : scrub_req ? scrub_row : out_row;
  assign local_wdata_o = rx_req ? rx_ctx_data : ret_ctx_req ? ret_ctx_data : '0;

  bpf_core_rx #(.Threads(Threads), .WindowBytes(WindowBytes), .CoreId(CoreId)) u_rx (
    .clk_i,
    .rst_ni,
    .run_i,
    .free_i         (free & thread_enable_i),
    .rx_valid_i,
    .rx_ready_o,
    .rx_data_i,
    .rx_keep_i,
    .rx_last_i,
    .rx_user_i,
    .rx_thread_o,
    .free_o,
    .packet_busy_i  (tx_req && tx_turn_q),
    .packet_we_o    (rx_we),
    .packet_keep_o  (rx_keep),
    .packet_thread_o(rx_mem_thread),
    .packet_addr_o  (rx_addr),
    .packet_data_o  (rx_data),
    .local_req_o    (rx_req),
    .local_gnt_i    (1'b1),
    .local_row_o    (rx_row),
    .local_data_o   (rx_ctx_data),
    .claim_valid_o,
    .start_valid_o,
    .thread_o       (rx_thread)
  );

  bpf_core_tx #(.Threads(Threads), .WindowBytes(WindowBytes)) u_tx (
    .clk_i,
    .rst_ni,
    .release_i       (release_valid_i && release_send_i),
    .release_thread_i(release_thread),
    .local_req_o     (tx_ctx_req),
    .local_gnt_i     (tx_ctx_gnt),
    .local_row_o     (tx_row),
    .local_rdata_i,
    .packet_req_o    (tx_req),
    .packet_gnt_i    (tx_gnt),
    .packet_thread_o (tx_thread),
    .packet_addr_o   (tx_addr),
    .packet_rdata_i,
    .sent_valid_o    (sent_valid),
    .sent_thread_o   (sent_thread),
    .tx_valid_o,
    .tx_ready_i,
    .tx_data_o,
    .tx_keep_o,
    .tx_last_o
  );

  logic end_valid, end_ready, leave_valid, leave_ready;
  logic [TW-1:0] end_thread;
  logic [31:0] end_code, end_insns;

  bpf_core_done #(.Threads(Threads)) u_done (
    .clk_i,
    .rst_ni,
    .cycle_i,
    .claim_valid_i  (claim_valid_o),
    .claim_thread_i (rx_thread),
    .claim_seq_i    (rx_seq_i),
    .claim_ifindex_i(rx_user_i[15:0]),
    .issue_valid_i,
    .issue_thread_i,
    .wb_end_i,
    .wb_thread_i,
    .wb_code_i,
    .wb_trap_i,
    .wb_insns_i,
    .ret_valid_i    (end_valid),
    .ret_ready_o    (end_ready),
    .ret_thread_i   (end_thread),
    .ret_code_i     (end_code),
    .ret_insns_i    (end_insns),
    .hand_valid_o   (leave_valid),
    .hand_ready_i   (leave_ready),
    .local_req_o    (done_req),
    .local_gnt_i    (done_gnt),
    .local_row_o    (done_row),
    .local_rdata_i,
    .done_valid_o,
    .done_ready_i,
    .done_thread_o,
    .done_seq_o,
    .done_code_o,
    .done_redirect_o,
    .done_redirect_map_o,
    .done_ifindex_o,
    .done_trap_o,
    .done_start_o,
    .done_end_o,
    .done_insns_o
  );

  bpf_core_handout #(.Threads(Threads), .WindowBytes(WindowBytes), .CoreId(CoreId)) u_handout (
    .clk_i,
    .rst_ni,
    .hand_valid_i   (leave_valid),
    .hand_ready_o   (leave_ready),
    .hand_thread_i  (done_thread_o[TW-1:0]),
    .hand_seq_i     (done_seq_o),
    .hand_start_i   (done_start_o),
    .hand_insns_i   (done_insns_o),
    .local_req_o    (out_ctx_req),
    .local_gnt_i    (out_ctx_gnt),
    .local_row_o    (out_row),
    .local_rdata_i,
    .packet_req_o   (out_req),
    .packet_gnt_i   (out_gnt),
    .packet_thread_o(out_thread),
    .packet_addr_o  (out_addr),
    .packet_rdata_i,
    .out_valid_o    (hand_valid_o),
    .out_ready_i    (hand_ready_i),
    .out_data_o     (hand_data_o),
    .out_last_o     (hand_last_o)
  );

  bpf_core_return #(.Threads(Threads), .WindowBytes(WindowBytes)) u_return (
    .clk_i,
    .rst_ni,
    .ret_valid_i,
    .ret_ready_o,
    .ret_data_i,
    .ret_last_i,
    .local_req_o    (ret_ctx_req),
    .local_gnt_i    (ret_ctx_gnt),
    .local_row_o    (ret_row),
    .local_data_o   (ret_ctx_data),
    .packet_req_o   (ret_req),
    .packet_gnt_i   (ret_gnt),
    .packet_thread_o(ret_mem_thread),
    .packet_addr_o  (ret_addr),
    .packet_data_o  (ret_data),
    .end_valid_o    (end_valid),
    .end_ready_i    (end_ready),
    .end_thread_o   (end_thread),
    .end_code_o     (end_code),
    .end_insns_o    (end_insns)
  );

  bpf_core_scrub #(.Threads(Threads)) u_scrub (
    .clk_i,
    .rst_ni,
    .claim_valid_i   (claim_valid_o),
    .claim_thread_i  (rx_thread),
    .release_valid_i,
    .release_thread_i(release_thread),
    .release_send_i,
    .sent_valid_i    (sent_valid),
    .sent_thread_i   (sent_thread),
    .dirty_valid_i,
    .dirty_two_i,
    .dirty_thread_i,
    .dirty_line_i,
    .local_req_o     (scrub_req),
    .local_gnt_i     (scrub_gnt),
    .local_row_o     (scrub_row),
    .free_o          (free)
  );

  logic unused_ok;
  assign unused_ok = &{1'b0, release_thread_i, out_req, out_ctx_req};

endmodule
