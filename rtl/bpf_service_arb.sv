// SPDX-License-Identifier: Apache-2.0
//
// Joins the service ports of the cores and, last, the host: round robin between requests, and a core
// keeps the way until the last beat of its request. Responses go back to the core they name. While
// hold_i is set only the last port's requests enter.
//
// Latency:     1 cycle for requests, 1 cycle for responses.
// Throughput:  1 beat per cycle.
// Handshake:   svc_ready_o follows the choice; the output comes from a register.
// Reset:       rst_ni drops requests and responses under way.
module bpf_service_arb #(
  parameter int Cores = 2  // ports: 2..33, the host is the last
) (
  input  logic                clk_i,
  input  logic                rst_ni,
  // cores
  input  logic [Cores-1:0]    svc_valid_i,
  output logic [Cores-1:0]    svc_ready_o,
  input  logic [Cores*8-1:0]  svc_thread_i,
  input  logic [Cores*4-1:0]  svc_op_i,
  input  logic [Cores*2-1:0]  svc_size_i,
  input  logic [Cores*32-1:0] svc_addr_i,
  input  logic [Cores*64-1:0] svc_data_i,
  input  logic [Cores*32-1:0] svc_imm_i,
  input  logic [Cores-1:0]    svc_key_i,
  input  logic [Cores-1:0]    svc_last_i,
  output logic [Cores-1:0]    rsp_valid_o,
  output logic [7:0]          rsp_thread_o,
  output logic [63:0]         rsp_data_o,
  // host
  input  logic                hold_i,
  output logic                quiet_o,  // held, and no core's request is under way
  // services
  output logic                req_valid_o,
  input  logic                req_ready_i,
  output logic [7:0]          req_core_o,
  output logic [7:0]          req_thread_o,
  output logic [3:0]          req_op_o,
  output logic [1:0]          req_size_o,
  output logic [31:0]         req_addr_o,
  output logic [63:0]         req_data_o,
  output logic [31:0]         req_imm_o,
  output logic                req_key_o,
  input  logic                rsp_valid_i,
  input  logic [7:0]          rsp_core_i,
  input  logic [7:0]          rsp_thread_i,
  input  logic [63:0]         rsp_data_i
);
  localparam int Width = 8 + 8 + 4 + 2 + 32 + 64 + 32 + 1;

  logic [Cores-1:0] grant, owner, owner_q;
  logic             any, held_q, valid, ready, key, last;
  logic [7:0]       grant_index, index, index_q;
  logic [Width-2-8:0] beat;

  bpf_rr_arb #(.N(Cores)) u_arb (
    .clk_i, .rst_ni, .req_i(svc_valid_i & ~{1'b0, {(Cores-1){hold_i}}}), .advance_i(ready && !held_q), .any_o(any),
    .grant_o(grant), .index_o(grant_index)
  );

  assign owner = held_q ? owner_q : grant;
  assign index = held_q ? index_q : grant_index;
  assign valid = held_q ? |(owner_q & svc_valid_i) : any;
  assign svc_ready_o = owner & {Cores{ready}};

  always_comb begin
    beat = '0;
    for (int i = 0; i < Cores; i++) begin
      if (owner[i]) begin
        beat = beat | {svc_thread_i[8*i +: 8], svc_op_i[4*i +: 4], svc_size_i[2*i +: 2],
                       svc_addr_i[32*i +: 32], svc_data_i[64*i +: 64], svc_imm_i[32*i +: 32]};
      end
    end
    key  = |(owner & svc_key_i);
    last = |(owner & svc_last_i);
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) held_q <= 1'b0;
    else if (valid && ready) held_q <= !last;
    if (!held_q) begin
      owner_q <= grant;
      index_q <= grant_index;
    end
  end

  bpf_skid #(.Width(Width)) u_out (
    .clk_i, .rst_ni, .in_valid_i(valid), .in_ready_o(ready), .in_data_i({index, key, beat}),
    .out_valid_o(req_valid_o), .out_ready_i(req_ready_i),
    .out_data_o({req_core_o, req_key_o, req_thread_o, req_op_o, req_size_o, req_addr_o, req_data_o,
                 req_imm_o})
  );

  // Requests of cores that entered and have no answer yet: at most one for each of 32 x 16 threads.
  logic [9:0] open_q;
  logic       enter, leave;
  assign enter   = valid && ready && last && !owner[Cores-1];
  assign leave   = rsp_valid_i && rsp_core_i != 8'(Cores - 1);
  assign quiet_o = hold_i && !held_q && open_q == '0;
  always_ff @(posedge clk_i) begin
    if (!rst_ni) open_q <= '0;
    else open_q <= open_q + 10'(enter) - 10'(leave);
  end

  logic [Cores-1:0] rsp_valid_q;
  logic [7:0]       rsp_thread_q;
  logic [63:0]      rsp_data_q;
  always_ff @(posedge clk_i) begin
    for (int i = 0; i < Cores; i++) rsp_valid_q[i] <= rst_ni && rsp_valid_i && rsp_core_i == 8'(i);
    rsp_thread_q <= rsp_thread_i;
    rsp_data_q   <= rsp_data_i;
  end
  assign rsp_valid_o  = rsp_valid_q;
  assign rsp_thread_o = rsp_thread_q;
  assign rsp_data_o   = rsp_data_q;

  `include "bpf_assert.svh"
  `BPF_ASSERT(LastIsTheFieldBeat, !valid || key != last)
endmodule
