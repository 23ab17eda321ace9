// SPDX-License-Identifier: Apache-2.0
#include "lru.h"

#include <algorithm>
#include <cstddef>

namespace kiln::detail {
namespace {

constexpr std::uint32_t kListShift = 30;

}  // namespace

/// Links of an entry, or of a list's head (link 0) in the header.
std::byte* Lru::place(LruList list, std::uint32_t link) const {
  if (link != 0) {
    return table_.at(table_.value(link) - std::uint32_t{sizeof(Links)});
  }
  return table_.header(offsetof(LruHeader, lists) + sizeof(Links) * (static_cast<std::size_t>(list) - 1));
}

void Lru::count(LruList list, std::uint32_t amount) const {
  if (list != LruList::kPending) {
    add_to(offsetof(LruHeader, surplus), list == LruList::kActive ? amount : 0 - amount);
  }
}

/// At the head of a list, unmarked.
void Lru::insert(std::uint32_t link, LruList list) const {
  const std::uint32_t in_list = static_cast<std::uint32_t>(list) << kListShift;
  Links head = load<Links>(place(list, 0));
  set(list, link, {head.next, in_list});
  if (head.next == 0) {
    head.prev = in_list | link;
  } else {
    store(place(list, head.next) + offsetof(Links, prev), in_list | link);
  }
  head.next = link;
  set(list, 0, head);
  count(list, 1);
  if (const std::uint32_t state = table_.next(link); (state & kEntryReferenced) != 0) {
    table_.set_next(link, state & ~kEntryReferenced);
  }
}

/// \return the list it was in. Its own links stay as they are.
LruList Lru::remove(std::uint32_t link) const {
  const Links own = links(link);
  const auto list = static_cast<LruList>(own.prev >> kListShift);
  const std::uint32_t before = own.prev & kEntryNextMask;
  store(place(list, before), own.next);
  store(place(list, own.next) + offsetof(Links, prev), own.prev);
  if (table_.get(offsetof(LruHeader, rotation)) == link) {
    table_.set(offsetof(LruHeader, rotation), before);
  }
  count(list, 0u - 1);
  return list;
}

void Lru::move(std::uint32_t link, LruList list) const {
  remove(link);
  insert(link, list);
}

/// Pending entries, the oldest first, go to the lists that decide who leaves.
void Lru::flush() const {
  for (std::uint32_t link = last(LruList::kPending); link != 0;) {
    const std::uint32_t before = prev(link);
    move(link, referenced(link) ? LruList::kActive : LruList::kInactive);
    link = before;
  }
}

/// From the tail: marked ones get another round, the others become candidates.
void Lru::rotate_active() const {
  const std::uint32_t first_one = first(LruList::kActive);
  std::uint32_t link = last(LruList::kActive);
  for (std::uint32_t i = 0; i < scans() && link != 0; ++i) {
    const std::uint32_t before = prev(link);
    move(link, referenced(link) ? LruList::kActive : LruList::kInactive);
    if (link == first_one) {
      break;
    }
    link = before;
  }
}

/// Once around from where the last rotation stopped, at most: marked ones become active.
void Lru::rotate_inactive() const {
  if (first(LruList::kInactive) == 0) {
    return;
  }
  std::uint32_t link = table_.get(offsetof(LruHeader, rotation));
  std::uint32_t end = link == 0 ? 0 : links(link).next;
  end = end == 0 ? first(LruList::kInactive) : end;
  link = link == 0 ? last(LruList::kInactive) : link;
  std::uint32_t before = 0;
  for (std::uint32_t i = 0; i < scans(); ++i) {
    before = prev(link);
    if (referenced(link)) {
      move(link, LruList::kActive);
    }
    if (link == end) {
      break;
    }
    link = before != 0 ? before : last(LruList::kInactive);
  }
  table_.set(offsetof(LruHeader, rotation), before);
}

void Lru::rotate() const {
  if (static_cast<std::int32_t>(table_.get(offsetof(LruHeader, surplus))) > 0) {
    rotate_active();
  }
  rotate_inactive();
}

/// Takes a live entry out of its bucket and its list.
bool Lru::evict(std::uint32_t link) const {
  if ((table_.next(link) & kEntryLive) == 0) {
    return false;  // being written, by another thread
  }
  table_.unlink_entry(link);
  remove(link);
  table_.free(link);
  return true;
}

/// \return how many entries it freed: of those looked at, the unmarked ones, or else one whether marked or not.
std::uint32_t Lru::shrink(std::uint32_t wanted) const {
  std::uint32_t freed = 0;
  std::uint32_t link = last(LruList::kInactive);
  for (std::uint32_t i = 0; i < scans() && link != 0 && freed < wanted; ++i) {
    const std::uint32_t before = prev(link);
    if (referenced(link)) {
      move(link, LruList::kActive);
    } else if (evict(link)) {
      ++freed;
    }
    link = before;
  }
  if (freed != 0) {
    return freed;
  }
  const LruList list = first(LruList::kInactive) != 0 ? LruList::kInactive : LruList::kActive;
  for (link = last(list); link != 0; link = prev(link)) {
    if (evict(link)) {
      return 1;
    }
  }
  return 0;
}

/// The processor has no free entry left: it takes some of the map's, or of those that are in use.
void Lru::refill() const {
  flush();
  rotate();
  const std::uint32_t target = table_.descriptor().hash_count;
  const std::uint32_t taken = table_.get(offsetof(LruHeader, taken));
  const std::uint32_t free = std::min(target, table_.descriptor().entry_count - taken);
  table_.set(offsetof(LruHeader, taken), taken + free);
  const std::uint32_t evicted = free < target ? shrink(target - free) : 0;
  table_.set(offsetof(LruHeader, local_free), free + evicted);
}

std::uint32_t Lru::pop() const {
  if (has_common_lists()) {
    if (table_.get(offsetof(LruHeader, local_free)) == 0) {
      refill();
    }
    if (table_.get(offsetof(LruHeader, local_free)) == 0) {
      return 0;
    }
    add_to(offsetof(LruHeader, local_free), 0u - 1);
  } else {
    rotate();
    const std::uint32_t taken = table_.get(offsetof(LruHeader, taken));
    if (taken == table_.descriptor().entry_count) {
      const std::uint32_t evicted = shrink(kLruCpuScans);
      if (evicted == 0) {
        return 0;
      }
      table_.set(offsetof(LruHeader, taken), taken - evicted);
    }
    add_to(offsetof(LruHeader, taken), 1);
  }
  const std::uint32_t link = table_.take(false);
  KILN_CHECK(link != 0);
  insert(link, has_common_lists() ? LruList::kPending : LruList::kInactive);
  return link;
}

void Lru::spare() const {
  const std::uint32_t taken = table_.get(offsetof(LruHeader, taken));
  if (has_common_lists() && table_.get(offsetof(LruHeader, local_free)) == 0 && taken < table_.descriptor().entry_count) {
    table_.set(offsetof(LruHeader, taken), taken + 1);
    table_.set(offsetof(LruHeader, local_free), 1);
  }
}

void Lru::push(std::uint32_t link) const {
  if (remove(link) == LruList::kPending) {
    add_to(offsetof(LruHeader, local_free), 1);
  } else {
    add_to(offsetof(LruHeader, taken), 0u - 1);
  }
  table_.free(link);
}

}  // namespace kiln::detail
