/* The clients of a listener (unix, tcp, websocket): their hello, their queues, what each is sent, and
 * why one is let go. It knows bytes and times and no socket: a transport accepts, reads and writes
 * (streams.h, websocket.c), so that all of it is tested without one.
 *
 *   records --publish--> [backlog: the last slot_cnt] --> each client that is LIVE: [queue: outq] --> tx
 *                                  \--> a client that catches up reads here, and before that the
 *                                       journal (history.h), at its own pace: it is dropped nothing
 *
 * A client: HELLO until it has said who it is and from where on it wants; CATCHUP while it reads what is
 * older; LIVE from the moment when it has all that the backlog has: from there on records go into a queue
 * of its own, and its policy says what becomes of those that do not fit:
 *   drop_newest   what comes while the queue is full, and until it has been emptied, is dropped: one LOST
 *   drop_oldest   what waits longest is dropped: LOST before the next record
 *   conflate      of an instrument and strategy the latest; holes are normal, there is no LOST
 *   disconnect    END, reason SLOW, with the next sequence; it may come back with resume_from
 * Sequences without holes (decisions, events): every jump in what a client is sent is a LOST frame with
 * exactly that range, whoever dropped it.
 *
 * Bounds: clients_max clients; of each client_slots records and TF_SINK_CLIENT_TX_BYTES of frames; a hello of
 * TF_HELLO_BYTES_MAX in TF_SINK_CLIENT_HELLO_NS_MAX; TF_SINK_CLIENT_SOCKET_BYTES of the kernel's; a write that does not go on for TF_SINK_CLIENT_WRITE_NS_MAX.
 *
 * One thread, the sink's own. Memory is one block of the caller's; only a JSON hello allocates. now_ns:
 * any clock that does not step back, from 1 on. */
#ifndef TF_SINK_CLIENTS_H
#define TF_SINK_CLIENTS_H

#include "core/secret.h"
#include "sink/backlog.h"
#include "sink/egress.h"
#include "sink/frame_out.h"
#include "sink/hello.h"
#include "sink/history.h"
#include "sink/outq.h"

#define TF_SINK_CLIENT_HELLO_NS_MAX (2 * TF_NS_PER_SEC)
#define TF_SINK_CLIENT_WRITE_NS_MAX (30 * TF_NS_PER_SEC)
#define TF_SINK_CLIENT_END_NS_MAX   TF_NS_PER_SEC /* for an END to be taken */
/* A beat is due twice a period, so that a late pass does not break the promise. */
#define TF_SINK_CLIENT_BEAT_NS (TF_FRAME_HEARTBEAT_NS / 2)
/* Of the kernel's send buffer: what lies there is stale when a slow client comes to read it. */
#define TF_SINK_CLIENT_SOCKET_BYTES (256 << 10)
#define TF_SINK_CLIENT_TX_BYTES     65536u
#define TF_SINK_CLIENT_HISTORY_NS_MAX                                                              \
  TF_NS_PER_SEC /* a journal may lag so long behind the backlog */
#define TF_CLIENTS_MAX               4096u
#define TF_CLIENTS_DEFAULT           64u
#define TF_SINK_CLIENT_SLOTS_DEFAULT 1024u
#define TF_CLIENTS_BACKLOG_DEFAULT   65536u
#define TF_CLIENTS_BATCH_DEFAULT     256u
#define TF_SINK_CLIENT_PEER_BYTES    64

/* Of every sink that has clients. */
#define TF_SINK_CLIENT_POLICIES                                                                    \
  (TF_OVERFLOW_BIT(TF_OVERFLOW_DROP_NEWEST) | TF_OVERFLOW_BIT(TF_OVERFLOW_DROP_OLDEST) |           \
   TF_OVERFLOW_BIT(TF_OVERFLOW_CONFLATE) | TF_OVERFLOW_BIT(TF_OVERFLOW_DISCONNECT))
#define TF_SINK_CLIENT_POLICY TF_OVERFLOW_DROP_OLDEST

typedef enum tf_sink_client_phase {
  TF_SINK_CLIENT_FREE,
  TF_SINK_CLIENT_HELLO,
  TF_SINK_CLIENT_CATCHUP,
  TF_SINK_CLIENT_LIVE,
  TF_SINK_CLIENT_ENDING, /* END is to be written, or waits to be sent */
} tf_sink_client_phase_t;

typedef struct tf_client {
  uint8_t       phase; /* tf_sink_client_phase_t */
  bool          welcomed, end_written;
  bool          older;       /* the journal may have what it wants */
  bool          token_shown; /* by the transport: it needs none in the hello */
  bool          has_more;    /* it would go on at once if it were called again */
  uint8_t       end_reason;  /* tf_frame_reason_t */
  char          end_text[TF_FRAME_TEXT_BYTES];
  char          peer[TF_SINK_CLIENT_PEER_BYTES];
  uint64_t      began_ns;  /* HELLO: connected; ENDING: since */
  uint64_t      told_ns;   /* the last frame was written */
  uint64_t      stuck_ns;  /* what is in tx waits since; 0: nothing does */
  uint64_t      next_seq;  /* the first that it was neither sent nor told of; 0: none known */
  uint64_t      prev_seq;  /* sent last; 0: none */
  uint64_t      hello_pos; /* of the backlog, when it came */
  uint64_t      asked_ns;  /* CATCHUP: the journal has nothing more since; 0: it has */
  uint64_t      gap_first, gap_last, gap_cnt; /* LIVE, drop_newest: dropped behind what is queued */
  uint32_t      told_cnt;                     /* of the list of instruments */
  size_t        tx_at, tx_cnt;                /* tx[tx_at, tx_cnt) waits to be sent */
  uint8_t      *tx;
  uint32_t      rx_cnt;
  uint8_t       rx[TF_HELLO_BYTES_MAX];
  void         *queue_memory;
  tf_outq_t    *queue;   /* from LIVE on */
  tf_history_t *history; /* NULL: the sink has none */
} tf_sink_client_t;

typedef struct tf_clients {
  tf_sink_config_t    config; /* with defaults filled in */
  tf_outlet_counts_t *counts;
  uint64_t            refused[TF_FRAME_REASON_CNT]; /* by reason, as are ended */
  uint64_t            ended[TF_FRAME_REASON_CNT];   /* of those that had been welcomed */
  bool                wants_token, contiguous, stopping;
  char                token[TF_FRAME_TOKEN_BYTES_MAX + 1];
  uint32_t            token_bytes;
  tf_outq_config_t    queue;
  size_t              tx_cap, record_bytes_max; /* of a record with a LOST and a header before it */
  tf_backlog_t        backlog;
  uint32_t *instrument_list, instrument_list_cnt; /* ids, each again when its price is known */
  uint32_t  label_cnt;                            /* of labels that are listed */
  uint8_t  *instrument_priced;
  uint32_t  instrument_cnt, unpriced_cnt;
  uint64_t  priced_ns; /* prices were looked at */
  uint8_t  *scratch;   /* records on their way from a queue to tx */
  uint32_t  scratch_cnt;
  struct tf_clients_log {
    uint64_t ns, held;
  } logs[TF_FRAME_REASON_CNT]; /* of those that are let go: a line a second for each reason */
  tf_sink_client_t *clients;   /* config.clients_max */
} tf_clients_t;

/* Of all but sizes the config may still be empty. 0: a size is out of its range. */
size_t tf_clients_bytes(const tf_sink_config_t *config);
/* The longest message, and what one client's frames may take. */
size_t tf_clients_tx_bytes(const tf_sink_config_t *config);
/* memory: tf_clients_bytes, TF_LINE_PAIR_BYTES aligned. E_SINK_CONFIG names the key; E_FILE_OPEN and
 * E_FEED_KEY of the token's file. counts: of the outlet, added to. */
tf_err_t tf_clients_init(tf_clients_t **clients, void *memory, const tf_sink_config_t *config,
                         tf_outlet_counts_t *counts);
void     tf_clients_fini(tf_clients_t *clients); /* forgets the token, closes files */

/* Takes the first k <= n records into the backlog and the queues, and returns k. */
uint32_t tf_clients_publish(tf_clients_t *clients, const tf_out_t *outs, uint32_t n,
                            uint64_t now_ns);

/* A connection that was accepted; NULL: clients_max are there, counted and logged: the transport says END
 * by tf_clients_full and closes. token_shown: the transport has seen the right token. */
tf_sink_client_t *tf_clients_admit(tf_clients_t *clients, const char *peer, bool token_shown,
                                   uint64_t now_ns);
/* Somebody who does not become a client: counted and logged. */
void tf_clients_refuse(tf_clients_t *clients, const char *peer, tf_frame_reason_t reason,
                       const char *text, uint64_t now_ns);
/* The END of a client for which there is no place; out has TF_FRAME_OUT_BYTES_MAX bytes. */
size_t tf_clients_full(const tf_clients_t *clients, uint8_t *out);
/* Is this the sink's token? Takes as long for any text of a length. */
bool tf_clients_token_is(const tf_clients_t *clients, const char *token, size_t cnt);
/* Bytes that it sent. */
void tf_sink_client_said(tf_clients_t *clients, tf_sink_client_t *client, const uint8_t *bytes,
                         size_t cnt, uint64_t now_ns);
/* Sends it away: END with this reason. Counted and logged. text: printable ASCII without quotes. */
void tf_sink_client_let_go(tf_clients_t *clients, tf_sink_client_t *client,
                           tf_frame_reason_t reason, const char *text, uint64_t now_ns);
/* The connection is gone. */
void tf_sink_client_left(tf_clients_t *clients, tf_sink_client_t *client);

/* What is to be sent to it now: whole messages (tf_frame_out_message), but for the rest of one that was sent in
 * part. *cnt 0: nothing. Writes the next ones when all were sent. */
const uint8_t *tf_sink_client_tx(tf_clients_t *clients, tf_sink_client_t *client, size_t *cnt,
                                 uint64_t now_ns);
void           tf_sink_client_sent(tf_sink_client_t *client, size_t cnt, uint64_t now_ns);
/* Deadlines. True: the connection is to be closed now, and tf_sink_client_left called. */
bool tf_sink_client_over(tf_clients_t *clients, tf_sink_client_t *client, uint64_t now_ns);
/* No more records come: END, reason CLOSED, to each that has all of them. */
void tf_clients_stop(tf_clients_t *clients, uint64_t now_ns);
/* Would a client go on at once? Then nobody is to wait. */
bool tf_clients_have_more(const tf_clients_t *clients);
/* Has a client something that was not sent yet, whether its connection has room or not? */
bool tf_clients_have_unsent(const tf_clients_t *clients);

#endif
