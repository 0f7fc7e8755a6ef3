/* Stands between a NATS server and libnats: libnats 3.4 takes the size that a MSG line claims at its word, and a claim of
 * 2^31 - 1 ends the process. What is not the protocol as nats-server writes it (capitals, CR LF), or
 * larger than an answer may be, does not get there. Pure, incremental: any split of the bytes gives the same
 * result. One thread. */
#ifndef TF_BROKER_NATS_GUARD_H
#define TF_BROKER_NATS_GUARD_H

#include "tf/err.h"

#define TF_NATS_GUARD_LINE_BYTES (64u << 10) /* INFO names a whole cluster's addresses */
/* Of a MSG or HMSG line: where its payload is read by itself libnats 3.4 keeps subject and reply in so many bytes, and does not check
 * that they fit. nats-server takes no longer ones from a publisher by default (max_control_line). */
#define TF_NATS_GUARD_MESSAGE_LINE_BYTES 4096u
/* A message's, headers included: of answers, and of what a stream may hold (nats-server refuses a max_payload beyond). */
#define TF_NATS_GUARD_PAYLOAD_BYTES     (1u << 20)
#define TF_NATS_GUARD_PAYLOAD_BYTES_MAX (64u << 20)

typedef struct tf_nats_guard {
  uint64_t skip;              /* of a payload and its CR LF, yet to come */
  uint32_t payload_bytes_max; /* the owner's */
  uint32_t line_cnt;          /* bytes of the line so far */
  char     line[TF_NATS_GUARD_LINE_BYTES + 1];
} tf_nats_guard_t;

/* E_BROKER_IO: these bytes must not be handed on; the text says what is wrong. */
tf_err_t tf_nats_guard_check(tf_nats_guard_t *guard, const char *bytes, size_t bytes_cnt);

/* The same a piece at a time, for who sorts what is handed on: a whole line with its CR LF, or a stretch of the payload behind a
 * MSG or HMSG line and of its CR LF (guard->skip: so much of it is yet to come). A line that has come in part is kept. */
typedef struct tf_nats_piece {
  const char *bytes; /* in what was given, or in the guard; until the next call */
  size_t      cnt;
  bool        is_line;
} tf_nats_piece_t;

/* 1: *piece is the next of [*at, end), and *at is behind it. 0: all is used. < 0: E_BROKER_IO. */
int tf_nats_guard_next(tf_nats_guard_t *guard, const char **at, const char *end,
                       tf_nats_piece_t *piece);

#endif
