/* What a listener sends (tf/frame.h), from bytes to messages: a pure state machine, no socket, no clock. Bytes go
 * into its inbox in any cut; next takes one message out at a time. Every size is checked before it is used, so any
 * bytes may come.
 *
 * It outlives connections: it knows the sequence that comes next, asks for it in its hello, leaves out
 * what comes twice, and tells what does not come. */
#ifndef CLIENT_FRAMES_H
#define CLIENT_FRAMES_H

#include "client/client.h"
#include "tf/sink.h"

/* Bytes that may be put into the inbox whenever next has answered IDLE. */
#define TF_FRAMES_ROOM_BYTES  (64u << 10)
#define TF_FRAMES_INBOX_BYTES (TF_FRAME_HEADER_BYTES + TF_FRAME_BYTES_MAX + TF_FRAMES_ROOM_BYTES)

/* What a listener may promise: less often than this is no sign of life. */
#define TF_FRAMES_HEARTBEAT_MS_MAX 60000u

typedef struct tf_frames {
  /* of the stream: kept from one connection to the next */
  uint64_t next_seq; /* 0: not known yet */
  /* of the connection */
  bool              is_welcome;
  bool              has_holes; /* by nature (tf_carries_t) */
  tf_record_shape_t shape;
  uint64_t          resume_from; /* that the hello said */
  uint64_t          last_seq;    /* of the record that came last; 0: none */
  uint8_t           policy;
  uint32_t          heartbeat_ms;
  uint64_t          taken_bytes; /* of the stream: where errors are */
  /* the RECORDS frame under way */
  uint32_t record_idx, record_cnt;
  uint64_t prev_seq;
  size_t   records_at; /* in inbox */

  size_t   begin, end; /* of what waits in inbox */
  uint8_t *inbox;      /* TF_FRAMES_INBOX_BYTES, the caller's */
} tf_frames_t;

void tf_frames_init(tf_frames_t *frames, uint8_t *inbox, uint64_t resume_from);
/* Forgets what is of the last connection. */
void tf_frames_connect(tf_frames_t *frames);
/* The hello: returns its bytes, at most TF_FRAME_HEADER_BYTES + TF_FRAME_HELLO_BYTES_MAX. token: at most
 * TF_FRAME_TOKEN_BYTES_MAX. */
size_t tf_frames_hello(tf_frames_t *frames, uint32_t carries, const char *token, uint8_t *out);

/* Where the next bytes go, and that they came. */
uint8_t *tf_frames_room(tf_frames_t *frames, size_t *cap);
void     tf_frames_fed(tf_frames_t *frames, size_t bytes);

/* IDLE: more bytes are wanted. END: the listener's own, with its reason; the client's error has its text.
 * TF_FRAMES_BROKEN: it does not speak this protocol, error says where; the connection is of no more use. */
#define TF_FRAMES_BROKEN ((tf_client_kind_t)64)
tf_client_kind_t tf_frames_next(tf_frames_t *frames, tf_client_t *client,
                                tf_client_message_t *message);

#endif
