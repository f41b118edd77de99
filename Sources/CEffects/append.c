#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "performer.h"

// Lines at the end of a file below a folder, on disk when the call returns. No link is followed on the way,
// so that nobody leads a line out of the folder.

/// The folder that holds the last part of `file`, made where it is missing; `*name` is that part.
static int open_folder(const char *root, const char *file, const char **name) {
  int folder = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  while (folder >= 0) {
    const char *slash = strchr(file, '/');
    if (slash == NULL) break;
    char part[256];
    size_t count = (size_t)(slash - file);
    if (count >= sizeof part) {
      close(folder);
      errno = ENAMETOOLONG;
      return -1;
    }
    memcpy(part, file, count);
    part[count] = 0;
    int inner = -1;
    if (mkdirat(folder, part, 0777) == 0 || errno == EEXIST) {
      inner = openat(folder, part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    }
    int failed = errno;
    close(folder);
    errno = failed;
    folder = inner;
    file = slash + 1;
  }
  *name = file;
  return folder;
}

static int write_all(int descriptor, const uint8_t *bytes, size_t count) {
  while (count > 0) {
    ssize_t written = write(descriptor, bytes, count);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno;
    bytes += written;
    count -= (size_t)written;
  }
  return 0;
}

static int append(int descriptor, const uint8_t *bytes, size_t count) {
  struct stat status;
  if (fstat(descriptor, &status) != 0) return errno;
  if (!S_ISREG(status.st_mode)) return EINVAL;
  // What a cut line left gets a line of its own.
  char last = '\n';
  if (status.st_size > 0 && pread(descriptor, &last, 1, status.st_size - 1) < 0) return errno;
  int failed = last == '\n' ? 0 : write_all(descriptor, (const uint8_t *)"\n", 1);
  if (failed == 0) failed = write_all(descriptor, bytes, count);
  if (failed == 0 && fdatasync(descriptor) != 0) failed = errno;
  return failed;
}

int32_t mt_effects_append(const char *root, const char *file, const uint8_t *bytes, size_t count) {
  const char *name;
  int folder = open_folder(root, file, &name);
  if (folder < 0) return errno;
  int descriptor =
      openat(folder, name, O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0666);
  int failed = descriptor < 0 ? errno : append(descriptor, bytes, count);
  // A name is durable only in a folder that is.
  if (failed == 0 && fsync(folder) != 0) failed = errno;
  if (descriptor >= 0) close(descriptor);
  close(folder);
  return failed;
}
