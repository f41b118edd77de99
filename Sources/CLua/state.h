#ifndef MOONTIDE_STATE_H
#define MOONTIDE_STATE_H

// What the files of this target share. Nothing here is seen by Swift.

#include <setjmp.h>
#include <sys/types.h>

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include "document.h"
#include "lua_host.h"

enum { MT_SMALL_MAX = 512, MT_CLASS_BYTES = 16, MT_CLASSES = MT_SMALL_MAX / MT_CLASS_BYTES };
/// From this length on single instructions on a text take long: comparing two of 4 MiB of NULs takes 20 ms.
enum { MT_TEXT_WATCHED = 32 << 10 };

typedef struct mt_large_block mt_large_block;

/// Free lists by size over chunks; what is larger comes from malloc. `used` never passes `cap`, and chunks
/// together with larger blocks never twice of it.
typedef struct mt_allocator {
  void *free[MT_CLASSES];
  void *chunks;
  mt_large_block *large;
  uint8_t *fresh;
  size_t fresh_count;
  size_t used;
  size_t cap;
  size_t chunk_bytes;  // of all chunks
  size_t large_bytes;  // of what malloc gave
  size_t texts;        // texts of at least MT_TEXT_WATCHED that live
  uint32_t denials;    // in this call
  struct mt_lua *owner;
} mt_allocator;

/// Values kept in the registry, found by `refs[…]`.
enum {
  MT_SLOT_BASE,          // table: what every environment starts from
  MT_SLOT_DEFINITIONS,   // list of what constructors registered
  MT_SLOT_SOURCES,       // module name → { path, text }
  MT_SLOT_LOADED,        // module name → its value, or `false` while it loads
  MT_SLOT_EVENT,         // metatable of events
  MT_SLOT_NODE,          // metatable of parts of event.data
  MT_SLOT_CACHE,         // table: place on the tape → the node made last for it
  MT_SLOT_ARRAY,         // metatable that marks JSON arrays
  MT_SLOT_COMMAND,       // metatable that marks commands
  MT_SLOT_RESHAPED,      // metatable that marks what rename, split and drop make
  MT_SLOT_REJECTION,     // metatable that marks what reject() gives
  MT_SLOT_DB,            // userdata
  MT_SLOT_DB_TABLES,     // what db shows
  MT_SLOT_DB_NAMES,      // list of table objects by name
  MT_SLOT_TABLE,         // metatable of db.T
  MT_SLOT_CTX,           // userdata
  MT_SLOT_CTX_FIELDS,    // functions of ctx
  MT_SLOT_STATE,         // ctx.state of this event
  MT_SLOT_REFERENCE,     // metatable of references to the environment
  MT_SLOT_DESK,          // environment of the lines that a person types
  MT_SLOT_COUNT
};

/// An upcaster, and a step of a saga, has neither `db` nor `ctx`, not even one that a handler left for it.
enum { MT_IDLE, MT_LOADING, MT_SETTINGS, MT_HANDLING, MT_UPCASTING, MT_STEPPING, MT_DESK };

/// The fields of an event, in the order of their names in `event_proxy.c`.
enum {
  MT_FIELD_ID, MT_FIELD_SOURCE, MT_FIELD_TYPE, MT_FIELD_VERSION, MT_FIELD_TOPIC, MT_FIELD_PARTITION,
  MT_FIELD_OFFSET, MT_FIELD_POSITION, MT_FIELD_KEY, MT_FIELD_TIME, MT_FIELD_RECORDED, MT_FIELD_DATA,
  MT_FIELD_META, MT_FIELD_COUNT
};

typedef struct mt_key {
  int32_t rank;
  int32_t is_float;
  union {
    lua_Integer integer;
    lua_Number number;
    const char *text;
  } value;
  size_t count;
  uint64_t prefix;  // the first bytes of a text, so that most texts are told apart without looking at them
} mt_key;

/// A part of a document: full userdata.
typedef struct mt_node {
  uint64_t generation;
  uint32_t at;         // index on the tape of `{` or `[`
  uint32_t document;   // 0 data, 1 meta
  uint32_t seen_index; // arrays: the element (from 1) that was read last, and where it lies
  uint32_t seen_at;
} mt_node;

enum { MT_MISSED_MAX = 1024, MT_KNOWN_TABLES = 16, MT_CACHED_MAX = 256 };

struct mt_lua {
  lua_State *L;
  lua_State *running;
  mt_allocator allocator;
  mt_limits limits;
  mt_callbacks host;
  int refs[MT_SLOT_COUNT];

  // The budget of this call.
  uint64_t instructions;
  int64_t deadline;
  int32_t tripped;
  size_t allocated;  // work of the allocator since the last look at the budget
  int32_t hurried;   // the hook was told to come at the next instruction

  // Of the watchdog. `call` rises at the beginning and at the end of each call: odd while one runs.
  uint64_t call;
  uint64_t overdue;     // the call that is to be left
  int32_t abandoned;    // one was left: Lua is not to be run again
  pid_t thread;         // that runs the call
  sigjmp_buf way_out;
  mt_lua *outer;        // whose call this thread runs around this one
  mt_lua *next_watched;
  uint64_t seen_call;   // from here on: of the watching thread, under its lock
  int64_t seen_at;
  int64_t late_worked;  // how long the thread had worked when the call was first seen to be late; -1 before

  int32_t phase;
  int32_t module_depth;
  int32_t unfinished;

  // The event of this call; a proxy of another generation is stale.
  uint64_t generation;
  const mt_event *event;
  mt_document *documents[2];
  const uint64_t *tape[2];
  const uint8_t *strings[2];
  int32_t parsed[2];
  uint32_t cached;  // places in the cache that were ever filled
  const char *fields[MT_FIELD_COUNT];

  int32_t referring;  // what is being written is the request of an effect: references are allowed
  int32_t state_loaded;
  mt_bytes state_before;

  int32_t random_ready;
  uint64_t random[4];
  size_t printed;
  size_t emitted_bytes;
  uint32_t built;  // constructors of `events` and `commands` that are kept

  mt_rows arguments;
  mt_rows result;
  size_t result_columns;
  int32_t tables;
  const void *known_tables[MT_KNOWN_TABLES];  // the first table objects, found without their metatable
  const void *node_metatable;
  const void *event_metatable;
  mt_bytes value;
  mt_bytes scratch;
  mt_key *keys;
  size_t keys_capacity;

  mt_fault fault;
  int32_t finishing;  // the function that has returned while its state is kept; LUA_NOREF else
  int32_t denied_line;
  size_t denied_bytes;  // held and asked for when memory ran out; 0 when it never did in this call
  size_t denied_text;   // of the text that was too long; 0 when it was not that
  char denied_path[256];
  char refusal_code[64];
  char refusal_message[4104];
  size_t refusal_count;
  int32_t refusal_fatal;
  char refusal_raised[4400];
  size_t refusal_raised_count;
  int32_t refusal_kind;
  char loading_path[256];

  uint64_t missed[MT_MISSED_MAX];
  size_t missed_count;
};

/// The address of this is the sentinel `null`.
extern char mt_null;
/// The address of this is the key, in a metatable, of what a read-only table shows.
extern char mt_protected;

static inline mt_lua *mt_self(lua_State *L) { return *(mt_lua **)lua_getextraspace(L); }
static inline void mt_push_slot(mt_lua *state, lua_State *L, int slot) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, state->refs[slot]);
}
/// Puts the value at the top into the slot and pops it.
static inline void mt_set_slot(mt_lua *state, lua_State *L, int slot) {
  lua_rawseti(L, LUA_REGISTRYINDEX, state->refs[slot]);
}
static inline int mt_is_null(lua_State *L, int index) {
  return lua_type(L, index) == LUA_TLIGHTUSERDATA && lua_touserdata(L, index) == &mt_null;
}
static inline void mt_push_null(lua_State *L) { lua_pushlightuserdata(L, &mt_null); }

// allocator.c
void mt_allocator_begin(mt_allocator *allocator, size_t cap, mt_lua *owner);
void mt_allocator_end(mt_allocator *allocator);
void *mt_allocate(void *allocator, void *block, size_t old, size_t new);

// bytes.c: buffers of our own; `mt_…_room` raise when there is no memory.
/// Raises what becomes a failure for lack of memory, and trips.
int mt_raise_memory(lua_State *L);
int mt_bytes_reserve(mt_bytes *bytes, size_t more);
void mt_bytes_room(lua_State *L, mt_bytes *bytes, size_t more);
void mt_bytes_add(lua_State *L, mt_bytes *bytes, const void *from, size_t count);
static inline void mt_bytes_add1(lua_State *L, mt_bytes *bytes, uint8_t byte) {
  if (bytes->count == bytes->capacity) mt_bytes_room(L, bytes, 1);
  bytes->bytes[bytes->count++] = byte;
}
int mt_rows_reserve(mt_rows *rows, size_t cells, size_t bytes);
void mt_rows_free(mt_rows *rows);

// budget.c
void mt_budget_begin(mt_lua *state);
/// Charges work done in C; raises when the budget is used up.
void mt_charge(lua_State *L, size_t work);
/// Looks at the budgets now; raises when one is used up.
void mt_look(lua_State *L);
/// Has the hook come at the next instruction. May be called wherever Lua allocates.
void mt_hurry(mt_lua *state);
/// Before and after a change of coroutine: the hook of this one must be as watchful as that of the others.
void mt_watch(mt_lua *state, lua_State *L);
/// Marks the state as spent; does not raise.
void mt_trip(mt_lua *state, lua_State *L, int32_t kind);
/// After a failed protected call: a lack of memory trips; raises again once tripped.
void mt_after_failure(lua_State *L, int status);

// watchdog.c
/// Calls the function below its `arguments` at the top of the stack without results; the message handler is
/// at 1. Returns Lua's status; LUA_ERRERR with `abandoned` set when the call had to be left.
int mt_protected_call(mt_lua *state, int arguments);
void mt_watchdog_add(mt_lua *state);
void mt_watchdog_remove(mt_lua *state);

// fault.c
int mt_message_handler(lua_State *L);
void mt_fault_clear(mt_lua *state);
/// Fills in the frames, and path and line from the innermost.
void mt_fault_place(mt_lua *state, lua_State *L, int level);
/// After a failed call of Swift: completes the fault from the error value at the top, which it pops.
int32_t mt_fault_finish(mt_lua *state, int status);
void mt_copy_text(char *to, size_t room, const char *from, size_t count);
/// Raises the text at the top as a syntax error.
int mt_raise_syntax(lua_State *L);
/// Raises the refusal that Swift left.
int mt_raise_refusal(lua_State *L);
/// Like luaL_error; for text that names what is `near` to `word` among NUL-separated candidates.
int mt_raise_unknown(
    lua_State *L, const char *what, const char *word, size_t count, const mt_bytes *candidates);

// keys.c
/// Pushes a list of the keys of the table at `index` in our order, or nil when they are 1..n in order;
/// returns how many. Raises for other types of keys.
size_t mt_push_keys(lua_State *L, int index);
int mt_next(lua_State *L);
int mt_pairs(lua_State *L);

// event_proxy.c, node.c
void mt_open_event(mt_lua *state);
void mt_push_event(mt_lua *state, lua_State *L);
void mt_open_node(mt_lua *state);
void mt_push_node_value(mt_lua *state, lua_State *L, uint32_t document, uint32_t at);
void mt_push_document(mt_lua *state, lua_State *L, uint32_t document);
/// The node at `index`, checked for its generation; NULL when it is something else.
mt_node *mt_to_node(lua_State *L, int index);
int mt_node_next(lua_State *L, mt_node *node);
int mt_node_pairs(lua_State *L, mt_node *node);
uint32_t mt_node_count(mt_lua *state, const mt_node *node);
/// A deep copy as plain tables, arrays marked.
void mt_push_copy(lua_State *L, uint32_t document, uint32_t at, int depth);
static inline const char *mt_tape_string(mt_lua *state, uint32_t document, uint32_t at, size_t *count) {
  const uint8_t *s = state->strings[document] + mt_tape_payload(state->tape[document][at]);
  *count = (size_t)s[0] | (size_t)s[1] << 8 | (size_t)s[2] << 16 | (size_t)s[3] << 24;
  return (const char *)s + 4;
}

// sandbox_*.c: each leaves its functions in the table at the top.
void mt_open_base(lua_State *L, mt_lua *state);
void mt_open_string(lua_State *L);
/// Adds find, match, gmatch and gsub to the table on top.
void mt_open_patterns(lua_State *L);
void mt_open_utf8(lua_State *L);
void mt_open_table(lua_State *L);
void mt_open_coroutine(lua_State *L);
void mt_open_math(lua_State *L);
void mt_open_os(lua_State *L);
/// Turns the table at the top into a read-only view of it.
void mt_protect(lua_State *L, const char *name);
/// Pushes what a read-only view shows; 0 and nothing pushed when it is none.
int mt_push_shown(lua_State *L, int index);
/// Pushes a text without addresses.
const char *mt_tostring(lua_State *L, int index, size_t *count);
int mt_is_array(lua_State *L, int index);

// builders.c: events.X, commands.X, what comes later
void mt_open_builders(lua_State *L, mt_lua *state);
void mt_envelope_names(lua_State *L, mt_bytes *names);

// upcast.c: rename, split, drop
void mt_open_upcasting(lua_State *L, mt_lua *state);

// definitions.c, modules.c
void mt_open_definitions(lua_State *L, mt_lua *state);
int mt_require(lua_State *L);
/// Pushes a new environment: an empty table in front of a copy of the base.
void mt_push_environment(lua_State *L, mt_lua *state);
/// Pushes the function of a text chunk with an environment of its own; raises a syntax error.
void mt_load_text(lua_State *L, const char *path, const uint8_t *text, size_t count);

// rows.c, db.c
/// What `db.T` is; its user values are columns by name, names of columns, its name.
typedef struct mt_table {
  int32_t index;
  int32_t columns;
  int32_t keys;
  uint32_t mask;
  /// Columns by the address of their name, open addressing, at most half full: short strings of Lua are one
  /// object each, and the user values keep those of the columns alive.
  struct {
    const char *name;
    int32_t column;
  } slots[];
} mt_table;

static inline uint32_t mt_name_slot(const char *name) {
  return (uint32_t)(((uint64_t)(uintptr_t)name >> 3) * 0x9e3779b97f4a7c15u >> 40);
}
void mt_open_table_methods(mt_lua *state);
int mt_refuse_db_change(lua_State *L);
/// Pushes the row that begins at cell `at` of the result; the list of names is at `names`.
void mt_push_row(lua_State *L, const mt_lua *state, size_t at, int columns, int names);
void mt_cell_from(lua_State *L, int index, mt_rows *rows, const char *column);
void mt_push_cell(lua_State *L, const mt_rows *rows, const mt_cell *cell);

// ctx.c, emit.c
void mt_open_ctx(mt_lua *state);
void mt_ctx_finish(lua_State *L, mt_lua *state);
int mt_ctx_emit(lua_State *L);
int mt_ctx_send(lua_State *L);
/// Whether the value at `index` has the metatable that is kept in a slot.
int mt_is_marked(lua_State *L, int index, int slot);
/// Whether the value at `index` was made by `commands.Type`.
int mt_is_command(lua_State *L, int index);
/// Appends the table at 1, an event or a command, to the arguments as cells in the order of `EmittedField`;
/// leaves the table alone on the stack.
void mt_add_made(lua_State *L, const char *maker, int command);

// effect.c: ctx.effect, ctx.env
/// Leaves them in the table at the top.
void mt_open_effects(mt_lua *state);
int mt_ctx_effect(lua_State *L);
/// The text with holes of a reference to the environment; NULL when the value is none.
const uint8_t *mt_to_reference(lua_State *L, int index, size_t *count);
/// Pushes what a person sees of a reference: its names, no value.
void mt_push_reference_text(lua_State *L, int index);

// state.c: around every call that is about an event or a command
void mt_begin_event(mt_lua *state, const mt_event *event);
int32_t mt_end_event(mt_lua *state, int status);

// json_writer.c
/// Appends the value at `index` as JSON to `out`; raises for what JSON cannot say.
void mt_write_json(lua_State *L, int index, mt_bytes *out);
/// The same for the request of an effect, where references to the environment stay holes within texts: 0xFF
/// NAME 0xFE.
void mt_write_request(lua_State *L, int index, mt_bytes *out);

// state_codec.c
/// Appends the value in our coding; `functions` allows functions: 1 as references, 2 as what is only looked at.
void mt_encode(lua_State *L, int index, mt_bytes *out, int functions);
/// Pushes the value.
void mt_decode(lua_State *L, const uint8_t *bytes, size_t count);

#endif
