// SPDX-License-Identifier: Apache-2.0
//
// Hash of a frame's flow, for dispatch: IPv4 and IPv6 addresses and protocol, and the ports of
// unfragmented TCP, UDP and SCTP behind a header without options; of any other frame the Ethernet
// header. It looks at the first 64 bytes only and knows no VLAN tags or tunnels (those frames are
// one flow per Ethernet header). Not RSS's Toeplitz hash: no key, and no equal value elsewhere.
//
// Latency:     4 cycles from the last beat to hash_valid_o.
// Throughput:  1 beat per cycle, frames back to back, one hash per frame in order.
// Reset:       rst_ni clears the valid bits.
module bpf_flow_hash #(
  parameter int DataWidth = 64  // 64, 128, 256 or 512
) (
  input  logic                   clk_i,
  input  logic                   rst_ni,
  // frame beats, always accepted; keep marks the bytes that count
  input  logic                   valid_i,
  input  logic                   first_i,
  input  logic                   last_i,
  input  logic [DataWidth-1:0]   data_i,
  input  logic [DataWidth/8-1:0] keep_i,
  // result
  output logic                   hash_valid_o,
  output logic [15:0]            hash_o
);
  localparam int Slots = 512 / DataWidth;

  // First 64 bytes of the frame, zero where the frame is shorter.
  logic [511:0]         header_q, header_d;
  logic [3:0]           slot_q, slot;
  logic [DataWidth-1:0] kept;

  always_comb begin
    for (int i = 0; i < DataWidth / 8; i++) kept[8*i +: 8] = data_i[8*i +: 8] & {8{keep_i[i]}};
    slot = first_i ? 4'd0 : slot_q;
    header_d = first_i ? '0 : header_q;
    for (int i = 0; i < Slots; i++) begin
      if (slot == 4'(i)) header_d[DataWidth*i +: DataWidth] = kept;
    end
  end

  // Fields, by byte offset in the frame.
  logic        is_v4, is_v6, has_ports, plain_v4;
  logic [7:0]  protocol;
  logic [31:0] source, target, ports;
  logic [63:0] word_a, word_b;

  always_comb begin
    is_v4    = header_q[8*12 +: 16] == 16'h0008 && header_q[8*14+4 +: 4] == 4'h4;
    is_v6    = header_q[8*12 +: 16] == 16'hdd86 && header_q[8*14+4 +: 4] == 4'h6;
    plain_v4 = header_q[8*14 +: 4] == 4'd5 && header_q[8*20 +: 6] == '0 && header_q[8*21 +: 8] == '0;
    protocol = is_v4 ? header_q[8*23 +: 8] : header_q[8*20 +: 8];
    has_ports = (protocol == 8'd6 || protocol == 8'd17 || protocol == 8'd132) && (is_v6 || plain_v4);
    ports  = is_v4 ? header_q[8*34 +: 32] : header_q[8*54 +: 32];
    source = header_q[8*26 +: 32];
    target = header_q[8*30 +: 32];
    if (is_v6) begin
      source = header_q[8*22 +: 32] ^ header_q[8*26 +: 32] ^ header_q[8*30 +: 32]
             ^ header_q[8*34 +: 32];
      target = header_q[8*38 +: 32] ^ header_q[8*42 +: 32] ^ header_q[8*46 +: 32]
             ^ header_q[8*50 +: 32];
    end
    word_a = {target, source};
    word_b = {24'd0, protocol, has_ports ? ports : 32'd0};
    if (!is_v4 && !is_v6) begin
      word_a = header_q[63:0];
      word_b = {16'd0, header_q[111:64]};
    end
  end

  logic        header_valid_q, words_valid_q, first_crc_valid_q, hash_valid_q;
  logic [63:0] word_a_q, word_b_q, word_b2_q;
  logic [31:0] first_crc, first_crc_q, second_crc;
  logic [15:0] hash_q;

  bpf_crc32c u_first (.crc_i(32'hffff_ffff), .word_i(word_a_q), .crc_o(first_crc));
  bpf_crc32c u_second (.crc_i(first_crc_q), .word_i(word_b2_q), .crc_o(second_crc));

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      header_valid_q    <= 1'b0;
      words_valid_q     <= 1'b0;
      first_crc_valid_q <= 1'b0;
      hash_valid_q      <= 1'b0;
    end else begin
      header_valid_q    <= valid_i && last_i;
      words_valid_q     <= header_valid_q;
      first_crc_valid_q <= words_valid_q;
      hash_valid_q      <= first_crc_valid_q;
    end
    if (valid_i) begin
      header_q <= header_d;
      slot_q   <= (slot == 4'(Slots)) ? slot : slot + 4'd1;
    end
    word_a_q    <= word_a;
    word_b_q    <= word_b;
    word_b2_q   <= word_b_q;
    first_crc_q <= first_crc;
    // A sum, not an XOR: a CRC is linear, and flows that differ in a few bits may share its top bits.
    hash_q      <= second_crc[15:0] + second_crc[31:16];
  end

  assign hash_valid_o = hash_valid_q;
  assign hash_o       = hash_q;
endmodule
