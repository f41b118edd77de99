#define _GNU_SOURCE
#include <ctype.h>
#include <string.h>

#include "pattern.h"

// The functions of the string library that take patterns, over our own matcher.

/// Steps of the matcher are charged by it; this is for what is gone over besides.
static void admit(lua_State *L, size_t bytes) { mt_charge(L, bytes / 8 + 5); }

/// Where the search begins, 0-based; beyond the end when there is nothing to search.
static size_t beginning(lua_Integer from, size_t count) {
  if (from > 0) return (size_t)from - 1;
  if (from == 0 || -from > (lua_Integer)count) return 0;
  return count - (size_t)-from;
}

/// Finds a text without a pattern in linear time.
static int find_plain(
    lua_State *L, const char *text, size_t count, const char *what, size_t sought, size_t from) {
  const char *start = text + from;
  const char *found = sought == 0 ? start : memmem(start, count - from, what, sought);
  mt_charge(L, (found == NULL ? count - from : (size_t)(found - start)) / 8);
  if (found == NULL) {
    lua_pushnil(L);
    return 1;
  }
  lua_pushinteger(L, found - text + 1);
  lua_pushinteger(L, found - text + (lua_Integer)sought);
  return 2;
}

/// Whether a pattern stands for itself. A `)` alone is no special character to Lua.
static int is_bare(const char *pattern, size_t count) {
  const char *end = pattern + count;
  for (; pattern <= end; pattern += strlen(pattern) + 1) {
    if (strpbrk(pattern, "^$*+?.([%-") != NULL) return 0;
  }
  return 1;
}

static int search(lua_State *L, int finding) {
  size_t count, pattern_count;
  const char *text = luaL_checklstring(L, 1, &count);
  const char *pattern = luaL_checklstring(L, 2, &pattern_count);
  admit(L, pattern_count);
  size_t from = beginning(luaL_optinteger(L, 3, 1), count);
  if (from > count) {
    lua_pushnil(L);
    return 1;
  }
  if (finding && (lua_toboolean(L, 4) || is_bare(pattern, pattern_count))) {
    return find_plain(L, text, count, pattern, pattern_count, from);
  }
  const char *pattern_end = pattern + pattern_count;
  int anchored = *pattern == '^';
  mt_matcher matcher;
  mt_matcher_begin(&matcher, L, text, count, pattern_end);
  for (const char *at = text + from; at <= text + count; at++) {
    const char *end = mt_matcher_try(&matcher, at, pattern + anchored);
    if (end != NULL) {
      mt_matcher_end(&matcher);
      if (!finding) return mt_matcher_push(&matcher, at, end);
      lua_pushinteger(L, at - text + 1);
      lua_pushinteger(L, end - text);
      return mt_matcher_push(&matcher, NULL, NULL) + 2;
    }
    if (anchored) break;
  }
  mt_matcher_end(&matcher);
  lua_pushnil(L);
  return 1;
}

static int string_find(lua_State *L) { return search(L, 1); }

static int string_match(lua_State *L) { return search(L, 0); }

/// Upvalues: the text, the pattern, where to go on, where the last match ended (-1: none yet).
static int next_match(lua_State *L) {
  size_t count, pattern_count;
  const char *text = lua_tolstring(L, lua_upvalueindex(1), &count);
  const char *pattern = lua_tolstring(L, lua_upvalueindex(2), &pattern_count);
  lua_Integer from = lua_tointeger(L, lua_upvalueindex(3));
  lua_Integer last = lua_tointeger(L, lua_upvalueindex(4));
  mt_matcher matcher;
  mt_matcher_begin(&matcher, L, text, count, pattern + pattern_count);
  for (lua_Integer at = from; at <= (lua_Integer)count; at++) {
    const char *end = mt_matcher_try(&matcher, text + at, pattern);
    if (end == NULL || end - text == last) continue;
    mt_matcher_end(&matcher);
    lua_pushinteger(L, end - text);
    lua_pushvalue(L, -1);
    lua_replace(L, lua_upvalueindex(3));
    lua_replace(L, lua_upvalueindex(4));
    return mt_matcher_push(&matcher, text + at, end);
  }
  mt_matcher_end(&matcher);
  return 0;
}

static int string_gmatch(lua_State *L) {
  size_t count, pattern_count;
  luaL_checklstring(L, 1, &count);
  luaL_checklstring(L, 2, &pattern_count);
  admit(L, pattern_count);
  size_t from = beginning(luaL_optinteger(L, 3, 1), count);
  lua_settop(L, 2);
  lua_pushinteger(L, (lua_Integer)(from > count ? count + 1 : from));
  lua_pushinteger(L, -1);
  lua_pushcclosure(L, next_match, 4);
  return 1;
}

/// Adds the replacement text at index 3 with its `%0` to `%9` filled in.
static void add_text(mt_matcher *m, luaL_Buffer *buffer, const char *start, const char *end) {
  lua_State *L = m->L;
  size_t count;
  const char *at = lua_tolstring(L, 3, &count), *stop = at + count;
  while (at < stop) {
    const char *sign = memchr(at, '%', (size_t)(stop - at));
    if (sign == NULL) break;
    luaL_addlstring(buffer, at, (size_t)(sign - at));
    unsigned char kind = (unsigned char)sign[1];
    if (kind == '%') {
      luaL_addchar(buffer, '%');
    } else if (kind == '0') {
      luaL_addlstring(buffer, start, (size_t)(end - start));
    } else if (isdigit(kind)) {
      mt_matcher_push_one(m, kind - '1', start, end);
      luaL_addvalue(buffer);
    } else {
      luaL_error(L, "invalid use of '%c' in replacement string", '%');
    }
    at = sign + 2;
  }
  if (at < stop) luaL_addlstring(buffer, at, (size_t)(stop - at));
}

/// Adds what takes the place of a match.
static void add_value(mt_matcher *m, luaL_Buffer *buffer, const char *start, const char *end) {
  lua_State *L = m->L;
  int kind = lua_type(L, 3);
  if (kind != LUA_TFUNCTION && kind != LUA_TTABLE) {
    add_text(m, buffer, start, end);
    return;
  }
  if (kind == LUA_TFUNCTION) {
    lua_pushvalue(L, 3);
    lua_call(L, mt_matcher_push(m, start, end), 1);
  } else {
    mt_matcher_push_one(m, 0, start, end);
    lua_gettable(L, 3);
  }
  if (!lua_toboolean(L, -1)) {
    lua_pop(L, 1);
    luaL_addlstring(buffer, start, (size_t)(end - start));
  } else if (!lua_isstring(L, -1)) {
    luaL_error(L, "invalid replacement value (a %s)", luaL_typename(L, -1));
  } else {
    luaL_addvalue(buffer);
  }
}

static int string_gsub(lua_State *L) {
  size_t count, pattern_count;
  const char *text = luaL_checklstring(L, 1, &count), *at = text, *last = NULL;
  const char *pattern = luaL_checklstring(L, 2, &pattern_count);
  int kind = lua_type(L, 3);
  if (kind != LUA_TNUMBER && kind != LUA_TSTRING && kind != LUA_TFUNCTION && kind != LUA_TTABLE) {
    return luaL_typeerror(L, 3, "string/function/table");
  }
  admit(L, count + pattern_count + (kind == LUA_TSTRING ? lua_rawlen(L, 3) : 0));
  lua_Integer limit = luaL_optinteger(L, 4, (lua_Integer)count + 1), made = 0;
  size_t cap = mt_self(L)->limits.string_bytes;
  int anchored = *pattern == '^';
  mt_matcher matcher;
  mt_matcher_begin(&matcher, L, text, count, pattern + pattern_count);
  luaL_Buffer buffer;
  luaL_buffinit(L, &buffer);
  while (made < limit) {
    const char *end = mt_matcher_try(&matcher, at, pattern + anchored);
    if (end != NULL && end != last) {
      made++;
      size_t before = luaL_bufflen(&buffer);
      add_value(&matcher, &buffer, at, end);
      size_t after = luaL_bufflen(&buffer);
      if (after > cap) {
        return luaL_error(L, "string.gsub: the result is too long: at most %I bytes", (lua_Integer)cap);
      }
      mt_charge(L, (after - before) / 8);
      at = last = end;
    } else if (at < matcher.text_end) {
      luaL_addchar(&buffer, *at++);
    } else {
      break;
    }
    if (anchored) break;
  }
  mt_matcher_end(&matcher);
  luaL_addlstring(&buffer, at, (size_t)(matcher.text_end - at));
  luaL_pushresult(&buffer);
  lua_pushinteger(L, made);
  return 2;
}

void mt_open_patterns(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"find", string_find}, {"match", string_match}, {"gmatch", string_gmatch}, {"gsub", string_gsub},
      {NULL, NULL}};
  luaL_setfuncs(L, functions, 0);
}
