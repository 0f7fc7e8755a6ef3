/* What a NATS server says: its lines in pieces through the guard, whose verdict does not depend on where they are cut; and
 * JetStream's answers. The first byte chooses what is read, the second where it is cut. */
#include <string.h>

#include "broker/nats_guard.h"
#include "broker/nats_reply.h"
#include "tf/io.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_cnt);

static tf_err_t guard_all(tf_nats_guard_t *guard, const char *bytes, size_t cnt, size_t cut) {
  guard->skip     = 0;
  guard->line_cnt = 0;
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

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_cnt) {
  if (bytes_cnt < 2) return 0;
  size_t cnt  = bytes_cnt - 2;
  char  *body = calloc(1, cnt + TF_BYTES_PAD);
  TF_ASSERT(body);
  memcpy(body, bytes + 2, cnt);
  if (bytes[0] % 5 == 4) {
    guard(body, cnt, 1 + bytes[1] % 16);
  } else {
    tf_nats_reply_t reply;
    uint64_t        seq;
    (void)tf_nats_reply_read((tf_nats_ask_t)(bytes[0] % 5), body, cnt, &reply);
    TF_ASSERT(memchr(reply.text, 0, sizeof reply.text));
    TF_ASSERT(memchr(reply.message_id, 0, sizeof reply.message_id));
    (void)tf_nats_reply_seq(reply.message_id, "D", &seq);
  }
  free(body);
  return 0;
}
