#include "off_core.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static uint64_t read_waited(int fd) {
  char    text[96];
  ssize_t cnt = pread(fd, text, sizeof text - 1, 0);
  if (cnt <= 0) return 0;
  text[cnt]         = '\0';
  const char *space = strchr(text, ' ');
  return space ? strtoull(space + 1, NULL, 10) : 0;
}

static bool has_name(int pid, const char *task, const char *name) {
  char path[320], text[32] = "";
  snprintf(path, sizeof path, "/proc/%d/task/%s/comm", pid, task);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  ssize_t cnt = read(fd, text, sizeof text - 1);
  close(fd);
  text[cnt > 0 ? cnt : 0]   = '\0';
  text[strcspn(text, "\n")] = '\0';
  return strcmp(text, name) == 0;
}

void tf_off_core_init(tf_off_core_t *watch, uint8_t *marks, uint64_t slot_cnt) {
  *watch = (tf_off_core_t){.marks = marks, .slot_cnt = slot_cnt};
}

bool tf_off_core_add(tf_off_core_t *watch, int pid, const char *name) {
  char           path[320];
  struct dirent *task;
  int            fd = -1;
  snprintf(path, sizeof path, "/proc/%d/task", pid);
  DIR *tasks = watch->thread_cnt < TF_OFF_CORE_THREADS_MAX ? opendir(path) : NULL;
  if (!tasks) return false;
  while (fd < 0 && (task = readdir(tasks)) != NULL) {
    if (task->d_name[0] == '.' || (name && !has_name(pid, task->d_name, name))) continue;
    snprintf(path, sizeof path, "/proc/%d/task/%s/schedstat", pid, task->d_name);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) break;
  }
  closedir(tasks);
  if (fd >= 0) watch->fds[watch->thread_cnt++] = fd;
  return fd >= 0;
}

void tf_off_core_begin(tf_off_core_t *watch, uint64_t now_ns) {
  watch->begin_ns = watch->read_ns = now_ns;
  for (uint32_t i = 0; i < watch->thread_cnt; i++) watch->waited_ns[i] = read_waited(watch->fds[i]);
}

void tf_off_core_poll(tf_off_core_t *watch, uint64_t now_ns) {
  uint64_t longest_ns = 0;
  if (now_ns < watch->read_ns + TF_OFF_CORE_SLOT_NS) return;
  for (uint32_t i = 0; i < watch->thread_cnt; i++) {
    uint64_t waited_ns = read_waited(watch->fds[i]), off_ns = waited_ns - watch->waited_ns[i];
    watch->waited_ns[i] = waited_ns;
    watch->off_ns += off_ns;
    if (off_ns > longest_ns) longest_ns = off_ns;
  }
  /* A wait is counted when it is over: it may have begun before the last read. */
  uint64_t since_ns = watch->read_ns - watch->begin_ns;
  uint64_t slot     = since_ns > longest_ns ? (since_ns - longest_ns) / TF_OFF_CORE_SLOT_NS : 0;
  uint64_t slot_end = (now_ns - watch->begin_ns) / TF_OFF_CORE_SLOT_NS;
  watch->read_ns    = now_ns;
  for (; longest_ns > TF_OFF_CORE_MARK_NS && slot <= slot_end && slot < watch->slot_cnt; slot++)
    watch->marks[slot] = 1;
}

bool tf_off_core_touches(const tf_off_core_t *watch, uint64_t from_ns, uint64_t to_ns) {
  uint64_t slot     = (from_ns - watch->begin_ns) / TF_OFF_CORE_SLOT_NS;
  uint64_t slot_end = (to_ns - watch->begin_ns) / TF_OFF_CORE_SLOT_NS;
  if (from_ns < watch->begin_ns || slot_end >= watch->slot_cnt) return true;
  for (slot -= slot > 0; slot <= slot_end; slot++)
    if (watch->marks[slot]) return true;
  return false;
}

uint64_t tf_off_core_stolen_ns(void) {
  unsigned long long ticks = 0;
  FILE              *file  = fopen("/proc/stat", "re");
  if (!file) return 0;
  if (fscanf(file, "cpu %*u %*u %*u %*u %*u %*u %*u %llu", &ticks) != 1) ticks = 0;
  fclose(file);
  return ticks * (TF_NS_PER_SEC / (uint64_t)sysconf(_SC_CLK_TCK));
}

void tf_off_core_fini(tf_off_core_t *watch) {
  for (uint32_t i = 0; i < watch->thread_cnt; i++) close(watch->fds[i]);
  watch->thread_cnt = 0;
}
