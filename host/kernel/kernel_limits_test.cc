// SPDX-License-Identifier: Apache-2.0
//
// The limits of frames in address.h are the kernel's own, and not one byte off.
#include <cerrno>

#include <kiln/address.h>

#include "test_object.h"

namespace kiln::kernel::test {
namespace {

using KernelLimits = KernelTest;

/// What one helper call with one number gives, and the frame afterwards.
class Adjust {
 public:
  explicit Adjust(int helper)
      : running_(
            object({program("r6 = r1\nr2 = map[idx:0][0]+0\nr2 = *(u32 *)(r2 +0)\nr1 = r6\ncall " +
                            std::to_string(helper) + "\nexit\n")},
                   {map(MapType::kArray, 4, 4, 1)})) {}

  std::pair<int, std::size_t> operator()(int by, std::size_t bytes) {
    EXPECT_EQ(running_.maps.user_update(0, u32(0), u32(static_cast<std::uint32_t>(by)), kAny), 0);
    EXPECT_TRUE(running_.load());
    const Outcome out = running_.run(frame(bytes));
    last_ = out.frame;
    return {static_cast<std::int32_t>(out.code), out.frame.size()};
  }
  const std::vector<std::byte>& last() const { return last_; }

 private:
  Running running_;
  std::vector<std::byte> last_;
};

using Got = std::pair<int, std::size_t>;

TEST_F(KernelLimits, AdjustHead) {
  Adjust adjust(44);
  constexpr int kRoom = address::kHeadroom - address::kHeadReserved;
  EXPECT_EQ(adjust(-kRoom, 100), Got(0, 100 + kRoom));
  EXPECT_EQ(adjust(-kRoom - 1, 100), Got(-EINVAL, 100));
  EXPECT_EQ(adjust(86, 100), Got(0, 14));
  EXPECT_EQ(adjust(87, 100), Got(-EINVAL, 100));
}

TEST_F(KernelLimits, AdjustTail) {
  Adjust adjust(65);
  const auto max = static_cast<int>(address::kMaxFrame);
  EXPECT_EQ(max, 3520);
  EXPECT_EQ(adjust(max - 100, 100), Got(0, address::kMaxFrame));
  EXPECT_EQ(adjust(max - 99, 100), Got(-EINVAL, 100));
  EXPECT_EQ(adjust(1, address::kMaxFrame), Got(-EINVAL, address::kMaxFrame));
  EXPECT_EQ(adjust(-86, 100), Got(0, 14));
  EXPECT_EQ(adjust(-87, 100), Got(-EINVAL, 100));
}

TEST_F(KernelLimits, AdjustMeta) {
  Adjust adjust(54);
  constexpr int kRoom = address::kHeadroom - address::kHeadReserved;
  EXPECT_EQ(adjust(-kRoom, 100).first, 0);
  EXPECT_EQ(adjust(-kRoom - 4, 100).first, -EINVAL);
  EXPECT_EQ(adjust(-3, 100).first, -EACCES);
  EXPECT_EQ(adjust(4, 100).first, -EINVAL);
}

TEST_F(KernelLimits, HeadroomAndTailroomAreZero) {
  Adjust head(44);
  constexpr std::size_t kRoom = address::kHeadroom - address::kHeadReserved;
  head(-static_cast<int>(kRoom), 100);
  ASSERT_EQ(head.last().size(), 100 + kRoom);
  for (std::size_t i = 0; i < kRoom; ++i) {
    ASSERT_EQ(head.last()[i], std::byte{0}) << i;
  }
  Adjust tail(65);
  tail(3000, 100);
  ASSERT_EQ(tail.last().size(), 3100u);
  for (std::size_t i = 100; i < 3100; ++i) {
    ASSERT_EQ(tail.last()[i], std::byte{0}) << i;
  }
}

}  // namespace
}  // namespace kiln::kernel::test
