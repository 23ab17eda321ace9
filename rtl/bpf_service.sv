// SPDX-License-Identifier: Apache-2.0
//
// Gives each service request to the unit that serves it, and joins the answers: loads, stores and
// atomics to map memory, map operations to a queue before the map engine, clock and random number
// on the spot, events to a queue before the unit that sends them. Within each kind requests are served as
// they come; between the kinds there is no order, and none is needed, since a thread waits for its answer.
//
// Latency:     1 cycle for clock and random number; map memory's and the engine's plus one.
// Throughput:  1 beat per cycle.
// Handshake:   req_ready_o depends on the beat (which unit it is for). An answer of map memory goes
//              first; the others wait for a free cycle.
// Reset:       rst_ni drops what is under way.
module bpf_service #(
  parameter int MapBytes = 1 << 20,
  parameter int Maps     = 64
) (
  input  logic                        clk_i,
  input  logic                        rst_ni,
  // arbiter
  input  logic                        req_valid_i,
  output logic                        req_ready_o,
  input  logic [7:0]                  req_core_i,
  input  logic [7:0]                  req_thread_i,
  input  logic [3:0]                  req_op_i,
  input  logic [1:0]                  req_size_i,
  input  logic [31:0]                 req_addr_i,
  input  logic [63:0]                 req_data_i,
  input  logic [31:0]                 req_imm_i,
  input  logic                        req_key_i,
  output logic                        rsp_valid_o,
  output logic [7:0]                  rsp_core_o,
  output logic [7:0]                  rsp_thread_o,
  output logic [63:0]                 rsp_data_o,
  // map memory, port A
  output logic                        mem_valid_o,
  input  logic                        mem_ready_i,
  output logic [1:0]                  mem_op_o,
  output logic [1:0]                  mem_size_o,
  output logic [$clog2(MapBytes)-1:0] mem_addr_o,
  output logic [63:0]                 mem_data_o,
  output logic [63:0]                 mem_compare_o,
  output logic [7:0]                  mem_atomic_o,
  output logic [15:0]                 mem_tag_o,
  input  logic                        mem_rsp_valid_i,
  input  logic [15:0]                 mem_rsp_tag_i,
  input  logic [63:0]                 mem_rsp_data_i,
  // map engine: a request, whose key words can be popped from then on
  output logic                        map_valid_o,
  input  logic                        map_pop_i,
  output logic [15:0]                 map_tag_o,
  output logic [3:0]                  map_op_o,
  output logic [$clog2(Maps)-1:0]     map_index_o,
  output logic [63:0]                 map_data_o,
  output logic [3:0]                  map_words_o,
  output logic [63:0]                 map_key_o,
  input  logic                        map_key_pop_i,
  input  logic                        map_rsp_valid_i,
  output logic                        map_rsp_ready_o,
  input  logic [15:0]                 map_rsp_tag_i,
  input  logic [63:0]                 map_rsp_data_i,
  // events: a request, taken with event_pop_i
  output logic                        event_valid_o,
  input  logic                        event_pop_i,
  output logic [15:0]                 event_tag_o,
  output logic [$clog2(Maps)-1:0]     event_map_o,
  output logic [$clog2(MapBytes)-4:0] event_row_o,
  output logic [63:0]                 event_data_o,
  input  logic                        event_rsp_valid_i,
  output logic                        event_rsp_ready_o,
  input  logic [15:0]                 event_rsp_tag_i,
  // clock and random numbers
  input  logic [63:0]                 clock_i,
  output logic                        random_next_o,
  input  logic [31:0]                 random_i
);
  localparam int MapBits = $clog2(Maps);

  // ---- what the beat is ---------------------------------------------------------------------------
  logic is_key, is_mem, is_map, is_event, is_local, map_room, event_room, key_room, local_free, take;
  assign is_key   = req_key_i;
  assign is_mem   = !req_key_i && req_op_i <= bpf_isa_pkg::SVC_ATOMIC;
  assign is_map   = !req_key_i && ((req_op_i >= bpf_isa_pkg::SVC_MAP_LOOKUP
                                 && req_op_i <= bpf_isa_pkg::SVC_MAP_DELETE)
                                || (req_op_i >= bpf_isa_pkg::SVC_MAP_PUSH
                                 && req_op_i <= bpf_isa_pkg::SVC_RING_RESERVE));
  assign is_event = !req_key_i && req_op_i == bpf_isa_pkg::SVC_EVENT;
  assign is_local = !is_key && !is_mem && !is_map && !is_event;
  assign req_ready_o = (is_key && key_room) || (is_mem && mem_ready_i) || (is_map && map_room)
                    || (is_event && event_room) || (is_local && local_free);
  assign take = req_valid_i && req_ready_o;

  // ---- key words: written as they come, taken back unless a map operation follows ------------------
  localparam int KeyDepth = 64;
  logic [63:0] keys [0:KeyDepth-1];
  logic [6:0]  key_wr_q, key_start_q, key_rd_q, key_used;
  logic [63:0] first_key_q;
  logic [3:0]  words;

  assign key_used = key_wr_q - key_rd_q;
  assign key_room = key_used != 7'(KeyDepth);
  assign words    = 4'(key_wr_q - key_start_q);
  assign map_key_o = keys[key_rd_q[5:0]];

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      key_wr_q    <= '0;
      key_start_q <= '0;
      key_rd_q    <= '0;
    end else begin
      if (take && is_key) key_wr_q <= key_wr_q + 7'd1;
      else if (take && is_map) key_start_q <= key_wr_q;
      else if (take) key_wr_q <= key_start_q;
      if (map_key_pop_i) key_rd_q <= key_rd_q + 7'd1;
    end
    if (take && is_key) keys[key_wr_q[5:0]] <= req_data_i;
    if (take && is_key && key_wr_q == key_start_q) first_key_q <= req_data_i;
  end

  logic [3:0] unused_count;
  bpf_fifo #(.Width(16 + 4 + MapBits + 64 + 4), .Depth(8)) u_map_queue (
    .clk_i, .rst_ni, .in_valid_i(req_valid_i && is_map), .in_ready_o(map_room),
    .in_data_i({req_core_i, req_thread_i, req_op_i, req_imm_i[MapBits-1:0], req_data_i, words}),
    .out_valid_o(map_valid_o), .out_ready_i(map_pop_i),
    .out_data_o({map_tag_o, map_op_o, map_index_o, map_data_o, map_words_o}), .count_o(unused_count)
  );

  logic [2:0] unused_events;
  bpf_fifo #(.Width(16 + MapBits + $clog2(MapBytes) - 3 + 64), .Depth(4)) u_event_queue (
    .clk_i, .rst_ni, .in_valid_i(req_valid_i && is_event), .in_ready_o(event_room),
    .in_data_i({req_core_i, req_thread_i, req_imm_i[MapBits-1:0], req_addr_i[$clog2(MapBytes)-1:3], req_data_i}),
    .out_valid_o(event_valid_o), .out_ready_i(event_pop_i),
    .out_data_o({event_tag_o, event_map_o, event_row_o, event_data_o}), .count_o(unused_events)
  );

  // ---- map memory ---------------------------------------------------------------------------------
  assign mem_valid_o   = req_valid_i && is_mem;
  assign mem_op_o      = req_op_i[1:0];
  assign mem_size_o    = req_size_i;
  assign mem_addr_o    = req_addr_i[$clog2(MapBytes)-1:0];
  assign mem_data_o    = req_data_i;
  assign mem_compare_o = first_key_q;
  assign mem_atomic_o  = req_imm_i[7:0];
  assign mem_tag_o     = {req_core_i, req_thread_i};

  // ---- clock and random number --------------------------------------------------------------------
  logic        local_valid_q, local_ready;
  logic [15:0] local_tag_q;
  logic [63:0] local_data_q;

  assign local_free    = !local_valid_q || local_ready;
  assign random_next_o = take && is_local && req_op_i == bpf_isa_pkg::SVC_RANDOM;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) local_valid_q <= 1'b0;
    else if (local_free) local_valid_q <= take && is_local;
    if (local_free) begin
      local_tag_q <= {req_core_i, req_thread_i};
      case (req_op_i)
        bpf_isa_pkg::SVC_RANDOM: local_data_q <= {32'd0, random_i};
        bpf_isa_pkg::SVC_TIME:   local_data_q <= clock_i;
        default:                 local_data_q <= '0;  // no such request
      endcase
    end
  end

  // ---- answers ------------------------------------------------------------------------------------
  logic        rsp_valid_q;
  logic [15:0] rsp_tag_q;
  logic [63:0] rsp_data_q;

  assign local_ready     = !mem_rsp_valid_i;
  assign map_rsp_ready_o   = !mem_rsp_valid_i && !local_valid_q;
  assign event_rsp_ready_o = map_rsp_ready_o && !map_rsp_valid_i;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) rsp_valid_q <= 1'b0;
    else rsp_valid_q <= mem_rsp_valid_i || local_valid_q || map_rsp_valid_i || event_rsp_valid_i;
    rsp_tag_q  <= mem_rsp_valid_i ? mem_rsp_tag_i : local_valid_q ? local_tag_q
                : map_rsp_valid_i ? map_rsp_tag_i : event_rsp_tag_i;
    rsp_data_q <= mem_rsp_valid_i ? mem_rsp_data_i : local_valid_q ? local_data_q
                : map_rsp_valid_i ? map_rsp_data_i : '0;
  end
  assign rsp_valid_o = rsp_valid_q;
  assign {rsp_core_o, rsp_thread_o} = rsp_tag_q;
  assign rsp_data_o = rsp_data_q;

  logic unused;
  assign unused = &{1'b0, unused_count, unused_events, req_addr_i[31:$clog2(MapBytes)], req_imm_i[31:8]};
endmodule
