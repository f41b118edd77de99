#include <string.h>

#include "state.h"

// Scripts, their environments, `require`, and the constructors that register definitions.

/// The writer of a script's globals. Upvalue 1: the table behind the environment.
static int assign_global(lua_State *L) {
  mt_lua *state = mt_self(L);
  if (state->phase != MT_LOADING && state->phase != MT_SETTINGS && state->phase != MT_DESK) {
    size_t count;
    const char *name = mt_tostring(L, 2, &count);
    return luaL_error(L, "globals are read-only after load: '%s'; keep state in ctx.state or db", name);
  }
  lua_settop(L, 3);
  lua_pushvalue(L, 2);
  lua_pushvalue(L, 3);
  lua_rawset(L, lua_upvalueindex(1));
  return 0;
}

void mt_push_environment(lua_State *L, mt_lua *state) {
  lua_newtable(L);
  lua_createtable(L, 0, 4);
  lua_newtable(L);
  mt_push_slot(state, L, MT_SLOT_BASE);
  int behind = lua_gettop(L) - 1;
  lua_pushnil(L);
  while (lua_next(L, -2) != 0) {
    lua_pushvalue(L, -2);
    lua_insert(L, -2);
    lua_rawset(L, behind);
  }
  lua_pop(L, 1);
  lua_pushvalue(L, behind - 2);
  lua_setfield(L, behind, "_G");
  lua_pushvalue(L, behind);
  lua_setfield(L, behind - 1, "__index");
  lua_pushvalue(L, behind);
  lua_rawsetp(L, behind - 1, &mt_protected);
  lua_pushboolean(L, 0);
  lua_setfield(L, behind - 1, "__metatable");
  lua_pushcclosure(L, assign_global, 1);
  lua_setfield(L, behind - 1, "__newindex");
  lua_setmetatable(L, behind - 2);
}

/// How much the parser gets at once. No hook runs while it works, and in deeply nested functions it looks
/// through all names around each name: the budget is looked at in between.
enum { READ_BYTES = 256 };

typedef struct source_reader {
  const char *text;
  size_t count;
  int32_t line;
} source_reader;

static const char *read_source(lua_State *L, void *context, size_t *count) {
  source_reader *reader = context;
  const char *text = reader->text;
  *count = reader->count < READ_BYTES ? reader->count : READ_BYTES;
  mt_look(L);
  for (size_t i = 0; i < *count; i++) reader->line += text[i] == '\n';
  reader->text += *count;
  reader->count -= *count;
  return *count > 0 ? text : NULL;
}

void mt_load_text(lua_State *L, const char *path, const uint8_t *text, size_t count) {
  mt_lua *state = mt_self(L);
  source_reader reader = {(const char *)text, count, 1};
  mt_copy_text(state->loading_path, sizeof state->loading_path, path, strlen(path));
  if (count >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
    lua_pushfstring(L, "%s:1: the file begins with a byte order mark: save it as UTF-8 without one", path);
    mt_raise_syntax(L);
  }
  if (count > 0 && text[0] == 0x1b) {
    lua_pushfstring(L, "%s:1: the file is Lua bytecode: only text is loaded", path);
    mt_raise_syntax(L);
  }
  if (count > 0 && text[0] == '#') {
    // The first line of an executable script; its newline stays, so that lines keep their numbers.
    const char *newline = memchr(text, '\n', count);
    reader.text = newline == NULL ? "" : newline;
    reader.count = newline == NULL ? 0 : count - (size_t)(newline - (const char *)text);
  }
  lua_pushfstring(L, "@%s", path);
  int status = lua_load(L, read_source, &reader, lua_tostring(L, -1), "t");
  lua_remove(L, -2);
  if (status != LUA_OK) {
    if (status == LUA_ERRSYNTAX) mt_raise_syntax(L);
    if (state->tripped) {
      mt_copy_text(state->fault.path, sizeof state->fault.path, path, strlen(path));
      state->fault.line = reader.line;
    }
    lua_error(L);
  }
  mt_push_environment(L, state);
  lua_setupvalue(L, -2, 1);
}

int mt_require(lua_State *L) {
  mt_lua *state = mt_self(L);
  const char *name = luaL_checkstring(L, 1);
  lua_settop(L, 1);
  mt_push_slot(state, L, MT_SLOT_LOADED);
  lua_pushvalue(L, 1);
  if (lua_rawget(L, 2) != LUA_TNIL) {
    if (mt_push_shown(L, 3) || !lua_islightuserdata(L, 3) || mt_is_null(L, 3)) return 1;
    return luaL_error(L, "require: the module '%s' requires itself, directly or through others", name);
  }
  if (state->phase > MT_SETTINGS && state->phase != MT_DESK) {
    return luaL_error(L, "require '%s' belongs at the top of the file", name);
  }
  mt_push_slot(state, L, MT_SLOT_SOURCES);
  lua_pushvalue(L, 1);
  if (lua_rawget(L, 4) != LUA_TTABLE) {
    mt_bytes *names = &state->scratch;
    names->count = 0;
    mt_push_keys(L, 4);
    for (lua_Integer i = 1; lua_istable(L, -1) && lua_rawgeti(L, -1, i) != LUA_TNIL; i++) {
      size_t count;
      const char *other = lua_tolstring(L, -1, &count);
      mt_bytes_add(L, names, other, count + 1);
      lua_pop(L, 1);
    }
    lua_pushfstring(L, "require: there is no module '%s' in lib/", name);
    return mt_raise_unknown(L, lua_tostring(L, -1), name, strlen(name), names);
  }
  lua_pushvalue(L, 1);
  lua_pushlightuserdata(L, state);
  lua_rawset(L, 2);
  lua_rawgeti(L, 5, 1);
  lua_rawgeti(L, 5, 2);
  size_t count;
  const char *text = lua_tolstring(L, 7, &count);
  mt_load_text(L, lua_tostring(L, 6), (const uint8_t *)text, count);
  state->module_depth++;
  lua_call(L, 0, 1);
  state->module_depth--;
  if (lua_isnil(L, -1)) {
    lua_pop(L, 1);
    lua_pushboolean(L, 1);
  }
  lua_pushvalue(L, 1);
  lua_pushvalue(L, -2);
  lua_rawset(L, 2);
  return 1;
}

/// The second half of `kind "name" { … }`. Upvalues: kind, name, path, line.
static int define(lua_State *L) {
  mt_lua *state = mt_self(L);
  const char *kind = lua_tostring(L, lua_upvalueindex(1)), *name = lua_tostring(L, lua_upvalueindex(2));
  if (state->phase != MT_LOADING) return luaL_error(L, "%s is for the top of a handler file", kind);
  if (lua_type(L, 1) != LUA_TTABLE) {
    return luaL_error(L, "%s \"%s\" needs a table: %s \"%s\" { … }", kind, name, kind, name);
  }
  if (state->unfinished > 0) state->unfinished--;
  lua_createtable(L, 5, 0);
  for (int i = 1; i <= 4; i++) {
    lua_pushvalue(L, lua_upvalueindex(i));
    lua_rawseti(L, -2, i);
  }
  lua_pushvalue(L, 1);
  lua_rawseti(L, -2, 5);
  mt_push_slot(state, L, MT_SLOT_DEFINITIONS);
  lua_pushvalue(L, -2);
  lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
  return 0;
}

/// `kind "name"`. Upvalue 1: the kind.
static int constructor(lua_State *L) {
  mt_lua *state = mt_self(L);
  const char *kind = lua_tostring(L, lua_upvalueindex(1));
  if (state->phase == MT_SETTINGS) return luaL_error(L, "%s: a settings file holds data only", kind);
  if (state->phase != MT_LOADING) {
    return luaL_error(L, "%s is for the top of a handler file, not for handlers", kind);
  }
  if (state->module_depth > 0) return luaL_error(L, "%s: a module of lib/ defines no handlers", kind);
  if (lua_type(L, 1) != LUA_TSTRING) return luaL_error(L, "%s needs a name: %s \"name\" { … }", kind, kind);
  lua_Debug frame;
  lua_settop(L, 1);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  // It may be called by a function in C, such as pcall: the place is that of the script.
  int level = 1, found = 0;
  for (; !found && lua_getstack(L, level, &frame); level++) {
    lua_getinfo(L, "Sl", &frame);
    found = frame.currentline > 0 && frame.source[0] == '@';
  }
  lua_pushstring(L, found ? frame.source + 1 : state->loading_path);
  lua_pushinteger(L, found ? frame.currentline : 1);
  lua_pushcclosure(L, define, 4);
  state->unfinished++;
  return 1;
}

void mt_open_definitions(lua_State *L, mt_lua *state) {
  static const char *const kinds[] = {"projection", "consumer", "upcaster", "decider", "saga"};
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
    lua_pushstring(L, kinds[i]);
    lua_pushcclosure(L, constructor, 1);
    lua_setfield(L, -2, kinds[i]);
  }
  lua_newtable(L);
  mt_set_slot(state, L, MT_SLOT_DEFINITIONS);
  lua_newtable(L);
  mt_set_slot(state, L, MT_SLOT_SOURCES);
  lua_newtable(L);
  mt_set_slot(state, L, MT_SLOT_LOADED);
}
