#include <math.h>
#include <string.h>

#include "state.h"

// ctx.state, settings and definitions as bytes; the same value always gives the same bytes.
//
//   byte 0 of the whole: the version of the format, 1; then one value:
//   0x00 nil     0x01 null     0x02 false     0x03 true
//   0x04 integer: 8 bytes, two's complement, little-endian
//   0x05 float: 8 bytes, IEEE 754, little-endian; NaN has one form
//   0x06 text: count, bytes
//   0x07 table: count of entries, then key and value of each, in the order of our `pairs`
//   0x08 list (keys 1..n): count, values          0x09 the same, marked by array()
//   0x0a function: 4 bytes reference, 4 bytes line, little-endian (definitions only)
//
// A count is a varint: 7 bits a byte, low first, the top bit says that more follow.

enum { VERSION = 1 };
enum { T_NIL, T_NULL, T_FALSE, T_TRUE, T_INTEGER, T_FLOAT, T_TEXT, T_TABLE, T_LIST, T_ARRAY, T_FUNCTION };

typedef struct encoder {
  mt_bytes *out;
  size_t start;
  uint32_t nodes;
  int functions;
} encoder;

static void put_count(lua_State *L, mt_bytes *out, uint64_t count) {
  for (; count >= 0x80; count >>= 7) mt_bytes_add1(L, out, (uint8_t)(count | 0x80));
  mt_bytes_add1(L, out, (uint8_t)count);
}

static void put_fixed(lua_State *L, mt_bytes *out, uint64_t value, int bytes) {
  for (int i = 0; i < bytes; i++) mt_bytes_add1(L, out, (uint8_t)(value >> 8 * i));
}

static void encode(lua_State *L, int index, encoder *to, uint32_t depth);

static void encode_number(lua_State *L, int index, mt_bytes *out) {
  if (lua_isinteger(L, index)) {
    mt_bytes_add1(L, out, T_INTEGER);
    put_fixed(L, out, (uint64_t)lua_tointeger(L, index), 8);
    return;
  }
  lua_Number number = lua_tonumber(L, index);
  uint64_t bits = 0x7ff8000000000000u;
  if (!isnan(number)) memcpy(&bits, &number, sizeof bits);
  mt_bytes_add1(L, out, T_FLOAT);
  put_fixed(L, out, bits, 8);
}

static void encode_table(lua_State *L, int index, encoder *to, uint32_t depth) {
  mt_lua *state = mt_self(L);
  if (depth >= state->limits.value_depth) {
    luaL_error(L, "the value is nested deeper than %d, or holds itself", (int)state->limits.value_depth);
  }
  luaL_checkstack(L, 8, "too deep");
  size_t count = mt_push_keys(L, index);
  int keys = lua_gettop(L);
  int list = lua_isnil(L, keys), array = mt_is_array(L, index);
  mt_bytes_add1(L, to->out, list ? (array ? T_ARRAY : T_LIST) : T_TABLE);
  put_count(L, to->out, count);
  for (size_t i = 1; i <= count; i++) {
    if (list) {
      lua_rawgeti(L, index, (lua_Integer)i);
    } else {
      lua_rawgeti(L, keys, (lua_Integer)i);
      encode(L, keys + 1, to, depth + 1);
      lua_rawget(L, index);
    }
    encode(L, keys + 1, to, depth + 1);
    lua_settop(L, keys);
  }
  lua_settop(L, keys - 1);
}

static void encode_function(lua_State *L, int index, encoder *to) {
  lua_Debug frame;
  if (!to->functions) luaL_error(L, "a function cannot be kept here");
  lua_pushvalue(L, index);
  lua_getinfo(L, ">S", &frame);
  int reference = 0;
  if (to->functions == 1) {
    lua_pushvalue(L, index);
    reference = luaL_ref(L, LUA_REGISTRYINDEX);
  }
  mt_bytes_add1(L, to->out, T_FUNCTION);
  put_fixed(L, to->out, (uint32_t)reference, 4);
  put_fixed(L, to->out, (uint32_t)(frame.linedefined > 0 ? frame.linedefined : 0), 4);
}

static void check_bounds(lua_State *L, encoder *to) {
  mt_lua *state = mt_self(L);
  if (++to->nodes > state->limits.value_nodes) {
    luaL_error(L, "the value has more than %d parts", (int)state->limits.value_nodes);
  }
  if (to->out->count - to->start > state->limits.value_bytes) {
    luaL_error(L, "the value is longer than %d bytes", (int)state->limits.value_bytes);
  }
}

static void encode(lua_State *L, int index, encoder *to, uint32_t depth) {
  check_bounds(L, to);
  switch (lua_type(L, index)) {
  case LUA_TNIL: mt_bytes_add1(L, to->out, T_NIL); return;
  case LUA_TBOOLEAN: mt_bytes_add1(L, to->out, lua_toboolean(L, index) ? T_TRUE : T_FALSE); return;
  case LUA_TNUMBER: encode_number(L, index, to->out); return;
  case LUA_TSTRING: {
    size_t count;
    const char *text = lua_tolstring(L, index, &count);
    if (count > mt_self(L)->limits.value_bytes) {
      luaL_error(L, "the value is longer than %d bytes", (int)mt_self(L)->limits.value_bytes);
    }
    mt_bytes_add1(L, to->out, T_TEXT);
    put_count(L, to->out, count);
    mt_bytes_add(L, to->out, text, count);
    return;
  }
  case LUA_TTABLE: encode_table(L, index, to, depth); return;
  case LUA_TFUNCTION: encode_function(L, index, to); return;
  default: break;
  }
  mt_node *node = mt_to_node(L, index);
  if (node != NULL) {
    // As a plain copy: what was kept reads back as tables, and must give the same bytes then.
    luaL_checkstack(L, 8, "too deep");
    mt_push_copy(L, node->document, node->at, (int)depth);
    encode(L, lua_gettop(L), to, depth);
    lua_pop(L, 1);
  } else if (mt_is_null(L, index)) {
    mt_bytes_add1(L, to->out, T_NULL);
  } else {
    luaL_error(L, "a %s cannot be kept here", luaL_typename(L, index));
  }
}

void mt_encode(lua_State *L, int index, mt_bytes *out, int functions) {
  encoder to = {out, out->count, 0, functions};
  mt_bytes_add1(L, out, VERSION);
  encode(L, lua_absindex(L, index), &to, 0);
  mt_charge(L, (out->count - to.start) / 8);
}

typedef struct decoder {
  const uint8_t *at;
  const uint8_t *end;
} decoder;

static void damaged(lua_State *L) { luaL_error(L, "the kept state is damaged"); }

static uint64_t take_count(lua_State *L, decoder *from) {
  uint64_t count = 0;
  for (int shift = 0; shift < 35; shift += 7) {
    if (from->at == from->end) damaged(L);
    uint8_t byte = *from->at++;
    count |= (uint64_t)(byte & 0x7f) << shift;
    if (byte < 0x80) {
      if (count > (uint64_t)(from->end - from->at)) damaged(L);
      return count;
    }
  }
  damaged(L);
  return 0;
}

static uint64_t take_fixed(lua_State *L, decoder *from, int bytes) {
  uint64_t value = 0;
  if (from->end - from->at < bytes) damaged(L);
  for (int i = 0; i < bytes; i++) value |= (uint64_t)*from->at++ << 8 * i;
  return value;
}

static void decode(lua_State *L, decoder *from, uint32_t depth);

static void decode_table(lua_State *L, decoder *from, int tag, uint32_t depth) {
  if (depth > mt_self(L)->limits.value_depth) damaged(L);
  luaL_checkstack(L, 6, "too deep");
  uint64_t count = take_count(L, from);
  lua_createtable(L, tag == T_TABLE ? 0 : (int)count, tag == T_TABLE ? (int)count : 0);
  for (uint64_t i = 1; i <= count; i++) {
    if (tag == T_TABLE) {
      decode(L, from, depth + 1);
      int type = lua_type(L, -1);
      if (type != LUA_TSTRING && type != LUA_TNUMBER && type != LUA_TBOOLEAN) damaged(L);
    }
    decode(L, from, depth + 1);
    if (tag == T_TABLE) {
      lua_rawset(L, -3);
    } else {
      lua_rawseti(L, -2, (lua_Integer)i);
    }
  }
  if (tag == T_ARRAY) {
    mt_push_slot(mt_self(L), L, MT_SLOT_ARRAY);
    lua_setmetatable(L, -2);
  }
}

static void decode(lua_State *L, decoder *from, uint32_t depth) {
  if (from->at == from->end) damaged(L);
  int tag = *from->at++;
  switch (tag) {
  case T_NIL: lua_pushnil(L); return;
  case T_NULL: mt_push_null(L); return;
  case T_FALSE: lua_pushboolean(L, 0); return;
  case T_TRUE: lua_pushboolean(L, 1); return;
  case T_INTEGER: lua_pushinteger(L, (lua_Integer)take_fixed(L, from, 8)); return;
  case T_FLOAT: {
    uint64_t bits = take_fixed(L, from, 8);
    lua_Number number;
    memcpy(&number, &bits, sizeof number);
    lua_pushnumber(L, number);
    return;
  }
  case T_TEXT: {
    uint64_t count = take_count(L, from);
    lua_pushlstring(L, (const char *)from->at, count);
    from->at += count;
    return;
  }
  case T_TABLE: case T_LIST: case T_ARRAY: decode_table(L, from, tag, depth); return;
  default: damaged(L);
  }
}

void mt_decode(lua_State *L, const uint8_t *bytes, size_t count) {
  decoder from = {bytes, bytes + count};
  if (count < 2 || *from.at++ != VERSION) damaged(L);
  decode(L, &from, 0);
  if (from.at != from.end) damaged(L);
}
