#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "state.h"

// The last defence: what no hook sees. One instruction of stock Lua may work for minutes: a table whose keys
// were made to collide (whole numbers by the step of the new size, floats by their upper bits) is hashed anew in
// the square of their number, and nothing in Lua looks at a clock meanwhile.
//
// One thread for the process looks at all states. A call that is late by more than its grace and whose thread has
// worked meanwhile gets a signal. The handler leaves the call by siglongjmp, if and only if the thread was
// interrupted in the code of Lua's library itself: then it holds no lock, is in no allocator, and all frames
// down to `mt_protected_call` are of C and own nothing. The state is never run again; its memory is given back
// block by block (allocator.c), without asking Lua. Everywhere else the handler does nothing and is asked again.
//
// The signal is SIGURG: nobody ends by it, and no socket of ours has urgent bytes.

enum { LOOK_NANOSECONDS = 20000000, WORKED_NANOSECONDS = 10000000, CALM_LOOKS_MAX = 50 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t called = PTHREAD_COND_INITIALIZER;
static mt_lua *watched;
/// Calls need not wake the thread. Stays so where nothing watches.
static int awake = 1;
static uintptr_t library_start, library_end;

/// Of this thread: the state whose call it runs, and its number in the system.
static _Thread_local mt_lua *current;
static _Thread_local pid_t thread_number;

#if defined(__x86_64__)
static uintptr_t interrupted_at(const ucontext_t *context) {
  return (uintptr_t)context->uc_mcontext.gregs[REG_RIP];
}
#elif defined(__aarch64__)
static uintptr_t interrupted_at(const ucontext_t *context) { return (uintptr_t)context->uc_mcontext.pc; }
#else
static uintptr_t interrupted_at(const ucontext_t *context) {
  (void)context;
  return 0;
}
#endif

static void on_signal(int number, siginfo_t *cause, void *context) {
  (void)number;
  (void)cause;
  mt_lua *state = current;
  if (state == NULL) return;
  uint64_t call = __atomic_load_n(&state->call, __ATOMIC_RELAXED);
  if (__atomic_load_n(&state->overdue, __ATOMIC_RELAXED) != call) return;
  uintptr_t at = interrupted_at(context);
  if (at < library_start || at >= library_end) return;
  current = NULL;
  siglongjmp(state->way_out, 1);
}

/// Takes the bounds of the code that holds `lua_newstate`.
static int find_library(struct dl_phdr_info *object, size_t size, void *unused) {
  (void)size;
  (void)unused;
  uintptr_t sought = (uintptr_t)(void *)lua_newstate;
  for (int i = 0; i < object->dlpi_phnum; i++) {
    const ElfW(Phdr) *part = &object->dlpi_phdr[i];
    uintptr_t start = object->dlpi_addr + part->p_vaddr;
    if (part->p_type != PT_LOAD || !(part->p_flags & PF_X)) continue;
    if (sought < start || sought >= start + part->p_memsz) continue;
    library_start = start;
    library_end = start + part->p_memsz;
    return 1;
  }
  return 0;
}

static int64_t time_of(clockid_t clock) {
  struct timespec now;
  if (clock_gettime(clock, &now) != 0) return 0;
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/// The time that a thread worked: the system makes these numbers so (linux/posix-timers.h).
static int64_t worked(pid_t thread) { return time_of((clockid_t)(~(unsigned)thread << 3 | 6)); }

/// Looks at one state; whether it has been called since the last look.
static int look(mt_lua *state, int64_t now) {
  uint64_t call = __atomic_load_n(&state->call, __ATOMIC_RELAXED);
  int fresh = call != state->seen_call;
  if (fresh) {
    state->seen_call = call;
    state->seen_at = now;
    state->late_worked = -1;
  }
  // Odd while a call runs.
  if ((call & 1) == 0) return fresh;
  if (now - state->seen_at < state->limits.nanoseconds + state->limits.grace_nanoseconds) return 1;
  // A thread that did not come to run since is not judged: it may be about to look at the clock itself.
  int64_t work = worked(state->thread);
  if (state->late_worked < 0) state->late_worked = work;
  if (work - state->late_worked < WORKED_NANOSECONDS) return 1;
  __atomic_store_n(&state->overdue, call, __ATOMIC_RELAXED);
  syscall(SYS_tgkill, getpid(), state->thread, SIGURG);
  return 1;
}

static int look_at_all(void) {
  int64_t now = time_of(CLOCK_MONOTONIC);
  int any = 0;
  for (mt_lua *state = watched; state != NULL; state = state->next_watched) any |= look(state, now);
  return any;
}

static void *watch(void *unused) {
  struct timespec pause = {0, LOOK_NANOSECONDS};
  int calm = 0;
  pthread_mutex_lock(&lock);
  for (;;) {
    pthread_mutex_unlock(&lock);
    nanosleep(&pause, NULL);
    pthread_mutex_lock(&lock);
    calm = look_at_all() ? 0 : calm + 1;
    // It sleeps only after a look that came after the word that it does: no call falls between.
    if (calm > CALM_LOOKS_MAX) {
      while (!__atomic_load_n(&awake, __ATOMIC_RELAXED)) pthread_cond_wait(&called, &lock);
      calm = 0;
    } else {
      __atomic_store_n(&awake, calm < CALM_LOOKS_MAX, __ATOMIC_SEQ_CST);
    }
  }
  return unused;
}

static void begin_watching(void) {
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
  // Its runtime hands signals over later, in another place than where they came.
  return;
#endif
#endif
  // A library that is part of our own program has no bounds of its own.
  Dl_info of_lua, of_us;
  if (dladdr((void *)lua_newstate, &of_lua) == 0 || dladdr((void *)mt_lua_new, &of_us) == 0) return;
  if (of_lua.dli_fbase == of_us.dli_fbase || dl_iterate_phdr(find_library, NULL) == 0) return;
  struct sigaction action = {0};
  action.sa_sigaction = on_signal;
  action.sa_flags = SA_SIGINFO | SA_RESTART;
  sigaction(SIGURG, &action, NULL);
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_t thread;
  if (pthread_create(&thread, NULL, watch, NULL) == 0) pthread_detach(thread);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void mt_watchdog_add(mt_lua *state) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, begin_watching);
  pthread_mutex_lock(&lock);
  state->next_watched = watched;
  watched = state;
  pthread_mutex_unlock(&lock);
}

void mt_watchdog_remove(mt_lua *state) {
  pthread_mutex_lock(&lock);
  for (mt_lua **at = &watched; *at != NULL; at = &(*at)->next_watched) {
    if (*at != state) continue;
    *at = state->next_watched;
    break;
  }
  pthread_mutex_unlock(&lock);
}

static void hear_signal(void) {
  sigset_t urgent;
  sigemptyset(&urgent);
  sigaddset(&urgent, SIGURG);
  pthread_sigmask(SIG_UNBLOCK, &urgent, NULL);
}

static void wake(void) {
  pthread_mutex_lock(&lock);
  __atomic_store_n(&awake, 1, __ATOMIC_RELAXED);
  pthread_cond_signal(&called);
  pthread_mutex_unlock(&lock);
}

/// After a call was left: what `mt_fault_finish` finds. Lua is only asked where it was.
static void tell(mt_lua *state) {
  pthread_mutex_lock(&lock);
  int64_t began = state->seen_at;
  pthread_mutex_unlock(&lock);
  // No hook came to set it.
  if (state->deadline == 0) state->deadline = began + state->limits.nanoseconds;
  state->abandoned = 1;
  // A failure that was being told when the call was left is told anew.
  if (state->fault.message_count == 0) state->tripped = 0;
  mt_trip(state, state->running, MT_TIME);
}

int mt_protected_call(mt_lua *state, int arguments) {
  if (thread_number == 0) {
    thread_number = (pid_t)syscall(SYS_gettid);
    hear_signal();
  }
  state->outer = current;
  state->thread = thread_number;
  int status;
  if (sigsetjmp(state->way_out, 0) == 0) {
    current = state;
    __atomic_store_n(&state->call, state->call + 1, __ATOMIC_RELEASE);
    if (!__atomic_load_n(&awake, __ATOMIC_RELAXED)) wake();
    status = lua_pcall(state->L, arguments, 0, 1);
  } else {
    hear_signal();
    tell(state);
    status = LUA_ERRERR;
  }
  __atomic_store_n(&state->call, state->call + 1, __ATOMIC_RELEASE);
  current = state->outer;
  return status;
}
