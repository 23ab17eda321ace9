// SPDX-License-Identifier: Apache-2.0
//
// Requests of the threads to the service port: key buffers, a queue of requests, the beats.
//
// A request waits in the queue until those before it are sent. The key words of an SVC or ATOMIC
// are read from the thread's key buffer and go first; the buffer counts as empty from the cycle the
// request is queued. LOAD and STORE leave the key alone. A thread pushes at most 8 words before a
// request; more are dropped.
// Latency:     2 cycles from x2 to the port for a request without key, 3 to its first key beat.
// Throughput:  one beat a cycle, one cycle between a request with key and the one before it.
// Reset:       clears the queue, the key counts and the port's valid.

module bpf_core_svc #(
  parameter int Threads = 8,
  localparam int TW = $clog2(Threads)
) (
  input  logic          clk_i,
  input  logic          rst_ni,
  // from the pipeline, stage x2
  input  logic          x2_valid_i,
  input  logic          x2_keyed_i,   // SVC or ATOMIC: takes the key
  input  logic [TW-1:0] x2_thread_i,
  input  logic [3:0]    x2_op_i,
  input  logic [1:0]    x2_size_i,
  input  logic [31:0]   x2_addr_i,
  input  logic [63:0]   x2_data_i,
  input  logic [31:0]   x2_imm_i,
  // from bpf_core_writeback: key words
  input  logic          push_i,
  input  logic [TW-1:0] push_thread_i,
  input  logic [63:0]   push_data_i,
  // from bpf_core_rx: a frame starts with an empty key
  input  logic          start_valid_i,
  input  logic [TW-1:0] start_thread_i,
  // service port
  output logic          svc_valid_o,
  input  logic          svc_ready_i,
  output logic [7:0]    svc_thread_o,
  output logic [3:0]    svc_op_o,
  output logic [1:0]    svc_size_o,
  output logic [31:0]   svc_addr_o,
  output logic [63:0]   svc_data_o,
  output logic [31:0]   svc_imm_o,
  output logic          svc_key_o,
  output logic          svc_last_o
);

  localparam int QW = TW + 4 + 2 + 32 + 64 + 32 + 4;

  // Key words pushed so far, 0..8, four bits a thread.
  logic [4*Threads-1:0] count_q;
  logic [3:0] push_count, x2_count;
  assign push_count = count_q[4*push_thread_i+:4];
  assign x2_count   = x2_keyed_i ? count_q[4*x2_thread_i+:4] : '0;
  always_ff @(posedge clk_i) begin
    for (int t = 0; t < Threads; t++) begin
      if (push_i && push_thread_i == TW'(t) && !push_count[3]) count_q[4*t+:4] <= push_count + 4'd1;
      if (!rst_ni || (x2_valid_i && x2_keyed_i && x2_thread_i == TW'(t)) ||
          (start_valid_i && start_thread_i == TW'(t))) count_q[4*t+:4] <= '0;
    end
  end

  logic head_valid, pop;
  logic [TW-1:0] head_thread;
  logic [3:0] head_op, head_keys;
  logic [1:0] head_size;
  logic [31:0] head_addr, head_imm;
  logic [63:0] head_data, key_word;
  bpf_core_queue #(.Width(QW), .Depth(Threads)) u_queue (
    .clk_i,
    .rst_ni,
    .push_i (x2_valid_i),
    .data_i ({x2_thread_i, x2_op_i, x2_size_i, x2_addr_i, x2_data_i, x2_imm_i, x2_count}),
    .valid_o(head_valid),
    .data_o ({head_thread, head_op, head_size, head_addr, head_data, head_imm, head_keys}),
    .pop_i  (pop)
  );

  // sent_q: key words of the head that have gone to the port register. The RAM is addressed with
  // the word that will be wanted in the next cycle; fetched_q: its output is that of word sent_q.
  logic [3:0] sent_q, sent_d;
  logic fetched_q, room, key_left, key_beat, last_beat;
  assign room      = !svc_valid_o || svc_ready_i;
  assign key_left  = sent_q != head_keys;
  assign key_beat  = head_valid && room && key_left && fetched_q;
  assign last_beat = head_valid && room && !key_left;
  assign sent_d    = last_beat ? '0 : sent_q + {3'd0, key_beat};
  assign pop       = last_beat;

  bpf_core_bram #(.Width(64), .Depth(8 * Threads), .OutReg(0)) u_keys (
    .clk_i,
    .we_i   (push_i && !push_count[3]),
    .waddr_i({push_thread_i, push_count[2:0]}),
    .wdata_i(push_data_i),
    .raddr_i({head_thread, sent_d[2:0]}),
    .rdata_o(key_word)
  );

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      svc_valid_o <= 1'b0;
      fetched_q   <= 1'b0;
      sent_q      <= '0;
    end else begin
      if (room) svc_valid_o <= key_beat || last_beat;
      fetched_q <= head_valid && !pop;
      sent_q    <= sent_d;
    end
    if (room) begin
      svc_thread_o <= 8'(head_thread);
      svc_op_o     <= head_op;
      svc_size_o   <= head_size;
      svc_addr_o   <= head_addr;
      svc_imm_o    <= head_imm;
      svc_data_o   <= key_left ? key_word : head_data;
      svc_key_o    <= key_left;
      svc_last_o   <= !key_left;
    end
  end

endmodule
