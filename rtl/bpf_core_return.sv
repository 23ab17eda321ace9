// SPDX-License-Identifier: Apache-2.0
//
// Takes back what the host has made of a thread that was handed over: redirect target, the frame's ends
// and the frame go into the thread's memory, verdict and instruction count to bpf_core_done, as if the thread
// had come to EXIT. The message is in compiler/include/kiln/handover.h.
//
// Throughput:  one word a cycle while the memories' ports are granted.
// Handshake:   ret_ready_o depends on the grants, not on ret_valid_i.
// Reset:       no message under way.

module bpf_core_return #(
  parameter int Threads     = 8,
  parameter int WindowBytes = 4096,
  localparam int TW = $clog2(Threads),
  localparam int WW = $clog2(WindowBytes)
) (
  input  logic          clk_i,
  input  logic          rst_ni,
  // words, from the host
  input  logic          ret_valid_i,
  output logic          ret_ready_o,
  input  logic [63:0]   ret_data_i,
  input  logic          ret_last_i,
  // context memory
  output logic          local_req_o,
  input  logic          local_gnt_i,
  output logic [TW+6:0] local_row_o,
  output logic [63:0]   local_data_o,
  // packet memory
  output logic          packet_req_o,
  input  logic          packet_gnt_i,
  output logic [TW-1:0] packet_thread_o,
  output logic [WW-1:0] packet_addr_o,
  output logic [63:0]   packet_data_o,
  // to bpf_core_done: the frame's end
  output logic          end_valid_o,
  input  logic          end_ready_i,
  output logic [TW-1:0] end_thread_o,
  output logic [31:0]   end_code_o,
  output logic [31:0]   end_insns_o
);

  localparam logic [6:0] ROW_ENDS     = bpf_addr_pkg::CTX_DATA[9:3];
  localparam logic [6:0] ROW_REDIRECT = bpf_addr_pkg::CTX_REDIRECT[9:3];

  typedef enum logic [2:0] {StThread, StVerdict, StRedirect, StEnds, StPacket, StReport} state_e;
  state_e state_q;
  logic take;
  logic [WW-4:0] row_q;

  assign take        = ret_valid_i && ret_ready_o;
  assign local_req_o = ret_valid_i && (state_q == StRedirect || state_q == StEnds);
  assign local_row_o = {end_thread_o, (state_q == StEnds) ? ROW_ENDS : ROW_REDIRECT};
  assign local_data_o    = ret_data_i;
  assign packet_req_o    = ret_valid_i && state_q == StPacket;
  assign packet_thread_o = end_thread_o;
  assign packet_addr_o   = {row_q, 3'd0};
  assign packet_data_o   = ret_data_i;
  assign end_valid_o     = state_q == StReport;
  always_comb begin
    case (state_q)
      StThread, StVerdict: ret_ready_o = 1'b1;
      StRedirect, StEnds:  ret_ready_o = local_gnt_i;
      StPacket:            ret_ready_o = packet_gnt_i;
      default:             ret_ready_o = 1'b0;
    endcase
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q <= StThread;
    end else begin
      case (state_q)
        StThread:   if (take) state_q <= StVerdict;
        StVerdict:  if (take) state_q <= StRedirect;
        StRedirect: if (take) state_q <= StEnds;
        StEnds:     if (take) state_q <= ret_last_i ? StReport : StPacket;
        StPacket:   if (take && ret_last_i) state_q <= StReport;
        default:    if (end_ready_i) state_q <= StThread;
      endcase
    end
    if (take && state_q == StThread) end_thread_o <= ret_data_i[40+:TW];
    if (take && state_q == StVerdict) {end_insns_o, end_code_o} <= ret_data_i;
    if (take && state_q == StEnds) row_q <= ret_data_i[3+:WW-3];
    else if (take && state_q == StPacket) row_q <= row_q + 1'b1;
  end

endmodule
