#ifndef MOONTIDE_EFFECTS_H
#define MOONTIDE_EFFECTS_H

// HTTP requests (libcurl) and programs, side by side on one thread. The owner begins them, calls `wait` again
// and again, and takes what ended. All calls but `mt_effects_wake` come from one thread.

#include <stddef.h>
#include <stdint.h>

typedef struct mt_effects mt_effects;

/// Every bound comes from `Limits.swift`.
typedef struct mt_effect_limits {
  size_t response_bytes;  // of a body, and of each output of a program, that are kept
  size_t read_bytes;      // of a response that are read at all
  size_t header_bytes;    // of a response that are kept
} mt_effect_limits;

/// Texts end in NUL; all are copied.
typedef struct mt_http_request {
  const char *method;
  const char *url;
  const char *const *headers;  // `Name: value`, as many as `header_count`
  size_t header_count;
  const uint8_t *body;  // NULL: none
  size_t body_count;
  int64_t timeout_milliseconds;
} mt_http_request;

typedef struct mt_exec_request {
  const char *path;              // absolute
  const char *directory;         // where it runs
  const char *const *arguments;  // ended by NULL, the first is the program's name
  const char *const *variables;  // `NAME=value`, ended by NULL
  const uint8_t *input;
  size_t input_count;
  int64_t timeout_milliseconds;
} mt_exec_request;

enum {
  MT_ENDED = 0,          // HTTP: there is a status; exec: the program exited
  MT_TIMED_OUT = 1,
  MT_NO_CONNECTION = 2,  // no such host, or nobody there
  MT_NOT_TRUSTED = 3,    // TLS: the certificate
  MT_TOO_LONG = 4,       // the response
  MT_SIGNALLED = 5,      // exec: `status` is the signal
  MT_NOT_STARTED = 6,    // exec: `status` is the errno; HTTP: the URL is none
  MT_LEFT = 7,           // the owner ended
  MT_BROKEN = 8,         // the connection, before there was an answer
  MT_NO_ANSWER = 9       // what came is no HTTP
};

/// Bytes of the library's, until the next call of `mt_effects_next`.
typedef struct mt_span {
  const uint8_t *bytes;
  size_t count;
} mt_span;

typedef struct mt_effect_end {
  uint64_t ticket;
  int32_t outcome;
  int32_t status;       // HTTP status, exit code, signal or errno
  int64_t retry_after;  // seconds, -1: not said
  mt_span body;         // or what the program wrote to stdout
  mt_span headers;      // or to stderr
  size_t body_total;    // bytes that there were
  size_t headers_total;
  char error[256];
} mt_effect_end;

/// Once for the process, before anything else; 0 when libcurl cannot be used.
int32_t mt_effects_prepare(void);
/// NULL when there is no memory.
mt_effects *mt_effects_new(mt_effect_limits limits);
void mt_effects_free(mt_effects *effects);
/// Leaves what is being performed, and forgets what ended: programs are killed with their groups.
void mt_effects_leave(mt_effects *effects);

/// 0 when there is no memory; a request that cannot begin ends at once instead.
int32_t mt_effects_http(mt_effects *effects, uint64_t ticket, const mt_http_request *request);
int32_t mt_effects_exec(mt_effects *effects, uint64_t ticket, const mt_exec_request *request);

/// Appends lines, each with its newline, to `file` below `root`; returns 0 or the errno. Any thread.
int32_t mt_effects_append(const char *root, const char *file, const uint8_t *bytes, size_t count);

/// Once on the thread that calls `wait`: a program that does not read its input is no reason to end.
void mt_effects_own_thread(void);
/// Goes on with all of them, and waits for something to happen, at most so long.
void mt_effects_wait(mt_effects *effects, int32_t milliseconds);
/// Ends a wait; from any thread.
void mt_effects_wake(mt_effects *effects);
/// 0 when nothing ended since.
int32_t mt_effects_next(mt_effects *effects, mt_effect_end *end);
/// How many are being performed.
size_t mt_effects_count(const mt_effects *effects);

#endif
