#include "sqlite_shims.h"

// SQLite tells of a row before it changes only when it was built to; weak, so that another library gives a
// message and no failure to start. <https://www.sqlite.org/c3ref/preupdate_blobwrite.html>
__attribute__((weak)) void *sqlite3_preupdate_hook(
    sqlite3 *db,
    void (*changing)(void *, sqlite3 *, int, const char *, const char *, sqlite3_int64, sqlite3_int64),
    void *context);
__attribute__((weak)) int sqlite3_preupdate_old(sqlite3 *db, int column, sqlite3_value **value);
__attribute__((weak)) int sqlite3_preupdate_new(sqlite3 *db, int column, sqlite3_value **value);

int mt_watch_rows(sqlite3 *db, mt_row_changing changing, void *context) {
  if (!sqlite3_preupdate_hook || !sqlite3_preupdate_old || !sqlite3_preupdate_new) return 0;
  sqlite3_preupdate_hook(db, changing, context);
  return 1;
}

sqlite3_value *mt_old_value(sqlite3 *db, int column) {
  sqlite3_value *value = 0;
  return sqlite3_preupdate_old(db, column, &value) == SQLITE_OK ? value : 0;
}

sqlite3_value *mt_new_value(sqlite3 *db, int column) {
  sqlite3_value *value = 0;
  return sqlite3_preupdate_new(db, column, &value) == SQLITE_OK ? value : 0;
}
