/* Events from anywhere, in our own words: JSON lines (event_line.h) and records as brokers keep them (tf/event.h), of
 * instruments of any venue. What brings them is an intake (adapters/source) or a file.
 *
 *   TEXT     lines; each is a message of its own, and is counted as one: a bad one costs the others nothing
 *   BINARY   records of 64 bytes, all of the instrument that the frame's target ends with, "....VENUE.SYMBOL", as a
 *            subject of ours does (adapters/sink/nats.c); each is a message
 *
 * The config's symbols are patterns of full names ("BTCUSDT.DESK", "*.BINANCE-SPOT"): what fits none is rejected. Names
 * without a star have their rows from the start, others when they appear, as many as the config leaves room for.
 *
 * With ids_kept a line whose `id` was heard of late, of the same instrument, kind and source, is a duplicate: counted, and not
 * published. A sender that does not know whether it was heard says the same again. Records have ids of their broker's.
 *
 * ts_recv is when we received the frame; with times_kept as the sender says, where it does. Books are as they are
 * told: levels and the STATUS around them are the sender's to send. */
#include <string.h>

#include "core/error.h"
#include "feed/event_line.h"
#include "feed/feeds.h"
#include "feed/id_window.h"
#include "feed/name_index.h"
#include "feed/symbols.h"

typedef struct events {
  tf_feed_head_t          head; /* first */
  const tf_feed_config_t *config;
  tf_name_index_t         names;
  tf_event_line_t         line;
  tf_event_line_reader_t  reader;
  tf_id_window_t          ids; /* where the config has them kept */
} events_t;

static bool is_wanted(const events_t *s, const char *name) {
  if (s->config->symbol_cnt == 0) return true;
  for (uint32_t i = 0; i < s->config->symbol_cnt; i++)
    if (tf_name_index_matches(s->config->symbols[i], name)) return true;
  return false;
}

/* One message: counted, and published if it can be. */
static tf_verdict_t take_line(events_t *s, const tf_frame_t *frame, const char *bytes,
                              uint32_t bytes_cnt, tf_feed_out_t *out) {
  const tf_frame_t       its    = {.bytes = bytes, .bytes_cnt = bytes_cnt};
  const tf_event_line_t *line   = &s->line;
  tf_feed_counts_t      *counts = out->counts;
  uint32_t               id     = 0;
  if (line->verdict == TF_VERDICT_REJECTED)
    return tf_feeds_reject(counts, &its, (tf_reject_t)line->reject);
  if (line->verdict == TF_VERDICT_IGNORED)
    return tf_feeds_ignore(counts, line->word, strlen(line->word));
  if (!is_wanted(s, line->name)) return tf_feeds_reject(counts, &its, TF_REJECT_INSTRUMENT);
  if (out->event_cnt == out->event_cap) return tf_feeds_reject(counts, &its, TF_REJECT_LIMIT);
  if (!tf_name_index_find_or_add(&s->names, line->name, line->name_bytes, &id))
    return tf_feeds_reject(counts, &its, TF_REJECT_LIMIT);
  bool has_id = line->own_id && s->config->ids_kept;
  if (has_id && tf_id_window_has(&s->ids, line->own_id)) {
    counts->duplicates++;
    counts->msgs_data++;
    return TF_VERDICT_DATA;
  }
  bool keeps = s->config->times_kept && line->event.ts_recv_ns != 0;
  if (line->is_text) {
    const tf_text_port_t *port = s->config->texts;
    tf_text_t             text = line->text;
    text.instrument_id         = id;
    if (!keeps) text.ts_recv_ns = frame->recv_ns;
    if (!port) return tf_feeds_ignore(counts, "text", 4);
    if (!port->take(port->self, &text)) return tf_feeds_ignore(counts, "text_full", 9);
  } else {
    tf_event_t *e    = &out->events[out->event_cnt++];
    *e               = line->event;
    e->instrument_id = id;
    if (!keeps) e->ts_recv_ns = frame->recv_ns;
    counts->events[e->kind]++;
  }
  if (has_id) tf_id_window_put(&s->ids, line->own_id); /* what could not be taken may come again */
  counts->msgs_data++;
  return TF_VERDICT_DATA;
}

static tf_verdict_t take_lines(events_t *s, const tf_frame_t *frame, tf_feed_out_t *out) {
  tf_verdict_t verdict = TF_VERDICT_CONTROL;
  const char  *bytes;
  size_t       bytes_cnt, at = 0;
  while (tf_event_line_next(frame->bytes, frame->bytes_cnt, &at, &bytes, &bytes_cnt)) {
    out->counts->messages++;
    tf_event_line_read(&s->reader, bytes, bytes_cnt, &s->line);
    tf_verdict_t its = take_line(s, frame, bytes, (uint32_t)bytes_cnt, out);
    if (verdict != TF_VERDICT_DATA) verdict = its;
  }
  return verdict;
}

/* "SYMBOL.VENUE" of "....VENUE.SYMBOL". 0: it is none. */
static size_t name_of_target(const char *target, char name[TF_INSTRUMENT_NAME_BYTES]) {
  const char *symbol = strrchr(target, '.');
  if (!symbol) return 0;
  const char *venue = symbol;
  while (venue > target && venue[-1] != '.') venue--;
  int cnt =
      snprintf(name, TF_INSTRUMENT_NAME_BYTES, "%s.%.*s", symbol + 1, (int)(symbol - venue), venue);
  return cnt > 0 && cnt < (int)TF_INSTRUMENT_NAME_BYTES ? (size_t)cnt : 0;
}

static tf_verdict_t take_records(events_t *s, const tf_frame_t *frame, tf_feed_out_t *out) {
  tf_verdict_t verdict = TF_VERDICT_CONTROL;
  char         name[TF_INSTRUMENT_NAME_BYTES];
  size_t       name_bytes = name_of_target(frame->target ? frame->target : "", name);
  if (frame->bytes_cnt == 0 || frame->bytes_cnt % sizeof(tf_event_t) != 0) {
    out->counts->messages++;
    return tf_feeds_reject(out->counts, frame, TF_REJECT_LIMIT);
  }
  for (uint32_t at = 0; at < frame->bytes_cnt; at += (uint32_t)sizeof(tf_event_t)) {
    tf_event_t record;
    memcpy(&record, frame->bytes + at, sizeof record);
    out->counts->messages++;
    tf_event_line_take(&record, name, name_bytes, &s->line);
    tf_verdict_t its = take_line(s, frame, frame->bytes + at, sizeof record, out);
    if (verdict != TF_VERDICT_DATA) verdict = its;
  }
  return verdict;
}

static tf_verdict_t on_frame(void *state, const tf_frame_t *frame, tf_feed_out_t *out) {
  events_t *s = state;
  if (frame->kind == TF_FRAME_TEXT) return take_lines(s, frame, out);
  if (frame->kind == TF_FRAME_BINARY) return take_records(s, frame, out);
  out->counts->messages++;
  return tf_feeds_reject(out->counts, frame, TF_REJECT_ENCODING);
}

/* A sender says of its books what there is to say. */
static void on_connect(void *state, uint64_t now_ns, tf_feed_out_t *out) {
  (void)state;
  (void)now_ns;
  (void)out;
}

static void lose_book(void *state, uint32_t instrument_id, uint64_t now_ns, tf_feed_out_t *out) {
  (void)instrument_id;
  on_connect(state, now_ns, out);
}

static size_t names_at(void) { return tf_align_up(sizeof(events_t), TF_LINE_BYTES); }

static size_t ids_at(const tf_feed_config_t *config) {
  return tf_align_up(names_at() + tf_name_index_footprint(config->instruments->cap), TF_LINE_BYTES);
}

static size_t state_bytes(const tf_feed_t *feed, const tf_feed_config_t *config) {
  (void)feed;
  return ids_at(config) + (config->ids_kept ? tf_id_window_bytes(config->ids_kept) : 0);
}

static tf_err_t check_pattern(const char *pattern) {
  size_t cnt = strlen(pattern);
  if (cnt >= TF_SYMBOL_BYTES_MAX)
    return TF_ERR(E_CONFIG_VALUE, "instrument \"%.60s\": found %zu characters, at most %d", pattern,
                  cnt, TF_SYMBOL_BYTES_MAX - 1);
  if (strchr(pattern, '*') || tf_event_line_is_name(pattern, cnt)) return TF_OK;
  return TF_ERR(E_CONFIG_VALUE,
                "instrument \"%.60s\": expected SYMBOL.VENUE such as BTCUSDT.DESK (VENUE in upper "
                "case), or a pattern such as *.DESK",
                pattern);
}

static tf_err_t init(const tf_feed_t *feed, void *state, const tf_feed_config_t *config) {
  events_t *s = state;
  uint32_t  id;
  (void)feed;
  memset(s, 0, sizeof *s);
  s->config = config;
  tf_name_index_init(&s->names, (uint8_t *)state + names_at(), config->instruments,
                     tf_symbols_cap_of(config));
  tf_event_line_reader_init(&s->reader);
  if (config->ids_kept) {
    memset((uint8_t *)state + ids_at(config), 0, tf_id_window_bytes(config->ids_kept));
    tf_id_window_init(&s->ids, (uint8_t *)state + ids_at(config), config->ids_kept);
  }
  for (uint32_t i = 0; i < config->symbol_cnt; i++) {
    const char *pattern = config->symbols[i];
    tf_err_t    err     = check_pattern(pattern);
    if (err) return err;
    if (strchr(pattern, '*')) continue;
    if (!tf_name_index_find_or_add(&s->names, pattern, (uint32_t)strlen(pattern), &id))
      return TF_ERR(E_FEED_LIMIT, "instrument %s: no room for more than %u", pattern,
                    config->instruments->cap);
  }
  return TF_OK;
}

static const tf_feed_channel_t channels[] = {
    {TF_CHANNEL_TRADE,  "kind trade",        0},
    {TF_CHANNEL_QUOTE,  "kind quote",        0},
    {TF_CHANNEL_BOOK,   "kind book, status", 0},
    {TF_CHANNEL_TICKER, "kind ticker",       0},
    {0,                 NULL,                0},
};

const tf_feed_t tf_feed_events = {
    .venue                = "events",
    .suffix               = "EVENTS",
    .state_bytes          = state_bytes,
    .init                 = init,
    .on_frame             = on_frame,
    .on_connect           = on_connect,
    .lose_book            = lose_book,
    .sequences_are_shared = true,
    .channels             = channels,
};
