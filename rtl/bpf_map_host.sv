// SPDX-License-Identifier: Apache-2.0
//
// The host's way into map memory: single rows, and filling a range with zeroes. It uses port B when
// the map engine does not.
//
// Latency:     read data 4 cycles after the command when the port is free.
// Throughput:  a fill writes one row per free cycle.
// Handshake:   cmd_ready_o is low while a command is being carried out.
// Reset:       rst_ni drops what is under way.
module bpf_map_host #(
  parameter int RowBits = 17
) (
  input  logic               clk_i,
  input  logic               rst_ni,
  // registers
  input  logic               cmd_valid_i,
  output logic               cmd_ready_o,
  input  logic [1:0]         cmd_op_i,    // 0 read, 1 write, 2 fill
  input  logic [RowBits-1:0] cmd_row_i,
  input  logic [63:0]        cmd_data_i,  // fill: number of rows
  output logic               rvalid_o,
  output logic [63:0]        rdata_o,
  output logic               filling_o,
  // map memory, port B
  output logic               mem_valid_o,
  input  logic               mem_ready_i,
  output logic [7:0]         mem_we_o,
  output logic [RowBits-1:0] mem_row_o,
  output logic [63:0]        mem_data_o,
  input  logic [63:0]        mem_data_i
);
  logic               active_q, filling_q, read_q, last;
  logic [RowBits-1:0] row_q;
  logic [63:0]        data_q;
  logic [RowBits:0]   left_q;    // rows of a fill behind this one
  logic [2:0]         wait_q;    // reads on their way

  assign cmd_ready_o = !active_q && wait_q == '0;
  assign mem_valid_o = active_q;
  assign mem_we_o    = {8{!read_q}};
  assign mem_row_o   = row_q;
  assign mem_data_o  = data_q;
  assign rvalid_o    = wait_q[2];
  assign rdata_o     = mem_data_i;
  assign filling_o   = filling_q;
  assign last        = left_q == '0;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      active_q  <= 1'b0;
      filling_q <= 1'b0;
      wait_q    <= '0;
    end else begin
      wait_q <= {wait_q[1:0], active_q && read_q && mem_ready_i};
      if (cmd_valid_i && cmd_ready_o) begin
        active_q  <= cmd_op_i != 2'd2 || cmd_data_i != '0;
        filling_q <= cmd_op_i == 2'd2 && cmd_data_i != '0;
      end else if (active_q && mem_ready_i && last) begin
        active_q  <= 1'b0;
        filling_q <= 1'b0;
      end
    end
    if (cmd_valid_i && cmd_ready_o) begin
      read_q <= cmd_op_i == 2'd0;
      row_q  <= cmd_row_i;
      data_q <= (cmd_op_i == 2'd2) ? '0 : cmd_data_i;
      left_q <= (cmd_op_i == 2'd2) ? cmd_data_i[RowBits:0] - 1'b1 : '0;
    end else if (active_q && mem_ready_i) begin
      row_q  <= row_q + 1'b1;
      left_q <= left_q - 1'b1;
    end
  end
endmodule
