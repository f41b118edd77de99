#include <string.h>

#include "state.h"

// Parts of `event.data`: objects and arrays of the parsed document, read where they lie on the tape.

/// Steps over fields or elements that are not charged: a hook counts them as well as it can.
enum { FREE_STEPS = 64 };

static void push_cached(mt_lua *state, lua_State *L, uint32_t document, uint32_t at) {
  lua_Integer key = (lua_Integer)at * 2 + document;
  mt_push_slot(state, L, MT_SLOT_CACHE);
  if (lua_rawgeti(L, -1, key) == LUA_TUSERDATA) {
    const mt_node *known = lua_touserdata(L, -1);
    if (known->generation == state->generation) {
      lua_remove(L, -2);
      return;
    }
  } else if (++state->cached > MT_CACHED_MAX) {
    // Nodes of events gone by are overwritten, not swept: a table for each event would cost more.
    lua_settop(L, -3);
    lua_newtable(L);
    lua_pushvalue(L, -1);
    mt_set_slot(state, L, MT_SLOT_CACHE);
    lua_pushnil(L);
    state->cached = 1;
  }
  lua_pop(L, 1);
  mt_node *node = lua_newuserdatauv(L, sizeof *node, 0);
  *node = (mt_node){state->generation, at, document, 0, 0};
  mt_push_slot(state, L, MT_SLOT_NODE);
  lua_setmetatable(L, -2);
  lua_pushvalue(L, -1);
  lua_rawseti(L, -3, key);
  lua_remove(L, -2);
}

static void push_scalar(mt_lua *state, lua_State *L, uint32_t document, uint32_t at) {
  const uint64_t *tape = state->tape[document];
  size_t count;
  switch (mt_tape_type(tape[at])) {
  case '"': {
    const char *text = mt_tape_string(state, document, at, &count);
    lua_pushlstring(L, text, count);
    break;
  }
  case 'l': lua_pushinteger(L, (lua_Integer)tape[at + 1]); break;
  case 'd': {
    lua_Number number;
    memcpy(&number, &tape[at + 1], sizeof number);
    lua_pushnumber(L, number);
    break;
  }
  case 't': lua_pushboolean(L, 1); break;
  case 'f': lua_pushboolean(L, 0); break;
  case 'n': mt_push_null(L); break;
  default: luaL_error(L, "an integer in the event is beyond 64 bits with a sign");
  }
}

void mt_push_node_value(mt_lua *state, lua_State *L, uint32_t document, uint32_t at) {
  uint8_t type = mt_tape_type(state->tape[document][at]);
  if (type == '{' || type == '[') {
    push_cached(state, L, document, at);
  } else {
    push_scalar(state, L, document, at);
  }
}

void mt_push_document(mt_lua *state, lua_State *L, uint32_t document) {
  if (!state->parsed[document]) {
    const mt_event *event = state->event;
    mt_part part = document == 0 ? event->data : event->meta;
    int32_t error = mt_document_parse(
        state->documents[document], event->bytes + part.start, part.count, &state->tape[document],
        &state->strings[document]);
    if (error != 0) luaL_error(L, "event.data is not JSON: %s", mt_document_error(error));
    state->parsed[document] = 1;
  }
  if (document == 1) {
    push_cached(state, L, document, 1);
    return;
  }
  // The root is kept by the event itself: most handlers touch nothing deeper and need no table.
  mt_node *node = lua_newuserdatauv(L, sizeof *node, 0);
  *node = (mt_node){state->generation, 1, document, 0, 0};
  mt_push_slot(state, L, MT_SLOT_NODE);
  lua_setmetatable(L, -2);
}

mt_node *mt_to_node(lua_State *L, int index) {
  if (lua_type(L, index) != LUA_TUSERDATA || !lua_getmetatable(L, index)) return NULL;
  mt_lua *state = mt_self(L);
  int same = lua_topointer(L, -1) == state->node_metatable;
  lua_pop(L, 1);
  if (!same) return NULL;
  mt_node *node = lua_touserdata(L, index);
  if (node->generation != state->generation || state->event == NULL) {
    luaL_error(L, "event.data cannot be used after its handler has returned: copy what is needed");
  }
  return node;
}

/// The receiver of a metamethod of ours.
static mt_node *receiver(lua_State *L, mt_lua **state) {
  *state = mt_self(L);
  mt_node *node = lua_touserdata(L, 1);
  if (node == NULL || node->generation != (*state)->generation || (*state)->event == NULL) {
    luaL_error(L, "event.data cannot be used after its handler has returned: copy what is needed");
  }
  return node;
}

uint32_t mt_node_count(mt_lua *state, const mt_node *node) {
  const uint64_t *tape = state->tape[node->document];
  uint32_t count = (uint32_t)(tape[node->at] >> 32) & 0xffffff;
  if (count < 0xffffff) return count;
  uint32_t at = node->at + 1, end = mt_tape_after(tape, node->at) - 1;
  int object = mt_tape_type(tape[node->at]) == '{';
  for (count = 0; at < end; count++) at = mt_tape_after(tape, object ? at + 1 : at);
  return count;
}

/// Where element `index` (from 1) of an array lies, or 0.
static uint32_t element(mt_lua *state, mt_node *node, lua_Integer index) {
  const uint64_t *tape = state->tape[node->document];
  uint32_t end = mt_tape_after(tape, node->at) - 1;
  if (index < 1 || index > UINT32_MAX) return 0;
  uint32_t i = 1, at = node->at + 1;
  if (node->seen_index != 0 && (lua_Integer)node->seen_index <= index) {
    i = node->seen_index;
    at = node->seen_at;
  }
  uint32_t from = i;
  for (; at < end && i < index; i++) at = mt_tape_after(tape, at);
  if (i - from > FREE_STEPS) mt_charge(state->running, (i - from) / 4);
  if (at >= end) return 0;
  node->seen_index = i;
  node->seen_at = at;
  return at;
}

/// Where the value of a field lies, or 0.
static uint32_t field(mt_lua *state, const mt_node *node, const char *name, size_t count) {
  const uint64_t *tape = state->tape[node->document];
  uint32_t at = node->at + 1, end = mt_tape_after(tape, node->at) - 1, steps = 0, found = 0;
  while (at < end) {
    size_t key_count;
    const char *key = mt_tape_string(state, node->document, at, &key_count);
    steps++;
    if (key_count == count && memcmp(key, name, count) == 0) {
      found = at + 1;
      break;
    }
    at = mt_tape_after(tape, at + 1);
  }
  if (steps > FREE_STEPS) mt_charge(state->running, steps / 4);
  return found;
}

/// Tells the host of a field that is not there, once for a type and a field (FNV-1a of both).
static void note_missing(mt_lua *state, const char *name, size_t count) {
  const mt_event *event = state->event;
  uint64_t hash = 14695981039346656037u;
  for (uint32_t i = 0; i < event->type.count; i++) {
    hash = (hash ^ event->bytes[event->type.start + i]) * 1099511628211u;
  }
  for (size_t i = 0; i < count; i++) hash = (hash ^ (uint8_t)name[i]) * 1099511628211u;
  if (hash == 0) hash = 1;
  size_t at = hash % MT_MISSED_MAX;
  while (state->missed[at] != 0 && state->missed[at] != hash) at = (at + 1) % MT_MISSED_MAX;
  if (state->missed[at] == hash || state->missed_count >= MT_MISSED_MAX / 2) return;
  state->missed[at] = hash;
  state->missed_count++;
  state->host.missing(
      state->host.context, (const uint8_t *)name, count, event->bytes + event->type.start, event->type.count);
}

static int index_node(lua_State *L) {
  mt_lua *state;
  mt_node *node = receiver(L, &state);
  uint8_t type = mt_tape_type(state->tape[node->document][node->at]);
  uint32_t at = 0;
  if (type == '{' && lua_type(L, 2) == LUA_TSTRING) {
    size_t count;
    const char *name = lua_tolstring(L, 2, &count);
    at = field(state, node, name, count);
    if (at == 0 && node->at == 1 && node->document == 0) note_missing(state, name, count);
  } else if (type == '[' && lua_type(L, 2) == LUA_TNUMBER) {
    int whole;
    lua_Integer index = lua_tointegerx(L, 2, &whole);
    if (whole) at = element(state, node, index);
  }
  if (at == 0) return 0;
  mt_push_node_value(state, L, node->document, at);
  return 1;
}

static int length_node(lua_State *L) {
  mt_lua *state;
  mt_node *node = receiver(L, &state);
  int array = mt_tape_type(state->tape[node->document][node->at]) == '[';
  lua_pushinteger(L, array ? (lua_Integer)mt_node_count(state, node) : 0);
  return 1;
}

static int refuse_change(lua_State *L) {
  return luaL_error(L, "event data is read-only; copy it with table.copy(value) to change the copy");
}

/// Pushes the key and value that begin at `at` of an object, or element `index` of an array.
static int push_pair(lua_State *L, mt_lua *state, mt_node *node, uint32_t at, lua_Integer index) {
  if (index > 0) {
    lua_pushinteger(L, index);
    mt_push_node_value(state, L, node->document, at);
  } else {
    push_scalar(state, L, node->document, at);
    mt_push_node_value(state, L, node->document, at + 1);
  }
  return 2;
}

int mt_node_next(lua_State *L, mt_node *node) {
  mt_lua *state = mt_self(L);
  const uint64_t *tape = state->tape[node->document];
  uint32_t at = node->at + 1, end = mt_tape_after(tape, node->at) - 1;
  lua_Integer index = 0;
  if (mt_tape_type(tape[node->at]) == '[') {
    index = lua_isnil(L, 2) ? 1 : luaL_checkinteger(L, 2) + 1;
    at = element(state, node, index);
    if (at == 0) at = end;
  } else if (!lua_isnil(L, 2)) {
    size_t count;
    const char *name = luaL_checklstring(L, 2, &count);
    at = field(state, node, name, count);
    if (at == 0) return luaL_error(L, "next: there is no field '%s'", name);
    at = mt_tape_after(tape, at);
  }
  if (at >= end) {
    lua_pushnil(L);
    return 1;
  }
  return push_pair(L, state, node, at, index);
}

/// The iterator of `pairs`. Upvalues: where to go on, the index of that element (0 for an object), the part.
static int step(lua_State *L) {
  mt_lua *state = mt_self(L);
  // It can be called with anything, also with another part than that of `pairs`.
  mt_node *node = mt_to_node(L, 1);
  if (node == NULL || !lua_rawequal(L, 1, lua_upvalueindex(3))) {
    return luaL_error(L, "the iterator of pairs goes through its own table only");
  }
  const uint64_t *tape = state->tape[node->document];
  uint32_t end = mt_tape_after(tape, node->at) - 1;
  uint32_t at = (uint32_t)lua_tointeger(L, lua_upvalueindex(1));
  lua_Integer index = lua_tointeger(L, lua_upvalueindex(2));
  if (at >= end) {
    lua_pushnil(L);
    return 1;
  }
  lua_pushinteger(L, mt_tape_after(tape, index > 0 ? at : at + 1));
  lua_replace(L, lua_upvalueindex(1));
  if (index > 0) {
    lua_pushinteger(L, index + 1);
    lua_replace(L, lua_upvalueindex(2));
  }
  return push_pair(L, state, node, at, index);
}

int mt_node_pairs(lua_State *L, mt_node *node) {
  mt_lua *state = mt_self(L);
  lua_pushinteger(L, node->at + 1);
  lua_pushinteger(L, mt_tape_type(state->tape[node->document][node->at]) == '[');
  lua_pushvalue(L, 1);
  lua_pushcclosure(L, step, 3);
  lua_pushvalue(L, 1);
  lua_pushnil(L);
  return 3;
}

void mt_push_copy(lua_State *L, uint32_t document, uint32_t at, int depth) {
  mt_lua *state = mt_self(L);
  const uint64_t *tape = state->tape[document];
  uint8_t type = mt_tape_type(tape[at]);
  if (type != '{' && type != '[') {
    push_scalar(state, L, document, at);
    return;
  }
  if (depth > (int)state->limits.json_depth) luaL_error(L, "the value is nested too deeply");
  luaL_checkstack(L, 4, "too deep");
  uint32_t end = mt_tape_after(tape, at) - 1;
  uint32_t count = (uint32_t)(tape[at] >> 32) & 0xffffff;
  lua_createtable(L, type == '[' ? (int)count : 0, type == '[' ? 0 : (int)count);
  mt_charge(L, count);
  at++;
  for (lua_Integer i = 1; at < end; i++) {
    if (type == '[') {
      mt_push_copy(L, document, at, depth + 1);
      lua_rawseti(L, -2, i);
      at = mt_tape_after(tape, at);
    } else {
      push_scalar(state, L, document, at);
      mt_push_copy(L, document, at + 1, depth + 1);
      lua_rawset(L, -3);
      at = mt_tape_after(tape, at + 1);
    }
  }
  if (type == '[') {
    mt_push_slot(state, L, MT_SLOT_ARRAY);
    lua_setmetatable(L, -2);
  }
}

void mt_open_node(mt_lua *state) {
  lua_State *L = state->L;
  static const luaL_Reg methods[] = {
      {"__index", index_node}, {"__newindex", refuse_change}, {"__len", length_node}, {NULL, NULL}};
  lua_newtable(L);
  luaL_setfuncs(L, methods, 0);
  lua_pushliteral(L, "table");
  lua_setfield(L, -2, "__name");
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
  state->node_metatable = lua_topointer(L, -1);
  mt_set_slot(state, L, MT_SLOT_NODE);
  lua_newtable(L);
  mt_set_slot(state, L, MT_SLOT_CACHE);
}
