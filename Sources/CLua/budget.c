#define _POSIX_C_SOURCE 200809L
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "state.h"

// Three budgets for one call. The hook counts instructions and looks at the clock; functions in C charge what
// they do. Once one has tripped the hook runs at every instruction and raises again, and our pcall,
// xpcall and coroutines pass the error on, so that no script swallows it. The state is thrown away then.

// Some single instructions take long: a comparison of long texts, a table that grows, a full collection for
// the last free bytes. So the hook comes more often while long texts live, and at the next instruction once
// the allocator has done much (mt_hurry).

enum { HOOK_EVERY = 1000, WATCHFUL_EVERY = 8 };

static int interval(const mt_lua *state) {
  return state->allocator.texts > 0 ? WATCHFUL_EVERY : HOOK_EVERY;
}

static int64_t monotonic(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void check(mt_lua *state, lua_State *L) {
  state->allocated = 0;
  if (state->instructions > state->limits.instructions) {
    mt_trip(state, L, MT_INSTRUCTIONS);
    lua_error(L);
  }
  if (state->host.interrupted != NULL && state->host.interrupted(state->host.context)) {
    mt_trip(state, L, MT_STOPPED);
    lua_error(L);
  }
  int64_t now = monotonic();
  if (state->deadline == 0) {
    state->deadline = now + state->limits.nanoseconds;
  } else if (now > state->deadline) {
    mt_trip(state, L, MT_TIME);
    lua_error(L);
  }
}

int64_t mt_lua_time_left(mt_lua *state) {
  int64_t now = monotonic();
  if (state->deadline == 0) state->deadline = now + state->limits.nanoseconds;
  return state->deadline > now ? state->deadline - now : 0;
}

static void hook(lua_State *L, lua_Debug *frame) {
  (void)frame;
  mt_lua *state = mt_self(L);
  if (state->tripped) {
    lua_sethook(L, hook, LUA_MASKCOUNT, 1);
    lua_pushstring(L, state->fault.message);
    lua_error(L);
  }
  int count = lua_gethookcount(L), wanted = interval(state);
  state->instructions += (uint64_t)count;
  state->hurried = 0;
  if (count != wanted) lua_sethook(L, hook, LUA_MASKCOUNT, wanted);
  check(state, L);
}

void mt_hurry(mt_lua *state) {
  if (state->hurried || state->running == NULL || state->tripped) return;
  state->hurried = 1;
  lua_sethook(state->running, hook, LUA_MASKCOUNT, 1);
}

void mt_watch(mt_lua *state, lua_State *L) {
  int wanted = state->hurried ? 1 : interval(state);
  if (lua_gethookcount(L) > wanted) lua_sethook(L, hook, LUA_MASKCOUNT, wanted);
}

void mt_look(lua_State *L) {
  mt_lua *state = mt_self(L);
  if (!state->tripped) check(state, L);
}

void mt_budget_begin(mt_lua *state) {
  state->instructions = 0;
  // The clock is read at the first hook: a call that ends before 1,000 instructions never pays for it.
  state->deadline = 0;
  state->allocated = 0;
  state->hurried = 0;
  state->allocator.denials = 0;
  state->denied_bytes = 0;
  state->denied_text = 0;
  state->running = state->L;
  mt_fault_clear(state);
  lua_sethook(state->L, hook, LUA_MASKCOUNT, interval(state));
}

void mt_charge(lua_State *L, size_t work) {
  mt_lua *state = mt_self(L);
  uint64_t before = state->instructions;
  state->instructions += work;
  if (state->tripped) {
    lua_pushstring(L, state->fault.message);
    lua_error(L);
  }
  if (before / HOOK_EVERY != state->instructions / HOOK_EVERY) check(state, L);
}

void mt_trip(mt_lua *state, lua_State *L, int32_t kind) {
  if (state->tripped) return;
  state->tripped = kind;
  mt_fault *fault = &state->fault;
  fault->kind = kind;
  size_t room = sizeof fault->message;
  switch (kind) {
  case MT_INSTRUCTIONS:
    fault->message_count = (size_t)snprintf(
        fault->message, room, "instruction budget: %llu allowed, %llu used",
        (unsigned long long)state->limits.instructions, (unsigned long long)state->instructions);
    break;
  case MT_TIME:
    fault->message_count = (size_t)snprintf(
        fault->message, room, "time budget: %lld ms allowed, %lld ms used",
        (long long)(state->limits.nanoseconds / 1000000),
        (long long)((monotonic() - state->deadline + state->limits.nanoseconds) / 1000000));
    break;
  case MT_MEMORY:
    fault->message_count = state->denied_text > 0
        ? (size_t)snprintf(
              fault->message, room, "memory budget: a text of at most %zu bytes allowed, %zu needed",
              state->limits.string_bytes, state->denied_text)
        : (size_t)snprintf(
              fault->message, room, "memory budget: %zu bytes allowed, %zu needed",
              state->limits.memory_bytes, state->denied_bytes);
    break;
  case MT_STOPPED:
    fault->message_count = (size_t)snprintf(fault->message, room, "stopped");
    break;
  default:
    break;
  }
  if (kind == MT_MEMORY) {
    fault->line = state->denied_line;
    if (state->denied_line > 0) memcpy(fault->path, state->denied_path, sizeof fault->path);
  } else if (kind != MT_REFUSED) {
    mt_fault_place(state, L, 0);
  }
  if (state->abandoned) return;
  lua_sethook(L, hook, LUA_MASKCOUNT, 1);
  lua_sethook(state->L, hook, LUA_MASKCOUNT, 1);
  if (kind == MT_INSTRUCTIONS || kind == MT_TIME || kind == MT_STOPPED) {
    lua_pushlstring(L, fault->message, fault->message_count);
  }
}

void mt_after_failure(lua_State *L, int status) {
  mt_lua *state = mt_self(L);
  if (!state->tripped) {
    // The buffers of the string library report a lack of memory as an ordinary error with this text.
    size_t count = 0;
    const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tolstring(L, -1, &count) : NULL;
    int lacking = text != NULL && count >= 17 && strcmp(text + count - 17, "not enough memory") == 0;
    if ((status == LUA_ERRMEM || lacking) && state->denied_bytes > 0) mt_trip(state, L, MT_MEMORY);
  }
  if (state->tripped) lua_error(L);
}
