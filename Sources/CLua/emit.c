#include <string.h>

#include "state.h"

// What scripts make: the table of an event or a command becomes cells in the order of `EmittedField`. `maker`
// is how messages name who makes it: `ctx.emit`, `ctx.send`, `decide`.

enum {
  FIELD_TYPE, FIELD_KEY, FIELD_ID, FIELD_TIME, FIELD_VERSION, FIELD_TOPIC, FIELD_DATA, FIELD_META, FIELDS
};
static const char *const names[FIELDS] = {"type", "key", "id", "time", "version", "topic", "data", "meta"};

static void check_names(lua_State *L, const char *maker, int command) {
  lua_pushnil(L);
  size_t unknown = 0;
  while (lua_next(L, 1) != 0) {
    lua_pop(L, 1);
    int fits = 0;
    const char *name = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
    for (int i = 0; name != NULL && i < FIELDS && !fits; i++) fits = strcmp(name, names[i]) == 0;
    unknown += !fits;
  }
  if (unknown == 0) return;
  mt_push_keys(L, 1);
  if (lua_isnil(L, -1)) {
    luaL_error(L, "%s: a list stands where one %s belongs", maker, command ? "command" : "event");
  }
  for (lua_Integer i = 1; lua_rawgeti(L, -1, i) != LUA_TNIL; i++) {
    size_t count;
    const char *name = mt_tostring(L, -1, &count);
    int fits = 0;
    for (int n = 0; n < FIELDS && !fits; n++) fits = strcmp(name, names[n]) == 0;
    if (!fits) {
      mt_bytes *candidates = &mt_self(L)->scratch;
      mt_envelope_names(L, candidates);
      lua_pushfstring(L, "%s has no field '%s'", command ? "a command" : "an emitted event", name);
      mt_raise_unknown(L, lua_tostring(L, -1), name, count, candidates);
    }
    lua_pop(L, 2);
  }
}

static void add_text(lua_State *L, mt_rows *rows, int field, const char *maker) {
  // An integer as a key or an id is taken as its digits.
  int number = lua_isinteger(L, -1) && (field == FIELD_KEY || field == FIELD_ID);
  if (lua_type(L, -1) != LUA_TSTRING && !number) {
    luaL_error(L, "%s: '%s' must be a text, not a %s", maker, names[field], luaL_typename(L, -1));
  }
  size_t count;
  lua_tolstring(L, -1, &count);
  mt_cell_from(L, lua_gettop(L), rows, names[field]);
}

static void add_json(lua_State *L, mt_rows *rows, int field, const char *maker) {
  mt_node *node = mt_to_node(L, -1);
  if (lua_type(L, -1) != LUA_TTABLE && node == NULL) {
    luaL_error(L, "%s: '%s' must be a table, not a %s", maker, names[field], luaL_typename(L, -1));
  }
  size_t start = rows->text.count;
  mt_write_json(L, -1, &rows->text);
  if (rows->text.bytes[start] != '{') {
    luaL_error(L, "%s: '%s' must be an object, not an array", maker, names[field]);
  }
  if (!mt_rows_reserve(rows, 1, 0)) mt_raise_memory(L);
  rows->cells[rows->count++] =
      (mt_cell){MT_TEXT, 0, (uint32_t)start, (uint32_t)(rows->text.count - start)};
}

static void add_field(lua_State *L, mt_rows *rows, int field, const char *maker, int command) {
  lua_pushstring(L, names[field]);
  int type = lua_rawget(L, 1);
  if (type == LUA_TNIL) {
    if (field == FIELD_TYPE || field == FIELD_DATA) {
      luaL_error(L, "%s: the %s has no %s", maker, command ? "command" : "event", names[field]);
    }
    if (!mt_rows_reserve(rows, 1, 0)) mt_raise_memory(L);
    rows->cells[rows->count++] = (mt_cell){MT_ABSENT, 0, 0, 0};
  } else if (field == FIELD_DATA || field == FIELD_META) {
    add_json(L, rows, field, maker);
  } else if (field == FIELD_VERSION) {
    if (!lua_isinteger(L, -1)) luaL_error(L, "%s: 'version' must be an integer", maker);
    mt_cell_from(L, lua_gettop(L), rows, "version");
  } else {
    add_text(L, rows, field, maker);
  }
  lua_pop(L, 1);
}

int mt_is_marked(lua_State *L, int index, int slot) {
  if (!lua_getmetatable(L, index)) return 0;
  mt_push_slot(mt_self(L), L, slot);
  int same = lua_rawequal(L, -1, -2);
  lua_pop(L, 2);
  return same;
}

int mt_is_command(lua_State *L, int index) { return mt_is_marked(L, index, MT_SLOT_COMMAND); }

void mt_add_made(lua_State *L, const char *maker, int command) {
  mt_lua *state = mt_self(L);
  mt_rows *rows = &state->arguments;
  size_t before = rows->text.count;
  lua_settop(L, 1);
  check_names(L, maker, command);
  for (int field = 0; field < FIELDS; field++) add_field(L, rows, field, maker, command);
  mt_charge(L, 50);
  state->emitted_bytes += rows->text.count - before;
  if (state->emitted_bytes > state->limits.emitted_bytes) {
    luaL_error(L, "one event emits at most %I bytes", (lua_Integer)state->limits.emitted_bytes);
  }
}

static int make(lua_State *L, const char *maker, int32_t command) {
  mt_lua *state = mt_self(L);
  mt_rows *rows = &state->arguments;
  rows->count = 0;
  rows->text.count = 0;
  mt_add_made(L, maker, command);
  if (state->host.emit(state->host.context, command) < 0) return mt_raise_refusal(L);
  if (state->result.count == 0) return 0;
  mt_push_cell(L, &state->result, &state->result.cells[0]);
  return 1;
}

// What is given beside the one value would be lost without a word, such as an envelope in the wrong place.
static void refuse_more(lua_State *L, const char *maker, const char *made) {
  if (lua_isnoneornil(L, 2)) return;
  luaL_error(L, "%s takes one value; its topic and key go into %s(data, { topic = … })", maker, made);
}

int mt_ctx_emit(lua_State *L) {
  if (mt_self(L)->phase != MT_HANDLING) return luaL_error(L, "ctx is there while an event is handled");
  if (lua_type(L, 1) != LUA_TTABLE) {
    return luaL_error(L, "ctx.emit takes an event: ctx.emit(events.Type { … }), with a dot, not a colon");
  }
  if (mt_is_command(L, 1)) return luaL_error(L, "ctx.emit takes events; a command is sent by ctx.send");
  refuse_more(L, "ctx.emit", "events.Type");
  return make(L, "ctx.emit", 0);
}

int mt_ctx_send(lua_State *L) {
  if (mt_self(L)->phase != MT_HANDLING) return luaL_error(L, "ctx is there while an event is handled");
  if (lua_type(L, 1) != LUA_TTABLE) {
    return luaL_error(L, "ctx.send takes a command: ctx.send(commands.Type { … }), with a dot, not a colon");
  }
  refuse_more(L, "ctx.send", "commands.Type");
  return make(L, "ctx.send", 1);
}
