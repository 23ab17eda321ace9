// SPDX-License-Identifier: Apache-2.0
//
// The helper table (helpers.def) as data: what a helper is called, takes and returns, and who has it.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

namespace kiln {

enum class HelperArg : std::uint8_t {
  kNone,
  kAnything,           ///< any initialised scalar
  kContext,
  kMapPtr,
  kMapKey,             ///< readable, key_size bytes of the map in arg1
  kMapValue,           ///< readable, value_size bytes of the map in arg1
  kMemReadonly,        ///< readable, its size in the next argument
  kMemReadonlyOrNull,  ///< the same, or NULL when the size is 0
  kSize,               ///< > 0
  kSizeOrZero,
};

enum class HelperResult : std::uint8_t { kVoid, kInteger, kMapValueOrNull };

using EngineSet = std::uint8_t;
inline constexpr EngineSet kInterp = 1, kJit = 2, kKernel = 4, kNic = 8;
inline constexpr EngineSet kCpu = kInterp | kJit | kKernel, kAll = kCpu | kNic;

struct HelperInfo {
  std::uint32_t number;
  std::string_view name;  ///< without the bpf_ prefix
  HelperResult result;
  std::array<HelperArg, 5> args;
  EngineSet engines;
};

std::span<const HelperInfo> helper_table();
/// nullptr if Kiln does not know the helper.
const HelperInfo* find_helper(std::uint32_t number);
/// The kernel's name without bpf_, also of helpers that Kiln lacks; "" if there is none. The numbers
/// go as far as the kernel headers that Kiln was built with.
std::string_view helper_name(std::uint32_t number);

}  // namespace kiln
