#include <string.h>

#include "feed/binance_state.h"
#include "feed/draft.h"

#define KEY(name) TF_BINANCE_KEY_##name
#define BIT(name) TF_BINANCE_BIT(name)

/* Checks both sides and finds their rows. False: *why. */
static bool take_levels(const tf_binance_message_t *m, tf_binance_key_t bids_key,
                        tf_binance_key_t asks_key, tf_bridge_levels_t *levels, tf_reject_t *why) {
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
                                     tf_bridge_levels_t *levels, bool is_partial);

/* What a delta must have beside its levels. */
static bool take_ids(const tf_binance_state_t *st, const tf_binance_message_t *m,
                     tf_bridge_ids_t *delta, uint64_t *last, tf_reject_t *why) {
  const tf_json_value_t *v       = m->values;
  bool                   pointer = st->market->rule == TF_CHAIN_POINTER;
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
  delta->first    = tf_json_u64(&m->json, &v[KEY(FIRST_ID)]);
  delta->previous = pointer ? tf_json_u64(&m->json, &v[KEY(PREVIOUS_ID)]) : 0;
  *last           = tf_json_u64(&m->json, &v[KEY(LAST_ID)]);
  return delta->first <= *last;
}

tf_verdict_t tf_binance_book_delta(tf_binance_state_t *st, tf_binance_message_t *m) {
  if (TF_UNLIKELY(!(st->channels & TF_CHANNEL_BOOK))) return TF_BINANCE_IGNORE(m, "depthUpdate");
  depth_form_t form = depth_form(m->stream);
  if (TF_UNLIKELY(form == DEPTH_OTHER)) return TF_BINANCE_IGNORE(m, "other depth");
  tf_reject_t        why;
  tf_bridge_ids_t    ids;
  tf_bridge_levels_t levels = {0};
  if (TF_UNLIKELY(!take_ids(st, m, &ids, &levels.venue_seq, &why) ||
                  !take_levels(m, KEY(B), KEY(A), &levels, &why))) {
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
  if (TF_UNLIKELY(form == DEPTH_PARTIAL)) return publish_snapshot(st, m, idx, &levels, true);
  levels.flags |= tf_binance_outrun(levels.venue_seq, st->rows[idx].quote_id);
  return tf_bridge_delta(&st->rows[idx].book, &st->pool, (tf_chain_rule_t)st->market->rule,
                         m->frame, m->out, &levels, ids);
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

/* A snapshot does not say whose it is: the request does, or COIN-M's "symbol", or the stream, or
 * there is but one instrument. */
static uint32_t row_of_snapshot(tf_binance_state_t *st, const tf_binance_message_t *m,
                                tf_reject_t *why) {
  char text[TF_SYMBOL_BYTES_MAX];
  if (m->frame->kind == TF_FRAME_HTTP && m->frame->target != NULL) {
    size_t n = tf_symbols_in_target(m->frame->target, "symbol", text, sizeof text);
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
                                     tf_bridge_levels_t *levels, bool is_partial) {
  tf_bridge_row_t *book = &st->rows[idx].book;
  if (is_partial && book->chain.has_delta) return TF_BINANCE_IGNORE(m, "partial depth");
  return tf_bridge_snapshot(book, &st->pool, (tf_chain_rule_t)st->market->rule, m->frame, m->out,
                            levels);
}

tf_verdict_t tf_binance_book_snapshot(tf_binance_state_t *st, tf_binance_message_t *m) {
  if (!(st->channels & TF_CHANNEL_BOOK)) return TF_BINANCE_IGNORE(m, "snapshot");
  tf_reject_t        why;
  tf_bridge_levels_t levels = {0};
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
  for (uint32_t i = 0; i < st->symbols.cnt; i++)
    tf_bridge_restart(&st->rows[i].book, &st->pool, st->symbols.rows[i].instrument_id, now_ns, out);
}

void tf_binance_lose_book(void *state, uint32_t instrument_id, uint64_t now_ns,
                          tf_feed_out_t *out) {
  tf_binance_state_t *st = state;
  for (uint32_t i = 0; i < st->symbols.cnt && (st->channels & TF_CHANNEL_BOOK); i++) {
    if (st->symbols.rows[i].instrument_id == instrument_id)
      tf_bridge_lose(&st->rows[i].book, &st->pool, instrument_id, now_ns, out);
  }
}
