#include <string.h>

#include "state.h"

// The functions of the language itself. What could leave the sandbox, run unseen or differ from run to run is
// left out or written anew here.

char mt_null;
char mt_protected;

int mt_push_shown(lua_State *L, int index) {
  if (lua_type(L, index) != LUA_TTABLE || !lua_getmetatable(L, index)) return 0;
  if (lua_rawgetp(L, -1, &mt_protected) == LUA_TTABLE) {
    lua_remove(L, -2);
    return 1;
  }
  lua_pop(L, 2);
  return 0;
}

static int refuse_change(lua_State *L) {
  size_t count;
  mt_tostring(L, 2, &count);
  return luaL_error(
      L, "%s is read-only: '%s' cannot be changed", lua_tostring(L, lua_upvalueindex(1)),
      lua_tostring(L, -1));
}

void mt_protect(lua_State *L, const char *name) {
  lua_newtable(L);
  lua_createtable(L, 0, 4);
  lua_pushvalue(L, -3);
  lua_setfield(L, -2, "__index");
  lua_pushvalue(L, -3);
  lua_rawsetp(L, -2, &mt_protected);
  lua_pushstring(L, name);
  lua_pushcclosure(L, refuse_change, 1);
  lua_setfield(L, -2, "__newindex");
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
  lua_setmetatable(L, -2);
  lua_remove(L, -2);
}

int mt_is_array(lua_State *L, int index) {
  if (!lua_getmetatable(L, index)) return 0;
  mt_push_slot(mt_self(L), L, MT_SLOT_ARRAY);
  int same = lua_rawequal(L, -1, -2);
  lua_pop(L, 2);
  return same;
}

static const char *shown_type(lua_State *L, int index) {
  int type = lua_type(L, index);
  size_t ignored;
  if (type == LUA_TUSERDATA) return mt_to_reference(L, index, &ignored) != NULL ? "userdata" : "table";
  if (type == LUA_TLIGHTUSERDATA) return "null";
  return lua_typename(L, type);
}

const char *mt_tostring(lua_State *L, int index, size_t *count) {
  index = lua_absindex(L, index);
  int type = lua_type(L, index);
  if (type == LUA_TTABLE && luaL_callmeta(L, index, "__tostring")) {
    if (!lua_isstring(L, -1)) luaL_error(L, "'__tostring' must return a string");
  } else if (type == LUA_TSTRING || type == LUA_TNUMBER) {
    lua_pushvalue(L, index);
  } else if (type == LUA_TBOOLEAN) {
    lua_pushstring(L, lua_toboolean(L, index) ? "true" : "false");
  } else if (type == LUA_TUSERDATA && mt_to_reference(L, index, count) != NULL) {
    mt_push_reference_text(L, index);
  } else {
    lua_pushstring(L, shown_type(L, index));
  }
  return lua_tolstring(L, -1, count);
}

static int base_type(lua_State *L) {
  luaL_checkany(L, 1);
  lua_pushstring(L, shown_type(L, 1));
  return 1;
}

static int base_tostring(lua_State *L) {
  luaL_checkany(L, 1);
  size_t count;
  mt_tostring(L, 1, &count);
  return 1;
}

static int base_print(lua_State *L) {
  mt_lua *state = mt_self(L);
  int last = lua_gettop(L);
  lua_pushliteral(L, "");
  for (int i = 1; i <= last; i++) {
    size_t count;
    if (i > 1) lua_pushliteral(L, "\t");
    mt_tostring(L, i, &count);
    lua_concat(L, i > 1 ? 3 : 2);
  }
  size_t count;
  const char *text = lua_tolstring(L, -1, &count);
  mt_charge(L, count / 8 + 50);
  size_t room = state->limits.print_bytes - state->printed;
  if (state->printed >= state->limits.print_bytes) return 0;
  if (count > room) count = room;
  state->printed += count + 1;
  state->host.print(state->host.context, (const uint8_t *)text, count);
  return 0;
}

/// `depth` is how many modules were being loaded when the call began.
static int finish_pcall(lua_State *L, int status, lua_KContext depth) {
  if (status != LUA_OK && status != LUA_YIELD) {
    mt_after_failure(L, status);
    mt_self(L)->module_depth = (int32_t)depth;
    lua_pushboolean(L, 0);
    lua_pushvalue(L, -2);
    return 2;
  }
  return lua_gettop(L);
}

static int base_pcall(lua_State *L) {
  luaL_checkany(L, 1);
  mt_charge(L, 5);
  lua_pushboolean(L, 1);
  lua_insert(L, 1);
  lua_KContext depth = mt_self(L)->module_depth;
  return finish_pcall(L, lua_pcallk(L, lua_gettop(L) - 2, LUA_MULTRET, 0, depth, finish_pcall), depth);
}

/// The message handler (at 1) runs after the stack is unwound, so that a budget reaches it too.
static int finish_xpcall(lua_State *L, int status, lua_KContext depth) {
  if (status == LUA_OK || status == LUA_YIELD) return lua_gettop(L) - 1;
  mt_after_failure(L, status);
  mt_self(L)->module_depth = (int32_t)depth;
  lua_pushboolean(L, 0);
  lua_pushvalue(L, 1);
  lua_pushvalue(L, -3);
  status = lua_pcall(L, 1, 1, 0);
  if (status != LUA_OK) mt_after_failure(L, status);
  return 2;
}

static int base_xpcall(lua_State *L) {
  luaL_checktype(L, 2, LUA_TFUNCTION);
  mt_charge(L, 5);
  int count = lua_gettop(L);
  // f, handler, arguments… → handler, true, f, arguments…
  lua_pushvalue(L, 1);
  lua_pushvalue(L, 2);
  lua_replace(L, 1);
  lua_replace(L, 2);
  lua_pushboolean(L, 1);
  lua_insert(L, 2);
  lua_KContext depth = mt_self(L)->module_depth;
  return finish_xpcall(L, lua_pcallk(L, count - 2, LUA_MULTRET, 0, depth, finish_xpcall), depth);
}

static int base_setmetatable(lua_State *L) {
  static const char *const refused[] = {"__gc", "__close", "__mode"};
  int type = lua_type(L, 2);
  if (lua_type(L, 1) != LUA_TTABLE) {
    return luaL_error(L, "setmetatable needs a plain table, not %s", shown_type(L, 1));
  }
  luaL_argexpected(L, type == LUA_TNIL || type == LUA_TTABLE, 2, "nil or table");
  if (luaL_getmetafield(L, 1, "__metatable") != LUA_TNIL) {
    return luaL_error(L, "cannot change a protected metatable");
  }
  for (size_t i = 0; type == LUA_TTABLE && i < sizeof refused / sizeof *refused; i++) {
    lua_pushstring(L, refused[i]);
    if (lua_rawget(L, 2) != LUA_TNIL) return luaL_error(L, "%s is not offered in metatables", refused[i]);
    lua_pop(L, 1);
  }
  lua_settop(L, 2);
  lua_setmetatable(L, 1);
  return 1;
}

static int base_getmetatable(lua_State *L) {
  luaL_checkany(L, 1);
  if (lua_type(L, 1) == LUA_TSTRING) return luaL_error(L, "getmetatable of a string is not offered");
  if (lua_type(L, 1) != LUA_TTABLE || !lua_getmetatable(L, 1)) {
    lua_pushnil(L);
    return 1;
  }
  luaL_getmetafield(L, 1, "__metatable");
  return 1;
}

static int base_rawset(lua_State *L) {
  if (mt_to_node(L, 1) != NULL) {
    return luaL_error(L, "event data is read-only; copy it with table.copy(value) to change the copy");
  }
  luaL_checktype(L, 1, LUA_TTABLE);
  luaL_checkany(L, 2);
  luaL_checkany(L, 3);
  lua_settop(L, 3);
  if (mt_push_shown(L, 1)) return luaL_error(L, "rawset: this table is read-only");
  lua_rawset(L, 1);
  return 1;
}

static int base_rawget(lua_State *L) {
  luaL_checkany(L, 2);
  lua_settop(L, 2);
  if (mt_to_node(L, 1) != NULL) {
    lua_gettable(L, 1);
    return 1;
  }
  luaL_checktype(L, 1, LUA_TTABLE);
  if (mt_push_shown(L, 1)) lua_replace(L, 1);
  lua_rawget(L, 1);
  return 1;
}

static int base_rawlen(lua_State *L) {
  int type = lua_type(L, 1);
  luaL_argexpected(
      L, type == LUA_TTABLE || type == LUA_TUSERDATA || type == LUA_TSTRING, 1, "table or string");
  lua_pushinteger(L, type == LUA_TUSERDATA ? luaL_len(L, 1) : (lua_Integer)lua_rawlen(L, 1));
  return 1;
}

static int base_array(lua_State *L) {
  if (lua_isnoneornil(L, 1)) {
    lua_settop(L, 0);
    lua_newtable(L);
  }
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  if (mt_is_array(L, 1)) return 1;
  if (lua_getmetatable(L, 1)) return luaL_error(L, "array: the table has a metatable of its own");
  mt_push_slot(mt_self(L), L, MT_SLOT_ARRAY);
  lua_setmetatable(L, 1);
  return 1;
}

static int moontide_time(lua_State *L) {
  mt_lua *state = mt_self(L);
  size_t count;
  const char *text = luaL_checklstring(L, 1, &count);
  int64_t microseconds;
  if (!state->host.parse_time(state->host.context, (const uint8_t *)text, count, &microseconds)) {
    return luaL_error(L, "moontide.time: not an RFC 3339 time such as 2026-01-31T12:00:00Z: '%s'", text);
  }
  lua_pushinteger(L, microseconds);
  return 1;
}

// The stock function takes anything and fails later, in the loop, without a name for what was nil.
static int base_ipairs(lua_State *L) {
  luaL_checkany(L, 1);
  if (lua_isnil(L, 1)) luaL_typeerror(L, 1, "table");
  lua_settop(L, 1);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_call(L, 1, 3);
  return 3;
}

void mt_open_base(lua_State *L, mt_lua *state) {
  static const char *const kept[] = {"assert", "error", "select", "tonumber", "rawequal"};
  static const luaL_Reg ours[] = {
      {"type", base_type}, {"tostring", base_tostring}, {"print", base_print}, {"pcall", base_pcall},
      {"xpcall", base_xpcall}, {"setmetatable", base_setmetatable}, {"getmetatable", base_getmetatable},
      {"rawset", base_rawset}, {"rawget", base_rawget}, {"rawlen", base_rawlen}, {"array", base_array},
      {"next", mt_next}, {"pairs", mt_pairs}, {"require", mt_require}, {NULL, NULL}};
  lua_pushcfunction(L, luaopen_base);
  lua_call(L, 0, 1);
  for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
    lua_getfield(L, -1, kept[i]);
    lua_setfield(L, -3, kept[i]);
  }
  lua_getfield(L, -1, "ipairs");
  lua_pushcclosure(L, base_ipairs, 1);
  lua_setfield(L, -3, "ipairs");
  lua_pop(L, 1);
  luaL_setfuncs(L, ours, 0);
  lua_pushliteral(L, "Lua 5.4");
  lua_setfield(L, -2, "_VERSION");
  mt_push_null(L);
  lua_setfield(L, -2, "null");
  lua_newtable(L);
  lua_pushcfunction(L, moontide_time);
  lua_setfield(L, -2, "time");
  mt_protect(L, "moontide");
  lua_setfield(L, -2, "moontide");
  lua_newtable(L);
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
  mt_set_slot(state, L, MT_SLOT_ARRAY);
}
