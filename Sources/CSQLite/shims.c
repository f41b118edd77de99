#include "sqlite_shims.h"

int mt_db_config(sqlite3 *db, int option, int value) {
  return sqlite3_db_config(db, option, value, (int *)0);
}

int mt_ioerr_write(void) { return SQLITE_IOERR_WRITE; }
int mt_ioerr_shmopen(void) { return SQLITE_IOERR_SHMOPEN; }
int mt_ioerr_shmsize(void) { return SQLITE_IOERR_SHMSIZE; }
int mt_ioerr_shmmap(void) { return SQLITE_IOERR_SHMMAP; }

int mt_sync_database(sqlite3 *db) {
  sqlite3_file *file = 0;
  int code = sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &file);
  if (code != SQLITE_OK) return code;
  if (!file || !file->pMethods) return SQLITE_OK;
  return file->pMethods->xSync(file, SQLITE_SYNC_FULL);
}

void mt_result_text(sqlite3_context *context, const char *text, int bytes) {
  sqlite3_result_text(context, text, bytes, SQLITE_TRANSIENT);
}

void mt_result_blob(sqlite3_context *context, const void *blob, int bytes) {
  sqlite3_result_blob(context, blob, bytes, SQLITE_TRANSIENT);
}

char *mt_message(const char *text) { return sqlite3_mprintf("%s", text); }
