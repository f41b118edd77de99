#include <string.h>

#include "state.h"

// Sagas: `correlate`, `initial`, the functions of steps, of `on` and of `timers`. As with deciders an
// instance's state is kept as bytes between calls. Here it is the function's to change: what it holds after
// the call is kept, also where a command is returned.

static void push_function(lua_State *L, int32_t reference) {
  if (lua_rawgeti(L, LUA_REGISTRYINDEX, reference) != LUA_TFUNCTION) {
    luaL_error(L, "the saga's function is not of this state");
  }
}

/// Its only argument is a command.
static int add_command(lua_State *L) {
  if (lua_type(L, 1) != LUA_TTABLE || !mt_is_command(L, 1)) {
    return luaL_error(
        L, "a step of a saga returns commands, not %s: commands.Type { … }",
        lua_type(L, 1) == LUA_TTABLE ? "events or other tables" : luaL_typename(L, 1));
  }
  mt_add_made(L, "a saga", 1);
  return 0;
}

/// Nothing, one command, or a list of them, at `index`.
static void take_commands(lua_State *L, int index) {
  if (lua_isnil(L, index)) return;
  if (lua_type(L, index) != LUA_TTABLE) {
    luaL_error(
        L, "a step of a saga returns a command, a list of commands or nothing, not a %s",
        luaL_typename(L, index));
  }
  if (mt_is_command(L, index)) {
    lua_pushcfunction(L, add_command);
    lua_pushvalue(L, index);
    lua_call(L, 1, 0);
    return;
  }
  int top = lua_gettop(L);
  size_t count = mt_push_keys(L, index);
  if (!lua_isnil(L, -1)) {
    luaL_error(L, "a step of a saga returns commands: commands.Type { … }, or a list of them");
  }
  lua_settop(L, top);
  for (size_t i = 1; i <= count; i++) {
    lua_pushcfunction(L, add_command);
    lua_rawgeti(L, index, (lua_Integer)i);
    lua_call(L, 1, 0);
  }
}

static void keep_state(lua_State *L, int index) {
  mt_lua *state = mt_self(L);
  // `event.data` is kept as a copy.
  if (lua_type(L, index) != LUA_TTABLE && mt_to_node(L, index) == NULL) {
    luaL_error(L, "a saga's state is a table, not a %s", luaL_typename(L, index));
  }
  state->value.count = 0;
  mt_encode(L, index, &state->value, 0);
}

/// A text or a whole number: the value that names the instance.
static void take_correlation(lua_State *L, int index) {
  if (lua_isnil(L, index)) return;
  if (lua_type(L, index) != LUA_TSTRING && !lua_isinteger(L, index)) {
    luaL_error(
        L, "correlate returns the text or whole number that names the instance, or nil, not a %s",
        luaL_typename(L, index));
  }
  size_t count;
  lua_tolstring(L, index, &count);
  if (count == 0) luaL_error(L, "correlate returned an empty text: nil says that there is none");
  mt_cell_from(L, index, &mt_self(L)->arguments, "correlate");
}

/// { reason = …, step = …, … }; what is empty is absent.
static void push_why(lua_State *L) {
  const mt_rows *given = &mt_self(L)->result;
  lua_createtable(L, 0, (int)given->count / 2);
  for (size_t i = 0; i + 1 < given->count; i += 2) {
    if (given->cells[i + 1].count == 0) continue;
    mt_push_cell(L, given, &given->cells[i]);
    mt_push_cell(L, given, &given->cells[i + 1]);
    lua_rawset(L, -3);
  }
}

/// Whether what a function returned is no state but what `events.Type { … }` makes: it is not the state that
/// the function got, and has a type and data where that has none.
static int is_event(lua_State *L, int index, int state) {
  if (lua_type(L, index) != LUA_TTABLE || lua_rawequal(L, index, state)) return 0;
  int top = lua_gettop(L);
  lua_pushliteral(L, "type");
  int fits = lua_rawget(L, index) == LUA_TSTRING;
  lua_pushliteral(L, "data");
  fits &= lua_rawget(L, index) == LUA_TTABLE;
  lua_pushliteral(L, "type");
  fits &= lua_type(L, state) == LUA_TTABLE && lua_rawget(L, state) == LUA_TNIL;
  lua_settop(L, top);
  return fits;
}

/// What a function of `on` or `timers` returned is at 3, the state that it got at 2: leaves the new one
/// there.
static void take_state(lua_State *L) {
  if (lua_isnil(L, 3)) {
    lua_settop(L, 2);
  } else if (lua_type(L, 3) != LUA_TTABLE || mt_is_command(L, 3)) {
    luaL_error(L, "a saga's function returns nothing or the state; commands are sent by ctx.send");
  } else if (is_event(L, 3, 2)) {
    luaL_error(L, "a saga's function returns nothing or the state; events are emitted by ctx.emit");
  } else {
    lua_replace(L, 2);
  }
}

static int initial(lua_State *L, const mt_saga_call *from) {
  if (from->function == 0) {
    lua_newtable(L);
  } else {
    push_function(L, from->function);
    mt_push_event(mt_self(L), L);
    lua_call(L, 1, 1);
    if (lua_isnil(L, -1)) luaL_error(L, "initial returned nothing: it returns the state of a new instance");
  }
  keep_state(L, lua_gettop(L));
  return 0;
}

/// The function is on the stack, and below it the state. It returns the state or nothing, then where the
/// instance goes on: a step, false for behind the last, or nothing.
static int migrate(lua_State *L) {
  mt_lua *state = mt_self(L);
  const mt_rows *given = &state->result;
  for (size_t i = 0; i < 2; i++) {
    if (given->cells[i].count == 0) {
      lua_pushnil(L);
    } else {
      mt_push_cell(L, given, &given->cells[i]);
    }
  }
  lua_call(L, 3, 2);
  // Without one it changed the state that it was given.
  if (!lua_isnil(L, 3)) {
    if (lua_type(L, 3) != LUA_TTABLE || mt_is_command(L, 3)) {
      return luaL_error(
          L, "migrate returns the state, then the step to go on with: return state, \"name of a step\"");
    }
    lua_pushvalue(L, 3);
    lua_replace(L, 2);
  }
  if (lua_type(L, 4) == LUA_TSTRING) {
    mt_cell_from(L, 4, &state->arguments, "migrate");
  } else if (lua_isboolean(L, 4) && !lua_toboolean(L, 4)) {
    lua_pushinteger(L, 0);
    mt_cell_from(L, lua_gettop(L), &state->arguments, "migrate");
  } else if (!lua_isnil(L, 4)) {
    return luaL_error(
        L, "migrate returns the name of the step to go on with, false for behind the last, or nothing, "
           "not a %s", luaL_typename(L, 4));
  }
  keep_state(L, 2);
  return 0;
}

static int correlate(lua_State *L, const mt_saga_call *from) {
  push_function(L, from->function);
  mt_push_event(mt_self(L), L);
  lua_call(L, 1, 1);
  take_correlation(L, lua_gettop(L));
  return 0;
}

static int call_saga(lua_State *L) {
  mt_lua *state = mt_self(L);
  const mt_saga_call *from = lua_touserdata(L, 1);
  state->arguments.count = 0;
  state->arguments.text.count = 0;
  if (from->shape == MT_SAGA_INITIAL) return initial(L, from);
  if (from->shape == MT_SAGA_CORRELATE) return correlate(L, from);
  // The state stays at 2, to be kept as the function leaves it.
  mt_decode(L, from->before, from->count);
  push_function(L, from->function);
  lua_pushvalue(L, 2);
  int arguments = 1;
  switch (from->shape) {
  case MT_SAGA_MIGRATE: return migrate(L);
  case MT_SAGA_UNDO:
    if (from->has_event) {
      mt_push_event(state, L);
    } else {
      lua_pushnil(L);
    }
    arguments = 2;
    break;
  case MT_SAGA_WHY:
    push_why(L);
    arguments = 2;
    break;
  case MT_SAGA_REACT:
    mt_push_event(state, L);
    mt_push_slot(state, L, MT_SLOT_CTX);
    arguments = 3;
    break;
  case MT_SAGA_TIMED:
    mt_push_slot(state, L, MT_SLOT_CTX);
    arguments = 2;
    break;
  default: break;
  }
  lua_call(L, arguments, 1);
  if (from->shape == MT_SAGA_REACT || from->shape == MT_SAGA_TIMED) {
    // `ctx` has used the arguments for what it was asked.
    take_state(L);
  } else {
    take_commands(L, 3);
    lua_settop(L, 2);
  }
  keep_state(L, 2);
  return 0;
}

int32_t mt_lua_saga(mt_lua *state, const mt_saga_call *call, const mt_event *event) {
  if (state->tripped) return state->fault.kind;
  mt_begin_event(state, event);
  // Without `ctx`, not even one that another function left: what a step does is what it returns.
  if (call->shape != MT_SAGA_REACT && call->shape != MT_SAGA_TIMED) state->phase = MT_STEPPING;
  lua_pushcfunction(state->L, call_saga);
  lua_pushlightuserdata(state->L, (void *)call);
  return mt_end_event(state, mt_protected_call(state, 1));
}
