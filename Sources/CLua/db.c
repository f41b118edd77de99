#include <string.h>

#include "state.h"

// `db`: the tables by name, `query`, `exec`, `table`.

int mt_refuse_db_change(lua_State *L) {
  return luaL_error(L, "db is read-only: write rows with put, update, add");
}

static void check_receiver(lua_State *L, const char *method) {
  mt_lua *state = mt_self(L);
  mt_push_slot(state, L, MT_SLOT_DB);
  int same = lua_rawequal(L, 1, -1);
  lua_pop(L, 1);
  if (!same) luaL_error(L, "call it with a colon: db:%s(…)", method);
  if (state->phase != MT_HANDLING) luaL_error(L, "db is there while an event is handled");
}

/// Runs the statement at 2 with the values behind it; leaves its rows in the result.
static void run(lua_State *L, mt_lua *state) {
  size_t count;
  const char *text = luaL_checklstring(L, 2, &count);
  int last = lua_gettop(L);
  mt_rows *arguments = &state->arguments;
  arguments->count = 0;
  arguments->text.count = 0;
  for (int i = 3; i <= last; i++) mt_cell_from(L, i, arguments, "argument");
  mt_charge(L, 50);
  // A statement may take long: the time begins before it, and is looked at behind it.
  mt_look(L);
  state->result_columns = 0;
  int32_t status = state->host.sql(state->host.context, (const uint8_t *)text, count);
  mt_look(L);
  if (status < 0) mt_raise_refusal(L);
}

static int db_query(lua_State *L) {
  mt_lua *state = mt_self(L);
  check_receiver(L, "query");
  run(L, state);
  size_t width = state->result_columns;
  lua_settop(L, 0);
  lua_createtable(L, (int)width, 0);
  for (size_t i = 0; i < width; i++) {
    mt_push_cell(L, &state->result, &state->result.cells[i]);
    lua_rawseti(L, 1, (lua_Integer)i + 1);
  }
  lua_newtable(L);
  for (size_t row = 1; width > 0 && (row + 1) * width <= state->result.count; row++) {
    mt_charge(L, width);
    mt_push_row(L, state, row * width, (int)width, 1);
    lua_rawseti(L, 2, (lua_Integer)row);
  }
  return 1;
}

static int db_exec(lua_State *L) {
  check_receiver(L, "exec");
  run(L, mt_self(L));
  return 0;
}

/// Raises for a table that is not there; its name is at 2.
static int unknown_table(lua_State *L) {
  mt_lua *state = mt_self(L);
  size_t count;
  const char *name = mt_tostring(L, 2, &count);
  mt_bytes *names = &state->scratch;
  mt_push_slot(state, L, MT_SLOT_DB_NAMES);
  mt_push_keys(L, -1);
  names->count = 0;
  for (lua_Integer i = 1; lua_istable(L, -1) && lua_rawgeti(L, -1, i) == LUA_TSTRING; i++) {
    size_t other;
    const char *text = lua_tolstring(L, -1, &other);
    mt_bytes_add(L, names, text, other + 1);
    lua_pop(L, 1);
  }
  mt_bytes_add(L, names, "query\0exec\0table", 17);
  lua_pushfstring(L, "db has no table '%s'", name);
  return mt_raise_unknown(L, lua_tostring(L, -1), name, count, names);
}

static int db_table(lua_State *L) {
  check_receiver(L, "table");
  luaL_checktype(L, 2, LUA_TSTRING);
  lua_settop(L, 2);
  mt_push_slot(mt_self(L), L, MT_SLOT_DB_NAMES);
  lua_pushvalue(L, 2);
  if (lua_rawget(L, 3) == LUA_TNIL) return unknown_table(L);
  return 1;
}

/// Pushes a table object; its name is at the top and replaced. `columns` are separated by NUL.
static void push_table(
    lua_State *L, mt_lua *state, int index, const char *columns, size_t columns_count, int keys) {
  uint32_t room = 2, count = 0;
  for (size_t i = 0; i < columns_count; i++) count += columns[i] == 0;
  while (room < count * 2 + 1) room *= 2;
  size_t size = sizeof(mt_table) + room * sizeof *((mt_table *)NULL)->slots;
  mt_table *table = lua_newuserdatauv(L, size, 3);
  memset(table, 0, size);
  table->index = index;
  table->keys = keys;
  table->mask = room - 1;
  if (index < MT_KNOWN_TABLES) state->known_tables[index] = table;
  lua_insert(L, -2);
  lua_setiuservalue(L, -2, 3);
  lua_newtable(L);
  lua_newtable(L);
  for (const char *end = columns + columns_count; columns < end; columns += strlen(columns) + 1) {
    const char *name = lua_pushstring(L, columns);
    uint32_t at = mt_name_slot(name) & table->mask;
    while (table->slots[at].name != NULL) at = (at + 1) & table->mask;
    table->slots[at].name = name;
    table->slots[at].column = table->columns;
    lua_pushvalue(L, -1);
    lua_rawseti(L, -3, ++table->columns);
    lua_pushinteger(L, table->columns);
    lua_rawset(L, -4);
  }
  lua_setiuservalue(L, -3, 2);
  lua_setiuservalue(L, -2, 1);
  mt_push_slot(state, L, MT_SLOT_TABLE);
  lua_setmetatable(L, -2);
}

typedef struct binding {
  const char *name;
  size_t name_count;
  const char *columns;
  size_t columns_count;
  int keys;
} binding;

static int bind(lua_State *L) {
  const binding *to = lua_touserdata(L, 1);
  mt_lua *state = mt_self(L);
  mt_push_slot(state, L, MT_SLOT_DB_NAMES);
  mt_push_slot(state, L, MT_SLOT_DB_TABLES);
  lua_pushlstring(L, to->name, to->name_count);
  lua_pushvalue(L, 4);
  push_table(L, state, state->tables++, to->columns, to->columns_count, to->keys);
  lua_pushvalue(L, 4);
  lua_pushvalue(L, 5);
  lua_rawset(L, 2);
  // A table that is named like a method is reached by db:table only.
  lua_pushvalue(L, 4);
  if (lua_rawget(L, 3) == LUA_TNIL) {
    lua_pushvalue(L, 4);
    lua_pushvalue(L, 5);
    lua_rawset(L, 3);
  }
  return 0;
}

static int bind_begin(lua_State *L) {
  mt_lua *state = mt_self(L);
  static const luaL_Reg methods[] = {
      {"query", db_query}, {"exec", db_exec}, {"table", db_table}, {NULL, NULL}};
  state->tables = 0;
  memset(state->known_tables, 0, sizeof state->known_tables);
  lua_newtable(L);
  mt_set_slot(state, L, MT_SLOT_DB_NAMES);
  lua_newuserdatauv(L, 0, 0);
  lua_newtable(L);
  luaL_newlib(L, methods);
  lua_newtable(L);
  lua_pushcfunction(L, unknown_table);
  lua_setfield(L, -2, "__index");
  lua_setmetatable(L, -2);
  lua_pushvalue(L, -1);
  mt_set_slot(state, L, MT_SLOT_DB_TABLES);
  lua_setfield(L, -2, "__index");
  lua_pushcfunction(L, mt_refuse_db_change);
  lua_setfield(L, -2, "__newindex");
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
  lua_setmetatable(L, -2);
  mt_set_slot(state, L, MT_SLOT_DB);
  return 0;
}

int32_t mt_lua_bind_begin(mt_lua *state) {
  if (state->tripped) return state->fault.kind;
  mt_budget_begin(state);
  lua_pushcfunction(state->L, bind_begin);
  return mt_fault_finish(state, mt_protected_call(state, 0));
}

int32_t mt_lua_bind_table(
    mt_lua *state, const char *name, size_t name_count, const char *columns, size_t columns_count,
    int32_t keys) {
  binding to = {name, name_count, columns, columns_count, keys};
  if (state->tripped) return state->fault.kind;
  mt_budget_begin(state);
  lua_pushcfunction(state->L, bind);
  lua_pushlightuserdata(state->L, &to);
  return mt_fault_finish(state, mt_protected_call(state, 1));
}
