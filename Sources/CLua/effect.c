#include <string.h>

#include "state.h"

// `ctx.effect(kind, request)` and `ctx.env.NAME`. A reference to the environment is userdata that holds a
// text with a hole in it, 0xFF NAME 0xFE: bytes that no UTF-8 text has. Joining it with texts makes another
// one. Only the request of an effect can hold it, and there too it stays a hole: no script, state or event
// has the value.

typedef struct mt_reference {
  size_t count;
  uint8_t bytes[];
} mt_reference;

static mt_reference *to_reference(lua_State *L, int index) {
  if (lua_type(L, index) != LUA_TUSERDATA || !lua_getmetatable(L, index)) return NULL;
  mt_push_slot(mt_self(L), L, MT_SLOT_REFERENCE);
  int same = lua_rawequal(L, -1, -2);
  lua_pop(L, 2);
  return same ? lua_touserdata(L, index) : NULL;
}

const uint8_t *mt_to_reference(lua_State *L, int index, size_t *count) {
  mt_reference *reference = to_reference(L, index);
  if (reference == NULL) return NULL;
  *count = reference->count;
  return reference->bytes;
}

/// Pushes a reference with room for `count` bytes.
static mt_reference *push_reference(lua_State *L, size_t count) {
  mt_reference *reference = lua_newuserdatauv(L, sizeof *reference + count, 0);
  reference->count = count;
  mt_push_slot(mt_self(L), L, MT_SLOT_REFERENCE);
  lua_setmetatable(L, -2);
  return reference;
}

/// `ctx.env.NAME`; the host knows which names there are.
static int index_env(lua_State *L) {
  mt_lua *state = mt_self(L);
  if (state->phase != MT_HANDLING) return luaL_error(L, "ctx is there while an event is handled");
  size_t count;
  if (lua_type(L, 2) != LUA_TSTRING) {
    return luaL_error(L, "ctx.env is indexed by a name, such as ctx.env.MAIL_URL");
  }
  const char *name = lua_tolstring(L, 2, &count);
  if (state->host.environment(state->host.context, (const uint8_t *)name, count) < 0) return mt_raise_refusal(L);
  mt_reference *reference = push_reference(L, count + 2);
  reference->bytes[0] = 0xff;
  memcpy(reference->bytes + 1, name, count);
  reference->bytes[count + 1] = 0xfe;
  return 1;
}

static int refuse_env_change(lua_State *L) {
  return luaL_error(L, "ctx.env is read-only: the environment is set where moontide is started");
}

static const uint8_t *operand(lua_State *L, int index, size_t *count) {
  const uint8_t *bytes = mt_to_reference(L, index, count);
  if (bytes != NULL) return bytes;
  if (!lua_isstring(L, index)) {
    luaL_error(L, "attempt to join a ctx.env reference with a %s value", luaL_typename(L, index));
  }
  bytes = (const uint8_t *)lua_tolstring(L, index, count);
  if (memchr(bytes, 0xff, *count) != NULL || memchr(bytes, 0xfe, *count) != NULL) {
    luaL_error(L, "a ctx.env reference is joined with a text that is not UTF-8");
  }
  return bytes;
}

/// `"Bearer " .. ctx.env.TOKEN`
static int join(lua_State *L) {
  size_t first_count, second_count;
  lua_settop(L, 2);
  const uint8_t *first = operand(L, 1, &first_count), *second = operand(L, 2, &second_count);
  size_t cap = mt_self(L)->limits.string_bytes;
  if (first_count + second_count > cap) {
    return luaL_error(L, "a text is too long: at most %I bytes", (lua_Integer)cap);
  }
  mt_charge(L, (first_count + second_count) / 8 + 5);
  mt_reference *joined = push_reference(L, first_count + second_count);
  memcpy(joined->bytes, first, first_count);
  memcpy(joined->bytes + first_count, second, second_count);
  return 1;
}

static int refuse_use(lua_State *L) {
  return luaL_error(
      L, "ctx.env.NAME is a reference: only the effect gets its value; join it with .. or give it to ctx.effect");
}

void mt_push_reference_text(lua_State *L, int index) {
  size_t count;
  const uint8_t *bytes = mt_to_reference(L, index, &count);
  luaL_Buffer buffer;
  luaL_buffinit(L, &buffer);
  for (size_t i = 0; i < count; i++) {
    if (bytes[i] == 0xff) {
      luaL_addstring(&buffer, "(ctx.env.");
    } else {
      luaL_addchar(&buffer, bytes[i] == 0xfe ? ')' : (char)bytes[i]);
    }
  }
  luaL_pushresult(&buffer);
}

int mt_ctx_effect(lua_State *L) {
  mt_lua *state = mt_self(L);
  if (state->phase != MT_HANDLING) return luaL_error(L, "ctx is there while an event is handled");
  if (lua_type(L, 1) != LUA_TSTRING || lua_type(L, 2) != LUA_TTABLE) {
    return luaL_error(
        L, "ctx.effect takes a kind and a table: ctx.effect(\"http\", { url = … }), with a dot, not a colon");
  }
  lua_settop(L, 2);
  mt_rows *rows = &state->arguments;
  rows->count = 0;
  rows->text.count = 0;
  mt_write_request(L, 2, &rows->text);
  mt_charge(L, 50);
  state->emitted_bytes += rows->text.count;
  if (state->emitted_bytes > state->limits.emitted_bytes) {
    return luaL_error(L, "one event causes at most %I bytes", (lua_Integer)state->limits.emitted_bytes);
  }
  size_t count;
  const char *kind = lua_tolstring(L, 1, &count);
  if (state->host.effect(state->host.context, (const uint8_t *)kind, count) < 0) return mt_raise_refusal(L);
  if (state->result.count == 0) return 0;
  mt_push_cell(L, &state->result, &state->result.cells[0]);
  return 1;
}

/// Leaves `effect` and `env` in the table at the top, the fields of ctx.
void mt_open_effects(mt_lua *state) {
  lua_State *L = state->L;
  static const luaL_Reg reference[] = {
      {"__concat", join}, {"__index", refuse_use}, {"__newindex", refuse_use}, {"__len", refuse_use},
      {"__call", refuse_use}, {"__lt", refuse_use}, {"__le", refuse_use}, {"__add", refuse_use},
      {NULL, NULL}};
  lua_createtable(L, 0, 9);
  luaL_setfuncs(L, reference, 0);
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
  mt_set_slot(state, L, MT_SLOT_REFERENCE);
  lua_pushcfunction(L, mt_ctx_effect);
  lua_setfield(L, -2, "effect");
  // Not a table: rawset would keep something in it from one event to the next.
  lua_newuserdatauv(L, 0, 0);
  lua_createtable(L, 0, 3);
  lua_pushcfunction(L, index_env);
  lua_setfield(L, -2, "__index");
  lua_pushcfunction(L, refuse_env_change);
  lua_setfield(L, -2, "__newindex");
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
  lua_setmetatable(L, -2);
  lua_setfield(L, -2, "env");
}
