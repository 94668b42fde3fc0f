// SPDX-License-Identifier: BSD-2-Clause
// The system that is simulated: one CVA6 core in 64-bit Sv39 configuration. Its memory port and what it retires are
// led out as plain signals, because memory, devices and counting are in the test bench (bench.cpp).
module system import ariane_pkg::*; (
  input  logic        clock,
  input  logic        reset_n,
  input  logic        timer_interrupt,
  // Reads: address, then data.
  output logic        ar_valid,
  output logic [63:0] ar_addr,
  output logic [7:0]  ar_len,
  output logic [2:0]  ar_size,
  output logic [1:0]  ar_burst,
  output logic [3:0]  ar_id,
  output logic        ar_lock,
  input  logic        ar_ready,
  input  logic        r_valid,
  input  logic [63:0] r_data,
  input  logic [3:0]  r_id,
  input  logic        r_last,
  input  logic [1:0]  r_resp,
  output logic        r_ready,
  // Writes: address, data, then the answer.
  output logic        aw_valid,
  output logic [63:0] aw_addr,
  output logic [2:0]  aw_size,
  output logic [3:0]  aw_id,
  output logic        aw_lock,
  output logic [5:0]  aw_atop,
  input  logic        aw_ready,
  output logic        w_valid,
  output logic [63:0] w_data,
  output logic [7:0]  w_strb,
  output logic        w_last,
  input  logic        w_ready,
  input  logic        b_valid,
  input  logic [3:0]  b_id,
  input  logic [1:0]  b_resp,
  output logic        b_ready,
  // Up to two instructions retire in a cycle.
  output logic [1:0]       retired,
  output logic [1:0][31:0] retired_instruction,
  output logic [1:0][1:0]  retired_mode
);
  // The memory map of the board: devices below 2 GiB are neither cached nor fetched from, all above is memory.
  localparam ariane_cfg_t Configuration = '{
    RASDepth: 2,
    BTBEntries: 32,
    BHTEntries: 128,
    NrNonIdempotentRules: 1,
    NonIdempotentAddrBase: {64'h0},
    NonIdempotentLength: {64'h8000_0000},
    NrExecuteRegionRules: 1,
    ExecuteRegionAddrBase: {64'h8000_0000},
    ExecuteRegionLength: {64'hC000_0000},
    NrCachedRegionRules: 1,
    CachedRegionAddrBase: {64'h8000_0000},
    CachedRegionLength: {64'hC000_0000},
    AxiCompliant: 1'b1,
    SwapEndianess: 1'b0,
    DmBaseAddress: 64'h0,
    NrPMPEntries: 8
  };

  ariane_axi::req_t request;
  ariane_axi::resp_t response;
  ariane_rvfi_pkg::rvfi_port_t trace;

  ariane #(.ArianeCfg(Configuration)) core (
    .clk_i(clock),
    .rst_ni(reset_n),
    .boot_addr_i(64'h8000_0000),
    .hart_id_i('0),
    .irq_i('0),
    .ipi_i(1'b0),
    .time_irq_i(timer_interrupt),
    .debug_req_i(1'b0),
    .rvfi_o(trace),
    .axi_req_o(request),
    .axi_resp_i(response)
  );

  assign ar_valid = request.ar_valid;
  assign ar_addr = request.ar.addr;
  assign ar_len = request.ar.len;
  assign ar_size = request.ar.size;
  assign ar_burst = request.ar.burst;
  assign ar_id = request.ar.id;
  assign ar_lock = request.ar.lock;
  assign r_ready = request.r_ready;
  assign aw_valid = request.aw_valid;
  assign aw_addr = request.aw.addr;
  assign aw_size = request.aw.size;
  assign aw_id = request.aw.id;
  assign aw_lock = request.aw.lock;
  assign aw_atop = request.aw.atop;
  assign w_valid = request.w_valid;
  assign w_data = request.w.data;
  assign w_strb = request.w.strb;
  assign w_last = request.w.last;
  assign b_ready = request.b_ready;

  always_comb begin
    response = '0;
    response.ar_ready = ar_ready;
    response.r_valid = r_valid;
    response.r.data = r_data;
    response.r.id = r_id;
    response.r.last = r_last;
    response.r.resp = r_resp;
    response.aw_ready = aw_ready;
    response.w_ready = w_ready;
    response.b_valid = b_valid;
    response.b.id = b_id;
    response.b.resp = b_resp;
  end

  for (genvar i = 0; i < 2; i++) begin : ports
    assign retired[i] = trace[i].valid;
    assign retired_instruction[i] = trace[i].insn;
    assign retired_mode[i] = trace[i].mode;
  end
endmodule

// The package of the core lacks its unit for divisions and square roots of floating-point numbers. The kernel and the
// measured programs have none; an instruction that wants one gets zero.
module div_sqrt_top_mvp (
  input  logic        Clk_CI, Rst_RBI, Div_start_SI, Sqrt_start_SI,
  input  logic [63:0] Operand_a_DI, Operand_b_DI,
  input  logic [2:0]  RM_SI,
  input  logic [5:0]  Precision_ctl_SI,
  input  logic [1:0]  Format_sel_SI,
  input  logic        Kill_SI,
  output logic [63:0] Result_DO,
  output logic [4:0]  Fflags_SO,
  output logic        Ready_SO, Done_SO
);
  assign Result_DO = '0;
  assign Fflags_SO = '0;
  assign Ready_SO = 1'b1;
  assign Done_SO = Div_start_SI | Sqrt_start_SI;
endmodule
