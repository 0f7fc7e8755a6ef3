/* What a JetStream server answers, JSON by its API (v1, nats-server 2.9): the acknowledgement of a publish, the answers to
 * STREAM.INFO, STREAM.CREATE, STREAM.MSG.GET, CONSUMER.CREATE and CONSUMER.INFO, and what it says of a message that a
 * consumer delivers. Pure: bytes in, meaning out. No allocation;
 * any thread. */
#ifndef TF_BROKER_NATS_REPLY_H
#define TF_BROKER_NATS_REPLY_H

#include "tf/err.h"

#define TF_NATS_REPLY_BYTES_MAX (256u << 10) /* a longer one is refused */
#define TF_NATS_ID_BYTES        128u         /* of a message id with its NUL */
/* Headers of a message: which process wrote it, and of an engine of a group under which epoch. */
#define TF_NATS_WRITER "Tf-Writer"
#define TF_NATS_EPOCH  "Tf-Epoch"

/* err_code of errors that mean something of their own. */
#define TF_NATS_STREAM_NOT_FOUND  10059
#define TF_NATS_MESSAGE_NOT_FOUND 10037
#define TF_NATS_CONSUMER_BYTES    64u /* of a consumer's name with its NUL */

typedef struct tf_nats_reply {
  bool     is_error;
  uint32_t code, err_code;
  char     text[192]; /* the error's description; printable, cut */
  /* of an acknowledgement: the message's in the stream; of INFO: the last one's; of GET: the message's; of CONSUMER: up to where it has looked
   * for messages to deliver */
  uint64_t seq;
  bool     is_duplicate;
  bool     keeps;     /* INFO: retention is "limits" */
  uint64_t first_seq; /* INFO: of the first message that is still there; 0: there was none yet */
  char created[40]; /* INFO: when the stream was made, as the server writes it; "" if it does not */
  char consumer[TF_NATS_CONSUMER_BYTES];
  uint64_t consumer_seq; /* CONSUMER: how many messages it has delivered */
  uint64_t pending;      /* CONSUMER: and how many wait in the stream */
  uint64_t waiting;      /* CONSUMER: requests for messages that it knows of */
  char     message_id
      [TF_NATS_ID_BYTES]; /* MSG.GET: its Nats-Msg-Id; "" if it has none, or a longer one */
  char     writer[TF_NATS_ID_BYTES]; /* and its TF_NATS_WRITER, likewise */
  uint32_t epoch;                    /* and its TF_NATS_EPOCH; 0: it has none */
} tf_nats_reply_t;

/* What was asked. */
typedef enum tf_nats_ask {
  TF_NATS_PUBLISH,
  TF_NATS_INFO,
  TF_NATS_CREATE,
  TF_NATS_GET,
  TF_NATS_CONSUMER
} tf_nats_ask_t;

/* Reads [bytes, bytes + bytes_cnt) with TF_BYTES_PAD readable bytes behind. E_BROKER_IO: not an answer to that; the
 * text says why. An answer that is an error is none of this function's. */
tf_err_t tf_nats_reply_read(tf_nats_ask_t ask, const char *bytes, size_t bytes_cnt,
                            tf_nats_reply_t *reply);

/* The usual acknowledgement, {"stream":"D","seq":7} as nats-server writes it. False: it may be any other answer, for tf_nats_reply_read. */
bool tf_nats_reply_is_ack(const char *bytes, size_t bytes_cnt, const char *stream);

/* The reply subject of a message that a consumer delivered (ADR-15 of nats-architecture-and-design, both forms):
 *   $JS.ACK.STREAM.CONSUMER.TIMES.STREAM_SEQ.CONSUMER_SEQ.NS.PENDING
 *   $JS.ACK.DOMAIN.ACCOUNT.STREAM.CONSUMER.TIMES.STREAM_SEQ.CONSUMER_SEQ.NS.PENDING[.RANDOM] */
typedef struct tf_nats_delivery {
  uint64_t stream_seq, consumer_seq, pending; /* pending: behind this one, for this consumer */
} tf_nats_delivery_t;

/* False: no such subject, or its numbers are none. */
bool tf_nats_delivery_read(const char *reply_subject, tf_nats_delivery_t *delivery);

/* "DECISIONS-1042" of stream DECISIONS: 1042, and so of epoch 7 "DECISIONS-1042.7". False: another stream's, or nobody's. */
bool tf_nats_reply_seq(const char *message_id, const char *stream, uint64_t *seq);

#endif
