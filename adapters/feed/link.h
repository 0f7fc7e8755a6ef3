/* One websocket connection of a session on its lane: an attached socket, perhaps a TLS stream, the
 * frame parser, the client's duties (answer pings, probe a silent peer, pace its own messages,
 * close in order). A session has two, so that a new connection can be up before the old one goes.
 *
 * All on the lane's thread. Nothing is allocated: what OpenSSL wants for a record comes from its
 * pool (wire/tls_pool.h), which the binary installs before OpenSSL is used. */
#ifndef FEED_LINK_H
#define FEED_LINK_H

#include "core/arena.h"
#include "feed/dialer.h"
#include "tf/feed.h"
#include "tf/io.h"
#include "tf/source.h"
#include "wire/ws.h"

/* Why it ended (tf/source.h). */
typedef enum tf_link_end {
#define TF_LINK_END_ENUM_(id, name) TF_LINK_END_##id,
  TF_LEG_ENDS(TF_LINK_END_ENUM_)
#undef TF_LINK_END_ENUM_
} tf_link_end_t;

typedef enum tf_link_state {
  TF_LINK_IDLE,
  TF_LINK_DIALING, /* the dial is with the dialer */
  TF_LINK_UP,
  TF_LINK_DRAINING /* ended for the session; our last bytes are on their way */
} tf_link_state_t;

typedef struct tf_link tf_link_t;

typedef struct tf_link_handler {
  void *self;
  void (*on_message)(void *self, tf_link_t *link, tf_ws_opcode_t opcode, const uint8_t *bytes,
                     size_t bytes_cnt);
  /* After each receive: the ledger may be read. */
  void (*on_received)(void *self, tf_link_t *link);
  /* link->end says why. The link may be dialled again once its state is IDLE. */
  void (*on_end)(void *self, tf_link_t *link);
} tf_link_handler_t;

typedef struct tf_link_config {
  size_t         message_bytes_max;
  uint32_t       fragments_max;
  uint64_t       client_gap_ns;   /* between messages of ours: the venue's limit */
  uint64_t       pong_gap_ns;     /* between answers to pings */
  uint64_t       ping_idle_ns;    /* silence after which we ask; 0 never */
  uint64_t       pong_wait_ns;    /* for an answer, if this peer ever gave one */
  uint64_t       ping_busy_ns;    /* without silence, how often we ask; 0 never */
  uint64_t       pong_busy_ns;    /* for an answer then: data may be before it */
  uint64_t       silence_ns;      /* nothing at all; 0: no limit */
  uint64_t       data_silence_ns; /* no message; 0: no limit */
  uint64_t       drain_ns;        /* for our last bytes to leave */
  size_t         send_bytes_max;  /* the largest message of ours */
  bool           deflate;         /* offer permessage-deflate; its memory is taken at init */
  tf_ws_random_t random;
} tf_link_config_t;

/* Bytes of the websocket stream, over all connections of this link. */
typedef struct tf_link_ledger {
  uint64_t rx, framed, partial, rejected;
} tf_link_ledger_t;

#define TF_LINK_REQUESTS_MAX 64u

typedef struct tf_link_text {
  uint32_t bytes_cnt;
  char     bytes[TF_FEED_REPLY_BYTES];
} tf_link_text_t;

struct tf_link {
  tf_link_state_t   state;
  tf_link_end_t     end;
  tf_err_t          end_err;         /* of PROTOCOL, TLS, RESET; else 0 */
  int               end_errno;       /* of RESET */
  uint16_t          peer_close_code; /* of PEER_CLOSE */
  tf_io_t          *io;
  tf_io_conn_t      conn;
  tf_link_config_t  config;
  tf_link_handler_t handler;
  tf_dial_t         dial;
  tf_ws_t           ws;
  uint8_t          *assembly;
  uint8_t          *plain;   /* decrypted bytes: a record with TF_BYTES_PAD behind */
  tf_ws_deflate_t   deflate; /* in use where the dial agreed on it */
  uint8_t          *frame;   /* a frame of ours being made */
  size_t            frame_cap;
  tf_link_ledger_t  past; /* of connections that are over */
  uint64_t          now_ns, recv_ns;
  uint64_t          up_ns, rx_ns, data_ns; /* when it came up, last bytes, last message */
  uint64_t          ping_ns;               /* of the ping that is unanswered; 0 none */
  uint64_t          send_due_ns, pong_due_ns, drain_due_ns;
  uint64_t          message_cnt;      /* of this connection */
  uint32_t          subscribe_idx;    /* the session's: next message to send */
  bool              subscribed;       /* the session's: all of them are out */
  uint64_t          heartbeat_due_ns; /* the session's */
  uint32_t          pings_sent;       /* on this connection */
  uint64_t          asked_ns;         /* of the oldest ping without a pong, whatever else came */
  uint64_t          asked_pongs;      /* pongs that had come then */
  bool              is_doubtful;      /* data comes and pongs do not: our bytes may not arrive */
  uint32_t          reply_cnt;        /* of the answer that waits; 0 none */
  char              reply[TF_FEED_REPLY_BYTES];
  tf_link_text_t    requests[TF_LINK_REQUESTS_MAX]; /* a ring: of the decoder's own, that wait */
  uint32_t          request_at, request_cnt;
  bool              feeding;   /* inside the parser: a close waits for its return */
  tf_link_end_t     close_end; /* the close that waits */
  uint16_t          close_code;
  uint64_t          pings_rx, pongs_tx, pings_tx;
};

size_t   tf_link_arena_bytes(const tf_link_config_t *config);
tf_err_t tf_link_init(tf_link_t *link, const tf_link_config_t *config, tf_io_t *io,
                      const tf_link_handler_t *handler, tf_arena_t *arena);
void     tf_link_fini(tf_link_t *link); /* the dialer has not got the dial */

/* The dial is back and is good: attaches its socket. On failure on_end is called before this
 * returns. */
void tf_link_start(tf_link_t *link, uint64_t now_ns);

/* Reads what came glued behind the upgrade; apart from the start, so that the session has told its
 * feed of the new connection before the first message comes. */
void tf_link_feed_leftover(tf_link_t *link, uint64_t recv_ns);

/* A good dial that nobody needs: closes what it brought. */
void tf_link_discard(tf_link_t *link);

/* The lane was held up for so long: it does not count as the peer's silence. */
void tf_link_excuse(tf_link_t *link, uint64_t held_ns);

/* Timers, at least every few ms. Returns work done. */
int tf_link_tick(tf_link_t *link, uint64_t now_ns);

/* Sends a text message if the pace allows it now; false if not yet. */
bool tf_link_send_text(tf_link_t *link, const char *text, size_t cnt);

/* An answer that the peer wants at once (its heartbeat's echo), at most TF_FEED_REPLY_BYTES: goes out now, or
 * as soon as the pace allows, before anything else; the newest counts. */
void tf_link_reply(tf_link_t *link, const char *text, size_t cnt);
/* A request of the decoder's: goes out in its turn, behind others like it. One that waits already does so once.
 * False: TF_LINK_REQUESTS_MAX wait, and it is dropped: the stream whose data it should bring is asked for again when
 * they are overdue (streams.h). */
bool tf_link_ask(tf_link_t *link, const char *text, size_t cnt);

/* Ends it with a close frame of this code, and calls on_end with that reason; from inside
 * on_message that waits until the parser has returned, and no further message comes. */
void tf_link_close(tf_link_t *link, tf_link_end_t end, uint16_t close_code);

tf_link_ledger_t tf_link_ledger(const tf_link_t *link);
const char      *tf_link_end_name(tf_link_end_t end);

#endif
