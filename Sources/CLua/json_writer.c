#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "state.h"

// Lua values as JSON without whitespace. Keys come in the order of our `pairs`, parts of event.data in
// document order. A table marked by array() is an array; so is one whose keys are 1..n; an empty one is an
// object.

static void write_value(lua_State *L, int index, mt_bytes *out, uint32_t depth);

static void check_size(lua_State *L, const mt_bytes *out, size_t more) {
  size_t cap = mt_self(L)->limits.event_bytes;
  if (out->count + more > cap) luaL_error(L, "the JSON is longer than %I bytes", (lua_Integer)cap);
}

/// How many bytes the UTF-8 sequence at `s` has; 0 when it is none (RFC 3629).
static size_t sequence(const uint8_t *s, const uint8_t *end) {
  if (*s < 0xc2 || *s > 0xf4) return 0;
  size_t count = *s < 0xe0 ? 2 : *s < 0xf0 ? 3 : 4;
  if ((size_t)(end - s) < count) return 0;
  if (*s == 0xe0 && s[1] < 0xa0) return 0;
  if (*s == 0xed && s[1] > 0x9f) return 0;
  if (*s == 0xf0 && s[1] < 0x90) return 0;
  if (*s == 0xf4 && s[1] > 0x8f) return 0;
  for (size_t i = 1; i < count; i++) {
    if ((s[i] & 0xc0) != 0x80) return 0;
  }
  return count;
}

static void write_escape(lua_State *L, mt_bytes *out, uint8_t byte) {
  static const char short_names[] = "\bb\ff\nn\rr\tt\"\"\\\\";
  for (const char *at = short_names; *at != 0; at += 2) {
    if ((uint8_t)*at != byte) continue;
    mt_bytes_add1(L, out, '\\');
    mt_bytes_add1(L, out, (uint8_t)at[1]);
    return;
  }
  char text[8];
  int count = snprintf(text, sizeof text, "\\u%04x", byte);
  mt_bytes_add(L, out, text, (size_t)count);
}

static void write_characters(lua_State *L, const char *text, size_t count, mt_bytes *out) {
  const uint8_t *at = (const uint8_t *)text, *end = at + count, *plain = at;
  while (at < end) {
    if (*at >= 0x80) {
      size_t width = sequence(at, end);
      if (width == 0) luaL_error(L, "a text is not UTF-8: JSON cannot hold it");
      at += width;
    } else if (*at < 0x20 || *at == '"' || *at == '\\') {
      mt_bytes_add(L, out, plain, (size_t)(at - plain));
      write_escape(L, out, *at);
      plain = ++at;
    } else {
      at++;
    }
  }
  mt_bytes_add(L, out, plain, (size_t)(at - plain));
}

static void write_string(lua_State *L, const char *text, size_t count, mt_bytes *out) {
  check_size(L, out, count + 2);
  mt_bytes_add1(L, out, '"');
  write_characters(L, text, count, out);
  mt_bytes_add1(L, out, '"');
}

/// The text of a reference, its holes as they are.
static void write_reference(lua_State *L, const uint8_t *bytes, size_t count, mt_bytes *out) {
  if (!mt_self(L)->referring) {
    luaL_error(L, "ctx.env.NAME is for ctx.effect alone: a secret goes into no event, command or state");
  }
  check_size(L, out, count + 2);
  mt_bytes_add1(L, out, '"');
  const uint8_t *at = bytes, *end = bytes + count;
  while (at < end) {
    const uint8_t *hole = memchr(at, 0xff, (size_t)(end - at));
    const uint8_t *stop = hole == NULL ? end : hole;
    write_characters(L, (const char *)at, (size_t)(stop - at), out);
    if (hole == NULL) break;
    const uint8_t *after = (const uint8_t *)memchr(hole, 0xfe, (size_t)(end - hole)) + 1;
    mt_bytes_add(L, out, hole, (size_t)(after - hole));
    at = after;
  }
  mt_bytes_add1(L, out, '"');
}

static void write_integer(lua_State *L, lua_Integer value, mt_bytes *out) {
  char text[24];
  int count = snprintf(text, sizeof text, "%lld", (long long)value);
  mt_bytes_add(L, out, text, (size_t)count);
}

/// The shortest of 15, 16 and 17 digits that reads back as the same number; always with a point or exponent.
static void write_float(lua_State *L, lua_Number value, mt_bytes *out) {
  char text[40];
  int count = 0;
  if (isnan(value) || isinf(value)) luaL_error(L, "JSON has no NaN and no infinity");
  for (int digits = 15; digits <= 17; digits++) {
    count = snprintf(text, sizeof text - 3, "%.*g", digits, value);
    if (strtod(text, NULL) == value) break;
  }
  if (strpbrk(text, ".e") == NULL) {
    memcpy(text + count, ".0", 3);
    count += 2;
  }
  mt_bytes_add(L, out, text, (size_t)count);
}

static void write_tape(lua_State *L, uint32_t document, uint32_t at, mt_bytes *out) {
  mt_lua *state = mt_self(L);
  const uint64_t *tape = state->tape[document];
  uint8_t type = mt_tape_type(tape[at]);
  if (type == '"') {
    size_t count;
    const char *text = mt_tape_string(state, document, at, &count);
    write_string(L, text, count, out);
    return;
  }
  if (type != '{' && type != '[') {
    mt_push_node_value(state, L, document, at);
    write_value(L, -1, out, 0);
    lua_pop(L, 1);
    return;
  }
  mt_bytes_add1(L, out, type);
  uint32_t end = mt_tape_after(tape, at) - 1, first = at + 1;
  for (at = first; at < end; at = mt_tape_after(tape, at)) {
    if (at != first) mt_bytes_add1(L, out, ',');
    if (type == '{') {
      write_tape(L, document, at++, out);
      mt_bytes_add1(L, out, ':');
    }
    write_tape(L, document, at, out);
  }
  mt_bytes_add1(L, out, type == '{' ? '}' : ']');
}

static void write_array(lua_State *L, int index, size_t count, mt_bytes *out, uint32_t depth) {
  mt_bytes_add1(L, out, '[');
  for (size_t i = 1; i <= count; i++) {
    if (i > 1) mt_bytes_add1(L, out, ',');
    lua_rawgeti(L, index, (lua_Integer)i);
    write_value(L, lua_gettop(L), out, depth);
    lua_pop(L, 1);
  }
  mt_bytes_add1(L, out, ']');
}

static void write_object(lua_State *L, int index, int keys, size_t count, mt_bytes *out, uint32_t depth) {
  mt_bytes_add1(L, out, '{');
  for (size_t i = 1; i <= count; i++) {
    size_t length;
    if (lua_rawgeti(L, keys, (lua_Integer)i) != LUA_TSTRING) {
      luaL_error(L, "a JSON object has text keys only: found a %s", luaL_typename(L, -1));
    }
    const char *name = lua_tolstring(L, -1, &length);
    if (i > 1) mt_bytes_add1(L, out, ',');
    write_string(L, name, length, out);
    mt_bytes_add1(L, out, ':');
    lua_rawget(L, index);
    write_value(L, lua_gettop(L), out, depth);
    lua_pop(L, 1);
  }
  mt_bytes_add1(L, out, '}');
}

static void write_table(lua_State *L, int index, mt_bytes *out, uint32_t depth) {
  mt_lua *state = mt_self(L);
  // A table that holds itself ends here too.
  if (depth >= state->limits.value_depth) {
    luaL_error(L, "the value is nested deeper than %d", (int)state->limits.value_depth);
  }
  luaL_checkstack(L, 8, "too deep");
  check_size(L, out, 2);
  size_t count = mt_push_keys(L, index);
  int keys = lua_gettop(L);
  int list = lua_isnil(L, keys), array = mt_is_array(L, index);
  if (array && !list) luaL_error(L, "an array has the keys 1 to n only, without holes");
  if (list && (array || count > 0)) {
    write_array(L, index, count, out, depth + 1);
  } else {
    write_object(L, index, keys, count, out, depth + 1);
  }
  lua_settop(L, keys - 1);
}

static void write_value(lua_State *L, int index, mt_bytes *out, uint32_t depth) {
  index = lua_absindex(L, index);
  check_size(L, out, 8);
  switch (lua_type(L, index)) {
  case LUA_TSTRING: {
    size_t count;
    const char *text = lua_tolstring(L, index, &count);
    write_string(L, text, count, out);
    return;
  }
  case LUA_TNUMBER:
    if (lua_isinteger(L, index)) {
      write_integer(L, lua_tointeger(L, index), out);
    } else {
      write_float(L, lua_tonumber(L, index), out);
    }
    return;
  case LUA_TBOOLEAN: {
    int yes = lua_toboolean(L, index);
    mt_bytes_add(L, out, yes ? "true" : "false", yes ? 4 : 5);
    return;
  }
  case LUA_TTABLE: write_table(L, index, out, depth); return;
  default: break;
  }
  mt_node *node = mt_to_node(L, index);
  size_t count;
  const uint8_t *reference = node == NULL ? mt_to_reference(L, index, &count) : NULL;
  if (reference != NULL) {
    write_reference(L, reference, count, out);
  } else if (node != NULL) {
    luaL_checkstack(L, 8, "too deep");
    write_tape(L, node->document, node->at, out);
  } else if (mt_is_null(L, index)) {
    mt_bytes_add(L, out, "null", 4);
  } else {
    luaL_error(L, "JSON cannot hold a %s", luaL_typename(L, index));
  }
}

static void write_document(lua_State *L, int index, mt_bytes *out, int referring) {
  size_t before = out->count;
  // Set at each beginning: an error may have left the last document half way.
  mt_self(L)->referring = referring;
  write_value(L, index, out, 0);
  mt_charge(L, (out->count - before) / 8);
}

void mt_write_json(lua_State *L, int index, mt_bytes *out) { write_document(L, index, out, 0); }

void mt_write_request(lua_State *L, int index, mt_bytes *out) { write_document(L, index, out, 1); }
