#include <stdlib.h>
#include <string.h>

#include "state.h"

// The order of `pairs` and `next`: numbers ascending, strings by bytes, false, true. Lua's own order differs
// from process to process, so no result may depend on it.

enum { RANK_NUMBER, RANK_STRING, RANK_FALSE, RANK_TRUE };

static int compare_numbers(const mt_key *a, const mt_key *b) {
  if (!a->is_float && !b->is_float) {
    return (a->value.integer > b->value.integer) - (a->value.integer < b->value.integer);
  }
  // A float that is a key has no integer value, so a comparison by long double is exact enough on x86-64
  // (64 bits of mantissa) and falls back to the integer's order elsewhere only beyond 2^53.
  long double x = a->is_float ? (long double)a->value.number : (long double)a->value.integer;
  long double y = b->is_float ? (long double)b->value.number : (long double)b->value.integer;
  return (x > y) - (x < y);
}

static int compare(const mt_key *a, const mt_key *b) {
  if (a->rank != b->rank) return a->rank - b->rank;
  if (a->rank == RANK_NUMBER) return compare_numbers(a, b);
  if (a->rank != RANK_STRING) return 0;
  if (a->prefix != b->prefix) return a->prefix < b->prefix ? -1 : 1;
  size_t count = a->count < b->count ? a->count : b->count;
  int order = memcmp(a->value.text, b->value.text, count);
  return order != 0 ? order : (a->count > b->count) - (a->count < b->count);
}

/// By bytes as numbers of 64 bits: texts whose prefixes differ are in the order of their prefixes.
static uint64_t prefix(const char *text, size_t count) {
  uint8_t bytes[8] = {0};
  uint64_t number = 0;
  memcpy(bytes, text, count < sizeof bytes ? count : sizeof bytes);
  for (size_t i = 0; i < sizeof bytes; i++) number = number << 8 | bytes[i];
  return number;
}

enum { RUN = 12 };

/// A merge sort without recursion; `spare` has room for as many keys. A state with thousands of keys is sorted
/// whenever it is kept.
static void sort(mt_key *keys, mt_key *spare, size_t count) {
  for (size_t start = 0; start < count; start += RUN) {
    size_t end = start + RUN < count ? start + RUN : count;
    for (size_t i = start + 1; i < end; i++) {
      mt_key key = keys[i];
      size_t at = i;
      for (; at > start && compare(&key, &keys[at - 1]) < 0; at--) keys[at] = keys[at - 1];
      keys[at] = key;
    }
  }
  mt_key *from = keys, *to = spare;
  for (size_t width = RUN; width < count; width *= 2) {
    for (size_t start = 0; start < count; start += 2 * width) {
      size_t middle = start + width < count ? start + width : count;
      size_t end = middle + width < count ? middle + width : count;
      size_t left = start, right = middle;
      for (size_t at = start; at < end; at++) {
        int takes_left = left < middle && (right == end || compare(&from[left], &from[right]) <= 0);
        to[at] = takes_left ? from[left++] : from[right++];
      }
    }
    mt_key *swap = from;
    from = to;
    to = swap;
  }
  if (from != keys) memcpy(keys, from, count * sizeof *keys);
}

static void read_key(lua_State *L, int index, mt_key *key) {
  switch (lua_type(L, index)) {
  case LUA_TNUMBER:
    key->rank = RANK_NUMBER;
    key->is_float = !lua_isinteger(L, index);
    if (key->is_float) {
      key->value.number = lua_tonumber(L, index);
    } else {
      key->value.integer = lua_tointeger(L, index);
    }
    break;
  case LUA_TSTRING:
    key->rank = RANK_STRING;
    key->value.text = lua_tolstring(L, index, &key->count);
    key->prefix = prefix(key->value.text, key->count);
    break;
  case LUA_TBOOLEAN:
    key->rank = lua_toboolean(L, index) ? RANK_TRUE : RANK_FALSE;
    break;
  default:
    luaL_error(
        L, "a table with a %s as a key has no order: use numbers, strings or booleans as keys",
        mt_is_null(L, index) ? "null" : luaL_typename(L, index));
  }
}

static void push_key(lua_State *L, const mt_key *key) {
  switch (key->rank) {
  case RANK_NUMBER:
    if (key->is_float) {
      lua_pushnumber(L, key->value.number);
    } else {
      lua_pushinteger(L, key->value.integer);
    }
    break;
  case RANK_STRING: lua_pushlstring(L, key->value.text, key->count); break;
  default: lua_pushboolean(L, key->rank == RANK_TRUE);
  }
}

static void add_key(lua_State *L, mt_lua *state, size_t count) {
  if (count == state->keys_capacity) {
    size_t capacity = count == 0 ? 64 : count * 2;
    // As much again to sort in.
    mt_key *grown = realloc(state->keys, 2 * capacity * sizeof *grown);
    if (grown == NULL) mt_raise_memory(L);
    state->keys = grown;
    state->keys_capacity = capacity;
  }
  read_key(L, -1, &state->keys[count]);
}

size_t mt_push_keys(lua_State *L, int index) {
  mt_lua *state = mt_self(L);
  index = lua_absindex(L, index);
  size_t count = 0;
  int sequence = 1;
  luaL_checkstack(L, 6, "too deep");
  lua_pushnil(L);
  while (lua_next(L, index) != 0) {
    lua_pop(L, 1);
    sequence = sequence && lua_isinteger(L, -1) && lua_tointeger(L, -1) == (lua_Integer)count + 1;
    add_key(L, state, count++);
  }
  mt_charge(L, count);
  if (sequence) {
    lua_pushnil(L);
    return count;
  }
  sort(state->keys, state->keys + state->keys_capacity, count);
  int dense = state->keys[count - 1].rank == RANK_NUMBER && !state->keys[count - 1].is_float
      && state->keys[0].rank == RANK_NUMBER && !state->keys[0].is_float && state->keys[0].value.integer == 1
      && state->keys[count - 1].value.integer == (lua_Integer)count;
  for (size_t i = 0; dense && i < count; i++) dense = !state->keys[i].is_float;
  if (dense) {
    lua_pushnil(L);
    return count;
  }
  lua_createtable(L, (int)count, 0);
  for (size_t i = 0; i < count; i++) {
    push_key(L, &state->keys[i]);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  return count;
}

/// The iterator that `pairs` makes. Upvalues: the list of keys or nil, how many, how far.
static int step(lua_State *L) {
  lua_Integer count = lua_tointeger(L, lua_upvalueindex(2));
  lua_Integer at = lua_tointeger(L, lua_upvalueindex(3));
  int sequence = lua_isnil(L, lua_upvalueindex(1));
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  int shown = mt_push_shown(L, 1) ? 2 : 1;
  while (at < count) {
    at++;
    if (sequence) {
      lua_pushinteger(L, at);
    } else {
      lua_rawgeti(L, lua_upvalueindex(1), at);
    }
    lua_pushvalue(L, -1);
    // A key whose value was removed meanwhile is left out, as in Lua.
    if (lua_rawget(L, shown) != LUA_TNIL) {
      lua_pushinteger(L, at);
      lua_replace(L, lua_upvalueindex(3));
      return 2;
    }
    lua_settop(L, shown);
  }
  lua_pushinteger(L, at);
  lua_replace(L, lua_upvalueindex(3));
  lua_pushnil(L);
  return 1;
}

static int after_pairs(lua_State *L, int status, lua_KContext context) {
  (void)L;
  (void)status;
  (void)context;
  return 3;
}

int mt_pairs(lua_State *L) {
  luaL_checkany(L, 1);
  mt_node *node = mt_to_node(L, 1);
  if (node != NULL) return mt_node_pairs(L, node);
  int has_fields = lua_istable(L, 1) || lua_isuserdata(L, 1);
  if (has_fields && luaL_getmetafield(L, 1, "__pairs") != LUA_TNIL) {
    lua_pushvalue(L, 1);
    lua_callk(L, 1, 3, 0, after_pairs);
    return 3;
  }
  luaL_checktype(L, 1, LUA_TTABLE);
  // What a read-only view shows is never handed to the script.
  int shown = mt_push_shown(L, 1) ? lua_gettop(L) : 1;
  size_t count = mt_push_keys(L, shown);
  lua_pushinteger(L, (lua_Integer)count);
  lua_pushinteger(L, 0);
  lua_pushcclosure(L, step, 3);
  lua_pushvalue(L, 1);
  lua_pushnil(L);
  return 3;
}

int mt_next(lua_State *L) {
  lua_settop(L, 2);
  mt_node *node = mt_to_node(L, 1);
  if (node != NULL) return mt_node_next(L, node);
  if (mt_push_shown(L, 1)) lua_replace(L, 1);
  luaL_checktype(L, 1, LUA_TTABLE);
  mt_key after, best, key;
  int from_start = lua_isnil(L, 2), found = 0;
  size_t work = 0;
  if (!from_start) read_key(L, 2, &after);
  lua_settop(L, 3);  // the best key stays at 3, so that its text stays alive
  lua_pushnil(L);
  while (lua_next(L, 1) != 0) {
    lua_pop(L, 1);
    read_key(L, -1, &key);
    work++;
    if (!from_start && compare(&key, &after) <= 0) continue;
    if (found && compare(&key, &best) >= 0) continue;
    best = key;
    found = 1;
    lua_pushvalue(L, -1);
    lua_replace(L, 3);
  }
  mt_charge(L, work);
  if (!found) {
    lua_pushnil(L);
    return 1;
  }
  lua_pushvalue(L, 3);
  lua_pushvalue(L, 3);
  lua_rawget(L, 1);
  return 2;
}
