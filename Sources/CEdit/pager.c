#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "line_editor.h"

int32_t mt_pager_start(const char *command, int32_t *process) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return -1;
  pid_t child = fork();
  if (child < 0) {
    int reason = errno;
    close(ends[0]);
    close(ends[1]);
    errno = reason;
    return -1;
  }
  if (child == 0) {
    // What this process ignores, a pager is to meet.
    signal(SIGPIPE, SIG_DFL);
    signal(SIGINT, SIG_DFL);
    signal(SIGXFSZ, SIG_DFL);
    if (dup2(ends[0], STDIN_FILENO) < 0) _exit(126);
    execl("/bin/sh", "sh", "-c", command, (char *)NULL);
    _exit(127);
  }
  close(ends[0]);
  *process = child;
  return ends[1];
}

int32_t mt_pager_wait(int32_t process) {
  int status;
  return waitpid(process, &status, 0) < 0 && errno == EINTR;
}
