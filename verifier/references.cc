// SPDX-License-Identifier: Apache-2.0
//
// References and sections: what a program has taken and must give back.
//
// Rules: what a function acquires (a socket, a ring buffer record) is released once on every path on
// which it is not NULL; afterwards everything that pointed at it is only a number. Nothing is held where the
// program ends or jumps to another one. Inside a section (a lock, RCU, interrupts or preemption off) the
// program does not end either, nor calls what might take long.
#include <algorithm>

#include "checker.h"

namespace kiln::verifier {

u32 Checker::acquire_reference() {
  const u32 id = new_id();
  state().held.refs.push_back({.id = id, .insn = insn_});
  return id;
}

/// Takes a reference off the list. \return false if it is not there.
bool Checker::drop_reference(State& s, u32 id) {
  const auto found = std::find_if(s.held.refs.begin(), s.held.refs.end(), [id](const Reference& r) {
    return r.id == id && r.kind == Reference::Kind::kPointer;
  });
  if (found == s.held.refs.end()) {
    return false;
  }
  s.held.refs.erase(found);
  return true;
}

/// Gives a reference back: what points at it is an address no more.
bool Checker::release_reference(u32 id) {
  if (!drop_reference(state(), id)) {
    return false;
  }
  invalidate([id](const Reg& reg) { return reg.ref == id; });
  return true;
}

/// Pointers borrowed from a list or tree are good only while its lock is held.
void Checker::forget_borrowed() {
  invalidate([](const Reg& reg) { return reg.has(kNonOwning); });
}

/// Nothing that must be given back is left behind.
/// \param what  "BPF_EXIT instruction in main prog", "tail_call", ...
/// \param sections  whether this may not happen inside a section either.
bool Checker::check_nothing_held(const char* what, bool sections, bool references) {
  const Held& held = state().held;
  if (sections && held.locks != 0) {
    return reject("{} cannot be used inside bpf_spin_lock-ed region", what);
  }
  for (const Reference& ref : held.refs) {
    if (references && ref.kind == Reference::Kind::kPointer) {
      const auto line = fmt::format("Unreleased reference id={} alloc_insn={}", ref.id, ref.insn);
      failed_ ? explain("{}", line) : reject("{}", line);
    }
  }
  if (failed_) {
    return explain("{} would lead to reference leak", what);
  }
  if (sections && held.irq_id != 0) {
    return reject("{} cannot be used inside bpf_local_irq_save-ed region", what);
  }
  if (sections && held.rcu != 0) {
    return reject("{} cannot be used inside bpf_rcu_read_lock-ed region", what);
  }
  if (sections && held.preempt != 0) {
    return reject("{} cannot be used inside bpf_preempt_disable-ed region", what);
  }
  return true;
}

bool Checker::in_sleepable_context() const {
  const Held& held = state().held;
  return state().sleepable && held.rcu == 0 && held.preempt == 0 && held.irq_id == 0 && held.locks == 0;
}

/// bpf_spin_lock() and its kin. \param owner  the map whose value holds the lock, or -1: an own object.
bool Checker::take_lock(Reference::Kind kind, u32 id, s32 owner) {
  Held& held = state().held;
  const auto is_plain = [](const Reference& r) { return r.kind == Reference::Kind::kLock; };
  if (kind == Reference::Kind::kLock && std::any_of(held.refs.begin(), held.refs.end(), is_plain)) {
    return reject("Locking two bpf_spin_locks are not allowed");
  }
  if (kind != Reference::Kind::kLock) {
    for (const Reference& ref : held.refs) {
      const bool res = ref.kind == Reference::Kind::kResLock || ref.kind == Reference::Kind::kResLockIrq;
      if (res && ref.id == id && ref.owner == owner) {
        return reject("Acquiring the same lock again, AA deadlock detected");
      }
    }
  }
  held.refs.push_back({.id = id, .insn = insn_, .kind = kind, .owner = owner});
  ++held.locks;
  held.lock_id = id;
  held.lock_owner = owner;
  return true;
}

bool Checker::give_lock(Reference::Kind kind, u32 id, s32 owner, const char* name) {
  Held& held = state().held;
  if (held.locks == 0) {
    return reject("{}_unlock without taking a lock", name);
  }
  const auto found = std::find_if(held.refs.begin(), held.refs.end(), [&](const Reference& r) {
    return r.kind == kind && r.id == id && r.owner == owner;
  });
  if (found == held.refs.end()) {
    return reject("{}_unlock of different lock", name);
  }
  if (held.lock_id != id || held.lock_owner != owner) {
    return reject("{}_unlock cannot be out of order", name);
  }
  held.refs.erase(found);
  --held.locks;
  held.lock_id = 0;
  held.lock_owner = -1;
  for (const Reference& ref : held.refs) {  // the one taken before it
    held.lock_id = ref.is_lock() ? ref.id : held.lock_id;
    held.lock_owner = ref.is_lock() ? ref.owner : held.lock_owner;
  }
  forget_borrowed();
  return true;
}

}  // namespace kiln::verifier
