// SPDX-License-Identifier: Apache-2.0
#include <kiln/helpers.h>

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

}  // namespace kiln
