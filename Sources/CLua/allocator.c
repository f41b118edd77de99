#include <stdlib.h>
#include <string.h>

#include "state.h"

// Lua asks for many small blocks of few sizes: a free list for each size costs a quarter less than malloc
// on a table-heavy handler. Blocks never move between sizes, and chunks are given back at the end.

enum { CHUNK_BYTES = 64 << 10 };

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
    uint8_t *chunk = malloc(CHUNK_BYTES);
    if (chunk == NULL) return NULL;
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

static void give(mt_allocator *a, void *block, size_t size) {
  if (size > MT_SMALL_MAX) {
    free(block);
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
  if (state->running == NULL) return NULL;
  for (int level = 0; level < 3 && lua_getstack(state->running, level, &frame); level++) {
    lua_getinfo(state->running, "Sl", &frame);
    if (frame.currentline <= 0 || frame.source[0] != '@') continue;
    state->denied_line = frame.currentline;
    mt_copy_text(state->denied_path, sizeof state->denied_path, frame.source + 1, strlen(frame.source + 1));
    break;
  }
  return NULL;
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
  if (after > before && a->used + (after - before) > a->cap) return deny(a, after - before);
  void *result;
  if (block != NULL && before > MT_SMALL_MAX && after > MT_SMALL_MAX) {
    result = realloc(block, after);
    if (result == NULL) return after < before ? block : deny(a, after - before);
  } else {
    result = after <= MT_SMALL_MAX ? take_small(a, after) : malloc(after);
    if (result == NULL) return after < before ? block : deny(a, after - before);
    if (block != NULL) {
      memcpy(result, block, old < new ? old : new);
      give(a, block, before);
    }
  }
  a->used += after - before;
  return result;
}
