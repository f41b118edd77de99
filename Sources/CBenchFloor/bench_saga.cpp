// The floor of sagas; see the header.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <unordered_map>
#include <vector>

#include "bench_parts.hpp"

using namespace bench;

namespace {

const char *schema =
    "pragma journal_mode=wal; pragma synchronous=full; pragma cache_size=-65536;"
    "pragma wal_autocheckpoint=8000; pragma secure_delete=off;"
    "create table sagas(key text primary key, status text, ended int, state text, body text) without rowid;"
    "create table timers(key text, name text, due int, primary key(key, name)) without rowid;"
    "create index due on timers(due);"
    "create table sent(id text primary key, key text) without rowid;"
    "create table outbox(sequence integer primary key, id text, type text, key text, data text);"
    "create table progress(k int primary key, position int);";

struct order {
  std::string key;
  std::string event;
};

struct flow {
  database db;
  int log = -1;
  std::string record;
  sqlite3_stmt *begin, *commit, *find, *put, *find_sender, *send, *emit, *set, *unset, *progress, *outbox, *relayed;
  std::unordered_map<std::string, int64_t> streams;
  simdjson::dom::parser parser;
  int64_t records = 0;

  bool open(const std::string &directory, int64_t bytes) {
    log = ::open((directory + "/saga.log").c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0644);
    if (log < 0 || sqlite3_open((directory + "/saga.sqlite").c_str(), &db.handle) != SQLITE_OK || !db.run(schema)) {
      return false;
    }
    record.assign(size_t(bytes), 'x');
    begin = db.prepare("begin immediate");
    commit = db.prepare("commit");
    find = db.prepare("select status, state, body from sagas where key = ?1");
    put = db.prepare(
        "insert into sagas values(?1,?2,?3,?4,?5) on conflict(key) do update set status=excluded.status,"
        "ended=excluded.ended,state=excluded.state,body=excluded.body");
    find_sender = db.prepare("select key from sent where id = ?1");
    send = db.prepare("insert into sent values(?1,?2)");
    emit = db.prepare("insert into outbox(id,type,key,data) values(?1,?2,?3,?4)");
    set = db.prepare("insert into timers values(?1,?2,?3)");
    unset = db.prepare("delete from timers where key = ?1");
    progress = db.prepare("insert or replace into progress values(1,?1)");
    outbox = db.prepare("select id, type, key, data from outbox order by sequence");
    relayed = db.prepare("delete from outbox");
    return relayed != nullptr;
  }

  ~flow() {
    for (sqlite3_stmt *each :
         {begin, commit, find, put, find_sender, send, emit, set, unset, progress, outbox, relayed}) {
      sqlite3_finalize(each);
    }
    if (log >= 0) close(log);
  }

  bool append(int64_t count) {
    for (; count > 0; count--) {
      if (write(log, record.data(), record.size()) != ssize_t(record.size())) return false;
    }
    return fdatasync(log) == 0;
  }

  // One record that concerns an order: its row is read, and written as it is after it.
  bool handle(const std::string &key, const char *status, const std::string &state, const std::string &body) {
    bind(find, 1, key);
    bool known = sqlite3_step(find) == SQLITE_ROW;
    if (known) known = sqlite3_column_bytes(find, 1) > 0;
    sqlite3_reset(find);
    bind(put, 1, key);
    bind(put, 2, status);
    sqlite3_bind_int(put, 3, status[0] == 'c');
    bind(put, 4, state);
    bind(put, 5, body);
    return step(put);
  }

  bool ask(const order &one, const char *type, int64_t due) {
    std::string id = std::string(type) + "-0123456789abcdef0123456789abcdef-" + one.key;
    std::string data = "{\"order_id\":\"" + one.key + "\"}";
    bind(send, 1, id);
    bind(send, 2, one.key);
    bind(emit, 1, id);
    bind(emit, 2, type);
    bind(emit, 3, one.key);
    bind(emit, 4, data);
    bind(set, 1, one.key);
    bind(set, 2, type);
    sqlite3_bind_int64(set, 3, due);
    return step(send) && step(emit) && step(set);
  }

  bool answered(const order &one, const char *type, const std::string &state, const std::string &body) {
    std::string id = std::string(type) + "-0123456789abcdef0123456789abcdef-" + one.key;
    bind(find_sender, 1, id);
    bool known = sqlite3_step(find_sender) == SQLITE_ROW;
    sqlite3_reset(find_sender);
    return known && handle(one.key, "running", state, body);
  }

  bool round(const order *first, const order *last, int number, int64_t *position) {
    static const char *const types[2] = {"Reserve", "Charge"};
    bool ok = step(begin);
    for (const order *one = first; ok && one < last; one++) {
      std::string_view key, read = one->event;
      simdjson::dom::element event;
      if (parser.parse(read.data(), read.size()).get(event) || event["data"]["order_id"].get(key)) return false;
      std::string state = "{\"order_id\":\"" + std::string(key) + "\",\"total_cents\":2500}";
      std::string body = "{\"stage\":" + std::to_string(number) +
          ",\"steps\":[{\"name\":\"reserve\",\"phase\":\"waiting\",\"since\":1772355600000000},"
          "{\"name\":\"charge\",\"phase\":\"idle\",\"since\":0}],\"depth\":0,\"timers_set\":1,\"pending\":"
          "[{\"id\":\"pair-0123456789abcdef0123456789abcdef\",\"for\":\"step reserve\",\"time\":1772355600000000}]}";
      ok = handle(one->key, number == 2 ? "completed" : "running", state, body);
      if (ok && number > 0) {
        bind(unset, 1, one->key);
        ok = step(unset) && answered(*one, types[number - 1], state, body);
      }
      if (ok && number < 2) ok = ask(*one, types[number], 1772355600000000 + *position);
      *position += 1;
    }
    sqlite3_bind_int64(progress, 1, *position);
    return ok && step(progress) && step(commit);
  }

  // Commands of the table go to the log, and leave it; each is decided, its event and its outcome written.
  bool relay() {
    int64_t count = 0;
    std::vector<std::string> asked;
    while (sqlite3_step(outbox) == SQLITE_ROW) {
      asked.emplace_back(
          reinterpret_cast<const char *>(sqlite3_column_text(outbox, 3)), size_t(sqlite3_column_bytes(outbox, 3)));
      count++;
    }
    sqlite3_reset(outbox);
    if (!append(count) || !step(relayed)) return false;
    for (const std::string &data : asked) {
      std::string_view key;
      if (parser.parse(data)["order_id"].get(key)) return false;
      streams[std::string(key)] += 1;
    }
    return append(2 * count);
  }
};

}  // namespace

extern "C" bench_floor_result bench_floor_saga(
    const char *lines_path, const char *directory, int64_t batch, int64_t bytes, int32_t whole) {
  bench_floor_result result = {};
  simdjson::padded_string text;
  flow work;
  if (simdjson::padded_string::load(lines_path).get(text) || !work.open(directory, bytes)) {
    fail(result, "cannot open: " + work.db.error);
    return result;
  }
  std::vector<order> orders;
  for (auto [line, count] : split(text)) {
    simdjson::dom::element event;
    std::string_view key;
    if (work.parser.parse(line, count).get(event) || event["key"].get(key)) {
      fail(result, "a line is no event with a key");
      return result;
    }
    orders.push_back({std::string(key), std::string(line, count)});
  }
  double wall = now(CLOCK_MONOTONIC), cpu = now(CLOCK_PROCESS_CPUTIME_ID);
  int64_t position = 0;
  bool ok = true;
  for (size_t start = 0; ok && start < orders.size(); start += size_t(batch)) {
    const order *first = orders.data() + start, *last = first + std::min(size_t(batch), orders.size() - start);
    if (whole) ok = work.append(last - first);
    for (int number = 0; ok && number < 3; number++) {
      ok = work.round(first, last, number, &position) && (!whole || number == 2 || work.relay());
    }
  }
  if (!ok) fail(result, "the flow stopped: " + std::string(sqlite3_errmsg(work.db.handle)));
  result.events = int64_t(orders.size());
  result.wall_seconds = now(CLOCK_MONOTONIC) - wall;
  result.cpu_seconds = now(CLOCK_PROCESS_CPUTIME_ID) - cpu;
  return result;
}
