/* What a listener might send to a client: any bytes, in any cut. No crash; each record comes once and in order unless
 * it was conflated; what is not in order is told; and the same bytes in one piece give the same messages. */
#include <string.h>

#include "client/frames.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t cnt);

static tf_client_t      client;
static tf_client_name_t names[TF_CLIENT_INSTRUMENTS_MAX];
static uint8_t          inbox[TF_FRAMES_INBOX_BYTES];

typedef struct told {
  uint64_t kinds[TF_CLIENT_END + 1];
  uint64_t digest;
  bool     is_broken;
} told_t;

static uint64_t digest(uint64_t hash, uint64_t word) {
  return (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15) + 1;
}

/* Takes all messages that are there; false: nothing more will come. */
static bool take(tf_frames_t *frames, told_t *told) {
  tf_client_message_t m;
  for (;;) {
    uint64_t         before = frames->next_seq;
    tf_client_kind_t kind   = tf_frames_next(frames, &client, &m);
    if (kind == TF_CLIENT_IDLE) return true;
    told->is_broken = kind == TF_FRAMES_BROKEN;
    if (told->is_broken) {
      if (!client.error[0]) abort();
      return false;
    }
    if (kind > TF_CLIENT_END) abort();
    told->kinds[kind]++;
    told->digest = digest(digest(told->digest, kind), m.seq + m.lost_from * 3 + m.lost_to * 5);
    if (kind == TF_CLIENT_LOST && m.lost_to < m.lost_from) abort();
    if (kind == TF_CLIENT_RECORD && frames->policy != TF_OVERFLOW_CONFLATE && m.seq < before)
      abort();
    if (kind == TF_CLIENT_RECORD && m.record_bytes > sizeof client.record) abort();
    if (kind == TF_CLIENT_END) return false;
  }
}

/* piece: bytes fed at a time. */
static told_t feed(const uint8_t *bytes, size_t cnt, size_t piece, uint32_t carries,
                   uint64_t resume_from) {
  tf_frames_t frames;
  told_t      told = {.digest = 0};
  uint8_t     hello[TF_FRAME_HEADER_BYTES + TF_FRAME_HELLO_BYTES_MAX];
  client.names    = names;
  client.name_cnt = 0;
  client.carries  = carries;
  client.epoch    = 0;
  client.counts   = (tf_client_counts_t){0};
  client.error[0] = 0;
  tf_frames_init(&frames, inbox, resume_from);
  tf_frames_connect(&frames);
  if (tf_frames_hello(&frames, carries, "token", hello) > sizeof hello) abort();
  for (size_t at = 0; at < cnt;) {
    size_t   cap;
    uint8_t *room = tf_frames_room(&frames, &cap);
    size_t   n    = cnt - at < piece ? cnt - at : piece;
    if (cap < TF_FRAMES_ROOM_BYTES) abort();
    memcpy(room, bytes + at, n);
    tf_frames_fed(&frames, n);
    at += n;
    if (!take(&frames, &told)) break;
  }
  return told;
}

/* The input: what is carried, from where, the size of the pieces; then what the listener sends. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t cnt) {
  if (cnt < 3) return 0;
  uint32_t carries = bytes[0] % TF_CARRIES_CNT;
  uint64_t resume  = bytes[1] == 255 ? TF_CLIENT_NEXT : bytes[1];
  told_t   cut     = feed(bytes + 3, cnt - 3, bytes[2] + 1u, carries, resume);
  told_t   whole   = feed(bytes + 3, cnt - 3, TF_FRAMES_ROOM_BYTES, carries, resume);
  if (memcmp(cut.kinds, whole.kinds, sizeof cut.kinds) != 0 || cut.digest != whole.digest ||
      cut.is_broken != whole.is_broken)
    abort();
  return 0;
}
