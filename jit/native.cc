// SPDX-License-Identifier: Apache-2.0
//
// Programs that were compiled for this host, as an engine: what the JIT's code is measured against.
//
// The C source of a bundled program, compiled by clang -O2 with testbench/programs/native.h, lies as a shared object beside its BPF
// object. Frames, machine state, maps and helpers are those of the CPU engines. One engine at a time: they share its variables. Global data is the shared object's own, so
// that --maps does not reach it and maps() does not show it. Nothing is checked: for measuring only.
#include <dlfcn.h>

#include <filesystem>

#include <fmt/format.h>
#include <kiln/cpu_engines.h>

#include "cpu_engine.h"
#include "direct_helpers.h"

namespace kiln {
namespace {

/// As in testbench/programs/native.h.
struct NativeMap {
  MapView* view = nullptr;
  std::byte* entries = nullptr;
  std::byte* buckets = nullptr;
  std::uint32_t bucket_mask = 0, entry_stride = 0, value_offset = 0, max_entries = 0;
};
struct NativeHost {
  MachineState* machine = nullptr;
  HelperFunction lookup = nullptr, update = nullptr, erase = nullptr, redirect_map = nullptr;
  std::array<HelperFunction, 256> helpers{};
};

using NativeProgram = int (*)(void* context);

struct CloseLibrary {
  void operator()(void* library) const { dlclose(library); }
};

class Native final : public CpuEngine {
 public:
  explicit Native(std::string path) : path_(std::move(path)) {}

  std::string_view name() const override { return "native"; }

 protected:
  EngineSet helper_set() const override { return kJit; }
  AddressSpaceKind address_space(bool trusted) const override {
    return trusted ? AddressSpaceKind::kHostTrusted : AddressSpaceKind::kHost;
  }

  Result<void> prepare(const VerifiedObject& object) override {
    library_.reset(dlopen(path_.c_str(), RTLD_NOW | RTLD_LOCAL));
    if (library_ == nullptr) {
      return Error{Errc::kUnavailable, fmt::format("no native form of the program: {}", dlerror())};
    }
    const std::string& program = object.object->programs[entry()].name;
    program_ = reinterpret_cast<NativeProgram>(dlsym(library_.get(), program.c_str()));
    empty_ = reinterpret_cast<NativeProgram>(dlsym(library_.get(), "kiln_native_empty"));
    auto* host = static_cast<NativeHost*>(dlsym(library_.get(), "kiln_native"));
    if (program_ == nullptr || empty_ == nullptr || host == nullptr) {
      return Error{Errc::kUnavailable, fmt::format("{}: not a native form of {}", path_, program)};
    }
    link_helpers(*host);
    link_maps();
    return {};
  }

  Result<std::uint64_t> execute() override { return static_cast<std::uint32_t>(program_(runtime().frame.context)); }

  Result<TimedRound> time_round(const FrameRack& rack, double seconds, bool empty) override {
    HelperRuntime& machine = runtime();
    const NativeProgram program = empty ? empty_ : program_;
    return time_frames(machine, rack, seconds, restores_frames(), [&machine, program] {
      program(machine.frame.context);
      return true;
    });
  }

  std::uint64_t executed() const override { return 0; }

 private:
  void link_helpers(NativeHost& host) {
    host.machine = &runtime();
    host.lookup = direct_helper(DirectForm::kLookup);
    host.update = direct_helper(DirectForm::kUpdate);
    host.erase = direct_helper(DirectForm::kDelete);
    host.redirect_map = direct_helper(DirectForm::kRedirectMap);
    for (std::uint32_t number = 0; number < host.helpers.size(); ++number) {
      host.helpers[number] = helper_function(number);
    }
  }

  /// The first word of a map's variable leads to the map.
  void link_maps() {
    MapSet& maps = runtime().maps;
    views_.clear();
    maps_.assign(maps.size(), {});
    for (std::size_t map = 0; map < maps.size(); ++map) {
      views_.push_back(maps.view(map));
    }
    for (std::size_t map = 0; map < maps.size(); ++map) {
      const MapDescriptor& d = maps.descriptor(map);
      maps_[map] = {.view = &views_[map], .entries = maps.arena().data() + d.entries, .buckets = maps.arena().data() + d.buckets,
                    .bucket_mask = d.bucket_mask, .entry_stride = d.entry_stride, .value_offset = d.value_offset,
                    .max_entries = d.max_entries};
      if (void* variable = dlsym(library_.get(), maps.spec(map).name.c_str()); variable != nullptr) {
        *static_cast<NativeMap**>(variable) = &maps_[map];
      }
    }
  }

  std::string path_;
  std::unique_ptr<void, CloseLibrary> library_;
  NativeProgram program_ = nullptr, empty_ = nullptr;
  std::vector<MapView> views_;
  std::vector<NativeMap> maps_;
};

}  // namespace

std::unique_ptr<Engine> make_native(const std::string& path) { return std::make_unique<Native>(path); }

}  // namespace kiln
