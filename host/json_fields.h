// SPDX-License-Identifier: Apache-2.0
//
// Typed access to a JSON object that people write: each member is asked for by name and type, and what
// does not fit, or was never asked for, becomes one error that names it.
#pragma once

#include <cstdint>
#include <limits>
#include <set>
#include <string>
#include <type_traits>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <kiln/result.h>

namespace kiln {

class JsonFields {
 public:
  using Json = nlohmann::ordered_json;

  /// \param what  how errors call the object: "route 3".
  JsonFields(const Json& object, std::string what) : object_(object), what_(std::move(what)) {
    if (!object.is_object()) {
      fail("", "is not an object");
    }
  }

  /// Sets `out` if there is such a member; integers must fit it.
  template <typename T>
  void get(const char* name, T& out) {
    const Json* value = member(name);
    if (value == nullptr) {
      return;
    }
    if constexpr (std::is_same_v<T, bool>) {
      value->is_boolean() ? void(out = value->template get<bool>()) : fail(name, "is not true or false");
    } else if constexpr (std::is_integral_v<T>) {
      static_assert(std::is_unsigned_v<T>);
      const bool fits = value->is_number_unsigned() &&
                        value->template get<std::uint64_t>() <= std::uint64_t{std::numeric_limits<T>::max()};
      fits ? void(out = static_cast<T>(value->template get<std::uint64_t>()))
           : fail(name, fmt::format("is not a number up to {}", std::numeric_limits<T>::max()));
    } else {
      value->is_string() ? void(out = value->template get<std::string>()) : fail(name, "is not a string");
    }
  }
  /// nullptr if there is none.
  const Json* member(const char* name) {
    asked_.insert(name);
    if (!object_.is_object()) {
      return nullptr;
    }
    const auto found = object_.find(name);
    return found == object_.end() ? nullptr : &*found;
  }
  void fail(const std::string& name, const std::string& why) {
    if (error_.empty()) {
      error_ = what_ + (name.empty() ? "" : fmt::format(": {}", name)) + " " + why;
    }
  }
  /// \param all_known  members that nobody asked for are an error.
  Result<void> done(bool all_known) {
    if (all_known && object_.is_object()) {
      for (const auto& [name, value] : object_.items()) {
        if (!asked_.contains(name)) {
          fail(name, "is not known");
        }
      }
    }
    return error_.empty() ? Result<void>() : Result<void>(Error{Errc::kInput, error_});
  }

 private:
  const Json& object_;
  std::string what_;
  std::set<std::string> asked_;
  std::string error_;
};

}  // namespace kiln
