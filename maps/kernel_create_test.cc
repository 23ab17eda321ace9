// SPDX-License-Identifier: Apache-2.0
//
// Random descriptions of maps: created here exactly when the kernel creates them.
#include <bpf/bpf.h>
#include <unistd.h>

#include <cerrno>

#include "kernel_maps.h"
#include "layout.h"

namespace kiln::test {
namespace {

/// Mostly what a type wants, so that both verdicts occur.
MapSpec random_spec(MapType type, std::mt19937& random) {
  const auto one_of = [&random](std::initializer_list<std::uint32_t> list) { return list.begin()[random() % list.size()]; };
  MapSpec s;
  s.name = "m";
  s.type = type;
  s.key_size = is_keyless(type) || is_ring(type) ? one_of({0, 0, 0, 4}) : one_of({0, 4, 4, 4, 4, 5, 8, 16, 260, 261, 513, 70000});
  s.value_size = is_ring(type) ? one_of({0, 0, 0, 4}) : one_of({0, 1, 4, 4, 4, 8, 8, 16, 24, 32, 1016, 1024, 32768, 32769});
  s.max_entries = is_ring(type) ? one_of({0, 4096, 8192, 12288, 4097}) : one_of({0, 1, 2, 7, 100});
  for (std::uint32_t bits = random() % 3; bits != 0; --bits) {
    s.flags |= 1u << one_of({0, 0, 1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 20});
  }
  if (type == MapType::kLpmTrie && random() % 8 != 0) {
    s.flags |= kNoPrealloc;
  }
  s.map_extra = type == MapType::kBloomFilter ? one_of({0, 0, 3, 15, 16}) : one_of({0, 0, 0, 0, 0, 0, 0, 1});
  return s;
}

TEST(KernelCreate, SameVerdicts) {
  if (const std::string why = why_no_kernel(); !why.empty()) {
    GTEST_SKIP() << why;
  }
  const KernelMap inner(spec(MapType::kArray, 4, 4, 1));
  std::mt19937 random(17);
  int created = 0, refused = 0;
  for (std::uint32_t number = 1; number <= 31; ++number) {
    const auto type = static_cast<MapType>(number);
    if (!has_layout(type) || is_local_storage(type)) {  // those need BTF
      continue;
    }
    for (int round = 0; round < steps_of_a_comparison() / 12; ++round) {
      const MapSpec s = random_spec(type, random);
      LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = s.flags, .map_extra = s.map_extra);
      if (holds_maps(type)) {
        options.inner_map_fd = static_cast<__u32>(inner.fd());
      }
      const int fd = bpf_map_create(static_cast<bpf_map_type>(number), "m", s.key_size, s.value_size, s.max_entries, &options);
      const int error = fd < 0 ? errno : 0;
      if (fd >= 0) {
        close(fd);
      }
      const Result<void> ours = detail::check_spec(s);
      ASSERT_EQ(static_cast<bool>(ours), fd >= 0)
          << map_type_name(type) << " key " << s.key_size << " value " << s.value_size << " entries " << s.max_entries
          << " flags " << s.flags << " extra " << s.map_extra << ": kernel " << std::strerror(error) << ", ours "
          << (ours ? "created" : ours.error().message);
      (fd >= 0 ? created : refused) += 1;
    }
  }
  std::printf("%d descriptions created, %d refused\n", created, refused);
  EXPECT_GT(created, 100);
}

}  // namespace
}  // namespace kiln::test
