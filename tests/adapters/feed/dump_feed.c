/* dump_feed VENUE FILE [SYMBOL,...]: every event that the feed makes of a recording, one a line,
 * and then the counts as JSON, and a line of its own where ids conflicted. tests/oracle compares them with its own. A line
 * that is "#connect" calls on_connect; a target may stand before the message: "<recv_ns> @<target>
 * <json>". */
#include "recording.h"

#include <stdio.h>

#include "feed/feeds.h"
#include "file/recording.h"
#include "wire/decimal.h"

#define EVENT_CAP      65536u
#define INSTRUMENT_CAP 4096u
#define LATER_SYMBOLS  64u

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
    printf(" c=%s v=%s m=%s r=%s\n", text_of(e->u.ticker.last_price, e->price_exp),
           text_of(e->u.ticker.volume, e->qty_exp), text_of(e->u.ticker.mark_price, e->price_exp),
           e->u.ticker.funding_rate == TF_FUNDING_NONE
               ? "-"
               : text_of(e->u.ticker.funding_rate, TF_FUNDING_EXP));
    break;
  case TF_EVENT_STATUS:
    if (tf_event_is_listing(e)) {
      printf(" trading=%" PRIu32 " tick=%s lot=%s\n", e->u.listing.trading,
             text_of(e->u.listing.tick_size, e->price_exp),
             text_of(e->u.listing.lot_size, e->qty_exp));
      break;
    }
    printf(" state=%" PRIu32 " from=%" PRIu64 " gap=%" PRIu64 "..%" PRIu64 "\n",
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
  printf(",\"derived\":%" PRIu64 ",\"rejected\":{", c->derived);
  for (int i = 0, n = 0; i < TF_REJECT_CNT; i++) {
    if (c->rejected[i]) printf("%s\"%s\":%" PRIu64, n++ ? "," : "", reasons[i], c->rejected[i]);
  }
  printf("},\"ignored\":{");
  for (uint64_t i = 0; i < c->ignored_type_cnt; i++) {
    printf("%s\"%s\":%" PRIu64, i ? "," : "", c->ignored[i].name, c->ignored[i].cnt);
  }
  printf("},\"gaps\":%" PRIu64 ",\"duplicates\":%" PRIu64 ",\"bridged_out\":%" PRIu64
         ",\"resyncs\":%" PRIu64 ",\"checksums\":%" PRIu64 ",\"mismatches\":%" PRIu64
         ",\"instruments\":%" PRIu32 "}\n",
         c->gaps, c->duplicates, c->bridged_out_levels, c->resyncs, c->checksums,
         c->checksum_mismatches, instruments.cnt);
  if (c->id_conflicts)
    printf("! id_conflicts %" PRIu64 " newest %" PRIu64 "\n", c->id_conflicts,
           c->id_conflict_newest);
}

typedef struct {
  const tf_feed_t *feed;
  void            *state;
  tf_feed_counts_t counts;
  tf_feed_out_t    out;
} dump_t;

static dump_t dump;

static void print_new(void) {
  for (uint32_t i = 0; i < dump.out.event_cnt; i++)
    print_event(&dump.out.events[i], dump.counts.messages);
  for (uint32_t i = 0; i < dump.out.resync_cnt; i++) {
    printf("%" PRIu64 " resync %s\n", dump.counts.messages,
           instruments.rows[dump.out.resync_ids[i]].symbol);
  }
  dump.out.event_cnt  = 0;
  dump.out.resync_cnt = 0;
}

static void on_frame(const tf_frame_t *frame) {
  dump.feed->on_frame(dump.state, frame, &dump.out);
  print_new();
}

/* `<recv_ns> <json>` lines, with the two extensions above. */
static bool dump_lines(const char *path) {
  recording_t recording;
  char        target[256];
  if (!recording_open(&recording, path)) return false;
  while (recording_next(&recording)) {
    tf_frame_t frame = {
        .bytes = recording.json, .bytes_cnt = recording.json_bytes, .recv_ns = recording.recv_ns};
    if (strcmp(recording.json, "#connect") == 0) {
      dump.feed->on_connect(dump.state, recording.recv_ns, &dump.out);
      print_new();
      continue;
    }
    char *space = recording.json[0] == '@' ? strchr(recording.json, ' ') : NULL;
    if (space != NULL) {
      snprintf(target, sizeof(target), "%.*s", (int)(space - recording.json - 1),
               recording.json + 1);
      frame.kind   = TF_FRAME_HTTP;
      frame.target = target;
      frame.bytes  = space + 1;
      frame.bytes_cnt -= (uint32_t)(frame.bytes - recording.json);
    }
    on_frame(&frame);
  }
  recording_close(&recording);
  return true;
}

/* Any other recording. */
static bool dump_recording(const char *path) {
  tf_recording_t recording = {0};
  tf_record_t    record;
  if (tf_recording_init(&recording, path) != TF_OK) return false;
  for (;;) {
    tf_recording_result_t result = tf_recording_next(&recording, &record);
    if (result == TF_RECORDING_AGAIN) continue;
    if (result != TF_RECORDING_RECORD) break;
    tf_frame_t frame = {.bytes     = record.bytes,
                        .bytes_cnt = record.bytes_cnt,
                        .kind      = record.kind,
                        .recv_ns   = record.recv_ns,
                        .target    = record.target};
    on_frame(&frame);
  }
  tf_recording_fini(&recording);
  return true;
}

int main(int argc, char **argv) {
  dump.feed = argc > 2 ? tf_feeds_find(argv[1]) : NULL;
  if (dump.feed == NULL) {
    fprintf(stderr, "usage: dump_feed VENUE FILE [SYMBOL,...]\n");
    return 2;
  }
  const char *symbols[16];
  uint32_t    symbol_cnt = 0;
  for (char *s = argc > 3 ? strtok(argv[3], ",") : NULL; s != NULL && symbol_cnt < 16;
       s       = strtok(NULL, ",")) {
    symbols[symbol_cnt++] = s;
  }
  instruments.cap         = INSTRUMENT_CAP;
  instruments.rows        = calloc(INSTRUMENT_CAP, sizeof(*instruments.rows));
  tf_feed_config_t config = {.instruments = &instruments,
                             .symbols     = symbols,
                             .symbol_cnt  = symbol_cnt,
                             .symbols_max = symbol_cnt > 0 ? LATER_SYMBOLS + symbol_cnt : 0,
                             .channels    = (1u << TF_CHANNEL_CNT) - 1,
                             .pending_cap = 64};
  dump.out                = (tf_feed_out_t){.event_cap = EVENT_CAP,
                                            .counts    = &dump.counts,
                                            .events    = malloc(EVENT_CAP * sizeof(tf_event_t))};
  dump.state              = aligned_alloc(
                   64, tf_align_up(dump.feed->state_bytes(dump.feed, &config), TF_LINE_PAIR_BYTES));
  if (dump.feed->init(dump.feed, dump.state, &config) != TF_OK) return 1;
  const char *end = strrchr(argv[2], '.');
  bool        done =
      end != NULL && strcmp(end, ".zst") == 0 ? dump_recording(argv[2]) : dump_lines(argv[2]);
  if (!done) return 1;
  print_counts(&dump.counts);
  free(dump.state);
  free(dump.out.events);
  free(instruments.rows);
  return 0;
}
