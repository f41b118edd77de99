#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "performer.h"

// The list of what is being performed, and the one place where a thread waits for all of it.

enum { WATCHED_MAX = 4, SOON = 20 };

int64_t mt_effects_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int mt_buffer_add(mt_buffer *buffer, const void *bytes, size_t count, size_t limit) {
  buffer->total += count;
  size_t room = limit > buffer->count ? limit - buffer->count : 0;
  if (count > room) count = room;
  if (count == 0) return 1;
  if (buffer->count + count > buffer->capacity) {
    size_t capacity = (buffer->count + count) * 2;
    uint8_t *grown = realloc(buffer->bytes, capacity);
    if (grown == NULL) return 0;
    buffer->bytes = grown;
    buffer->capacity = capacity;
  }
  memcpy(buffer->bytes + buffer->count, bytes, count);
  buffer->count += count;
  return 1;
}

int32_t mt_effects_prepare(void) { return curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK; }

mt_effects *mt_effects_new(mt_effect_limits limits) {
  mt_effects *effects = calloc(1, sizeof *effects);
  if (effects == NULL) return NULL;
  effects->limits = limits;
  effects->multi = curl_multi_init();
  effects->share = curl_share_init();
  if (effects->multi == NULL || effects->share == NULL
      || curl_share_setopt(effects->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION) != CURLSHE_OK) {
    curl_multi_cleanup(effects->multi);
    curl_share_cleanup(effects->share);
    free(effects);
    return NULL;
  }
  return effects;
}

static void running_free(mt_running *running) {
  free(running->out.bytes);
  free(running->err.bytes);
  free(running->body);
  free(running);
}

mt_running *mt_running_new(mt_effects *owner, uint64_t ticket, int64_t timeout) {
  mt_running *running = calloc(1, sizeof *running);
  if (running == NULL) return NULL;
  running->owner = owner;
  running->ticket = ticket;
  running->outcome = -1;
  running->retry_after = -1;
  running->deadline = mt_effects_now() + timeout;
  running->pidfd = running->input = running->output = running->errors = -1;
  running->next = owner->running;
  owner->running = running;
  owner->count++;
  return running;
}

void mt_running_end(mt_running *running, int32_t outcome, int32_t status, const char *error) {
  mt_effects *owner = running->owner;
  running->outcome = outcome;
  running->status = status;
  if (error != NULL && error != running->error) {
    strncpy(running->error, error, sizeof running->error - 1);
  }
  mt_running **link = &owner->running;
  while (*link != running) link = &(*link)->next;
  *link = running->next;
  running->next = NULL;
  owner->count--;
  mt_running **last = &owner->ended;
  while (*last != NULL) last = &(*last)->next;
  *last = running;
}

static void leave(mt_running *running) {
  if (running->easy != NULL) {
    mt_http_leave(running);
  } else {
    mt_exec_leave(running);
  }
  mt_running_end(running, MT_LEFT, 0, NULL);
}

void mt_effects_leave(mt_effects *effects) {
  while (effects->running != NULL) leave(effects->running);
  mt_effect_end end;
  while (mt_effects_next(effects, &end)) continue;
  // What was killed ends at once but for what cannot: that is left to the system.
  struct timespec pause = {0, 5000000};
  for (int i = 0; i < 200 && !mt_exec_bury(effects); i++) nanosleep(&pause, NULL);
}

void mt_effects_free(mt_effects *effects) {
  mt_effects_leave(effects);
  curl_multi_cleanup(effects->multi);
  curl_share_cleanup(effects->share);
  while (effects->dying != NULL) {
    mt_dying *dying = effects->dying;
    effects->dying = dying->next;
    free(dying);
  }
  free(effects);
}

void mt_effects_wait(mt_effects *effects, int32_t milliseconds) {
  int active;
  curl_multi_perform(effects->multi, &active);
  mt_http_finish(effects);
  struct curl_waitfd *watched = calloc(effects->count * WATCHED_MAX + 1, sizeof *watched);
  unsigned count = 0;
  int64_t now = mt_effects_now(), until = now + milliseconds;
  if (!mt_exec_bury(effects) && until > now + SOON) until = now + SOON;
  for (mt_running *running = effects->running; running != NULL; running = running->next) {
    if (running->easy != NULL) continue;
    if (watched != NULL) count += mt_exec_watch(running, watched + count);
    if (running->deadline < until) until = running->deadline;
    // Where the system has no descriptors of processes their ends are asked for.
    if (running->pidfd < 0 && until > now + SOON) until = now + SOON;
  }
  // Without memory to watch programs they are looked at soon instead.
  if (watched == NULL && until > now + SOON) until = now + SOON;
  int left = until > now ? (int)(until - now) : 0;
  if (effects->ended != NULL) left = 0;
  curl_multi_poll(effects->multi, watched, count, left, NULL);
  free(watched);
  curl_multi_perform(effects->multi, &active);
  mt_http_finish(effects);
  for (mt_running *running = effects->running, *next; running != NULL; running = next) {
    next = running->next;
    if (running->easy == NULL) mt_exec_go_on(running);
  }
}

void mt_effects_own_thread(void) {
  sigset_t refused;
  sigemptyset(&refused);
  sigaddset(&refused, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &refused, NULL);
}

void mt_effects_wake(mt_effects *effects) { curl_multi_wakeup(effects->multi); }

int32_t mt_effects_next(mt_effects *effects, mt_effect_end *end) {
  if (effects->taken != NULL) running_free(effects->taken);
  mt_running *first = effects->ended;
  effects->taken = first;
  if (first == NULL) return 0;
  effects->ended = first->next;
  memset(end, 0, sizeof *end);
  end->ticket = first->ticket;
  end->outcome = first->outcome;
  end->status = first->status;
  end->retry_after = first->retry_after;
  end->body = (mt_span){first->out.bytes, first->out.count};
  end->headers = (mt_span){first->err.bytes, first->err.count};
  end->body_total = first->out.total;
  end->headers_total = first->err.total;
  strncpy(end->error, first->error, sizeof end->error - 1);
  return 1;
}

size_t mt_effects_count(const mt_effects *effects) { return effects->count; }
