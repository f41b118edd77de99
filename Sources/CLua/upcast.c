#include <string.h>

#include "state.h"

// Upcasters: a chain of functions over a copy of an event's data, and what one may return beside data: what
// `rename`, `split` and `drop` make. These are userdata of one `int`, the kind, with the arguments as user
// values: no script can change what they say.

enum { FIELD_TYPE, FIELD_VERSION, FIELD_KEY, FIELD_TIME, FIELD_DATA, FIELD_META, FIELDS };
static const char *const names[FIELDS] = {"type", "version", "key", "time", "data", "meta"};

/// Makes the mark out of the kind and the `count` values that the stack holds.
static int mark(lua_State *L, int kind, int count) {
  int *said = lua_newuserdatauv(L, sizeof *said, count);
  *said = kind;
  for (int i = 1; i <= count; i++) {
    lua_pushvalue(L, i);
    lua_setiuservalue(L, -2, i);
  }
  mt_push_slot(mt_self(L), L, MT_SLOT_RESHAPED);
  lua_setmetatable(L, -2);
  return 1;
}

static void check_upcasting(lua_State *L, const char *name) {
  if (mt_self(L)->phase != MT_UPCASTING) luaL_error(L, "%s is for upcasters, which return what it makes", name);
}

static int is_object(lua_State *L, int index) {
  return lua_type(L, index) == LUA_TTABLE || mt_to_node(L, index) != NULL;
}

/// `rename("NewType", data, version)`; the version is 1 unless it is given.
static int rename_event(lua_State *L) {
  check_upcasting(L, "rename");
  lua_settop(L, 3);
  if (lua_type(L, 1) != LUA_TSTRING || !is_object(L, 2)) {
    return luaL_error(
        L, "rename takes the new type and the data, rename(\"NewType\", data), not a %s and a %s",
        luaL_typename(L, 1), luaL_typename(L, 2));
  }
  if (!lua_isnil(L, 3) && !lua_isinteger(L, 3)) {
    return luaL_error(L, "the version that rename gives is an integer, not a %s", luaL_typename(L, 3));
  }
  return mark(L, MT_RENAMED, 3);
}

/// `split { events.A{…}, … }`
static int split_event(lua_State *L) {
  check_upcasting(L, "split");
  lua_settop(L, 1);
  if (lua_type(L, 1) != LUA_TTABLE) {
    return luaL_error(L, "split takes a list, split { events.A { … }, … }, not a %s", luaL_typename(L, 1));
  }
  return mark(L, MT_SPLIT, 1);
}

/// `drop()`
static int drop_event(lua_State *L) {
  check_upcasting(L, "drop");
  lua_settop(L, 0);
  return mark(L, MT_DROPPED, 0);
}

static int refuse_change(lua_State *L) {
  return luaL_error(L, "what rename, split and drop make cannot be changed: give them what is meant");
}

void mt_open_upcasting(lua_State *L, mt_lua *state) {
  static const luaL_Reg functions[] = {
      {"rename", rename_event}, {"split", split_event}, {"drop", drop_event}, {NULL, NULL}};
  luaL_setfuncs(L, functions, 0);
  lua_newtable(L);
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
  lua_pushcfunction(L, refuse_change);
  lua_setfield(L, -2, "__newindex");
  mt_set_slot(state, L, MT_SLOT_RESHAPED);
}

static void add_absent(lua_State *L, mt_rows *rows) {
  if (!mt_rows_reserve(rows, 1, 0)) mt_raise_memory(L);
  rows->cells[rows->count++] = (mt_cell){MT_ABSENT, 0, 0, 0};
}

static void add_json(lua_State *L, int index, mt_rows *rows, const char *what) {
  // Apart from what is there already: the bound is of one value.
  mt_bytes *json = &mt_self(L)->value;
  json->count = 0;
  mt_write_json(L, index, json);
  if (json->bytes[0] != '{') luaL_error(L, "%s is an object, not a list", what);
  size_t start = rows->text.count;
  mt_bytes_add(L, &rows->text, json->bytes, json->count);
  if (!mt_rows_reserve(rows, 1, 0)) mt_raise_memory(L);
  rows->cells[rows->count++] =
      (mt_cell){MT_TEXT, 0, (uint32_t)start, (uint32_t)(rows->text.count - start)};
}

/// What `rename` was given, in the mark at `index`.
static void add_renamed(lua_State *L, int index, mt_rows *rows) {
  lua_getiuservalue(L, index, 1);
  mt_cell_from(L, lua_gettop(L), rows, names[FIELD_TYPE]);
  if (lua_getiuservalue(L, index, 3) == LUA_TNIL) {
    add_absent(L, rows);
  } else {
    mt_cell_from(L, lua_gettop(L), rows, names[FIELD_VERSION]);
  }
  add_absent(L, rows);
  add_absent(L, rows);
  lua_getiuservalue(L, index, 2);
  add_json(L, lua_gettop(L), rows, "the data that rename takes");
  add_absent(L, rows);
  lua_settop(L, index);
}

/// Refuses what a part cannot say of itself.
static void check_part(lua_State *L, int index) {
  lua_pushnil(L);
  while (lua_next(L, index) != 0) {
    lua_pop(L, 1);
    const char *name = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "";
    int fits = 0;
    for (int i = 0; i < FIELDS && !fits; i++) fits = strcmp(name, names[i]) == 0;
    if (fits) continue;
    if (strcmp(name, "id") == 0 || strcmp(name, "topic") == 0) {
      luaL_error(
          L, "split: a part has no '%s' of its own: ids are derived, and parts stay in the event's topic",
          name);
    }
    luaL_error(L, "split: a part is events.Type { … } with type, data, key, time, version and meta alone");
  }
}

/// One part of `split`, the table at `index`.
static void add_part(lua_State *L, int index, mt_rows *rows) {
  if (lua_type(L, index) != LUA_TTABLE || mt_is_marked(L, index, MT_SLOT_COMMAND)) {
    luaL_error(
        L, "split: its parts are events, events.Type { … }, not a %s",
        lua_type(L, index) == LUA_TTABLE ? "command" : luaL_typename(L, index));
  }
  check_part(L, index);
  for (int field = 0; field < FIELDS; field++) {
    lua_pushstring(L, names[field]);
    int type = lua_rawget(L, index);
    if (type == LUA_TNIL) {
      if (field == FIELD_TYPE || field == FIELD_DATA) luaL_error(L, "split: a part has no %s", names[field]);
      add_absent(L, rows);
    } else if (field == FIELD_DATA || field == FIELD_META) {
      if (!is_object(L, -1)) {
        luaL_error(L, "split: '%s' is a table, not a %s", names[field], luaL_typename(L, -1));
      }
      add_json(L, lua_gettop(L), rows, field == FIELD_DATA ? "the data of a part" : "the meta of a part");
    } else {
      int number = lua_isinteger(L, -1);
      int fits = field == FIELD_VERSION ? number : type == LUA_TSTRING || (field == FIELD_KEY && number);
      if (!fits) {
        luaL_error(
            L, "split: '%s' is %s, not a %s", names[field], field == FIELD_VERSION ? "an integer" : "a text",
            luaL_typename(L, -1));
      }
      if (number && field != FIELD_VERSION) lua_tostring(L, -1);
      mt_cell_from(L, lua_gettop(L), rows, names[field]);
    }
    lua_settop(L, index);
  }
}

static void add_parts(lua_State *L, int index, mt_rows *rows) {
  mt_lua *state = mt_self(L);
  lua_getiuservalue(L, index, 1);
  int list = lua_gettop(L);
  size_t count = mt_push_keys(L, list);
  if (!lua_isnil(L, -1)) luaL_error(L, "split takes a list of events, without holes: { events.A { … }, … }");
  if (count == 0) luaL_error(L, "split needs a part; drop() is how an event goes away");
  if (count > state->limits.parts) {
    luaL_error(L, "split makes at most %d parts, not %d", (int)state->limits.parts, (int)count);
  }
  lua_settop(L, list);
  for (size_t i = 1; i <= count; i++) {
    lua_rawgeti(L, list, (lua_Integer)i);
    add_part(L, list + 1, rows);
    if (rows->text.count > state->limits.event_bytes) {
      luaL_error(
          L, "split: its parts have more than %I bytes together", (lua_Integer)state->limits.event_bytes);
    }
    lua_settop(L, list);
  }
  lua_settop(L, index);
}

typedef struct chain {
  const int32_t *functions;
  int32_t count;
  int32_t direction;
  mt_upcast *outcome;
} chain;

static int failed(lua_State *L, const chain *from, const char *what) {
  const mt_event *event = mt_self(L)->event;
  lua_pushlstring(L, (const char *)event->bytes + event->type.start, event->type.count);
  int version = (int)event->version + from->outcome->steps * from->direction;
  return luaL_error(
      L, "upcaster %s %s[%d] %s", lua_tostring(L, -1), from->direction < 0 ? "down" : "", version, what);
}

/// Takes what the function returned, at 4: returns 0 when it is the data for the next one, put at 3.
static int take(lua_State *L, const chain *from) {
  mt_rows *rows = &mt_self(L)->arguments;
  if (lua_isnil(L, 4)) return failed(L, from, "returned nothing: a forgotten return must not lose facts");
  int is_reshaped = mt_is_marked(L, 4, MT_SLOT_RESHAPED);
  if (!is_reshaped && !is_object(L, 4)) {
    lua_pushfstring(L, "returned a %s, not the data", luaL_typename(L, 4));
    return failed(L, from, lua_tostring(L, -1));
  }
  if (!is_reshaped) {
    lua_replace(L, 3);
    return 0;
  }
  if (from->direction < 0) return failed(L, from, "returns data only: rename, split and drop lead up");
  int kind = *(const int *)lua_touserdata(L, 4);
  rows->count = 0;
  rows->text.count = 0;
  if (kind == MT_RENAMED) add_renamed(L, 4, rows);
  if (kind == MT_SPLIT) add_parts(L, 4, rows);
  from->outcome->shape = kind;
  return 1;
}

static int upcast(lua_State *L) {
  mt_lua *state = mt_self(L);
  const chain *from = lua_touserdata(L, 1);
  mt_push_event(state, L);
  lua_getfield(L, 2, "data");
  mt_push_copy(L, 0, 1, 0);
  lua_replace(L, 3);
  for (; from->outcome->steps < from->count; from->outcome->steps++) {
    lua_rawgeti(L, LUA_REGISTRYINDEX, from->functions[from->outcome->steps]);
    lua_pushvalue(L, 3);
    lua_pushvalue(L, 2);
    lua_call(L, 2, 1);
    if (take(L, from)) return 0;
    lua_settop(L, 3);
  }
  state->value.count = 0;
  mt_write_json(L, 3, &state->value);
  if (state->value.bytes[0] != '{') return luaL_error(L, "an upcaster returned a list: data is an object");
  return 0;
}

/// A fault that no line of a script is to blame for is the function's: what it returned is wrong. Reads only.
static void place_fault(mt_lua *state, const chain *from) {
  int last = from->outcome->steps < from->count ? from->outcome->steps : from->count - 1;
  if (state->fault.path[0] != 0 || last < 0) return;
  lua_State *L = state->L;
  lua_Debug function;
  if (lua_rawgeti(L, LUA_REGISTRYINDEX, from->functions[last]) != LUA_TFUNCTION) {
    lua_pop(L, 1);
    return;
  }
  lua_getinfo(L, ">S", &function);
  if (function.source[0] != '@') return;
  mt_copy_text(state->fault.path, sizeof state->fault.path, function.source + 1, strlen(function.source + 1));
  state->fault.line = function.linedefined;
}

int32_t mt_lua_upcast(
    mt_lua *state, const int32_t *functions, int32_t count, int32_t direction, const mt_event *event,
    mt_upcast *outcome) {
  chain from = {functions, count, direction, outcome};
  *outcome = (mt_upcast){0, MT_DATA};
  if (state->tripped) return state->fault.kind;
  mt_begin_event(state, event);
  state->phase = MT_UPCASTING;
  lua_pushcfunction(state->L, upcast);
  lua_pushlightuserdata(state->L, &from);
  int32_t kind = mt_end_event(state, mt_protected_call(state, 1));
  if (kind != MT_OK) place_fault(state, &from);
  return kind;
}
