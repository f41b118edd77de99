#include <string.h>

#include "state.h"

// `event`: a full userdata of 8 bytes, the generation of its call. Its fields are built when they are
// touched; `data` is parsed when it is touched. Its user value keeps the proxy of `data`, so that a == a.

static const char *const names[MT_FIELD_COUNT] = {
    "id", "source", "type", "version", "topic", "partition", "offset", "position", "key", "time", "recorded",
    "data", "meta"};

static mt_lua *check_event(lua_State *L) {
  mt_lua *state = mt_self(L);
  const uint64_t *generation = lua_touserdata(L, 1);
  if (*generation != state->generation || state->event == NULL) {
    luaL_error(L, "an event cannot be used after its handler has returned: copy what is needed");
  }
  return state;
}

static int push_part(lua_State *L, const mt_event *event, mt_part part) {
  lua_pushlstring(L, (const char *)event->bytes + part.start, part.count);
  return 1;
}

static int push_time(lua_State *L, mt_lua *state, int64_t microseconds) {
  uint8_t text[40];
  int32_t count = state->host.write_time(state->host.context, microseconds, text);
  lua_pushlstring(L, (const char *)text, (size_t)count);
  return 1;
}

/// What the log gives a record is not known while a decision is made, nor when a state is folded: both must
/// see the same, and so must the upcasters on their way, which see events before and after they are appended.
static int is_hidden(const mt_lua *state, int field) {
  if (!state->event->is_unplaced && state->phase != MT_UPCASTING) return 0;
  return field == MT_FIELD_PARTITION || field == MT_FIELD_OFFSET || field == MT_FIELD_POSITION
      || field == MT_FIELD_RECORDED;
}

static int push_field(lua_State *L, mt_lua *state, int field) {
  const mt_event *event = state->event;
  if (is_hidden(state, field)) {
    return luaL_error(
        L, "%s does not see '%s': its %s from what events say, not from where they lie",
        state->phase == MT_UPCASTING ? "an upcaster" : "a decider", names[field],
        state->phase == MT_UPCASTING ? "data follows" : "state follows");
  }
  switch (field) {
  case MT_FIELD_ID: return push_part(L, event, event->id);
  case MT_FIELD_SOURCE: return push_part(L, event, event->source);
  case MT_FIELD_TYPE: return push_part(L, event, event->type);
  case MT_FIELD_KEY: return push_part(L, event, event->key);
  case MT_FIELD_VERSION: lua_pushinteger(L, event->version); return 1;
  case MT_FIELD_PARTITION: lua_pushinteger(L, event->partition); return 1;
  case MT_FIELD_OFFSET: lua_pushinteger(L, (lua_Integer)event->offset); return 1;
  case MT_FIELD_POSITION: lua_pushinteger(L, (lua_Integer)event->position); return 1;
  case MT_FIELD_TOPIC: lua_pushlstring(L, (const char *)event->topic, event->topic_count); return 1;
  case MT_FIELD_TIME:
    if (event->time.count > 0) return push_part(L, event, event->time);
    return push_time(L, state, event->time_microseconds);
  case MT_FIELD_RECORDED: return push_time(L, state, event->recorded_microseconds);
  case MT_FIELD_META:
    if (event->meta.count == 0) return 0;
    mt_push_document(state, L, 1);
    return 1;
  default:
    if (lua_getiuservalue(L, 1, 1) == LUA_TNIL) {
      lua_pop(L, 1);
      mt_push_document(state, L, 0);
      lua_pushvalue(L, -1);
      lua_setiuservalue(L, 1, 1);
    }
    return 1;
  }
}

static void event_names(lua_State *L, mt_bytes *to) {
  to->count = 0;
  for (int i = 0; i < MT_FIELD_COUNT; i++) mt_bytes_add(L, to, names[i], strlen(names[i]) + 1);
}

static int index_event(lua_State *L) {
  mt_lua *state = check_event(L);
  const char *name = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : NULL;
  // Short strings are one object each: comparing addresses is enough.
  if (name == state->fields[MT_FIELD_DATA]) return push_field(L, state, MT_FIELD_DATA);
  for (int i = 0; i < MT_FIELD_COUNT; i++) {
    if (name == state->fields[i]) return push_field(L, state, i);
  }
  if (name == NULL) return 0;
  event_names(L, &state->scratch);
  lua_pushfstring(L, "an event has no field '%s'", name);
  return mt_raise_unknown(L, lua_tostring(L, -1), name, strlen(name), &state->scratch);
}

static int refuse_change(lua_State *L) {
  return luaL_error(L, "an event is read-only: what happened cannot be changed");
}

/// The iterator of `pairs`. Unlike a metamethod it can be called with anything.
static int next_field(lua_State *L) {
  int at = 0;
  if (lua_type(L, 1) != LUA_TUSERDATA || !lua_getmetatable(L, 1)) luaL_typeerror(L, 1, "event");
  if (lua_topointer(L, -1) != mt_self(L)->event_metatable) luaL_typeerror(L, 1, "event");
  mt_lua *state = check_event(L);
  lua_settop(L, 2);
  if (!lua_isnil(L, 2)) {
    const char *name = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : NULL;
    while (at < MT_FIELD_COUNT && name != state->fields[at]) at++;
    at++;
  }
  for (; at < MT_FIELD_COUNT; at++) {
    if (is_hidden(state, at)) continue;
    lua_pushstring(L, names[at]);
    if (push_field(L, state, at) == 1) return 2;
    lua_pop(L, 1);
  }
  lua_pushnil(L);
  return 1;
}

static int pairs_event(lua_State *L) {
  lua_pushcfunction(L, next_field);
  lua_pushvalue(L, 1);
  lua_pushnil(L);
  return 3;
}

void mt_push_event(mt_lua *state, lua_State *L) {
  uint64_t *generation = lua_newuserdatauv(L, sizeof *generation, 1);
  *generation = state->generation;
  mt_push_slot(state, L, MT_SLOT_EVENT);
  lua_setmetatable(L, -2);
}

void mt_open_event(mt_lua *state) {
  lua_State *L = state->L;
  lua_newtable(L);
  lua_pushcfunction(L, index_event);
  lua_setfield(L, -2, "__index");
  lua_pushcfunction(L, refuse_change);
  lua_setfield(L, -2, "__newindex");
  lua_pushcfunction(L, pairs_event);
  lua_setfield(L, -2, "__pairs");
  lua_pushliteral(L, "event");
  lua_setfield(L, -2, "__name");
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
  // The names stay alive in a table of the metatable, so that their addresses stay theirs.
  lua_newtable(L);
  for (int i = 0; i < MT_FIELD_COUNT; i++) {
    state->fields[i] = lua_pushstring(L, names[i]);
    lua_rawseti(L, -2, i + 1);
  }
  lua_setfield(L, -2, "names");
  state->event_metatable = lua_topointer(L, -1);
  mt_set_slot(state, L, MT_SLOT_EVENT);
}
