/* A redis-server of the test's own, on a port that was free, with nothing written to disk. */
#ifndef TESTS_REDIS_SERVER_H
#define TESTS_REDIS_SERVER_H

#include <stdbool.h>
#include <sys/types.h>

typedef struct redis_server {
  pid_t pid; /* 0: none runs */
  int   port;
  char  url[64]; /* redis://127.0.0.1:port/1 */
} redis_server_t;

bool redis_server_is_installed(void);
/* port 0: any free one. option NULL: none beside those that it always has. False: it does not listen within ten seconds. */
bool redis_server_start(redis_server_t *server, int port, const char *option, const char *value);
void redis_server_kill(redis_server_t *server); /* at once, connections and all */

#endif
