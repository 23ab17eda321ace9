// SPDX-License-Identifier: Apache-2.0
//
// Objects for the loader's tests: those that CMake compiled from programs/, and those of installed
// packages.
#pragma once

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include <kiln/load.h>

namespace kiln::elf {

/// Where CMake put the compiled programs; "" if there is no clang or no libbpf headers.
inline std::string compiled(const std::string& name) {
  return std::string(KILN_TEST_OBJECTS).empty()
             ? ""
             : std::string(KILN_TEST_OBJECTS) + "/" + name + ".o";
}

#define KILN_NEEDS_COMPILED_PROGRAMS()                                        \
  if (std::string(KILN_TEST_OBJECTS).empty()) {                               \
    GTEST_SKIP() << "clang or libbpf's headers are missing: no test objects"; \
  }

/// The objects that xdp-tools and libxdp install, sorted; empty if they are not there.
inline std::vector<std::string> installed_objects() {
  std::vector<std::string> found;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(KILN_INSTALLED_OBJECTS, ignored)) {
    if (entry.path().extension() == ".o") {
      found.push_back(entry.path().string());
    }
  }
  std::sort(found.begin(), found.end());
  return found;
}

inline std::vector<std::byte> read_bytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  const auto* data = reinterpret_cast<const std::byte*>(text.data());
  return {data, data + text.size()};
}

inline const Program* find_program(const Object& object, const std::string& name) {
  for (const Program& program : object.programs) {
    if (program.name == name) {
      return &program;
    }
  }
  return nullptr;
}

inline const MapSpec* find_map(const Object& object, const std::string& name) {
  for (const MapSpec& map : object.maps) {
    if (map.name == name) {
      return &map;
    }
  }
  return nullptr;
}

}  // namespace kiln::elf
