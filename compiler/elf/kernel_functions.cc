// SPDX-License-Identifier: Apache-2.0
//
// Kernel functions for kernels that lack them: the prototypes of kernel_functions.def as BTF, behind what there is.
#include <array>
#include <cctype>
#include <cstring>
#include <map>

#include <kiln/btf.h>
#include <kiln/load.h>

namespace kiln {
namespace {

// Words of a BTF header, Documentation/bpf/btf.rst.
enum HeaderWord : std::size_t { kMagicAndVersion, kHeaderBytes, kTypeOffset, kTypeBytes, kStringOffset, kStringBytes, kWords };
constexpr std::uint32_t kMagic = 0x0001eb9f;  // version 1, no flags
constexpr std::uint32_t kSigned = 1u << 24, kChar = 2u << 24, kBool = 4u << 24;  // of an INT
constexpr std::uint32_t kGlobal = 1;                                               // linkage of a FUNC

/// Adds types to the end of a BTF section. Ids that were given stay.
class Writer {
 public:
  /// \param base  nullptr: none.
  explicit Writer(const Btf* base) : base_(base) {
    if (base == nullptr) {
      strings_.push_back('\0');
      return;
    }
    std::array<std::uint32_t, kWords> header{};
    std::memcpy(header.data(), base->raw().data(), sizeof header);
    const auto* first = reinterpret_cast<const char*>(base->raw().data()) + header[kHeaderBytes];
    const auto* types = first + header[kTypeOffset];
    const auto* strings = first + header[kStringOffset];
    types_.assign(types, types + header[kTypeBytes]);
    strings_.assign(strings, strings + header[kStringBytes]);
    next_ = base->count();
  }

  std::vector<std::byte> finish() const {
    std::array<std::uint32_t, kWords> header{};
    header[kMagicAndVersion] = kMagic;
    header[kHeaderBytes] = sizeof header;
    header[kTypeBytes] = static_cast<std::uint32_t>(types_.size());
    header[kStringOffset] = header[kTypeBytes];
    header[kStringBytes] = static_cast<std::uint32_t>(strings_.size());
    std::vector<std::byte> raw(sizeof header + types_.size() + strings_.size());
    std::memcpy(raw.data(), header.data(), sizeof header);
    std::memcpy(raw.data() + sizeof header, types_.data(), types_.size());
    std::memcpy(raw.data() + sizeof header + types_.size(), strings_.data(), strings_.size());
    return raw;
  }

  /// The base's type of that kind and name, or the one added before. nullopt: there is none.
  std::optional<std::uint32_t> find(BtfKind kind, const std::string& name) const {
    if (const auto own = named_.find({kind, name}); own != named_.end()) {
      return own->second;
    }
    return base_ == nullptr ? std::nullopt : base_->find(kind, name);
  }

  /// \param words  what follows the common part.
  std::uint32_t add(BtfKind kind, const std::string& name, std::uint32_t vlen, std::uint32_t size_or_type,
                    const std::vector<std::uint32_t>& words = {}) {
    put(string(name));
    put(static_cast<std::uint32_t>(kind) << 24 | vlen);
    put(size_or_type);
    for (const std::uint32_t word : words) {
      put(word);
    }
    if (!name.empty()) {
      named_[{kind, name}] = next_;
    }
    return next_++;
  }

  std::uint32_t string(const std::string& text) {
    if (text.empty()) {
      return 0;
    }
    const auto at = static_cast<std::uint32_t>(strings_.size());
    strings_.insert(strings_.end(), text.begin(), text.end());
    strings_.push_back('\0');
    return at;
  }

 private:
  void put(std::uint32_t word) {
    const auto* bytes = reinterpret_cast<const char*>(&word);
    types_.insert(types_.end(), bytes, bytes + sizeof word);
  }

  const Btf* base_;
  std::vector<char> types_, strings_;
  std::uint32_t next_ = 1;  // 0 is void
  std::map<std::pair<BtfKind, std::string>, std::uint32_t> named_;
};

std::string_view name_of(std::string_view prototype) {
  const std::size_t end = prototype.find('(');
  const std::size_t start = prototype.find_last_of(" *", end) + 1;
  return prototype.substr(start, end - start);
}

/// Reads one prototype of kernel_functions.def. They are ours: one that can't be read is a bug.
class Prototype {
 public:
  Prototype(std::string_view text, Writer& to) : text_(text), to_(to) {}

  void add() {
    const std::uint32_t result = type();
    const std::string name = word();
    std::vector<std::uint32_t> parameters;
    take('(');
    while (!take(')')) {
      const std::uint32_t parameter = type();
      parameters.push_back(to_.string(word()));
      parameters.push_back(parameter);
      take(',');
    }
    const auto count = static_cast<std::uint32_t>(parameters.size() / 2);
    const std::uint32_t prototype = to_.add(BtfKind::kFuncProto, "", count, result, parameters);
    to_.add(BtfKind::kFunc, name, kGlobal, prototype);
  }

 private:
  void skip_blanks() {
    while (at_ < text_.size() && text_[at_] == ' ') {
      ++at_;
    }
  }
  bool take(char c) {
    skip_blanks();
    const bool is = at_ < text_.size() && text_[at_] == c;
    at_ += is ? 1 : 0;
    return is;
  }
  std::string word() {
    skip_blanks();
    const std::size_t start = at_;
    while (at_ < text_.size() && (std::isalnum(static_cast<unsigned char>(text_[at_])) != 0 || text_[at_] == '_')) {
      ++at_;
    }
    KILN_CHECK(at_ > start);
    return std::string(text_.substr(start, at_ - start));
  }

  /// "const struct bpf_dynptr *", "u32".
  std::uint32_t type() {
    std::string name = word();
    const bool constant = name == "const";
    if (constant) {
      name = word();
    }
    std::uint32_t id = name == "void" ? 0 : name == "struct" ? structure(word()) : number(name);
    if (constant) {
      id = to_.add(BtfKind::kConst, "", 0, id);
    }
    while (take('*')) {
      id = to_.add(BtfKind::kPtr, "", 0, id);
    }
    return id;
  }

  std::uint32_t structure(const std::string& name) {
    static const std::map<std::string, std::uint32_t> bytes = {
#define KILN_KERNEL_STRUCT(struct_name, size) {#struct_name, size},
#define KILN_KERNEL_FUNCTION(prototype)
#include "kernel_functions.def"
    };
    if (const auto found = to_.find(BtfKind::kStruct, name)) {
      return *found;
    }
    const auto size = bytes.find(name);
    return to_.add(BtfKind::kStruct, name, 0, size == bytes.end() ? 0 : size->second);
  }

  std::uint32_t number(const std::string& name) {
    struct Number {
      const char* name;
      std::uint32_t bytes, encoding;
    };
    static constexpr std::array<Number, 8> kNumbers = {{{"bool", 1, kBool},
                                                        {"char", 1, kChar},
                                                        {"int", 4, kSigned},
                                                        {"u8", 1, 0},
                                                        {"u32", 4, 0},
                                                        {"u64", 8, 0},
                                                        {"ulong", 8, 0},
                                                        {"s64", 8, kSigned}}};
    for (const Number& n : kNumbers) {
      if (name == n.name) {
        const auto found = to_.find(BtfKind::kInt, name);
        return found ? *found : to_.add(BtfKind::kInt, name, 0, n.bytes, {n.encoding | n.bytes * 8});
      }
    }
    KILN_CHECK(!"a type that kernel_functions.cc does not know");
  }

  std::string_view text_;
  std::size_t at_ = 0;
  Writer& to_;
};

}  // namespace

std::shared_ptr<const Btf> with_kernel_functions(std::shared_ptr<const Btf> types) {
  static constexpr const char* kPrototypes[] = {
#define KILN_KERNEL_STRUCT(name, size)
#define KILN_KERNEL_FUNCTION(prototype) prototype,
#include "kernel_functions.def"
  };
  std::map<std::string_view, std::string_view> missing;
  for (const char* prototype : kPrototypes) {
    missing.emplace(name_of(prototype), prototype);
  }
  for (std::uint32_t id = 1; types != nullptr && id < types->count(); ++id) {
    if (types->kind(id) == BtfKind::kFunc) {
      missing.erase(types->name(id));
    }
  }
  if (missing.empty()) {
    return types;
  }
  Writer writer(types.get());
  for (const auto& [name, prototype] : missing) {
    Prototype(prototype, writer).add();
  }
  auto made = Btf::parse(writer.finish());
  KILN_CHECK(made);
  return std::make_shared<Btf>(std::move(*made));
}

}  // namespace kiln
