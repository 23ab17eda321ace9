// SPDX-License-Identifier: Apache-2.0
//
// The verilated NIC as the core under test, one frame in flight: its retire port is what is compared.
#include <algorithm>

#include <kiln/nic_engine.h>

#include "harness.h"

namespace kiln::cosim {
namespace {

// Some hundred thousand clock cycles a second, about ten a word: a tenth of what the model is asked.
constexpr std::size_t kShare = 10, kLeast = 6;

class NicCore final : public Core {
 public:
  NicCore() : engine_(make_nic({.cores = 1, .threads = 8}, [this](const RetireRecord& record) {
                if (records_ != nullptr) {
                  records_->push_back(record);
                }
              })) {}

  Result<CoreImage> load(const VerifiedObject& object, std::size_t entry, const MapSet& maps,
                         const Environment& environment) override {
    if (auto loaded = engine_->load(object, entry, maps, environment); !loaded) {
      return loaded.error();
    }
    return lower_for_nic(object, entry, maps, false);
  }

  Result<Outcome> run(const Frame& frame, std::vector<RetireRecord>& records) override {
    records_ = &records;
    auto outcome = engine_->run(frame);
    records_ = nullptr;
    return outcome;
  }

  Result<MapSet> maps() override { return engine_->maps(); }

 private:
  std::vector<RetireRecord>* records_ = nullptr;
  std::unique_ptr<Engine> engine_;
};

}  // namespace

std::unique_ptr<Core> make_core(const CoreOptions&) { return std::make_unique<NicCore>(); }

// Loading takes a tenth of a second: a new simulation, with its map memory.
bool takes(std::size_t n) { return n % 7 == 0; }

std::size_t budget(std::size_t wanted) { return std::min(wanted, std::max(wanted / kShare, kLeast)); }

}  // namespace kiln::cosim
