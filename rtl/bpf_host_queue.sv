// SPDX-License-Identifier: Apache-2.0
//
// The host's queue pair: messages of the cores out, one whole message after another, and the host's
// answers to the core that each names (handover.h). 64 bits wide; a DMA engine stands behind it.
//
// Latency:     1 cycle either way.
// Throughput:  one word a cycle either way.
// Handshake:   registered towards the host.
// Reset:       no message under way. An answer to a core that is not there is dropped.

module bpf_host_queue #(
  parameter int Cores = 1  // 1..32
) (
  input  logic                clk_i,
  input  logic                rst_ni,
  // cores, out
  input  logic [Cores-1:0]    hand_valid_i,
  output logic [Cores-1:0]    hand_ready_o,
  input  logic [Cores*64-1:0] hand_data_i,
  input  logic [Cores-1:0]    hand_last_i,
  // host, out
  output logic                out_valid_o,
  input  logic                out_ready_i,
  output logic [63:0]         out_data_o,
  output logic                out_last_o,
  // host, in
  input  logic                in_valid_i,
  output logic                in_ready_o,
  input  logic [63:0]         in_data_i,
  input  logic                in_last_i,
  // cores, in
  output logic [Cores-1:0]    ret_valid_o,
  input  logic [Cores-1:0]    ret_ready_i,
  output logic [63:0]         ret_data_o,
  output logic                ret_last_o,
  // counters: a message has gone out
  output logic                handed_over_o
);

  // ---- out ----------------------------------------------------------------------------------------
  logic [Cores-1:0] grant, owner, owner_q;
  logic             any, held_q, valid, ready, last;
  logic [63:0]      data;
  logic [7:0]       unused_index;

  bpf_rr_arb #(.N(Cores)) u_arb (
    .clk_i, .rst_ni, .req_i(hand_valid_i), .advance_i(ready && !held_q), .any_o(any), .grant_o(grant),
    .index_o(unused_index)
  );
  assign owner        = held_q ? owner_q : grant;
  assign valid        = held_q ? |(owner_q & hand_valid_i) : any;
  assign hand_ready_o = owner & {Cores{ready}};
  always_comb begin
    data = '0;
    for (int i = 0; i < Cores; i++) if (owner[i]) data = data | hand_data_i[64*i +: 64];
    last = |(owner & hand_last_i);
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) held_q <= 1'b0;
    else if (valid && ready) held_q <= !last;
    if (!held_q) owner_q <= grant;
  end

  bpf_skid #(.Width(65)) u_out (
    .clk_i, .rst_ni, .in_valid_i(valid), .in_ready_o(ready), .in_data_i({last, data}),
    .out_valid_o, .out_ready_i, .out_data_o({out_last_o, out_data_o})
  );
  assign handed_over_o = out_valid_o && out_ready_i && out_last_o;

  // ---- in -----------------------------------------------------------------------------------------
  logic             back_valid, back_ready, inside_q;
  logic [Cores-1:0] named, to, to_q;

  bpf_skid #(.Width(65)) u_in (
    .clk_i, .rst_ni, .in_valid_i, .in_ready_o, .in_data_i({in_last_i, in_data_i}),
    .out_valid_o(back_valid), .out_ready_i(back_ready), .out_data_o({ret_last_o, ret_data_o})
  );
  always_comb begin
    for (int i = 0; i < Cores; i++) named[i] = ret_data_o[39:32] == 8'(i);
  end
  assign to          = inside_q ? to_q : named;
  assign ret_valid_o = to & {Cores{back_valid}};
  assign back_ready  = (to == '0) || |(to & ret_ready_i);

  always_ff @(posedge clk_i) begin
    if (!rst_ni) inside_q <= 1'b0;
    else if (back_valid && back_ready) inside_q <= !ret_last_o;
    if (!inside_q) to_q <= named;
  end

  logic unused;
  assign unused = &{1'b0, unused_index};
endmodule
