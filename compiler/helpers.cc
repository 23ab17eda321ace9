// SPDX-License-Identifier: Apache-2.0
#include <kiln/helpers.h>

#include <linux/bpf.h>

#include <iterator>

namespace kiln {
namespace {

constexpr HelperInfo kHelpers[] = {
#define KILN_HELPER(number, name, result, a1, a2, a3, a4, a5, engines)        \
  HelperInfo{number,                                                          \
             #name,                                                           \
             HelperResult::result,                                            \
             {HelperArg::a1, HelperArg::a2, HelperArg::a3, HelperArg::a4, HelperArg::a5}, \
             engines},
#include <kiln/helpers.def>
};

#define KILN_HELPER_NAME(name) #name
constexpr std::string_view kNames[] = {__BPF_FUNC_MAPPER(KILN_HELPER_NAME)};
#undef KILN_HELPER_NAME

}  // namespace

std::span<const HelperInfo> helper_table() { return kHelpers; }

const HelperInfo* find_helper(std::uint32_t number) {
  for (const HelperInfo& helper : kHelpers) {
    if (helper.number == number) {
      return &helper;
    }
  }
  return nullptr;
}

std::string_view helper_name(std::uint32_t number) {
  if (const HelperInfo* helper = find_helper(number)) {
    return helper->name;
  }
  return number > 0 && number < std::size(kNames) ? kNames[number] : "";  // 0 is "unspec"
}

}  // namespace kiln
