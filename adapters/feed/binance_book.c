#include <string.h>

#include "feed/binance_state.h"
#include "feed/draft.h"

#define KEY(name) TF_BINANCE_KEY_##name
#define BIT(name) TF_BINANCE_BIT(name)

/* The levels of one message, where the scanner has put their numbers, bids first. */
typedef struct {
  tf_event_t *rows;
  uint32_t    bid_cnt, cnt;
  uint64_t    venue_seq;
  uint64_t    ts_ns;
  uint32_t    instrument_id;
  uint8_t     flags;
} levels_t;

/* Checks both sides and finds their rows. False: *why. */
static bool take_levels(const tf_binance_message_t *m, tf_binance_key_t bids_key,
                        tf_binance_key_t asks_key, levels_t *levels, tf_reject_t *why) {
  const tf_json_value_t *bids = &m->values[bids_key], *asks = &m->values[asks_key];
  if (TF_UNLIKELY(!(m->seen >> bids_key & 1) || bids->made != TF_JSON_MADE_LEVELS)) {
    *why = tf_binance_why(m, bids_key);
    return false;
  }
  if (TF_UNLIKELY(!(m->seen >> asks_key & 1) || asks->made != TF_JSON_MADE_LEVELS)) {
    *why = tf_binance_why(m, asks_key);
    return false;
  }
  if (TF_UNLIKELY(m->json.any_negative)) {
    *why = TF_REJECT_NUMBER;
    return false;
  }
  levels->rows    = m->json.rows;
  levels->bid_cnt = bids->as.levels.cnt;
  levels->cnt     = levels->bid_cnt + asks->as.levels.cnt;
  if (TF_UNLIKELY(bids->as.levels.first != 0 || asks->as.levels.first != levels->bid_cnt)) {
    tf_draft_gather_sides(levels->rows, bids, asks);
  }
  return true;
}

/* Completes the rows at levels->rows and publishes them. */
static void put_levels(const tf_binance_message_t *m, const levels_t *levels) {
  tf_event_t *rows    = levels->rows;
  uint64_t    recv_ns = m->frame->recv_ns;
  uint32_t    cnt     = levels->cnt;
  for (uint32_t i = 0; i < cnt; i++) {
    tf_event_t *e        = &rows[i];
    e->ts_event_ns       = levels->ts_ns;
    e->ts_recv_ns        = recv_ns;
    e->ingest_seq        = 0;
    e->instrument_id     = levels->instrument_id;
    e->kind              = TF_EVENT_BOOK;
    e->flags             = levels->flags | (i >= levels->bid_cnt ? TF_FLAG_SIDE : 0);
    e->u.level.venue_seq = levels->venue_seq;
    e->u.level.level_idx = i;
    e->u.level.level_cnt = cnt;
  }
  m->out->event_cnt += cnt;
  m->out->counts->events[TF_EVENT_BOOK] += cnt;
}

static tf_event_t *put_status(tf_feed_out_t *out, tf_event_t *e, uint64_t ts_ns, uint64_t recv_ns,
                              uint32_t instrument_id, uint8_t flags, tf_book_state_t book_state) {
  memset(e, 0, sizeof(*e));
  e->ts_event_ns         = ts_ns;
  e->ts_recv_ns          = recv_ns;
  e->instrument_id       = instrument_id;
  e->kind                = TF_EVENT_STATUS;
  e->flags               = flags;
  e->u.status.book_state = book_state;
  out->event_cnt++;
  out->counts->events[TF_EVENT_STATUS]++;
  return e;
}

static void want_snapshot(tf_binance_row_t *row, uint32_t instrument_id, tf_feed_out_t *out) {
  if (!row->chain.snapshot_wanted || !tf_feeds_want_snapshot(out, instrument_id)) return;
  row->chain.snapshot_wanted = false;
  out->counts->resyncs += row->asked_before;
  row->asked_before = true;
}

static tf_verdict_t data(const tf_binance_message_t *m, uint32_t first_event) {
  tf_feed_out_t *out = m->out;
  if (out->event_cnt > first_event) out->events[out->event_cnt - 1].flags |= TF_FLAG_LAST;
  out->counts->msgs_data++;
  return TF_VERDICT_DATA;
}

/* ---- deltas ---- */

typedef enum { DEPTH_DIFF, DEPTH_PARTIAL, DEPTH_OTHER } depth_form_t;

/* "btcusdt@depth@100ms" is the book's stream; "btcusdt@depth20@100ms" a partial book; anything
 * else, "btcusdt@rpiDepth@500ms" say, another book. A raw message is taken for the book's. */
static depth_form_t depth_form(const tf_json_value_t *stream) {
  if (stream == NULL) return DEPTH_DIFF;
  const char *at = memchr(stream->bytes, '@', stream->bytes_cnt);
  if (at == NULL || stream->escaped) return DEPTH_DIFF;
  size_t n = stream->bytes_cnt - (size_t)(at + 1 - stream->bytes);
  if (n < 5 || memcmp(at + 1, "depth", 5) != 0) return DEPTH_OTHER;
  if (n == 5 || at[6] == '@') return DEPTH_DIFF;
  return at[6] >= '0' && at[6] <= '9' ? DEPTH_PARTIAL : DEPTH_OTHER;
}

static tf_verdict_t publish_snapshot(tf_binance_state_t *st, tf_binance_message_t *m, uint32_t idx,
                                     levels_t *levels, bool is_partial);

typedef struct {
  uint64_t U, u, pu; /* as the venue calls them */
} ids_t;

/* What a delta must have beside its levels. */
static bool take_ids(const tf_binance_state_t *st, const tf_binance_message_t *m, ids_t *delta,
                     tf_reject_t *why) {
  const tf_json_value_t *v       = m->values;
  bool                   pointer = st->market->rule == TF_BINANCE_POINTER;
  uint64_t bits = BIT(SYMBOL) | BIT(FIRST_ID) | BIT(LAST_ID) | (pointer ? BIT(PREVIOUS_ID) : 0);
  *why          = TF_REJECT_SCHEMA;
  if (!tf_binance_has(m, bits) || v[KEY(SYMBOL)].kind != TF_JSON_STRING) return false;
  const tf_binance_key_t ids[] = {KEY(FIRST_ID), KEY(LAST_ID), KEY(PREVIOUS_ID)};
  for (uint32_t i = 0; i < 2u + pointer; i++) {
    if (v[ids[i]].made != TF_JSON_MADE_U64) {
      *why = tf_binance_why(m, ids[i]);
      return false;
    }
  }
  delta->U  = tf_json_u64(&m->json, &v[KEY(FIRST_ID)]);
  delta->u  = tf_json_u64(&m->json, &v[KEY(LAST_ID)]);
  delta->pu = pointer ? tf_json_u64(&m->json, &v[KEY(PREVIOUS_ID)]) : 0;
  return delta->U <= delta->u;
}

static tf_verdict_t publish_delta(tf_binance_state_t *st, tf_binance_message_t *m, uint32_t idx,
                                  levels_t *levels, ids_t ids) {
  tf_feed_out_t          *out   = m->out;
  tf_binance_row_t       *row   = &st->rows[idx];
  uint32_t                first = out->event_cnt;
  tf_binance_delta_step_t step =
      tf_binance_chain_delta(&row->chain, &st->pool, (tf_binance_rule_t)st->market->rule, ids.U,
                             ids.u, ids.pu, levels->cnt);
  if (TF_UNLIKELY(step.is_duplicate)) {
    out->counts->duplicates++;
    return data(m, first);
  }
  if (TF_UNLIKELY(step.is_gap || step.is_syncing)) {
    memmove(levels->rows + 1, levels->rows, levels->cnt * sizeof(*levels->rows));
    tf_event_t *e =
        put_status(out, levels->rows, levels->ts_ns, m->frame->recv_ns, levels->instrument_id,
                   levels->flags, step.is_gap ? TF_BOOK_GAP : TF_BOOK_SYNCING);
    e->u.status.gap_first = step.gap_first;
    e->u.status.gap_last  = step.gap_last;
    levels->rows++;
    out->counts->gaps += step.is_gap;
  }
  if (TF_UNLIKELY(step.is_bad)) levels->flags |= TF_FLAG_BAD_BOOK;
  levels->flags |= tf_binance_outrun(ids.u, row->quote_id);
  if (TF_UNLIKELY(step.is_bridged_out)) out->counts->bridged_out_levels += levels->cnt;
  put_levels(m, levels);
  if (TF_UNLIKELY(row->chain.snapshot_wanted)) want_snapshot(row, levels->instrument_id, out);
  return data(m, first);
}

tf_verdict_t tf_binance_book_delta(tf_binance_state_t *st, tf_binance_message_t *m) {
  if (TF_UNLIKELY(!(st->channels & TF_CHANNEL_BOOK))) return TF_BINANCE_IGNORE(m, "depthUpdate");
  depth_form_t form = depth_form(m->stream);
  if (TF_UNLIKELY(form == DEPTH_OTHER)) return TF_BINANCE_IGNORE(m, "other depth");
  tf_reject_t why;
  ids_t       ids;
  levels_t    levels = {0};
  if (TF_UNLIKELY(!take_ids(st, m, &ids, &why) || !take_levels(m, KEY(B), KEY(A), &levels, &why))) {
    return tf_binance_reject(m, why);
  }
  if (TF_UNLIKELY(!tf_binance_time(st, m, true, &levels.ts_ns, &levels.flags))) {
    return tf_binance_reject(m, TF_REJECT_SCHEMA);
  }
  if (TF_UNLIKELY(m->out->event_cap - m->out->event_cnt < levels.cnt + 1)) {
    return tf_binance_reject(m, TF_REJECT_LIMIT);
  }
  uint32_t idx = tf_binance_row_of(st, &m->values[KEY(SYMBOL)], &why);
  if (TF_UNLIKELY(idx == TF_SYMBOLS_NONE)) return tf_binance_reject(m, why);
  levels.instrument_id = st->symbols.rows[idx].instrument_id;
  levels.venue_seq     = ids.u;
  if (TF_UNLIKELY(form == DEPTH_PARTIAL)) return publish_snapshot(st, m, idx, &levels, true);
  return publish_delta(st, m, idx, &levels, ids);
}

/* ---- snapshots ---- */

static uint32_t row_of_text(tf_binance_state_t *st, const char *text, size_t n, tf_reject_t *why) {
  char upper[TF_SYMBOL_BYTES_MAX + 16] = {0};
  *why                                 = TF_REJECT_INSTRUMENT;
  if (n == 0 || n >= TF_SYMBOL_BYTES_MAX) return TF_SYMBOLS_NONE;
  for (size_t i = 0; i < n; i++) {
    upper[i] = (char)(text[i] >= 'a' && text[i] <= 'z' ? text[i] - 32 : text[i]);
  }
  return tf_symbols_of_text(&st->symbols, upper, (uint32_t)n, st->asked_cnt == 0, why);
}

static int hex_of(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c |= 0x20;
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The value of symbol= in "/api/v3/depth?symbol=BTCUSDT&limit=5000" or a whole URL; %XX resolved,
 * because symbols may be outside ASCII. Its length, 0 if there is none. */
static size_t symbol_of_target(const char *target, char *text, size_t cap) {
  const char *p = strchr(target, '?');
  while (p != NULL && strncmp(p + 1, "symbol=", 7) != 0) p = strchr(p + 1, '&');
  if (p == NULL) return 0;
  size_t n = 0;
  for (p += 8; *p != '\0' && *p != '&' && *p != '#'; p++) {
    int c = (uint8_t)*p;
    if (c == '%') {
      int high = hex_of(p[1]), low = high < 0 ? -1 : hex_of(p[2]);
      if (low < 0) return 0;
      c = high * 16 + low;
      p += 2;
    }
    if (n == cap) return 0;
    text[n++] = (char)c;
  }
  return n;
}

/* A snapshot does not say whose it is: the request does, or COIN-M's "symbol", or the stream, or
 * there is but one instrument. */
static uint32_t row_of_snapshot(tf_binance_state_t *st, const tf_binance_message_t *m,
                                tf_reject_t *why) {
  char text[TF_SYMBOL_BYTES_MAX];
  if (m->frame->kind == TF_FRAME_HTTP && m->frame->target != NULL) {
    size_t n = symbol_of_target(m->frame->target, text, sizeof(text));
    if (n > 0) return row_of_text(st, text, n, why);
  }
  if (tf_binance_has(m, BIT(LONG_SYMBOL)) && m->values[KEY(LONG_SYMBOL)].kind == TF_JSON_STRING) {
    return tf_binance_row_of(st, &m->values[KEY(LONG_SYMBOL)], why);
  }
  if (m->stream != NULL) {
    const char *at = memchr(m->stream->bytes, '@', m->stream->bytes_cnt);
    if (at != NULL) return row_of_text(st, m->stream->bytes, (size_t)(at - m->stream->bytes), why);
  }
  *why = TF_REJECT_INSTRUMENT;
  return st->symbols.cnt == 1 ? 0 : TF_SYMBOLS_NONE;
}

static tf_verdict_t publish_snapshot(tf_binance_state_t *st, tf_binance_message_t *m, uint32_t idx,
                                     levels_t *levels, bool is_partial) {
  tf_feed_out_t    *out   = m->out;
  tf_binance_row_t *row   = &st->rows[idx];
  uint32_t          first = out->event_cnt;
  if (is_partial && row->chain.has_delta) return TF_BINANCE_IGNORE(m, "partial depth");
  if (levels->cnt == 0) return data(m, first); /* no book; nothing can be said to be in order */
  tf_binance_snapshot_step_t step = tf_binance_chain_snapshot(
      &row->chain, &st->pool, (tf_binance_rule_t)st->market->rule, levels->venue_seq);
  if (step.verdict == TF_BINANCE_DUPLICATE) {
    out->counts->duplicates++;
    return data(m, first);
  }
  bool    is_bridged   = step.verdict == TF_BINANCE_BRIDGED;
  uint8_t status_flags = levels->flags;
  levels->flags |= TF_FLAG_SNAPSHOT | (is_bridged ? 0 : TF_FLAG_BAD_BOOK);
  put_levels(m, levels);
  if (is_bridged) {
    tf_event_t *e = put_status(out, &out->events[out->event_cnt], levels->ts_ns, m->frame->recv_ns,
                               levels->instrument_id, status_flags, TF_BOOK_OK);
    e->u.status.apply_from = step.apply_from;
    out->counts->bridged_out_levels += step.bridged_out_level_cnt;
  } else {
    out->counts->bridged_out_levels += levels->cnt;
  }
  want_snapshot(row, levels->instrument_id, out);
  return data(m, first);
}

tf_verdict_t tf_binance_book_snapshot(tf_binance_state_t *st, tf_binance_message_t *m) {
  if (!(st->channels & TF_CHANNEL_BOOK)) return TF_BINANCE_IGNORE(m, "snapshot");
  tf_reject_t why;
  levels_t    levels = {0};
  if (m->values[KEY(SNAPSHOT_ID)].made != TF_JSON_MADE_U64) {
    return tf_binance_reject(m, tf_binance_why(m, KEY(SNAPSHOT_ID)));
  }
  if (!take_levels(m, KEY(BIDS), KEY(ASKS), &levels, &why)) return tf_binance_reject(m, why);
  if (!tf_binance_time(st, m, false, &levels.ts_ns, &levels.flags)) {
    return tf_binance_reject(m, TF_REJECT_SCHEMA);
  }
  if (m->out->event_cap - m->out->event_cnt < levels.cnt + 1) {
    return tf_binance_reject(m, TF_REJECT_LIMIT);
  }
  uint32_t idx = row_of_snapshot(st, m, &why);
  if (idx == TF_SYMBOLS_NONE) return tf_binance_reject(m, why);
  levels.instrument_id = st->symbols.rows[idx].instrument_id;
  levels.venue_seq     = tf_json_u64(&m->json, &m->values[KEY(SNAPSHOT_ID)]);
  return publish_snapshot(st, m, idx, &levels, m->stream != NULL);
}

/* ---- a new connection ---- */

void tf_binance_book_restart(tf_binance_state_t *st, uint64_t now_ns, tf_feed_out_t *out) {
  for (uint32_t i = 0; i < st->symbols.cnt; i++) {
    tf_binance_chain_t *chain = &st->rows[i].chain;
    if (!tf_binance_chain_restart(chain, &st->pool)) continue;
    /* where the buffer ends, the instrument's first delta will say it */
    if (out->event_cnt >= out->event_cap) continue;
    put_status(out, &out->events[out->event_cnt], 0, now_ns, st->symbols.rows[i].instrument_id,
               TF_FLAG_LAST, TF_BOOK_SYNCING);
    chain->is_announced = true;
  }
}
