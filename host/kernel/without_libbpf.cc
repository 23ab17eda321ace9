// SPDX-License-Identifier: Apache-2.0
//
// The kernel engine of a build that found no libbpf: it says so.
#include <kiln/kernel_engine.h>

namespace kiln {
namespace {

Error unavailable() {
  return Error{Errc::kUnavailable, "kiln was built without libbpf"};
}

class NoKernel final : public Engine {
 public:
  std::string_view name() const override { return "kernel"; }
  Result<void> load(const VerifiedObject&, std::size_t, MapSet, const Environment&) override {
    return unavailable();
  }
  Result<Outcome> run(const Frame&) override { return unavailable(); }
  Result<MapSet> maps() override { return unavailable(); }
  Result<Throughput> measure(std::span<const Frame>, const MeasureOptions&) override {
    return unavailable();
  }
};

}  // namespace

std::uint32_t kernel_processors() { return 1; }

std::unique_ptr<Engine> make_kernel() {
  return std::make_unique<NoKernel>();
}

Result<KernelVerdict> kernel_verify(const Object&, const Program&, int) {
  return unavailable();
}

Result<KernelCode> kernel_code(const Object&, const Program&) { return unavailable(); }

}  // namespace kiln
