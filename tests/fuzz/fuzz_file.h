/* For targets whose parser opens a file by name: the input as a file in memory. */
#ifndef TESTS_FUZZ_FILE_H
#define TESTS_FUZZ_FILE_H

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* One file a process, of this name in /dev/shm: written anew by each input. */
static inline const char *fuzz_file(const char *name, const void *bytes, size_t cnt) {
  static char path[96];
  snprintf(path, sizeof path, "/dev/shm/%s-%d", name, (int)getpid());
  int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);
  if (fd < 0 || write(fd, bytes, cnt) != (ssize_t)cnt) abort();
  close(fd);
  return path;
}

#endif
