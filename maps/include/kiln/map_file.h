// SPDX-License-Identifier: Apache-2.0
//
// Maps in a file: what `kiln run --save-state` writes, what `kiln map` works on, what a pinned map is.
//
// A file holds all maps of an object, or one (pinned). It appears complete or not at all, whatever happens to
// the process that writes it. maps/README.md has the bytes.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include <kiln/map_set.h>
#include <kiln/result.h>

namespace kiln {

struct MapFile {
  MapSet maps;
  std::vector<std::byte> btf;  ///< of the object that the maps are from; empty: none
};

/// \errors kInput: cannot be written; the file is what it was.
Result<void> save_map_file(const std::string& path, const MapSet& maps, std::span<const std::byte> btf);

/// \errors kInput: cannot be read, not such a file, of another version, damaged; the message has the path.
Result<MapFile> load_map_file(const std::string& path);

/// Contents from one map to another of the same description, which may lie elsewhere and have another name.
/// \errors kInput, naming the first thing that differs; nothing is changed then.
Result<void> copy_map(const MapSet& from, std::size_t from_map, MapSet& to, std::size_t to_map);

/// One map alone. \errors kInput: its values are numbers of programs or maps of the object.
Result<MapSet> single_map(const MapSet& maps, std::size_t map);

/// Held while a file is read, changed and written again: others wait. Goes with the process, however it ends.
class FileLock {
 public:
  /// \param path  of the file; what is locked is ".NAME.lock" beside it. \errors kInput.
  static Result<FileLock> take(const std::string& path);
  ~FileLock();
  FileLock(FileLock&& other) noexcept : descriptor_(other.descriptor_) { other.descriptor_ = -1; }
  FileLock& operator=(FileLock&&) = delete;

 private:
  explicit FileLock(int descriptor) : descriptor_(descriptor) {}
  int descriptor_;
};

}  // namespace kiln
