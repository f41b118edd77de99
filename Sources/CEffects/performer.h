#ifndef MOONTIDE_PERFORMER_H
#define MOONTIDE_PERFORMER_H

// What the files of this target share.

#include <poll.h>
#include <signal.h>
#include <sys/types.h>

#include <curl/curl.h>

#include "effects.h"

/// Bytes that grow up to a bound; what is beyond is counted.
typedef struct mt_buffer {
  uint8_t *bytes;
  size_t count;
  size_t capacity;
  size_t total;
} mt_buffer;

typedef struct mt_running mt_running;
struct mt_running {
  mt_running *next;
  mt_effects *owner;
  uint64_t ticket;
  int32_t outcome;  // -1 while it runs
  int32_t status;
  int64_t retry_after;
  int64_t deadline;  // milliseconds of the monotonic clock
  mt_buffer out;     // body, stdout
  mt_buffer err;     // headers, stderr
  char error[CURL_ERROR_SIZE];

  // HTTP; NULL for a program.
  CURL *easy;
  struct curl_slist *headers;
  size_t header_total;  // bytes, those of `100 Continue` too
  uint8_t *body;
  size_t body_count;

  // A program.
  pid_t pid;
  int pidfd;
  int input;  // -1 when closed
  int output;
  int errors;
  size_t written;
};

/// A program that was killed and is not gone yet.
typedef struct mt_dying {
  struct mt_dying *next;
  pid_t pid;
} mt_dying;

struct mt_effects {
  mt_effect_limits limits;
  CURLM *multi;
  CURLSH *share;
  mt_dying *dying;
  mt_running *running;
  size_t count;
  mt_running *ended;  // in the order of their ends
  mt_running *taken;  // shown to the owner
};

/// Milliseconds of the monotonic clock.
int64_t mt_effects_now(void);
/// Keeps up to `limit` bytes; 0 when there is no memory.
int mt_buffer_add(mt_buffer *buffer, const void *bytes, size_t count, size_t limit);
mt_running *mt_running_new(mt_effects *owner, uint64_t ticket, int64_t timeout);
/// It is over: moves it to those that ended.
void mt_running_end(mt_running *running, int32_t outcome, int32_t status, const char *error);

// http.c
void mt_http_finish(mt_effects *effects);
void mt_http_leave(mt_running *running);

// exec.c
/// Adds what is to be watched; returns how many.
unsigned mt_exec_watch(const mt_running *running, struct curl_waitfd *watched);
/// Reads, writes, reaps, and kills what is late.
void mt_exec_go_on(mt_running *running);
void mt_exec_leave(mt_running *running);
/// Forgets those that are gone; 0 when one is not.
int mt_exec_bury(mt_effects *effects);

#endif
