#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <time.h>

#include "sqlite_shims.h"

// A statement may work for seconds without a step of SQLite's machine that looks for a progress handler: a
// row of joined texts, the blocks of a full-text index. One thread for the process interrupts what is late;
// that stops loops, and FTS5 at its next block. It also lowers the longest value, which stops texts that are
// joined, read or returned between two such places. Both are single stores into the connection, made under
// the lock that `mt_watch_end` takes, so never into one that is closed or used for something else.

enum { LOOK_NANOSECONDS = 20000000, CALM_LOOKS_MAX = 50, LATE_VALUE_BYTES = 1000 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t begun = PTHREAD_COND_INITIALIZER;
static mt_watch *watched;
/// How many began, for the thread to see that there is work; whether it waits to be woken.
static uint64_t count;
static int asleep;

static int64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static void *watch(void *unused) {
  struct timespec pause = {0, LOOK_NANOSECONDS};
  uint64_t seen = 0;
  int calm = 0;
  pthread_mutex_lock(&lock);
  for (;;) {
    int64_t time = now();
    for (mt_watch *one = watched; one != NULL; one = one->next) {
      if (time < one->end) continue;
      __atomic_store_n(&one->fired, 1, __ATOMIC_RELAXED);
      sqlite3_limit(one->db, SQLITE_LIMIT_LENGTH, LATE_VALUE_BYTES);
      sqlite3_interrupt(one->db);
    }
    calm = count == seen && watched == NULL ? calm + 1 : 0;
    seen = count;
    if (calm > CALM_LOOKS_MAX) {
      asleep = 1;
      while (count == seen) pthread_cond_wait(&begun, &lock);
      asleep = 0;
    }
    pthread_mutex_unlock(&lock);
    nanosleep(&pause, NULL);
    pthread_mutex_lock(&lock);
  }
  return unused;
}

static void begin_watching(void) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_t thread;
  if (pthread_create(&thread, NULL, watch, NULL) == 0) pthread_detach(thread);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void mt_watch_begin(mt_watch *one, sqlite3 *db, int64_t nanoseconds, int value_bytes, int64_t bytes_max) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, begin_watching);
  one->db = db;
  one->fired = 0;
  one->end = now() + nanoseconds;
  one->value_bytes = sqlite3_limit(db, SQLITE_LIMIT_LENGTH, value_bytes);
  one->bytes_max = bytes_max;
  pthread_mutex_lock(&lock);
  one->next = watched;
  watched = one;
  count++;
  if (asleep) pthread_cond_signal(&begun);
  pthread_mutex_unlock(&lock);
  mt_memory_begin(one);
}

int mt_watch_end(mt_watch *one) {
  mt_memory_end();
  pthread_mutex_lock(&lock);
  for (mt_watch **at = &watched; *at != NULL; at = &(*at)->next) {
    if (*at != one) continue;
    *at = one->next;
    break;
  }
  pthread_mutex_unlock(&lock);
  sqlite3_limit(one->db, SQLITE_LIMIT_LENGTH, one->value_bytes);
  return one->fired;
}
