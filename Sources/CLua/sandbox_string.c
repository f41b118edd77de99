#define _GNU_SOURCE
#include <string.h>

#include "state.h"

// The string library of Lua behind a guard: no function sees a text beyond the cap, and each is charged by
// the bytes it is given. What hangs or shows addresses is written anew.

/// Upvalue 1: the function of Lua's own library, which uses no upvalues.
static int guarded(lua_State *L) {
  size_t total = 0;
  int last = lua_gettop(L);
  for (int i = 1; i <= last; i++) {
    if (lua_type(L, i) == LUA_TSTRING) total += lua_rawlen(L, i);
  }
  size_t cap = mt_self(L)->limits.string_bytes;
  if (total > cap) {
    return luaL_error(
        L, "a text of %I bytes is too long: at most %I", (lua_Integer)total, (lua_Integer)cap);
  }
  mt_charge(L, total / 8 + 5);
  return lua_tocfunction(L, lua_upvalueindex(1))(L);
}

static int string_rep(lua_State *L) {
  size_t count, between;
  const char *text = luaL_checklstring(L, 1, &count);
  lua_Integer times = luaL_checkinteger(L, 2);
  const char *separator = luaL_optlstring(L, 3, "", &between);
  size_t cap = mt_self(L)->limits.string_bytes;
  if (times <= 0 || count + between == 0) {
    lua_pushliteral(L, "");
    return 1;
  }
  if (count + between > cap || (uint64_t)times > cap / (count + between)) {
    return luaL_error(L, "string.rep: the result is too long: at most %I bytes", (lua_Integer)cap);
  }
  size_t total = (size_t)times * count + (size_t)(times - 1) * between;
  mt_charge(L, total / 8 + 5);
  luaL_Buffer buffer;
  char *at = luaL_buffinitsize(L, &buffer, total);
  while (times-- > 0) {
    memcpy(at, text, count);
    at += count;
    if (times > 0) memcpy(at, separator, between);
    if (times > 0) at += between;
  }
  luaL_pushresultsize(&buffer, total);
  return 1;
}

/// Replaces what `%s` would show with an address, and refuses `%p`.
static int string_format(lua_State *L) {
  size_t count;
  const char *at = luaL_checklstring(L, 1, &count);
  const char *end = at + count;
  int argument = 1, last = lua_gettop(L);
  while (at < end) {
    if (*at++ != '%') continue;
    if (at < end && *at == '%') {
      at++;
      continue;
    }
    argument++;
    while (at < end && strchr("-+ #0123456789.", *at) != NULL && *at != 0) at++;
    if (at < end && *at == 'p') return luaL_error(L, "string.format: %%p is not offered");
    if (at < end && *at == 's' && argument <= last && lua_type(L, argument) != LUA_TSTRING) {
      size_t ignored;
      mt_tostring(L, argument, &ignored);
      lua_replace(L, argument);
    }
  }
  return guarded(L);
}

void mt_open_string(lua_State *L) {
  static const char *const kept[] = {
      "byte", "char", "len", "lower", "reverse", "sub", "upper", "pack", "unpack", "packsize"};
  lua_pushcfunction(L, luaopen_string);
  lua_call(L, 0, 1);
  for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
    lua_getfield(L, -1, kept[i]);
    lua_pushcclosure(L, guarded, 1);
    lua_setfield(L, -3, kept[i]);
  }
  lua_getfield(L, -1, "format");
  lua_pushcclosure(L, string_format, 1);
  lua_setfield(L, -3, "format");
  lua_pop(L, 1);
  lua_pushcfunction(L, string_rep);
  lua_setfield(L, -2, "rep");
  mt_open_patterns(L);
  // ("x"):upper() finds the same functions.
  lua_pushliteral(L, "");
  lua_getmetatable(L, -1);
  lua_pushvalue(L, -3);
  lua_setfield(L, -2, "__index");
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
  lua_pop(L, 2);
}

void mt_open_utf8(lua_State *L) {
  static const char *const kept[] = {"char", "codes", "codepoint", "len", "offset"};
  lua_pushcfunction(L, luaopen_utf8);
  lua_call(L, 0, 1);
  for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
    lua_getfield(L, -1, kept[i]);
    lua_pushcclosure(L, guarded, 1);
    lua_setfield(L, -3, kept[i]);
  }
  lua_getfield(L, -1, "charpattern");
  lua_setfield(L, -3, "charpattern");
  lua_pop(L, 1);
}
