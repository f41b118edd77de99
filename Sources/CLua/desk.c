#include <string.h>

#include "state.h"

// The desk: lines that a person types, one after another, in an environment that stays. Handlers are functions of the
// host there: each call goes out with JSON and comes back with a value, and runs in a state of its own.

/// Upvalue: the number of the function.
static int call_host(lua_State *L) {
  mt_lua *state = mt_self(L);
  int last = lua_gettop(L);
  mt_rows *rows = &state->arguments;
  rows->count = 0;
  rows->text.count = 0;
  for (int i = 1; i <= last; i++) {
    mt_cell cell = {MT_ABSENT, 0, 0, 0};
    if (!lua_isnil(L, i)) {
      cell.kind = MT_TEXT;
      cell.start = (uint32_t)rows->text.count;
      mt_write_json(L, i, &rows->text);
      cell.count = (uint32_t)(rows->text.count - cell.start);
    }
    if (!mt_rows_reserve(rows, 1, 0)) mt_raise_memory(L);
    rows->cells[rows->count++] = cell;
  }
  mt_charge(L, 50);
  mt_look(L);
  int32_t status = state->host.desk(state->host.context, (int32_t)lua_tointeger(L, lua_upvalueindex(1)));
  mt_look(L);
  if (status < 0) return mt_raise_refusal(L);
  const mt_bytes *value = &state->result.text;
  if (value->count == 0) return 0;
  mt_decode(L, value->bytes, value->count);
  return 1;
}

static int open_desk(lua_State *L) {
  mt_lua *state = mt_self(L);
  mt_push_environment(L, state);
  mt_set_slot(state, L, MT_SLOT_DESK);
  return 0;
}

int32_t mt_lua_desk_open(mt_lua *state) {
  mt_budget_begin(state);
  lua_pushcfunction(state->L, open_desk);
  return mt_fault_finish(state, mt_protected_call(state, 0));
}

typedef struct definition {
  int32_t function;
  const char *path;
  size_t count;
} definition;

static void push_name(lua_State *L, const char *name) {
  if (name[0] == '#') {
    lua_pushstring(L, name + 1);
    lua_pushinteger(L, lua_tointeger(L, -1));
    lua_remove(L, -2);
  } else {
    lua_pushstring(L, name);
  }
}

static int define(lua_State *L) {
  mt_lua *state = mt_self(L);
  const definition *from = lua_touserdata(L, 1);
  const char *name = from->path, *end = from->path + from->count;
  mt_push_slot(state, L, MT_SLOT_DESK);
  mt_push_shown(L, -1);
  for (;;) {
    const char *next = name + strlen(name) + 1;
    push_name(L, name);
    if (next >= end) break;
    lua_pushvalue(L, -1);
    if (lua_rawget(L, -3) != LUA_TTABLE) {
      lua_pop(L, 1);
      lua_newtable(L);
      lua_pushvalue(L, -2);
      lua_pushvalue(L, -2);
      lua_rawset(L, -5);
    }
    lua_remove(L, -2);
    name = next;
  }
  lua_pushinteger(L, from->function);
  lua_pushcclosure(L, call_host, 1);
  lua_rawset(L, -3);
  return 0;
}

int32_t mt_lua_desk_define(mt_lua *state, int32_t function, const char *path, size_t count) {
  definition from = {function, path, count};
  if (state->tripped) return state->fault.kind;
  mt_budget_begin(state);
  lua_pushcfunction(state->L, define);
  lua_pushlightuserdata(state->L, &from);
  return mt_fault_finish(state, mt_protected_call(state, 1));
}

typedef struct line {
  const uint8_t *text;
  size_t count;
  int32_t expression;
  const uint8_t *last;
  size_t last_count;
} line;

static int run_line(lua_State *L) {
  mt_lua *state = mt_self(L);
  const line *from = lua_touserdata(L, 1);
  mt_push_slot(state, L, MT_SLOT_DESK);
  mt_push_shown(L, 2);
  if (from->last != NULL) {
    mt_decode(L, from->last, from->last_count);
    lua_setfield(L, 3, "_");
  }
  mt_load_text(L, "line", from->text, from->count);
  lua_pushvalue(L, 2);
  lua_setupvalue(L, -2, 1);
  lua_call(L, 0, LUA_MULTRET);
  int values = lua_gettop(L);
  if (from->expression && values > 3) {
    lua_pushvalue(L, 4);
    lua_setfield(L, 3, "_");
  }
  mt_rows *rows = &state->arguments;
  rows->count = 0;
  rows->text.count = 0;
  for (int i = 4; i <= values; i++) {
    size_t start = rows->text.count;
    mt_encode(L, i, &rows->text, 2);
    if (!mt_rows_reserve(rows, 1, 0)) mt_raise_memory(L);
    rows->cells[rows->count++] =
        (mt_cell){MT_BLOB, 0, (uint32_t)start, (uint32_t)(rows->text.count - start)};
  }
  return 0;
}

int32_t mt_lua_desk_run(
    mt_lua *state, const uint8_t *text, size_t count, int32_t expression, const uint8_t *last, size_t last_count,
    int64_t now_microseconds, int64_t nanoseconds) {
  line from = {text, count, expression, last, last_count};
  // Outside of an event the clock is that of the person.
  mt_event now = {.bytes = (const uint8_t *)"", .topic = (const uint8_t *)"",
                  .time_microseconds = now_microseconds, .seed_low = (uint64_t)now_microseconds};
  if (state->tripped) return state->fault.kind;
  state->limits.nanoseconds = nanoseconds;
  mt_begin_event(state, &now);
  state->phase = MT_DESK;
  state->module_depth = 0;
  lua_pushcfunction(state->L, run_line);
  lua_pushlightuserdata(state->L, &from);
  return mt_end_event(state, mt_protected_call(state, 1));
}

int32_t mt_lua_desk_recover(mt_lua *state) {
  if (state->abandoned || state->tripped == MT_MEMORY) return 0;
  state->tripped = 0;
  return 1;
}
