/* libtickfuse_client: reads what a tickfuse engine gives out, from wherever it gives it, through one
 * handle. C and C++; link with `pkg-config --cflags --libs tickfuse_client`.
 *
 *     tf_client_options_t options = TF_CLIENT_OPTIONS;
 *     tf_client_message_t message;
 *     char                error[TF_CLIENT_ERROR_BYTES];
 *     tf_client_t        *client = tf_client_open("shm:decisions", &options, error, sizeof error);
 *     if (client == NULL) { puts(error); exit(1); }
 *     for (;;)
 *       switch (tf_client_next(client, &message)) {
 *       case TF_CLIENT_RECORD: act((const tf_decision_t *)message.record); break;
 *       case TF_CLIENT_LOST:   report(message.lost_from, message.lost_to); break;
 *       case TF_CLIENT_DOWN:   stop_trading(tf_client_error(client)); break;
 *       case TF_CLIENT_IDLE:   tf_client_wait(client, UINT64_C(1000000000)); break;
 *       case TF_CLIENT_END:    tf_client_close(client); return;
 *       default: break;
 *       }
 *
 * Sources, by URL:
 *     shm:NAME                a shared-memory stream of this host (a sink of type shm)
 *     unix:/PATH              a listener's Unix socket
 *     tcp://HOST:PORT         a listener; tls://HOST:PORT the same over TLS, which is verified
 *     ws://HOST:PORT/PATH     a listener that speaks websocket; wss:// over TLS
 *     udp://GROUP:PORT,GROUP:PORT/INTERFACE   datagrams of a udp sink, line A and, if there is one, B; the interface
 *                             only where the kernel is not to choose. Not authenticated; names of instruments come in turn, behind the first records
 *     journal:FILE            a journal, its later segments too; with TF_CLIENT_FOLLOW as it grows
 *
 * Sequences. A record has one, which only rises: decision_seq, or ingest_seq of other kinds; of shm the
 * stream's own. What the client delivers is without holes and without doubles, but for what it tells
 * as LOST, exactly. A connection that breaks is made again by the client itself, with a pause that
 * doubles from 100 ms to 5 s, and goes on behind the last record delivered. A sequence that begins
 * anew (an engine that keeps nothing was started again) is told as UP with reason RESTARTED.
 *
 * One thread a handle; different handles are independent. After open nothing is allocated, but what
 * OpenSSL takes for the handshake of a reconnect. next never blocks. A host's name is resolved by
 * open only.
 *
 * ABI. Structures that the caller makes say their size first, so that they may grow; others have room
 * in reserve. Within one major version (also the .so's) nothing is taken away or changes meaning. */
#ifndef TICKFUSE_CLIENT_H
#define TICKFUSE_CLIENT_H

#include "tf/decision.h"
#include "tf/event.h"
#include "tf/frame.h"

#ifdef __cplusplus
extern "C" {
#endif

#define TF_CLIENT_VERSION_MAJOR 1
#define TF_CLIENT_VERSION_MINOR 1
#define TF_CLIENT_VERSION_PATCH 0
#define TF_CLIENT_VERSION                                                                          \
  ((uint32_t)TF_CLIENT_VERSION_MAJOR << 16 | TF_CLIENT_VERSION_MINOR << 8 | TF_CLIENT_VERSION_PATCH)

/* Of the library that runs, which may be newer than this header. */
uint32_t tf_client_version(void);

typedef struct tf_client tf_client_t;

/* ---- open and close ---- */

#define TF_CLIENT_NEXT   TF_FRAME_RESUME_NEXT   /* begin with what comes next */
#define TF_CLIENT_OLDEST TF_FRAME_RESUME_OLDEST /* with the oldest that can be had */

/* The writer's orderly end is no END: wait for its successor, or for the file to grow. */
#define TF_CLIENT_FOLLOW 0x1u
/* The source need not be there yet: open succeeds, and DOWN comes until it is. */
#define TF_CLIENT_OPEN_LATER 0x2u
/* A connection that breaks is the END. */
#define TF_CLIENT_NO_RECONNECT 0x4u

#define TF_CLIENT_ERROR_BYTES     512u
#define TF_CLIENT_URL_BYTES_MAX   1024u
#define TF_CLIENT_INSTRUMENTS_MAX 65536u /* ids whose names are kept; those beyond have none */

typedef struct tf_client_options {
  size_t      struct_bytes; /* sizeof(tf_client_options_t); TF_CLIENT_OPTIONS sets it */
  uint64_t    resume_from;  /* the first sequence not seen yet, or NEXT, or OLDEST */
  uint64_t    timeout_ns;   /* of connecting, the handshakes and the first answer; 0: 5 s */
  uint64_t    silent_ns;    /* so long without a sign of life is DOWN; 0: 1 s, of a listener
                               three of its heartbeats */
  uint32_t    flags;        /* TF_CLIENT_FOLLOW ... */
  uint32_t    carries;      /* tf_carries_t that is expected; another is refused */
  const char *token_file;   /* of a listener: mode 600, one line; NULL: none */
  const char *ca_file;      /* tls, wss: PEM that alone is trusted; NULL: the system's */
  const char *key_file;     /* journal: its MACs are verified under this key; NULL: they are not */
} tf_client_options_t;

/* clang-format off: an initialiser */
#define TF_CLIENT_OPTIONS                                                                          \
  { sizeof(tf_client_options_t), TF_CLIENT_NEXT, 0, 0, 0, TF_CARRIES_DECISIONS, 0, 0, 0 }
/* clang-format on */

/* NULL: error says what was found and what is allowed. options NULL: as TF_CLIENT_OPTIONS. Waits until
 * the source has answered, at most timeout_ns. The first message is UP. */
tf_client_t *tf_client_open(const char *url, const tf_client_options_t *options, char *error,
                            size_t error_bytes);
void         tf_client_close(tf_client_t *client); /* accepts NULL */

/* ---- reading ---- */

typedef enum tf_client_kind {
  TF_CLIENT_IDLE   = 0, /* nothing now */
  TF_CLIENT_RECORD = 1, /* record, seq */
  TF_CLIENT_LOST   = 2, /* lost_from .. lost_to (both included) will not come; lost_cnt, reason */
  TF_CLIENT_HEARTBEAT = 3, /* the source says that it lives; seq comes next */
  TF_CLIENT_UP        = 4, /* connected, or alive again: epoch; seq comes next */
  TF_CLIENT_DOWN = 5, /* no connection, or no sign of life: do not act on what is old. The client
                              tries again by itself; UP follows. reason, tf_client_error */
  TF_CLIENT_END  = 6  /* nothing more will come. reason, tf_client_error */
} tf_client_kind_t;

/* The first ones are tf_frame_reason_t. */
typedef enum tf_client_reason {
  TF_CLIENT_REASON_NONE         = TF_FRAME_REASON_NONE,
  TF_CLIENT_REASON_DROPPED      = TF_FRAME_REASON_DROPPED,
  TF_CLIENT_REASON_HISTORY      = TF_FRAME_REASON_HISTORY,
  TF_CLIENT_REASON_CLOSED       = TF_FRAME_REASON_CLOSED,
  TF_CLIENT_REASON_SLOW         = TF_FRAME_REASON_SLOW,
  TF_CLIENT_REASON_TOKEN        = TF_FRAME_REASON_TOKEN,
  TF_CLIENT_REASON_PROTOCOL     = TF_FRAME_REASON_PROTOCOL,
  TF_CLIENT_REASON_FULL         = TF_FRAME_REASON_FULL,
  TF_CLIENT_REASON_TIMEOUT      = TF_FRAME_REASON_TIMEOUT,
  TF_CLIENT_REASON_OVERRUN      = 64, /* LOST: we were slower than the ring is long (shm) */
  TF_CLIENT_REASON_MISSING      = 65, /* LOST: the source skipped them and did not say why */
  TF_CLIENT_REASON_DAMAGED      = 66, /* LOST: the journal is damaged there; error has the place */
  TF_CLIENT_REASON_RESTARTED    = 67, /* UP: the sequence begins anew */
  TF_CLIENT_REASON_DISCONNECTED = 68, /* DOWN, END: refused, reset, cut off */
  TF_CLIENT_REASON_SILENT       = 69, /* DOWN: no sign of life for silent_ns */
  TF_CLIENT_REASON_FILE_END     = 70, /* END: of the journal */
  TF_CLIENT_REASON_ABSENT       = 71  /* DOWN: there is no such source (yet) */
} tf_client_reason_t;

/* Written by the client. What a kind does not name is not to be looked at. */
typedef struct tf_client_message {
  uint32_t    kind;   /* tf_client_kind_t */
  uint32_t    reason; /* tf_client_reason_t */
  uint64_t    seq;
  const void *record; /* until the next call with this handle */
  uint32_t    record_bytes;
  uint32_t    carries; /* tf_carries_t */
  uint32_t    epoch;   /* of the engine, as the source says it last */
  uint32_t    reserved_0;
  uint64_t    lost_from, lost_to;
  uint64_t    lost_cnt; /* less than the range where the source has holes of its own; 0: unknown */
  uint64_t    reserved[8];
} tf_client_message_t;

/* The next message; returns its kind. Never blocks. After END only END. */
tf_client_kind_t tf_client_next(tf_client_t *client, tf_client_message_t *message);

/* Up to record_cap records at once, each of record_bytes, into records: returns how many. message tells what
 * came behind them, or is of kind RECORD (the last one's) when records is full. E.g. 3 and IDLE: three
 * records, and nothing more now. record_bytes other than the source's: TF_ASSERT. */
uint32_t tf_client_read(tf_client_t *client, void *records, uint32_t record_bytes,
                        uint32_t record_cap, tf_client_message_t *message);

/* Waits until next has something to say, at most timeout_ns (UINT64_MAX: for ever). False: it has
 * not. A shm stream is polled, first without a pause, then every 50 us to 1 ms. */
bool tf_client_wait(tf_client_t *client, uint64_t timeout_ns);

/* For a poll(2) of the caller's: readable when next may have something; then call next until IDLE. The
 * same for the handle's life. -1: a source that must be polled (shm). */
int tf_client_fd(const tf_client_t *client);

/* ---- what is known ---- */

typedef struct tf_client_counts {
  uint64_t records, lost, losses; /* delivered; told as lost, and in how many LOST */
  uint64_t doubles;               /* came again and were left out */
  uint64_t heartbeats, ups, downs;
  uint64_t bytes; /* of frames */
  uint64_t reserved[8];
} tf_client_counts_t;

void        tf_client_counts(const tf_client_t *client, tf_client_counts_t *counts);
const char *tf_client_error(const tf_client_t *client); /* of the last DOWN, END or LOST; "" */
const char *tf_client_reason_text(uint32_t reason);     /* "fell behind": a few words */
/* Bytes of a record; 0 before the first UP. */
uint32_t tf_client_record_bytes(const tf_client_t *client);

/* "BTCUSDT.BINANCE-SPOT"; NULL for an id that the source has not named. Valid until the next UP. */
const char *tf_client_instrument_name(const tf_client_t *client, uint32_t id);
int      tf_client_instrument_price_exp(const tf_client_t *client, uint32_t id); /* or INT8_MIN */
uint32_t tf_client_instrument_cnt(const tf_client_t *client); /* highest id named + 1 */

/* What a text's label is called ("positive"), of a listener or datagrams of events; NULL: not said, or not yet: it comes with the
 * names of instruments. Since 1.1. */
const char *tf_client_label(const tf_client_t *client, uint32_t label);

/* ---- tapes: events on disk ---- */

typedef struct tf_client_tape tf_client_tape_t;

typedef struct tf_client_tape_info {
  uint64_t event_cnt; /* that its blocks promise */
  uint64_t events_hash;
  uint64_t recv_ns_min, recv_ns_max;
  uint32_t instrument_cnt;
  uint32_t loss_cnt; /* places that cannot be read; they grow as blocks are opened */
  uint64_t lost_bytes;
  uint32_t is_whole; /* nothing is missing, as far as is known */
  uint32_t reserved_0;
  uint64_t reserved[8];
} tf_client_tape_info_t;

tf_client_tape_t *tf_client_tape_open(const char *path, char *error, size_t error_bytes);
void              tf_client_tape_close(tf_client_tape_t *tape); /* accepts NULL */
/* Up to event_cap events in the tape's order; 0 at its end. A damaged block is passed over and counted. */
uint32_t    tf_client_tape_read(tf_client_tape_t *tape, tf_event_t *events, uint32_t event_cap);
void        tf_client_tape_info(const tf_client_tape_t *tape, tf_client_tape_info_t *info);
const char *tf_client_tape_instrument_name(const tf_client_tape_t *tape, uint32_t id);

#ifdef __cplusplus
}
#endif

TF_STATIC_ASSERT(sizeof(tf_client_message_t) == 128, "the ABI");
TF_STATIC_ASSERT(sizeof(tf_client_counts_t) == 128, "the ABI");
TF_STATIC_ASSERT(sizeof(tf_client_tape_info_t) == 120, "the ABI");
TF_STATIC_ASSERT(sizeof(tf_client_options_t) == 64, "the ABI");

#endif
