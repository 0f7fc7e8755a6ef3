#include "redis_server.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "free_port.h"

bool redis_server_is_installed(void) { return access("/usr/bin/redis-server", X_OK) == 0; }

bool redis_server_start(redis_server_t *s, int port, const char *option, const char *value) {
  char text[16];
  s->port = port ? port : free_port();
  snprintf(text, sizeof text, "%d", s->port);
  snprintf(s->url, sizeof s->url, "redis://127.0.0.1:%d/1", s->port);
  s->pid = fork();
  if (s->pid == 0) {
    int null = open("/dev/null", O_RDWR);
    dup2(null, STDOUT_FILENO);
    dup2(null, STDERR_FILENO);
    execl("/usr/bin/redis-server", "redis-server", "--port", text, "--bind", "127.0.0.1", "--save",
          "", "--appendonly", "no", option, value, (char *)NULL);
    _exit(127);
  }
  for (int i = 0; i < 1000; i++) {
    if (is_listened_to(s->port)) return true;
    nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
  }
  redis_server_kill(s);
  return false;
}

void redis_server_kill(redis_server_t *s) {
  if (s->pid <= 0) return;
  kill(s->pid, SIGKILL);
  waitpid(s->pid, NULL, 0);
  s->pid = 0;
}
