#include <stdlib.h>
#include <string.h>

#include "state.h"

// Lua asks for many small blocks of few sizes: a free list for each size costs a quarter less than malloc
// on a table-heavy handler. Blocks never move between sizes, and chunks are given back at the end.
//
// It also sees what no hook sees: large blocks are work (they are filled, copied, hashed anew), long texts
// make single instructions slow, and each refusal costs a full collection.

enum { CHUNK_BYTES = 64 << 10, CHARGED_MIN = 4 << 10, CHARGED_BYTES = 16, HURRY_WORK = 20000, DENIALS_MAX = 32 };

/// In front of a block from malloc; keeps what is behind it aligned. All are linked, so that a state that was
/// left in the middle of something is given back without asking Lua.
struct mt_large_block {
  mt_large_block *next;
  mt_large_block **from;
  size_t is_long_text;
  size_t unused;
};

void mt_allocator_begin(mt_allocator *a, size_t cap, mt_lua *owner) {
  memset(a, 0, sizeof *a);
  a->cap = cap;
  a->owner = owner;
}

void mt_allocator_end(mt_allocator *a) {
  void *chunk = a->chunks;
  while (chunk != NULL) {
    void *next = *(void **)chunk;
    free(chunk);
    chunk = next;
  }
  a->chunks = NULL;
  while (a->large != NULL) {
    mt_large_block *next = a->large->next;
    free(a->large);
    a->large = next;
  }
}

static void link(mt_allocator *a, mt_large_block *block) {
  block->next = a->large;
  block->from = &a->large;
  if (block->next != NULL) block->next->from = &block->next;
  a->large = block;
}

/// Where a block lies anew.
static void relink(mt_large_block *block) {
  *block->from = block;
  if (block->next != NULL) block->next->from = &block->next;
}

static void unlink(mt_large_block *block) {
  *block->from = block->next;
  if (block->next != NULL) block->next->from = block->from;
}

static size_t rounded(size_t size) {
  return size <= MT_SMALL_MAX ? (size + MT_CLASS_BYTES - 1) & ~(size_t)(MT_CLASS_BYTES - 1) : size;
}

static void *take_small(mt_allocator *a, size_t size) {
  size_t class = size / MT_CLASS_BYTES - 1;
  void *block = a->free[class];
  if (block != NULL) {
    a->free[class] = *(void **)block;
    return block;
  }
  if (a->fresh_count < size) {
    // Scripts that fill one size after another must not hold a budget's worth of each.
    if (a->chunk_bytes + a->large_bytes + CHUNK_BYTES > 2 * a->cap) return NULL;
    uint8_t *chunk = malloc(CHUNK_BYTES);
    if (chunk == NULL) return NULL;
    a->chunk_bytes += CHUNK_BYTES;
    *(void **)chunk = a->chunks;
    a->chunks = chunk;
    a->fresh = chunk + MT_CLASS_BYTES;
    a->fresh_count = CHUNK_BYTES - MT_CLASS_BYTES;
  }
  block = a->fresh;
  a->fresh += size;
  a->fresh_count -= size;
  return block;
}

static void *take_large(mt_allocator *a, size_t size, int is_text) {
  mt_large_block *block = malloc(sizeof *block + size);
  if (block == NULL) return NULL;
  link(a, block);
  block->is_long_text = is_text && size >= MT_TEXT_WATCHED;
  a->large_bytes += size;
  if (block->is_long_text && a->texts++ == 0) mt_hurry(a->owner);
  return block + 1;
}

static void give(mt_allocator *a, void *block, size_t size) {
  if (size > MT_SMALL_MAX) {
    mt_large_block *large = (mt_large_block *)block - 1;
    unlink(large);
    a->large_bytes -= size;
    if (large->is_long_text) a->texts--;
    free(large);
    return;
  }
  size_t class = size / MT_CLASS_BYTES - 1;
  *(void **)block = a->free[class];
  a->free[class] = block;
}

/// Remembers where memory ran out. Lua calls no message handler then; the hook's view of the stack is valid,
/// since every allocation lies behind a saved program counter.
static void *deny(mt_allocator *a, size_t more) {
  mt_lua *state = a->owner;
  lua_Debug frame;
  state->denied_line = 0;
  state->denied_bytes = a->used + more;
  a->denials++;
  if (state->running == NULL) return NULL;
  mt_hurry(state);
  for (int level = 0; level < 3 && lua_getstack(state->running, level, &frame); level++) {
    lua_getinfo(state->running, "Sl", &frame);
    if (frame.currentline <= 0 || frame.source[0] != '@') continue;
    state->denied_line = frame.currentline;
    mt_copy_text(state->denied_path, sizeof state->denied_path, frame.source + 1, strlen(frame.source + 1));
    break;
  }
  return NULL;
}

/// Whether so much more is too much. After many refusals the script lives on what full collections find:
/// each costs as much as the heap is large, so nothing more is given.
static int is_beyond(const mt_allocator *a, size_t more) {
  return a->used + more > a->cap || a->denials > DENIALS_MAX;
}

static void charge(mt_allocator *a, size_t size) {
  mt_lua *state = a->owner;
  size_t work = size / CHARGED_BYTES;
  state->instructions += work;
  state->allocated += work;
  if (state->allocated > HURRY_WORK) mt_hurry(state);
}

void *mt_allocate(void *context, void *block, size_t old, size_t new) {
  mt_allocator *a = context;
  size_t before = block == NULL ? 0 : rounded(old);
  size_t after = rounded(new);
  if (new == 0) {
    if (block != NULL) {
      a->used -= before;
      give(a, block, before);
    }
    return NULL;
  }
  if (block != NULL && before == after) return block;
  // Without a block, `old` says what it is for.
  int is_text = block == NULL && old == LUA_TSTRING;
  if (is_text && new > a->owner->limits.string_bytes + CHARGED_MIN) {
    a->owner->denied_text = new;
    return deny(a, after);
  }
  if (after > before && is_beyond(a, after - before)) return deny(a, after - before);
  void *result;
  if (block != NULL && before > MT_SMALL_MAX && after > MT_SMALL_MAX) {
    mt_large_block *moved = realloc((mt_large_block *)block - 1, sizeof *moved + after);
    if (moved == NULL) return after < before ? block : deny(a, after - before);
    relink(moved);
    a->large_bytes += after - before;
    result = moved + 1;
  } else {
    result = after <= MT_SMALL_MAX ? take_small(a, after) : take_large(a, after, is_text);
    if (result == NULL) return after < before ? block : deny(a, after - before);
    if (block != NULL) {
      memcpy(result, block, old < new ? old : new);
      give(a, block, before);
    }
  }
  a->used += after - before;
  if (after > before && after >= CHARGED_MIN) charge(a, after);
  return result;
}
