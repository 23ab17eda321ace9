// SPDX-License-Identifier: Apache-2.0
#include "signature.h"

#include <cstring>

#include <fmt/format.h>

#include "kernel_names.h"

namespace kiln::verifier {
namespace {

/// Tags that the declaration of an argument may carry, "arg:NAME".
enum Tag : unsigned { kCtxTag = 1, kNonnull = 2, kTrustedTag = 4, kUntrustedTag = 8, kNullable = 16, kArena = 32 };
struct NamedTag {
  std::string_view name;
  unsigned tag;
};
constexpr NamedTag kTags[] = {{"ctx", kCtxTag},         {"nonnull", kNonnull},   {"trusted", kTrustedTag},
                              {"untrusted", kUntrustedTag}, {"nullable", kNullable}, {"arena", kArena}};

bool is_number(const Btf& btf, std::optional<u32> type) {
  return type && *type != 0 && (btf.kind(*type) == BtfKind::kInt || btf.is_enum(*type));
}

/// One argument of one function.
class Argument {
 public:
  Argument(const SignatureSource& source, u32 func, u32 index, std::string& defect)
      : source_(source), btf_(*source.program), func_(func), index_(index), defect_(defect) {}

  /// What the callee may assume of it; kNotInit: `defect` says why it can't be used.
  Reg read(u32 type) {
    const auto tags = read_tags();
    const auto plain = btf_.strip(type);
    if (!tags || !plain) {
      return Reg{};
    }
    if (*plain != 0 && btf_.kind(*plain) == BtfKind::kPtr) {
      return pointer(btf_.target(*plain), *tags);
    }
    if (*tags != 0) {
      return refuse("arg#{} has pointer tag, but is not a pointer type", index_);
    }
    return is_number(btf_, plain) ? Reg::unknown()
                                  : refuse("Arg#{} type {} in {}() is not supported yet.", index_,
                                           kind_word(btf_, *plain), btf_.name(func_));
  }

 private:
  template <typename... Args>
  Reg refuse(fmt::format_string<Args...> format, Args&&... args) {
    defect_ = fmt::format(format, std::forward<Args>(args)...);
    return Reg{};
  }

  std::optional<unsigned> read_tags() {
    unsigned tags = 0;
    for (u32 id = 1; id < btf_.count(); ++id) {
      constexpr std::string_view kPrefix = "arg:";
      s32 component = 0;
      if (btf_.kind(id) != BtfKind::kDeclTag || btf_.target(id) != func_ || !btf_.name(id).starts_with(kPrefix)) {
        continue;
      }
      std::memcpy(&component, btf_.raw().data() + btf_.extra_offset(id), sizeof component);
      if (component != static_cast<s32>(index_)) {
        continue;
      }
      unsigned found = 0;
      for (const NamedTag& known : kTags) {
        found |= btf_.name(id).substr(kPrefix.size()) == known.name ? known.tag : 0;
      }
      if (found == 0) {
        refuse("arg#{} has unsupported set of tags", index_);
        return std::nullopt;
      }
      tags |= found;
    }
    return tags;
  }

  Reg pointer(u32 pointed, unsigned tags) {
    const auto bad_tags = [this] { return refuse("arg#{} has invalid combination of tags", index_); };
    const auto target = btf_.strip(pointed);
    if (!target) {
      return Reg{};
    }
    const bool is_struct = *target != 0 && btf_.kind(*target) == BtfKind::kStruct;
    if ((tags & kCtxTag) != 0 || is_context(pointed, *target)) {
      if ((tags & ~unsigned{kCtxTag}) != 0) {
        return bad_tags();
      }
      return (tags & kCtxTag) == 0 || may_be_context(pointed, *target)
                 ? Reg::pointer(RegType::kCtx)
                 : refuse("arg#{} should be `struct {} *`", index_, context_struct_name(source_.type));
    }
    if (is_struct && btf_.name(*target) == "bpf_dynptr") {
      Reg dynptr = Reg::pointer(RegType::kDynptr);
      dynptr.extra = static_cast<s32>(DynptrType::kLocal);
      dynptr.set(kFirstSlot);
      return tags != 0 ? bad_tags() : dynptr;
    }
    if ((tags & kTrustedTag) != 0) {
      return (tags & kNonnull) != 0 ? bad_tags() : kernel_struct(*target, kTrusted, (tags & kNullable) != 0);
    }
    if ((tags & kUntrustedTag) != 0) {
      return untrusted(*target, tags);
    }
    if ((tags & kArena) != 0) {
      return refuse("arg#{}: arenas are not supported by this verifier", index_);
    }
    return (tags & kNullable) != 0 ? bad_tags() : memory(*target, (tags & kNonnull) != 0);
  }

  Reg memory(u32 target, bool nonnull) {
    const auto size = target == 0 ? std::nullopt : btf_.size_of(target);
    if (!size) {
      return refuse("arg#{} reference type('{} {}') size cannot be determined: -22", index_,
                    kind_word(btf_, target), target == 0 ? "" : btf_.name(target));
    }
    Reg memory = Reg::pointer(RegType::kMem);
    memory.extra = static_cast<s32>(*size);
    memory.maybe_null = !nonnull;
    return memory;
  }

  Reg untrusted(u32 target, unsigned tags) {
    if ((tags & ~unsigned{kUntrustedTag}) != 0) {
      return refuse("arg#{} untrusted cannot be combined with any other tags", index_);
    }
    if (target != 0 && btf_.is_composite(target)) {
      return kernel_struct(target, kUntrusted, false);
    }
    Reg memory = Reg::pointer(RegType::kMem);
    memory.set(kReadOnly | kUntrusted);
    return memory;
  }

  Reg kernel_struct(u32 target, unsigned flag, bool nullable) {
    const Btf* kernel = source_.kernel();
    std::string_view name = target == 0 ? "" : btf_.name(target);
    name = name.substr(0, name.find("___"));  // a flavour of the struct
    const auto id = kernel == nullptr || target == 0 ? std::nullopt : kernel->find(btf_.kind(target), name);
    if (!id) {
      return refuse("arg#{} type {} {} is not known to the kernel", index_, kind_word(btf_, target), name);
    }
    Reg reg = Reg::pointer(RegType::kBtf);
    reg.extra = static_cast<s32>(*id);
    reg.set(flag);
    reg.maybe_null = nullable;
    return reg;
  }

  bool is_registers_typedef(u32 pointed) const {
    for (u32 id = pointed; id != 0;) {
      switch (btf_.kind(id)) {
        case BtfKind::kTypedef: return btf_.name(id) == "bpf_user_pt_regs_t";
        case BtfKind::kConst:
        case BtfKind::kVolatile:
        case BtfKind::kRestrict: id = btf_.target(id); break;
        default: return false;
      }
    }
    return false;
  }

  /// By its type alone.
  bool is_context(u32 pointed, u32 target) const {
    const std::string_view name = context_struct_name(source_.type);
    if (source_.type == ProgramType::kKprobe && is_registers_typedef(pointed)) {
      return true;
    }
    if (target == 0 || btf_.kind(target) != BtfKind::kStruct || name.empty()) {
      return false;
    }
    const std::string_view have = btf_.name(target);
    return have == name || (source_.type == ProgramType::kKprobe && have == "bpf_user_pt_regs_t") || (name == "xdp_md" && have == "xdp_buff") || (name == "__sk_buff" && have == "sk_buff");
  }

  /// By its tag: of types that go with the program type.
  bool may_be_context(u32 pointed, u32 target) const {
    const bool traced = source_.type == ProgramType::kKprobe || source_.type == ProgramType::kPerfEvent;
    const bool words = target != 0 && btf_.kind(target) == BtfKind::kInt && btf_.byte_size(target) == 8;
    switch (source_.type) {
      case ProgramType::kTracepoint:
      case ProgramType::kSyscall: return true;
      case ProgramType::kRawTracepoint:
      case ProgramType::kRawTracepointWritable:
      case ProgramType::kTracing:
      case ProgramType::kLsm:
        if (words) {
          return true;
        }
        break;
      default: break;
    }
    if (source_.attach == AttachType::kTraceIter && target != 0 && btf_.kind(target) == BtfKind::kStruct &&
        btf_.name(target).starts_with("bpf_iter__")) {
      return true;
    }
    if (source_.type == ProgramType::kTracing && target != 0 && btf_.kind(target) == BtfKind::kStruct &&
        btf_.name(target) == "bpf_raw_tracepoint_args") {
      return true;
    }
    const bool registers = traced && target != 0 && btf_.kind(target) == BtfKind::kStruct && btf_.name(target) == "pt_regs";
    return target == 0 || registers || (traced && is_registers_typedef(pointed)) ||
           (btf_.kind(target) == BtfKind::kStruct && btf_.name(target) == context_struct_name(source_.type));
  }

  const SignatureSource& source_;
  const Btf& btf_;
  const u32 func_, index_;
  std::string& defect_;
};

}  // namespace

Signature read_signature(const SignatureSource& source, u32 func) {
  Signature s;
  const Btf* btf = source.program;
  const bool found = btf != nullptr && func != 0 && func < btf->count() && btf->kind(func) == BtfKind::kFunc;
  const u32 proto = found ? btf->target(func) : 0;
  if (proto == 0 || btf->kind(proto) != BtfKind::kFuncProto) {
    s.defect = "global function has no BTF prototype";
    return s;
  }
  s.name = btf->name(func);
  const u32 result = btf->target(proto);
  if (!is_number(*btf, btf->strip(result))) {
    s.defect = fmt::format("Global function {}() doesn't return scalar. Only those are supported.", s.name);
    return s;
  }
  if (btf->vlen(proto) > 5) {
    s.defect = fmt::format("Global function {}() with {} > 5 args. Buggy compiler.", s.name, btf->vlen(proto));
    return s;
  }
  for (u32 i = 0; i < btf->vlen(proto); ++i) {
    const Reg reg = Argument(source, func, i, s.defect).read(btf->param(proto, i).type);
    if (reg.type == RegType::kNotInit) {
      s.defect = s.defect.empty() ? fmt::format("Arg#{} type in {}() is not supported yet.", i, s.name) : s.defect;
      return s;
    }
    s.arguments.push_back(reg);
  }
  return s;
}

}  // namespace kiln::verifier
