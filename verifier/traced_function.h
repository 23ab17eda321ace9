// SPDX-License-Identifier: Apache-2.0
//
// The function of the kernel, tracepoint, hook or iterator that a program watches: its context is that function's
// arguments, 8 bytes each, of the types that the kernel's BTF gives them.
//
// The same for operations of the kernel's that a program implements (operations.h). Programs that extend other programs are not here.
#pragma once

#include <optional>
#include <string>
#include <variant>

#include <kiln/btf.h>

#include "operations.h"
#include "program_rules.h"
#include "state.h"

namespace kiln::verifier {

class TracedFunction {
 public:
  /// \return what `program` watches, or why that can't be said. \param kernel  null: no BTF here.
  static std::variant<TracedFunction, std::string> find(const Program& program, AttachType attach, const Btf* kernel);

  /// What a load of `bytes` at `off` of the context gives, or the reason why it may not be.
  std::variant<Reg, std::string> load(s64 off, u32 bytes) const;

  /// An iterator over sockets whose options programs may ask for and set.
  bool walks_sockets() const { return name_ == "bpf_iter_tcp" || name_ == "bpf_iter_unix"; }

  /// The operation that a struct_ops program implements; nullptr: it is of another type.
  const Operation* operation() const { return operation_ ? &*operation_ : nullptr; }

  /// What the program may return; nullopt: anything.
  std::optional<ReturnRange> return_range() const;

 private:
  static std::variant<TracedFunction, std::string> implemented(const Program& program, const Btf* kernel);
  std::variant<Reg, std::string> pointer(u32 argument, u32 pointed) const;
  Reg result() const;
  bool is_small_int(u32 type) const;

  const Btf* kernel_ = nullptr;
  std::string name_;  ///< as the kernel's messages have it
  AttachType attach_ = AttachType::kNone;
  u32 proto_ = 0;
  std::optional<Operation> operation_;
  u32 first_ = 0;  ///< parameters of the prototype that are not arguments
};

}  // namespace kiln::verifier
