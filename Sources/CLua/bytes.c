#include <stdlib.h>
#include <string.h>

#include "state.h"

int mt_raise_memory(lua_State *L) {
  mt_lua *state = mt_self(L);
  if (state->denied_bytes == 0) state->denied_bytes = state->allocator.used;
  return luaL_error(L, "not enough memory");
}

int mt_bytes_reserve(mt_bytes *bytes, size_t more) {
  if (bytes->capacity - bytes->count >= more) return 1;
  size_t capacity = bytes->capacity < 256 ? 256 : bytes->capacity;
  while (capacity - bytes->count < more) capacity *= 2;
  uint8_t *grown = realloc(bytes->bytes, capacity);
  if (grown == NULL) return 0;
  bytes->bytes = grown;
  bytes->capacity = capacity;
  return 1;
}

void mt_bytes_room(lua_State *L, mt_bytes *bytes, size_t more) {
  if (!mt_bytes_reserve(bytes, more)) mt_raise_memory(L);
}

void mt_bytes_add(lua_State *L, mt_bytes *bytes, const void *from, size_t count) {
  if (bytes->capacity - bytes->count < count || bytes->bytes == NULL) mt_bytes_room(L, bytes, count + 1);
  memcpy(bytes->bytes + bytes->count, from, count);
  bytes->count += count;
}

int mt_rows_reserve(mt_rows *rows, size_t cells, size_t bytes) {
  if (rows->capacity - rows->count < cells) {
    size_t capacity = rows->capacity < 64 ? 64 : rows->capacity;
    while (capacity - rows->count < cells) capacity *= 2;
    mt_cell *grown = realloc(rows->cells, capacity * sizeof *grown);
    if (grown == NULL) return 0;
    rows->cells = grown;
    rows->capacity = capacity;
  }
  return mt_bytes_reserve(&rows->text, bytes + 1);
}

void mt_rows_free(mt_rows *rows) {
  free(rows->cells);
  free(rows->text.bytes);
}
