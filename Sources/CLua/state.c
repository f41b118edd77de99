#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "state.h"

// A state from birth to death, and the calls from Swift. Each is one protected call of a C function; the
// message handler stays at the bottom of the stack, so the height between calls is always 1.

static int open_state(lua_State *L) {
  mt_lua *state = mt_self(L);
  typedef void (*opener)(lua_State *);
  static const struct {
    const char *name;
    opener open;
  } libraries[] = {
      {"string", mt_open_string}, {"utf8", mt_open_utf8}, {"table", mt_open_table}, {"math", mt_open_math},
      {"os", mt_open_os}, {"coroutine", mt_open_coroutine}};
  for (int i = 0; i < MT_SLOT_COUNT; i++) {
    lua_pushboolean(L, 0);
    state->refs[i] = luaL_ref(L, LUA_REGISTRYINDEX);
  }
  lua_newtable(L);
  mt_open_base(L, state);
  for (size_t i = 0; i < sizeof libraries / sizeof *libraries; i++) {
    lua_newtable(L);
    libraries[i].open(L);
    mt_protect(L, libraries[i].name);
    lua_setfield(L, -2, libraries[i].name);
  }
  mt_open_builders(L, state);
  mt_open_definitions(L, state);
  mt_set_slot(state, L, MT_SLOT_BASE);
  mt_open_event(state);
  mt_open_node(state);
  mt_open_table_methods(state);
  mt_open_ctx(state);
  return 0;
}

mt_lua *mt_lua_new(mt_limits limits, mt_callbacks callbacks) {
  mt_lua *state = calloc(1, sizeof *state);
  if (state == NULL) return NULL;
  state->limits = limits;
  state->host = callbacks;
  state->generation = 1;
  mt_allocator_begin(&state->allocator, limits.memory_bytes, state);
  mt_watchdog_add(state);
  state->documents[0] = mt_document_new();
  state->documents[1] = mt_document_new();
  if (state->documents[0] != NULL && state->documents[1] != NULL) {
    state->L = lua_newstate(mt_allocate, &state->allocator);
  }
  if (state->L == NULL) {
    mt_lua_free(state);
    return NULL;
  }
  *(mt_lua **)lua_getextraspace(state->L) = state;
  lua_pushcfunction(state->L, mt_message_handler);
  lua_pushcfunction(state->L, open_state);
  if (lua_pcall(state->L, 0, 0, 0) != LUA_OK) {
    mt_lua_free(state);
    return NULL;
  }
  lua_gc(state->L, LUA_GCGEN, 0, 0);
  return state;
}

void mt_lua_free(mt_lua *state) {
  mt_watchdog_remove(state);
  // There are no finalisers: what Lua holds is memory, and goes without a walk through it.
  mt_allocator_end(&state->allocator);
  if (state->documents[0] != NULL) mt_document_free(state->documents[0]);
  if (state->documents[1] != NULL) mt_document_free(state->documents[1]);
  mt_rows_free(&state->arguments);
  mt_rows_free(&state->result);
  free(state->state_before.bytes);
  free(state->value.bytes);
  free(state->scratch.bytes);
  free(state->keys);
  free(state);
}

typedef struct script {
  const char *name;
  size_t name_count;
  const char *path;
  size_t path_count;
  const uint8_t *text;
  size_t count;
  int settings;
} script;

static int add_module(lua_State *L) {
  const script *from = lua_touserdata(L, 1);
  mt_push_slot(mt_self(L), L, MT_SLOT_SOURCES);
  lua_pushlstring(L, from->name, from->name_count);
  lua_createtable(L, 2, 0);
  lua_pushlstring(L, from->path, from->path_count);
  lua_rawseti(L, -2, 1);
  lua_pushlstring(L, (const char *)from->text, from->count);
  lua_rawseti(L, -2, 2);
  lua_rawset(L, -3);
  return 0;
}

int32_t mt_lua_add_module(
    mt_lua *state, const char *name, size_t name_count, const char *path, size_t path_count,
    const uint8_t *text, size_t count) {
  script from = {name, name_count, path, path_count, text, count, 0};
  if (state->tripped) return 0;
  mt_budget_begin(state);
  lua_pushcfunction(state->L, add_module);
  lua_pushlightuserdata(state->L, &from);
  return mt_fault_finish(state, mt_protected_call(state, 1)) == MT_OK;
}

static int run_script(lua_State *L) {
  mt_lua *state = mt_self(L);
  const script *from = lua_touserdata(L, 1);
  lua_newtable(L);
  mt_set_slot(state, L, MT_SLOT_DEFINITIONS);
  lua_pushlstring(L, from->path, from->path_count);
  mt_load_text(L, lua_tostring(L, -1), from->text, from->count);
  lua_call(L, 0, 1);
  if (state->unfinished > 0) {
    return luaL_error(L, "a definition has a name but no table: kind \"name\" { … }");
  }
  state->value.count = 0;
  if (from->settings) {
    mt_encode(L, -1, &state->value, 1);
  } else {
    mt_push_slot(state, L, MT_SLOT_DEFINITIONS);
    mt_encode(L, -1, &state->value, 1);
  }
  return 0;
}

int32_t mt_lua_run(
    mt_lua *state, const char *path, size_t path_count, const uint8_t *text, size_t count, int32_t settings) {
  script from = {NULL, 0, path, path_count, text, count, settings};
  if (state->tripped) return state->fault.kind;
  mt_budget_begin(state);
  state->phase = settings ? MT_SETTINGS : MT_LOADING;
  state->unfinished = 0;
  state->module_depth = 0;
  state->printed = 0;
  lua_pushcfunction(state->L, run_script);
  lua_pushlightuserdata(state->L, &from);
  int status = mt_protected_call(state, 1);
  state->phase = MT_IDLE;
  int32_t kind = mt_fault_finish(state, status);
  // A syntax error is raised by code of ours after the parser has spoken; its text holds the place.
  if (kind != MT_OK && state->fault.path[0] == 0) {
    mt_copy_text(state->fault.path, sizeof state->fault.path, path, path_count);
  }
  return kind;
}

void mt_begin_event(mt_lua *state, const mt_event *event) {
  mt_budget_begin(state);
  state->event = event;
  state->phase = MT_HANDLING;
  state->parsed[0] = 0;
  state->parsed[1] = 0;
  state->random_ready = 0;
  state->printed = 0;
  state->emitted_bytes = 0;
  state->state_loaded = 0;
}

int32_t mt_end_event(mt_lua *state, int status) {
  state->event = NULL;
  state->phase = MT_IDLE;
  state->generation++;
  if (status == LUA_OK) return MT_OK;
  return mt_fault_finish(state, status);
}

typedef struct call {
  const int32_t *functions;
  int32_t count;
  int32_t power;
} call;

static int handle(lua_State *L) {
  mt_lua *state = mt_self(L);
  const call *from = lua_touserdata(L, 1);
  if (lua_rawgeti(L, LUA_REGISTRYINDEX, from->functions[0]) != LUA_TFUNCTION) {
    return luaL_error(L, "the handler's function is not of this state");
  }
  mt_push_event(state, L);
  mt_push_slot(state, L, from->power == 1 ? MT_SLOT_DB : MT_SLOT_CTX);
  lua_call(L, 2, 0);
  if (from->power == 2) {
    state->finishing = from->functions[0];
    mt_ctx_finish(L, state);
    state->finishing = LUA_NOREF;
  }
  return 0;
}

int32_t mt_lua_handle(mt_lua *state, int32_t function, int32_t power, const mt_event *event) {
  call from = {&function, 1, power};
  if (state->tripped) return state->fault.kind;
  mt_begin_event(state, event);
  lua_pushcfunction(state->L, handle);
  lua_pushlightuserdata(state->L, &from);
  return mt_end_event(state, mt_protected_call(state, 1));
}

const mt_bytes *mt_lua_value(const mt_lua *state) { return &state->value; }
const mt_fault *mt_lua_fault(const mt_lua *state) { return &state->fault; }
const mt_rows *mt_lua_arguments(const mt_lua *state) { return &state->arguments; }

int32_t mt_lua_result_reserve(mt_lua *state, size_t cells, size_t bytes) {
  state->result.count = 0;
  state->result.text.count = 0;
  if (!mt_rows_reserve(&state->result, cells, bytes)) return 0;
  state->result.count = cells;
  state->result.text.count = bytes;
  return 1;
}

mt_cell *mt_lua_result_cells(mt_lua *state) { return state->result.cells; }
uint8_t *mt_lua_result_bytes(mt_lua *state) { return state->result.text.bytes; }
void mt_lua_result_columns(mt_lua *state, size_t columns) { state->result_columns = columns; }

void mt_lua_refuse(
    mt_lua *state, const char *code, size_t code_count, const char *message, size_t message_count,
    int32_t fatal) {
  mt_copy_text(state->refusal_code, sizeof state->refusal_code, code, code_count);
  mt_copy_text(state->refusal_message, sizeof state->refusal_message, message, message_count);
  size_t room = sizeof state->refusal_message - 1;
  state->refusal_count = message_count < room ? message_count : room;
  state->refusal_fatal = fatal;
}

size_t mt_lua_memory(const mt_lua *state) { return state->allocator.used; }
int32_t mt_lua_spent(const mt_lua *state) {
  return state->tripped != 0 || state->allocator.chunk_bytes > state->allocator.cap;
}
int32_t mt_lua_stack_height(const mt_lua *state) { return state->abandoned ? 1 : lua_gettop(state->L); }

/// Adds `before` and each name of the table on top of the stack, which it pops. Allocates nothing in Lua.
static void add_names(mt_lua *state, const char *before) {
  lua_State *L = state->L;
  size_t prefix = strlen(before);
  lua_pushnil(L);
  while (lua_next(L, -2) != 0) {
    size_t count;
    // Of a key that is no text nothing may be asked: it would become one.
    const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tolstring(L, -2, &count) : NULL;
    if (name != NULL && mt_bytes_reserve(&state->value, prefix + count + 1)) {
      memcpy(state->value.bytes + state->value.count, before, prefix);
      memcpy(state->value.bytes + state->value.count + prefix, name, count + 1);
      state->value.count += prefix + count + 1;
    }
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
}

void mt_lua_required(mt_lua *state) {
  // Reads two tables without allocating in Lua, so it needs no protected call.
  state->value.count = 0;
  mt_push_slot(state, state->L, MT_SLOT_LOADED);
  add_names(state, "");
}

static int offered(lua_State *L) {
  mt_lua *state = mt_self(L);
  static const char *const libraries[] = {"string", "utf8", "table", "math", "os", "coroutine", "moontide"};
  state->value.count = 0;
  mt_push_slot(state, L, MT_SLOT_BASE);
  add_names(state, "");
  for (size_t i = 0; i < sizeof libraries / sizeof *libraries; i++) {
    char before[16];
    snprintf(before, sizeof before, "%s.", libraries[i]);
    mt_push_slot(state, L, MT_SLOT_BASE);
    lua_pushstring(L, libraries[i]);
    lua_rawget(L, -2);
    lua_remove(L, -2);
    // A library stands behind an empty table that cannot be changed.
    if (lua_getmetatable(L, -1)) {
      lua_pushstring(L, "__index");
      lua_rawget(L, -2);
      lua_replace(L, -3);
      lua_pop(L, 1);
    }
    add_names(state, before);
  }
  mt_push_slot(state, L, MT_SLOT_DB_TABLES);
  add_names(state, "db:");
  mt_push_slot(state, L, MT_SLOT_TABLE);
  lua_pushstring(L, "__index");
  lua_rawget(L, -2);
  lua_remove(L, -2);
  add_names(state, "db.TABLE:");
  mt_push_slot(state, L, MT_SLOT_CTX_FIELDS);
  add_names(state, "ctx.");
  return 0;
}

int32_t mt_lua_offered(mt_lua *state) {
  if (state->tripped) return state->fault.kind;
  mt_budget_begin(state);
  lua_pushcfunction(state->L, offered);
  return mt_fault_finish(state, mt_protected_call(state, 0));
}
