/* A connection to NATS through libnats, made and read so that its owner's thread (a sink's or a source's) never waits for it:
 *
 *   dialing   natsConnection_Connect waits (names, TCP, TLS, login), so a thread made for it does that and
 *             ends; libnats would wait for the greeting of a socket that is connected to itself, so servers where that
 *             could be (tf_peer_look) are looked at before, and those that are away are not tried; libnats' own reconnecting is off, and a connection that broke is given up for a new one. So
 *             nothing that was sent on one can come back on another.
 *   I/O       libnats' event-loop mode: no reader thread, publishing only appends to a buffer, and reading and
 *             writing happen in wait, on that thread. libnats' timer thread may write a PING.
 *
 *   guard     libnats is handed one end of a socket pair in the place of its TCP socket, once it has logged in; what the
 *             server says goes through nats_guard.h first. Not under TLS, where libnats itself must read: there
 *             the server is one that the CA vouches for.
 *
 * Secrets are read anew for each connection, so that they may be changed under way. */
#ifndef TF_BROKER_NATS_LINK_H
#define TF_BROKER_NATS_LINK_H

#include <nats/nats.h>
#include <pthread.h>

#include "broker/nats_guard.h"
#include "tf/broker.h"

#define TF_NATS_SERVERS_MAX 16u
#define TF_NATS_INBOX_BYTES 64u
#define TF_NATS_TEXT_BYTES  256u
#define TF_NATS_OUT_BYTES   (64u << 10)
#define TF_NATS_IN_BYTES                                                                           \
  (16u << 10) /* less than libnats reads at once, so that nothing is left in the pair */
#define TF_NATS_ANSWER_BYTES 1024u /* of one that is taken before libnats */

/* What differs by what the connection is for. */
typedef struct tf_nats_limits {
  uint32_t connect_ms; /* of each step: look-up and TCP, then login */
  uint32_t ping_ms;    /* two unanswered: the connection is broken */
  uint32_t payload_bytes_max;
} tf_nats_limits_t;

typedef enum tf_nats_link_state {
  TF_NATS_LINK_NONE,
  TF_NATS_LINK_DIALING,
  TF_NATS_LINK_UP,
  TF_NATS_LINK_DOWN /* refused or broken: text says why; hang_up, then dial again */
} tf_nats_link_state_t;

typedef struct tf_nats_link {
  tf_broker_config_t   config;
  tf_nats_limits_t     limits;
  tf_nats_link_state_t state; /* the owner's thread */
  pthread_t            dialer;
  natsConnection      *nc;
  natsSubscription    *sub;
  int                  fd;      /* libnats' */
  int                  wire_fd; /* the TCP socket, and our end of the pair; -1: under TLS */
  int                  pair_fd;
  size_t               out_at, out_end;
  char                 out[TF_NATS_OUT_BYTES]; /* not yet on the wire */
  bool                 is_between;             /* the last in out is the end of a message */
  tf_nats_guard_t      guard;
  bool
      takes_answers; /* the owner's, before the first dial: what comes waits for tf_nats_link_answer */
  bool     is_answer; /* the payload that comes next is of one */
  size_t   in_at, in_end, answer_cnt;
  uint64_t token;
  char     in[TF_NATS_IN_BYTES], answer[TF_NATS_ANSWER_BYTES];
  char     inbox[TF_NATS_INBOX_BYTES]; /* "_INBOX.x.": what is behind says what is answered */
  char     text[TF_NATS_TEXT_BYTES];
  uint64_t dialed;      /* the dialer sets it last, with release */
  uint32_t wants_write; /* libnats' calls set it, on whichever thread */
} tf_nats_link_t;

/* Checks what the config says, the secrets too. E_BROKER_CONFIG, or what reading a secret gives. */
tf_err_t tf_nats_link_init(tf_nats_link_t *link, const tf_broker_config_t *config);
void     tf_nats_link_fini(tf_nats_link_t *link);

/* Other limits than those of a connection that answers alone come over. Before the first dial. */
void tf_nats_link_limit(tf_nats_link_t *link, const tf_nats_limits_t *limits);

void tf_nats_link_dial(tf_nats_link_t *link);    /* NONE only */
void tf_nats_link_hang_up(tf_nats_link_t *link); /* UP or DOWN to NONE */

/* Reads and writes; waits up to wait_ns for either. */
tf_nats_link_state_t tf_nats_link_wait(tf_nats_link_t *link, uint64_t wait_ns);

/* A message in the protocol's own form (HPUB ...), behind what libnats has said, without its copies: room for
 * bytes of it, or NULL: not now. put: so many of them are the message. Only where tf_nats_link_writes, with all messages whose order
 * matters; not under TLS, where libnats writes. */
bool  tf_nats_link_writes(const tf_nats_link_t *link, size_t bytes_max);
char *tf_nats_link_room(tf_nats_link_t *link, size_t bytes);
void  tf_nats_link_put(tf_nats_link_t *link, size_t bytes);

/* An answer to the inbox with a number behind, as it came over the wire and without libnats' copies: the next one, and all before it
 * that is none goes to libnats. False: there is no other yet. Only where takes_answers; what is longer than TF_NATS_ANSWER_BYTES, has
 * headers, or comes by TLS, tf_nats_link_next has. */
typedef struct tf_nats_answer {
  uint64_t    token;
  const char *bytes; /* until the next call */
  size_t      bytes_cnt;
} tf_nats_answer_t;

bool tf_nats_link_answer(tf_nats_link_t *link, tf_nats_answer_t *answer);

/* The next message to the inbox, or NULL. *no_responders: there is nobody to answer a request. The caller
 * destroys it. */
natsMsg *tf_nats_link_next(tf_nats_link_t *link, bool *no_responders);

#endif
