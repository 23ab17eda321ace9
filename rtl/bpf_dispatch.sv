// SPDX-License-Identifier: Apache-2.0
//
// Gives each frame a number and a core: round robin over the enabled cores that have a thread free, or the
// core that the frame's flow hash names. It admits no more frames than max_in_flight_i (0: as many
// as the reorder ring holds). With a limit of 1 every frame goes to the lowest enabled core, and only
// once all its threads are free again: the run is then the same whatever the timing.
//
// Latency:     1 cycle.
// Throughput:  1 beat per cycle, no bubble between frames when a core is free.
// Handshake:   in_ready_o depends on in_valid_i's frame (its first beat waits for a core).
// Reset:       rst_ni clears number, count and the output register.
module bpf_dispatch #(
  parameter int Cores     = 1,    // 1..32
  parameter int Threads   = 8,    // threads a core
  parameter int DataWidth = 64,   // bits
  parameter int RingDepth = 16    // frames that the reorder ring holds
) (
  input  logic                   clk_i,
  input  logic                   rst_ni,
  // registers
  input  logic                   by_flow_i,
  input  logic [15:0]            max_in_flight_i,
  input  logic [Cores-1:0]       core_enable_i,
  input  logic [Threads-1:0]     thread_enable_i,
  // receive FIFO
  input  logic                   in_valid_i,
  output logic                   in_ready_o,
  input  logic [DataWidth-1:0]   in_data_i,
  input  logic [DataWidth/8-1:0] in_keep_i,
  input  logic                   in_first_i,
  input  logic                   in_last_i,
  input  logic [31:0]            in_user_i,
  input  logic [15:0]            in_flow_i,
  input  logic [15:0]            in_words_i,
  // bpf_ingress of each core: one-hot valid, everything else shared
  output logic [Cores-1:0]       out_valid_o,
  input  logic [Cores-1:0]       out_ready_i,
  output logic [DataWidth-1:0]   out_data_o,
  output logic [DataWidth/8-1:0] out_keep_o,
  output logic                   out_first_o,
  output logic                   out_last_o,
  output logic [31:0]            out_seq_o,
  output logic [31:0]            out_user_o,
  // state of the cores
  input  logic [Cores-1:0]       waiting_i,   // a frame stands before the core
  input  logic [Cores*16-1:0]    space_i,     // beats of room before the core
  input  logic [Cores*8-1:0]     free_i,      // free enabled threads
  // egress: frames that have left, up to two at once
  input  logic [1:0]             left_i,
  output logic [15:0]            in_flight_o
);
  // ---- who could take a frame --------------------------------------------------------------------
  logic [7:0]          enabled_threads_q, enabled_threads;
  logic [Cores-1:0]    idle, can_take, wanted, lowest_q, grant;
  logic [Cores*6-1:0]  rank_q, rank;     // number of enabled cores below
  logic [5:0]          enabled_cores_q;
  logic [15:0]         in_flight_q;
  logic [5:0]          flow_rank;
  logic                any, admitted, one_only, take_first, out_free;
  logic [7:0]          unused_index;

  always_comb begin
    enabled_threads = '0;
    for (int i = 0; i < Threads; i++) enabled_threads = enabled_threads + 8'(thread_enable_i[i]);
    rank = '0;
    for (int i = 1; i < Cores; i++) rank[6*i +: 6] = rank[6*(i-1) +: 6] + 6'(core_enable_i[i-1]);
  end

  always_ff @(posedge clk_i) begin
    enabled_threads_q <= enabled_threads;
    rank_q            <= rank;
    enabled_cores_q   <= rank[6*(Cores-1) +: 6] + 6'(core_enable_i[Cores-1]);
    lowest_q          <= core_enable_i & (~core_enable_i + 1'b1);
  end

  assign one_only = max_in_flight_i == 16'd1;
  assign admitted = (max_in_flight_i == '0 || in_flight_q < max_in_flight_i)
                 && in_flight_q < 16'(RingDepth);
  // 16-bit hash times number of cores: the upper part is a number below it.
  assign flow_rank = 6'((22'(in_flow_i) * 22'(enabled_cores_q)) >> 16);

  always_comb begin
    for (int i = 0; i < Cores; i++) begin
      idle[i]     = free_i[8*i +: 8] == enabled_threads_q;
      can_take[i] = core_enable_i[i] && !waiting_i[i] && free_i[8*i +: 8] != '0
                 && space_i[16*i +: 16] >= in_words_i
                 && !(out_valid_o[i] && first_q);
      wanted[i]   = can_take[i];
      if (by_flow_i) wanted[i] = can_take[i] && rank_q[6*i +: 6] == flow_rank;
      if (one_only) wanted[i] = can_take[i] && lowest_q[i] && idle[i];
    end
  end

  bpf_rr_arb #(.N(Cores)) u_arb (
    .clk_i, .rst_ni, .req_i(wanted), .advance_i(take_first), .any_o(any), .grant_o(grant),
    .index_o(unused_index)
  );

  // ---- one register towards the cores -------------------------------------------------------------
  logic [Cores-1:0]       core_q;
  logic                   valid_q;
  logic [DataWidth-1:0]   data_q;
  logic [DataWidth/8-1:0] keep_q;
  logic                   first_q, last_q;
  logic [31:0]            user_q, seq_q, next_seq_q;

  assign out_free   = !valid_q || |(core_q & out_ready_i);
  assign in_ready_o = out_free && (!in_first_i || (any && admitted));
  assign take_first = in_valid_i && in_ready_o && in_first_i;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      valid_q     <= 1'b0;
      next_seq_q  <= '0;
      in_flight_q <= '0;
    end else begin
      if (out_free) valid_q <= in_valid_i && in_ready_o;
      if (take_first) next_seq_q <= next_seq_q + 32'd1;
      in_flight_q <= in_flight_q + 16'(take_first) - 16'(left_i);
    end
    if (out_free) begin
      data_q  <= in_data_i;
      keep_q  <= in_keep_i;
      first_q <= in_first_i;
      last_q  <= in_last_i;
    end
    if (take_first) begin
      core_q <= grant;
      user_q <= in_user_i;
      seq_q  <= next_seq_q;
    end
  end

  assign out_valid_o = core_q & {Cores{valid_q}};
  assign out_data_o  = data_q;
  assign out_keep_o  = keep_q;
  assign out_first_o = first_q;
  assign out_last_o  = last_q;
  assign out_seq_o   = seq_q;
  assign out_user_o  = user_q;
  assign in_flight_o = in_flight_q;

  // An enabled core is a condition of RUN; the index is for others.
  logic unused;
  assign unused = &{1'b0, unused_index};

  `include "bpf_assert.svh"
  `BPF_ASSERT(InFlightNeverNegative, 32'(in_flight_q) + 32'(take_first) >= 32'(left_i))
  `BPF_ASSERT(RingIsLargeEnough, 32'(in_flight_q) <= RingDepth)
endmodule
