// The floors of the benchmark: the same work with neither Lua nor a host around it.
#ifndef MOONTIDE_BENCH_FLOOR_H
#define MOONTIDE_BENCH_FLOOR_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
  int64_t events;
  double wall_seconds;
  double cpu_seconds;
  // Empty when it worked.
  char error[256];
} bench_floor_result;

// Reads the event lines of `lines_path` (each identity once), parses each with simdjson, and runs the two
// upserts of the order workload as one prepared statement each, committing every `batch` events. The time is
// that of a whole life: from opening the files to having closed them.
bench_floor_result bench_floor_process(const char *lines_path, const char *database_path, int64_t batch);

// Reads the event lines of `lines_path` into memory, then brings the data of each through the changes of the
// upcasting workload: parsed by simdjson, two names changed and back, written, parsed again. It is the time
// of the changes alone: what the same lines take to be parsed once is taken off.
bench_floor_result bench_floor_upcast(const char *lines_path);

// What deciding costs without a runtime: parses each command of `lines_path`, keeps the balance of its
// account in a hash map, writes `bytes` bytes for it, and makes them durable after each `group` commands with
// one fdatasync. The lines are in memory before the clock starts.
bench_floor_result bench_floor_commands(
    const char *lines_path, const char *directory, int64_t group, int64_t bytes);

// What a saga of two steps costs without a runtime, for the orders of `lines_path`. Each order goes through
// three rounds (it is created; its stock is reserved; it is charged), each one SQLite transaction, flushed,
// for `batch` orders: its row is read and written, a statement a record that concerns it; its timer is set or
// taken away; the command of the next step and whose it is are rows. When `whole` is not 0 the rest of the
// flow is there too: events, commands, decisions (of states in a hash map) and outcomes are written to a log,
// `bytes` bytes a record, with an fdatasync for each `batch`, and commands leave their table. The lines are in
// memory before the clock starts; `events` counts orders.
bench_floor_result bench_floor_saga(
    const char *lines_path, const char *directory, int64_t batch, int64_t bytes, int32_t whole);

// A second connection to a read model, as a dashboard would have one: sees when a commit is visible. One
// thread. NULL when the file cannot be opened.
typedef struct bench_checkpoint bench_checkpoint;
bench_checkpoint *bench_checkpoint_open(const char *database_path);
void bench_checkpoint_close(bench_checkpoint *open);
// Looks every few microseconds until the least checkpoint is at or past `position`; returns what it saw last.
int64_t bench_checkpoint_wait(bench_checkpoint *open, int64_t position, double seconds);

// One fdatasync of a small write and one SQLite commit of one row, `rounds` times: the median of each sum,
// in seconds.
bench_floor_result bench_floor_latency(const char *directory, int64_t rounds, double *median_seconds);

#ifdef __cplusplus
}
#endif
#endif
