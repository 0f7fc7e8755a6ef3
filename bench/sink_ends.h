/* The other ends of the sinks, each a process, so that what they take is told apart from what the engine takes: servers
 * (nats-server, redis-server, librdkafka's mock cluster, a receiver of posts), which stay for all runs of a sink, and
 * readers of one run. One thread; a test program's means: what goes wrong ends the process with a word. */
#ifndef BENCH_SINK_ENDS_H
#define BENCH_SINK_ENDS_H

#include <sys/types.h>

#include "tf/base.h"

#define SINK_END_RUNS_MAX 8u
#define SINK_END_TOPIC    "%s%u" /* of the mock cluster: "ours" or "peer", and the run's number */

typedef struct sink_end {
  const char *type; /* the sink's */
  pid_t       pid;  /* 0: nobody */
  bool        is_server;
  int         port;
  char        url[160];  /* for the sink: a url, or of unix, shm and journal the path */
  int         fd;        /* which the writer writes to: stdout's pipe, a peer's socket; -1: none */
  int         reader_fd; /* the reader's own until it is started */
  uint64_t    cpu_ns;    /* of a reader that has ended */
} sink_end_t;

/* Prints what, where and why, and ends. */
void sink_end_die(const char *what, const char *why) __attribute__((noreturn));

/* dir: of files, the caller's to remove. A server of this type is started; a program that is not installed is false. */
bool sink_end_serve(sink_end_t *end, const char *type, const char *dir);
/* For one run: an address for a sink of this type and its reader's socket, if it wants one beforehand. */
void sink_end_prepare(sink_end_t *end, const char *type, const char *dir, uint32_t run);
/* For one run of the peer: fd is connected with the reader, over the kind of socket that the sink has. */
void sink_end_pair(sink_end_t *end, const char *type);
/* Starts the reader: of a sink until it has record_cnt records, of a peer's bytes until they end. */
void sink_end_read(sink_end_t *end, uint64_t record_cnt);
void sink_end_read_bytes(sink_end_t *end, uint64_t byte_cnt);
/* Until the reader has ended. Has it got all? */
bool sink_end_wait(sink_end_t *end);
/* What the server has taken so far, or the reader in all once it has ended; 0 before, and of nobody. */
uint64_t sink_end_cpu_ns(const sink_end_t *end);
void     sink_end_stop(sink_end_t *end);

#endif
