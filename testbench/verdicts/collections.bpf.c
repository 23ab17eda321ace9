/* SPDX-License-Identifier: Apache-2.0
 *
 * Lists and trees of objects that the program allocates, and who owns them.
 */
#include "verdict.h"

LICENSE("GPL");

struct item {
  __u64 key;
  struct bpf_list_node node;
};
struct leaf {
  __u64 key;
  struct bpf_rb_node by_key;
};
struct counted {
  __u64 key;
  struct bpf_refcount count;
  struct bpf_list_node node;
};
struct held {
  struct bpf_spin_lock lock;
  struct bpf_list_head items TAG("contains:item:node");
  struct bpf_rb_root tree TAG("contains:leaf:by_key");
  struct bpf_list_head counted TAG("contains:counted:node");
};
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 2);
  __type(key, __u32);
  __type(value, struct held);
} values SEC(".maps");

static __u32 zero, one;

static _Bool less(struct bpf_rb_node* a, const struct bpf_rb_node* b) {
  return CONTAINER(a, struct leaf, by_key)->key < CONTAINER(b, struct leaf, by_key)->key;
}
static _Bool removes(struct bpf_rb_node* a, const struct bpf_rb_node* b) {
  __u32 key = 0;
  struct held* v = lookup(&values, &key);
  return v != 0;
}

// accept
SEC("tc") int pushed_and_popped(void* ctx) {
  struct held* v = lookup(&values, &zero);
  struct item* item = v ? NEW(struct item) : NULL;
  if (!item) {
    return 0;
  }
  spin_lock(&v->lock);
  bpf_list_push_back_impl(&v->items, &item->node, NULL, 0);
  item->key = 1;
  struct bpf_list_node* node = bpf_list_pop_front(&v->items);
  spin_unlock(&v->lock);
  if (node) {
    bpf_obj_drop_impl(CONTAINER(node, struct item, node), NULL);
  }
  return 0;
}

// reject Unreleased reference
SEC("tc") int popped_and_kept(void* ctx) {
  struct held* v = lookup(&values, &zero);
  if (!v) {
    return 0;
  }
  spin_lock(&v->lock);
  bpf_list_pop_front(&v->items);
  spin_unlock(&v->lock);
  return 0;
}

// reject bpf_spin_lock at off=0 must be held for bpf_list_head
SEC("tc") int popped_without_lock(void* ctx) {
  struct held* v = lookup(&values, &zero);
  if (v) {
    bpf_list_pop_front(&v->items);
  }
  return 0;
}

// reject bpf_spin_lock at off=0 must be held for bpf_list_head
SEC("tc") int popped_under_another_lock(void* ctx) {
  struct held* v = lookup(&values, &zero);
  struct held* w = lookup(&values, &one);
  if (!v || !w) {
    return 0;
  }
  spin_lock(&v->lock);
  bpf_list_pop_front(&w->items);
  spin_unlock(&v->lock);
  return 0;
}

// reject invalid mem access 'scalar'
SEC("tc") int used_after_unlock(void* ctx) {
  struct held* v = lookup(&values, &zero);
  struct item* item = v ? NEW(struct item) : NULL;
  if (!item) {
    return 0;
  }
  spin_lock(&v->lock);
  bpf_list_push_back_impl(&v->items, &item->node, NULL, 0);
  spin_unlock(&v->lock);
  return (int)item->key;
}

// reject arg#1 expected pointer to allocated object
SEC("tc") int pushed_twice(void* ctx) {
  struct held* v = lookup(&values, &zero);
  struct item* item = v ? NEW(struct item) : NULL;
  if (!item) {
    return 0;
  }
  spin_lock(&v->lock);
  bpf_list_push_back_impl(&v->items, &item->node, NULL, 0);
  bpf_list_push_back_impl(&v->items, &item->node, NULL, 0);
  spin_unlock(&v->lock);
  return 0;
}

// reject operation on bpf_list_head expects arg#1 bpf_list_node at offset=8 in struct item
SEC("tc") int another_type_pushed(void* ctx) {
  struct held* v = lookup(&values, &zero);
  struct counted* item = v ? NEW(struct counted) : NULL;
  if (!item) {
    return 0;
  }
  spin_lock(&v->lock);
  bpf_list_push_back_impl(&v->items, &item->node, NULL, 0);
  spin_unlock(&v->lock);
  return 0;
}

// reject bpf_list_node not found at offset=0
SEC("tc") int another_place_pushed(void* ctx) {
  struct held* v = lookup(&values, &zero);
  struct item* item = v ? NEW(struct item) : NULL;
  if (!item) {
    return 0;
  }
  spin_lock(&v->lock);
  bpf_list_push_back_impl(&v->items, (struct bpf_list_node*)item, NULL, 0);
  spin_unlock(&v->lock);
  return 0;
}

// reject direct access to bpf_list_node is disallowed
SEC("tc") int node_written(void* ctx) {
  struct item* item = NEW(struct item);
  if (item) {
    item->node.opaque[0] = 1;
    bpf_obj_drop_impl(item, NULL);
  }
  return 0;
}

// accept
SEC("tc") int looked_at_first(void* ctx) {
  struct held* v = lookup(&values, &zero);
  __u64 key = 0;
  if (!v) {
    return 0;
  }
  spin_lock(&v->lock);
  struct bpf_list_node* node = bpf_list_front(&v->items);
  if (node) {
    key = CONTAINER(node, struct item, node)->key;
  }
  spin_unlock(&v->lock);
  return (int)key;
}

// reject R1 must be referenced or trusted
SEC("tc") int borrowed_dropped(void* ctx) {
  struct held* v = lookup(&values, &zero);
  if (!v) {
    return 0;
  }
  spin_lock(&v->lock);
  struct bpf_list_node* node = bpf_list_front(&v->counted);
  spin_unlock(&v->lock);
  if (node) {
    bpf_obj_drop_impl(CONTAINER(node, struct counted, node), NULL);
  }
  return 0;
}

// accept
SEC("tc") int added_and_removed(void* ctx) {
  struct held* v = lookup(&values, &zero);
  struct leaf* item = v ? NEW(struct leaf) : NULL;
  struct bpf_rb_node* removed = NULL;
  if (!item) {
    return 0;
  }
  spin_lock(&v->lock);
  bpf_rbtree_add_impl(&v->tree, &item->by_key, less, NULL, 0);
  struct bpf_rb_node* first = bpf_rbtree_first(&v->tree);
  if (first) {
    removed = bpf_rbtree_remove(&v->tree, first);
  }
  spin_unlock(&v->lock);
  if (removed) {
    bpf_obj_drop_impl(CONTAINER(removed, struct leaf, by_key), NULL);
  }
  return 0;
}

// reject function calls are not allowed while holding a lock
SEC("tc") int order_looks_up(void* ctx) {
  struct held* v = lookup(&values, &zero);
  struct leaf* item = v ? NEW(struct leaf) : NULL;
  if (!item) {
    return 0;
  }
  spin_lock(&v->lock);
  bpf_rbtree_add_impl(&v->tree, &item->by_key, removes, NULL, 0);
  spin_unlock(&v->lock);
  return 0;
}

// accept
SEC("tc") int one_reference_more(void* ctx) {
  struct counted* first = NEW(struct counted);
  if (!first) {
    return 0;
  }
  struct counted* second = bpf_refcount_acquire_impl(first, NULL);
  second->key = 1;
  bpf_obj_drop_impl(first, NULL);
  bpf_obj_drop_impl(second, NULL);
  return 0;
}

// reject doesn't point to a type with bpf_refcount field
SEC("tc") int references_not_counted(void* ctx) {
  struct item* first = NEW(struct item);
  if (first) {
    bpf_refcount_acquire_impl(first, NULL);
    bpf_obj_drop_impl(first, NULL);
  }
  return 0;
}
