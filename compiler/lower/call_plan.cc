// SPDX-License-Identifier: Apache-2.0
#include "call_plan.h"

#include <algorithm>
#include <cerrno>

#include <fmt/format.h>

#include "call_operands.h"
#include "native.h"

namespace kiln::lowering {
namespace {

constexpr std::size_t kMostChoices = 16;        // of a map: code for each

class Planner : private CallOperands {
 public:
  explicit Planner(const At& at) : CallOperands(at) {}

  CallPlan plan() {
    const Op op = at_.view.op(at_.slot);
    const Insn& insn = at_.view.insn(at_.slot);
    std::uint64_t number = static_cast<std::uint32_t>(insn.imm);
    if (op == Op::CALL_KFUNC) {
      return problem(fmt::format("the NIC has no kernel functions (#{})", insn.imm));
    }
    if (op == Op::CALLX) {
      const auto target = at_.constant(insn.dst);
      if (!target) {
        return problem("an indirect call needs a target that is the same on every path");
      }
      number = *target;
    }
    const HelperInfo* info = number <= 0xffff'ffff ? find_helper(static_cast<std::uint32_t>(number)) : nullptr;
    if (info == nullptr) {
      return problem(fmt::format("unknown helper {}", number));
    }
    if ((info->engines & kNic) == 0) {
      return problem(fmt::format("the NIC has no helper bpf_{}", info->name));
    }
    const unsigned map_reg = info->args[0] == HelperArg::kMapPtr ? 1 : info->args[1] == HelperArg::kMapPtr ? 2 : 0;
    if (map_reg == 0) {
      return plan_for(*info, 0);
    }
    const std::vector<std::uint32_t> maps = at_.maps(map_reg);
    if (maps.empty()) {
      return problem(fmt::format("which map R{} names is not known before the program runs", map_reg));
    }
    if (maps.size() > kMostChoices) {
      return problem(fmt::format("R{} may name any of {} maps; the NIC tells up to {} apart", map_reg, maps.size(), kMostChoices));
    }
    return maps.size() == 1 ? plan_for(*info, maps.front()) : choose(*info, map_reg, maps);
  }

 private:
  CallPlan problem(std::string why) {
    plan_.problem = std::move(why);
    return plan_;
  }

  CallPlan plan_for(const HelperInfo& info, std::uint32_t map) {
    plan_ = CallPlan{};
    plan_.slot = at_.slot;
    plan_.helper = static_cast<Helper>(info.number);
    plan_.map = map;
    for (unsigned reg = 1; reg <= 5; ++reg) {
      plan_.constant[reg] = at_.constant(reg);
    }
    if (const bool has_map = info.args[0] == HelperArg::kMapPtr || info.args[1] == HelperArg::kMapPtr;
        has_map && !nic_has_map_type(at_.view.maps()[map].type)) {
      plan_.problem = fmt::format("a {} lives at the host", map_type_name(at_.view.maps()[map].type));
      return plan_;
    }
    plan_.max1 = at_.max(1);
    plan_.max2 = at_.max(2);
    by_helper(info);
    return plan_;
  }

  /// Maps for which the call makes no sense (the verifier has excluded them) are left out. A choice with a
  /// problem goes to the host.
  CallPlan choose(const HelperInfo& info, unsigned map_reg, const std::vector<std::uint32_t>& maps) {
    CallPlan all;
    std::string why;
    bool any_fit = false;
    for (const std::uint32_t map : maps) {
      CallPlan one = plan_for(info, map);
      if (!one.problem.empty()) {
        why = one.problem;
        if (!one.senseless) {
          all.choices.push_back(std::move(one));
        }
        continue;
      }
      all.uses |= one.uses;
      all.reads_any_stack |= one.reads_any_stack;
      all.writes_any_stack |= one.writes_any_stack;
      all.stack_writes.insert(all.stack_writes.end(), one.stack_writes.begin(), one.stack_writes.end());
      all.stack_reads.insert(all.stack_reads.end(), one.stack_reads.begin(), one.stack_reads.end());
      all.result = any_fit ? join_values(all.result, one.result) : one.result;
      any_fit = true;
      all.choices.push_back(std::move(one));
    }
    if (!any_fit) {
      return problem(why);
    }
    if (all.choices.size() == 1) {
      return all.choices.front();
    }
    all.helper = static_cast<Helper>(info.number);
    all.map_reg = map_reg;
    all.uses |= bit(map_reg);
    return all;
  }

  void by_helper(const HelperInfo& info) {
    switch (plan_.helper) {
      case Helper::map_lookup_elem:
        return lookup();
      case Helper::map_update_elem:
        return update();
      case Helper::map_delete_elem:
        return erase();
      case Helper::tail_call:
        return tail_call();
      case Helper::redirect:
        find_context();
        use(1);
        if (!plan_.constant[2]) {
          use(2);
        }
        return;
      case Helper::redirect_map:
        return redirect_map();
      case Helper::csum_diff:
        return csum_diff();
      case Helper::xdp_adjust_head:
      case Helper::xdp_adjust_tail:
      case Helper::xdp_adjust_meta:
        find_context();
        if (!plan_.constant[2]) {
          use(2);
        }
        return;
      case Helper::get_smp_processor_id:
        find_context();
        return;
      case Helper::get_prandom_u32:
        plan_.result = Value::unknown(0xffff'ffff);
        return;
      case Helper::ktime_get_ns:
      case Helper::ktime_get_boot_ns:
      case Helper::ktime_get_tai_ns:
      case Helper::ktime_get_coarse_ns:
      case Helper::jiffies64:
      case Helper::get_numa_node_id:
        return;
      case Helper::xdp_get_buff_len:
        find_context();
        return;
      case Helper::xdp_load_bytes:
      case Helper::xdp_store_bytes:
        return packet_bytes();
      case Helper::map_push_elem:
        return push();
      case Helper::map_pop_elem:
      case Helper::map_peek_elem:
        return pop();
      case Helper::ringbuf_reserve:
        use_if_unknown(2);
        use_if_unknown(3);
        return;
      case Helper::ringbuf_submit:
      case Helper::ringbuf_discard:
        use(1);
        return;
      case Helper::ringbuf_output:
        buffer(2, 3);
        use_if_unknown(4);
        return;
      case Helper::perf_event_output:
        return perf_event();
      default:
        plan_.problem = fmt::format("the NIC has no helper bpf_{}", info.name);
    }
  }

  void lookup() {
    const MapType type = map().type;
    if (needs_cpu()) {
      find_context();
    }
    if (!is_array_like(type)) {
      key(2, 0);
      return;
    }
    array_index(2, 0);
    if (is_slot_array(type)) {
      return;
    }
    if (plan_.index.in_range) {
      plan_.result = Value::non_zero();
      if (plan_.index.constant && !needs_cpu()) {
        plan_.result = Value::constant(address::kMap + map().entries + *plan_.index.constant * map().entry_stride);
      }
    } else if (plan_.index.constant) {
      plan_.result = Value::constant(0);
    }
  }

  void update() {
    const MapType type = map().type;
    if (is_slot_array(type) || type == MapType::kDevmapHash || type == MapType::kHashOfMaps) {
      plan_.problem = fmt::format("programs do not update a {}", map_type_name(type));
      plan_.senseless = true;
      return;
    }
    if (needs_cpu()) {
      find_context();
    }
    if (is_array_like(type)) {
      array_index(2, bit(0));
      if (!plan_.constant[4]) {
        use(4);
      }
    } else {
      key(2, bit(0));
      use(4);
    }
    value();
  }

  void erase() {
    if (is_array_like(map().type)) {
      plan_.result = Value::constant(static_cast<std::uint64_t>(-std::int64_t{EINVAL}));
      return;
    }
    if (map().type == MapType::kDevmapHash || map().type == MapType::kHashOfMaps) {
      plan_.problem = fmt::format("programs do not delete from a {}", map_type_name(map().type));
      plan_.senseless = true;
      return;
    }
    key(2, 0);
  }

  void tail_call() {
    if (map().type != MapType::kProgArray) {
      plan_.problem = "a tail call needs a prog_array";
      plan_.senseless = true;
      return;
    }
    find_context();
    plan_.index = {.constant = std::nullopt, .in_range = at_.max(3) < map().max_entries, .reg = 3};
    if (plan_.constant[3]) {
      plan_.index.constant = static_cast<std::uint32_t>(*plan_.constant[3]);
      plan_.index.in_range = *plan_.index.constant < map().max_entries;
    } else {
      use(3);
    }
  }

  void redirect_map() {
    const MapType type = map().type;
    const bool devices = type == MapType::kDevmap || type == MapType::kDevmapHash;
    if (!devices && type != MapType::kCpumap && type != MapType::kXskmap) {
      plan_.problem = fmt::format("bpf_redirect_map does not take a {}", map_type_name(type));
      plan_.senseless = true;
      return;
    }
    constexpr std::uint64_t kBroadcast = 1 << 3;
    const RegFact* flags = at_.view.fact(at_.slot, 3);
    const bool single = plan_.constant[3] ? (*plan_.constant[3] & kBroadcast) == 0
                        : flags != nullptr && (flags->known_mask & kBroadcast) != 0 && (flags->known_value & kBroadcast) == 0;
    if (devices && !single) {
      plan_.problem = "the NIC does not send one frame to all devices of a map (BPF_F_BROADCAST)";
      return;
    }
    find_context();
    use(2);  // also stored as the target
    if (!plan_.constant[3]) {
      use(3);
    }
    plan_.index = {.constant = std::nullopt, .in_range = at_.max(2) < map().max_entries, .reg = 2};
    if (plan_.constant[2]) {
      plan_.index.constant = static_cast<std::uint32_t>(*plan_.constant[2]);
      plan_.index.in_range = *plan_.index.constant < map().max_entries;
    }
  }

  /// Queue, stack, Bloom filter: a short value goes as a key, a longer one through the stage.
  void push() {
    use_if_unknown(3);
    if (map().value_size <= kMaxKeyBytes) {
      return key(2, map().value_size, 0);
    }
    if (map().type == MapType::kBloomFilter) {
      plan_.problem = fmt::format("a value of {} bytes; the NIC hashes up to {}", map().value_size, kMaxKeyBytes);
    } else if (has_stage(map().value_size, "a value")) {
      find_context();
      plan_.value = operand(2, map().value_size);
      use(plan_.value.reg);
    }
  }

  void pop() {
    if (map().type == MapType::kBloomFilter) {
      return push();  // peek: whether the value may be in it
    }
    if (has_stage(map().value_size, "a value")) {
      find_context();
      plan_.value = written(2, map().value_size);
    }
  }

  void packet_bytes() {
    find_context();
    use_if_unknown(2);
    use_if_unknown(4);
    if (plan_.helper == Helper::xdp_store_bytes) {
      return buffer(3, 4);
    }
    if (plan_.constant[4]) {
      plan_.value = written(3, *plan_.constant[4]);
      return;
    }
    use(3);
    plan_.value = {.reg = 3, .offset = 0, .local = false, .frame = std::nullopt};
    plan_.writes_any_stack |= has(at_.kinds(3), ValueKind::kStack);
  }

  /// bpf_perf_event_output(): the record is gathered in the thread's stage, the packet's bytes behind the program's.
  void perf_event() {
    constexpr std::uint64_t kMostPacket = 0xfffff;
    find_context();
    const std::uint64_t longest = at_.view.options().window_bytes;
    const std::uint64_t packet = plan_.constant[3] ? std::min(*plan_.constant[3] >> 32 & kMostPacket, longest) : longest;
    constexpr std::uint64_t kMostData = 1 << 20;
    if (has_stage(std::min(at_.max(5), kMostData) + packet, "an event")) {
      use_if_unknown(3);
      buffer(4, 5);
    }
  }

  void csum_diff() {
    plan_.result = Value::unknown(0xffff);
    for (const unsigned reg : {1u, 3u}) {
      Operand& bytes = reg == 1 ? plan_.key : plan_.value;
      const auto size = plan_.constant[reg + 1];
      if (size && static_cast<std::uint32_t>(*size) == 0) {
        continue;  // the pointer is not looked at
      }
      if (size) {
        bytes = operand(reg, static_cast<std::uint32_t>(*size));
        use(bytes.reg);
        continue;
      }
      use(reg);
      use(reg + 1);
      bytes = {.reg = reg, .offset = 0, .local = false, .frame = std::nullopt};
      plan_.reads_any_stack |= has(at_.kinds(reg), ValueKind::kStack);
    }
    if (!plan_.constant[5]) {
      use(5);
    }
  }
};

}  // namespace

bool is_slot_array(MapType type) {
  return type == MapType::kProgArray || type == MapType::kPerfEventArray || type == MapType::kArrayOfMaps ||
         type == MapType::kDevmap || type == MapType::kCpumap || type == MapType::kXskmap;
}

bool is_array_like(MapType type) {
  return type == MapType::kArray || type == MapType::kPercpuArray || is_slot_array(type);
}

bool is_per_cpu(MapType type) {
  return type == MapType::kPercpuHash || type == MapType::kPercpuArray || type == MapType::kLruPercpuHash;
}

CallPlan plan_call(const At& at) { return Planner(at).plan(); }

}  // namespace kiln::lowering
