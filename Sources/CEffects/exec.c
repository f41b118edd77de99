#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "performer.h"

// One program in a process group of its own: no shell, no descriptor of ours but the three pipes, all signals
// as they are by default. It ends when the program itself does; what it left running in its group is killed
// then.

static void close_pipe(int *descriptor) {
  if (*descriptor >= 0) close(*descriptor);
  *descriptor = -1;
}

/// The group is killed before its leader is reaped: until then nobody else can have its number.
static void kill_group(const mt_running *running) {
  if (running->pid > 0) kill(-running->pid, SIGKILL);
}

static void close_all(mt_running *running) {
  close_pipe(&running->input);
  close_pipe(&running->output);
  close_pipe(&running->errors);
  close_pipe(&running->pidfd);
}

/// Whether there is no such child any more.
static int is_gone(pid_t pid) { return waitpid(pid, NULL, WNOHANG) != 0; }

/// One that hangs in the kernel, or may not be killed, holds up nobody else: it is reaped when it ends.
void mt_exec_leave(mt_running *running) {
  kill_group(running);
  if (running->pid > 0 && !is_gone(running->pid)) {
    mt_dying *dying = malloc(sizeof *dying);
    if (dying != NULL) {
      *dying = (mt_dying){running->owner->dying, running->pid};
      running->owner->dying = dying;
    } else {
      waitpid(running->pid, NULL, 0);
    }
  }
  running->pid = 0;
  close_all(running);
}

int mt_exec_bury(mt_effects *effects) {
  for (mt_dying **link = &effects->dying; *link != NULL;) {
    mt_dying *dying = *link;
    if (is_gone(dying->pid)) {
      *link = dying->next;
      free(dying);
    } else {
      link = &dying->next;
    }
  }
  return effects->dying == NULL;
}

static int spawn(mt_running *running, const mt_exec_request *request, const int pipes[3][2]) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  sigset_t none, all;
  int failed = posix_spawn_file_actions_init(&actions);
  if (failed != 0) return failed;
  failed = posix_spawnattr_init(&attributes);
  if (failed != 0) {
    posix_spawn_file_actions_destroy(&actions);
    return failed;
  }
  sigemptyset(&none);
  sigfillset(&all);
  sigdelset(&all, SIGKILL);
  sigdelset(&all, SIGSTOP);
#define DO(call) \
  if (failed == 0) failed = call
  DO(posix_spawnattr_setflags(
      &attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF));
  DO(posix_spawnattr_setpgroup(&attributes, 0));
  DO(posix_spawnattr_setsigmask(&attributes, &none));
  DO(posix_spawnattr_setsigdefault(&attributes, &all));
  DO(posix_spawn_file_actions_adddup2(&actions, pipes[0][0], 0));
  DO(posix_spawn_file_actions_adddup2(&actions, pipes[1][1], 1));
  DO(posix_spawn_file_actions_adddup2(&actions, pipes[2][1], 2));
  DO(posix_spawn_file_actions_addclosefrom_np(&actions, 3));
  DO(posix_spawn_file_actions_addchdir_np(&actions, request->directory));
  DO(posix_spawn(
      &running->pid, request->path, &actions, &attributes, (char *const *)request->arguments,
      (char *const *)request->variables));
#undef DO
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  return failed;
}

/// All above 2, so that the child's copies to 0, 1 and 2 overwrite none of them.
static int make_pipes(int pipes[3][2]) {
  for (int i = 0; i < 3; i++) pipes[i][0] = pipes[i][1] = -1;
  for (int i = 0; i < 3; i++) {
    if (pipe2(pipes[i], O_CLOEXEC) != 0) return errno;
    for (int end = 0; end < 2; end++) {
      if (pipes[i][end] > 2) continue;
      int higher = fcntl(pipes[i][end], F_DUPFD_CLOEXEC, 3);
      if (higher < 0) return errno;
      close(pipes[i][end]);
      pipes[i][end] = higher;
    }
  }
  return 0;
}

static void set_nonblocking(int descriptor) {
  fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK);
}

int32_t mt_effects_exec(mt_effects *effects, uint64_t ticket, const mt_exec_request *request) {
  mt_running *running = mt_running_new(effects, ticket, request->timeout_milliseconds);
  if (running == NULL) return 0;
  int pipes[3][2];
  int failed = make_pipes(pipes);
  running->body_count = request->input_count;
  running->body = malloc(request->input_count + 1);
  if (failed == 0 && running->body == NULL) failed = ENOMEM;
  if (failed == 0) {
    if (request->input_count > 0) memcpy(running->body, request->input, request->input_count);
    failed = spawn(running, request, pipes);
  }
  close_pipe(&pipes[0][0]);
  close_pipe(&pipes[1][1]);
  close_pipe(&pipes[2][1]);
  running->input = pipes[0][1];
  running->output = pipes[1][0];
  running->errors = pipes[2][0];
  if (failed != 0) {
    running->pid = 0;
    close_all(running);
    mt_running_end(running, MT_NOT_STARTED, failed, strerror(failed));
    return 1;
  }
  set_nonblocking(running->input);
  set_nonblocking(running->output);
  set_nonblocking(running->errors);
  running->pidfd = (int)syscall(SYS_pidfd_open, running->pid, 0);
  if (running->body_count == 0) close_pipe(&running->input);
  return 1;
}

unsigned mt_exec_watch(const mt_running *running, struct curl_waitfd *watched) {
  const struct {
    int descriptor;
    short events;
  } all[] = {
      {running->pidfd, CURL_WAIT_POLLIN},
      {running->output, CURL_WAIT_POLLIN},
      {running->errors, CURL_WAIT_POLLIN},
      {running->input, CURL_WAIT_POLLOUT}};
  unsigned count = 0;
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
    if (all[i].descriptor < 0) continue;
    watched[count++] = (struct curl_waitfd){all[i].descriptor, all[i].events, 0};
  }
  return count;
}

static void feed(mt_running *running) {
  while (running->input >= 0) {
    ssize_t count = write(
        running->input, running->body + running->written, running->body_count - running->written);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && errno == EAGAIN) return;
    // A program that does not read its input to the end may have seen enough.
    if (count < 0) running->written = running->body_count;
    if (count > 0) running->written += (size_t)count;
    if (running->written == running->body_count) close_pipe(&running->input);
  }
}

static void drain(mt_running *running, int *descriptor, mt_buffer *buffer) {
  uint8_t bytes[16 << 10];
  while (*descriptor >= 0) {
    ssize_t count = read(*descriptor, bytes, sizeof bytes);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && errno == EAGAIN) return;
    if (count <= 0 || !mt_buffer_add(buffer, bytes, (size_t)count, running->owner->limits.response_bytes)) {
      close_pipe(descriptor);
    }
    if (buffer->total > running->owner->limits.read_bytes) return;
  }
}

void mt_exec_go_on(mt_running *running) {
  feed(running);
  drain(running, &running->output, &running->out);
  drain(running, &running->errors, &running->err);
  siginfo_t info;
  memset(&info, 0, sizeof info);
  int has_ended = waitid(P_PID, (id_t)running->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid != 0;
  int is_late = mt_effects_now() >= running->deadline;
  int is_loud =
      running->out.total > running->owner->limits.read_bytes || running->err.total > running->owner->limits.read_bytes;
  if (!has_ended && !is_late && !is_loud) return;
  if (has_ended) {
    drain(running, &running->output, &running->out);
    drain(running, &running->errors, &running->err);
  }
  mt_exec_leave(running);
  if (!has_ended) {
    mt_running_end(running, is_late ? MT_TIMED_OUT : MT_TOO_LONG, 0, NULL);
  } else if (info.si_code == CLD_EXITED) {
    mt_running_end(running, MT_ENDED, info.si_status, NULL);
  } else {
    mt_running_end(running, MT_SIGNALLED, info.si_status, NULL);
  }
}
