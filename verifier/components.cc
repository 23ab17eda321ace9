// SPDX-License-Identifier: Apache-2.0
#include "components.h"

#include <algorithm>

#include "subsume.h"

namespace kiln::verifier {
namespace {

/// Tarjan's algorithm with the recursion kept in a vector.
class Finder {
 public:
  Finder(const Program& program, Structure& structure)
      : program_(program), structure_(structure), order_(structure.slots.size()), low_(structure.slots.size()) {}

  void run() {
    for (u32 at = 0; at < structure_.slots.size(); ++at) {
      if (order_[at] == 0 && structure_.code[at].info != nullptr) {
        walk(at);
      }
    }
  }

 private:
  struct Visit {
    u32 at = 0;
    unsigned next = 0;
  };
  static constexpr u32 kDone = ~0u;

  void enter(u32 at) {
    order_[at] = low_[at] = ++count_;
    stack_.push_back(at);
    work_.push_back({at, 0});
  }

  void walk(u32 root) {
    enter(root);
    while (!work_.empty()) {
      Visit& visit = work_.back();
      const u32 at = visit.at;
      const Successors next = successors(structure_, program_, at);
      if (visit.next < next.count) {
        const u32 to = next.at[visit.next++];
        if (order_[to] == 0) {
          enter(to);
        } else {
          low_[at] = std::min(low_[at], low_[to]);
        }
        continue;
      }
      work_.pop_back();
      if (!work_.empty()) {
        low_[work_.back().at] = std::min(low_[work_.back().at], low_[at]);
      }
      if (low_[at] == order_[at]) {
        close(at, next);
      }
    }
  }

  /// `at` is the first of its component, which lies on top of the stack.
  void close(u32 at, const Successors& next) {
    bool loop = stack_.back() != at || structure_.slots[at].calls_callback;
    for (unsigned i = 0; i < next.count; ++i) {
      loop |= next.at[i] == at;
    }
    const u32 number = loop ? ++components_ : 0;
    for (bool more = true; more;) {
      const u32 member = stack_.back();
      stack_.pop_back();
      low_[member] = kDone;
      structure_.slots[member].component = number;
      more = member != at;
    }
  }

  const Program& program_;
  Structure& structure_;
  std::vector<u32> order_, low_;
  std::vector<u32> stack_;
  std::vector<Visit> work_;
  u32 count_ = 0, components_ = 0;
};

}  // namespace

void find_components(const Program& program, Structure& structure) { Finder(program, structure).run(); }

/// The outermost frame inside a loop says which; its callers say which copy of it.
bool LoopVisits::identify(const State& state, LoopVisit& visit) const {
  for (u32 f = 0; f < state.frames.size(); ++f) {
    const u32 at = position(state, f);
    visit.component = structure_.slots[at].component;
    if (visit.component != 0) {
      return true;
    }
    visit.callsites[f] = at;
  }
  return false;
}

LoopVisit* LoopVisits::find(const State& state) {
  LoopVisit wanted;
  if (!identify(state, wanted)) {
    return nullptr;
  }
  for (const auto& visit : visits_) {
    if (visit->component == wanted.component && visit->callsites == wanted.callsites) {
      return visit.get();
    }
  }
  return nullptr;
}

void LoopVisits::enter(State& state) {
  LoopVisit wanted;
  if (!identify(state, wanted)) {
    return;
  }
  LoopVisit* visit = find(state);
  if (visit == nullptr) {
    visits_.push_back(std::make_unique<LoopVisit>(std::move(wanted)));
    visit = visits_.back().get();
  }
  if (visit->entry == nullptr) {
    visit->entry = &state;
    state.enters_loop = true;
  }
}

bool LoopVisits::is_incomplete(const State& state) {
  if (visits_.empty()) {
    return false;
  }
  const LoopVisit* visit = find(state);
  return visit != nullptr && !visit->backedges.empty();
}

}  // namespace kiln::verifier
