// SPDX-License-Identifier: Apache-2.0
//
// A rejection's four blocks: Reason, At, Causal path, Suggestion. A message that no rule knows keeps its own words.
#include "explain.h"

#include "refusal.h"

namespace kiln::verifier {

Explanation explain(const Failure& failure) {
  const Refusal facts(failure);
  Words words = words_for(facts);
  Explanation e;
  e.reason = words.reason.empty() ? std::string(failure.message) : words.reason;
  e.suggestion = words.suggestion.empty() ? "change the program so that the rule in the reason holds on every path"
                                          : words.suggestion;
  if (const auto source = source_text(failure.program, failure.insn)) {
    e.at.push_back(*source);
  }
  if (failure.insn < failure.program.insns.size()) {
    e.at.push_back(insn_text(failure.program, failure.insn));
  }
  if (failure.state != nullptr) {
    if (!words.focus.reg && !words.focus.insn) {
      words.focus.reg = facts.reg_number();
    }
    e.path = causal_path(failure, words.focus);
  }
  return e;
}

}  // namespace kiln::verifier

namespace kiln {

std::string Explanation::text() const {
  std::string text = "Reason:\n  " + reason + "\nAt:\n";
  for (const std::string& line : at) {
    text += "  " + line + "\n";
  }
  text += "Causal path:\n";
  for (const std::string& line : path) {
    text += "  " + line + "\n";
  }
  if (path.empty()) {
    text += "  (none: the instruction itself is refused)\n";
  }
  return text + "Suggestion:\n  " + suggestion + "\n";
}

}  // namespace kiln
