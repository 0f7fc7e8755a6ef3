/* on_frame of every Binance market: predicted and unpredicted decoding give the same events, each
 * message is counted once, each event once, LAST is on the last, and nothing but that comes of any
 * input. The input's lines are messages. LIBS: tf_feed. */
#include <stdlib.h>
#include <string.h>

#include "feed/binance.h"
#include "feed/feeds.h"
#include "tf/io.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_cnt);

#define EVENT_CAP       512u
#define INPUT_BYTES_MAX 65536u

typedef struct {
  void            *state;
  tf_instruments_t instruments;
  tf_feed_counts_t counts;
  tf_feed_out_t    out;
  tf_event_t       events[EVENT_CAP];
} rig_t;

static rig_t rigs[2];

static void start(rig_t *rig, const tf_feed_t *feed, bool predict) {
  static tf_instrument_t rows[2][8];
  memset(&rig->counts, 0, sizeof(rig->counts));
  rig->instruments = (tf_instruments_t){.rows = rows[predict], .cap = 8};
  rig->out = (tf_feed_out_t){.events = rig->events, .event_cap = EVENT_CAP, .counts = &rig->counts};
  tf_feed_config_t config = {.instruments = &rig->instruments, .channels = 7, .pending_cap = 3};
  rig->state              = aligned_alloc(64, tf_align_up(feed->state_bytes(feed, &config), 64));
  TF_ASSERT(feed->init(feed, rig->state, &config) == TF_OK);
  tf_binance_predict(rig->state, predict);
}

static void check_counts(const tf_feed_counts_t *c, const uint64_t *published) {
  uint64_t sum = c->msgs_data + c->msgs_control;
  for (int i = 0; i < TF_REJECT_CNT; i++) sum += c->rejected[i];
  for (uint64_t i = 0; i < c->ignored_type_cnt; i++) sum += c->ignored[i].cnt;
  TF_ASSERT(sum == c->messages);
  for (int i = 0; i < TF_EVENT_KIND_CNT; i++) TF_ASSERT(published[i] == c->events[i]);
}

static void one_message(const tf_feed_t *feed, const char *text, size_t text_bytes,
                        uint64_t *published) {
  static const char *const targets[] = {NULL, "/api/v3/depth?symbol=BTCUSDT&limit=5", "/x",
                                        "?symbol=%4"};
  tf_verdict_t             verdicts[2];
  for (int i = 0; i < 2; i++) {
    rig_t     *rig   = &rigs[i];
    tf_frame_t frame = {.bytes     = text,
                        .bytes_cnt = (uint32_t)text_bytes,
                        .kind =
                            text_bytes % 5 == 4 ? (uint8_t)TF_FRAME_HTTP : (uint8_t)TF_FRAME_TEXT,
                        .recv_ns = UINT64_C(1723161255343000000)};
    if (frame.kind == TF_FRAME_HTTP) frame.target = targets[text_bytes / 5 % 4];
    rig->out.event_cnt  = 0;
    rig->out.resync_cnt = 0;
    if (text_bytes == 7 && memcmp(text, "connect", 7) == 0) {
      feed->on_connect(rig->state, frame.recv_ns, &rig->out);
      verdicts[i] = TF_VERDICT_DATA;
    } else if (text_bytes == 4 && memcmp(text, "lose", 4) == 0) {
      feed->lose_book(rig->state, 0, frame.recv_ns, &rig->out);
      verdicts[i] = TF_VERDICT_DATA;
    } else {
      verdicts[i] = feed->on_frame(rig->state, &frame, &rig->out);
      if (rig->out.event_cnt > 0) {
        TF_ASSERT(rig->events[rig->out.event_cnt - 1].flags & TF_FLAG_LAST);
        TF_ASSERT(verdicts[i] == TF_VERDICT_DATA);
      }
    }
  }
  TF_ASSERT(verdicts[0] == verdicts[1]);
  TF_ASSERT(rigs[0].out.event_cnt == rigs[1].out.event_cnt);
  TF_ASSERT(memcmp(rigs[0].events, rigs[1].events, rigs[0].out.event_cnt * sizeof(tf_event_t)) ==
            0);
  for (uint32_t i = 0; i < rigs[0].out.event_cnt; i++) {
    const tf_event_t *e = &rigs[0].events[i];
    TF_ASSERT(e->kind < TF_EVENT_KIND_CNT && e->instrument_id < rigs[0].instruments.cnt);
    published[e->kind]++;
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_cnt) {
  static char             line[INPUT_BYTES_MAX + TF_BYTES_PAD];
  static const tf_feed_t *feed;
  if (bytes_cnt == 0 || bytes_cnt > INPUT_BYTES_MAX) return 0;
  static const char *const venues[] = {"binance-spot", "binance-usdm", "binance-coinm"};
  feed                              = tf_feeds_find(venues[bytes[0] % 3]);
  for (int i = 0; i < 2; i++) start(&rigs[i], feed, i == 1);
  uint64_t       published[TF_EVENT_KIND_CNT] = {0};
  const uint8_t *stop                         = bytes + bytes_cnt;
  for (const uint8_t *p = bytes; p < stop;) {
    const uint8_t *end = memchr(p, '\n', (size_t)(stop - p));
    if (end == NULL) end = stop;
    size_t n = (size_t)(end - p);
    memcpy(line, p, n);
    for (size_t i = 0; i < TF_BYTES_PAD; i++) line[n + i] = "0\"],}[{:"[i % 8];
    one_message(feed, line, n, published);
    p = end + 1;
  }
  for (int i = 0; i < 2; i++) {
    check_counts(&rigs[i].counts, published);
    free(rigs[i].state);
  }
  return 0;
}
