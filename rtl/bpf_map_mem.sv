// SPDX-License-Identifier: Apache-2.0
//
// Map memory: the arena, as 64-bit rows in eight byte lanes. Port A serves the cores' loads, stores and
// atomics of 1, 2, 4 or 8 bytes at any alignment; port B serves map engine and host, whole rows with
// byte enables. An atomic is read, computed and written here, and until it is written no access to
// its rows is let in, on either port.
//
// Latency:     port A: response 4 cycles after acceptance. Port B: data 3 cycles after acceptance.
// Throughput:  1 access per cycle and port; an atomic takes a second cycle of port A to write.
// Handshake:   a_ready depends on the row asked for (it waits while an atomic is close), b_ready on
//              both ports' rows. Responses can't be held up.
// Reset:       rst_ni clears what is in flight; memory is not reset (the host fills it).
// Rows are compared in their low bits only, so an access may now and then wait without need.
module bpf_map_mem #(
  parameter int MapBytes = 1 << 20,  // power of two
  parameter int TagBits  = 16        // what comes back with a response
) (
  input  logic                        clk_i,
  input  logic                        rst_ni,
  // cores
  input  logic                        a_valid_i,
  output logic                        a_ready_o,
  input  logic [1:0]                  a_op_i,       // SVC_LOAD, SVC_STORE, SVC_ATOMIC
  input  logic [1:0]                  a_size_i,     // BPF: 0 = 4, 1 = 2, 2 = 1, 3 = 8 bytes
  input  logic [$clog2(MapBytes)-1:0] a_addr_i,     // arena offset
  input  logic [63:0]                 a_data_i,
  input  logic [63:0]                 a_compare_i,  // ATOMIC: R0
  input  logic [7:0]                  a_atomic_i,   // ATOMIC: operation
  input  logic [TagBits-1:0]          a_tag_i,
  output logic                        a_rsp_valid_o,
  output logic [TagBits-1:0]          a_rsp_tag_o,
  output logic [63:0]                 a_rsp_data_o,
  // engine and host
  input  logic                        b_valid_i,
  output logic                        b_ready_o,
  input  logic [7:0]                  b_we_i,       // bytes to write; none: read
  input  logic [$clog2(MapBytes)-4:0] b_row_i,
  input  logic [63:0]                 b_data_i,
  output logic [63:0]                 b_data_o
);
  localparam int RowBits = $clog2(MapBytes) - 3;
  localparam int Near    = (RowBits < 8) ? RowBits : 8;  // row bits compared
  localparam logic [1:0] OP_STORE  = bpf_isa_pkg::SVC_STORE[1:0];
  localparam logic [1:0] OP_ATOMIC = bpf_isa_pkg::SVC_ATOMIC[1:0];

  // ---- A, stage 0: what enters the pipeline, a new access or the write of an atomic --------------
  logic               take, write_back;
  logic [RowBits-1:0] row0;
  logic [2:0]         offset0;
  logic [1:0]         size0;
  logic [63:0]        data0;
  logic               write0;
  logic [5:1]         valid_q, atomic_q;  // index is the stage
  logic [3:1]         store_q;
  // What travels with an access, and what an atomic's write needs (stage s in slot s - 1).
  localparam int SideBits = TagBits + 64 + 64 + 8;
  localparam int WhereBits = RowBits + 3 + 2;
  logic [4*SideBits-1:0]  side_q;
  logic [5*WhereBits-1:0] where_q;
  logic [RowBits-1:0]     row5;
  logic [2:0]             offset3, offset5;
  logic [1:0]             size3, size4, size5;
  logic [63:0]            operand4, compare4;
  logic [7:0]             alu_op4;
  logic [63:0]        new_q;

  assign write_back = atomic_q[5];
  assign row0    = write_back ? row5 : a_addr_i[RowBits+2:3];
  assign offset0 = write_back ? offset5 : a_addr_i[2:0];
  assign size0   = write_back ? size5 : a_size_i;
  assign data0   = write_back ? new_q : a_data_i;
  assign write0  = write_back || (take && a_op_i == OP_STORE);

  // Byte k of the access lies in lane (offset + k) mod 8, and one row on if that wrapped.
  logic [7:0]  bytes0, bytes_rotated;
  logic [63:0] data_rotated;
  always_comb begin
    case (size0)
      2'd0:    bytes0 = 8'h0f;
      2'd1:    bytes0 = 8'h03;
      2'd2:    bytes0 = 8'h01;
      default: bytes0 = 8'hff;
    endcase
    bytes_rotated = offset0[2] ? {bytes0[3:0], bytes0[7:4]} : bytes0;
    bytes_rotated = offset0[1] ? {bytes_rotated[5:0], bytes_rotated[7:6]} : bytes_rotated;
    bytes_rotated = offset0[0] ? {bytes_rotated[6:0], bytes_rotated[7]} : bytes_rotated;
    data_rotated = offset0[2] ? {data0[31:0], data0[63:32]} : data0;
    data_rotated = offset0[1] ? {data_rotated[47:0], data_rotated[63:48]} : data_rotated;
    data_rotated = offset0[0] ? {data_rotated[55:0], data_rotated[63:56]} : data_rotated;
  end

  // ---- conflicts: rows within one of an atomic in flight (it may touch two, and so may we) --------
  function automatic logic close(input logic [Near-1:0] left, input logic [Near-1:0] right);
    logic [Near-1:0] distance;
    distance = left - right + Near'(1);
    close = distance <= Near'(2);
  endfunction

  logic            conflict_a, conflict_b;
  logic [Near-1:0] near_a, near_b;
  assign near_a = a_addr_i[3 +: Near];
  assign near_b = b_row_i[Near-1:0];
  always_comb begin
    conflict_a = 1'b0;
    // The other port's access of this very cycle, taken or not: block memory must not see both.
    conflict_b = a_valid_i && close(near_b, near_a);
    for (int s = 1; s <= 5; s++) begin
      if (atomic_q[s] && close(near_a, where_q[WhereBits*(s-1)+5 +: Near])) conflict_a = 1'b1;
      if (atomic_q[s] && close(near_b, where_q[WhereBits*(s-1)+5 +: Near])) conflict_b = 1'b1;
    end
  end
  assign a_ready_o = !write_back && !conflict_a;
  assign b_ready_o = !conflict_b;
  assign take      = a_valid_i && a_ready_o;

  // ---- lanes: stage 1 holds addresses, stage 2 the memory's output, stage 3 a register behind it --
  logic [7:0]            a_we_q, b_we_q;
  logic [8*RowBits-1:0]  a_row_q;
  logic [63:0]           a_wdata_q, b_wdata_q, a_out, b_out, a_out_q, b_out_q;
  logic [RowBits-1:0]    b_row_q;
  logic                  a_active_q, b_active_q;  // for the assertion below

  for (genvar lane = 0; lane < 8; lane++) begin : gen_lane
    bpf_byte_ram #(.Depth(MapBytes / 8)) u_ram (
      .clk_i,
      .a_we_i(a_we_q[lane]), .a_addr_i(a_row_q[RowBits*lane +: RowBits]),
      .a_data_i(a_wdata_q[8*lane +: 8]), .a_data_o(a_out[8*lane +: 8]),
      .b_we_i(b_we_q[lane]), .b_addr_i(b_row_q), .b_data_i(b_wdata_q[8*lane +: 8]),
      .b_data_o(b_out[8*lane +: 8])
    );
    always_ff @(posedge clk_i) begin
      a_row_q[RowBits*lane +: RowBits] <= row0 + RowBits'(32'(offset0) > lane);
    end
  end

  // ---- A, stages 3 and 4: turn the bytes into place, compute --------------------------------------
  logic [63:0] turned, value, value_q, new_value;
  always_comb begin
    turned = offset3[2] ? {a_out_q[31:0], a_out_q[63:32]} : a_out_q;
    turned = offset3[1] ? {turned[15:0], turned[63:16]} : turned;
    turned = offset3[0] ? {turned[7:0], turned[63:8]} : turned;
    case (size3)
      2'd0:    value = {32'd0, turned[31:0]};
      2'd1:    value = {48'd0, turned[15:0]};
      2'd2:    value = {56'd0, turned[7:0]};
      default: value = turned;
    endcase
    if (store_q[3]) value = '0;
  end

  bpf_atomic_alu u_alu (
    .op_i(alu_op4), .is_64_i(size4 == 2'd3), .old_i(value_q), .operand_i(operand4),
    .compare_i(compare4), .new_o(new_value)
  );

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      valid_q  <= '0;
      atomic_q <= '0;
      a_we_q   <= '0;
      b_we_q   <= '0;
    end else begin
      valid_q  <= {valid_q[4:1], take};
      atomic_q <= {atomic_q[4:1], take && a_op_i == OP_ATOMIC};
      a_we_q   <= bytes_rotated & {8{write0}};
      b_we_q   <= b_we_i & {8{b_valid_i && b_ready_o}};
    end
    a_active_q   <= take || write_back;
    b_active_q   <= b_valid_i && b_ready_o;
    a_wdata_q    <= data_rotated;
    b_wdata_q    <= b_data_i;
    b_row_q      <= b_row_i;
    a_out_q      <= a_out;
    b_out_q      <= b_out;
    value_q      <= value;
    new_q        <= new_value;
    store_q      <= {store_q[2:1], a_op_i == OP_STORE};
    where_q      <= {where_q[4*WhereBits-1:0], a_addr_i, a_size_i};
    side_q       <= {side_q[3*SideBits-1:0], a_tag_i, a_data_i, a_compare_i, a_atomic_i};
  end

  logic [RowBits-1:0] unused_row3;
  logic [RowBits+2:0] unused_addr4;
  assign {unused_row3, offset3, size3} = where_q[2*WhereBits +: WhereBits];
  assign {unused_addr4, size4}         = where_q[3*WhereBits +: WhereBits];
  assign {row5, offset5, size5}        = where_q[4*WhereBits +: WhereBits];
  assign {a_rsp_tag_o, operand4, compare4, alu_op4} = side_q[3*SideBits +: SideBits];

  assign a_rsp_valid_o = valid_q[4];
  assign a_rsp_data_o  = value_q;
  assign b_data_o      = b_out_q;

  logic [7:0] collision;
  for (genvar lane = 0; lane < 8; lane++) begin : gen_collision
    assign collision[lane] = (a_we_q[lane] || b_we_q[lane]) && b_active_q
                          && a_row_q[RowBits*lane +: RowBits] == b_row_q;
  end

  `include "bpf_assert.svh"
  `BPF_ASSERT(PortsNeverCollide, !a_active_q || collision == '0)

  logic unused;
  assign unused = &{1'b0, collision, a_active_q, valid_q[5], unused_row3, unused_addr4};
endmodule
