/* What a NATS server says: its lines in pieces through the guard, whose verdict does not depend on where they are cut; and
 * JetStream's answers. The first byte chooses what is read, the second where it is cut. */
#include <string.h>

#include "broker/nats_guard.h"
#include "broker/nats_reply.h"
#include "tf/io.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_cnt);

static tf_err_t guard_all(tf_nats_guard_t *guard, const char *bytes, size_t cnt, size_t cut) {
  guard->skip              = 0;
  guard->line_cnt          = 0;
  guard->payload_bytes_max = TF_NATS_GUARD_PAYLOAD_BYTES;
  for (size_t at = 0; at < cnt; at += cut) {
    tf_err_t err = tf_nats_guard_check(guard, bytes + at, cnt - at < cut ? cnt - at : cut);
    if (err) return err;
  }
  return TF_OK;
}

static void guard(const char *bytes, size_t cnt, size_t cut) {
  static tf_nats_guard_t whole, in_pieces;
  tf_err_t               err = guard_all(&whole, bytes, cnt, cnt + 1);
  TF_ASSERT(err == guard_all(&in_pieces, bytes, cnt, cut));
  if (!err) TF_ASSERT(whole.skip == in_pieces.skip && whole.line_cnt == in_pieces.line_cnt);
}

/* Its pieces, put together, are what came, but for the line that has not ended. */
static void pieces(const char *bytes, size_t cnt) {
  static tf_nats_guard_t guard;
  tf_nats_piece_t        piece;
  const char            *at  = bytes;
  size_t                 had = 0;
  guard.skip                 = 0;
  guard.line_cnt             = 0;
  guard.payload_bytes_max    = TF_NATS_GUARD_PAYLOAD_BYTES;
  int got;
  while ((got = tf_nats_guard_next(&guard, &at, bytes + cnt, &piece)) > 0) {
    TF_ASSERT(piece.cnt > 0 && had + piece.cnt <= cnt);
    TF_ASSERT(memcmp(bytes + had, piece.bytes, piece.cnt) == 0);
    had += piece.cnt;
  }
  TF_ASSERT(got < 0 || had + guard.line_cnt == cnt);
}

static void answer(tf_nats_ask_t ask, const char *body, size_t cnt) {
  tf_nats_reply_t reply;
  uint64_t        seq;
  tf_err_t        err = tf_nats_reply_read(ask, body, cnt, &reply);
  if (ask == TF_NATS_PUBLISH && tf_nats_reply_is_ack(body, cnt, "D"))
    TF_ASSERT(!err && !reply.is_error && !reply.is_duplicate && reply.seq > 0);
  TF_ASSERT(memchr(reply.text, 0, sizeof reply.text));
  TF_ASSERT(memchr(reply.message_id, 0, sizeof reply.message_id));
  TF_ASSERT(memchr(reply.created, 0, sizeof reply.created));
  TF_ASSERT(memchr(reply.consumer, 0, sizeof reply.consumer));
  TF_ASSERT(!strpbrk(reply.consumer, ".*> \r\n"));
  (void)tf_nats_reply_seq(reply.message_id, "D", &seq);
}

/* body is NUL-terminated by its pad. */
static void delivery(const char *body) {
  tf_nats_delivery_t d;
  if (!tf_nats_delivery_read(body, &d)) return;
  TF_ASSERT(d.stream_seq > 0 && d.stream_seq < UINT64_MAX);
  TF_ASSERT(d.consumer_seq > 0 && d.consumer_seq < UINT64_MAX && d.pending < UINT64_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_cnt) {
  if (bytes_cnt < 2) return 0;
  size_t cnt  = bytes_cnt - 2;
  char  *body = calloc(1, cnt + TF_BYTES_PAD);
  TF_ASSERT(body);
  memcpy(body, bytes + 2, cnt);
  switch (bytes[0] % 7) {
  case 4:
    guard(body, cnt, 1 + bytes[1] % 16);
    pieces(body, cnt);
    break;
  case 5: answer(TF_NATS_CONSUMER, body, cnt); break;
  case 6: delivery(body); break;
  default: answer((tf_nats_ask_t)(bytes[0] % 7), body, cnt); break;
  }
  free(body);
  return 0;
}
