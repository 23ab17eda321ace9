// SPDX-License-Identifier: Apache-2.0
//
// A directory of pinned maps, as the BPF file system is for Linux: maps that objects declare with
// LIBBPF_PIN_BY_NAME are taken from it and kept in it, one file a map, under the map's name.
//
// From open() to the end of the object's life other processes that want these maps wait.
#pragma once

#include <string>
#include <vector>

#include <kiln/map_file.h>

namespace kiln {

class Pins {
 public:
  /// Locks the maps of `maps` that are to be pinned, and fills them with what is there.
  /// \param directory  made if it is not there. \param all  also maps that the object does not pin.
  /// \errors kInput: a file is damaged, or holds a map of another description; kUsage: there is none to pin.
  static Result<Pins> open(const std::string& directory, MapSet& maps, bool all);
  /// Writes them, each complete or not at all. \errors kInput.
  Result<void> save(const MapSet& maps, std::span<const std::byte> btf) const;

 private:
  std::string path_of(const MapSet& maps, std::size_t map) const;

  std::string directory_;
  std::vector<std::size_t> maps_;  ///< in the order of their names
  std::vector<FileLock> locks_;
};

}  // namespace kiln
