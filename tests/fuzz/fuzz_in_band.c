/* on_frame of every venue with snapshots in band: each message is counted once, each event once, LAST is
 * on the newest event of each instrument, and nothing but that comes of any input. The input's lines
 * are messages; its first byte picks the venue, by the letter in the table below. A line that begins
 * with '@' is a REST answer behind its target, one that begins as gzip does a binary frame. LIBS: tf_feed. */
#include <stdlib.h>
#include <string.h>

#include "feed/feeds.h"
#include "tf/io.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_cnt);

#define EVENT_CAP        512u
#define INPUT_BYTES_MAX  65536u
#define INSTRUMENT_CAP   8u
#define TARGET_BYTES_MAX 256u

static tf_instrument_t  rows[INSTRUMENT_CAP];
static tf_instruments_t instruments;
static tf_feed_counts_t counts;
static tf_event_t       events[EVENT_CAP];
static tf_feed_out_t    out;
static uint64_t         published[TF_EVENT_KIND_CNT], derived;

static void check_events(void) {
  uint32_t last_cnt[INSTRUMENT_CAP] = {0}, cnt[INSTRUMENT_CAP] = {0};
  bool     is_last[INSTRUMENT_CAP] = {0};
  TF_ASSERT(out.event_cnt <= EVENT_CAP);
  for (uint32_t i = 0; i < out.event_cnt; i++) {
    const tf_event_t *e = &events[i];
    TF_ASSERT(e->kind < TF_EVENT_KIND_CNT && e->instrument_id < instruments.cnt);
    if (e->kind == TF_EVENT_BOOK) TF_ASSERT(e->u.level.level_idx < e->u.level.level_cnt);
    if (e->flags & TF_FLAG_DERIVED)
      derived++;
    else
      published[e->kind]++;
    cnt[e->instrument_id]++;
    is_last[e->instrument_id] = (e->flags & TF_FLAG_LAST) != 0;
    last_cnt[e->instrument_id] += is_last[e->instrument_id];
  }
  for (uint32_t i = 0; i < INSTRUMENT_CAP; i++)
    TF_ASSERT(cnt[i] == 0 || (is_last[i] && last_cnt[i] == 1));
}

static void one_message(const tf_feed_t *feed, void *state, const char *text, size_t text_bytes) {
  tf_frame_t frame = {
      .bytes = text, .bytes_cnt = (uint32_t)text_bytes, .recv_ns = UINT64_C(1786309548000000000)};
  char        target[TARGET_BYTES_MAX];
  const char *space = text_bytes > 0 && text[0] == '@' ? memchr(text, ' ', text_bytes) : NULL;
  if (space != NULL && (size_t)(space - text) <= sizeof target) {
    size_t n = (size_t)(space - text) - 1;
    memcpy(target, text + 1, n);
    target[n]    = '\0';
    frame.kind   = TF_FRAME_HTTP;
    frame.target = target;
    frame.bytes  = space + 1;
    frame.bytes_cnt -= (uint32_t)(n + 2);
  }
  if (text_bytes > 1 && memcmp(text, "\x1f\x8b", 2) == 0) frame.kind = TF_FRAME_BINARY;
  out.event_cnt  = 0;
  out.resync_cnt = 0;
  out.answer_cnt = 0;
  if (text_bytes == 8 && memcmp(text, "#connect", 8) == 0) {
    feed->on_connect(state, frame.recv_ns, &out);
  } else if (text_bytes == 5 && memcmp(text, "#lose", 5) == 0) {
    feed->lose_book(state, 0, frame.recv_ns, &out);
  } else {
    tf_verdict_t verdict = feed->on_frame(state, &frame, &out);
    TF_ASSERT(verdict <= TF_VERDICT_REJECTED);
  }
  check_events();
}

/* A venue keeps its letter, so that inputs keep their meaning when others come. */
static const struct {
  uint8_t     letter;
  const char *venue;
} venues[] = {
    {'G', "gate-futures"     },
    {'H', "htx-swap"         },
    {'K', "kucoin-futures"   },
    {'a', "coinbase-exchange"},
    {'b', "kraken"           },
    {'c', "coinbase"         },
    {'d', "deribit"          },
    {'f', "bitfinex"         },
    {'g', "gate"             },
    {'h', "htx"              },
    {'k', "kucoin"           },
    {'l', "hyperliquid"      },
    {'m', "bitmex"           },
    {'o', "okx"              },
    {'p', "cryptocom"        },
    {'t', "bitget"           },
    {'y', "bybit"            },
};

static const tf_feed_t *feed_of(uint8_t byte) {
  for (size_t i = 0; i < TF_ARRAY_CNT(venues); i++)
    if (venues[i].letter == byte) return tf_feeds_find(venues[i].venue);
  return tf_feeds_find(venues[byte % TF_ARRAY_CNT(venues)].venue);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_cnt) {
  static char line[INPUT_BYTES_MAX + TF_BYTES_PAD];
  if (bytes_cnt == 0 || bytes_cnt > INPUT_BYTES_MAX) return 0;
  const tf_feed_t *feed = feed_of(bytes[0]);
  memset(&counts, 0, sizeof counts);
  memset(published, 0, sizeof published);
  derived     = 0;
  instruments = (tf_instruments_t){.rows = rows, .cap = INSTRUMENT_CAP};
  out         = (tf_feed_out_t){.events = events, .event_cap = EVENT_CAP, .counts = &counts};
  tf_feed_config_t config = {.instruments = &instruments, .channels = (1u << TF_CHANNEL_CNT) - 1};
  void            *state  = aligned_alloc(64, tf_align_up(feed->state_bytes(feed, &config), 64));
  TF_ASSERT(feed->init(feed, state, &config) == TF_OK);
  const uint8_t *stop = bytes + bytes_cnt;
  for (const uint8_t *p = bytes + 1; p < stop;) {
    const uint8_t *end = memchr(p, '\n', (size_t)(stop - p));
    if (end == NULL) end = stop;
    size_t n = (size_t)(end - p);
    memcpy(line, p, n);
    for (size_t i = 0; i < TF_BYTES_PAD; i++) line[n + i] = "0\"],}[{:"[i % 8];
    one_message(feed, state, line, n);
    p = end + 1;
  }
  uint64_t sum = counts.msgs_data + counts.msgs_control;
  for (int i = 0; i < TF_REJECT_CNT; i++) sum += counts.rejected[i];
  for (uint64_t i = 0; i < counts.ignored_type_cnt; i++) sum += counts.ignored[i].cnt;
  TF_ASSERT(sum == counts.messages && derived == counts.derived);
  for (int i = 0; i < TF_EVENT_KIND_CNT; i++) TF_ASSERT(published[i] == counts.events[i]);
  free(state);
  return 0;
}
