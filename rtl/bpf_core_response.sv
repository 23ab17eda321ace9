// SPDX-License-Identifier: Apache-2.0
//
// Answers that threads wait for: service responses and divider results, kept until the instruction
// that asked comes through the pipeline again and takes them; and the link address of a call, which
// reaches the result the same way.
//
//   store a response, wake the thread ... x1: read   x2: extend   x3: to the result
//
// A service response is always taken; a divider result waits for a cycle without one.
// Latency:     2 cycles from rsp_valid_i to the scheduler's ready bit.

module bpf_core_response #(
  parameter int Threads = 8,
  localparam int TW = $clog2(Threads)
) (
  input  logic          clk_i,
  input  logic          rst_ni,
  // service port
  input  logic          rsp_valid_i,
  input  logic [7:0]    rsp_thread_i,
  input  logic [63:0]   rsp_data_i,
  // from bpf_core_div
  input  logic          div_valid_i,
  output logic          div_ready_o,
  input  logic [TW-1:0] div_thread_i,
  input  logic [63:0]   div_data_i,
  // to bpf_core_sched
  output logic          wake_valid_o,
  output logic [TW-1:0] wake_thread_o,
  // from bpf_core_operands
  input  logic [TW-1:0] x1_thread_i,
  input  logic          x1_complete_i,
  input  logic          x1_link_i,
  input  logic          x1_sext_i,
  input  logic [3:0]    x1_bytes_i,   // of a load, for x1_sext_i
  input  logic [15:0]   x1_pc_plus1_i,
  // to bpf_core_alu
  output logic          x3_late_o,
  output logic [63:0]   x3_late_data_o
);

  logic rsp_valid_q;
  logic [TW-1:0] rsp_thread_q;
  logic [63:0] rsp_data_q, stored_x1, data_x2_q;
  logic late_x2_q, sext_x2_q;
  logic [2:0] width_x2_q;  // 4, 2, 1 bytes

  assign div_ready_o   = !rsp_valid_q;
  assign wake_valid_o  = rsp_valid_q || div_valid_i;
  assign wake_thread_o = rsp_valid_q ? rsp_thread_q : div_thread_i;

  bpf_core_lutram #(.Width(64), .Depth(Threads)) u_store (
    .clk_i,
    .we_i   (wake_valid_o),
    .waddr_i(wake_thread_o),
    .wdata_i(rsp_valid_q ? rsp_data_q : div_data_i),
    .raddr_i(x1_thread_i),
    .rdata_o(stored_x1)
  );

  logic sign_x2;
  logic [63:0] ext_x2;
  always_comb begin
    sign_x2 = (width_x2_q[0] && data_x2_q[7]) || (width_x2_q[1] && data_x2_q[15]) ||
              (width_x2_q[2] && data_x2_q[31]);
    ext_x2  = data_x2_q;
    if (sext_x2_q && width_x2_q[0]) ext_x2[15:8] = {8{sign_x2}};
    if (sext_x2_q && width_x2_q[1:0] != '0) ext_x2[31:16] = {16{sign_x2}};
    if (sext_x2_q) ext_x2[63:32] = {32{sign_x2}};
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) rsp_valid_q <= 1'b0;
    else rsp_valid_q <= rsp_valid_i;
    rsp_thread_q <= rsp_thread_i[TW-1:0];
    rsp_data_q   <= rsp_data_i;

    late_x2_q  <= x1_complete_i || x1_link_i;
    sext_x2_q  <= x1_sext_i;
    width_x2_q <= x1_bytes_i[2:0];
    data_x2_q  <= x1_link_i ? {48'd0, x1_pc_plus1_i} : stored_x1;

    x3_late_o      <= late_x2_q;
    x3_late_data_o <= ext_x2;
  end

  logic unused_ok;
  assign unused_ok = &{1'b0, rsp_thread_i, x1_bytes_i};

endmodule
