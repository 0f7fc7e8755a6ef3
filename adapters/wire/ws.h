/* Websocket frames (RFC 6455), both roles, as a pure state machine: bytes in, messages out, no
 * socket, no clock, no allocation.
 *
 * Received bytes are borrowed for the length of tf_ws_feed, cut anywhere. In the client role an
 * unfragmented message that lies wholly in them is handed over in place, nothing is copied. What
 * straddles two calls, comes in fragments, or is masked (server role) is put together in the
 * caller's assembly memory. Either way the message is handed over with TF_BYTES_PAD readable bytes
 * behind it, so every borrowed buffer must have them too (tf/io.h promises it).
 *
 * Every rule is checked in the order in which its bytes arrive, every size before a byte of payload
 * is copied, so the outcome (callbacks, fault, ledger) does not depend on the segmentation. A
 * violation is final: feed returns its code, the caller sends the close frame that
 * tf_ws_write_close_answer makes, drops the connection and reports.
 *
 * permessage-deflate is the one extension (wire/ws_deflate.h): where it was negotiated, a message
 * whose first frame has RSV1 set is inflated into the assembly memory piece by piece, under the same
 * limits. Any other RSV bit is a violation.
 *
 * One thread at a time per tf_ws_t. Callbacks run inside tf_ws_feed; they may write frames and may
 * call tf_ws_stop, they must not call tf_ws_feed. */
#ifndef WIRE_WS_H
#define WIRE_WS_H

#include "tf/err.h"
#include "tf/io.h" /* TF_BYTES_PAD */
#include "wire/utf8.h"
#include "wire/ws_deflate.h"

#define TF_WS_HEADER_BYTES_MAX  14  /* 2 + 8 (length) + 4 (mask) */
#define TF_WS_CONTROL_BYTES_MAX 125 /* RFC 6455 section 5.5 */
/* Defaults of the limits; venues set lower ones. */
#define TF_WS_MESSAGE_BYTES_MAX_DEFAULT ((size_t)4 << 20)
#define TF_WS_FRAGMENTS_MAX_DEFAULT     4096u
/* The largest message limit that tf_ws_init accepts. */
#define TF_WS_MESSAGE_BYTES_MAX_LIMIT ((size_t)1 << 30)

typedef enum tf_ws_role {
  TF_WS_CLIENT = 0, /* we are the client: received frames are unmasked, sent ones masked */
  TF_WS_SERVER = 1  /* the other way round */
} tf_ws_role_t;

typedef enum tf_ws_opcode {
  TF_WS_CONTINUATION = 0x0,
  TF_WS_TEXT         = 0x1,
  TF_WS_BINARY       = 0x2,
  TF_WS_CLOSE        = 0x8,
  TF_WS_PING         = 0x9,
  TF_WS_PONG         = 0xA
} tf_ws_opcode_t;

/* Close codes of RFC 6455 section 7.4.1 and the IANA registry that tickfuse sends or names. */
#define TF_WS_CLOSE_NORMAL     1000
#define TF_WS_CLOSE_GOING_AWAY 1001
#define TF_WS_CLOSE_PROTOCOL   1002
#define TF_WS_CLOSE_NO_STATUS  1005 /* never on the wire: a close frame without payload */
#define TF_WS_CLOSE_ABNORMAL   1006 /* never on the wire: the transport ended without close frame */
#define TF_WS_CLOSE_BAD_DATA   1007
#define TF_WS_CLOSE_POLICY     1008
#define TF_WS_CLOSE_TOO_BIG    1009

/* Why bytes or frames were refused: a closed set, a counter each.
 * X(id, "name", error code, close code to send (0: none), what was found and what is allowed) */
#define TF_WS_FAULTS(X)                                                                            \
  X(NONE, "none", 0, 0, "no fault")                                                                \
  X(RSV, "rsv", E_WIRE_WS_PROTOCOL, 1002,                                                          \
    "a reserved bit is set that no extension gives a meaning")                                     \
  X(OPCODE, "opcode", E_WIRE_WS_PROTOCOL, 1002, "a reserved opcode (3-7 or 11-15)")                \
  X(CONTROL_FRAGMENTED, "control_fragmented", E_WIRE_WS_PROTOCOL, 1002,                            \
    "a control frame without FIN; control frames may not be fragmented")                           \
  X(CONTINUATION, "continuation", E_WIRE_WS_PROTOCOL, 1002,                                        \
    "a continuation frame with no message to continue")                                            \
  X(INTERLEAVED, "interleaved", E_WIRE_WS_PROTOCOL, 1002,                                          \
    "a new data frame inside a fragmented message; only a continuation may come")                  \
  X(MASKED, "masked", E_WIRE_WS_PROTOCOL, 1002, "a masked frame from a server; it must not mask")  \
  X(UNMASKED, "unmasked", E_WIRE_WS_PROTOCOL, 1002,                                                \
    "an unmasked frame from a client; it must mask")                                               \
  X(CONTROL_LENGTH, "control_length", E_WIRE_WS_PROTOCOL, 1002,                                    \
    "a control frame with more than 125 bytes")                                                    \
  X(LENGTH_FORM, "length_form", E_WIRE_WS_PROTOCOL, 1002,                                          \
    "a payload length not in its shortest form")                                                   \
  X(LENGTH_TOP_BIT, "length_top_bit", E_WIRE_WS_PROTOCOL, 1002,                                    \
    "a 64-bit payload length with its top bit set")                                                \
  X(CLOSE_PAYLOAD, "close_payload", E_WIRE_WS_PROTOCOL, 1002,                                      \
    "a close frame with one byte of payload; allowed are none or two and a reason")                \
  X(CLOSE_CODE, "close_code", E_WIRE_WS_PROTOCOL, 1002,                                            \
    "a close code that may not be sent; allowed are 1000-1003, 1007-1014, 3000-4999")              \
  X(UTF8, "utf8", E_WIRE_WS_UTF8, 1007, "text or a close reason is not UTF-8")                     \
  X(MESSAGE_BYTES, "message_bytes", E_WIRE_WS_LIMIT, 1009, "a message over its byte limit")        \
  X(FRAGMENTS, "fragments", E_WIRE_WS_LIMIT, 1008, "a message of more fragments than allowed")     \
  X(INFLATE_DATA, "inflate_data", E_WIRE_INFLATE, 1007,                                            \
    "a compressed message that is not DEFLATE, or reaches back too far")                           \
  X(INFLATE_CUT, "inflate_cut", E_WIRE_INFLATE, 1007,                                              \
    "a compressed message that ends inside a block")                                               \
  X(INFLATE_RATIO, "inflate_ratio", E_WIRE_INFLATE, 1009,                                          \
    "a message over 65536 bytes and over 200 times its compressed size")                           \
  X(AFTER_CLOSE, "after_close", 0, 0, "bytes behind the peer's close frame")                       \
  X(STOPPED, "stopped", 0, 0, "bytes behind the point where the owner stopped the stream")         \
  X(EOF_MID_FRAME, "eof_mid_frame", E_WIRE_WS_PROTOCOL, 0, "the transport ended inside a frame")   \
  X(EOF_MID_MESSAGE, "eof_mid_message", E_WIRE_WS_PROTOCOL, 0,                                     \
    "the transport ended inside a fragmented message")                                             \
  X(EOF_NO_CLOSE, "eof_no_close", E_WIRE_WS_PROTOCOL, 0,                                           \
    "the transport ended without a close frame (1006)")

typedef enum tf_ws_fault {
#define TF_WS_FAULT_ENUM_(id, name, err, close, text) TF_WS_FAULT_##id,
  TF_WS_FAULTS(TF_WS_FAULT_ENUM_)
#undef TF_WS_FAULT_ENUM_
      TF_WS_FAULT_CNT
} tf_ws_fault_t;

typedef enum tf_ws_state {
  TF_WS_OPEN = 0,
  TF_WS_CLOSE_SENT,     /* ours is out: messages are still delivered until the peer's comes */
  TF_WS_CLOSE_RECEIVED, /* the peer's came: write ours, then end the transport */
  TF_WS_CLOSED,         /* both: end the transport (RFC 6455 7.1.1: the server first) */
  TF_WS_STOPPED,        /* tf_ws_stop */
  TF_WS_FAILED          /* a violation; fault says which */
} tf_ws_state_t;

/* Written by the feeding thread. Monotone but for bytes_partial, which is the part of a frame that
 * is waiting for the rest. At any return from tf_ws_feed, over all bytes ever fed:
 *   bytes_rx  = bytes_framed + bytes_partial + sum(bytes_rejected)
 *   frames    = frames_data + frames_control + sum(frames_rejected)
 * A fault's frame (header included) and everything behind it in the stream count as rejected under
 * that fault; frames behind it are not parsed, so they are counted as bytes only. */
typedef struct tf_ws_counts {
  uint64_t bytes_rx, bytes_framed, bytes_partial;
  uint64_t frames_data, frames_control;
  uint64_t messages;           /* handed to on_message */
  uint64_t messages_assembled; /* of these, copied through the assembly memory */
  uint64_t messages_inflated;  /* of these, sent compressed */
  uint64_t inflated_bytes;     /* and what they became */
  uint64_t pings, pongs;
  uint64_t bytes_rejected[TF_WS_FAULT_CNT];
  uint64_t frames_rejected[TF_WS_FAULT_CNT];
} tf_ws_counts_t;

typedef struct tf_ws_handler {
  void *self;
  /* A whole message, TF_WS_TEXT or TF_WS_BINARY. bytes: valid during the call, TF_BYTES_PAD
   * readable bytes follow; never NULL, also when bytes_cnt is 0. */
  void (*on_message)(void *self, tf_ws_opcode_t opcode, const uint8_t *bytes, size_t bytes_cnt);
  /* TF_WS_PING, TF_WS_PONG or TF_WS_CLOSE, at its place in the stream, also between fragments.
   * bytes as above, at most 125. For a close, tf_ws_t's peer_close_code is already set. */
  void (*on_control)(void *self, tf_ws_opcode_t opcode, const uint8_t *bytes, size_t bytes_cnt);
} tf_ws_handler_t;

/* Masking keys must be unpredictable to those who choose the payload (RFC 6455 10.3). Tests and the
 * simulator inject a seeded one; live connections tf_ws_random_system. */
typedef struct tf_ws_random {
  void *self;
  uint32_t (*u32)(void *self);
} tf_ws_random_t;

/* getrandom(2), one call each: client frames are rare. Aborts if the system gives none. */
uint32_t tf_ws_random_system(void *self);

typedef struct tf_ws_config {
  tf_ws_role_t     role;
  size_t           message_bytes_max; /* 0: default; at most ..._LIMIT */
  uint32_t         fragments_max;     /* frames of one message; 0: default */
  bool             utf8_unchecked;    /* text goes out unchecked: the JSON scanner checks it. Close
                                       reasons are always checked. */
  tf_ws_random_t   random;            /* client role: required */
  tf_ws_deflate_t *deflate; /* started for this connection, the caller's; NULL: not negotiated */
} tf_ws_config_t;

typedef struct tf_ws {
  /* hot: read for each frame */
  tf_ws_handler_t  handler;
  size_t           message_bytes_max;
  uint8_t          role;           /* tf_ws_role_t */
  uint8_t          state;          /* tf_ws_state_t; read-only for the owner */
  uint8_t          phase;          /* private: where in a frame the stream stands */
  uint8_t          message_opcode; /* of the fragmented message under way; 0: none */
  bool             utf8_unchecked;
  bool             ping_pending; /* a ping came that no tf_ws_write_pong has answered */
  bool             close_sent;   /* our close frame was written */
  bool             compressed;   /* the message under way is */
  tf_utf8_t        utf8;
  uint8_t          head_cnt;        /* bytes of a straddling header kept in head */
  uint8_t          frame_b0;        /* FIN and opcode of the frame under way */
  uint8_t          mask_key[4];     /* of the frame under way; zero when unmasked */
  uint8_t          fault;           /* tf_ws_fault_t: the first one */
  uint16_t         peer_close_code; /* from its close frame; 1005 if it had none; 0: none came */
  uint32_t         fragment_cnt;
  uint32_t         fragments_max;
  uint64_t         frame_bytes; /* payload length of the frame under way */
  uint64_t         frame_at;    /* of which have arrived */
  uint8_t         *assembly;
  size_t           assembly_at;    /* bytes of the message under way that lie in assembly */
  tf_ws_deflate_t *deflate;        /* NULL: not negotiated */
  uint64_t         deflated_bytes; /* that the frames of a compressed message have declared */
  tf_ws_random_t   random;
  tf_ws_counts_t   counts;
  uint8_t          head[TF_WS_HEADER_BYTES_MAX];
  uint8_t          ping_cnt;
  uint8_t          ping[TF_WS_CONTROL_BYTES_MAX]; /* the newest unanswered ping's payload */
  uint8_t          control[TF_WS_CONTROL_BYTES_MAX + TF_BYTES_PAD];
} tf_ws_t;

/* Bytes of assembly memory that a message limit needs (0 means the default limit). */
size_t tf_ws_assembly_bytes(size_t message_bytes_max);

/* Starts a stream right behind the upgrade. assembly: tf_ws_assembly_bytes(message_bytes_max)
 * bytes, the caller's until the stream is no longer fed; one per connection. Fails with
 * E_CORE_ARGUMENT for a limit out of range, a missing callback or, in the client role, a missing
 * random. Nothing to fini. To reconnect, init again; counts start at 0. */
tf_err_t tf_ws_init(tf_ws_t *ws, const tf_ws_config_t *config, const tf_ws_handler_t *handler,
                    uint8_t *assembly);

/* Takes received bytes, any cut, TF_BYTES_PAD readable bytes behind them; calls back for each
 * message and control frame that they complete. Returns 0, or the violation's code, also on every
 * later call; ws->fault and ws->state say more. Does not set the thread's error record
 * (tf_ws_error does): the lane may call it. Bytes behind a close frame, a violation or a stop are
 * counted and otherwise ignored. */
tf_err_t tf_ws_feed(tf_ws_t *ws, const uint8_t *bytes, size_t bytes_cnt);

/* No more callbacks: what is left of the bytes being fed and all later ones count as STOPPED. */
void tf_ws_stop(tf_ws_t *ws);

/* The transport ended. Returns 0 when the peer's close frame had come (or the stream was stopped),
 * otherwise E_WIRE_WS_PROTOCOL with fault set to one of the EOF_ faults, unless set before. */
tf_err_t tf_ws_eof(tf_ws_t *ws);

/* Sets the thread's error record from ws->fault and returns its code; 0 without a fault. */
tf_err_t    tf_ws_error(const tf_ws_t *ws);
const char *tf_ws_fault_name(tf_ws_fault_t fault);       /* "length_form": stable, a metric label */
const char *tf_ws_fault_text(tf_ws_fault_t fault);       /* for people */
uint16_t    tf_ws_fault_close_code(tf_ws_fault_t fault); /* 0: send none */

/* A code that may stand in a close frame (RFC 6455 7.4 and the registry to 1014). */
bool tf_ws_close_code_valid(uint32_t code);

/* --- writing --- */

/* Bytes that a frame of payload_cnt takes, sent in this role. */
size_t tf_ws_frame_bytes(tf_ws_role_t role, size_t payload_cnt);

/* Writes a header alone: for servers that send one payload to many. mask_key NULL: unmasked.
 * buf: TF_WS_HEADER_BYTES_MAX bytes. Returns its length, 2 to 14. */
size_t tf_ws_write_header(uint8_t *buf, tf_ws_opcode_t opcode, bool fin, uint64_t payload_cnt,
                          const uint8_t *mask_key);

/* target[i] = source[i] ^ key[(phase + i) % 4]; the same pointer is allowed. Masks and unmasks. */
void tf_ws_mask(uint8_t *target, const uint8_t *source, size_t cnt, const uint8_t key[4],
                size_t phase);

/* Writes a whole frame (masked with a fresh key in the client role) to buf. Returns its length; 0
 * and nothing written when it does not fit in cap, the opcode is a control one with more than 125
 * bytes or without fin, the opcode is TF_WS_CLOSE (use tf_ws_write_close), or our close frame is
 * out already. Fragments: first TEXT or BINARY with fin false, then CONTINUATION; their order is
 * the caller's duty. payload may be NULL when payload_cnt is 0. */
size_t tf_ws_write_frame(tf_ws_t *ws, uint8_t *buf, size_t cap, tf_ws_opcode_t opcode, bool fin,
                         const void *payload, size_t payload_cnt);

/* Bytes that tf_ws_write_message may take for a payload. */
size_t tf_ws_message_bytes(const tf_ws_t *ws, size_t payload_cnt);

/* Writes a whole TEXT or BINARY message as one frame, deflated where that was negotiated and the
 * message is not too short to gain. Returns its length; 0 and nothing written when cap is below
 * tf_ws_message_bytes or our close frame is out already. */
size_t tf_ws_write_message(tf_ws_t *ws, uint8_t *buf, size_t cap, tf_ws_opcode_t opcode,
                           const void *payload, size_t payload_cnt);

/* Answers the newest ping that is unanswered: 0 when there is none or it does not fit. RFC 6455
 * 5.5.3 allows to answer only the newest, so a session that limits its rate loses nothing. */
size_t tf_ws_write_pong(tf_ws_t *ws, uint8_t *buf, size_t cap);

/* Our close frame, once: 0 when it is out already, does not fit, or the code is not valid.
 * TF_WS_CLOSE_NO_STATUS writes one without payload. reason: UTF-8, cut at 123 bytes on a code
 * point; may be NULL. Moves the state to CLOSE_SENT, or CLOSED when the peer's has come. */
size_t tf_ws_write_close(tf_ws_t *ws, uint8_t *buf, size_t cap, uint16_t code, const char *reason);

/* The close frame that answers what happened: the fault's code after a violation, the peer's own
 * code after its close frame (RFC 6455 5.5.1), else 1000. */
size_t tf_ws_write_close_answer(tf_ws_t *ws, uint8_t *buf, size_t cap);

#endif
