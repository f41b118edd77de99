#define _GNU_SOURCE
#include <string.h>

#include "sqlite_shims.h"

// SQLite's `instr`, `replace`, `like` and `glob` with an end that can be told: its own compare at every place, up
// to the product of two lengths, within one call that nothing interrupts. The first two search in linear time
// here; of the others a product beyond `product_max` is refused. Results are those of SQLite 3.40 (func.c).

/// Both as blobs, or both as texts.
static void place_of(sqlite3_context *context, sqlite3_value **values, int blobs) {
  const unsigned char *text = blobs ? sqlite3_value_blob(values[0]) : sqlite3_value_text(values[0]);
  const unsigned char *sought = blobs ? sqlite3_value_blob(values[1]) : sqlite3_value_text(values[1]);
  int text_count = sqlite3_value_bytes(values[0]), sought_count = sqlite3_value_bytes(values[1]);
  if (sought_count == 0) {
    sqlite3_result_int(context, 1);
    return;
  }
  if (text == NULL || sought == NULL) {
    if (text_count == 0) sqlite3_result_int(context, 0);
    else sqlite3_result_error_nomem(context);
    return;
  }
  const unsigned char *found = memmem(text, (size_t)text_count, sought, (size_t)sought_count);
  // What begins amid a character is not found by SQLite.
  while (!blobs && found != NULL && (*found & 0xc0) == 0x80 && found > text) {
    found = memmem(found + 1, (size_t)(text + text_count - found - 1), sought, (size_t)sought_count);
  }
  sqlite3_int64 place = 0;
  if (found != NULL && blobs) place = found - text + 1;
  if (found != NULL && !blobs) {
    for (place = 1; text < found; text++) place += (text[1] & 0xc0) != 0x80;
  }
  sqlite3_result_int64(context, place);
}

static void instr(sqlite3_context *context, int count, sqlite3_value **values) {
  (void)count;
  int of_text = sqlite3_value_type(values[0]), of_sought = sqlite3_value_type(values[1]);
  if (of_text == SQLITE_NULL || of_sought == SQLITE_NULL) return;
  if ((of_text == SQLITE_BLOB) != (of_sought == SQLITE_BLOB)) {
    // A blob that is read as text must stay what it is for others.
    sqlite3_value *copies[2] = {sqlite3_value_dup(values[0]), sqlite3_value_dup(values[1])};
    if (copies[0] != NULL && copies[1] != NULL) place_of(context, copies, 0);
    else sqlite3_result_error_nomem(context);
    sqlite3_value_free(copies[0]);
    sqlite3_value_free(copies[1]);
  } else {
    place_of(context, values, of_text == SQLITE_BLOB);
  }
}

static void replace(sqlite3_context *context, int count, sqlite3_value **values) {
  (void)count;
  const unsigned char *text = sqlite3_value_text(values[0]);
  int text_count = sqlite3_value_bytes(values[0]);
  const unsigned char *sought = sqlite3_value_text(values[1]);
  if (text == NULL || sought == NULL) return;
  int sought_count = sqlite3_value_bytes(values[1]);
  if (sought[0] == 0) {
    sqlite3_result_value(context, values[0]);
    return;
  }
  const unsigned char *with = sqlite3_value_text(values[2]);
  if (with == NULL) return;
  int with_count = sqlite3_value_bytes(values[2]);
  sqlite3 *db = sqlite3_context_db_handle(context);
  sqlite3_str *out = sqlite3_str_new(db);
  const unsigned char *end = text + text_count;
  while (text < end) {
    const unsigned char *found = memmem(text, (size_t)(end - text), sought, (size_t)sought_count);
    if (found == NULL) break;
    sqlite3_str_append(out, (const char *)text, (int)(found - text));
    sqlite3_str_append(out, (const char *)with, with_count);
    text = found + sought_count;
    if (sqlite3_str_errcode(out) != SQLITE_OK) break;
  }
  sqlite3_str_append(out, (const char *)text, (int)(end - text));
  int code = sqlite3_str_errcode(out), length = sqlite3_str_length(out);
  char *result = sqlite3_str_finish(out);
  if (code == SQLITE_TOOBIG) {
    sqlite3_free(result);
    sqlite3_result_error_toobig(context);
  } else if (code != SQLITE_OK) {
    sqlite3_free(result);
    sqlite3_result_error_nomem(context);
  } else if (result == NULL) {
    sqlite3_result_text(context, "", 0, SQLITE_STATIC);
  } else {
    sqlite3_result_text(context, result, length, sqlite3_free);
  }
}

/// Whether this SQLite was built so that nothing is like a blob, and one of the two is one: answers 0 then.
static int is_of_blob(sqlite3_context *context, sqlite3_value *pattern, sqlite3_value *text) {
  if (sqlite3_value_type(pattern) != SQLITE_BLOB && sqlite3_value_type(text) != SQLITE_BLOB) return 0;
  if (!sqlite3_compileoption_used("LIKE_DOESNT_MATCH_BLOBS")) return 0;
  sqlite3_result_int(context, 0);
  return 1;
}

/// Refuses what would take too long; whether it did.
static int is_beyond(sqlite3_context *context, sqlite3_value *pattern, sqlite3_value *text) {
  const int64_t *product_max = sqlite3_user_data(context);
  if ((int64_t)sqlite3_value_bytes(pattern) * sqlite3_value_bytes(text) <= *product_max) return 0;
  sqlite3_result_error(context, "the pattern is too long for a text of this length", -1);
  return 1;
}

/// Reads the only character of a text, as SQLite does with broken UTF-8; 0 when it has none or more.
static int read_one(const unsigned char *text, unsigned *character) {
  unsigned first = *text;
  if (first == 0) return 0;
  text++;
  if (first >= 0xc0) {
    first &= first >= 0xf0 ? 0x07 : first >= 0xe0 ? 0x0f : 0x1f;
    while ((*text & 0xc0) == 0x80) first = first << 6 | (*text++ & 0x3f);
    if (first < 0x80 || (first & 0xfffff800) == 0xd800 || (first & 0xfffffffe) == 0xfffe) first = 0xfffd;
  }
  *character = first;
  return *text == 0;
}

static void like(sqlite3_context *context, int count, sqlite3_value **values) {
  unsigned escape = 0;
  if (is_of_blob(context, values[0], values[1])) return;
  if (is_beyond(context, values[0], values[1])) return;
  if (count == 3) {
    const unsigned char *sign = sqlite3_value_text(values[2]);
    if (sign == NULL) return;
    if (!read_one(sign, &escape)) {
      sqlite3_result_error(context, "ESCAPE expression must be a single character", -1);
      return;
    }
  }
  const unsigned char *pattern = sqlite3_value_text(values[0]), *text = sqlite3_value_text(values[1]);
  if (pattern == NULL || text == NULL) return;
  sqlite3_result_int(context, sqlite3_strlike((const char *)pattern, (const char *)text, escape) == 0);
}

static void glob(sqlite3_context *context, int count, sqlite3_value **values) {
  (void)count;
  if (is_of_blob(context, values[0], values[1])) return;
  if (is_beyond(context, values[0], values[1])) return;
  const unsigned char *pattern = sqlite3_value_text(values[0]), *text = sqlite3_value_text(values[1]);
  if (pattern == NULL || text == NULL) return;
  sqlite3_result_int(context, sqlite3_strglob((const char *)pattern, (const char *)text) == 0);
}

int mt_text_functions(sqlite3 *db, const int64_t *product_max) {
  static const struct {
    const char *name;
    int count;
    void (*function)(sqlite3_context *, int, sqlite3_value **);
  } all[] = {{"instr", 2, instr}, {"replace", 3, replace}, {"like", 2, like}, {"like", 3, like}, {"glob", 2, glob}};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
    int code = sqlite3_create_function_v2(
        db, all[i].name, all[i].count, SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS,
        (void *)product_max, all[i].function, NULL, NULL, NULL);
    if (code != SQLITE_OK) return code;
  }
  return SQLITE_OK;
}
