/* The least that can be done with a stream: a process that spins on recv over its connections, finds the end of each
 * websocket frame and the time in it, and notes when it had it. What it is late is the sender's, the kernel's and
 * the scheduler's doing: the ground that a feed handler's ages stand on. */
#ifndef BENCH_PEER_RECV_H
#define BENCH_PEER_RECV_H

#include <sys/types.h>

#include "tf/base.h"

#define TF_PEER_RECV_NAME "bench:peer"

typedef struct tf_peer_recv_config {
  uint16_t        port; /* of a websocket server on the loopback */
  uint32_t        conn_cnt;
  int             cpu;
  uint64_t       *had_ns;   /* (message_cnt), shared: written by the peer; 0: not yet */
  const uint64_t *begin_ns; /* shared: when message 0 is due; 0: not known yet */
  uint64_t        message_cnt;
  uint32_t rate_hz; /* message i is due at begin + i / rate; its "T" says it in microseconds */
} tf_peer_recv_config_t;

/* Forks. The child runs until it is killed, or its parent ends. < 0: errno says. */
pid_t tf_peer_recv_start(const tf_peer_recv_config_t *config);

#endif
