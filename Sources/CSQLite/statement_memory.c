#include "sqlite_shims.h"

// What a query sorts, groups or compiles lies in memory, for as long as its time lasts: gigabytes. So while
// a thread runs one that is bounded, what SQLite allocates on it is counted, and refused past the bound and
// past its time; SQLite takes that as being out of memory, and leaves everything as it was. Other threads
// pay a load for it.

static sqlite3_mem_methods plain;
static _Thread_local mt_watch *bounded;

static int may_take(int bytes) {
  mt_watch *watch = bounded;
  if (__atomic_load_n(&watch->fired, __ATOMIC_RELAXED)) return 0;
  if (watch->bytes + bytes <= watch->bytes_max) return 1;
  watch->is_short = 1;
  return 0;
}

static void *take(int bytes) {
  if (bounded && !may_take(bytes)) return 0;
  void *place = plain.xMalloc(bytes);
  if (bounded && place) bounded->bytes += plain.xSize(place);
  return place;
}

static void give(void *place) {
  // What was taken before the query began counts for it.
  if (bounded && place) bounded->bytes -= plain.xSize(place);
  plain.xFree(place);
}

static void *resize(void *place, int bytes) {
  if (!bounded) return plain.xRealloc(place, bytes);
  int before = plain.xSize(place);
  if (bytes > before && !may_take(bytes - before)) return 0;
  void *moved = plain.xRealloc(place, bytes);
  if (moved) bounded->bytes += plain.xSize(moved) - before;
  return moved;
}

int mt_prepare_memory(void) {
  int code = sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
  if (code == SQLITE_OK) code = sqlite3_config(SQLITE_CONFIG_GETMALLOC, &plain);
  if (code != SQLITE_OK) return code;
  sqlite3_mem_methods counted = plain;
  counted.xMalloc = take;
  counted.xFree = give;
  counted.xRealloc = resize;
  return sqlite3_config(SQLITE_CONFIG_MALLOC, &counted);
}

void mt_memory_begin(mt_watch *watch) {
  watch->bytes = 0;
  watch->is_short = 0;
  bounded = watch->bytes_max > 0 ? watch : 0;
}

void mt_memory_end(void) { bounded = 0; }
