// SPDX-License-Identifier: Apache-2.0
//
// BPF_ASSERT(Name, condition): a claim that holds in every cycle outside reset. Include it inside a
// module that has clk_i and rst_ni. Synthesis drops it, FORMAL makes it an immediate assertion for
// Yosys, and a simulation stops with the module's path and the claim's name.
`ifndef BPF_ASSERT_SVH
`define BPF_ASSERT_SVH
`ifdef SYNTHESIS
  `define BPF_ASSERT(Name, Cond)
`elsif FORMAL
  `define BPF_ASSERT(Name, Cond) always @(posedge clk_i) if (rst_ni) assert (Cond);
`else
  `define BPF_ASSERT(Name, Cond) \
    always @(posedge clk_i) if (rst_ni && !(Cond)) $error(`"%m: Name`");
`endif
`endif
