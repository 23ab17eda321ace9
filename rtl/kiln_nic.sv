// SPDX-License-Identifier: Apache-2.0
//
// The block that a user instantiates: frames in, XDP programs on Cores x Threads hardware threads,
// frames out in order, one AXI4-Lite slave. rtl/interfaces.md documents parameters, ports and registers.
//
// This file only joins modules. Reset: rst_ni, synchronous; afterwards nothing runs until the host
// sets RUN.
module kiln_nic #(
  parameter int Cores       = 1,        // 1..32
  parameter int Threads     = 8,        // 8 or 16, of each core
  parameter int ImemWords   = 4096,     // power of two, 1024..65536
  parameter int MapBytes    = 1 << 20,  // power of two, 4096..2^30
  parameter int DataWidth   = 64,       // bits of both streams: 64, 128, 256, 512
  parameter int WindowBytes = 4096,     // 2048 or 4096: packet buffer of a thread
  parameter int RxFifoBytes = 16384,    // power of two, at least one longest frame
  parameter int Maps        = 64,       // descriptors, power of two
  parameter bit Retire      = 1'b1      // 0 ties the retire port off
) (
  input  logic                   clk_i,
  input  logic                   rst_ni,
  // host
  input  logic                   s_axil_awvalid_i,
  output logic                   s_axil_awready_o,
  input  logic [15:0]            s_axil_awaddr_i,
  input  logic                   s_axil_wvalid_i,
  output logic                   s_axil_wready_o,
  input  logic [31:0]            s_axil_wdata_i,
  input  logic [3:0]             s_axil_wstrb_i,
  output logic                   s_axil_bvalid_o,
  input  logic                   s_axil_bready_i,
  output logic [1:0]             s_axil_bresp_o,
  input  logic                   s_axil_arvalid_i,
  output logic                   s_axil_arready_o,
  input  logic [15:0]            s_axil_araddr_i,
  output logic                   s_axil_rvalid_o,
  input  logic                   s_axil_rready_i,
  output logic [31:0]            s_axil_rdata_o,
  output logic [1:0]             s_axil_rresp_o,
  // link
  input  logic                   s_axis_rx_tvalid_i,
  output logic                   s_axis_rx_tready_o,
  input  logic [DataWidth-1:0]   s_axis_rx_tdata_i,
  input  logic [DataWidth/8-1:0] s_axis_rx_tkeep_i,
  input  logic                   s_axis_rx_tlast_i,
  input  logic [31:0]            s_axis_rx_tuser_i,
  output logic                   m_axis_tx_tvalid_o,
  input  logic                   m_axis_tx_tready_i,
  output logic [DataWidth-1:0]   m_axis_tx_tdata_o,
  output logic [DataWidth/8-1:0] m_axis_tx_tkeep_o,
  output logic                   m_axis_tx_tlast_o,
  output logic [63:0]            m_axis_tx_tuser_o,
  // host queue: threads handed over, and the host's answers (handover.h)
  output logic                   m_axis_host_tvalid_o,
  input  logic                   m_axis_host_tready_i,
  output logic [63:0]            m_axis_host_tdata_o,
  output logic                   m_axis_host_tlast_o,
  input  logic                   s_axis_host_tvalid_i,
  output logic                   s_axis_host_tready_o,
  input  logic [63:0]            s_axis_host_tdata_i,
  input  logic                   s_axis_host_tlast_i,
  // events: records of programs for user space (bpf_events.sv)
  output logic                   m_axis_events_tvalid_o,
  input  logic                   m_axis_events_tready_i,
  output logic [63:0]            m_axis_events_tdata_o,
  output logic                   m_axis_events_tlast_o,
  // verdicts
  output logic                   verdict_valid_o,
  output logic [31:0]            verdict_seq_o,
  output logic [31:0]            verdict_code_o,
  output logic [31:0]            verdict_redirect_o,
  output logic [15:0]            verdict_redirect_map_o,
  output logic [7:0]             verdict_trap_o,
  output logic [7:0]             verdict_core_o,
  output logic [7:0]             verdict_thread_o,
  output logic [31:0]            verdict_start_o,
  output logic [31:0]            verdict_end_o,
  output logic [31:0]            verdict_insns_o,
  // retire port, one record per core
  output logic [Cores-1:0]       retire_valid_o,
  output logic [Cores*8-1:0]     retire_thread_o,
  output logic [Cores*32-1:0]    retire_seq_o,
  output logic [Cores*16-1:0]    retire_pc_o,
  output logic [Cores*64-1:0]    retire_insn_o,
  output logic [Cores*16-1:0]    retire_next_pc_o,
  output logic [Cores-1:0]       retire_rd_we_o,
  output logic [Cores*4-1:0]     retire_rd_o,
  output logic [Cores*64-1:0]    retire_rd_data_o,
  output logic [Cores-1:0]       retire_mem_we_o,
  output logic [Cores-1:0]       retire_mem_re_o,
  output logic [Cores*32-1:0]    retire_mem_addr_o,
  output logic [Cores*4-1:0]     retire_mem_size_o,
  output logic [Cores*64-1:0]    retire_mem_data_o,
  output logic [Cores-1:0]       retire_exit_o
);
  localparam int KeepBits  = DataWidth / 8;
  localparam int MaxFrame  = WindowBytes - 256 - 320;  // headroom; what Linux keeps at the end
  localparam int RowBits   = $clog2(MapBytes) - 3;
  localparam int MapBits   = $clog2(Maps);
  localparam int RingDepth = (Cores * Threads < 16) ? 16 : (1 << $clog2(Cores * Threads));

  // ---- host ---------------------------------------------------------------------------------------
  logic               run, by_flow, inside_fifo, random_we, clock_we, desc_we, imem_we;
  logic [15:0]        max_in_flight, in_flight, entry, imem_addr;
  logic [Cores-1:0]   core_enable;
  logic [Threads-1:0] thread_enable;
  logic [63:0]        imem_data, clock_value, random_value, now;
  logic [31:0]        clock_step, desc_data;
  logic [MapBits+3:0] desc_addr;
  logic               cmd_valid, cmd_ready, host_rvalid, filling;
  logic [1:0]         cmd_op;
  logic [RowBits-1:0] cmd_row;
  logic [63:0]        cmd_data, host_rdata;
  logic [13*64-1:0]   counters;
  logic               svc_we, events_busy;
  logic [3:0]         svc_waddr, svc_raddr;
  logic [31:0]        svc_wdata, svc_rdata;

  bpf_regs #(
    .Cores(Cores), .Threads(Threads), .ImemWords(ImemWords), .MapBytes(MapBytes),
    .DataWidth(DataWidth), .WindowBytes(WindowBytes), .Maps(Maps)
  ) u_regs (
    .clk_i, .rst_ni,
    .awvalid_i(s_axil_awvalid_i), .awready_o(s_axil_awready_o), .awaddr_i(s_axil_awaddr_i),
    .wvalid_i(s_axil_wvalid_i), .wready_o(s_axil_wready_o), .wdata_i(s_axil_wdata_i),
    .wstrb_i(s_axil_wstrb_i), .bvalid_o(s_axil_bvalid_o), .bready_i(s_axil_bready_i),
    .bresp_o(s_axil_bresp_o), .arvalid_i(s_axil_arvalid_i), .arready_o(s_axil_arready_o),
    .araddr_i(s_axil_araddr_i), .rvalid_o(s_axil_rvalid_o), .rready_i(s_axil_rready_i),
    .rdata_o(s_axil_rdata_o), .rresp_o(s_axil_rresp_o),
    .run_o(run), .by_flow_o(by_flow), .max_in_flight_o(max_in_flight), .core_enable_o(core_enable),
    .thread_enable_o(thread_enable), .entry_o(entry), .busy_i(inside_fifo || in_flight != '0),
    .in_flight_i(in_flight), .imem_we_o(imem_we), .imem_addr_o(imem_addr), .imem_data_o(imem_data),
    .clock_we_o(clock_we), .clock_o(clock_value), .clock_step_o(clock_step), .clock_i(now),
    .random_we_o(random_we), .random_o(random_value), .desc_we_o(desc_we), .desc_addr_o(desc_addr),
    .desc_data_o(desc_data), .mem_valid_o(cmd_valid), .mem_ready_i(cmd_ready), .mem_op_o(cmd_op),
    .mem_row_o(cmd_row), .mem_data_o(cmd_data), .mem_rvalid_i(host_rvalid),
    .mem_rdata_i(host_rdata), .mem_filling_i(filling), .events_busy_i(events_busy), .svc_we_o(svc_we), .svc_waddr_o(svc_waddr),
    .svc_wdata_o(svc_wdata), .svc_raddr_o(svc_raddr), .svc_rdata_i(svc_rdata), .counters_i(counters)
  );

  // ---- receive ------------------------------------------------------------------------------------
  logic                 rx_frame, rx_full, rx_long;
  logic                 beat_valid, beat_ready, beat_first, beat_last;
  logic [DataWidth-1:0] beat_data;
  logic [KeepBits-1:0]  beat_keep;
  logic [31:0]          beat_user;
  logic [15:0]          beat_flow, beat_words;

  assign s_axis_rx_tready_o = 1'b1;

  bpf_rx_fifo #(.DataWidth(DataWidth), .FifoBytes(RxFifoBytes), .MaxFrame(MaxFrame)) u_rx_fifo (
    .clk_i, .rst_ni, .run_i(run), .in_valid_i(s_axis_rx_tvalid_i), .in_data_i(s_axis_rx_tdata_i),
    .in_keep_i(s_axis_rx_tkeep_i), .in_last_i(s_axis_rx_tlast_i), .in_user_i(s_axis_rx_tuser_i),
    .out_valid_o(beat_valid), .out_ready_i(beat_ready), .out_data_o(beat_data),
    .out_keep_o(beat_keep), .out_first_o(beat_first), .out_last_o(beat_last),
    .out_user_o(beat_user), .out_flow_o(beat_flow), .out_words_o(beat_words), .frame_o(rx_frame),
    .full_o(rx_full), .long_o(rx_long), .busy_o(inside_fifo)
  );

  // ---- to the cores -------------------------------------------------------------------------------
  logic [Cores-1:0]     in_valid, in_ready, waiting;
  logic [DataWidth-1:0] in_data;
  logic [KeepBits-1:0]  in_keep;
  logic                 in_first, in_last;
  logic [31:0]          in_seq, in_user;
  logic [Cores*16-1:0]  space;
  logic [Cores*8-1:0]   free;
  logic [Cores-1:0]     released_unsent;
  logic                 sent;

  bpf_dispatch #(
    .Cores(Cores), .Threads(Threads), .DataWidth(DataWidth), .RingDepth(RingDepth)
  ) u_dispatch (
    .clk_i, .rst_ni, .by_flow_i(by_flow), .max_in_flight_i(max_in_flight),
    .core_enable_i(core_enable), .thread_enable_i(thread_enable), .in_valid_i(beat_valid),
    .in_ready_o(beat_ready), .in_data_i(beat_data), .in_keep_i(beat_keep), .in_first_i(beat_first),
    .in_last_i(beat_last), .in_user_i(beat_user), .in_flow_i(beat_flow), .in_words_i(beat_words),
    .out_valid_o(in_valid), .out_ready_i(in_ready), .out_data_o(in_data), .out_keep_o(in_keep),
    .out_first_o(in_first), .out_last_o(in_last), .out_seq_o(in_seq), .out_user_o(in_user),
    .waiting_i(waiting), .space_i(space), .free_i(free),
    .left_i({1'b0, sent} + {1'b0, |released_unsent}), .in_flight_o(in_flight)
  );

  // ---- cores --------------------------------------------------------------------------------------
  logic [Cores-1:0]    done_valid, done_ready, release_valid, release_ready;
  logic [Cores*8-1:0]  done_thread, done_trap;
  logic [Cores*32-1:0] done_seq, done_code, done_redirect, done_start, done_end, done_insns;
  logic [Cores*16-1:0] done_redirect_map, done_ifindex;
  logic [7:0]          release_thread;
  logic                release_send;
  logic [Cores-1:0]    svc_valid, svc_ready, svc_key, svc_last, rsp_valid;
  logic [Cores*8-1:0]  svc_thread;
  logic [Cores*4-1:0]  svc_op;
  logic [Cores*2-1:0]  svc_size;
  logic [Cores*32-1:0] svc_addr, svc_imm;
  logic [Cores*64-1:0] svc_data;
  logic [7:0]          rsp_thread;
  logic [63:0]         rsp_data;
  logic [Cores-1:0]    hand_valid, hand_ready, hand_last, ret_valid, ret_ready;
  logic [Cores*64-1:0] hand_data;
  logic [63:0]         ret_data;
  logic                ret_last, handed_over;
  logic [Cores-1:0]             lane_valid, lane_ready, lane_last;
  logic [Cores*DataWidth-1:0]   lane_data;
  logic [Cores*KeepBits-1:0]    lane_keep;

  assign released_unsent = release_valid & release_ready & {Cores{!release_send}};

  for (genvar c = 0; c < Cores; c++) begin : gen_core
    logic        rx_valid, rx_ready, rx_last, tx_valid, tx_ready, tx_last;
    logic [63:0] rx_data, tx_data;
    logic [7:0]  rx_keep, tx_keep, unused_rx_thread;
    logic [31:0] rx_seq, rx_user, redirect_map;

    assign done_redirect_map[16*c +: 16] = redirect_map[15:0];

    bpf_ingress #(.DataWidth(DataWidth), .WindowBytes(WindowBytes)) u_ingress (
      .clk_i, .rst_ni, .in_valid_i(in_valid[c]), .in_ready_o(in_ready[c]), .in_data_i(in_data),
      .in_keep_i(in_keep), .in_first_i(in_first), .in_last_i(in_last), .in_seq_i(in_seq),
      .in_user_i(in_user), .waiting_o(waiting[c]), .space_o(space[16*c +: 16]),
      .rx_valid_o(rx_valid), .rx_ready_i(rx_ready), .rx_data_o(rx_data), .rx_keep_o(rx_keep),
      .rx_last_o(rx_last), .rx_seq_o(rx_seq), .rx_user_o(rx_user)
    );

    bpf_core #(
      .Threads(Threads), .ImemWords(ImemWords), .WindowBytes(WindowBytes), .CoreId(c),
      .Retire(Retire)
    ) u_core (
      .clk_i, .rst_ni, .run_i(run || in_flight != '0), .thread_enable_i(thread_enable),
      .entry_i(entry), .cycle_i(counters[64*10 +: 32]),
      .imem_we_i(imem_we), .imem_addr_i(imem_addr), .imem_data_i(imem_data),
      .rx_valid_i(rx_valid), .rx_ready_o(rx_ready), .rx_data_i(rx_data), .rx_keep_i(rx_keep),
      .rx_last_i(rx_last), .rx_seq_i(rx_seq), .rx_user_i(rx_user), .rx_thread_o(unused_rx_thread),
      .free_o(free[8*c +: 8]),
      .done_valid_o(done_valid[c]), .done_ready_i(done_ready[c]),
      .done_thread_o(done_thread[8*c +: 8]), .done_seq_o(done_seq[32*c +: 32]),
      .done_code_o(done_code[32*c +: 32]), .done_redirect_o(done_redirect[32*c +: 32]),
      .done_redirect_map_o(redirect_map),
      .done_ifindex_o(done_ifindex[16*c +: 16]), .done_trap_o(done_trap[8*c +: 8]),
      .done_start_o(done_start[32*c +: 32]), .done_end_o(done_end[32*c +: 32]),
      .done_insns_o(done_insns[32*c +: 32]),
      .release_valid_i(release_valid[c]), .release_ready_o(release_ready[c]),
      .release_thread_i(release_thread), .release_send_i(release_send),
      .tx_valid_o(tx_valid), .tx_ready_i(tx_ready), .tx_data_o(tx_data), .tx_keep_o(tx_keep),
      .tx_last_o(tx_last),
      .hand_valid_o(hand_valid[c]), .hand_ready_i(hand_ready[c]), .hand_data_o(hand_data[64*c +: 64]),
      .hand_last_o(hand_last[c]), .ret_valid_i(ret_valid[c]), .ret_ready_o(ret_ready[c]),
      .ret_data_i(ret_data), .ret_last_i(ret_last),
      .svc_valid_o(svc_valid[c]), .svc_ready_i(svc_ready[c]), .svc_thread_o(svc_thread[8*c +: 8]),
      .svc_op_o(svc_op[4*c +: 4]), .svc_size_o(svc_size[2*c +: 2]),
      .svc_addr_o(svc_addr[32*c +: 32]), .svc_data_o(svc_data[64*c +: 64]),
      .svc_imm_o(svc_imm[32*c +: 32]), .svc_key_o(svc_key[c]), .svc_last_o(svc_last[c]),
      .rsp_valid_i(rsp_valid[c]), .rsp_thread_i(rsp_thread), .rsp_data_i(rsp_data),
      .retire_valid_o(retire_valid_o[c]), .retire_thread_o(retire_thread_o[8*c +: 8]),
      .retire_seq_o(retire_seq_o[32*c +: 32]), .retire_pc_o(retire_pc_o[16*c +: 16]),
      .retire_insn_o(retire_insn_o[64*c +: 64]), .retire_next_pc_o(retire_next_pc_o[16*c +: 16]),
      .retire_rd_we_o(retire_rd_we_o[c]), .retire_rd_o(retire_rd_o[4*c +: 4]),
      .retire_rd_data_o(retire_rd_data_o[64*c +: 64]), .retire_mem_we_o(retire_mem_we_o[c]),
      .retire_mem_re_o(retire_mem_re_o[c]), .retire_mem_addr_o(retire_mem_addr_o[32*c +: 32]),
      .retire_mem_size_o(retire_mem_size_o[4*c +: 4]),
      .retire_mem_data_o(retire_mem_data_o[64*c +: 64]), .retire_exit_o(retire_exit_o[c])
    );

    bpf_egress_lane #(.DataWidth(DataWidth), .WindowBytes(WindowBytes)) u_lane (
      .clk_i, .rst_ni, .tx_valid_i(tx_valid), .tx_ready_o(tx_ready), .tx_data_i(tx_data),
      .tx_keep_i(tx_keep), .tx_last_i(tx_last), .out_valid_o(lane_valid[c]),
      .out_ready_i(lane_ready[c]), .out_data_o(lane_data[DataWidth*c +: DataWidth]),
      .out_keep_o(lane_keep[KeepBits*c +: KeepBits]), .out_last_o(lane_last[c])
    );

    logic unused;
    assign unused = &{1'b0, unused_rx_thread, redirect_map[31:16]};
  end

  // ---- to the host and back -----------------------------------------------------------------------
  bpf_host_queue #(.Cores(Cores)) u_host_queue (
    .clk_i, .rst_ni, .hand_valid_i(hand_valid), .hand_ready_o(hand_ready), .hand_data_i(hand_data),
    .hand_last_i(hand_last), .out_valid_o(m_axis_host_tvalid_o), .out_ready_i(m_axis_host_tready_i),
    .out_data_o(m_axis_host_tdata_o), .out_last_o(m_axis_host_tlast_o),
    .in_valid_i(s_axis_host_tvalid_i), .in_ready_o(s_axis_host_tready_o),
    .in_data_i(s_axis_host_tdata_i), .in_last_i(s_axis_host_tlast_i), .ret_valid_o(ret_valid),
    .ret_ready_i(ret_ready), .ret_data_o(ret_data), .ret_last_o(ret_last),
    .handed_over_o(handed_over)
  );

  // ---- back into order, and out -------------------------------------------------------------------
  logic        order_valid, order_ready, verdict_send;
  logic [7:0]  order_core;
  logic [63:0] order_user;

  bpf_reorder #(.Cores(Cores), .RingDepth(RingDepth)) u_reorder (
    .clk_i, .rst_ni, .done_valid_i(done_valid), .done_ready_o(done_ready),
    .done_thread_i(done_thread), .done_seq_i(done_seq), .done_code_i(done_code),
    .done_redirect_i(done_redirect), .done_redirect_map_i(done_redirect_map),
    .done_ifindex_i(done_ifindex), .done_trap_i(done_trap), .done_start_i(done_start),
    .done_end_i(done_end), .done_insns_i(done_insns), .release_valid_o(release_valid),
    .release_ready_i(release_ready), .release_thread_o(release_thread),
    .release_send_o(release_send), .order_valid_o(order_valid), .order_ready_i(order_ready),
    .order_core_o(order_core), .order_user_o(order_user), .verdict_valid_o, .verdict_seq_o,
    .verdict_code_o, .verdict_redirect_o, .verdict_redirect_map_o, .verdict_trap_o,
    .verdict_core_o, .verdict_thread_o, .verdict_start_o, .verdict_end_o, .verdict_insns_o,
    .verdict_send_o(verdict_send)
  );

  bpf_egress #(.Cores(Cores), .DataWidth(DataWidth)) u_egress (
    .clk_i, .rst_ni, .order_valid_i(order_valid), .order_ready_o(order_ready),
    .order_core_i(order_core), .order_user_i(order_user), .lane_valid_i(lane_valid),
    .lane_ready_o(lane_ready), .lane_data_i(lane_data), .lane_keep_i(lane_keep),
    .lane_last_i(lane_last), .tx_valid_o(m_axis_tx_tvalid_o), .tx_ready_i(m_axis_tx_tready_i),
    .tx_data_o(m_axis_tx_tdata_o), .tx_keep_o(m_axis_tx_tkeep_o), .tx_last_o(m_axis_tx_tlast_o),
    .tx_user_o(m_axis_tx_tuser_o), .sent_o(sent)
  );

  bpf_counters u_counters (
    .clk_i, .rst_ni, .rx_frame_i(rx_frame), .rx_full_i(rx_full), .rx_long_i(rx_long),
    .verdict_valid_i(verdict_valid_o), .verdict_code_i(verdict_code_o),
    .verdict_trap_i(verdict_trap_o != '0), .verdict_insns_i(verdict_insns_o),
    .handover_i(handed_over), .counters_o(counters)
  );

  // ---- services -----------------------------------------------------------------------------------
  bpf_memory_system #(.Cores(Cores), .MapBytes(MapBytes), .Maps(Maps)) u_memory (
    .clk_i, .rst_ni, .svc_valid_i(svc_valid), .svc_ready_o(svc_ready), .svc_thread_i(svc_thread),
    .svc_op_i(svc_op), .svc_size_i(svc_size), .svc_addr_i(svc_addr), .svc_data_i(svc_data),
    .svc_imm_i(svc_imm), .svc_key_i(svc_key), .svc_last_i(svc_last), .rsp_valid_o(rsp_valid),
    .rsp_thread_o(rsp_thread), .rsp_data_o(rsp_data), .desc_we_i(desc_we),
    .desc_addr_i(desc_addr), .desc_data_i(desc_data), .cmd_valid_i(cmd_valid),
    .cmd_ready_o(cmd_ready), .cmd_op_i(cmd_op), .cmd_row_i(cmd_row), .cmd_data_i(cmd_data),
    .rvalid_o(host_rvalid), .rdata_o(host_rdata), .filling_o(filling), .host_we_i(svc_we),
    .host_waddr_i(svc_waddr), .host_wdata_i(svc_wdata), .host_raddr_i(svc_raddr),
    .host_rdata_o(svc_rdata), .clock_we_i(clock_we),
    .clock_i(clock_value), .clock_step_i(clock_step), .now_o(now), .random_we_i(random_we),
    .random_i(random_value), .frame_i(verdict_valid_o), .events_busy_o(events_busy),
    .event_valid_o(m_axis_events_tvalid_o), .event_ready_i(m_axis_events_tready_i),
    .event_data_o(m_axis_events_tdata_o), .event_last_o(m_axis_events_tlast_o)
  );

  logic unused;
  assign unused = &{1'b0, verdict_send};

`ifndef SYNTHESIS
  initial begin
    if (Cores < 1 || Cores > 32) $fatal(1, "%m: Cores must be 1..32");
    if (Threads != 8 && Threads != 16) $fatal(1, "%m: Threads must be 8 or 16");
    if ((1 << $clog2(ImemWords)) != ImemWords || ImemWords < 1024 || ImemWords > 65536)
      $fatal(1, "%m: ImemWords must be a power of two, 1024..65536");
    if ((1 << $clog2(MapBytes)) != MapBytes || MapBytes < 4096 || MapBytes > (1 << 30))
      $fatal(1, "%m: MapBytes must be a power of two, 4096..2^30");
    if (DataWidth != 64 && DataWidth != 128 && DataWidth != 256 && DataWidth != 512)
      $fatal(1, "%m: DataWidth must be 64, 128, 256 or 512");
    if (WindowBytes != 2048 && WindowBytes != 4096) $fatal(1, "%m: WindowBytes must be 2048 or 4096");
    if ((1 << MapBits) != Maps || Maps < 2) $fatal(1, "%m: Maps must be a power of two, at least 2");
  end
`endif
endmodule
