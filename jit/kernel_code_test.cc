// SPDX-License-Identifier: Apache-2.0
//
// Machine code as Linux makes it, with its addresses changed to those here. Written by hand, so that no kernel is asked.
#include <gtest/gtest.h>

#include <kiln/cpu_engines.h>
#include <kiln/disasm.h>

#if defined(__x86_64__)

namespace kiln {
namespace {

constexpr std::uint64_t kHere = 0xffff'ffff'c000'0100, kThunk = 0xffff'ffff'8200'0000;

std::vector<std::byte> bytes(std::initializer_list<unsigned> values) {
  std::vector<std::byte> out;
  for (const unsigned value : values) {
    out.push_back(std::byte(value));
  }
  return out;
}

/// A jump or call, whose opcode is there, from what is so far in the function at `address`.
void append_target(KernelCode::Function& function, std::uint64_t target) {
  const auto distance = static_cast<std::uint32_t>(target - (function.address + function.bytes.size() + 4));
  for (unsigned i = 0; i < 4; ++i) {
    function.bytes.push_back(std::byte(distance >> 8 * i));
  }
}

/// A program that adds 1 to the first value of an array; what it is in BPF matters to Facts only.
struct Subject {
  Object object;
  std::vector<Facts> facts;

  Subject() {
    auto insns = assemble("r0 = 2\nexit\n");
    Program& program = object.programs.emplace_back();
    program.name = "entry";
    program.type = ProgramType::kXdp;
    program.insns = std::move(*insns);
    program.subprograms = {{.name = "entry", .start = 0, .end = 2}};
    MapSpec spec;
    spec.name = "map";
    spec.type = MapType::kArray;
    spec.key_size = 4;
    spec.value_size = 8;
    spec.max_entries = 2;
    object.maps.push_back(spec);
    Facts& known = facts.emplace_back();
    known.insns.resize(2);
    known.insns[0].reachable = known.insns[1].reachable = true;
    known.stack_depth = {0};
  }

  Result<std::unique_ptr<Engine>> load(const KernelCode& code) const {
    auto engine = make_kernel_code([&](const Object&, const Program&) -> Result<KernelCode> { return code; });
    auto maps = MapSet::create(object.maps, 1);
    KILN_TRY(engine->load({.object = &object, .facts = facts}, 0, std::move(*maps), {}));
    return engine;
  }
};

KernelCode::Function function_at(std::uint64_t address, std::initializer_list<unsigned> code) { return {.address = address, .bytes = bytes(code)}; }

TEST(KernelCode, ReturnsDirectly) {
  KernelCode code{.functions = {function_at(kHere, {0xb8, 2, 0, 0, 0, 0xe9})}, .constants = {}, .own_offsets = 0, .return_thunks = {kThunk}};  // mov eax, 2; jmp
  append_target(code.functions[0], kThunk);
  auto engine = Subject().load(code);
  ASSERT_TRUE(engine) << engine.error().message;
  auto outcome = (*engine)->run({.data = std::vector<std::byte>(64)});
  ASSERT_TRUE(outcome) << outcome.error().message;
  EXPECT_EQ(outcome->code, 2u);
}

TEST(KernelCode, CallsReachFunctionsOnOtherPages) {
  KernelCode code{.functions = {function_at(kHere, {0xe8}), function_at(kHere + 0x3210, {0xb8, 3, 0, 0, 0, 0xc3})}, .constants = {}, .own_offsets = 0, .return_thunks = {}};
  append_target(code.functions[0], code.functions[1].address);
  code.functions[0].bytes.push_back(std::byte{0xc3});
  auto engine = Subject().load(code);
  ASSERT_TRUE(engine) << engine.error().message;
  EXPECT_EQ((*engine)->run({.data = std::vector<std::byte>(64)})->code, 3u);
}

TEST(KernelCode, SeesTheFrameAndTheArray) {
  const Subject subject;
  // mov rax, [rdi] (data); movzx eax, byte [rax + 1]; mov rdi, ARRAY; inc qword [rdi + 0x18]; ret
  KernelCode code{.functions = {function_at(kHere, {0x48, 0x8b, 0x07, 0x0f, 0xb6, 0x40, 0x01, 0x48, 0xbf, 0, 0, 0, 0x12, 0x34, 0x88, 0xff, 0xff,
                                                    0x48, 0xff, 0x47, 0x18, 0xc3})},
                  .constants = {{.map = 0, .from_values = -0x10}}, .own_offsets = 0, .return_thunks = {}};
  auto engine = subject.load(code);
  ASSERT_TRUE(engine) << engine.error().message;
  Frame frame{.data = std::vector<std::byte>(64)};
  frame.data[1] = std::byte{4};
  EXPECT_EQ((*engine)->run(frame)->code, 4u);
  auto maps = (*engine)->maps();
  ASSERT_TRUE(maps);
  const std::uint32_t key = 1;
  const auto value = maps->user_lookup(0, std::as_bytes(std::span(&key, 1)));
  ASSERT_TRUE(value);
  EXPECT_EQ(std::to_integer<int>(value->front()), 1) << "the second value, 0x18 - 0x10 bytes from the first";
}

TEST(KernelCode, AValueOfThisProcessor) {
  Subject subject;
  subject.object.maps[0].type = MapType::kPercpuArray;
  // mov rax, ARRAY; mov rax, [rax + 0x18] (of the second value); add rax, gs:[this_cpu_off]; inc qword [rax]; ret
  KernelCode code{.functions = {function_at(kHere, {0x48, 0xb8, 0, 0, 0, 0x12, 0x34, 0x88, 0xff, 0xff, 0x48, 0x8b, 0x40, 0x18,
                                                    0x65, 0x48, 0x03, 0x04, 0x25, 0x20, 0x30, 0x40, 0x83, 0x48, 0xff, 0x00, 0xc3})},
                  .constants = {{.map = 0, .from_values = -0x10}}, .own_offsets = 1, .return_thunks = {}};
  auto engine = subject.load(code);
  ASSERT_TRUE(engine) << engine.error().message;
  ASSERT_TRUE((*engine)->run({.data = std::vector<std::byte>(64)}));
  const std::uint32_t key = 1;
  auto maps = (*engine)->maps();
  const auto value = maps->user_lookup(0, std::as_bytes(std::span(&key, 1)));
  ASSERT_TRUE(value);
  EXPECT_EQ(std::to_integer<int>(value->front()), 1);
}

TEST(KernelCode, AnAddressThatIsNotAccountedForIsRefused) {
  KernelCode code{.functions = {function_at(kHere, {0x48, 0xbf, 0, 0, 0, 0x12, 0x34, 0x88, 0xff, 0xff, 0xc3})}, .constants = {}, .own_offsets = 0, .return_thunks = {}};
  auto engine = Subject().load(code);
  ASSERT_FALSE(engine);
  EXPECT_EQ(engine.error().code, Errc::kUnsupported);
}

TEST(KernelCode, MoreOfTheContextIsRefused) {
  Subject subject;
  subject.facts[0].insns[0].memory = static_cast<ValueKinds>(ValueKind::kContext);
  subject.facts[0].insns[0].offset_max = 12;  // ingress_ifindex
  auto engine = subject.load({});
  ASSERT_FALSE(engine);
  EXPECT_EQ(engine.error().code, Errc::kUnsupported);
}

}  // namespace
}  // namespace kiln

#endif
