// SPDX-License-Identifier: Apache-2.0
//
// Round-robin choice among N requesters. Combinational from req_i to the grant; who comes next is
// remembered only when advance_i says that the grant was used.
//
// Reset:       the lowest requester is first.
module bpf_rr_arb #(
  parameter int N = 4  // requesters, 1..33
) (
  input  logic         clk_i,
  input  logic         rst_ni,
  input  logic [N-1:0] req_i,
  input  logic         advance_i,
  output logic         any_o,
  output logic [N-1:0] grant_o,  // one-hot, zero without a request
  output logic [7:0]   index_o   // of the granted, 0 without a request
);
  logic [N-1:0] after_q;  // requesters behind the one served last
  logic [N-1:0] later, pick;

  assign any_o   = |req_i;
  assign later   = req_i & after_q;
  assign pick    = (later != '0) ? later : req_i;
  assign grant_o = pick & (~pick + 1'b1);

  always_comb begin
    index_o = '0;
    for (int i = 0; i < N; i++) if (grant_o[i]) index_o = index_o | 8'(i);
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) after_q <= '0;
    else if (advance_i && any_o) after_q <= ~(grant_o | (grant_o - 1'b1));
  end
endmodule
