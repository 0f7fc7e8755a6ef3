#include "redis_server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

bool redis_server_is_installed(void) { return access("/usr/bin/redis-server", X_OK) == 0; }

static int socket_at(int port, struct sockaddr_in *at) {
  *at = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  at->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static int free_port(void) {
  struct sockaddr_in at;
  socklen_t          bytes = sizeof at;
  int                fd = socket_at(0, &at), port = 0;
  if (bind(fd, (struct sockaddr *)&at, sizeof at) == 0 &&
      getsockname(fd, (struct sockaddr *)&at, &bytes) == 0)
    port = ntohs(at.sin_port);
  close(fd);
  return port;
}

static bool listens(int port) {
  struct sockaddr_in at;
  int                fd   = socket_at(port, &at);
  bool               good = connect(fd, (struct sockaddr *)&at, sizeof at) == 0;
  close(fd);
  return good;
}

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
    if (listens(s->port)) return true;
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
