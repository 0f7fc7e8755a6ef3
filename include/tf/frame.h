/* How records travel to a consumer over a byte stream or in datagrams: the unix, tcp, websocket and
 * udp sinks with `format: binary`, libtickfuse_client, and whoever writes a reader of his own.
 * Little endian; C and C++ with libc alone.
 *
 * A frame is a header of 32 bytes and its payload. On unix and tcp frames follow one another; on
 * websocket a binary message is one frame; on udp a datagram is one frame.
 *
 *   client                                listener
 *     HELLO (resume_from, token)   -->
 *                                  <--      WELCOME (epoch, shape, what comes first), or END (refused)
 *                                  <--      INSTRUMENTS, and again when there are new ones
 *                                  <--      RECORDS ...      LOST where records will not come
 *                                  <--      HEARTBEAT        at least every second, with the sequence reached
 *                                  <--      END (why)        then it closes
 *
 * Sequences. A record has its own (decision_seq, ingest_seq: tf/record.h). RECORDS says in first_seq
 * the one of its first, and in prev_seq the one of the record sent before it on this connection: a
 * consumer that sees another has lost some, and knows which. LOST says it beforehand, with the reason.
 *
 * resume_from: the first sequence that the client has not seen; TF_FRAME_RESUME_NEXT: begin with the next one;
 * TF_FRAME_RESUME_OLDEST: with the oldest that can be had. Older ones come from the journal, if the
 * sink has `history`; what cannot be had is told as LOST, reason HISTORY, before the first record. One
 * that lies ahead of the stream is as NEXT: WELCOME's next_seq is then smaller than what was asked for,
 * and says that the stream is not the one that the client saw.
 *
 * Filtered. Where a sink passes some instruments, strategies or actions only, sequences have holes that are no loss, as
 * those of quotes always have. WELCOME (udp: every datagram) then has TF_FRAME_FILTERED in `carries`: a hole by itself
 * says nothing, LOST alone tells what is lost, with how many records of the stream lay in its range. A reader that does
 * not know the flag takes it for a kind that it does not know, and refuses.
 *
 * A client says HELLO within two seconds, and nothing after it; to leave, it closes. Of a header from a
 * client record_cnt, first_seq and prev_seq are 0. HEARTBEAT and END carry in first_seq the next
 * sequence that has not been sent on this connection, 0 if none is known yet.
 *
 * JSON: with `format: json` the listener sends lines instead (websocket: a text message each), one object a
 * record, which has no "type", and for the others
 *
 *   {"type":"hello","resume_from":17,"token":"..."}      from the client; resume_from a number, "next" or
 *                                                        "oldest", without it "next"; token if one is wanted
 *   {"type":"welcome","stream":"out","epoch":1,"next_seq":17,"carries":"decisions","filtered":false,
 *    "policy":"drop_oldest","heartbeat_ms":1000}
 *   {"type":"lost","first_seq":17,"last_seq":19,"record_cnt":3,"reason":"dropped"}
 *   {"type":"heartbeat","next_seq":20}
 *   {"type":"end","next_seq":20,"reason":"closed","text":"..."}
 *
 * with the reasons' names of TF_FRAME_REASONS. */
#ifndef TF_FRAME_H
#define TF_FRAME_H

#include "tf/record.h"

#define TF_FRAME_MAGIC        0x31464654u /* "TFF1" */
#define TF_FRAME_VERSION      1u
#define TF_FRAME_HEADER_BYTES 32u
#define TF_FRAME_BYTES_MAX                                                                         \
  (1u << 20) /* payload: a longer one is refused before a byte of it is read */
#define TF_FRAME_HELLO_BYTES_MAX 1024u /* of the payload that a client may send */
#define TF_FRAME_TOKEN_BYTES_MAX 512u
#define TF_FRAME_RESUME_NEXT     UINT64_MAX
#define TF_FRAME_RESUME_OLDEST   UINT64_C(0)
#define TF_FRAME_HEARTBEAT_NS    TF_NS_PER_SEC

/* In INSTRUMENTS of a sink of events: the row of this id + n is no instrument's, its name is what label n of a text is called
 * (tf_event_t.u.text.label). Such rows come behind the first of instruments. */
#define TF_FRAME_LABEL_ID 0xffffff00u

/* In WELCOME's and tf_frame_line_t's carries, beside tf_carries_t. */
#define TF_FRAME_FILTERED 0x80u

typedef enum tf_frame_kind {
  TF_FRAME_HELLO       = 1,
  TF_FRAME_WELCOME     = 2,
  TF_FRAME_INSTRUMENTS = 3, /* rows of tf_frame_instrument_t */
  TF_FRAME_RECORDS     = 4, /* record_cnt records of WELCOME's shape */
  TF_FRAME_LOST        = 5,
  TF_FRAME_HEARTBEAT   = 6, /* no payload; first_seq: the next sequence that has not been sent */
  TF_FRAME_END         = 7, /* tf_frame_end_t and a text */
  TF_FRAME_RESEND      = 8, /* udp, from a reader: tf_frame_resend_t */
  TF_FRAME_KIND_CNT
} tf_frame_kind_t;

typedef struct tf_frame_header {
  uint32_t magic;
  uint8_t  kind; /* tf_frame_kind_t */
  uint8_t  version;
  uint16_t record_cnt;
  uint32_t payload_bytes;
  uint32_t
      crc32c; /* of header (with 0 here) and payload: udp; 0 on streams, which have their own */
  uint64_t first_seq;
  uint64_t prev_seq;
} tf_frame_header_t;

typedef struct tf_frame_hello {
  uint64_t resume_from;
  uint16_t version; /* TF_FRAME_VERSION */
  uint16_t token_bytes;
  uint8_t  carries; /* what the client expects; another is refused */
  uint8_t  reserved[3];
  /* token_bytes of token follow */
} tf_frame_hello_t;

typedef struct tf_frame_welcome {
  uint64_t
      next_seq; /* of the first record that will come; what lies between it and resume_from is LOST.
                 * 0: none is known yet, the first that comes */
  uint32_t epoch;
  uint32_t record_bytes;
  uint8_t  carries; /* tf_carries_t, TF_FRAME_FILTERED */
  uint8_t
      policy; /* tf_overflow_t of this client's queue: with conflate and drops holes are normal */
  uint16_t record_version; /* TF_DECISION_VERSION or TF_EVENT_VERSION */
  uint32_t heartbeat_ms;
  char     stream[32]; /* the sink's name, NUL-terminated */
} tf_frame_welcome_t;

typedef struct tf_frame_instrument {
  uint32_t id;
  int32_t  price_exp; /* INT8_MIN while unknown */
  char     name[64];
} tf_frame_instrument_t;

/* X(code, number, JSON's name, what it says). Never renumbered. */
#define TF_FRAME_REASONS(X)                                                                        \
  X(NONE, 0, "none", "")                                                                           \
  X(DROPPED, 1, "dropped", "LOST: by the queue's policy, or the sink's own queue was full")        \
  X(HISTORY, 2, "history", "LOST: older than what can be had")                                     \
  X(CLOSED, 3, "closed", "END: the engine stops")                                                  \
  X(SLOW, 4, "slow", "END: policy disconnect, or a write that did not go on for too long")         \
  X(TOKEN, 5, "token", "END: wrong or missing token")                                              \
  X(PROTOCOL, 6, "protocol", "END: what the client sent is not a hello of this version")           \
  X(FULL, 7, "full", "END: clients_max are connected")                                             \
  X(TIMEOUT, 8, "timeout", "END: no hello in time")                                                \
  X(USER, 9, "user", "END: another user's process, on a Unix socket without a token")              \
  X(ORIGIN, 10, "origin", "END: a web page of another site")

typedef enum tf_frame_reason {
#define TF_FRAME_REASON_ENUM_(code, number, name, text) TF_FRAME_REASON_##code = number,
  TF_FRAME_REASONS(TF_FRAME_REASON_ENUM_)
#undef TF_FRAME_REASON_ENUM_
      TF_FRAME_REASON_CNT
} tf_frame_reason_t;

typedef struct tf_frame_lost {
  uint64_t first_seq, last_seq; /* both included */
  uint64_t record_cnt;          /* 0: not known, of a shape whose sequences have holes */
  uint32_t reason;              /* tf_frame_reason_t */
  uint32_t reserved;
} tf_frame_lost_t;

typedef struct tf_frame_end {
  uint32_t reason; /* tf_frame_reason_t */
  uint32_t text_bytes;
  /* text_bytes of text follow */
} tf_frame_end_t;

/* udp: stands before the payload of each datagram, counted in payload_bytes. It makes a datagram its own
 * WELCOME: a reader may begin with any. In a HEARTBEAT and an END prev_seq is the last sequence sent. */
typedef struct tf_frame_line {
  uint32_t epoch;        /* of the engine's start: a reader follows the highest that it saw */
  uint32_t stream;       /* CRC-32C of the sink's name: whose datagrams these are */
  uint16_t record_bytes; /* of the stream's shape, in each kind of frame */
  uint16_t record_version;
  uint8_t  carries;
  uint8_t  reserved[3];
} tf_frame_line_t;

/* udp: a reader asks the address that the datagrams came from for what it missed, at most
 * TF_FRAME_RESEND_RECORDS_MAX sequences. The answer is one datagram, RECORDS with as many as fit into so many
 * bytes as the request had (so the request is filled up with zeros; where the range has none, the one
 * behind it), or LOST, reason HISTORY: whoever forges the address of another can have him sent no more
 * than he sends himself. */
typedef struct tf_frame_resend {
  uint64_t first_seq, last_seq; /* both included */
} tf_frame_resend_t;

#define TF_FRAME_RESEND_RECORDS_MAX 1024u
#define TF_FRAME_DATAGRAM_BYTES_MAX 1472u /* an Ethernet frame less the heads of IPv4 and UDP */

TF_STATIC_ASSERT(sizeof(tf_frame_line_t) == 16, "layout is a public format");
TF_STATIC_ASSERT(sizeof(tf_frame_resend_t) == 16, "layout is a public format");
TF_STATIC_ASSERT(sizeof(tf_frame_header_t) == TF_FRAME_HEADER_BYTES, "layout is a public format");
TF_STATIC_ASSERT(sizeof(tf_frame_hello_t) == 16, "layout is a public format");
TF_STATIC_ASSERT(sizeof(tf_frame_welcome_t) == 56, "layout is a public format");
TF_STATIC_ASSERT(sizeof(tf_frame_instrument_t) == 72, "layout is a public format");
TF_STATIC_ASSERT(sizeof(tf_frame_lost_t) == 32, "layout is a public format");
TF_STATIC_ASSERT(sizeof(tf_frame_end_t) == 8, "layout is a public format");

#endif
