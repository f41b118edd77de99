#define _GNU_SOURCE
#include <string.h>

#include "state.h"

// The string library of Lua behind a guard: each function is charged by the bytes that it goes over, and none
// gives more values than a call may. What hangs or shows addresses is written anew. No text is longer than
// the cap: the allocator sees to that.

/// Upvalue 1: the function of Lua's own library, which uses no upvalues.
static int original(lua_State *L) {
  return lua_tocfunction(L, lua_upvalueindex(1))(L);
}

/// For what goes over all of its texts.
static int by_arguments(lua_State *L) {
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
  return original(L);
}

/// For what takes as long as what it gives: a part of a text, numbers.
static int by_results(lua_State *L) {
  int count = original(L);
  lua_Integer cap = (lua_Integer)mt_self(L)->limits.values;
  if (count > cap) return luaL_error(L, "a call gives at most %I values", cap);
  size_t work = (size_t)count;
  for (int i = 1; i <= count; i++) {
    if (lua_type(L, -i) == LUA_TSTRING) work += lua_rawlen(L, -i) / 8;
  }
  mt_charge(L, work);
  return count;
}

/// `utf8.len` and `utf8.offset`: charged by the number that they give or are given.
static int by_number(lua_State *L) {
  lua_Integer asked = lua_tointeger(L, 2);
  size_t count = lua_type(L, 1) == LUA_TSTRING ? lua_rawlen(L, 1) : 0;
  int results = original(L);
  lua_Integer given = lua_tointeger(L, -1);
  size_t most = (size_t)(given > asked ? given : asked > 0 ? asked : -(asked + 1));
  mt_charge(L, (most < count ? most : count) / 4 + 5);
  return results;
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

/// How many bytes `%q` adds to a text at most.
static size_t quoted_bytes(lua_State *L, int index) {
  size_t count, more = 0;
  const char *text = lua_tolstring(L, index, &count);
  for (size_t i = 0; i < count; i++) {
    unsigned char c = (unsigned char)text[i];
    more += c == '"' || c == '\\' || c == '\n' ? 1 : c < 32 || c == 127 ? 3 : 0;
  }
  return more + count;
}

/// Replaces what `%s` would show with an address, and refuses `%p`.
static int string_format(lua_State *L) {
  size_t count;
  const char *at = luaL_checklstring(L, 1, &count);
  const char *end = at + count;
  int argument = 1, last = lua_gettop(L);
  size_t quoted = 0;
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
      if (mt_to_reference(L, argument, &ignored) != NULL) {
        return luaL_error(L, "string.format: ctx.env.NAME is a reference: join it with .. instead");
      }
      mt_tostring(L, argument, &ignored);
      lua_replace(L, argument);
    }
    if (at < end && *at == 'q' && argument <= last && lua_type(L, argument) == LUA_TSTRING) {
      quoted += quoted_bytes(L, argument);
    }
  }
  if (quoted > mt_self(L)->limits.string_bytes) {
    return luaL_error(
        L, "string.format: the result is too long: at most %I bytes",
        (lua_Integer)mt_self(L)->limits.string_bytes);
  }
  mt_charge(L, quoted / 8);
  return by_arguments(L);
}

/// Puts functions of the library on top behind a guard into the table below it.
static void keep(lua_State *L, const char *const *names, lua_CFunction guard) {
  for (; *names != NULL; names++) {
    lua_getfield(L, -1, *names);
    lua_pushcclosure(L, guard, 1);
    lua_setfield(L, -3, *names);
  }
}

void mt_open_string(lua_State *L) {
  static const char *const whole[] = {"lower", "reverse", "upper", "pack", "packsize", NULL};
  static const char *const parts[] = {"byte", "char", "sub", "unpack", NULL};
  lua_pushcfunction(L, luaopen_string);
  lua_call(L, 0, 1);
  keep(L, whole, by_arguments);
  keep(L, parts, by_results);
  lua_getfield(L, -1, "len");
  lua_setfield(L, -3, "len");
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
  static const char *const parts[] = {"char", "codes", "codepoint", NULL};
  static const char *const walks[] = {"len", "offset", NULL};
  lua_pushcfunction(L, luaopen_utf8);
  lua_call(L, 0, 1);
  keep(L, parts, by_results);
  keep(L, walks, by_number);
  lua_getfield(L, -1, "charpattern");
  lua_setfield(L, -3, "charpattern");
  lua_pop(L, 1);
}
