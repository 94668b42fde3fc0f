// SPDX-License-Identifier: BSD-2-Clause
// The board around the simulated core: memory with a latency, a clock that interrupts, a serial port, a device that ends
// the run and sets the latency; and the counting. Usage: simulator IMAGE MOST_CYCLES
//
// IMAGE is what lies in memory from its start. For each pair of readings of the instruction counter at user level (the
// instructions that the benchmarks read with) a line is printed:
//   CORE|latency|cycles|instructions|cycles in machine mode|instructions in machine mode
// Cycles are from the retirement of one reading to that of the other; instructions are those in between.

#include <sys/mman.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>

#include "Vsystem.h"
#include "verilated.h"

namespace {

constexpr uint64_t kMemory = 0x80000000, kMemorySize = 3ull << 30;
constexpr uint64_t kTestDevice = 0x100000, kLatency = 0x100008, kSerialPort = 0x10000000;
constexpr uint64_t kCompare = 0x02004000, kClock = 0x0200bff8;
// A tick of the clock is 8 cycles: with the board's clock of 10 MHz, a core of 80 MHz.
constexpr int kTickBits = 3;
constexpr uint32_t kReadBefore = 0xc0202f73, kReadAfter = 0xc0202ff3;
constexpr int kMachineMode = 3;

uint8_t *memory;
uint64_t cycle, compare = ~0ull, latency = 1;
int result = -1;

uint64_t load(uint64_t address) {
  uint64_t value = 0;
  if (address >= kMemory && address + 8 <= kMemory + kMemorySize)
    memcpy(&value, memory + (address - kMemory), 8);
  else if (address == kClock)
    value = cycle >> kTickBits;
  return value;
}

// `lanes` has a bit for each byte that is written.
void store(uint64_t address, uint64_t value, unsigned lanes) {
  if (address >= kMemory && address + 8 <= kMemory + kMemorySize) {
    for (int i = 0; i < 8; i++)
      if (lanes >> i & 1) memory[address - kMemory + i] = value >> 8 * i;
  } else if (address == kSerialPort && (lanes & 1)) {
    putchar(value & 0xff);
    if ((value & 0xff) == '\n') fflush(stdout);
  } else if (address == kTestDevice && (lanes & 15) == 15) {
    uint32_t status = value;
    result = (status & 0xffff) == 0x5555 ? 0 : status >> 16;
  } else if (address == kLatency) {
    latency = value;
  } else if (address == kCompare) {
    compare = value;
  }
}

struct ReadBeat { uint64_t when, data; uint8_t id; bool last; uint8_t response; };
struct Answer { uint64_t when; uint8_t id, response; };

// The memory port. Reads are answered in order, the first word of a burst after the latency and then one each cycle;
// one write is taken at a time, and answered after the latency.
class Port {
 public:
  explicit Port(Vsystem *core) : core_(core) {}

  void drive() {
    reading_ = !beats_.empty() && beats_.front().when <= cycle;
    core_->r_valid = reading_;
    if (reading_) {
      const ReadBeat &beat = beats_.front();
      core_->r_data = beat.data;
      core_->r_id = beat.id;
      core_->r_last = beat.last;
      core_->r_resp = beat.response;
    }
    answering_ = !answers_.empty() && answers_.front().when <= cycle;
    core_->b_valid = answering_;
    if (answering_) {
      core_->b_id = answers_.front().id;
      core_->b_resp = answers_.front().response;
    }
    core_->ar_ready = 1;
    core_->aw_ready = !writing_;
    core_->w_ready = writing_;
  }

  // What was agreed on in this cycle; the signals are settled.
  void take() {
    bool read_done = reading_ && core_->r_ready, answer_done = answering_ && core_->b_ready;
    bool new_write = core_->aw_valid && !writing_, write_data = core_->w_valid && writing_;
    if (read_done) beats_.pop_front();
    if (answer_done) answers_.pop_front();
    if (core_->ar_valid) begin_read();
    if (write_data) write();
    if (new_write) {
      write_address_ = core_->aw_addr;
      write_size_ = core_->aw_size;
      write_id_ = core_->aw_id;
      write_lock_ = core_->aw_lock;
      write_atomic_ = core_->aw_atop;
      writing_ = true;
    }
  }

 private:
  void begin_read() {
    uint64_t address = core_->ar_addr, bytes = 1ull << core_->ar_size;
    int count = core_->ar_len + 1;
    uint64_t span = bytes * count;
    // A wrapping burst goes on at the start of its line.
    bool wraps = core_->ar_burst == 2;
    uint64_t line = wraps ? address / span * span : address;
    if (core_->ar_lock) reserved_ = address & ~7ull;
    uint64_t when = cycle + latency;
    if (!beats_.empty() && beats_.back().when >= when) when = beats_.back().when + 1;
    for (int i = 0; i < count; i++) {
      uint64_t at = line + (address - line + i * bytes) % span;
      beats_.push_back({when + i, load(at & ~7ull), (uint8_t)core_->ar_id, i == count - 1, (uint8_t)core_->ar_lock});
    }
  }

  void write() {
    uint64_t address = write_address_ & ~7ull, data = core_->w_data;
    bool allowed = true;
    if (write_lock_) {
      allowed = reserved_ == address;
      reserved_ = ~0ull;
    }
    if (write_atomic_) {
      uint64_t old = load(address);
      store(address, atomic(old, data), core_->w_strb);
      // Bit 5 asks for the old value.
      if (write_atomic_ & 0x20) beats_.push_back({cycle + latency, old, write_id_, true, 0});
    } else if (allowed) {
      store(address, data, core_->w_strb);
    }
    write_address_ += 1ull << write_size_;
    if (core_->w_last) {
      writing_ = false;
      answers_.push_back({cycle + latency, write_id_, (uint8_t)(write_lock_ && allowed)});
    }
  }

  // AXI5 atomic transactions: what is stored, in the lanes of the operand.
  uint64_t atomic(uint64_t old, uint64_t data) const {
    bool is_word = write_size_ == 2;
    int shift = is_word && (write_address_ & 4) ? 32 : 0;
    uint64_t mask = is_word ? 0xffffffff : ~0ull, a = old >> shift & mask, b = data >> shift & mask, to = b;
    int64_t sa = is_word ? (int32_t)a : (int64_t)a, sb = is_word ? (int32_t)b : (int64_t)b;
    if (write_atomic_ >> 4 != 3) switch (write_atomic_ & 7) {
      case 0: to = a + b; break;
      case 1: to = a & ~b; break;
      case 2: to = a ^ b; break;
      case 3: to = a | b; break;
      case 4: to = sa > sb ? a : b; break;
      case 5: to = sa < sb ? a : b; break;
      case 6: to = a > b ? a : b; break;
      case 7: to = a < b ? a : b; break;
    }
    return (to & mask) << shift;
  }

  Vsystem *core_;
  std::deque<ReadBeat> beats_;
  std::deque<Answer> answers_;
  bool reading_ = false, answering_ = false, writing_ = false;
  uint64_t write_address_ = 0, reserved_ = ~0ull;
  uint8_t write_size_ = 0, write_id_ = 0, write_lock_ = 0, write_atomic_ = 0;
};

// Counts between two readings, from what retires.
class Counting {
 public:
  void retire(uint32_t instruction, int mode) {
    uint64_t passed = cycle - last_;
    last_ = cycle;
    if (mode == 0 && instruction == kReadBefore) {
      inside_ = true;
      begin_ = cycle;
      instructions_ = machine_instructions_ = machine_cycles_ = 0;
    } else if (mode == 0 && instruction == kReadAfter) {
      if (inside_)
        printf("CORE|%lu|%lu|%lu|%lu|%lu\n", latency, cycle - begin_, instructions_, machine_cycles_,
               machine_instructions_);
      inside_ = false;
    } else if (inside_) {
      instructions_++;
      if (mode == kMachineMode) {
        machine_instructions_++;
        machine_cycles_ += passed;
      }
    }
  }

 private:
  bool inside_ = false;
  uint64_t last_ = 0, begin_ = 0, instructions_ = 0, machine_instructions_ = 0, machine_cycles_ = 0;
};

bool read_image(const char *name) {
  memory = (uint8_t *)mmap(nullptr, kMemorySize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                           -1, 0);
  FILE *file = fopen(name, "rb");
  if (memory == MAP_FAILED || !file) return false;
  size_t got = fread(memory, 1, kMemorySize, file);
  fclose(file);
  return got > 0;
}

}  // namespace

int main(int argc, char **argv) {
  if (argc != 3 || !read_image(argv[1])) {
    fprintf(stderr, "usage: simulator IMAGE MOST_CYCLES\n");
    return 2;
  }
  uint64_t most = strtoull(argv[2], nullptr, 0);
  VerilatedContext context;
  Vsystem core{&context};
  Port port{&core};
  Counting counting;
  core.reset_n = 0;
  for (int i = 0; i < 40; i++) {
    core.clock = i & 1;
    core.eval();
  }
  core.reset_n = 1;
  while (result < 0 && cycle < most) {
    core.timer_interrupt = cycle >> kTickBits >= compare;
    port.drive();
    core.clock = 0;
    core.eval();
    for (int i = 0; i < 2; i++)
      if (core.retired >> i & 1) counting.retire(core.retired_instruction >> 32 * i, core.retired_mode >> 2 * i & 3);
    port.take();
    core.clock = 1;
    core.eval();
    cycle++;
  }
  printf("CORE|END|%lu\n", cycle);
  fflush(stdout);
  return result < 0 ? 124 : result;
}
