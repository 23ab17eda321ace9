// SPDX-License-Identifier: Apache-2.0
//
// How Kiln reports failure: Result<T> for what a user can cause, KILN_CHECK for our own bugs.
//
// Names are a subset of std::expected (which g++ 12 has only in C++23). No exception crosses a
// folder boundary.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <utility>
#include <variant>

namespace kiln {

/// What a caller may act on differently. It grows only when a caller branches on it.
enum class Errc : std::uint8_t {
  kInput,        ///< the file, object, JSON or capture is not what it should be (exit 3)
  kUsage,        ///< the request makes no sense, e.g. no such program (exit 2)
  kRejected,     ///< the verifier refused the program (exit 1)
  kUnsupported,  ///< this engine can't do it; the message says what and why
  kUnavailable,  ///< not on this machine (e.g. bpf(2) refused); callers skip visibly
  kFault,        ///< a running program did what it must not (bad access, runaway)
  kInternal,     ///< a bug of ours (exit 4)
};

/// One failure: a sentence without a period, saying what, where and what to do.
struct Error {
  Errc code = Errc::kInternal;
  std::string message;
  std::optional<std::uint32_t> insn = std::nullopt;  ///< slot index it is about, where there is one
};

/// Either a T or an Error. REQUIRES: value() only after a true test, error() only after a false one.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}       // NOLINT(google-explicit-constructor)
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}   // NOLINT(google-explicit-constructor)

  explicit operator bool() const { return state_.index() == 0; }
  bool has_value() const { return state_.index() == 0; }
  T& value() & { return std::get<0>(state_); }
  const T& value() const& { return std::get<0>(state_); }
  T&& value() && { return std::get<0>(std::move(state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  const Error& error() const { return std::get<1>(state_); }

 private:
  std::variant<T, Error> state_;
};

/// Success without a value, or an Error.
template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}  // NOLINT(google-explicit-constructor)
  explicit operator bool() const { return !error_; }
  bool has_value() const { return !error_; }
  const Error& error() const { return *error_; }

 private:
  std::optional<Error> error_;
};

/// Ends the process with file and line: a bug of ours, in every build type.
[[noreturn]] inline void check_failed(const char* file, int line, const char* what) {
  std::fprintf(stderr, "kiln: internal error: %s:%d: %s\n", file, line, what);
  std::exit(4);
}

}  // namespace kiln

#define KILN_CHECK(cond)                                       \
  do {                                                         \
    if (!(cond)) ::kiln::check_failed(__FILE__, __LINE__, #cond); \
  } while (false)

/// Returns the error of `expr` from the enclosing function, if it has one.
#define KILN_TRY(expr)                                   \
  do {                                                   \
    if (auto kiln_try_ = (expr); !kiln_try_) return kiln_try_.error(); \
  } while (false)
