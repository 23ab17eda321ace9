// SPDX-License-Identifier: Apache-2.0
//
// Local storages against the kernel's, from user space: the owners are sockets, processes, cgroups and files, which
// Linux names by descriptors and Kiln by numbers.
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>

#include "kernel_maps.h"
#include "layout.h"

namespace kiln::test {
namespace {

/// Types `int` and `char[value_size]` in the kernel; local storages are not made without.
class Types {
 public:
  explicit Types(std::uint32_t value_size) : btf_(btf__new_empty()) {
    key_ = static_cast<__u32>(btf__add_int(btf_, "int", 4, BTF_INT_SIGNED));
    const int byte = btf__add_int(btf_, "char", 1, BTF_INT_CHAR);
    value_ = static_cast<__u32>(btf__add_array(btf_, static_cast<int>(key_), byte, value_size));
    EXPECT_EQ(btf__load_into_kernel(btf_), 0) << std::strerror(errno);
  }
  ~Types() { btf__free(btf_); }
  Types(const Types&) = delete;
  Types& operator=(const Types&) = delete;

  int create(const MapSpec& spec) const {
    LIBBPF_OPTS(bpf_map_create_opts, options, .btf_fd = static_cast<__u32>(btf__fd(btf_)), .btf_key_type_id = key_,
                .btf_value_type_id = value_, .map_flags = spec.flags, .map_extra = spec.map_extra);
    return bpf_map_create(static_cast<bpf_map_type>(spec.type), "m", spec.key_size, spec.value_size, spec.max_entries, &options);
  }

 private:
  btf* btf_;
  __u32 key_ = 0, value_ = 0;
};

/// With types, as an object that clang built gives them.
MapSpec storage(MapType type, std::uint32_t key, std::uint32_t value, std::uint32_t entries, std::uint32_t flags) {
  MapSpec s = spec(type, key, value, entries, flags);
  s.btf_key_type = s.btf_value_type = 1;
  return s;
}

/// Some owners of one kind, as descriptors.
class Owners {
 public:
  static constexpr std::uint32_t kCount = 5;
  explicit Owners(MapType type) {
    for (std::uint32_t i = 0; i < kCount; ++i) {
      fds_.push_back(make(type, i));
    }
  }
  ~Owners() {
    for (const int fd : fds_) {
      close(fd);
    }
    for (const pid_t child : children_) {
      kill(child, SIGKILL);
      waitpid(child, nullptr, 0);
    }
    for (const std::string& folder : folders_) {
      rmdir(folder.c_str());
    }
  }
  Owners(const Owners&) = delete;
  Owners& operator=(const Owners&) = delete;

  bool all() const { return std::find(fds_.begin(), fds_.end(), -1) == fds_.end(); }
  ByteVector key(std::uint32_t owner) const { return u32(static_cast<std::uint32_t>(fds_[owner])); }

 private:
  int make(MapType type, std::uint32_t number) {
    switch (type) {  // NOLINT(clang-diagnostic-switch-enum)
      case MapType::kSkStorage:
        return socket(AF_INET, number % 2 == 0 ? SOCK_STREAM : SOCK_DGRAM, 0);
      case MapType::kTaskStorage: {
        const pid_t child = fork();
        if (child == 0) {
          pause();
          _exit(0);
        }
        children_.push_back(child);
        return static_cast<int>(syscall(SYS_pidfd_open, child, 0));
      }
      case MapType::kInodeStorage:
        return memfd_create("kiln_owner", 0);
      default:
        for (const char* root : {"/sys/fs/cgroup/unified", "/sys/fs/cgroup"}) {
          const std::string folder = std::string(root) + "/kiln_owner_" + std::to_string(getpid()) + "_" + std::to_string(number);
          if (mkdir(folder.c_str(), 0700) == 0) {
            folders_.push_back(folder);
            return open(folder.c_str(), O_RDONLY | O_DIRECTORY);
          }
        }
        return -1;
    }
  }

  std::vector<int> fds_;
  std::vector<pid_t> children_;
  std::vector<std::string> folders_;
};

int of(int result) { return result < 0 ? -errno : result; }

constexpr std::uint64_t kFlags[] = {0, 0, 0, 0, 1, 2, 2, 3, 4, 5, 6, 8, 1ull << 32};

/// Random operations on both; results and every owner's value must be equal.
void compare(const MapSpec& s, const Owners& owners, int theirs, int steps) {
  MapSet ours = make({s});
  std::mt19937 random(s.value_size);
  std::map<std::int64_t, int> seen;
  for (int step = 0; step < steps; ++step) {
    const std::uint32_t owner = random() % Owners::kCount;
    const ByteVector key = owners.key(owner);
    const std::uint64_t flags = kFlags[random() % std::size(kFlags)];
    ByteVector value = random_bytes(s.value_size, random);
    ByteVector mine = value;
    std::int64_t a = 0;
    std::int64_t b = 0;
    const auto what = random() % 16;
    if (what < 7) {
      a = ours.user_update(0, u32(owner), value, flags);
      for (int tries = 0; tries < 100; ++tries) {  // its allocator may have nothing at hand for a moment
        b = of(bpf_map_update_elem(theirs, key.data(), value.data(), flags));
        if (b != -ENOMEM && b != -EAGAIN && b != -EBUSY) {
          break;
        }
        usleep(1000);
      }
    } else if (what < 11) {
      a = ours.user_erase(0, u32(owner));
      b = of(bpf_map_delete_elem(theirs, key.data()));
    } else if (what < 14) {
      a = ours.user_read(0, u32(owner), mine, flags);
      b = of(bpf_map_lookup_elem_flags(theirs, key.data(), value.data(), flags));
    } else if (what == 14) {
      a = ours.user_read_and_erase(0, u32(owner), mine, 0);
      b = of(bpf_map_lookup_and_delete_elem(theirs, key.data(), value.data()));
    } else {
      ByteVector next(4);
      a = ours.user_next_key(0, {}, next);
      b = of(bpf_map_get_next_key(theirs, nullptr, next.data()));
    }
    ASSERT_EQ(a, b) << "step " << step << ", operation " << what << ", flags " << flags;
    ASSERT_EQ(mine, value) << "step " << step;
    ++seen[a];
  }
  std::printf("%-16s", std::string(map_type_name(s.type)).c_str());
  for (const auto& [result, times] : seen) {
    std::printf(" %d x%d", static_cast<int>(result), times);
  }
  std::printf("\n");
}

class KernelStorage : public testing::TestWithParam<MapType> {
 protected:
  void SetUp() override {
    if (const std::string why = why_no_kernel(); !why.empty()) {
      GTEST_SKIP() << why;
    }
  }
};

TEST_P(KernelStorage, SameResultsFromUserSpace) {
  const Owners owners(GetParam());
  if (!owners.all()) {
    GTEST_SKIP() << "no owners to be had: " << std::strerror(errno);
  }
  for (const std::uint32_t size : {1u, 8u, 13u, 200u}) {
    MapSpec s = storage(GetParam(), 4, size, 0, kNoPrealloc);
    const Types types(size);
    const int theirs = types.create(s);
    if (theirs < 0) {
      GTEST_SKIP() << "this kernel has no " << map_type_name(s.type) << ": " << std::strerror(errno);
    }
    compare(s, owners, theirs, steps_of_a_comparison());
    close(theirs);
    if (HasFatalFailure()) {
      return;
    }
  }
}

TEST_P(KernelStorage, IsCreatedWhenTheKernelCreatesIt) {
  std::mt19937 random(3);
  int created = 0;
  for (int round = 0; round < 150; ++round) {
    const auto one_of = [&random](std::initializer_list<std::uint32_t> list) { return list.begin()[random() % list.size()]; };
    MapSpec s = storage(GetParam(), one_of({4, 4, 4, 4, 8}), one_of({1, 8, 8, 400, 4000, 65000, 65536}), one_of({0, 0, 0, 1}),
                     one_of({1, 1, 1, 1, 0, 3, 1025, 9, 17, 5}));
    s.map_extra = one_of({0, 0, 0, 0, 0, 1});
    const Types types(s.value_size);
    const int fd = types.create(s);
    if (fd >= 0) {
      close(fd);
    }
    const Result<void> ours = detail::check_spec(s);
    ASSERT_EQ(static_cast<bool>(ours), fd >= 0) << "key " << s.key_size << " value " << s.value_size << " entries " << s.max_entries
                                                << " flags " << s.flags << " extra " << s.map_extra << ": "
                                                << (ours ? "" : ours.error().message);
    created += fd >= 0;
  }
  EXPECT_GT(created, 5);
}

INSTANTIATE_TEST_SUITE_P(Types, KernelStorage,
                         testing::Values(MapType::kSkStorage, MapType::kTaskStorage, MapType::kInodeStorage, MapType::kCgrpStorage),
                         [](const auto& given) { return std::string(map_type_name(given.param)); });

}  // namespace
}  // namespace kiln::test
