#include <string.h>

#include "state.h"

// The table library behind a guard: lengths are raw (no `__len` that loops in C), ranges are capped and
// charged. `sort` is written anew, because Lua's picks pivots by the clock.

/// How long the list at 1 is; parts of event.data have their own length.
static lua_Integer length(lua_State *L) {
  if (mt_to_node(L, 1) != NULL) return luaL_len(L, 1);
  luaL_checktype(L, 1, LUA_TTABLE);
  if (luaL_getmetafield(L, 1, "__len") != LUA_TNIL) luaL_error(L, "a table with __len is not taken here");
  return (lua_Integer)lua_rawlen(L, 1);
}

static void check_range(lua_State *L, lua_Integer from, lua_Integer to) {
  lua_Integer cap = (lua_Integer)mt_self(L)->limits.range;
  if (to < from) return;
  if ((lua_Unsigned)to - (lua_Unsigned)from >= (lua_Unsigned)cap) {
    luaL_error(L, "a range of more than %I elements", cap);
  }
  mt_charge(L, (size_t)(to - from + 1));
}

static void check_changeable(lua_State *L) {
  if (mt_to_node(L, 1) != NULL) {
    luaL_error(L, "event data is read-only; copy it with table.copy(value) to change the copy");
  }
  if (mt_push_shown(L, 1)) luaL_error(L, "this table is read-only");
}

static int original(lua_State *L) { return lua_tocfunction(L, lua_upvalueindex(1))(L); }

/// Written anew: Lua's own grows its buffer to whatever the list holds.
static int table_concat(lua_State *L) {
  lua_Integer last = length(L), cap = (lua_Integer)mt_self(L)->limits.string_bytes;
  lua_settop(L, 4);
  size_t between, total = 0;
  const char *separator = luaL_optlstring(L, 2, "", &between);
  lua_Integer from = luaL_optinteger(L, 3, 1), to = luaL_optinteger(L, 4, last);
  check_range(L, from, to);
  luaL_Buffer buffer;
  luaL_buffinit(L, &buffer);
  for (lua_Integer left = to >= from ? to - from + 1 : 0, at = from; left > 0; left--, at++) {
    size_t count;
    lua_geti(L, 1, at);
    if (!lua_isstring(L, -1)) {
      return luaL_error(
          L, "invalid value (at index %I) in table for 'concat'", at);
    }
    lua_tolstring(L, -1, &count);
    total += count + (left > 1 ? between : 0);
    if (total > (size_t)cap) {
      return luaL_error(L, "table.concat: the result is too long: at most %I bytes", cap);
    }
    luaL_addvalue(&buffer);
    if (left > 1) luaL_addlstring(&buffer, separator, between);
  }
  mt_charge(L, total / 8);
  luaL_pushresult(&buffer);
  return 1;
}

static int table_unpack(lua_State *L) {
  lua_Integer last = length(L);
  lua_settop(L, 3);
  lua_Integer from = luaL_optinteger(L, 2, 1), to = luaL_optinteger(L, 3, last);
  lua_Integer cap = (lua_Integer)mt_self(L)->limits.values;
  if (to >= from && (lua_Unsigned)to - (lua_Unsigned)from >= (lua_Unsigned)cap) {
    return luaL_error(L, "a call gives at most %I values", cap);
  }
  check_range(L, from, to);
  return original(L);
}

static int table_insert(lua_State *L) {
  int given = lua_gettop(L);
  check_changeable(L);
  lua_Integer last = length(L);
  lua_settop(L, given);
  if (given == 3) check_range(L, luaL_checkinteger(L, 2), last);
  return original(L);
}

static int table_remove(lua_State *L) {
  int given = lua_gettop(L);
  check_changeable(L);
  lua_Integer last = length(L);
  lua_settop(L, given);
  if (given >= 2) check_range(L, luaL_checkinteger(L, 2), last);
  return original(L);
}

static int table_move(lua_State *L) {
  int given = lua_gettop(L);
  length(L);
  lua_settop(L, given);
  check_range(L, luaL_checkinteger(L, 2), luaL_checkinteger(L, 3));
  if (given < 5) check_changeable(L);
  return original(L);
}

static int table_copy(lua_State *L) {
  luaL_checkany(L, 1);
  mt_node *node = mt_to_node(L, 1);
  if (node != NULL) {
    mt_push_copy(L, node->document, node->at, 0);
    return 1;
  }
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  lua_newtable(L);
  lua_pushnil(L);
  while (lua_next(L, 1) != 0) {
    mt_charge(L, 1);
    lua_pushvalue(L, -2);
    lua_insert(L, -2);
    lua_rawset(L, 2);
  }
  if (mt_is_array(L, 1)) {
    mt_push_slot(mt_self(L), L, MT_SLOT_ARRAY);
    lua_setmetatable(L, 2);
  }
  return 1;
}

/// Whether the value at the top comes before the one below it. The comparing function is at 2, or nil.
static int before(lua_State *L) {
  int result;
  if (lua_isnil(L, 2)) {
    if (lua_type(L, -1) == LUA_TSTRING) mt_charge(L, lua_rawlen(L, -1) / 8);
    return lua_compare(L, -1, -2, LUA_OPLT);
  }
  lua_pushvalue(L, 2);
  lua_pushvalue(L, -2);
  lua_pushvalue(L, -4);
  lua_call(L, 2, 1);
  result = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return result;
}

/// Merges [low, middle) and [middle, high) of the table at `from` into the one at `to`. Stable.
static void merge(lua_State *L, int from, int to, lua_Integer low, lua_Integer middle, lua_Integer high) {
  lua_Integer left = low, right = middle;
  for (lua_Integer at = low; at < high; at++) {
    int take_right = left >= middle;
    if (!take_right && right < high) {
      lua_rawgeti(L, from, left);
      lua_rawgeti(L, from, right);
      take_right = before(L);
      lua_pop(L, 2);
    }
    lua_rawgeti(L, from, take_right ? right++ : left++);
    lua_rawseti(L, to, at);
  }
}

/// A merge sort: stable and the same in every process. At 1 the list, at 2 the function, at 3 room.
static int table_sort(lua_State *L) {
  check_changeable(L);
  lua_Integer count = length(L);
  lua_settop(L, 2);
  if (!lua_isnil(L, 2)) luaL_checktype(L, 2, LUA_TFUNCTION);
  check_range(L, 1, count);
  lua_createtable(L, (int)count, 0);
  int from = 1, to = 3;
  for (lua_Integer width = 1; width < count; width *= 2) {
    mt_charge(L, (size_t)count * 2);
    for (lua_Integer low = 1; low <= count; low += 2 * width) {
      lua_Integer middle = low + width <= count + 1 ? low + width : count + 1;
      lua_Integer high = low + 2 * width <= count + 1 ? low + 2 * width : count + 1;
      merge(L, from, to, low, middle, high);
    }
    int other = from;
    from = to;
    to = other;
  }
  for (lua_Integer i = 1; from == 3 && i <= count; i++) {
    lua_rawgeti(L, 3, i);
    lua_rawseti(L, 1, i);
  }
  return 0;
}

void mt_open_table(lua_State *L) {
  static const luaL_Reg guards[] = {
      {"unpack", table_unpack}, {"insert", table_insert}, {"remove", table_remove},
      {"move", table_move}, {NULL, NULL}};
  lua_pushcfunction(L, luaopen_table);
  lua_call(L, 0, 1);
  for (const luaL_Reg *guard = guards; guard->name != NULL; guard++) {
    lua_getfield(L, -1, guard->name);
    lua_pushcclosure(L, guard->func, 1);
    lua_setfield(L, -3, guard->name);
  }
  lua_getfield(L, -1, "pack");
  lua_setfield(L, -3, "pack");
  lua_pop(L, 1);
  lua_pushcfunction(L, table_concat);
  lua_setfield(L, -2, "concat");
  lua_pushcfunction(L, table_sort);
  lua_setfield(L, -2, "sort");
  lua_pushcfunction(L, table_copy);
  lua_setfield(L, -2, "copy");
}
