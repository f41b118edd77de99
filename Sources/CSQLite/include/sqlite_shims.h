#ifndef MOONTIDE_SQLITE_H
#define MOONTIDE_SQLITE_H
#include <sqlite3.h>
#include <stdint.h>

// What Swift cannot say by itself: variadic calls, cast constants, and C structs that begin with SQLite's.

/// Puts a bound of each query's own in the place of SQLite's count of allocated bytes, which takes a mutex at
/// every allocation. Works only before the first connection of the process; returns SQLite's code.
int mt_prepare_memory(void);

/// sqlite3_db_config of an on/off option; returns SQLite's code.
int mt_db_config(sqlite3 *db, int option, int value);

/// Codes that SQLite defines by arithmetic.
int mt_ioerr_write(void);
int mt_ioerr_shmopen(void);
int mt_ioerr_shmsize(void);
int mt_ioerr_shmmap(void);

/// Calls xSync on the main database file, whatever its VFS; returns SQLite's code.
int mt_sync_database(sqlite3 *db);

/// Text and blob results that SQLite copies.
void mt_result_text(sqlite3_context *context, const char *text, int bytes);
void mt_result_blob(sqlite3_context *context, const void *blob, int bytes);

/// A message that SQLite frees, for the error fields of virtual tables.
char *mt_message(const char *text);

/// One statement, or several of one connection, that must end. The place stays where it is until
/// `mt_watch_end`.
typedef struct mt_watch {
  sqlite3 *db;
  int64_t end;
  int fired;
  int value_bytes;
  /// What SQLite took on this thread since the beginning, at most how much, and whether it asked for more.
  int64_t bytes;
  int64_t bytes_max;
  int is_short;
  struct mt_watch *next;
} mt_watch;

/// From now on no value may be longer than `value_bytes`, and after so many nanoseconds all is interrupted.
/// With `bytes_max` above 0 SQLite takes no more memory than that on this thread, and none after the time.
/// By the thread that owns the connection, before the statement is prepared.
void mt_watch_begin(mt_watch *watch, sqlite3 *db, int64_t nanoseconds, int value_bytes, int64_t bytes_max);
/// Puts all back; whether it was late.
int mt_watch_end(mt_watch *watch);

/// Used by the two above, on the same thread.
void mt_memory_begin(mt_watch *watch);
void mt_memory_end(void);

/// Puts functions on texts in the place of SQLite's own; `*product_max` bounds the bytes of a pattern times
/// those of its text, and lives as long as the connection. Returns SQLite's code.
int mt_text_functions(sqlite3 *db, const int64_t *product_max);

/// Called before a row changes: the operation is SQLITE_INSERT, SQLITE_UPDATE or SQLITE_DELETE.
typedef void (*mt_row_changing)(
    void *context, sqlite3 *db, int operation, const char *schema, const char *table, sqlite3_int64 old_id,
    sqlite3_int64 new_id);
/// Begins to tell of rows; 0 when this SQLite cannot. Statements that are prepared later are told of whole.
int mt_watch_rows(sqlite3 *db, mt_row_changing changing, void *context);
/// Inside of the callback: the value of a column as it is, or will be; null where there is none. Theirs.
sqlite3_value *mt_old_value(sqlite3 *db, int column);
sqlite3_value *mt_new_value(sqlite3 *db, int column);

/// A virtual table and its cursor; `context` is a retained Swift object.
typedef struct mt_vtab {
  sqlite3_vtab base;
  void *context;
} mt_vtab;

typedef struct mt_cursor {
  sqlite3_vtab_cursor base;
  void *context;
} mt_cursor;

/// An open file of a VFS of ours; `context` is a retained Swift object.
typedef struct mt_file {
  sqlite3_file base;
  void *context;
} mt_file;

#endif
