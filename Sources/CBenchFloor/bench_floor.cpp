// The floors of the benchmark; see the header. Plain code without tricks: what the work itself costs.
#include "bench_floor.h"

#include <fcntl.h>
#include <simdjson.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <unordered_map>
#include <vector>

#include "bench_parts.hpp"

using namespace bench;

namespace {

const char *schema =
    "pragma journal_mode=wal; pragma synchronous=normal; pragma cache_size=-65536;"
    "pragma wal_autocheckpoint=16384; pragma secure_delete=off;"
    "create table order_status(order_id text primary key, status text, total int, updated text) without rowid;"
    "create table revenue(user_id text primary key, total int) without rowid;"
    "create table progress(k int primary key, position int);";

// The data with two members named anew.
void renamed(simdjson::dom::object data, const char *const (&names)[4], std::string &out) {
  out = "{";
  for (auto member : data) {
    if (out.size() > 1) out += ',';
    std::string_view name = member.key;
    if (name == names[0]) name = names[1];
    if (name == names[2]) name = names[3];
    out += '"';
    out += name;
    out += "\":";
    out += simdjson::minify(member.value);
  }
  out += '}';
}

}  // namespace

extern "C" bench_floor_result bench_floor_upcast(const char *lines_path) {
  static const char *const there[4] = {"total", "total_cents", "user", "customer"};
  static const char *const back[4] = {"total_cents", "total", "customer", "user"};
  bench_floor_result result = {};
  simdjson::padded_string text;
  if (simdjson::padded_string::load(lines_path).get(text)) {
    fail(result, "cannot read the lines");
    return result;
  }
  std::vector<std::pair<const char *, size_t>> lines = split(text);
  simdjson::dom::parser first, second;
  std::string once, twice;
  int64_t sum = 0;
  double wall[2], cpu[2];
  for (int changes = 0; changes < 2; changes++) {
    wall[changes] = now(CLOCK_MONOTONIC), cpu[changes] = now(CLOCK_PROCESS_CPUTIME_ID);
    for (auto [line, count] : lines) {
      simdjson::dom::element event, data;
      if (first.parse(line, count).get(event)) {
        fail(result, "a line is not JSON");
        return result;
      }
      data = event["data"];
      if (changes == 1) {
        renamed(data, there, once);
        if (second.parse(once).get(data)) fail(result, "what was written is not JSON");
        renamed(data, back, twice);
        if (second.parse(twice).get(data)) fail(result, "what was written is not JSON");
      }
      sum += int64_t(data["total"]);
    }
    wall[changes] = now(CLOCK_MONOTONIC) - wall[changes];
    cpu[changes] = now(CLOCK_PROCESS_CPUTIME_ID) - cpu[changes];
  }
  if (sum == 0 && !lines.empty()) fail(result, "the lines have no totals");
  result.events = int64_t(lines.size());
  result.wall_seconds = wall[1] - wall[0];
  result.cpu_seconds = cpu[1] - cpu[0];
  return result;
}

extern "C" bench_floor_result bench_floor_process(const char *lines_path, const char *database_path, int64_t batch) {
  bench_floor_result result = {};
  // The same lifetime as the runtime's own figure: opening, making the tables, the work, and closing, which
  // copies the WAL into the file.
  double wall = now(CLOCK_MONOTONIC), cpu = now(CLOCK_PROCESS_CPUTIME_ID);
  database db;
  FILE *in = fopen(lines_path, "rb");
  if (!in || sqlite3_open(database_path, &db.handle) != SQLITE_OK || !db.run(schema)) {
    fail(result, "cannot open: " + db.error);
    if (in) fclose(in);
    return result;
  }
  sqlite3_stmt *put = db.prepare(
      "insert into order_status values(?1,?2,?3,?4) on conflict(order_id) do update set "
      "status=excluded.status,total=excluded.total,updated=excluded.updated");
  sqlite3_stmt *add = db.prepare(
      "insert into revenue values(?1,?2) on conflict(user_id) do update set total=total+excluded.total");
  sqlite3_stmt *progress = db.prepare("insert or replace into progress values(1,?1)");
  sqlite3_stmt *begin = db.prepare("begin"), *commit = db.prepare("commit");
  simdjson::dom::parser parser;
  std::vector<char> line(1 << 20);
  bool ok = step(begin);
  while (ok && fgets(line.data(), int(line.size() - simdjson::SIMDJSON_PADDING), in)) {
    size_t count = strlen(line.data());
    simdjson::dom::element event;
    if (parser.parse(line.data(), count, false).get(event)) {
      fail(result, "a line is not JSON");
      break;
    }
    std::string_view type = event["type"], time = event["time"], order = event["data"]["order_id"];
    int64_t total = event["data"]["total"];
    bind(put, 1, order);
    bind(put, 2, type);
    sqlite3_bind_int64(put, 3, total);
    bind(put, 4, time);
    ok = step(put);
    if (ok && type == "OrderPlaced") {
      std::string_view user = event["data"]["user"]["id"];
      bind(add, 1, user);
      sqlite3_bind_int64(add, 2, total);
      ok = step(add);
    }
    if (++result.events % batch == 0) {
      sqlite3_bind_int64(progress, 1, result.events);
      ok = ok && step(progress) && step(commit) && step(begin);
    }
  }
  sqlite3_bind_int64(progress, 1, result.events);
  ok = ok && step(progress) && step(commit);
  if (!ok && !result.error[0]) fail(result, sqlite3_errmsg(db.handle));
  for (sqlite3_stmt *statement : {put, add, progress, begin, commit}) sqlite3_finalize(statement);
  fclose(in);
  db.close();
  result.wall_seconds = now(CLOCK_MONOTONIC) - wall;
  result.cpu_seconds = now(CLOCK_PROCESS_CPUTIME_ID) - cpu;
  return result;
}

extern "C" bench_floor_result bench_floor_commands(
    const char *lines_path, const char *directory, int64_t group, int64_t bytes) {
  bench_floor_result result = {};
  simdjson::padded_string text;
  std::string path = std::string(directory) + "/commands.log";
  int file = open(path.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0644);
  if (file < 0 || simdjson::padded_string::load(lines_path).get(text)) {
    fail(result, "cannot open the lines or the log");
    if (file >= 0) close(file);
    return result;
  }
  std::vector<std::pair<const char *, size_t>> lines = split(text);
  std::unordered_map<std::string, int64_t> balances;
  std::vector<char> record(static_cast<size_t>(bytes), 'x');
  simdjson::dom::parser parser;
  double wall = now(CLOCK_MONOTONIC), cpu = now(CLOCK_PROCESS_CPUTIME_ID);
  for (auto [line, count] : lines) {
    simdjson::dom::element command;
    std::string_view type, account;
    int64_t amount = 0;
    if (parser.parse(line, count).get(command) || command["type"].get(type) ||
        command["data"]["account"].get(account) || command["data"]["amount"].get(amount)) {
      fail(result, "a line is no command");
      break;
    }
    int64_t &balance = balances[std::string(account)];
    if (type == "Deposit") balance += amount;
    if (type == "Withdraw" && balance >= amount) balance -= amount;
    bool ends = ++result.events % group == 0 || result.events == int64_t(lines.size());
    if (write(file, record.data(), record.size()) != ssize_t(record.size()) || (ends && fdatasync(file) != 0)) {
      fail(result, "cannot write");
      break;
    }
  }
  result.wall_seconds = now(CLOCK_MONOTONIC) - wall;
  result.cpu_seconds = now(CLOCK_PROCESS_CPUTIME_ID) - cpu;
  close(file);
  return result;
}

struct bench_checkpoint {
  sqlite3 *handle;
  sqlite3_stmt *least;
};

extern "C" bench_checkpoint *bench_checkpoint_open(const char *database_path) {
  auto *open = new bench_checkpoint{nullptr, nullptr};
  if (sqlite3_open_v2(database_path, &open->handle, SQLITE_OPEN_READONLY, nullptr) != SQLITE_OK ||
      sqlite3_prepare_v2(
          open->handle, "select min(position) from _mt_checkpoints", -1, &open->least, nullptr) != SQLITE_OK) {
    bench_checkpoint_close(open);
    return nullptr;
  }
  return open;
}

extern "C" void bench_checkpoint_close(bench_checkpoint *open) {
  sqlite3_finalize(open->least);
  sqlite3_close_v2(open->handle);
  delete open;
}

extern "C" int64_t bench_checkpoint_wait(bench_checkpoint *open, int64_t position, double seconds) {
  double deadline = now(CLOCK_MONOTONIC) + seconds;
  int64_t reached = -1;
  do {
    if (sqlite3_step(open->least) == SQLITE_ROW && sqlite3_column_type(open->least, 0) != SQLITE_NULL) {
      reached = sqlite3_column_int64(open->least, 0);
    }
    sqlite3_reset(open->least);
    if (reached >= position) break;
    usleep(10);
  } while (now(CLOCK_MONOTONIC) < deadline);
  return reached;
}

extern "C" bench_floor_result bench_floor_latency(const char *directory, int64_t rounds, double *median_seconds) {
  bench_floor_result result = {};
  std::string folder = directory;
  database db;
  int file = open((folder + "/floor.log").c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0644);
  if (file < 0 || sqlite3_open((folder + "/floor.sqlite").c_str(), &db.handle) != SQLITE_OK || !db.run(schema)) {
    fail(result, "cannot open: " + db.error);
    if (file >= 0) close(file);
    return result;
  }
  sqlite3_stmt *progress = db.prepare("insert or replace into progress values(1,?1)");
  std::vector<double> seconds;
  char record[400] = {1};
  for (int64_t round = 0; round < rounds; round++) {
    double start = now(CLOCK_MONOTONIC);
    if (write(file, record, sizeof record) != ssize_t(sizeof record) || fdatasync(file) != 0) {
      fail(result, "cannot write");
      break;
    }
    sqlite3_bind_int64(progress, 1, round);
    if (!step(progress)) {
      fail(result, sqlite3_errmsg(db.handle));
      break;
    }
    seconds.push_back(now(CLOCK_MONOTONIC) - start);
  }
  sqlite3_finalize(progress);
  close(file);
  std::sort(seconds.begin(), seconds.end());
  *median_seconds = seconds.empty() ? 0 : seconds[seconds.size() / 2];
  result.events = int64_t(seconds.size());
  return result;
}
