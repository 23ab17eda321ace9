// SPDX-License-Identifier: Apache-2.0
//
// Meanings are those of core_isa.def, core_services.def and rtl/core.md; BPF's operators are the
// interpreter's own (jit/arithmetic.h).
#include "core_model.h"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include <kiln/core_isa.h>
#include <kiln/map_ops.h>

#include "arithmetic.h"

namespace kiln::cosim {
namespace {

namespace a = arithmetic;

constexpr std::byte kPattern{0xa5};  // what undefined memory holds
constexpr std::uint64_t kGarbage = 0xdead'beef'a5a5'0000;

std::uint64_t immediate(const Insn& word) { return static_cast<std::uint64_t>(std::int64_t{word.imm}); }

}  // namespace

CoreModel::CoreModel(CoreImage image, MapSet maps, const Environment& environment, const ModelOptions& options)
    : image_(std::move(image)), maps_(std::move(maps)), environment_(environment), options_(options),
      random_(environment.random_seed), window_(environment.window_bytes) {}

std::uint32_t CoreModel::context(std::uint32_t offset) const {
  std::uint32_t value = 0;
  std::memcpy(&value, context_.data() + offset, sizeof(value));
  return value;
}

void CoreModel::set_context(std::uint32_t offset, std::uint32_t value) {
  std::memcpy(context_.data() + offset, &value, sizeof(value));
}

void CoreModel::begin(const Frame& frame) {
  for (unsigned reg = 0; reg < kRegs; ++reg) {
    regs_[reg] = kGarbage + reg;
  }
  written_.reset();
  context_.fill(kPattern);
  stack_.fill(std::byte{0});
  std::fill(window_.begin(), window_.end(), kPattern);
  std::memcpy(window_.data() + address::kHeadroom, frame.data.data(), frame.data.size());
  const std::uint32_t data = address::kPacket + address::kHeadroom;
  set_context(address::kCtxData, data);
  set_context(address::kCtxDataEnd, data + static_cast<std::uint32_t>(frame.data.size()));
  set_context(address::kCtxDataMeta, data);
  set_context(address::kCtxIngressIfindex, frame.ingress_ifindex);
  set_context(address::kCtxRxQueueIndex, frame.rx_queue);
  set_context(address::kCtxEgressIfindex, 0);
  set_context(address::kCtxRedirect, 0);
  set_context(address::kCtxRedirectMap, 0);
  set_context(address::kCtxZeroLow, data);
  set_context(address::kCtxCpu, options_.cpu);
  set_context(address::kCtxTailCalls, 0);
  key_.clear();
  pc_ = image_.entry;
  done_ = false;
  trap_ = 0;
  fault_.clear();
}

Outcome CoreModel::finish() {
  for (std::size_t map = 0; map < maps_.size(); ++map) {  // whoever reads ring buffers does so when a frame has left
    while (maps_.spec(map).type == MapType::kRingbuf && maps_.ring_take(map)) {
    }
  }
  Outcome outcome{.code = verdict_, .frame = {}, .redirect = {}};
  const std::uint32_t from = context(address::kCtxData) - address::kPacket;
  const std::uint32_t to = context(address::kCtxDataEnd) - address::kPacket;
  outcome.frame.assign(window_.begin() + from, window_.begin() + to);
  const std::uint32_t key = context(address::kCtxRedirect), map = context(address::kCtxRedirectMap);
  if (outcome.verdict() == Verdict::kRedirect) {
    outcome.redirect = RedirectTarget{.map = static_cast<std::int32_t>(map) - 1, .key = key};
  }
  return outcome;
}

Result<Outcome> CoreModel::run(const Frame& frame, std::vector<RetireRecord>& records) {
  begin(frame);
  std::uint64_t words = 0;
  while (!done_ && fault_.empty()) {
    if (pc_ >= image_.words.size()) {
      fault("ran out of the image");
      break;
    }
    if (++words > options_.max_words) {
      fault("runaway");
      break;
    }
    record_ = RetireRecord{};
    record_.seq = static_cast<std::uint32_t>(frame_number_);
    record_.pc = static_cast<std::uint16_t>(pc_);
    record_.insn = image_.words[pc_];
    next_ = pc_ + 1;
    step();
    record_.next_pc = static_cast<std::uint16_t>(next_);
    record_.exit = done_;
    records.push_back(record_);
    pc_ = next_;
  }
  ++frame_number_;
  if (!fault_.empty()) {
    return Error{Errc::kFault, fault_};
  }
  Outcome outcome = finish();
  outcome.insns = words;
  return outcome;
}

void CoreModel::fault(const std::string& what) {
  if (fault_.empty()) {
    fault_ = fmt::format("word {}: {}", pc_, what);
  }
}

std::uint64_t CoreModel::read(unsigned reg) {
  if (!written_[reg]) {
    fault(fmt::format("R{} is read but was never written", reg));
  }
  return regs_[reg];
}

void CoreModel::write(unsigned reg, std::uint64_t value) {
  regs_[reg] = value;
  written_[reg] = true;
  record_.rd_we = true;
  record_.rd = static_cast<std::uint8_t>(reg);
  record_.rd_data = value;
}

std::byte* CoreModel::at(std::uint64_t where, std::uint32_t bytes) {
  const auto inside = [where, bytes](std::uint32_t base, std::size_t size) {
    return where >= base && where + bytes <= base + size;
  };
  const std::span<std::byte> arena = maps_.arena();
  if (inside(address::kContext, context_.size())) {
    return context_.data() + (where - address::kContext);
  }
  if (inside(address::kStack, stack_.size())) {
    return stack_.data() + (where - address::kStack);
  }
  if (inside(address::kPacket, window_.size())) {
    return window_.data() + (where - address::kPacket);
  }
  if (inside(address::kMap, arena.size())) {
    return arena.data() + (where - address::kMap);
  }
  if (inside(address::kMap + stage_offset(maps_), stage_.size())) {
    return stage_.data() + (where - address::kMap - stage_offset(maps_));
  }
  fault(fmt::format("{} bytes at {:#x} are in no region", bytes, where));
  return nullptr;
}

std::uint64_t CoreModel::load(std::uint64_t where, std::uint32_t bytes) {
  const std::byte* from = at(where, bytes);
  std::uint64_t value = 0;
  if (from != nullptr) {
    std::memcpy(&value, from, bytes);
  }
  record_.mem_re = true;
  record_.mem_addr = static_cast<std::uint32_t>(where);
  record_.mem_size = static_cast<std::uint8_t>(bytes);
  return value;
}

void CoreModel::store(std::uint64_t where, std::uint32_t bytes, std::uint64_t value) {
  if (std::byte* to = at(where, bytes); to != nullptr) {
    std::memcpy(to, &value, bytes);
  }
  record_.mem_we = true;
  record_.mem_addr = static_cast<std::uint32_t>(where);
  record_.mem_size = static_cast<std::uint8_t>(bytes);
  record_.mem_data = value;
}

void CoreModel::push(std::uint64_t value) {
  key_.push_back(value);
  if (key_.size() > 8) {
    fault("a key of more than eight words");
  }
}

void CoreModel::step() {
  const Insn word = decode(record_.insn);
  if (is_core_insn(word)) {
    return core_word(word);
  }
  const InsnInfo* row = find_insn(word);
  if (row == nullptr) {
    return fault("not an instruction");
  }
  switch (row->form) {
    case Form::kAluImm:
    case Form::kAluReg:
      return alu(word, *row);
    case Form::kMovSx:
    case Form::kNeg:
    case Form::kEnd:
      return unary(word, *row);
    case Form::kJmpImm:
    case Form::kJmpReg:
      next_ += taken(word, *row) ? static_cast<std::uint32_t>(std::int32_t{word.off}) : 0;
      return;
    case Form::kJa:
      next_ += static_cast<std::uint32_t>(std::int32_t{word.off});
      return;
    case Form::kJa32:
      next_ += static_cast<std::uint32_t>(word.imm);
      return;
    case Form::kLoad:
    case Form::kStoreImm:
    case Form::kStoreReg:
      return load_store(word, *row);
    case Form::kAtomic:
    case Form::kAtomicFetch:
      return atomic(word, *row);
    case Form::kCall:
    case Form::kCallx:
    case Form::kExit:
    case Form::kLd64:
    case Form::kLdPacket:
    case Form::kMayGoto:
    case Form::kLoadAcquire:
    case Form::kStoreRelease:
    case Form::kAddrSpaceCast:
      return fault("the core has no such instruction");
  }
}

void CoreModel::core_word(const Insn& word) {
  switch (static_cast<CoreOp>(word.opcode)) {
    case CoreOp::MOVHI:
      return write(word.dst, (read(word.dst) & 0xffff'ffff) |
                                 std::uint64_t{static_cast<std::uint32_t>(word.imm)} << 32);
    case CoreOp::CSUM: {
      const std::uint64_t src = read(word.src);
      return write(word.dst, read(word.dst) + (src & 0xffff'ffff) + (src >> 32));
    }
    case CoreOp::PUSHM: {
      const std::uint64_t where = read(word.src) + static_cast<std::uint64_t>(std::int64_t{word.off});
      if (where >> 30 == 1) {
        fault("PUSHM of map memory");
      }
      if (word.imm < 1 || word.imm > 8) {
        return fault("PUSHM of no 1 to 8 bytes");
      }
      return push(load(where, static_cast<std::uint32_t>(word.imm)));
    }
    case CoreOp::PUSHR:
      return push(read(word.src));
    case CoreOp::JAL:
      write(word.dst, pc_ + 1);
      next_ = static_cast<std::uint32_t>(word.imm);
      return;
    case CoreOp::JALR:
      next_ = static_cast<std::uint16_t>(read(word.src));
      return write(word.dst, pc_ + 1);
    case CoreOp::JR:
      next_ = static_cast<std::uint16_t>(read(word.src));
      return;
    case CoreOp::EXIT:
      verdict_ = static_cast<std::uint32_t>(read(word.src));
      done_ = true;
      return;
    case CoreOp::SVC:
      return service(word);
    case CoreOp::TRAP:
      verdict_ = 0;
      trap_ = static_cast<std::uint32_t>(word.imm);
      done_ = true;
      return;
  }
}

void CoreModel::service(const Insn& word) {
  switch (static_cast<Service>(word.off)) {
    case Service::RANDOM:
      return write(word.dst, next_random(random_));
    case Service::TIME:
      return write(word.dst, environment_.clock_ns + frame_number_ * environment_.clock_step_ns);
    case Service::MAP_LOOKUP:
    case Service::MAP_PREPARE:
    case Service::MAP_COMMIT:
    case Service::MAP_DELETE:
      return map_service(word);
    case Service::MAP_PUSH:
    case Service::MAP_POP:
      return keyless_service(word);
    case Service::RING_RESERVE: {
      const std::uint32_t record = ring_reserve(maps_.view(static_cast<std::size_t>(word.imm)), read(word.src));
      return write(word.dst, record == 0 ? 0 : record + address::kMap);
    }
    case Service::EVENT:
      at(read(word.dst), static_cast<std::uint32_t>(read(word.src)));
      return write(word.dst, 0);
    default:
      return fault("an SVC of a request that loads and stores make");
  }
}

void CoreModel::alu(const Insn& word, const InsnInfo& row) {
  const std::uint64_t src = row.form == Form::kAluImm ? immediate(word) : read(word.src);
  const bool moves = row.op == Op::MOV64_IMM || row.op == Op::MOV64_REG || row.op == Op::MOV32_IMM || row.op == Op::MOV32_REG;
  const std::uint64_t dst = moves ? 0 : read(word.dst);
  const auto dst32 = static_cast<std::uint32_t>(dst), src32 = static_cast<std::uint32_t>(src);
  switch (row.op) {
#define KILN_ALU(NAME, function)                                      \
  case Op::NAME##64_IMM:                                              \
  case Op::NAME##64_REG:                                              \
    return write(word.dst, a::function<std::uint64_t>(dst, src));     \
  case Op::NAME##32_IMM:                                              \
  case Op::NAME##32_REG:                                              \
    return write(word.dst, a::function<std::uint32_t>(dst32, src32));
    KILN_TWO_OPERAND_INSNS(KILN_ALU)
#undef KILN_ALU
    default:
      return fault("arithmetic without a rule");
  }
}

void CoreModel::unary(const Insn& word, const InsnInfo& row) {
  const std::uint64_t value = read(row.form == Form::kMovSx ? word.src : word.dst);
  const auto low = static_cast<std::uint32_t>(value);
  switch (row.op) {
    case Op::MOVSX64_8:
      return write(word.dst, a::sign_extend<std::int8_t, std::uint64_t>(value));
    case Op::MOVSX64_16:
      return write(word.dst, a::sign_extend<std::int16_t, std::uint64_t>(value));
    case Op::MOVSX64_32:
      return write(word.dst, a::sign_extend<std::int32_t, std::uint64_t>(value));
    case Op::MOVSX32_8:
      return write(word.dst, a::sign_extend<std::int8_t, std::uint32_t>(low));
    case Op::MOVSX32_16:
      return write(word.dst, a::sign_extend<std::int16_t, std::uint32_t>(low));
    case Op::NEG64:
      return write(word.dst, a::neg<std::uint64_t>(value));
    case Op::NEG32:
      return write(word.dst, a::neg<std::uint32_t>(low));
    case Op::LE16:
      return write(word.dst, value & 0xffff);
    case Op::LE32:
      return write(word.dst, low);
    case Op::LE64:
      return write(word.dst, value);
    case Op::BE16:
    case Op::BSWAP16:
      return write(word.dst, a::swap16(value));
    case Op::BE32:
    case Op::BSWAP32:
      return write(word.dst, a::swap32(value));
    case Op::BE64:
    case Op::BSWAP64:
      return write(word.dst, a::swap64(value));
    default:
      return fault("arithmetic without a rule");
  }
}

bool CoreModel::taken(const Insn& word, const InsnInfo& row) {
  const std::uint64_t dst = read(word.dst);
  const std::uint64_t src = row.form == Form::kJmpImm ? immediate(word) : read(word.src);
  const auto dst32 = static_cast<std::uint32_t>(dst), src32 = static_cast<std::uint32_t>(src);
  const auto sdst = static_cast<std::int64_t>(dst), ssrc = static_cast<std::int64_t>(src);
  const auto sdst32 = static_cast<std::int32_t>(dst), ssrc32 = static_cast<std::int32_t>(src);
  switch (row.op) {
#define KILN_JUMP(NAME, expression64, expression32) \
  case Op::NAME##64_IMM:                            \
  case Op::NAME##64_REG:                            \
    return expression64;                            \
  case Op::NAME##32_IMM:                            \
  case Op::NAME##32_REG:                            \
    return expression32;
    KILN_JUMP(JEQ, dst == src, dst32 == src32)
    KILN_JUMP(JNE, dst != src, dst32 != src32)
    KILN_JUMP(JGT, dst > src, dst32 > src32)
    KILN_JUMP(JGE, dst >= src, dst32 >= src32)
    KILN_JUMP(JLT, dst < src, dst32 < src32)
    KILN_JUMP(JLE, dst <= src, dst32 <= src32)
    KILN_JUMP(JSET, (dst & src) != 0, (dst32 & src32) != 0)
    KILN_JUMP(JSGT, sdst > ssrc, sdst32 > ssrc32)
    KILN_JUMP(JSGE, sdst >= ssrc, sdst32 >= ssrc32)
    KILN_JUMP(JSLT, sdst < ssrc, sdst32 < ssrc32)
    KILN_JUMP(JSLE, sdst <= ssrc, sdst32 <= ssrc32)
#undef KILN_JUMP
    default:
      fault("a jump without a rule");
      return false;
  }
}

void CoreModel::load_store(const Insn& word, const InsnInfo& row) {
  const unsigned bytes = access_bytes(word.opcode);
  const auto offset = static_cast<std::uint64_t>(std::int64_t{word.off});
  if (row.form != Form::kLoad) {
    // A subprogram saves registers whether or not its callers have ever used them.
    const bool saves = word.dst == kSaveRegister;
    const std::uint64_t value = row.form == Form::kStoreImm ? immediate(word) : saves ? regs_[word.src] : read(word.src);
    return store(read(word.dst) + offset, bytes, value);
  }
  const std::uint64_t value = load(read(word.src) + offset, bytes);
  switch (row.op) {
    case Op::LDXSB:
      return write(word.dst, a::sign_extend<std::int8_t, std::uint64_t>(value));
    case Op::LDXSH:
      return write(word.dst, a::sign_extend<std::int16_t, std::uint64_t>(value));
    case Op::LDXSW:
      return write(word.dst, a::sign_extend<std::int32_t, std::uint64_t>(value));
    default:
      return write(word.dst, value);
  }
}

/// Only on maps: the memory port does them.
void CoreModel::atomic(const Insn& word, const InsnInfo& row) {
  const unsigned bytes = access_bytes(word.opcode);
  const std::uint64_t where = read(word.dst) + static_cast<std::uint64_t>(std::int64_t{word.off});
  if (where >> 30 != 1) {
    return fault("an atomic on memory that is not a map's");
  }
  const std::uint64_t mask = bytes == 8 ? ~std::uint64_t{0} : 0xffff'ffff;
  const std::uint64_t old = load(where, bytes), src = read(word.src);
  constexpr std::int32_t kFetch = 1, kExchange = 0xe1, kCompare = 0xf1;
  std::uint64_t value = old;
  switch (word.imm & ~kFetch) {
    case 0x00:
      value = old + src;
      break;
    case 0x40:
      value = old | src;
      break;
    case 0x50:
      value = old & src;
      break;
    case 0xa0:
      value = old ^ src;
      break;
    case kExchange & ~kFetch:
      value = src;
      break;
    default:
      if (word.imm != kCompare || key_.size() != 1) {
        return fault("a compare and exchange needs one pushed word");
      }
      value = old == (key_.front() & mask) ? src : old;
      key_.clear();
  }
  store(where, bytes, value);
  if (row.form == Form::kAtomicFetch) {
    write(word.imm == kCompare ? 0 : word.src, old);
  }
}

}  // namespace kiln::cosim
