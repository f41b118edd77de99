#ifndef MOONTIDE_LUA_H
#define MOONTIDE_LUA_H

// The door between Swift and Lua. C alone raises Lua errors: a callback into Swift returns a status and
// leaves its refusal with `mt_lua_refuse`; C raises after the Swift frame has returned. A state and all
// that belongs to it is owned by one thread, whose stack is at least 2 MiB.

#include <stddef.h>
#include <stdint.h>

typedef struct mt_lua mt_lua;

/// A value of a row or a call; laid out as MoontideCore's `Cell`, kinds as `Cell.Kind`.
typedef struct mt_cell {
  uint8_t kind;
  int64_t bits;
  uint32_t start;
  uint32_t count;
} mt_cell;

enum { MT_ABSENT = 0, MT_NULL = 1, MT_INTEGER = 2, MT_REAL = 3, MT_TEXT = 4, MT_BLOB = 5 };

/// Bytes that grow; owned by the state.
typedef struct mt_bytes {
  uint8_t *bytes;
  size_t count;
  size_t capacity;
} mt_bytes;

/// Cells and the bytes that they name.
typedef struct mt_rows {
  mt_cell *cells;
  size_t count;
  size_t capacity;
  mt_bytes text;
} mt_rows;

/// Every bound comes from `Limits.swift`.
typedef struct mt_limits {
  uint64_t instructions;
  int64_t nanoseconds;
  int64_t grace_nanoseconds;  // how late a call may be before it is left from outside
  size_t memory_bytes;
  size_t string_bytes;
  size_t range;
  size_t values;
  size_t event_bytes;
  size_t row_bytes;  // of all texts of one call of the host
  size_t emitted_bytes;
  size_t print_bytes;
  size_t error_bytes;
  uint32_t value_depth;
  uint32_t value_nodes;
  uint32_t value_bytes;
  uint32_t json_depth;
  uint32_t columns;
  uint32_t parts;
} mt_limits;

/// What Swift answers. Arguments are in `mt_lua_arguments`, results go to `mt_lua_result_*`. Status: 0 no,
/// 1 yes, -1 refused, after `mt_lua_refuse`.
typedef struct mt_callbacks {
  void *context;
  int32_t (*row)(void *context, int32_t operation, int32_t table);
  /// The names of the columns come back as text cells in front of the rows; `mt_lua_result_columns` says
  /// how many.
  int32_t (*sql)(void *context, const uint8_t *text, size_t count);
  /// The bytes come back in the result.
  int32_t (*load_state)(void *context);
  int32_t (*save_state)(void *context, const uint8_t *bytes, size_t count, int32_t present);
  int32_t (*emit)(void *context, int32_t command);
  /// What a saga's script asks for by `ctx`: MT_SAGA_TIMER with two cells, name and delay (absent: no more),
  /// MT_SAGA_COMPENSATE with one, the reason, MT_SAGA_COMPLETE with none.
  int32_t (*saga)(void *context, int32_t verb);
  void (*print)(void *context, const uint8_t *text, size_t count);
  void (*missing)(
      void *context, const uint8_t *field, size_t field_count, const uint8_t *type, size_t type_count);
  /// RFC 3339 to microseconds; 0 when it is not one.
  int32_t (*parse_time)(void *context, const uint8_t *text, size_t count, int64_t *microseconds);
  /// Writes RFC 3339 in UTC, at most 40 bytes; returns how many.
  int32_t (*write_time)(void *context, int64_t microseconds, uint8_t *text);
  /// The candidate nearest to a word. Candidates are separated by NUL. Writes at most `room` bytes; returns
  /// how many.
  int32_t (*suggest)(
      void *context, const uint8_t *word, size_t count, const uint8_t *candidates, size_t candidates_count,
      uint8_t *text, size_t room);
  /// `ctx.effect`: the request, JSON with holes, is in the text of the arguments. The key comes back in the
  /// result.
  int32_t (*effect)(void *context, const uint8_t *kind, size_t kind_count);
  /// Whether effects may refer to that variable of the environment; else refused.
  int32_t (*environment)(void *context, const uint8_t *name, size_t count);
  /// A function of the desk was called, with JSON texts as arguments (absent: nil). The value comes back in the
  /// result, in the coding of `state_codec.c`.
  int32_t (*desk)(void *context, int32_t function);
  /// Whether somebody wants the call to end; NULL where nobody asks.
  int32_t (*interrupted)(void *context);
} mt_callbacks;

enum {
  MT_OK = 0, MT_SYNTAX = 1, MT_RUNTIME = 2, MT_INSTRUCTIONS = 3, MT_TIME = 4, MT_MEMORY = 5, MT_REFUSED = 6,
  MT_STOPPED = 7,  // by `interrupted`
  MT_FRAMES_MAX = 20
};

typedef struct mt_frame {
  char path[256];
  char function[96];
  int32_t line;
} mt_frame;

/// Why the last call failed. Texts end in NUL, but may hold NULs before `message_count`.
typedef struct mt_fault {
  int32_t kind;
  int32_t line;
  char path[256];
  char blamed[96];
  char code[64];
  char message[4104];
  size_t message_count;
  int32_t frame_count;
  mt_frame frames[MT_FRAMES_MAX];
} mt_fault;

/// The message; Swift does not import arrays of this length.
static inline const char *mt_fault_message(const mt_fault *fault) { return fault->message; }

typedef struct mt_part {
  uint32_t start;
  uint32_t count;
} mt_part;

/// One event for the duration of a call. Parts are of `bytes`.
typedef struct mt_event {
  const uint8_t *bytes;
  const uint8_t *topic;
  size_t topic_count;
  uint64_t position;
  uint64_t offset;
  uint32_t partition;
  uint32_t version;
  int64_t recorded_microseconds;
  int64_t time_microseconds;
  mt_part id, source, type, key, time, data, meta;
  /// Of handler and topic; the id is added when `math.random` is first called.
  uint64_t seed_high;
  uint64_t seed_low;
  /// 1 for a decider: what only the log gives (position, partition, offset, recorded) is not offered.
  int32_t is_unplaced;
} mt_event;

/// NULL when there is no memory.
mt_lua *mt_lua_new(mt_limits limits, mt_callbacks callbacks);
void mt_lua_free(mt_lua *state);

/// Makes a module known to `require`. Copies its arguments. 0 when there is no memory.
int32_t mt_lua_add_module(
    mt_lua *state, const char *name, size_t name_count, const char *path, size_t path_count,
    const uint8_t *text, size_t count);

/// Runs a handler file (`settings` 0) or a settings file (1). MT_OK leaves the definitions, or the value, in
/// the coding of `state_codec.c` in `mt_lua_value`.
int32_t mt_lua_run(
    mt_lua *state, const char *path, size_t path_count, const uint8_t *text, size_t count, int32_t settings);

/// Begins the tables of `db`, then adds them one by one with their columns: names separated by NUL.
int32_t mt_lua_bind_begin(mt_lua *state);
int32_t mt_lua_bind_table(
    mt_lua *state, const char *name, size_t name_count, const char *columns, size_t columns_count,
    int32_t key_columns);

/// Calls `function(event, db)` (power 1) or `function(event, ctx)` (power 2).
int32_t mt_lua_handle(mt_lua *state, int32_t function, int32_t power, const mt_event *event);

/// What a chain of upcasters made of an event.
enum { MT_DATA = 0, MT_RENAMED = 1, MT_SPLIT = 2, MT_DROPPED = 3 };

typedef struct mt_upcast {
  int32_t steps;  // functions that were called and returned data
  int32_t shape;  // MT_DATA …
} mt_upcast;

/// Calls the functions in turn, the first with a copy of the data; `direction` is 1 up the versions, -1 down,
/// for messages. MT_OK leaves JSON in `mt_lua_value` (MT_DATA), or events in `mt_lua_arguments`, one
/// (MT_RENAMED) or more (MT_SPLIT): 6 cells each, type, version, key, time, data, meta.
int32_t mt_lua_upcast(
    mt_lua *state, const int32_t *functions, int32_t count, int32_t direction, const mt_event *event,
    mt_upcast *outcome);

enum { MT_ACCEPTED = 0, MT_REJECTED = 1 };

/// Calls `function(command, state)`; `state` is what `before` encodes, or, when `before` is NULL, what
/// `initial()` returns (0: an empty table). MT_OK leaves the verdict: MT_ACCEPTED with the events in
/// `mt_lua_arguments` (8 cells each, in the order of `EmittedField`), or MT_REJECTED with two text cells
/// there, code and text.
int32_t mt_lua_decide(
    mt_lua *state, int32_t function, int32_t initial, const uint8_t *before, size_t count,
    const mt_event *command, int32_t *verdict);

/// Calls `function(state, event)` likewise (0: none, the state stays) and leaves the new state, encoded, in
/// `mt_lua_value`.
int32_t mt_lua_evolve(
    mt_lua *state, int32_t function, int32_t initial, const uint8_t *before, size_t count,
    const mt_event *event);

enum { MT_SAGA_TIMER = 1, MT_SAGA_COMPENSATE = 2, MT_SAGA_COMPLETE = 3 };

/// What a function of a saga is called with.
enum {
  MT_SAGA_CORRELATE = 1,  // function(event): a text or a whole number in `mt_lua_arguments`, or no cell
  MT_SAGA_INITIAL = 2,    // function(event), or 0 for an empty table
  MT_SAGA_SEND = 3,       // function(state)
  MT_SAGA_UNDO = 4,       // function(state, result), the event that `has_event` promises, or nil
  MT_SAGA_WHY = 5,        // function(state, why), of the text cells that the result holds
  MT_SAGA_REACT = 6,      // function(state, event, ctx)
  MT_SAGA_TIMED = 7,      // function(state, ctx)
  MT_SAGA_MIGRATE = 8,    // function(state, step, status), of the text cells that the result holds
};

typedef struct mt_saga_call {
  int32_t shape;
  int32_t function;
  int32_t has_event;
  const uint8_t *before;  // the state, encoded
  size_t count;
} mt_saga_call;

/// Calls a function of a saga. All but MT_SAGA_CORRELATE leave the state, encoded, in `mt_lua_value`;
/// MT_SAGA_SEND, MT_SAGA_UNDO and MT_SAGA_WHY the commands that were returned in `mt_lua_arguments` (8 cells
/// each, in the order of `EmittedField`). For MT_SAGA_WHY `mt_lua_result_cells` holds names and texts in
/// turn. MT_SAGA_MIGRATE leaves the step that was returned: a text, 0 for false, or no cell for nil.
/// - event: what is handled; for MT_SAGA_UNDO the result, with the time of what is handled.
int32_t mt_lua_saga(mt_lua *state, const mt_saga_call *call, const mt_event *event);

/// Makes the environment of the lines that a person types.
int32_t mt_lua_desk_open(mt_lua *state);

/// Makes a function that calls `desk` with its number. `path` are names, each ended by NUL: the global, then fields
/// of tables; one that begins with # is a whole number.
int32_t mt_lua_desk_define(mt_lua *state, int32_t function, const char *path, size_t count);

/// Runs a line: `text` with `expression` 1 is what `return` gives. MT_OK leaves its values in `mt_lua_arguments`, a
/// blob each, in the coding of `state_codec.c`; the first of an expression becomes `_`. `last`, unless it is NULL,
/// becomes `_` before. It may take so many nanoseconds.
int32_t mt_lua_desk_run(
    mt_lua *state, const uint8_t *text, size_t count, int32_t expression, const uint8_t *last, size_t last_count,
    int64_t now_microseconds, int64_t nanoseconds);

/// Whether the state can run more lines after one that failed: all but one that had to be left, or lacked memory.
int32_t mt_lua_desk_recover(mt_lua *state);

const mt_bytes *mt_lua_value(const mt_lua *state);
const mt_fault *mt_lua_fault(const mt_lua *state);
const mt_rows *mt_lua_arguments(const mt_lua *state);

/// Room in the result for so many cells and bytes; 0 when there is no memory.
int32_t mt_lua_result_reserve(mt_lua *state, size_t cells, size_t bytes);
mt_cell *mt_lua_result_cells(mt_lua *state);
uint8_t *mt_lua_result_bytes(mt_lua *state);
void mt_lua_result_columns(mt_lua *state, size_t columns);
/// Leaves a refusal; texts are cut to their room.
void mt_lua_refuse(
    mt_lua *state, const char *code, size_t code_count, const char *message, size_t message_count,
    int32_t fatal);

/// Inside of a callback: the line of the script that called the host, and its path, which lives as long as
/// the callback; 0 and null when no script did.
int32_t mt_lua_calling_line(mt_lua *state, const char **path);

/// Nanoseconds until the deadline of the running call; 0 when it is over.
int64_t mt_lua_time_left(mt_lua *state);
size_t mt_lua_memory(const mt_lua *state);
/// A budget tripped, or the blocks that were given back and cannot be used for others outgrew the memory
/// budget: the state is to be thrown away.
int32_t mt_lua_spent(const mt_lua *state);
/// How high the Lua stack is between calls: always 1.
int32_t mt_lua_stack_height(const mt_lua *state);
/// Names of modules that were required, each ended by NUL, in `mt_lua_value`.
void mt_lua_required(mt_lua *state);
/// Names of all that the sandbox offers, as scripts call it, each ended by NUL, in `mt_lua_value`: globals,
/// `LIBRARY.name`, `db:name`, `db.TABLE:name`, `ctx.name`. After `mt_lua_bind_begin`, before any table.
int32_t mt_lua_offered(mt_lua *state);

#endif
