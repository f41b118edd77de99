#include <string.h>

#include "state.h"

// `ctx`: what a consumer or a saga can do. One object for the life of the state; it acts on the event being
// handled.


static mt_lua *check_handling(lua_State *L) {
  mt_lua *state = mt_self(L);
  if (state->phase != MT_HANDLING) luaL_error(L, "ctx is there while an event is handled");
  return state;
}

static void load_state(lua_State *L, mt_lua *state) {
  if (state->state_loaded) return;
  state->state_before.count = 0;
  mt_charge(L, 50);
  int32_t answer = state->host.load_state(state->host.context);
  if (answer < 0) mt_raise_refusal(L);
  if (answer > 0) {
    const mt_bytes *kept = &state->result.text;
    mt_bytes_add(L, &state->state_before, kept->bytes, kept->count);
    mt_decode(L, kept->bytes, kept->count);
  } else {
    lua_newtable(L);
  }
  mt_set_slot(state, L, MT_SLOT_STATE);
  state->state_loaded = 1;
}

static int index_ctx(lua_State *L) {
  mt_lua *state = check_handling(L);
  size_t count;
  const char *name = mt_tostring(L, 2, &count);
  if (strcmp(name, "state") == 0) {
    load_state(L, state);
    mt_push_slot(state, L, MT_SLOT_STATE);
    return 1;
  }
  mt_push_slot(state, L, MT_SLOT_CTX_FIELDS);
  lua_pushvalue(L, 2);
  if (lua_rawget(L, -2) != LUA_TNIL) return 1;
  mt_bytes *names = &state->scratch;
  names->count = 0;
  mt_bytes_add(L, names, "state\0emit\0effect\0send\0timer\0env\0compensate\0complete", 52);
  lua_pushfstring(L, "ctx has no field '%s'", name);
  return mt_raise_unknown(L, lua_tostring(L, -1), name, count, names);
}

static int assign_ctx(lua_State *L) {
  mt_lua *state = check_handling(L);
  size_t count;
  const char *name = mt_tostring(L, 2, &count);
  if (strcmp(name, "state") != 0) return luaL_error(L, "ctx is read-only but for ctx.state: '%s'", name);
  int fits = lua_type(L, 3) == LUA_TTABLE || lua_isnil(L, 3) || mt_to_node(L, 3) != NULL;
  if (!fits) return luaL_error(L, "ctx.state is a table or nil, not a %s", luaL_typename(L, 3));
  load_state(L, state);
  lua_pushvalue(L, 3);
  mt_set_slot(state, L, MT_SLOT_STATE);
  return 0;
}

static mt_rows *ask_saga(lua_State *L) {
  mt_lua *state = check_handling(L);
  state->arguments.count = 0;
  state->arguments.text.count = 0;
  return &state->arguments;
}

static int asked(lua_State *L, int32_t verb) {
  mt_lua *state = mt_self(L);
  mt_charge(L, 50);
  if (state->host.saga(state->host.context, verb) < 0) return mt_raise_refusal(L);
  return 0;
}

/// `ctx.timer(name, delay)`; without a delay the timer is no more.
static int timer(lua_State *L) {
  mt_rows *rows = ask_saga(L);
  if (lua_type(L, 1) != LUA_TSTRING) {
    return luaL_error(L, "ctx.timer takes a name and a delay: ctx.timer(\"reminder\", \"30d\"), with a dot");
  }
  if (!lua_isnoneornil(L, 2) && lua_type(L, 2) != LUA_TSTRING) {
    return luaL_error(L, "the delay of a timer is a text such as \"15m\", not a %s", luaL_typename(L, 2));
  }
  lua_settop(L, 2);
  mt_cell_from(L, 1, rows, "name");
  if (lua_isnil(L, 2)) {
    if (!mt_rows_reserve(rows, 1, 0)) mt_raise_memory(L);
    rows->cells[rows->count++] = (mt_cell){MT_ABSENT, 0, 0, 0};
  } else {
    mt_cell_from(L, 2, rows, "delay");
  }
  return asked(L, MT_SAGA_TIMER);
}

/// `ctx.compensate(reason)`.
static int compensate(lua_State *L) {
  mt_rows *rows = ask_saga(L);
  if (lua_type(L, 1) != LUA_TSTRING) {
    return luaL_error(L, "ctx.compensate takes a reason, with a dot: ctx.compensate(\"out of stock\")");
  }
  lua_settop(L, 1);
  mt_cell_from(L, 1, rows, "reason");
  return asked(L, MT_SAGA_COMPENSATE);
}

/// `ctx.complete()`.
static int complete(lua_State *L) {
  ask_saga(L);
  return asked(L, MT_SAGA_COMPLETE);
}

void mt_ctx_finish(lua_State *L, mt_lua *state) {
  if (!state->state_loaded) return;
  mt_push_slot(state, L, MT_SLOT_STATE);
  mt_bytes *now = &state->value;
  now->count = 0;
  int empty = lua_isnil(L, -1);
  if (lua_type(L, -1) == LUA_TTABLE) {
    lua_pushnil(L);
    empty = lua_next(L, -2) == 0;
    if (!empty) lua_pop(L, 2);
  }
  if (!empty) mt_encode(L, -1, now, 0);
  lua_pop(L, 1);
  const mt_bytes *before = &state->state_before;
  int same = before->count == now->count
      && (now->count == 0 || memcmp(before->bytes, now->bytes, now->count) == 0);
  if (same) return;
  if (state->host.save_state(state->host.context, now->bytes, now->count, !empty) < 0) mt_raise_refusal(L);
}

void mt_open_ctx(mt_lua *state) {
  lua_State *L = state->L;
  lua_newtable(L);
  lua_pushcfunction(L, mt_ctx_emit);
  lua_setfield(L, -2, "emit");
  lua_pushcfunction(L, mt_ctx_send);
  lua_setfield(L, -2, "send");
  lua_pushcfunction(L, timer);
  lua_setfield(L, -2, "timer");
  lua_pushcfunction(L, compensate);
  lua_setfield(L, -2, "compensate");
  lua_pushcfunction(L, complete);
  lua_setfield(L, -2, "complete");
  mt_open_effects(state);
  mt_set_slot(state, L, MT_SLOT_CTX_FIELDS);
  lua_newuserdatauv(L, 0, 0);
  lua_createtable(L, 0, 3);
  lua_pushcfunction(L, index_ctx);
  lua_setfield(L, -2, "__index");
  lua_pushcfunction(L, assign_ctx);
  lua_setfield(L, -2, "__newindex");
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
  lua_setmetatable(L, -2);
  mt_set_slot(state, L, MT_SLOT_CTX);
}
