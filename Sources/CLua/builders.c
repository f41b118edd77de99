#include <string.h>

#include "state.h"

// `events.Type(data, envelope)` and `commands.Type(data, envelope)` make plain tables that ctx.emit takes; a
// command carries a mark.

static const char *const envelope_names[] = {"key", "id", "time", "version", "topic", "meta"};

static void add_names(lua_State *L, mt_bytes *names) {
  names->count = 0;
  for (size_t i = 0; i < sizeof envelope_names / sizeof *envelope_names; i++) {
    mt_bytes_add(L, names, envelope_names[i], strlen(envelope_names[i]) + 1);
  }
}

void mt_envelope_names(lua_State *L, mt_bytes *names) {
  add_names(L, names);
  mt_bytes_add(L, names, "type", 5);
  mt_bytes_add(L, names, "data", 5);
}

static void copy_envelope(lua_State *L, int from, int to) {
  size_t known = 0, given = 0;
  for (size_t i = 0; i < sizeof envelope_names / sizeof *envelope_names; i++) {
    lua_pushstring(L, envelope_names[i]);
    if (lua_rawget(L, from) != LUA_TNIL) known++;
    lua_setfield(L, to, envelope_names[i]);
  }
  lua_pushnil(L);
  while (lua_next(L, from) != 0) {
    given++;
    lua_pop(L, 1);
  }
  if (given == known) return;
  mt_push_keys(L, from);
  mt_lua *state = mt_self(L);
  add_names(L, &state->scratch);
  if (lua_isnil(L, -1)) luaL_error(L, "the envelope is { key, id, time, version, topic, meta }, not a list");
  for (lua_Integer i = 1; lua_rawgeti(L, -1, i) != LUA_TNIL; i++) {
    size_t count;
    const char *name = mt_tostring(L, -1, &count);
    int fits = 0;
    for (size_t n = 0; n < sizeof envelope_names / sizeof *envelope_names; n++) {
      fits |= strcmp(name, envelope_names[n]) == 0;
    }
    if (!fits) {
      lua_pushfstring(L, "an envelope has no field '%s'", name);
      mt_raise_unknown(L, lua_tostring(L, -1), name, count, &state->scratch);
    }
    lua_pop(L, 2);
  }
}

/// Upvalues: the type; whether it is a command.
static int build(lua_State *L) {
  lua_settop(L, 2);
  if (!lua_isnoneornil(L, 1) && !lua_istable(L, 1) && mt_to_node(L, 1) == NULL) {
    return luaL_error(L, "the data of %s must be a table", lua_tostring(L, lua_upvalueindex(1)));
  }
  if (!lua_isnil(L, 2)) luaL_checktype(L, 2, LUA_TTABLE);
  lua_createtable(L, 0, 4);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_setfield(L, 3, "type");
  if (lua_isnil(L, 1)) {
    lua_newtable(L);
  } else {
    lua_pushvalue(L, 1);
  }
  lua_setfield(L, 3, "data");
  if (!lua_isnil(L, 2)) copy_envelope(L, 2, 3);
  if (lua_toboolean(L, lua_upvalueindex(2))) {
    mt_push_slot(mt_self(L), L, MT_SLOT_COMMAND);
    lua_setmetatable(L, 3);
  }
  lua_settop(L, 3);
  return 1;
}

/// Constructors that are kept; a project has some dozens of types, a script that makes up names has no end.
enum { BUILT_MAX = 1024 };

/// `events.Type`: made once, then kept in what the view shows. Upvalue: whether these are commands.
static int find(lua_State *L) {
  mt_lua *state = mt_self(L);
  luaL_checktype(L, 2, LUA_TSTRING);
  lua_pushvalue(L, 2);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_pushcclosure(L, build, 2);
  if (state->built >= BUILT_MAX) return 1;
  state->built++;
  lua_pushvalue(L, 2);
  lua_pushvalue(L, -2);
  lua_rawset(L, 1);
  return 1;
}

static void open_family(lua_State *L, const char *name, int commands) {
  lua_newtable(L);
  lua_createtable(L, 0, 1);
  lua_pushboolean(L, commands);
  lua_pushcclosure(L, find, 1);
  lua_setfield(L, -2, "__index");
  lua_setmetatable(L, -2);
  mt_protect(L, name);
  lua_setfield(L, -2, name);
}

/// `reject(code, text)`: what `decide` returns to say no.
static int reject(lua_State *L) {
  luaL_checktype(L, 1, LUA_TSTRING);
  if (!lua_isnoneornil(L, 2)) luaL_checktype(L, 2, LUA_TSTRING);
  if (lua_rawlen(L, 1) == 0) return luaL_error(L, "reject needs a code: reject(\"ORDER_EXISTS\", \"text\")");
  lua_settop(L, 2);
  lua_createtable(L, 2, 0);
  for (int i = 1; i <= 2; i++) {
    lua_pushvalue(L, i);
    lua_rawseti(L, 3, i);
  }
  mt_push_slot(mt_self(L), L, MT_SLOT_REJECTION);
  lua_setmetatable(L, 3);
  return 1;
}

void mt_open_builders(lua_State *L, mt_lua *state) {
  open_family(L, "events", 0);
  open_family(L, "commands", 1);
  mt_open_upcasting(L, state);
  lua_pushcfunction(L, reject);
  lua_setfield(L, -2, "reject");
  static const int marks[] = {MT_SLOT_COMMAND, MT_SLOT_REJECTION};
  for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
    lua_newtable(L);
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    mt_set_slot(state, L, marks[i]);
  }
}
