#include "state.h"

// Coroutines without `close` (nested, it crashes Lua 5.4.4). Each new one starts its own count to the next
// hook, so making one is charged what it could run unseen.

enum { CREATE_CHARGE = 1000, RESUME_CHARGE = 20 };

static int create(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  mt_charge(L, CREATE_CHARGE);
  lua_State *co = lua_newthread(L);
  lua_pushvalue(L, 1);
  lua_xmove(L, co, 1);
  return 1;
}

/// Runs `co` with the `count` values at the top; leaves its results, or the error and -1.
static int run(lua_State *L, lua_State *co, int count) {
  mt_lua *state = mt_self(L);
  int results;
  mt_charge(L, RESUME_CHARGE);
  if (!lua_checkstack(co, count)) {
    lua_pushliteral(L, "too many arguments to resume");
    return -1;
  }
  lua_xmove(L, co, count);
  state->running = co;
  mt_watch(state, co);
  int status = lua_resume(co, L, count, &results);
  state->running = L;
  mt_watch(state, L);
  if (status == LUA_OK || status == LUA_YIELD) {
    if (!lua_checkstack(L, results + 1)) {
      lua_pop(co, results);
      lua_pushliteral(L, "too many results to resume");
      return -1;
    }
    lua_xmove(co, L, results);
    return results;
  }
  lua_xmove(co, L, 1);
  mt_after_failure(L, status);
  return -1;
}

static int resume(lua_State *L) {
  lua_State *co = lua_tothread(L, 1);
  luaL_argexpected(L, co != NULL, 1, "coroutine");
  int results = run(L, co, lua_gettop(L) - 1);
  lua_pushboolean(L, results >= 0);
  if (results < 0) results = 1;
  lua_insert(L, -(results + 1));
  return results + 1;
}

static int step(lua_State *L) {
  int results = run(L, lua_tothread(L, lua_upvalueindex(1)), lua_gettop(L));
  if (results < 0) return lua_error(L);
  return results;
}

static int wrap(lua_State *L) {
  create(L);
  lua_pushcclosure(L, step, 1);
  return 1;
}

void mt_open_coroutine(lua_State *L) {
  static const char *const kept[] = {"status", "isyieldable", "running", "yield"};
  static const luaL_Reg ours[] = {{"create", create}, {"resume", resume}, {"wrap", wrap}, {NULL, NULL}};
  lua_pushcfunction(L, luaopen_coroutine);
  lua_call(L, 0, 1);
  for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
    lua_getfield(L, -1, kept[i]);
    lua_setfield(L, -3, kept[i]);
  }
  lua_pop(L, 1);
  luaL_setfuncs(L, ours, 0);
}
