#include <math.h>
#include <string.h>

#include "state.h"

// `db.TABLE`: arguments become cells by position, and Swift is called once for each operation.
//
// A table object is a `mt_table` with three user values: column → position (from 1), the list of columns, its
// name.

/// Shorter texts are not worth a look at the budget.
enum { CHARGED_TEXT = 4 << 10 };
enum { PUT = 1, GET = 2, UPDATE = 3, DELETE = 4, ADD = 5, EACH = 6 };

static mt_cell *add_cells(lua_State *L, mt_rows *rows, size_t count) {
  if (!mt_rows_reserve(rows, count, 0)) mt_raise_memory(L);
  mt_cell *cells = rows->cells + rows->count;
  memset(cells, 0, count * sizeof *cells);
  rows->count += count;
  return cells;
}

/// Sets `cell` from the value at `index`; `column` is for messages.
static void set_cell(lua_State *L, int index, mt_rows *rows, mt_cell *cell, const char *column) {
  switch (lua_type(L, index)) {
  case LUA_TSTRING: {
    size_t count;
    const char *text = lua_tolstring(L, index, &count);
    size_t cap = mt_self(L)->limits.row_bytes;
    if (count + rows->text.count > cap) {
      luaL_error(L, "the values have more than %I bytes together", (lua_Integer)cap);
    }
    if (count > CHARGED_TEXT) mt_charge(L, count / 8);
    cell->kind = MT_TEXT;
    cell->start = (uint32_t)rows->text.count;
    cell->count = (uint32_t)count;
    mt_bytes_add(L, &rows->text, text, count);
    return;
  }
  case LUA_TNUMBER:
    if (lua_isinteger(L, index)) {
      cell->kind = MT_INTEGER;
      cell->bits = lua_tointeger(L, index);
    } else {
      lua_Number number = lua_tonumber(L, index);
      if (isnan(number)) luaL_error(L, "'%s' is NaN: a column cannot hold it", column);
      cell->kind = MT_REAL;
      memcpy(&cell->bits, &number, sizeof number);
    }
    return;
  case LUA_TBOOLEAN:
    cell->kind = MT_INTEGER;
    cell->bits = lua_toboolean(L, index);
    return;
  case LUA_TNIL: cell->kind = MT_NULL; return;
  default: break;
  }
  if (mt_is_null(L, index)) {
    cell->kind = MT_NULL;
    return;
  }
  int table = lua_type(L, index) == LUA_TTABLE || lua_type(L, index) == LUA_TUSERDATA;
  luaL_error(
      L, "a Lua %s cannot be put in a column ('%s')", table ? "table" : luaL_typename(L, index), column);
}

void mt_cell_from(lua_State *L, int index, mt_rows *rows, const char *column) {
  mt_cell *cell = add_cells(L, rows, 1);
  set_cell(L, index, rows, cell, column);
}

void mt_push_cell(lua_State *L, const mt_rows *rows, const mt_cell *cell) {
  lua_Number number;
  switch (cell->kind) {
  case MT_INTEGER: lua_pushinteger(L, cell->bits); return;
  case MT_REAL:
    memcpy(&number, &cell->bits, sizeof number);
    lua_pushnumber(L, number);
    return;
  case MT_TEXT: case MT_BLOB:
    lua_pushlstring(L, (const char *)rows->text.bytes + cell->start, cell->count);
    return;
  default: lua_pushnil(L);
  }
}

static mt_table *receiver(lua_State *L, mt_lua **state, const char *method) {
  *state = mt_self(L);
  mt_table *table = NULL;
  void *object = lua_touserdata(L, 1);
  for (int i = 0; i < MT_KNOWN_TABLES && (*state)->known_tables[i] != NULL; i++) {
    if ((*state)->known_tables[i] == object) table = object;
  }
  if (table == NULL && lua_type(L, 1) == LUA_TUSERDATA && lua_getmetatable(L, 1)) {
    mt_push_slot(*state, L, MT_SLOT_TABLE);
    if (lua_rawequal(L, -1, -2)) table = object;
    lua_pop(L, 2);
  }
  if (table == NULL) luaL_error(L, "call it with a colon: db.TABLE:%s(…)", method);
  if ((*state)->phase != MT_HANDLING) luaL_error(L, "db is there while an event is handled");
  (*state)->arguments.count = 0;
  (*state)->arguments.text.count = 0;
  return table;
}

/// `db.T:put` and the others name a column that is not there; the first by bytes is named.
static int unknown_column(lua_State *L, int row, const mt_table *table) {
  mt_lua *state = mt_self(L);
  mt_bytes *names = &state->scratch;
  names->count = 0;
  lua_getiuservalue(L, 1, 2);
  for (int i = 1; i <= table->columns; i++) {
    size_t count;
    lua_rawgeti(L, -1, i);
    const char *name = lua_tolstring(L, -1, &count);
    mt_bytes_add(L, names, name, count + 1);
    lua_pop(L, 1);
  }
  lua_getiuservalue(L, 1, 3);
  const char *own = lua_tostring(L, -1);
  mt_push_keys(L, row);
  if (lua_isnil(L, -1)) return luaL_error(L, "%s takes a table of columns, not a list", own);
  lua_getiuservalue(L, 1, 1);
  for (lua_Integer i = 1; lua_rawgeti(L, -2, i) != LUA_TNIL; i++) {
    lua_pushvalue(L, -1);
    if (lua_rawget(L, -3) == LUA_TNIL) {
      size_t count;
      const char *name = mt_tostring(L, -2, &count);
      lua_pushfstring(L, "no column '%s' in %s", name, own);
      return mt_raise_unknown(L, lua_tostring(L, -1), name, count, names);
    }
    lua_pop(L, 2);
  }
  return luaL_error(L, "%s: a column is not known", own);
}

/// The place (from 0) of the column that is named by the key below the top, or -1. Its name is NULL unless
/// the key is a string.
static int32_t column_of(lua_State *L, const mt_table *table, const char **name) {
  *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : NULL;
  if (*name != NULL) {
    uint32_t at = mt_name_slot(*name) & table->mask;
    for (; table->slots[at].name != NULL; at = (at + 1) & table->mask) {
      if (table->slots[at].name == *name) return table->slots[at].column;
    }
  }
  // A long name is not one object.
  lua_getiuservalue(L, 1, 1);
  lua_pushvalue(L, -3);
  int32_t column = lua_rawget(L, -2) == LUA_TNUMBER ? (int32_t)lua_tointeger(L, -1) - 1 : -1;
  lua_pop(L, 2);
  return column;
}

/// Cells for every column, from the table at `row`.
static void add_row(lua_State *L, int row, const mt_table *table, mt_rows *rows) {
  if (mt_to_node(L, row) != NULL) {
    mt_node *node = mt_to_node(L, row);
    mt_push_copy(L, node->document, node->at, 0);
    lua_replace(L, row);
  }
  if (lua_type(L, row) != LUA_TTABLE) {
    luaL_error(L, "a row is a table of columns, not %s", luaL_typename(L, row));
  }
  add_cells(L, rows, (size_t)table->columns);
  size_t start = rows->count - (size_t)table->columns;
  lua_pushnil(L);
  while (lua_next(L, row) != 0) {
    const char *name;
    int32_t column = column_of(L, table, &name);
    if (column < 0) unknown_column(L, row, table);
    set_cell(L, -1, rows, rows->cells + start + column, name);
    lua_pop(L, 1);
  }
}

/// Cells for the key at `index`: a value, or a list of as many as the key has columns.
static void add_key(lua_State *L, int index, const mt_table *table, mt_rows *rows) {
  if (table->keys == 0) luaL_error(L, "this table has no primary key: use put, each or db:exec");
  if (mt_to_node(L, index) != NULL) luaL_error(L, "a key is a value, or a list of values");
  if (lua_type(L, index) != LUA_TTABLE) {
    if (lua_isnoneornil(L, index)) luaL_error(L, "the key is nil");
    if (table->keys != 1) luaL_error(L, "the key has %d columns: give a list", (int)table->keys);
    mt_cell_from(L, index, rows, "key");
    return;
  }
  if ((lua_Integer)lua_rawlen(L, index) != table->keys) {
    luaL_error(L, "the key has %d columns, the list %d", (int)table->keys, (int)lua_rawlen(L, index));
  }
  for (int i = 1; i <= table->keys; i++) {
    if (lua_rawgeti(L, index, i) == LUA_TNIL) luaL_error(L, "part %d of the key is nil", i);
    mt_cell_from(L, lua_gettop(L), rows, "key");
    lua_pop(L, 1);
  }
}

static int ask(lua_State *L, mt_lua *state, int operation, const mt_table *table) {
  mt_charge(L, 20);
  int32_t answer = state->host.row(state->host.context, operation, table->index);
  if (answer < 0) {
    // It may have been refused because the time is over.
    mt_look(L);
    mt_raise_refusal(L);
  }
  return answer;
}

void mt_push_row(lua_State *L, const mt_lua *state, size_t at, int columns, int names) {
  lua_createtable(L, 0, columns);
  for (int i = 0; i < columns; i++) {
    const mt_cell *cell = &state->result.cells[at + (size_t)i];
    if (cell->kind <= MT_NULL) continue;
    lua_rawgeti(L, names, i + 1);
    mt_push_cell(L, &state->result, cell);
    lua_rawset(L, -3);
  }
}

static int table_put(lua_State *L) {
  mt_lua *state;
  mt_table *table = receiver(L, &state, "put");
  lua_settop(L, 2);
  add_row(L, 2, table, &state->arguments);
  ask(L, state, PUT, table);
  return 0;
}

static int table_get(lua_State *L) {
  mt_lua *state;
  mt_table *table = receiver(L, &state, "get");
  lua_settop(L, 2);
  add_key(L, 2, table, &state->arguments);
  if (!ask(L, state, GET, table) || state->result.count < (size_t)table->columns) {
    lua_pushnil(L);
    return 1;
  }
  lua_getiuservalue(L, 1, 2);
  mt_push_row(L, state, 0, table->columns, lua_gettop(L));
  return 1;
}

static int change(lua_State *L, int operation, const char *method) {
  mt_lua *state;
  mt_table *table = receiver(L, &state, method);
  lua_settop(L, 3);
  add_key(L, 2, table, &state->arguments);
  add_row(L, 3, table, &state->arguments);
  lua_pushboolean(L, ask(L, state, operation, table));
  return 1;
}

static int table_update(lua_State *L) { return change(L, UPDATE, "update"); }

static int table_add(lua_State *L) {
  change(L, ADD, "add");
  return 0;
}

static int table_delete(lua_State *L) {
  mt_lua *state;
  mt_table *table = receiver(L, &state, "delete");
  lua_settop(L, 2);
  add_key(L, 2, table, &state->arguments);
  lua_pushboolean(L, ask(L, state, DELETE, table));
  return 1;
}

/// Upvalues: the list of rows, how far.
static int next_row(lua_State *L) {
  lua_Integer at = lua_tointeger(L, lua_upvalueindex(2)) + 1;
  lua_pushinteger(L, at);
  lua_replace(L, lua_upvalueindex(2));
  lua_rawgeti(L, lua_upvalueindex(1), at);
  return 1;
}

static int table_each(lua_State *L) {
  mt_lua *state;
  mt_table *table = receiver(L, &state, "each");
  lua_settop(L, 2);
  if (lua_isnil(L, 2)) {
    lua_newtable(L);
    lua_replace(L, 2);
  }
  add_row(L, 2, table, &state->arguments);
  ask(L, state, EACH, table);
  lua_getiuservalue(L, 1, 2);
  lua_newtable(L);
  size_t width = (size_t)table->columns;
  for (size_t row = 0; (row + 1) * width <= state->result.count; row++) {
    mt_charge(L, width);
    mt_push_row(L, state, row * width, table->columns, 3);
    lua_rawseti(L, 4, (lua_Integer)row + 1);
  }
  lua_pushinteger(L, 0);
  lua_pushcclosure(L, next_row, 2);
  return 1;
}

static int table_method(lua_State *L) {
  size_t count;
  const char *name = mt_tostring(L, 2, &count);
  mt_bytes *names = &mt_self(L)->scratch;
  names->count = 0;
  mt_bytes_add(L, names, "put\0get\0update\0delete\0add\0each", 31);
  lua_pushfstring(L, "a table has no method '%s'", name);
  return mt_raise_unknown(L, lua_tostring(L, -1), name, count, names);
}

void mt_open_table_methods(mt_lua *state) {
  lua_State *L = state->L;
  static const luaL_Reg methods[] = {
      {"put", table_put}, {"get", table_get}, {"update", table_update}, {"delete", table_delete},
      {"add", table_add}, {"each", table_each}, {NULL, NULL}};
  lua_newtable(L);
  luaL_newlib(L, methods);
  lua_newtable(L);
  lua_pushcfunction(L, table_method);
  lua_setfield(L, -2, "__index");
  lua_setmetatable(L, -2);
  lua_setfield(L, -2, "__index");
  lua_pushcfunction(L, mt_refuse_db_change);
  lua_setfield(L, -2, "__newindex");
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
  mt_set_slot(state, L, MT_SLOT_TABLE);
}
