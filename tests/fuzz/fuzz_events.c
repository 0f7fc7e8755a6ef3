/* Lines and records of the feed `events`: each message is counted once, what is published is an event that may be one,
 * of an instrument that is there, and a line is judged the same when it is asked about by itself. The input's first
 * byte is 'R' for records, their target up to a blank; else all of it is lines. LIBS: tf_feed. */
#include <stdlib.h>
#include <string.h>

#include "feed/event_line.h"
#include "feed/feeds.h"
#include "tf/io.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_cnt);

#define EVENT_CAP       64u
#define INSTRUMENT_CAP  8u
#define INPUT_BYTES_MAX 262144u

static tf_instrument_t        rows[INSTRUMENT_CAP];
static tf_instruments_t       instruments;
static tf_feed_counts_t       counts;
static tf_event_t             events[EVENT_CAP];
static tf_feed_out_t          out;
static tf_event_line_reader_t reader;
static uint64_t               texts;

static bool take(void *self, const tf_text_t *text) {
  (void)self;
  TF_ASSERT(text->bytes_cnt > 0 && text->bytes_cnt <= TF_TEXT_BYTES_MAX);
  texts++;
  return texts % 3 != 0;
}

static void check_event(const tf_event_t *e) {
  TF_ASSERT(e->kind < TF_EVENT_KIND_CNT && e->kind != TF_EVENT_CONTROL);
  TF_ASSERT(e->instrument_id < instruments.cnt);
  TF_ASSERT(e->price_exp != INT8_MIN && e->qty_exp != INT8_MIN && e->ingest_seq == 0);
  switch ((tf_event_kind_t)e->kind) {
  case TF_EVENT_TRADE: TF_ASSERT(e->u.trade.qty >= 0); break;
  case TF_EVENT_QUOTE: TF_ASSERT(e->u.quote.bid_qty >= 0 && e->u.quote.ask_qty >= 0); break;
  case TF_EVENT_BOOK:
    TF_ASSERT(e->u.level.qty >= 0 && e->u.level.level_idx < e->u.level.level_cnt);
    break;
  case TF_EVENT_STATUS:
    TF_ASSERT(e->u.status.book_state < TF_BOOK_STATE_CNT && e->u.status.trading < TF_TRADING_CNT);
    break;
  case TF_EVENT_TEXT: TF_ASSERT(e->u.text.miss < TF_TEXT_MISS_CNT); break;
  default: break;
  }
}

/* Without a feed: what may be published is what was, but for what the feed alone knows. */
static void check_lines(const char *body, size_t cnt) {
  const char     *line;
  size_t          line_bytes, at = 0;
  uint64_t        line_cnt = 0, refused = 0;
  tf_event_line_t read;
  while (tf_event_line_next(body, cnt, &at, &line, &line_bytes)) {
    tf_event_line_read(&reader, line, line_bytes, &read);
    line_cnt++;
    refused += read.verdict == TF_VERDICT_REJECTED;
  }
  uint64_t rejected = 0;
  for (uint32_t i = 0; i < TF_REJECT_CNT; i++) rejected += counts.rejected[i];
  TF_ASSERT(line_cnt == counts.messages && refused <= rejected);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_cnt) {
  const tf_text_port_t   port   = {.take = take};
  const tf_feed_t       *feed   = tf_feeds_find("events");
  const tf_feed_config_t config = {.instruments = &instruments, .texts = &port};
  if (bytes_cnt > INPUT_BYTES_MAX) return 0;
  instruments = (tf_instruments_t){.rows = rows, .cap = INSTRUMENT_CAP};
  out         = (tf_feed_out_t){.events = events, .event_cap = EVENT_CAP, .counts = &counts};
  memset(&counts, 0, sizeof counts);
  tf_event_line_reader_init(&reader);
  size_t state_bytes = tf_align_up(feed->state_bytes(feed, &config), TF_LINE_BYTES);
  void  *state       = aligned_alloc(TF_LINE_BYTES, state_bytes);
  TF_ASSERT(state && feed->init(feed, state, &config) == TF_OK);

  char *body = calloc(1, bytes_cnt + TF_BYTES_PAD);
  TF_ASSERT(body != NULL);
  if (bytes_cnt > 0) memcpy(body, bytes, bytes_cnt);
  tf_frame_t frame = {.bytes = body, .bytes_cnt = (uint32_t)bytes_cnt, .recv_ns = 1};
  char      *blank = bytes_cnt > 0 && body[0] == 'R' ? memchr(body, ' ', bytes_cnt) : NULL;
  if (blank) {
    *blank          = '\0';
    frame.kind      = TF_FRAME_BINARY;
    frame.target    = body + 1;
    frame.bytes     = blank + 1;
    frame.bytes_cnt = (uint32_t)(bytes_cnt - (size_t)(frame.bytes - body));
  }
  TF_ASSERT(feed->on_frame(state, &frame, &out) <= TF_VERDICT_REJECTED);
  TF_ASSERT(out.event_cnt <= EVENT_CAP && instruments.cnt <= INSTRUMENT_CAP);
  for (uint32_t i = 0; i < out.event_cnt; i++) check_event(&events[i]);
  uint64_t sum = counts.msgs_data + counts.msgs_control;
  for (uint32_t i = 0; i < TF_REJECT_CNT; i++) sum += counts.rejected[i];
  for (uint64_t i = 0; i < counts.ignored_type_cnt; i++) sum += counts.ignored[i].cnt;
  TF_ASSERT(sum == counts.messages);
  if (!blank) check_lines(body, bytes_cnt);
  free(body);
  free(state);
  return 0;
}
