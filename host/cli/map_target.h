// SPDX-License-Identifier: Apache-2.0
//
// What `kiln map` works on: a map in a file, and the keys and values that the words give.
#pragma once

#include <optional>

#include <kiln/map_file.h>

#include "map_words.h"

namespace kiln::cli {

/// A map in a file that is open: read, perhaps changed, perhaps written again.
struct OpenMap {
  std::string path;
  MapFile file;
  std::size_t map = 0;
  std::optional<FileLock> lock;

  MapSet& maps() { return file.maps; }
  const MapSpec& spec() const { return file.maps.spec(map); }
  Result<void> save() const { return save_map_file(path, file.maps, file.btf); }
};

/// MAP: `pinned FILE`, or `id N` or `name NAME` in the file `state`. \param to_change  others wait meanwhile.
/// \errors kUsage: no such map; those of load_map_file().
Result<OpenMap> open_map(Words& words, const std::string& state, bool to_change);
/// `key DATA`. \param optional  without the word it is empty.
Result<std::vector<std::byte>> read_key(Words& words, const OpenMap& open, bool optional);
/// `value VALUE`, as user space hands it over: the same for every processor of a per-CPU map.
Result<std::vector<std::byte>> read_value(Words& words, const OpenMap& open);

}  // namespace kiln::cli
