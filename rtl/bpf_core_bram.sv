// SPDX-License-Identifier: Apache-2.0
//
// Block RAM with one write and one read port, generic form; not for reads in the cycle of a write
// to the same address, which give the old or the new word. Contents at start are whatever they are.
//
// Latency:     2 cycles with OutReg (array, output register), else 1.
// Throughput:  one write and one read per cycle.

module bpf_core_bram #(
  parameter int Width  = 64,    // bits a word
  parameter int Depth  = 1024,  // words, power of two
  parameter bit OutReg = 1      // second register behind the array
) (
  input  logic                     clk_i,
  input  logic                     we_i,
  input  logic [$clog2(Depth)-1:0] waddr_i,
  input  logic [Width-1:0]         wdata_i,
  input  logic [$clog2(Depth)-1:0] raddr_i,
  output logic [Width-1:0]         rdata_o
);

  (* ram_style = "block", no_rw_check *) logic [Width-1:0] mem [Depth];
  logic [Width-1:0] array_q;

  always_ff @(posedge clk_i) begin
    if (we_i) mem[waddr_i] <= wdata_i;
    array_q <= mem[raddr_i];
  end

  if (OutReg) begin : gen_out_reg
    logic [Width-1:0] out_q;
    always_ff @(posedge clk_i) out_q <= array_q;
    assign rdata_o = out_q;
  end else begin : gen_no_out_reg
    assign rdata_o = array_q;
  end

endmodule
