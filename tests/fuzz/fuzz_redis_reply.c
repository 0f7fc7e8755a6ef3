/* What a Redis answers, in pieces: however the bytes are cut, the same answers come of them. The first byte is where they are cut. */
#include <string.h>

#include "broker/redis_reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_cnt);

#define REPLIES_MAX 64

typedef struct heard {
  tf_redis_reply_t replies[REPLIES_MAX];
  uint32_t         cnt;
  bool             refused;
} heard_t;

static void hear(heard_t *heard, const char *bytes, size_t cnt, size_t cut) {
  tf_redis_reader_t r;
  memset(heard, 0, sizeof *heard);
  TF_ASSERT(tf_redis_reply_init(&r) == TF_OK);
  for (size_t at = 0; at < cnt && !heard->refused;) {
    size_t n   = cnt - at < cut ? cnt - at : cut;
    int    got = tf_redis_reply_feed(&r, bytes + at, n) == TF_OK ? 1 : -1;
    for (; got > 0 && heard->cnt<REPLIES_MAX; heard->cnt += got> 0)
      got = tf_redis_reply_next(&r, &heard->replies[heard->cnt]);
    heard->refused = got < 0;
    if (heard->cnt == REPLIES_MAX) break;
    at += n;
  }
  tf_redis_reply_fini(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_cnt) {
  static heard_t whole, cut;
  if (bytes_cnt < 1) return 0;
  hear(&whole, (const char *)bytes + 1, bytes_cnt - 1, bytes_cnt);
  hear(&cut, (const char *)bytes + 1, bytes_cnt - 1, 1 + bytes[0] % 16);
  TF_ASSERT(whole.cnt == cut.cnt && whole.refused == cut.refused);
  TF_ASSERT(memcmp(whole.replies, cut.replies, whole.cnt * sizeof whole.replies[0]) == 0);
  return 0;
}
