#include "state.h"

// Deciders: `decide(command, state)` and `evolve(state, event)`. A state is kept as bytes between calls, so
// that what one call changed in it and did not return is gone, and a state means the same in every process.

typedef struct step {
  int32_t function;
  int32_t initial;
  const uint8_t *before;
  size_t count;
  int32_t verdict;
} step;

static void push_state(lua_State *L, const step *from) {
  if (from->before != NULL) {
    mt_decode(L, from->before, from->count);
  } else if (from->initial == 0) {
    lua_newtable(L);
  } else {
    lua_rawgeti(L, LUA_REGISTRYINDEX, from->initial);
    lua_call(L, 0, 1);
    if (lua_isnil(L, -1)) luaL_error(L, "initial returned nothing: it returns the state of a new stream");
  }
}

static void push_function(lua_State *L, int32_t reference) {
  if (lua_rawgeti(L, LUA_REGISTRYINDEX, reference) != LUA_TFUNCTION) {
    luaL_error(L, "the decider's function is not of this state");
  }
}

/// Upvalue-free: its only argument is an event.
static int add_event(lua_State *L) {
  if (lua_type(L, 1) != LUA_TTABLE) {
    return luaL_error(L, "decide returns events, not a %s: events.Type { … }", luaL_typename(L, 1));
  }
  if (mt_is_command(L, 1)) return luaL_error(L, "decide returns events; a decider sends no commands");
  if (mt_is_marked(L, 1, MT_SLOT_REJECTION)) {
    return luaL_error(L, "decide returns events or a rejection, not both in one list");
  }
  mt_add_made(L, "decide", 0);
  return 0;
}

static void take_rejection(lua_State *L, int index) {
  mt_rows *rows = &mt_self(L)->arguments;
  for (int i = 1; i <= 2; i++) {
    if (lua_rawgeti(L, index, i) == LUA_TNIL) lua_pushliteral(L, "");
    mt_cell_from(L, lua_gettop(L), rows, i == 1 ? "code" : "text");
    lua_settop(L, index);
  }
}

/// One event, or a list of them, at `index`.
static void take_events(lua_State *L, int index) {
  lua_pushliteral(L, "type");
  int single = lua_rawget(L, index) != LUA_TNIL;
  lua_settop(L, index);
  if (single || mt_is_command(L, index)) {
    lua_pushcfunction(L, add_event);
    lua_pushvalue(L, index);
    lua_call(L, 1, 0);
    return;
  }
  size_t count = mt_push_keys(L, index);
  if (!lua_isnil(L, -1)) luaL_error(L, "decide returns an event, a list of events, {} or reject(code, text)");
  lua_settop(L, index);
  for (size_t i = 1; i <= count; i++) {
    lua_pushcfunction(L, add_event);
    lua_rawgeti(L, index, (lua_Integer)i);
    lua_call(L, 1, 0);
  }
}

static int decide(lua_State *L) {
  mt_lua *state = mt_self(L);
  step *from = lua_touserdata(L, 1);
  state->arguments.count = 0;
  state->arguments.text.count = 0;
  push_function(L, from->function);
  mt_push_event(state, L);
  push_state(L, from);
  lua_call(L, 2, 1);
  if (lua_type(L, 2) != LUA_TTABLE) {
    return luaL_error(
        L, "decide returned %s: it returns an event, a list of events, {} or reject(code, text)",
        lua_isnil(L, 2) ? "nothing" : luaL_typename(L, 2));
  }
  from->verdict = mt_is_marked(L, 2, MT_SLOT_REJECTION) ? MT_REJECTED : MT_ACCEPTED;
  if (from->verdict == MT_REJECTED) {
    take_rejection(L, 2);
  } else {
    take_events(L, 2);
  }
  return 0;
}

int32_t mt_lua_decide(
    mt_lua *state, int32_t function, int32_t initial, const uint8_t *before, size_t count,
    const mt_event *command, int32_t *verdict) {
  step from = {function, initial, before, count, MT_ACCEPTED};
  if (state->tripped) return state->fault.kind;
  mt_begin_event(state, command);
  lua_pushcfunction(state->L, decide);
  lua_pushlightuserdata(state->L, &from);
  int32_t kind = mt_end_event(state, mt_protected_call(state, 1));
  *verdict = from.verdict;
  return kind;
}

static int evolve(lua_State *L) {
  mt_lua *state = mt_self(L);
  const step *from = lua_touserdata(L, 1);
  if (from->function == 0) {
    push_state(L, from);
  } else {
    push_function(L, from->function);
    push_state(L, from);
    mt_push_event(state, L);
    lua_call(L, 2, 1);
    if (lua_isnil(L, -1)) {
      return luaL_error(L, "evolve returned nothing: it returns the state; a forgotten return must not lose it");
    }
  }
  state->value.count = 0;
  mt_encode(L, lua_gettop(L), &state->value, 0);
  return 0;
}

int32_t mt_lua_evolve(
    mt_lua *state, int32_t function, int32_t initial, const uint8_t *before, size_t count,
    const mt_event *event) {
  step from = {function, initial, before, count, 0};
  if (state->tripped) return state->fault.kind;
  mt_begin_event(state, event);
  lua_pushcfunction(state->L, evolve);
  lua_pushlightuserdata(state->L, &from);
  return mt_end_event(state, mt_protected_call(state, 1));
}
