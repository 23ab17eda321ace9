// SPDX-License-Identifier: Apache-2.0
//
// Everything behind the cores' service ports: arbiter, map memory, map engine, events, clock, random numbers,
// and the host's access to them. This file only joins modules; it is what a test of the map engine
// instantiates.
module bpf_memory_system #(
  parameter int Cores    = 1,
  parameter int MapBytes = 1 << 20,
  parameter int Maps     = 64
) (
  input  logic                        clk_i,
  input  logic                        rst_ni,
  // cores
  input  logic [Cores-1:0]            svc_valid_i,
  output logic [Cores-1:0]            svc_ready_o,
  input  logic [Cores*8-1:0]          svc_thread_i,
  input  logic [Cores*4-1:0]          svc_op_i,
  input  logic [Cores*2-1:0]          svc_size_i,
  input  logic [Cores*32-1:0]         svc_addr_i,
  input  logic [Cores*64-1:0]         svc_data_i,
  input  logic [Cores*32-1:0]         svc_imm_i,
  input  logic [Cores-1:0]            svc_key_i,
  input  logic [Cores-1:0]            svc_last_i,
  output logic [Cores-1:0]            rsp_valid_o,
  output logic [7:0]                  rsp_thread_o,
  output logic [63:0]                 rsp_data_o,
  // host: descriptors
  input  logic                        desc_we_i,
  input  logic [$clog2(Maps)+3:0]     desc_addr_i,
  input  logic [31:0]                 desc_data_i,
  // host: map memory
  input  logic                        cmd_valid_i,
  output logic                        cmd_ready_o,
  input  logic [1:0]                  cmd_op_i,
  input  logic [$clog2(MapBytes)-4:0] cmd_row_i,
  input  logic [63:0]                 cmd_data_i,
  output logic                        rvalid_o,
  output logic [63:0]                 rdata_o,
  output logic                        filling_o,
  // host: requests of its own (registers SVC_*)
  input  logic                        host_we_i,
  input  logic [3:0]                  host_waddr_i,
  input  logic [31:0]                 host_wdata_i,
  input  logic [3:0]                  host_raddr_i,
  output logic [31:0]                 host_rdata_o,
  // host: clock and random numbers
  input  logic                        clock_we_i,
  input  logic [63:0]                 clock_i,
  input  logic [31:0]                 clock_step_i,
  output logic [63:0]                 now_o,
  input  logic                        random_we_i,
  input  logic [63:0]                 random_i,
  // events: a frame has left; messages to the host
  input  logic                        frame_i,
  output logic                        events_busy_o,
  output logic                        event_valid_o,
  input  logic                        event_ready_i,
  output logic [63:0]                 event_data_o,
  output logic                        event_last_o
);
  localparam int RowBits = $clog2(MapBytes) - 3;

  // ---- requests and answers -----------------------------------------------------------------------
  logic        req_valid, req_ready, req_key, rsp_valid;
  logic [7:0]  req_core, req_thread, rsp_core, rsp_thread;
  logic [3:0]  req_op;
  logic [1:0]  req_size;
  logic [31:0] req_addr, req_imm;
  logic [63:0] req_data, rsp_data;

  logic        own_valid, own_ready, own_key, own_last, own_rsp, hold, quiet;
  logic [3:0]  own_op;
  logic [1:0]  own_size;
  logic [31:0] own_addr, own_imm;
  logic [63:0] own_data;

  bpf_host_service u_host_service (
    .clk_i, .rst_ni, .we_i(host_we_i), .waddr_i(host_waddr_i), .wdata_i(host_wdata_i),
    .raddr_i(host_raddr_i), .rdata_o(host_rdata_o), .hold_o(hold), .quiet_i(quiet),
    .svc_valid_o(own_valid), .svc_ready_i(own_ready), .svc_op_o(own_op), .svc_size_o(own_size),
    .svc_addr_o(own_addr), .svc_data_o(own_data), .svc_imm_o(own_imm), .svc_key_o(own_key),
    .svc_last_o(own_last), .rsp_valid_i(own_rsp), .rsp_data_i(rsp_data_o)
  );

  bpf_service_arb #(.Cores(Cores + 1)) u_arb (
    .clk_i, .rst_ni, .svc_valid_i({own_valid, svc_valid_i}), .svc_ready_o({own_ready, svc_ready_o}),
    .svc_thread_i({8'd0, svc_thread_i}), .svc_op_i({own_op, svc_op_i}),
    .svc_size_i({own_size, svc_size_i}), .svc_addr_i({own_addr, svc_addr_i}),
    .svc_data_i({own_data, svc_data_i}), .svc_imm_i({own_imm, svc_imm_i}),
    .svc_key_i({own_key, svc_key_i}), .svc_last_i({own_last, svc_last_i}),
    .rsp_valid_o({own_rsp, rsp_valid_o}), .rsp_thread_o, .rsp_data_o, .hold_i(hold),
    .quiet_o(quiet), .req_valid_o(req_valid), .req_ready_i(req_ready), .req_core_o(req_core),
    .req_thread_o(req_thread), .req_op_o(req_op), .req_size_o(req_size), .req_addr_o(req_addr),
    .req_data_o(req_data), .req_imm_o(req_imm), .req_key_o(req_key), .rsp_valid_i(rsp_valid),
    .rsp_core_i(rsp_core), .rsp_thread_i(rsp_thread), .rsp_data_i(rsp_data)
  );

  logic                        a_valid, a_ready, a_rsp_valid;
  logic [1:0]                  a_op, a_size;
  logic [$clog2(MapBytes)-1:0] a_addr;
  logic [63:0]                 a_data, a_compare, a_rsp_data;
  logic [7:0]                  a_atomic;
  logic [15:0]                 a_tag, a_rsp_tag;
  logic                        map_valid, map_pop, map_key_pop, map_rsp_valid, map_rsp_ready;
  logic [15:0]                 map_tag, map_rsp_tag;
  logic [3:0]                  map_op, map_words;
  logic [$clog2(Maps)-1:0]     map_index;
  logic [63:0]                 map_data, map_key, map_rsp_data;
  logic                        ev_valid, ev_pop, ev_rsp_valid, ev_rsp_ready;
  logic [15:0]                 ev_tag, ev_rsp_tag;
  logic [$clog2(Maps)-1:0]     ev_map;
  logic [RowBits-1:0]          ev_row;
  logic [63:0]                 ev_data;
  logic                        random_next;
  logic [31:0]                 random_number;

  bpf_service #(.MapBytes(MapBytes), .Maps(Maps)) u_service (
    .clk_i, .rst_ni, .req_valid_i(req_valid), .req_ready_o(req_ready), .req_core_i(req_core),
    .req_thread_i(req_thread), .req_op_i(req_op), .req_size_i(req_size), .req_addr_i(req_addr),
    .req_data_i(req_data), .req_imm_i(req_imm), .req_key_i(req_key), .rsp_valid_o(rsp_valid),
    .rsp_core_o(rsp_core), .rsp_thread_o(rsp_thread), .rsp_data_o(rsp_data),
    .mem_valid_o(a_valid), .mem_ready_i(a_ready), .mem_op_o(a_op), .mem_size_o(a_size),
    .mem_addr_o(a_addr), .mem_data_o(a_data), .mem_compare_o(a_compare), .mem_atomic_o(a_atomic),
    .mem_tag_o(a_tag), .mem_rsp_valid_i(a_rsp_valid), .mem_rsp_tag_i(a_rsp_tag),
    .mem_rsp_data_i(a_rsp_data), .map_valid_o(map_valid), .map_pop_i(map_pop),
    .map_tag_o(map_tag), .map_op_o(map_op), .map_index_o(map_index), .map_data_o(map_data),
    .map_words_o(map_words), .map_key_o(map_key), .map_key_pop_i(map_key_pop),
    .map_rsp_valid_i(map_rsp_valid), .map_rsp_ready_o(map_rsp_ready), .map_rsp_tag_i(map_rsp_tag),
    .map_rsp_data_i(map_rsp_data), .event_valid_o(ev_valid), .event_pop_i(ev_pop),
    .event_tag_o(ev_tag), .event_map_o(ev_map), .event_row_o(ev_row), .event_data_o(ev_data),
    .event_rsp_valid_i(ev_rsp_valid), .event_rsp_ready_o(ev_rsp_ready), .event_rsp_tag_i(ev_rsp_tag),
    .clock_i(now_o), .random_next_o(random_next),
    .random_i(random_number)
  );

  // ---- map engine, host and events share port B; the engine goes first, then the host --------------
  logic               engine_valid, host_valid, send_valid, reserved, b_ready;
  logic [7:0]         engine_we, host_we, send_we, b_we;
  logic [RowBits-1:0] engine_row, host_row, send_row, b_row;
  logic [63:0]        engine_wdata, host_wdata, send_wdata, b_wdata, b_data;
  logic [$clog2(Maps)-1:0] reserved_map;

  bpf_map_engine #(.RowBits(RowBits), .Maps(Maps)) u_engine (
    .clk_i, .rst_ni, .desc_we_i, .desc_addr_i, .desc_data_i, .req_valid_i(map_valid),
    .req_pop_o(map_pop), .req_tag_i(map_tag), .req_op_i(map_op), .req_map_i(map_index),
    .req_data_i(map_data), .req_words_i(map_words), .req_key_i(map_key),
    .req_key_pop_o(map_key_pop), .rsp_valid_o(map_rsp_valid), .rsp_ready_i(map_rsp_ready),
    .rsp_tag_o(map_rsp_tag), .rsp_data_o(map_rsp_data), .reserved_o(reserved),
    .reserved_map_o(reserved_map), .mem_valid_o(engine_valid),
    .mem_ready_i(b_ready), .mem_we_o(engine_we), .mem_row_o(engine_row),
    .mem_wdata_o(engine_wdata), .mem_data_i(b_data)
  );

  bpf_map_host #(.RowBits(RowBits)) u_host (
    .clk_i, .rst_ni, .cmd_valid_i, .cmd_ready_o, .cmd_op_i, .cmd_row_i, .cmd_data_i, .rvalid_o,
    .rdata_o, .filling_o, .mem_valid_o(host_valid), .mem_ready_i(b_ready && !engine_valid),
    .mem_we_o(host_we), .mem_row_o(host_row), .mem_data_o(host_wdata), .mem_data_i(b_data)
  );

  bpf_events #(.RowBits(RowBits), .Maps(Maps)) u_events (
    .clk_i, .rst_ni, .desc_we_i, .desc_addr_i, .desc_data_i, .reserved_i(reserved),
    .reserved_map_i(reserved_map), .frame_i, .busy_o(events_busy_o), .req_valid_i(ev_valid),
    .req_pop_o(ev_pop), .req_tag_i(ev_tag), .req_map_i(ev_map), .req_row_i(ev_row),
    .req_data_i(ev_data), .rsp_valid_o(ev_rsp_valid), .rsp_ready_i(ev_rsp_ready),
    .rsp_tag_o(ev_rsp_tag), .mem_valid_o(send_valid),
    .mem_ready_i(b_ready && !engine_valid && !host_valid), .mem_we_o(send_we), .mem_row_o(send_row),
    .mem_wdata_o(send_wdata), .mem_data_i(b_data), .out_valid_o(event_valid_o),
    .out_ready_i(event_ready_i), .out_data_o(event_data_o), .out_last_o(event_last_o)
  );

  always_comb begin
    {b_we, b_row, b_wdata} = {send_we, send_row, send_wdata};
    if (host_valid) {b_we, b_row, b_wdata} = {host_we, host_row, host_wdata};
    if (engine_valid) {b_we, b_row, b_wdata} = {engine_we, engine_row, engine_wdata};
  end

  bpf_map_mem #(.MapBytes(MapBytes), .TagBits(16)) u_mem (
    .clk_i, .rst_ni, .a_valid_i(a_valid), .a_ready_o(a_ready), .a_op_i(a_op), .a_size_i(a_size),
    .a_addr_i(a_addr), .a_data_i(a_data), .a_compare_i(a_compare), .a_atomic_i(a_atomic),
    .a_tag_i(a_tag), .a_rsp_valid_o(a_rsp_valid), .a_rsp_tag_o(a_rsp_tag),
    .a_rsp_data_o(a_rsp_data), .b_valid_i(engine_valid || host_valid || send_valid),
    .b_ready_o(b_ready), .b_we_i(b_we), .b_row_i(b_row), .b_data_i(b_wdata), .b_data_o(b_data)
  );

  // ---- clock and random numbers -------------------------------------------------------------------
  bpf_clock u_clock (
    .clk_i, .rst_ni, .we_i(clock_we_i), .value_i(clock_i), .step_i(clock_step_i), .now_o
  );
  bpf_random u_random (
    .clk_i, .rst_ni, .we_i(random_we_i), .value_i(random_i), .next_i(random_next),
    .number_o(random_number)
  );
endmodule
