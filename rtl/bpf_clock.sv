// SPDX-License-Identifier: Apache-2.0
//
// The nanosecond clock that programs read: 64 bits of nanoseconds and 16 of fraction, which grow by
// step_i each cycle. With step_i = 0 it stands, and only the host moves it.
//
// Reset:       0.
module bpf_clock (
  input  logic        clk_i,
  input  logic        rst_ni,
  input  logic        we_i,      // set to value_i, fraction 0
  input  logic [63:0] value_i,   // ns
  input  logic [31:0] step_i,    // 2^-16 ns a cycle
  output logic [63:0] now_o      // ns
);
  logic [79:0] now_q;
  assign now_o = now_q[79:16];

  always_ff @(posedge clk_i) begin
    if (!rst_ni) now_q <= '0;
    else if (we_i) now_q <= {value_i, 16'd0};
    else now_q <= now_q + 80'(step_i);
  end
endmodule
