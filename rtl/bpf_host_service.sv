// SPDX-License-Identifier: Apache-2.0
//
// The host as one more client of the services: it sends the requests that a core sends (core_services.def),
// through registers SVC_ADDR to SVC_RESULT_HI of nic_registers.def, so that what a program continued on the
// host does to maps is atomic to what the cores do.
//
// Latency:     2 cycles from SVC_GO to the first beat; SVC_GO reads busy until the answer is here.
// Handshake:   svc_* hold until svc_ready_i.
// Reset:       no request under way, no key words, no hold.

module bpf_host_service (
  input  logic        clk_i,
  input  logic        rst_ni,
  // bpf_regs: a write, and what the register at raddr_i reads as; word addresses from SVC_ADDR on
  input  logic        we_i,
  input  logic [3:0]  waddr_i,
  input  logic [31:0] wdata_i,
  input  logic [3:0]  raddr_i,
  output logic [31:0] rdata_o,
  // bpf_service_arb
  output logic        hold_o,
  input  logic        quiet_i,
  output logic        svc_valid_o,
  input  logic        svc_ready_i,
  output logic [3:0]  svc_op_o,
  output logic [1:0]  svc_size_o,
  output logic [31:0] svc_addr_o,
  output logic [63:0] svc_data_o,
  output logic [31:0] svc_imm_o,
  output logic        svc_key_o,
  output logic        svc_last_o,
  input  logic        rsp_valid_i,
  input  logic [63:0] rsp_data_i
);

  localparam logic [3:0] ADDR = bpf_reg_pkg::REG_SVC_ADDR[5:2], IMM = bpf_reg_pkg::REG_SVC_IMM[5:2];
  localparam logic [3:0] DATA_LO = bpf_reg_pkg::REG_SVC_DATA_LO[5:2], DATA_HI = bpf_reg_pkg::REG_SVC_DATA_HI[5:2];
  localparam logic [3:0] KEY_LO = bpf_reg_pkg::REG_SVC_KEY_LO[5:2], KEY_HI = bpf_reg_pkg::REG_SVC_KEY_HI[5:2];
  localparam logic [3:0] GO = bpf_reg_pkg::REG_SVC_GO[5:2], HOLD = bpf_reg_pkg::REG_SVC_HOLD[5:2];
  localparam logic [3:0] RESULT_LO = bpf_reg_pkg::REG_SVC_RESULT_LO[5:2];
  localparam logic [3:0] RESULT_HI = bpf_reg_pkg::REG_SVC_RESULT_HI[5:2];

  logic [31:0] addr_q, imm_q, key_lo_q;
  logic [63:0] data_q, result_q;
  logic [63:0] keys [0:7];
  logic [3:0]  key_count_q, sent_q, op_q;
  logic [1:0]  size_q;
  logic        hold_q, sending_q, busy_q;

  assign svc_valid_o = sending_q;
  assign svc_key_o   = sent_q != key_count_q;
  assign svc_last_o  = !svc_key_o;
  assign svc_op_o    = op_q;
  assign svc_size_o  = size_q;
  assign svc_addr_o  = addr_q;
  assign svc_imm_o   = imm_q;
  assign svc_data_o  = svc_key_o ? keys[sent_q[2:0]] : data_q;
  assign hold_o      = hold_q;

  always_comb begin
    case (raddr_i)
      GO:        rdata_o = {29'd0, quiet_i, hold_q, busy_q};
      RESULT_LO: rdata_o = result_q[31:0];
      RESULT_HI: rdata_o = result_q[63:32];
      default:   rdata_o = '0;
    endcase
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      hold_q      <= 1'b0;
      sending_q   <= 1'b0;
      busy_q      <= 1'b0;
      key_count_q <= '0;
      sent_q      <= '0;
    end else begin
      if (we_i && waddr_i == HOLD) hold_q <= wdata_i[0];
      if (we_i && waddr_i == KEY_HI && !key_count_q[3]) key_count_q <= key_count_q + 4'd1;
      if (we_i && waddr_i == GO) begin
        sending_q <= 1'b1;
        busy_q    <= 1'b1;
      end
      if (sending_q && svc_ready_i) begin
        if (svc_last_o) begin
          sending_q   <= 1'b0;
          sent_q      <= '0;
          key_count_q <= '0;
        end else begin
          sent_q <= sent_q + 4'd1;
        end
      end
      if (rsp_valid_i) busy_q <= 1'b0;
    end
    if (we_i) begin
      case (waddr_i)
        ADDR:    addr_q <= wdata_i;
        IMM:     imm_q <= wdata_i;
        DATA_LO: data_q[31:0] <= wdata_i;
        DATA_HI: data_q[63:32] <= wdata_i;
        KEY_LO:  key_lo_q <= wdata_i;
        GO:      {size_q, op_q} <= wdata_i[5:0];
        default: ;
      endcase
    end
    if (we_i && waddr_i == KEY_HI) keys[key_count_q[2:0]] <= {wdata_i, key_lo_q};
    if (rsp_valid_i) result_q <= rsp_data_i;
  end

  `include "bpf_assert.svh"
  `BPF_ASSERT(OneAtATime, !(we_i && waddr_i == GO && busy_q))
endmodule
