// What the floors share.
#ifndef MOONTIDE_BENCH_PARTS_HPP
#define MOONTIDE_BENCH_PARTS_HPP

#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <simdjson.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bench_floor.h"

namespace bench {

inline double now(clockid_t clock) {
  timespec t;
  clock_gettime(clock, &t);
  return double(t.tv_sec) + double(t.tv_nsec) / 1e9;
}

struct database {
  sqlite3 *handle = nullptr;
  std::string error;

  ~database() { close(); }

  void close() {
    sqlite3_close_v2(handle);
    handle = nullptr;
  }

  bool run(const char *sql) {
    char *message = nullptr;
    if (sqlite3_exec(handle, sql, nullptr, nullptr, &message) == SQLITE_OK) return true;
    error = message ? message : "sqlite";
    sqlite3_free(message);
    return false;
  }

  sqlite3_stmt *prepare(const char *sql) {
    sqlite3_stmt *statement = nullptr;
    if (sqlite3_prepare_v2(handle, sql, -1, &statement, nullptr) != SQLITE_OK) error = sqlite3_errmsg(handle);
    return statement;
  }
};

inline void bind(sqlite3_stmt *statement, int index, std::string_view text) {
  sqlite3_bind_text(statement, index, text.data(), int(text.size()), SQLITE_STATIC);
}

inline bool step(sqlite3_stmt *statement) {
  bool done = sqlite3_step(statement) == SQLITE_DONE;
  sqlite3_reset(statement);
  return done;
}

inline void fail(bench_floor_result &result, const std::string &text) {
  snprintf(result.error, sizeof result.error, "%s", text.c_str());
}

inline std::vector<std::pair<const char *, size_t>> split(const simdjson::padded_string &text) {
  std::vector<std::pair<const char *, size_t>> lines;
  const char *end = text.data() + text.size();
  for (const char *at = text.data(); at < end;) {
    const char *newline = static_cast<const char *>(memchr(at, '\n', size_t(end - at)));
    if (newline == nullptr) newline = end;
    if (newline > at) lines.emplace_back(at, size_t(newline - at));
    at = newline + 1;
  }
  return lines;
}

}  // namespace bench

#endif
