/* The conformance table is itself tested: known-good servers must give the answers that it calls
 * right. python3-websockets and libwebsockets over a loopback socket, each row on a connection of
 * its own. Where a server is known to deviate its list says so; timing decides
 * whether it does.
 *
 *   test_conformance_peers [--peer python|lws] [--id I] [-v] */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../lws_peer.h"
#include "../pump.h"
#include "conf_judge.h"

#define WAIT_MS      1000
#define MESSAGES_MAX 3u
#define BYTES_MAX    ((size_t)1 << 20)
#define PYTHON       "/usr/bin/python3"
#define SCRIPT       "tests/adapters/wire/conformance/peer_conformance.py"

typedef struct deviation {
  const char    *id;
  conf_verdict_t verdict;
} deviation_t;

/* Reads a burst whole before it answers, so what came before a fault may be lost; UTF-8 is looked at
 * when a frame is whole. */
static const deviation_t python_deviations[] = {
    {"3.2",   CONF_NON_STRICT},
    {"3.3",   CONF_NON_STRICT},
    {"3.4",   CONF_NON_STRICT},
    {"4.1.3", CONF_NON_STRICT},
    {"4.1.4", CONF_NON_STRICT},
    {"4.1.5", CONF_NON_STRICT},
    {"4.2.3", CONF_NON_STRICT},
    {"4.2.4", CONF_NON_STRICT},
    {"4.2.5", CONF_NON_STRICT},
    {"5.15",  CONF_NON_STRICT},
    {"6.4.1", CONF_NON_STRICT},
    {"6.4.2", CONF_NON_STRICT},
    {"6.4.3", CONF_NON_STRICT},
    {"6.4.4", CONF_NON_STRICT},
    {NULL,    CONF_OK        },
};

/* Has one ping in flight, answers a close of one byte with that byte, and may lose the echo of what
 * came with a fault. */
static const deviation_t lws_deviations[] = {
    {"2.10",  CONF_FAILED    },
    {"2.11",  CONF_FAILED    },
    {"7.3.2", CONF_FAILED    },
    {"3.2",   CONF_NON_STRICT},
    {"3.3",   CONF_NON_STRICT},
    {"3.4",   CONF_NON_STRICT},
    {"4.1.3", CONF_NON_STRICT},
    {"4.1.4", CONF_NON_STRICT},
    {"4.1.5", CONF_NON_STRICT},
    {"4.2.3", CONF_NON_STRICT},
    {"4.2.4", CONF_NON_STRICT},
    {"4.2.5", CONF_NON_STRICT},
    {"5.15",  CONF_NON_STRICT},
    {NULL,    CONF_OK        },
};

typedef struct peer {
  const char        *name;
  const deviation_t *deviations;
  child_t            child;
  uint16_t           port;
} peer_t;

/* --- a socket as a link --- */

static bool socket_send(void *self, const uint8_t *bytes, size_t cnt) {
  const int fd = *(int *)self;
  while (cnt) {
    const ssize_t n = send(fd, bytes, cnt, MSG_NOSIGNAL);
    if (n <= 0) return false;
    bytes += n;
    cnt -= (size_t)n;
  }
  return true;
}

static bool socket_receive(void *self, conf_bytes_t *to, int wait_ms) {
  static uint8_t bytes[65536];
  const int      fd   = *(int *)self;
  struct pollfd  wait = {.fd = fd, .events = POLLIN};
  while (poll(&wait, 1, wait_ms) == 1) {
    const ssize_t n = recv(fd, bytes, sizeof bytes, 0);
    if (n <= 0) return false;
    conf_put(to, bytes, (size_t)n);
    wait_ms = 0;
  }
  return true;
}

static conf_verdict_t run_case(const peer_t *peer, const conf_case_t *c, char why[256]) {
  static conf_side_t   side;
  int                  fd      = pump_connect(peer->port);
  const struct timeval limit   = {.tv_sec = PUMP_WAIT_S};
  const conf_link_t    link    = {.self = &fd, .send = socket_send, .receive = socket_receive};
  conf_verdict_t       verdict = CONF_FAILED;
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  conf_side_init(&side, false, &link, NULL);
  if (conf_side_open(&side, c, WAIT_MS))
    verdict = conf_play(&side, c, MESSAGES_MAX, WAIT_MS, why);
  else
    snprintf(why, 256, "no upgrade");
  conf_side_fini(&side);
  close(fd);
  return verdict;
}

/* Rows that ask for nothing particular to us: no limits of ours, no handshakes. */
static bool is_for_peers(const conf_case_t *c) {
  if (c->id[0] == 'w') return false;
  return c->bulk.bytes <= BYTES_MAX && c->roles != CONF_CLIENT;
}

static bool is_known(const peer_t *peer, const conf_case_t *c, conf_verdict_t verdict) {
  for (const deviation_t *d = peer->deviations; d->id; d++) {
    if (strcmp(d->id, c->id) == 0 && verdict == d->verdict) return true;
  }
  return verdict == (c->informational ? CONF_INFORMATIONAL : CONF_OK);
}

static unsigned run_peer(const peer_t *peer, const char *id, bool verbose) {
  const conf_case_t *cases;
  const size_t       cnt        = conf_cases(&cases);
  conf_summary_t     rows       = {0};
  unsigned           surprising = 0;
  for (size_t i = 0; i < cnt; i++) {
    char why[256] = "";
    if (!is_for_peers(&cases[i]) || (id && strcmp(cases[i].id, id) != 0)) continue;
    const conf_verdict_t verdict  = run_case(peer, &cases[i], why);
    const bool           expected = is_known(peer, &cases[i], verdict);
    conf_count(&rows, &cases[i], verdict);
    surprising += !expected;
    if (!expected || verbose)
      printf("%-10s %-14s %s: %s\n", cases[i].id, conf_verdict_name(verdict), cases[i].what, why);
  }
  char what[64];
  snprintf(what, sizeof what, "%s server", peer->name);
  conf_print(&rows, what);
  printf("%u rows otherwise than known\n", surprising);
  return surprising;
}

static bool start_python(peer_t *peer) {
  static const char *const argv[] = {PYTHON, SCRIPT, NULL};
  char                     line[32];
  if (access(PYTHON, X_OK) != 0 || system(PYTHON " -c 'import websockets' 2>/dev/null") != 0)
    return false;
  peer->child = child_start(argv);
  if (!child_line(&peer->child, line, sizeof line)) return false;
  peer->port = (uint16_t)atoi(line);
  return true;
}

static bool start_lws(peer_t *peer) {
  int  ends[2];
  char line[32];
  if (pipe2(ends, O_CLOEXEC) != 0) return false;
  fflush(NULL);
  peer->child.pid = fork();
  if (peer->child.pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    lws_peer_serve(ends[1], NULL, NULL);
  }
  close(ends[1]);
  peer->child.out = ends[0];
  if (!child_line(&peer->child, line, sizeof line)) return false;
  peer->port = (uint16_t)atoi(line);
  return true;
}

int main(int argc, char **argv) {
  const char *only = NULL, *id = NULL;
  bool        verbose = false;
  for (int i = 1; i < argc; i++) {
    if (!strcmp(argv[i], "-v"))
      verbose = true;
    else if (!strcmp(argv[i], "--peer") && i + 1 < argc)
      only = argv[++i];
    else if (!strcmp(argv[i], "--id") && i + 1 < argc)
      id = argv[++i];
    else
      return 2;
  }
  static const struct {
    const char *name;
    bool (*start)(peer_t *peer);
    const deviation_t *deviations;
  } peers[] = {
      {"python", start_python, python_deviations},
      {"lws",    start_lws,    lws_deviations   },
  };
  unsigned surprising = 0, ran = 0;
  for (size_t i = 0; i < sizeof peers / sizeof peers[0]; i++) {
    peer_t peer = {.name = peers[i].name, .deviations = peers[i].deviations};
    if (only && strcmp(only, peer.name) != 0) continue;
    if (!peers[i].start(&peer)) {
      printf("skipped: %s is not here\n", peer.name);
      continue;
    }
    surprising += run_peer(&peer, id, verbose);
    child_stop(&peer.child);
    ran++;
  }
  return ran == 0 ? 77 : surprising > 0;
}
