// SPDX-License-Identifier: Apache-2.0
//
// Puts finished frames back into the order in which they were dispatched: a ring with one record per
// frame number. Frames leave one after another; a frame that is not sent only releases its thread.
//
// Latency:     3 cycles from done_valid to release when the frame is the oldest.
// Throughput:  one frame per cycle in, one per two cycles out.
// Handshake:   done_ready follows a round-robin choice among valid cores; release outputs hold until
//              taken.
// Reset:       rst_ni empties the ring; frame numbers start at 0.
module bpf_reorder #(
  parameter int Cores     = 1,  // 1..32
  parameter int RingDepth = 16  // power of two, >= frames in flight
) (
  input  logic                  clk_i,
  input  logic                  rst_ni,
  // cores: a frame is done
  input  logic [Cores-1:0]      done_valid_i,
  output logic [Cores-1:0]      done_ready_o,
  input  logic [Cores*8-1:0]    done_thread_i,
  input  logic [Cores*32-1:0]   done_seq_i,
  input  logic [Cores*32-1:0]   done_code_i,
  input  logic [Cores*32-1:0]   done_redirect_i,
  input  logic [Cores*16-1:0]   done_redirect_map_i,
  input  logic [Cores*16-1:0]   done_ifindex_i,
  input  logic [Cores*8-1:0]    done_trap_i,
  input  logic [Cores*32-1:0]   done_start_i,
  input  logic [Cores*32-1:0]   done_end_i,
  input  logic [Cores*32-1:0]   done_insns_i,
  // cores: what becomes of it
  output logic [Cores-1:0]      release_valid_o,
  input  logic [Cores-1:0]      release_ready_i,
  output logic [7:0]            release_thread_o,
  output logic                  release_send_o,
  // egress: the next frame on the wire comes from this core
  output logic                  order_valid_o,
  input  logic                  order_ready_i,
  output logic [7:0]            order_core_o,
  output logic [63:0]           order_user_o,
  // verdict port and counters, one cycle per frame
  output logic                  verdict_valid_o,
  output logic [31:0]           verdict_seq_o,
  output logic [31:0]           verdict_code_o,
  output logic [31:0]           verdict_redirect_o,
  output logic [15:0]           verdict_redirect_map_o,
  output logic [7:0]            verdict_trap_o,
  output logic [7:0]            verdict_core_o,
  output logic [7:0]            verdict_thread_o,
  output logic [31:0]           verdict_start_o,
  output logic [31:0]           verdict_end_o,
  output logic [31:0]           verdict_insns_o,
  output logic                  verdict_send_o
);
  localparam int RingBits = $clog2(RingDepth);
  localparam int RecordWidth = 8 + 8 + 32 + 32 + 16 + 16 + 8 + 32 + 32 + 32;

  // ---- done: one core a cycle into the ring -------------------------------------------------------
  logic [Cores-1:0]       grant;
  logic                   any;
  logic [7:0]             index;
  logic [31:0]            seq;
  logic [RecordWidth-1:0] record;

  bpf_rr_arb #(.N(Cores)) u_arb (
    .clk_i, .rst_ni, .req_i(done_valid_i), .advance_i(1'b1), .any_o(any), .grant_o(grant),
    .index_o(index)
  );
  assign done_ready_o = grant;

  always_comb begin
    seq    = '0;
    record = '0;
    for (int i = 0; i < Cores; i++) begin
      if (grant[i]) begin
        seq    = seq | done_seq_i[32*i +: 32];
        record = record | {
          index, done_thread_i[8*i +: 8], done_code_i[32*i +: 32], done_redirect_i[32*i +: 32],
          done_redirect_map_i[16*i +: 16], done_ifindex_i[16*i +: 16], done_trap_i[8*i +: 8],
          done_start_i[32*i +: 32], done_end_i[32*i +: 32], done_insns_i[32*i +: 32]};
      end
    end
  end

  // ---- ring ---------------------------------------------------------------------------------------
  logic [RecordWidth-1:0] ring [0:RingDepth-1];
  logic [RingDepth-1:0]   present_q;
  logic [31:0]            head_q;
  logic                   front_valid_q, front_done, load;
  logic [RecordWidth-1:0] front_q;
  logic [31:0]            front_seq_q;

  assign load = present_q[head_q[RingBits-1:0]] && (!front_valid_q || front_done);

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      present_q     <= '0;
      head_q        <= '0;
      front_valid_q <= 1'b0;
    end else begin
      if (any) present_q[seq[RingBits-1:0]] <= 1'b1;
      if (load) begin
        present_q[head_q[RingBits-1:0]] <= 1'b0;
        head_q <= head_q + 32'd1;
      end
      front_valid_q <= load || (front_valid_q && !front_done);
    end
    if (any) ring[seq[RingBits-1:0]] <= record;
    if (load) begin
      front_q     <= ring[head_q[RingBits-1:0]];
      front_seq_q <= head_q;
    end
  end

  // ---- the oldest frame leaves --------------------------------------------------------------------
  logic [7:0]       core, thread, trap;
  logic [31:0]      code, redirect, start, stop, insns, verdict;
  logic [15:0]      redirect_map, ifindex;
  logic             send, order_sent_q, released, release_sent_q;
  logic [Cores-1:0] core_onehot;

  assign {core, thread, code, redirect, redirect_map, ifindex, trap, start, stop, insns} = front_q;
  assign verdict = (trap != '0) ? 32'd0 : code;
  assign send    = verdict == 32'd2 || verdict == 32'd3 || verdict == 32'd4;

  always_comb begin
    for (int i = 0; i < Cores; i++) core_onehot[i] = core == 8'(i);
  end

  assign release_valid_o  = core_onehot & {Cores{front_valid_q && !release_sent_q}};
  assign release_thread_o = thread;
  assign release_send_o   = send;
  assign order_valid_o    = front_valid_q && send && !order_sent_q;
  assign order_core_o     = core;
  assign order_user_o     = {redirect, ifindex, redirect_map[11:0], verdict[3:0]};
  assign released         = release_sent_q || |(release_valid_o & release_ready_i);
  assign front_done       = front_valid_q && released && (!send || order_sent_q || order_ready_i);

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      release_sent_q <= 1'b0;
      order_sent_q   <= 1'b0;
    end else begin
      release_sent_q <= front_valid_q && released && !front_done;
      order_sent_q   <= front_valid_q && !front_done
                     && (order_sent_q || (order_valid_o && order_ready_i));
    end
  end

  // ---- verdict port -------------------------------------------------------------------------------
  logic           verdict_valid_q;
  logic [RecordWidth+31:0] verdict_q;
  logic           verdict_send_q;
  logic [15:0]    unused_ifindex;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) verdict_valid_q <= 1'b0;
    else verdict_valid_q <= front_done;
    if (front_done) begin
      verdict_q <= {front_seq_q, core, thread, verdict, redirect, redirect_map, ifindex, trap, start, stop, insns};
      verdict_send_q <= send;
    end
  end
  assign verdict_valid_o = verdict_valid_q;
  assign {verdict_seq_o, verdict_core_o, verdict_thread_o, verdict_code_o, verdict_redirect_o,
          verdict_redirect_map_o, unused_ifindex, verdict_trap_o, verdict_start_o, verdict_end_o,
          verdict_insns_o} = verdict_q;
  assign verdict_send_o = verdict_send_q;

  logic unused;
  assign unused = &{1'b0, seq[31:RingBits], unused_ifindex, redirect_map[15:12]};

  `include "bpf_assert.svh"
  `BPF_ASSERT(SlotIsFree, !any || !present_q[seq[RingBits-1:0]])
endmodule
