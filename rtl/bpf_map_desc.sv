// SPDX-License-Identifier: Apache-2.0
//
// The map descriptors: written by the host word by word, fetched for a request in three rows of 128
// bits, in the order in which the map engine needs them. Words that it does not need are not kept.
//
// Latency:     rows 0 and 1 are out 3 cycles after fetch_i, row 2 and base_row_o 4 cycles.
// Reset:       none; a map's descriptor is undefined until the host has written it.
// Source:      maps/layout.md, Descriptor.
module bpf_map_desc #(
  parameter int Maps    = 64,  // power of two
  parameter int RowBits = 17   // of map memory
) (
  input  logic                    clk_i,
  // host
  input  logic                    we_i,
  input  logic [$clog2(Maps)+3:0] addr_i,  // map * 16 + word
  input  logic [31:0]             data_i,
  // engine
  input  logic                    fetch_i,
  input  logic [$clog2(Maps)-1:0] map_i,         // with fetch_i
  output logic [7:0]              type_o,        // enum bpf_map_type
  output logic [31:0]             bucket_mask_o,
  output logic [RowBits-1:0]      buckets_o,     // offsets and strides in rows of 8 bytes
  output logic [RowBits-1:0]      entries_o,
  output logic [RowBits-1:0]      stride_o,
  output logic [RowBits-1:0]      value_o,
  output logic [RowBits-1:0]      header_o,
  output logic [9:0]              key_size_o,    // bytes
  output logic [31:0]             entry_count_o,
  output logic [31:0]             max_entries_o,
  output logic [7:0]              hash_count_o,   // LRU: entries a processor takes at once
  output logic [RowBits-1:0]      base_o         // entries - stride: the row of entry link * stride
);
  localparam int MapBits = $clog2(Maps);

  // Where a word is kept: {kept, row, column}.
  logic [4:0] place;
  always_comb begin
    case (addr_i[3:0])
      4'd0:    place = {1'b1, 2'd0, 2'd0};  // type
      4'd7:    place = {1'b1, 2'd0, 2'd1};  // bucket_mask
      4'd6:    place = {1'b1, 2'd0, 2'd2};  // buckets
      4'd8:    place = {1'b1, 2'd0, 2'd3};  // entries
      4'd9:    place = {1'b1, 2'd1, 2'd0};  // entry_stride
      4'd10:   place = {1'b1, 2'd1, 2'd1};  // value_offset
      4'd5:    place = {1'b1, 2'd1, 2'd2};  // header
      4'd1:    place = {1'b1, 2'd1, 2'd3};  // key_size
      4'd13:   place = {1'b1, 2'd2, 2'd0};  // entry_count
      4'd3:    place = {1'b1, 2'd2, 2'd1};  // max_entries
      4'd14:   place = {1'b1, 2'd2, 2'd2};  // hash_count
      default: place = '0;
    endcase
  end

  logic               fetch1_q, fetch2_q, fetch3_q, read;
  logic [MapBits-1:0] map_q;
  logic [1:0]         row;
  logic [127:0]       word;

  assign read = fetch_i || fetch1_q || fetch2_q;
  assign row  = fetch_i ? 2'd0 : (fetch1_q ? 2'd1 : 2'd2);

  for (genvar column = 0; column < 4; column++) begin : gen_column
    bpf_ram_sdp #(.Width(32), .Depth(4 * Maps)) u_ram (
      .clk_i, .wr_en_i(we_i && place[4] && place[1:0] == 2'(column)),
      .wr_addr_i({addr_i[MapBits+3:4], place[3:2]}), .wr_data_i(data_i),
      .rd_en_i(read), .rd_addr_i({fetch_i ? map_i : map_q, row}),
      .rd_data_o(word[32*column +: 32])
    );
  end

  always_ff @(posedge clk_i) begin
    fetch1_q <= fetch_i;
    fetch2_q <= fetch1_q;
    fetch3_q <= fetch2_q;
    if (fetch_i) map_q <= map_i;
    if (fetch1_q) begin
      type_o        <= word[7:0];
      bucket_mask_o <= word[63:32];
      buckets_o     <= word[64+3 +: RowBits];
      entries_o     <= word[96+3 +: RowBits];
    end
    if (fetch2_q) begin
      stride_o      <= word[3 +: RowBits];
      value_o       <= word[32+3 +: RowBits];
      header_o      <= word[64+3 +: RowBits];
      key_size_o    <= word[96 +: 10];
    end
    if (fetch3_q) begin
      entry_count_o <= word[31:0];
      max_entries_o <= word[63:32];
      hash_count_o  <= word[71:64];
      base_o        <= entries_o - stride_o;
    end
  end

  logic unused;
  assign unused = &{1'b0, word};
endmodule
