// SPDX-License-Identifier: Apache-2.0
//
// The AXI4-Lite slave: every register of bpf_reg_pkg. One access at a time, writes before reads.
//
// An access to no register, a write to a read-only one, a write without all four strobes, and an
// instruction write while RUN is set have no effect and answer SLVERR. Map memory accesses wait for
// map memory, and for the end of a fill.
//
// Latency:     2 cycles to bvalid or rvalid; 6 or more for a read of MAPMEM_LO.
// Handshake:   address and data of a write may come in any order; ready is registered or depends on
//              the access being carried out.
// Reset:       registers take the values of nic_registers.def.
module bpf_regs #(
  parameter int Cores       = 1,
  parameter int Threads     = 8,
  parameter int ImemWords   = 4096,
  parameter int MapBytes    = 1 << 20,
  parameter int DataWidth   = 64,
  parameter int WindowBytes = 4096,
  parameter int Maps        = 64
) (
  input  logic                      clk_i,
  input  logic                      rst_ni,
  // host
  input  logic                      awvalid_i,
  output logic                      awready_o,
  input  logic [15:0]               awaddr_i,
  input  logic                      wvalid_i,
  output logic                      wready_o,
  input  logic [31:0]               wdata_i,
  input  logic [3:0]                wstrb_i,
  output logic                      bvalid_o,
  input  logic                      bready_i,
  output logic [1:0]                bresp_o,
  input  logic                      arvalid_i,
  output logic                      arready_o,
  input  logic [15:0]               araddr_i,
  output logic                      rvalid_o,
  input  logic                      rready_i,
  output logic [31:0]               rdata_o,
  output logic [1:0]                rresp_o,
  // data path
  output logic                      run_o,
  output logic                      by_flow_o,
  output logic [15:0]               max_in_flight_o,
  output logic [Cores-1:0]          core_enable_o,
  output logic [Threads-1:0]        thread_enable_o,
  output logic [15:0]               entry_o,
  input  logic                      busy_i,
  input  logic [15:0]               in_flight_i,
  // instruction memories
  output logic                      imem_we_o,
  output logic [15:0]               imem_addr_o,
  output logic [63:0]               imem_data_o,
  // clock and random numbers
  output logic                      clock_we_o,
  output logic [63:0]               clock_o,
  output logic [31:0]               clock_step_o,
  input  logic [63:0]               clock_i,
  output logic                      random_we_o,
  output logic [63:0]               random_o,
  // descriptors
  output logic                      desc_we_o,
  output logic [$clog2(Maps)+3:0]   desc_addr_o,
  output logic [31:0]               desc_data_o,
  // map memory (bpf_map_host)
  output logic                      mem_valid_o,
  input  logic                      mem_ready_i,
  output logic [1:0]                mem_op_o,     // 0 read, 1 write, 2 fill
  output logic [$clog2(MapBytes)-4:0] mem_row_o,  // address / 8
  output logic [63:0]               mem_data_o,   // fill: rows
  input  logic                      mem_rvalid_i,
  input  logic [63:0]               mem_rdata_i,
  input  logic                      mem_filling_i,
  // events
  input  logic                      events_busy_i,
  // bpf_host_service: its registers
  output logic                      svc_we_o,
  output logic [3:0]                svc_waddr_o,
  output logic [31:0]               svc_wdata_o,
  output logic [3:0]                svc_raddr_o,
  input  logic [31:0]               svc_rdata_i,
  // counters from 0x100 on, 64 bits each
  input  logic [13*64-1:0]          counters_i
);
  localparam int RowBits  = $clog2(MapBytes) - 3;
  localparam int IndexBits = $clog2(Maps) + 4;
  localparam logic [1:0] OKAY = 2'b00, SLVERR = 2'b10;

  // ---- channels -----------------------------------------------------------------------------------
  logic        aw_q, w_q, ar_q, write_now, read_now, write_done, read_done, bvalid_q, rvalid_q;
  logic [15:0] awaddr_q, araddr_q;
  logic [31:0] wdata_q, rdata_q, rdata_d;
  logic [3:0]  wstrb_q;
  logic        berr_q, rerr_q, write_error, read_error, fetch_q, ask_q;

  assign awready_o = !aw_q || write_done;
  assign wready_o  = !w_q || write_done;
  assign arready_o = !ar_q || read_done;
  assign bvalid_o  = bvalid_q;
  assign rvalid_o  = rvalid_q;
  assign bresp_o   = berr_q ? SLVERR : OKAY;
  assign rresp_o   = rerr_q ? SLVERR : OKAY;
  assign rdata_o   = rdata_q;

  // A fetch from map memory that is asked for or under way keeps writes out.
  logic fetching;
  assign fetching  = fetch_q || ask_q;
  assign write_now = aw_q && w_q && !fetching && (!bvalid_q || bready_i);
  assign read_now  = ar_q && !(aw_q && w_q && !fetching) && (!rvalid_q || rready_i);

  logic write_waits, read_waits;
  assign write_done = write_now && !write_waits;
  assign read_done  = read_now && !read_waits;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      aw_q     <= 1'b0;
      w_q      <= 1'b0;
      ar_q     <= 1'b0;
      bvalid_q <= 1'b0;
      rvalid_q <= 1'b0;
    end else begin
      if (awready_o) aw_q <= awvalid_i;
      if (wready_o) w_q <= wvalid_i;
      if (arready_o) ar_q <= arvalid_i;
      bvalid_q <= write_done || (bvalid_q && !bready_i);
      rvalid_q <= read_done || (rvalid_q && !rready_i);
    end
    if (awready_o) awaddr_q <= awaddr_i;
    if (arready_o) araddr_q <= araddr_i;
    if (wready_o) begin
      wdata_q <= wdata_i;
      wstrb_q <= wstrb_i;
    end
    if (write_done) berr_q <= write_error;
    if (read_done) begin
      rerr_q  <= read_error;
      rdata_q <= rdata_d;
    end
  end

  // ---- registers ----------------------------------------------------------------------------------
  logic                 run_q, by_flow_q;
  logic [15:0]          max_in_flight_q, entry_q, imem_addr_q;
  logic [Cores-1:0]     core_enable_q;
  logic [Threads-1:0]   thread_enable_q;
  logic [31:0]          clock_hi_q, clock_step_q, random_hi_q, imem_lo_q, mapmem_lo_q, high_q;
  logic [RowBits-1:0]   row_q;
  logic [63:0]          word_q;
  logic [IndexBits-1:0] index_q;

  // What a write means. write_error keeps the enables below from acting.
  logic is_mem_write, is_fill, is_imem, act;
  always_comb begin
    is_mem_write = awaddr_q == bpf_reg_pkg::REG_MAPMEM_HI;
    is_fill      = awaddr_q == bpf_reg_pkg::REG_MAPMEM_FILL;
    is_imem      = awaddr_q == bpf_reg_pkg::REG_IMEM_HI;
    case (awaddr_q)
      bpf_reg_pkg::REG_CONTROL, bpf_reg_pkg::REG_MAX_IN_FLIGHT, bpf_reg_pkg::REG_CORE_ENABLE,
      bpf_reg_pkg::REG_THREAD_ENABLE, bpf_reg_pkg::REG_ENTRY, bpf_reg_pkg::REG_CLOCK_LO,
      bpf_reg_pkg::REG_CLOCK_HI, bpf_reg_pkg::REG_CLOCK_STEP, bpf_reg_pkg::REG_RANDOM_LO,
      bpf_reg_pkg::REG_RANDOM_HI, bpf_reg_pkg::REG_IMEM_ADDR, bpf_reg_pkg::REG_IMEM_LO,
      bpf_reg_pkg::REG_MAPMEM_ADDR, bpf_reg_pkg::REG_MAPMEM_LO, bpf_reg_pkg::REG_MAPMEM_HI,
      bpf_reg_pkg::REG_MAPMEM_FILL, bpf_reg_pkg::REG_MAP_INDEX,
      bpf_reg_pkg::REG_MAP_WORD, bpf_reg_pkg::REG_SVC_ADDR, bpf_reg_pkg::REG_SVC_IMM,
      bpf_reg_pkg::REG_SVC_DATA_LO, bpf_reg_pkg::REG_SVC_DATA_HI, bpf_reg_pkg::REG_SVC_KEY_LO,
      bpf_reg_pkg::REG_SVC_KEY_HI, bpf_reg_pkg::REG_SVC_GO,
      bpf_reg_pkg::REG_SVC_HOLD: write_error = wstrb_q != 4'hf;
      bpf_reg_pkg::REG_IMEM_HI:  write_error = wstrb_q != 4'hf || run_q;
      default:                   write_error = 1'b1;
    endcase
  end
  assign act = write_done && !write_error;

  // ---- map memory ---------------------------------------------------------------------------------
  logic mem_write, mem_fetch, fetched_q;
  assign mem_write   = write_now && !write_error && (is_mem_write || is_fill);
  assign mem_fetch   = read_now && araddr_q == bpf_reg_pkg::REG_MAPMEM_LO && !fetch_q && !fetched_q;
  assign mem_valid_o = mem_write || mem_fetch;
  assign mem_op_o    = mem_fetch ? 2'd0 : (is_fill ? 2'd2 : 2'd1);
  assign mem_row_o   = row_q;
  assign mem_data_o  = is_fill ? 64'(wdata_q[31:3]) : {wdata_q, mapmem_lo_q};
  assign write_waits = mem_write && !mem_ready_i;
  assign read_waits  = araddr_q == bpf_reg_pkg::REG_MAPMEM_LO && !fetched_q;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      fetch_q   <= 1'b0;
      fetched_q <= 1'b0;
      ask_q     <= 1'b0;
    end else begin
      ask_q <= mem_fetch && !mem_ready_i;
      if (mem_fetch && mem_ready_i) fetch_q <= 1'b1;
      else if (mem_rvalid_i) fetch_q <= 1'b0;
      if (mem_rvalid_i) fetched_q <= 1'b1;
      else if (read_done) fetched_q <= 1'b0;
    end
    if (mem_rvalid_i) word_q <= mem_rdata_i;
  end

  // ---- writes -------------------------------------------------------------------------------------
  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      run_q           <= 1'b0;
      by_flow_q       <= 1'b0;
      max_in_flight_q <= '0;
      core_enable_q   <= '1;
      thread_enable_q <= '1;
      entry_q         <= '0;
      clock_step_q    <= '0;
    end else if (act) begin
      case (awaddr_q)
        bpf_reg_pkg::REG_CONTROL:       {by_flow_q, run_q} <= wdata_q[1:0];
        bpf_reg_pkg::REG_MAX_IN_FLIGHT: max_in_flight_q <= wdata_q[15:0];
        bpf_reg_pkg::REG_CORE_ENABLE:   core_enable_q <= wdata_q[Cores-1:0];
        bpf_reg_pkg::REG_THREAD_ENABLE: thread_enable_q <= wdata_q[Threads-1:0];
        bpf_reg_pkg::REG_ENTRY:         entry_q <= wdata_q[15:0];
        bpf_reg_pkg::REG_CLOCK_STEP:    clock_step_q <= wdata_q;
        default: ;
      endcase
    end
    if (act) begin
      case (awaddr_q)
        bpf_reg_pkg::REG_CLOCK_HI:  clock_hi_q <= wdata_q;
        bpf_reg_pkg::REG_RANDOM_HI: random_hi_q <= wdata_q;
        bpf_reg_pkg::REG_IMEM_LO:   imem_lo_q <= wdata_q;
        bpf_reg_pkg::REG_MAPMEM_LO: mapmem_lo_q <= wdata_q;
        default: ;
      endcase
    end
    if (act && awaddr_q == bpf_reg_pkg::REG_IMEM_ADDR) imem_addr_q <= wdata_q[15:0];
    else if (act && is_imem) imem_addr_q <= imem_addr_q + 16'd1;
    if (act && awaddr_q == bpf_reg_pkg::REG_MAPMEM_ADDR) row_q <= wdata_q[RowBits+2:3];
    else if ((act && is_mem_write) || (read_done && araddr_q == bpf_reg_pkg::REG_MAPMEM_HI)) row_q <= row_q + 1'b1;
    if (act && awaddr_q == bpf_reg_pkg::REG_MAP_INDEX) index_q <= wdata_q[IndexBits-1:0];
    else if (act && awaddr_q == bpf_reg_pkg::REG_MAP_WORD) index_q <= index_q + 1'b1;
  end

  assign run_o           = run_q;
  assign by_flow_o       = by_flow_q;
  assign max_in_flight_o = max_in_flight_q;
  assign core_enable_o   = core_enable_q;
  assign thread_enable_o = thread_enable_q;
  assign entry_o         = entry_q;
  assign imem_we_o       = act && is_imem;
  assign imem_addr_o     = imem_addr_q;
  assign imem_data_o     = {wdata_q, imem_lo_q};
  assign clock_we_o      = act && awaddr_q == bpf_reg_pkg::REG_CLOCK_LO;
  assign clock_o         = {clock_hi_q, wdata_q};
  assign clock_step_o    = clock_step_q;
  assign random_we_o     = act && awaddr_q == bpf_reg_pkg::REG_RANDOM_LO;
  assign random_o        = {random_hi_q, wdata_q};
  assign desc_we_o       = act && awaddr_q == bpf_reg_pkg::REG_MAP_WORD;
  assign desc_addr_o     = index_q;
  assign desc_data_o     = wdata_q;
  assign svc_we_o        = act && awaddr_q[15:6] == bpf_reg_pkg::REG_SVC_ADDR[15:6];
  assign svc_waddr_o     = awaddr_q[5:2];
  assign svc_wdata_o     = wdata_q;
  assign svc_raddr_o     = araddr_q[5:2];

  // ---- reads --------------------------------------------------------------------------------------
  logic [63:0] wide;       // the 64-bit value that the address is half of
  logic        is_wide;
  logic [3:0]  counter;

  always_comb begin
    counter = araddr_q[6:3];
    wide    = clock_i;
    is_wide = araddr_q[15:3] == bpf_reg_pkg::REG_CLOCK_LO[15:3];
    for (int i = 0; i < 13; i++) begin
      if (araddr_q[15:7] == bpf_reg_pkg::REG_RX_FRAMES_LO[15:7] && counter == 4'(i) && i != 3) begin
        wide    = counters_i[64*i +: 64];
        is_wide = 1'b1;
      end
    end
  end

  always_comb begin
    read_error = 1'b0;
    rdata_d    = '0;
    case (araddr_q)
      bpf_reg_pkg::REG_ID:            rdata_d = 32'h4b49_4c4e;
      bpf_reg_pkg::REG_VERSION:       rdata_d = 32'h0001_0002;
      bpf_reg_pkg::REG_CONFIG0:       rdata_d = {8'($clog2(MapBytes)), 8'($clog2(ImemWords)),
                                                 8'(Threads), 8'(Cores)};
      bpf_reg_pkg::REG_CONFIG1:       rdata_d = {16'(DataWidth), 16'(WindowBytes)};
      bpf_reg_pkg::REG_CONTROL:       rdata_d = 32'({by_flow_q, run_q});
      bpf_reg_pkg::REG_STATUS:        rdata_d = {in_flight_i, 13'd0, events_busy_i, mem_filling_i, busy_i};
      bpf_reg_pkg::REG_MAX_IN_FLIGHT: rdata_d = 32'(max_in_flight_q);
      bpf_reg_pkg::REG_CORE_ENABLE:   rdata_d = 32'(core_enable_q);
      bpf_reg_pkg::REG_THREAD_ENABLE: rdata_d = 32'(thread_enable_q);
      bpf_reg_pkg::REG_ENTRY:         rdata_d = 32'(entry_q);
      bpf_reg_pkg::REG_CLOCK_STEP:    rdata_d = clock_step_q;
      bpf_reg_pkg::REG_IMEM_ADDR:     rdata_d = 32'(imem_addr_q);
      bpf_reg_pkg::REG_MAPMEM_ADDR:   rdata_d = 32'({row_q, 3'd0});
      bpf_reg_pkg::REG_MAPMEM_LO:     rdata_d = word_q[31:0];
      bpf_reg_pkg::REG_MAPMEM_HI:     rdata_d = word_q[63:32];
      bpf_reg_pkg::REG_MAP_INDEX:     rdata_d = 32'(index_q);
      bpf_reg_pkg::REG_SVC_ADDR, bpf_reg_pkg::REG_SVC_IMM, bpf_reg_pkg::REG_SVC_DATA_LO,
      bpf_reg_pkg::REG_SVC_DATA_HI, bpf_reg_pkg::REG_SVC_KEY_LO, bpf_reg_pkg::REG_SVC_KEY_HI,
      bpf_reg_pkg::REG_SVC_GO, bpf_reg_pkg::REG_SVC_HOLD, bpf_reg_pkg::REG_SVC_RESULT_LO,
      bpf_reg_pkg::REG_SVC_RESULT_HI: rdata_d = svc_rdata_i;
      // Write only.
      bpf_reg_pkg::REG_RANDOM_LO, bpf_reg_pkg::REG_RANDOM_HI, bpf_reg_pkg::REG_IMEM_LO,
      bpf_reg_pkg::REG_IMEM_HI, bpf_reg_pkg::REG_MAPMEM_FILL,
      bpf_reg_pkg::REG_MAP_WORD:      rdata_d = '0;
      default: begin
        read_error = !is_wide || araddr_q[1:0] != 2'b00;
        if (is_wide) rdata_d = araddr_q[2] ? high_q : wide[31:0];
      end
    endcase
  end

  always_ff @(posedge clk_i) begin
    if (read_done && is_wide && !araddr_q[2]) high_q <= wide[63:32];
  end
endmodule
