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
 * sink has `history`; what cannot be had is told as LOST, reason HISTORY, before the first record.
 *
 * JSON: with `format: json` the listener sends lines instead (websocket: text messages): one object a
 * record, and {"type":"welcome"|"lost"|"heartbeat"|"end", ...} for the others; a client's hello is such
 * a line too: {"type":"hello","resume_from":17,"token":"..."}. */
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

typedef enum tf_frame_kind {
  TF_FRAME_HELLO       = 1,
  TF_FRAME_WELCOME     = 2,
  TF_FRAME_INSTRUMENTS = 3, /* rows of tf_frame_instrument_t */
  TF_FRAME_RECORDS     = 4, /* record_cnt records of WELCOME's shape */
  TF_FRAME_LOST        = 5,
  TF_FRAME_HEARTBEAT   = 6, /* no payload; first_seq: the next sequence that has not been sent */
  TF_FRAME_END         = 7, /* tf_frame_end_t and a text */
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
      next_seq; /* of the first record that will come; what lies between it and resume_from is LOST */
  uint32_t epoch;
  uint32_t record_bytes;
  uint8_t  carries; /* tf_carries_t */
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

typedef enum tf_frame_reason {
  TF_FRAME_REASON_NONE    = 0,
  TF_FRAME_REASON_DROPPED = 1, /* LOST: by the queue's policy */
  TF_FRAME_REASON_HISTORY = 2, /* LOST: older than what can be had */
  TF_FRAME_REASON_CLOSED  = 3, /* END: the engine stops */
  TF_FRAME_REASON_SLOW = 4, /* END: policy disconnect, or a write that did not go on for too long */
  TF_FRAME_REASON_TOKEN    = 5, /* END: wrong or missing token */
  TF_FRAME_REASON_PROTOCOL = 6, /* END: what the client sent is not a hello of this version */
  TF_FRAME_REASON_FULL     = 7, /* END: clients_max are connected */
  TF_FRAME_REASON_TIMEOUT  = 8, /* END: no hello in time */
  TF_FRAME_REASON_CNT
} tf_frame_reason_t;

typedef struct tf_frame_lost {
  uint64_t first_seq, last_seq; /* both included */
  uint64_t record_cnt;
  uint32_t reason; /* tf_frame_reason_t */
  uint32_t reserved;
} tf_frame_lost_t;

typedef struct tf_frame_end {
  uint32_t reason; /* tf_frame_reason_t */
  uint32_t text_bytes;
  /* text_bytes of text follow */
} tf_frame_end_t;

TF_STATIC_ASSERT(sizeof(tf_frame_header_t) == TF_FRAME_HEADER_BYTES, "layout is a public format");
TF_STATIC_ASSERT(sizeof(tf_frame_hello_t) == 16, "layout is a public format");
TF_STATIC_ASSERT(sizeof(tf_frame_welcome_t) == 56, "layout is a public format");
TF_STATIC_ASSERT(sizeof(tf_frame_instrument_t) == 72, "layout is a public format");
TF_STATIC_ASSERT(sizeof(tf_frame_lost_t) == 32, "layout is a public format");

#endif
