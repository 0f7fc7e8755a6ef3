/* dump_feed VENUE FILE [SYMBOL,...]: every event that the feed makes of a recording, one a line,
 * and then the counts as JSON. tests/oracle/binance_decoder.py compares them with its own. A line
 * that is "#connect" calls on_connect; a target may stand before the message: "<recv_ns> @<target>
 * <json>". */
#include "recording.h"

#include <stdio.h>

#include "feed/feeds.h"
#include "wire/decimal.h"

#define EVENT_CAP      65536u
#define INSTRUMENT_CAP 4096u

static tf_instruments_t instruments;

static const char *text_of(int64_t mantissa, int8_t exp) {
  static char     text[8][TF_DECIMAL_TEXT_BYTES];
  static uint32_t turn;
  turn = (turn + 1) % 8;
  tf_decimal_format(mantissa, exp, text[turn]);
  return text[turn];
}

static void print_event(const tf_event_t *e, uint64_t message) {
  printf("%" PRIu64 " %c %s te=%" PRIu64 " tr=%" PRIu64 " f=%02x", message, "TQBKS"[e->kind],
         instruments.rows[e->instrument_id].symbol, e->ts_event_ns, e->ts_recv_ns, e->flags);
  switch ((tf_event_kind_t)e->kind) {
  case TF_EVENT_TRADE:
    printf(" p=%s q=%s id=%" PRIu64 " %s\n", text_of(e->u.trade.price, e->price_exp),
           text_of(e->u.trade.qty, e->qty_exp), e->u.trade.id,
           tf_event_sign(e) < 0 ? "SELL" : "BUY");
    break;
  case TF_EVENT_QUOTE:
    printf(" b=%s B=%s a=%s A=%s\n", text_of(e->u.quote.bid_price, e->price_exp),
           text_of(e->u.quote.bid_qty, e->qty_exp), text_of(e->u.quote.ask_price, e->price_exp),
           text_of(e->u.quote.ask_qty, e->qty_exp));
    break;
  case TF_EVENT_BOOK:
    printf(" %s p=%s q=%s u=%" PRIu64 " i=%" PRIu32 "/%" PRIu32 "\n",
           tf_event_sign(e) < 0 ? "ask" : "bid", text_of(e->u.level.price, e->price_exp),
           text_of(e->u.level.qty, e->qty_exp), e->u.level.venue_seq, e->u.level.level_idx,
           e->u.level.level_cnt);
    break;
  case TF_EVENT_TICKER:
    printf(" c=%s v=%s\n", text_of(e->u.ticker.last_price, e->price_exp),
           text_of(e->u.ticker.volume, e->qty_exp));
    break;
  case TF_EVENT_STATUS:
    printf(" state=%" PRIu64 " from=%" PRIu64 " gap=%" PRIu64 "..%" PRIu64 "\n",
           e->u.status.book_state, e->u.status.apply_from, e->u.status.gap_first,
           e->u.status.gap_last);
    break;
  default: abort();
  }
}

static void print_counts(const tf_feed_counts_t *c) {
  static const char *const kinds[]   = {"trade", "quote", "book", "ticker", "status"};
  static const char *const reasons[] = {
#define REASON(id, name, text) name,
      TF_REJECTS(REASON)
#undef REASON
  };
  printf("= {\"messages\":%" PRIu64 ",\"data\":%" PRIu64 ",\"control\":%" PRIu64, c->messages,
         c->msgs_data, c->msgs_control);
  for (int i = 0; i < (int)TF_ARRAY_CNT(kinds); i++)
    printf(",\"%s\":%" PRIu64, kinds[i], c->events[i]);
  printf(",\"rejected\":{");
  for (int i = 0, n = 0; i < TF_REJECT_CNT; i++) {
    if (c->rejected[i]) printf("%s\"%s\":%" PRIu64, n++ ? "," : "", reasons[i], c->rejected[i]);
  }
  printf("},\"ignored\":{");
  for (uint64_t i = 0; i < c->ignored_type_cnt; i++) {
    printf("%s\"%s\":%" PRIu64, i ? "," : "", c->ignored[i].name, c->ignored[i].cnt);
  }
  printf("},\"gaps\":%" PRIu64 ",\"duplicates\":%" PRIu64 ",\"bridged_out\":%" PRIu64
         ",\"resyncs\":%" PRIu64 ",\"instruments\":%" PRIu32 "}\n",
         c->gaps, c->duplicates, c->bridged_out_levels, c->resyncs, instruments.cnt);
}

int main(int argc, char **argv) {
  const tf_feed_t *feed = argc > 2 ? tf_feeds_find(argv[1]) : NULL;
  recording_t      recording;
  if (feed == NULL || !recording_open(&recording, argv[2])) {
    fprintf(stderr, "usage: dump_feed VENUE FILE [SYMBOL,...]\n");
    return 2;
  }
  const char *symbols[16];
  uint32_t    symbol_cnt = 0;
  for (char *s = argc > 3 ? strtok(argv[3], ",") : NULL; s != NULL && symbol_cnt < 16;
       s       = strtok(NULL, ",")) {
    symbols[symbol_cnt++] = s;
  }
  instruments.cap                = INSTRUMENT_CAP;
  instruments.rows               = calloc(INSTRUMENT_CAP, sizeof(*instruments.rows));
  tf_feed_config_t        config = {.instruments = &instruments,
                                    .symbols     = symbols,
                                    .symbol_cnt  = symbol_cnt,
                                    .channels    = 7, /* all */
                                    .pending_cap = 64};
  static tf_feed_counts_t counts;
  tf_feed_out_t           out = {.event_cap = EVENT_CAP, .counts = &counts};
  out.events                  = malloc(EVENT_CAP * sizeof(tf_event_t));
  void *state = aligned_alloc(64, tf_align_up(feed->state_bytes(&config), TF_LINE_PAIR_BYTES));
  if (feed->init(state, &config) != TF_OK) return 1;

  while (recording_next(&recording)) {
    out.event_cnt  = 0;
    out.resync_cnt = 0;
    char target[256];
    if (strcmp(recording.json, "#connect") == 0) {
      feed->on_connect(state, recording.recv_ns, &out);
    } else {
      tf_frame_t frame = {
          .bytes = recording.json, .bytes_cnt = recording.json_bytes, .recv_ns = recording.recv_ns};
      char *space = recording.json[0] == '@' ? strchr(recording.json, ' ') : NULL;
      if (space != NULL) {
        snprintf(target, sizeof(target), "%.*s", (int)(space - recording.json - 1),
                 recording.json + 1);
        frame.kind   = TF_FRAME_HTTP;
        frame.target = target;
        frame.bytes  = space + 1;
        frame.bytes_cnt -= (uint32_t)(frame.bytes - recording.json);
      }
      feed->on_frame(state, &frame, &out);
    }
    for (uint32_t i = 0; i < out.event_cnt; i++) print_event(&out.events[i], counts.messages);
    for (uint32_t i = 0; i < out.resync_cnt; i++) {
      printf("%" PRIu64 " resync %s\n", counts.messages,
             instruments.rows[out.resync_ids[i]].symbol);
    }
  }
  print_counts(&counts);
  recording_close(&recording);
  free(state);
  free(out.events);
  free(instruments.rows);
  return 0;
}
