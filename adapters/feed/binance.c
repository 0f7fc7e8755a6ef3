#include "feed/binance.h"

#include "core/error.h"
#include "feed/binance_state.h"
#include "feed/draft.h"
#include "feed/metadata.h"

#define KEY(name) TF_BINANCE_KEY_##name
#define BIT(name) TF_BINANCE_BIT(name)

static const tf_json_key_t keys[] = {
#define KEY_ROW(name, text, want) TF_JSON_KEY(text, TF_JSON_WANT_##want),
    TF_BINANCE_KEYS(KEY_ROW)
#undef KEY_ROW
};
static const tf_json_shape_t root_shape = {keys, TF_BINANCE_KEY_CNT};
static const tf_json_shape_t data_shape = {keys, TF_BINANCE_DATA_KEY_CNT};
TF_STATIC_ASSERT(TF_BINANCE_KEY_CNT <= TF_JSON_SHAPE_KEYS_MAX, "a bit of seen for each key");

/* ---- one event ---- */

TF_INLINE tf_event_t *put_event(const tf_binance_message_t *m, uint8_t kind, uint8_t flags,
                                uint32_t instrument_id, uint64_t ts_event_ns, int8_t price_exp,
                                int8_t qty_exp) {
  tf_event_t *e    = &m->out->events[m->out->event_cnt++];
  e->ts_event_ns   = ts_event_ns;
  e->ts_recv_ns    = m->frame->recv_ns;
  e->ingest_seq    = 0; /* acquire's */
  e->instrument_id = instrument_id;
  e->kind          = kind;
  e->flags         = flags | TF_FLAG_LAST;
  e->price_exp     = price_exp;
  e->qty_exp       = qty_exp;
  m->out->counts->events[kind]++;
  return e;
}

TF_INLINE bool is_full(const tf_binance_message_t *m) {
  return m->out->event_cnt >= m->out->event_cap;
}

static tf_verdict_t data(const tf_binance_message_t *m) {
  m->out->counts->msgs_data++;
  return TF_VERDICT_DATA;
}

/* ---- trades ---- */

/* A futures fill between the venue and an account: no trade of the book's. */
TF_COLD static bool is_off_book(const tf_json_value_t *origin) {
  return TF_JSON_TEXT_IS(origin, "NA") || TF_JSON_TEXT_IS(origin, "INSURANCE_FUND") ||
         TF_JSON_TEXT_IS(origin, "ADL");
}

TF_COLD static tf_verdict_t refuse_trade(const tf_binance_message_t *m, tf_binance_key_t id_key) {
  const tf_binance_key_t numbers[] = {KEY(PRICE), KEY(QTY), id_key};
  uint64_t               bits      = BIT(SYMBOL) | BIT(MAKER);
  if (!tf_binance_has(m, bits)) return tf_binance_reject(m, TF_REJECT_SCHEMA);
  for (size_t i = 0; i < TF_ARRAY_CNT(numbers); i++) {
    if (!tf_binance_has(m, UINT64_C(1) << numbers[i])) {
      return tf_binance_reject(m, TF_REJECT_SCHEMA);
    }
    uint8_t made = m->values[numbers[i]].made;
    if (made == TF_JSON_MADE_BAD || (made == TF_JSON_MADE_DECIMAL && numbers[i] != id_key &&
                                     m->values[numbers[i]].as.mantissa < 0)) {
      return tf_binance_reject(m, TF_REJECT_NUMBER);
    }
  }
  return tf_binance_reject(m, TF_REJECT_SCHEMA);
}

/* The id of an aggTrade comes as a decimal, because a book's asks have the same key. */
TF_INLINE bool trade_id(const tf_json_t *json, const tf_json_value_t *value, bool is_agg,
                        uint64_t *id) {
  if (!is_agg) {
    if (TF_UNLIKELY(value->made != TF_JSON_MADE_U64)) return false;
    *id = tf_json_u64(json, value);
    return true;
  }
  *id = (uint64_t)value->as.mantissa;
  return value->made == TF_JSON_MADE_DECIMAL && value->kind == TF_JSON_NUMBER && value->exp == 0 &&
         value->as.mantissa >= 0;
}

TF_INLINE tf_verdict_t on_trade(tf_binance_state_t *st, tf_binance_message_t *m, bool is_agg) {
  const tf_json_value_t *v      = m->values;
  tf_binance_key_t       id_key = is_agg ? KEY(A) : KEY(TRADE_ID);
  if (TF_UNLIKELY(!(st->channels & TF_CHANNEL_TRADE))) {
    return is_agg ? TF_BINANCE_IGNORE(m, "aggTrade") : TF_BINANCE_IGNORE(m, "trade");
  }
  uint64_t bits = BIT(SYMBOL) | BIT(PRICE) | BIT(QTY) | BIT(MAKER) | UINT64_C(1) << id_key;
  uint64_t id;
  if (TF_UNLIKELY(!tf_binance_has(m, bits))) return refuse_trade(m, id_key);
  bool ok = (v[KEY(PRICE)].made == TF_JSON_MADE_DECIMAL) &
            (v[KEY(QTY)].made == TF_JSON_MADE_DECIMAL) & (v[KEY(SYMBOL)].kind == TF_JSON_STRING) &
            ((v[KEY(MAKER)].kind == TF_JSON_TRUE) | (v[KEY(MAKER)].kind == TF_JSON_FALSE)) &
            ((v[KEY(PRICE)].as.mantissa | v[KEY(QTY)].as.mantissa) >= 0);
  if (TF_UNLIKELY(!ok || !trade_id(&m->json, &v[id_key], is_agg, &id)))
    return refuse_trade(m, id_key);
  uint64_t ts_ns;
  uint8_t  flags = v[KEY(MAKER)].kind == TF_JSON_TRUE ? TF_FLAG_SIDE : 0;
  if (TF_UNLIKELY(!tf_binance_time(st, m, true, &ts_ns, &flags))) {
    return tf_binance_reject(m, TF_REJECT_SCHEMA);
  }
  if (TF_UNLIKELY(is_full(m))) return tf_binance_reject(m, TF_REJECT_LIMIT);
  tf_reject_t why;
  uint32_t    idx = tf_binance_row_of(st, &v[KEY(SYMBOL)], &why);
  if (TF_UNLIKELY(idx == TF_SYMBOLS_NONE)) return tf_binance_reject(m, why);

  tf_binance_row_t *row  = &st->rows[idx];
  tf_trade_said_t   said = {.price     = v[KEY(PRICE)].as.mantissa,
                            .qty       = v[KEY(QTY)].as.mantissa,
                            .id        = (uint32_t)id,
                            .price_exp = v[KEY(PRICE)].exp,
                            .qty_exp   = v[KEY(QTY)].exp,
                            .sells     = (flags & TF_FLAG_SIDE) != 0,
                            .is_known  = true};
  if (TF_UNLIKELY(
          tf_trade_ids_step(is_agg ? &row->agg_trades : &row->trades, id, &said, m->out->counts))) {
    m->out->counts->duplicates++;
    return data(m);
  }
  if (tf_binance_has(m, BIT(ORIGIN)) && !TF_JSON_TEXT_IS(&v[KEY(ORIGIN)], "MARKET") &&
      is_off_book(&v[KEY(ORIGIN)])) {
    return TF_BINANCE_IGNORE(m, "trade off book");
  }
  tf_event_t *e    = put_event(m, TF_EVENT_TRADE, flags, st->symbols.rows[idx].instrument_id, ts_ns,
                               v[KEY(PRICE)].exp, v[KEY(QTY)].exp);
  e->u.trade.price = v[KEY(PRICE)].as.mantissa;
  e->u.trade.qty   = v[KEY(QTY)].as.mantissa;
  e->u.trade.id    = id;
  e->u.trade.reserved = 0;
  return data(m);
}

/* ---- quotes and tickers ---- */

TF_COLD static tf_verdict_t refuse_quote(const tf_binance_message_t *m) {
  const tf_binance_key_t numbers[] = {KEY(B), KEY(BID_QTY), KEY(A), KEY(ASK_QTY)};
  if (!tf_binance_has(m, BIT(SYMBOL) | BIT(B) | BIT(BID_QTY) | BIT(A) | BIT(ASK_QTY)) ||
      m->values[KEY(SYMBOL)].kind != TF_JSON_STRING) {
    return tf_binance_reject(m, TF_REJECT_SCHEMA);
  }
  for (size_t i = 0; i < TF_ARRAY_CNT(numbers); i++) {
    uint8_t made = m->values[numbers[i]].made;
    if (made != TF_JSON_MADE_DECIMAL) return tf_binance_reject(m, tf_binance_why(m, numbers[i]));
  }
  return tf_binance_reject(m, TF_REJECT_NUMBER); /* negative, or too far apart for one exponent */
}

/* u orders the quotes of an instrument (113,265 recorded, all ascending): one that is not newer was sent
 * by the other of two connections before. Far back, the venue has started over. */
TF_INLINE bool is_old_quote(tf_binance_row_t *row, const tf_binance_message_t *m) {
  const tf_json_value_t *u = &m->values[KEY(LAST_ID)];
  if (TF_UNLIKELY(!tf_binance_has(m, BIT(LAST_ID)) || u->made != TF_JSON_MADE_U64)) return false;
  uint64_t id     = tf_json_u64(&m->json, u);
  bool     is_old = id <= row->quote_id && row->quote_id - id < TF_TRADE_IDS_RESTART;
  if (TF_LIKELY(!is_old)) row->quote_id = id;
  return is_old;
}

TF_INLINE tf_verdict_t on_quote(tf_binance_state_t *st, tf_binance_message_t *m) {
  const tf_json_value_t *v = m->values;
  if (TF_UNLIKELY(!(st->channels & TF_CHANNEL_QUOTE))) return TF_BINANCE_IGNORE(m, "bookTicker");
  uint64_t bits = BIT(SYMBOL) | BIT(B) | BIT(BID_QTY) | BIT(A) | BIT(ASK_QTY);
  if (TF_UNLIKELY(!tf_binance_has(m, bits))) return refuse_quote(m);
  int64_t bid = v[KEY(B)].as.mantissa, bid_qty = v[KEY(BID_QTY)].as.mantissa;
  int64_t ask = v[KEY(A)].as.mantissa, ask_qty = v[KEY(ASK_QTY)].as.mantissa;
  int8_t  price_exp, qty_exp;
  bool    ok = (v[KEY(B)].made == TF_JSON_MADE_DECIMAL) & (v[KEY(A)].made == TF_JSON_MADE_DECIMAL) &
            (v[KEY(BID_QTY)].made == TF_JSON_MADE_DECIMAL) &
            (v[KEY(ASK_QTY)].made == TF_JSON_MADE_DECIMAL) &
            (v[KEY(SYMBOL)].kind == TF_JSON_STRING) & ((bid | bid_qty | ask | ask_qty) >= 0);
  if (TF_UNLIKELY(!ok ||
                  !tf_draft_to_one_exponent(&bid, v[KEY(B)].exp, &ask, v[KEY(A)].exp, &price_exp) ||
                  !tf_draft_to_one_exponent(&bid_qty, v[KEY(BID_QTY)].exp, &ask_qty,
                                            v[KEY(ASK_QTY)].exp, &qty_exp))) {
    return refuse_quote(m);
  }
  uint64_t ts_ns;
  uint8_t  flags = 0;
  if (TF_UNLIKELY(!tf_binance_time(st, m, false, &ts_ns, &flags))) {
    return tf_binance_reject(m, TF_REJECT_SCHEMA);
  }
  if (TF_UNLIKELY(is_full(m))) return tf_binance_reject(m, TF_REJECT_LIMIT);
  tf_reject_t why;
  uint32_t    idx = tf_binance_row_of(st, &v[KEY(SYMBOL)], &why);
  if (TF_UNLIKELY(idx == TF_SYMBOLS_NONE)) return tf_binance_reject(m, why);
  if (TF_UNLIKELY(is_old_quote(&st->rows[idx], m))) {
    m->out->counts->duplicates++;
    return data(m);
  }
  const tf_binance_row_t *row = &st->rows[idx];
  if (row->book.chain.has_delta) flags |= tf_binance_outrun(row->quote_id, row->book.chain.last_u);
  tf_event_t *e = put_event(m, TF_EVENT_QUOTE, flags, st->symbols.rows[idx].instrument_id, ts_ns,
                            price_exp, qty_exp);
  e->u.quote.bid_price = bid;
  e->u.quote.bid_qty   = bid_qty;
  e->u.quote.ask_price = ask;
  e->u.quote.ask_qty   = ask_qty;
  return data(m);
}

/* A message of whole state that another connection brought before. */
static bool is_repeated(const tf_binance_message_t *m, tf_newest_t *newest, uint64_t ts_ns) {
  bool is_repeat = !tf_newest_takes(newest, m->frame, 0, ts_ns);
  m->out->counts->duplicates += is_repeat;
  return is_repeat;
}

static tf_verdict_t on_ticker(tf_binance_state_t *st, tf_binance_message_t *m) {
  const tf_json_value_t *v = m->values;
  if (!(st->channels & TF_CHANNEL_TICKER)) return TF_BINANCE_IGNORE(m, "24hrTicker");
  if (!tf_binance_has(m, BIT(SYMBOL) | BIT(CLOSE) | BIT(VOLUME)) ||
      v[KEY(SYMBOL)].kind != TF_JSON_STRING) {
    return tf_binance_reject(m, TF_REJECT_SCHEMA);
  }
  if (v[KEY(CLOSE)].made != TF_JSON_MADE_DECIMAL) {
    return tf_binance_reject(m, tf_binance_why(m, KEY(CLOSE)));
  }
  if (v[KEY(VOLUME)].made != TF_JSON_MADE_DECIMAL) {
    return tf_binance_reject(m, tf_binance_why(m, KEY(VOLUME)));
  }
  if ((v[KEY(CLOSE)].as.mantissa | v[KEY(VOLUME)].as.mantissa) < 0) {
    return tf_binance_reject(m, TF_REJECT_NUMBER);
  }
  uint64_t ts_ns;
  uint8_t  flags = 0;
  if (!tf_binance_time(st, m, true, &ts_ns, &flags)) return tf_binance_reject(m, TF_REJECT_SCHEMA);
  if (is_full(m)) return tf_binance_reject(m, TF_REJECT_LIMIT);
  tf_reject_t why;
  uint32_t    idx = tf_binance_row_of(st, &v[KEY(SYMBOL)], &why);
  if (idx == TF_SYMBOLS_NONE) return tf_binance_reject(m, why);
  if (is_repeated(m, &st->rows[idx].ticker, ts_ns)) return data(m);
  tf_event_t *e = put_event(m, TF_EVENT_TICKER, flags, st->symbols.rows[idx].instrument_id, ts_ns,
                            v[KEY(CLOSE)].exp, v[KEY(VOLUME)].exp);
  memset(&e->u, 0, sizeof(e->u));
  e->u.ticker.last_price   = v[KEY(CLOSE)].as.mantissa;
  e->u.ticker.volume       = v[KEY(VOLUME)].as.mantissa;
  e->u.ticker.funding_rate = TF_FUNDING_NONE;
  return data(m);
}

/* Futures: the mark price, and the funding rate of perpetuals. T is when the next funding is due. */
static tf_verdict_t on_mark_price(tf_binance_state_t *st, tf_binance_message_t *m) {
  const tf_json_value_t *v = m->values;
  if (!(st->channels & TF_CHANNEL_TICKER)) return TF_BINANCE_IGNORE(m, "markPriceUpdate");
  if (!tf_binance_has(m, BIT(SYMBOL) | BIT(PRICE) | BIT(SENT)) ||
      v[KEY(SYMBOL)].kind != TF_JSON_STRING || v[KEY(SENT)].made != TF_JSON_MADE_U64)
    return tf_binance_reject(m, TF_REJECT_SCHEMA);
  if (v[KEY(PRICE)].made != TF_JSON_MADE_DECIMAL)
    return tf_binance_reject(m, tf_binance_why(m, KEY(PRICE)));
  if (v[KEY(PRICE)].as.mantissa < 0) return tf_binance_reject(m, TF_REJECT_NUMBER);
  uint64_t ts_ns;
  uint8_t  flags = 0;
  m->seen &= ~BIT(HAPPENED);
  if (!tf_binance_time(st, m, true, &ts_ns, &flags)) return tf_binance_reject(m, TF_REJECT_SCHEMA);
  if (is_full(m)) return tf_binance_reject(m, TF_REJECT_LIMIT);
  tf_reject_t why;
  uint32_t    idx = tf_binance_row_of(st, &v[KEY(SYMBOL)], &why);
  if (idx == TF_SYMBOLS_NONE) return tf_binance_reject(m, why);
  if (is_repeated(m, &st->rows[idx].mark_price, ts_ns)) return data(m);
  tf_event_t *e = put_event(m, TF_EVENT_TICKER, flags, st->symbols.rows[idx].instrument_id, ts_ns,
                            v[KEY(PRICE)].exp, 0);
  memset(&e->u, 0, sizeof(e->u));
  e->u.ticker.mark_price   = v[KEY(PRICE)].as.mantissa;
  e->u.ticker.funding_rate = TF_FUNDING_NONE;
  if (tf_binance_has(m, BIT(FUNDING))) /* "" for what is no perpetual */
    e->u.ticker.funding_rate = tf_draft_funding_rate(&v[KEY(FUNDING)]);
  return data(m);
}

/* ---- everything else that is no market data ---- */

static tf_verdict_t control(const tf_binance_message_t *m) {
  m->out->counts->msgs_control++;
  return TF_VERDICT_CONTROL;
}

/* Of the request that a message answers; 0: it names none. */
static uint64_t answer_id(const tf_binance_message_t *m) {
  const tf_json_value_t *id     = &m->values[KEY(ID)];
  uint64_t               number = 0;
  if (!tf_binance_has(m, BIT(ID)) || id->kind != TF_JSON_NUMBER || id->bytes_cnt > 18) return 0;
  for (uint32_t i = 0; i < id->bytes_cnt; i++) {
    if (id->bytes[i] < '0' || id->bytes[i] > '9') return 0;
    number = 10 * number + (uint64_t)(id->bytes[i] - '0');
  }
  return number;
}

/* {"code":..,"msg":..}, {"error":..}, {"result":null,"id":1}; anything else is unknown. */
TF_COLD static tf_verdict_t on_control(tf_binance_state_t *st, const tf_binance_message_t *m) {
  const tf_json_value_t *v = m->values;
  if (tf_binance_has(m, BIT(CODE)) || tf_binance_has(m, BIT(ERROR)) ||
      tf_binance_has(m, BIT(MSG))) {
    char   text[sizeof(st->head.venue_error)];
    size_t text_bytes = 0;
    for (tf_binance_key_t key = KEY(CODE); key <= KEY(ERROR); key++) {
      if (!(m->seen >> key & 1)) continue;
      if (text_bytes > 0) text[text_bytes++] = ' ';
      size_t room = sizeof(text) - 1 - text_bytes;
      size_t n    = v[key].bytes_cnt < room ? v[key].bytes_cnt : room;
      memcpy(text + text_bytes, v[key].bytes, n);
      text_bytes += n;
      if (text_bytes >= sizeof(text) - 1) break;
    }
    tf_feeds_note_error(&st->head, text, text_bytes);
    tf_feeds_answer(m->out, answer_id(m), UINT32_MAX, 0, true);
    return control(m);
  }
  if (tf_binance_has(m, BIT(RESULT)) || tf_binance_has(m, BIT(ID))) {
    tf_feeds_answer(m->out, answer_id(m), UINT32_MAX, 0, false);
    return control(m);
  }
  return tf_binance_reject(m, TF_REJECT_UNKNOWN);
}

/* Known to the protocol and not published. Sorted by market and page. */
static const char *const ignored_types[] = {"kline",
                                            "24hrMiniTicker",
                                            "1hTicker",
                                            "4hTicker",
                                            "1dTicker",
                                            "avgPrice",
                                            "blockTrade",
                                            "referencePrice",
                                            "tradingSession",
                                            "indexPriceUpdate",
                                            "continuous_kline",
                                            "indexPrice_kline",
                                            "markPrice_kline",
                                            "forceOrder",
                                            "compositeIndex",
                                            "contractInfo",
                                            "assetIndexUpdate",
                                            "tradingStatus"};

TF_COLD static tf_verdict_t on_other_type(tf_binance_state_t *st, tf_binance_message_t *m) {
  const tf_json_value_t *type = &m->values[KEY(TYPE)];
  if (type->kind != TF_JSON_STRING) return tf_binance_reject(m, TF_REJECT_SCHEMA);
  if (TF_JSON_TEXT_IS(type, "trade")) return on_trade(st, m, false);
  if (TF_JSON_TEXT_IS(type, "aggTrade")) return on_trade(st, m, true);
  if (TF_JSON_TEXT_IS(type, "bookTicker")) return on_quote(st, m);
  if (TF_JSON_TEXT_IS(type, "depthUpdate")) return tf_binance_book_delta(st, m);
  if (TF_JSON_TEXT_IS(type, "24hrTicker")) return on_ticker(st, m);
  if (TF_JSON_TEXT_IS(type, "markPriceUpdate")) return on_mark_price(st, m);
  if (TF_JSON_TEXT_IS(type, "serverShutdown")) {
    m->out->leaving = true;
    tf_feeds_note_error(&st->head, "serverShutdown", 14);
    return control(m);
  }
  for (size_t i = 0; i < TF_ARRAY_CNT(ignored_types); i++) {
    size_t n = strlen(ignored_types[i]);
    if (tf_json_text_is(type, ignored_types[i], n)) {
      return tf_feeds_ignore(m->out->counts, ignored_types[i], n);
    }
  }
  return tf_binance_reject(m, TF_REJECT_UNKNOWN);
}

/* The usual types by length and first letter; on_other_type compares in full and takes the rest. */
TF_INLINE tf_verdict_t on_type(tf_binance_state_t *st, tf_binance_message_t *m) {
  const tf_json_value_t *type = &m->values[KEY(TYPE)];
  if (TF_LIKELY(type->kind == TF_JSON_STRING && !type->escaped)) {
    const char *p = type->bytes;
    if (type->bytes_cnt == 5 && memcmp(p, "trade", 5) == 0) return on_trade(st, m, false);
    if (type->bytes_cnt == 11 && memcmp(p, "depthUpdate", 11) == 0) {
      return tf_binance_book_delta(st, m);
    }
    if (type->bytes_cnt == 10 && memcmp(p, "bookTicker", 10) == 0) return on_quote(st, m);
    if (type->bytes_cnt == 8 && memcmp(p, "aggTrade", 8) == 0) return on_trade(st, m, true);
  }
  return on_other_type(st, m);
}

static tf_verdict_t on_payload(tf_binance_state_t *st, tf_binance_message_t *m) {
  if (TF_LIKELY(tf_binance_has(m, BIT(TYPE)))) return on_type(st, m);
  if (tf_binance_has(m, BIT(B) | BIT(A) | BIT(BID_QTY) | BIT(ASK_QTY))) return on_quote(st, m);
  if (tf_binance_has(m, BIT(SNAPSHOT_ID))) return tf_binance_book_snapshot(st, m);
  return on_control(st, m);
}

static bool is_target(const char *target, const char *end, size_t end_bytes) {
  size_t path_bytes = strcspn(target, "?#");
  return path_bytes >= end_bytes && memcmp(target + path_bytes - end_bytes, end, end_bytes) == 0;
}

tf_verdict_t tf_binance_on_frame(void *state, const tf_frame_t *frame, tf_feed_out_t *out) {
  tf_binance_state_t  *st = state;
  tf_binance_message_t m;
  out->counts->messages++;
  if (TF_UNLIKELY(frame->kind != TF_FRAME_TEXT)) {
    if (frame->kind == TF_FRAME_BINARY)
      return tf_feeds_reject(out->counts, frame, TF_REJECT_ENCODING);
    if (frame->target != NULL && is_target(frame->target, "/exchangeInfo", 13)) {
      return tf_metadata_on_frame(&st->symbols, frame, out);
    }
    if (frame->target != NULL && !is_target(frame->target, "/depth", 6)) {
      return tf_feeds_ignore(out->counts, "rest", 4);
    }
  }
  /* one event is kept for a STATUS beside the levels */
  m.json.rows    = out->events + out->event_cnt;
  m.json.row_cap = out->event_cap - out->event_cnt;
  m.json.row_cap -= m.json.row_cap > 0;
  tf_json_result_t result = tf_json_read(&m.json, frame->bytes, frame->bytes_cnt, &st->root);
  if (TF_UNLIKELY(result != TF_JSON_OK)) {
    return tf_feeds_reject(out->counts, frame,
                           result == TF_JSON_LIMIT ? TF_REJECT_LIMIT : TF_REJECT_SYNTAX);
  }
  m.frame  = frame;
  m.out    = out;
  m.values = st->root_values;
  m.seen   = st->root.seen;
  m.stream = NULL;
  if (TF_UNLIKELY(m.json.root_kind != TF_JSON_OBJECT))
    return tf_binance_reject(&m, TF_REJECT_UNKNOWN);
  if (tf_binance_has(&m, BIT(STREAM) | BIT(DATA))) {
    m.stream = &st->root_values[KEY(STREAM)];
    if (TF_UNLIKELY(m.stream->kind != TF_JSON_STRING))
      return tf_binance_reject(&m, TF_REJECT_SCHEMA);
    if (TF_UNLIKELY(st->root_values[KEY(DATA)].kind == TF_JSON_ARRAY)) { /* all markets at once */
      return tf_feeds_ignore(out->counts, m.stream->bytes, m.stream->bytes_cnt);
    }
    if (TF_UNLIKELY(st->root_values[KEY(DATA)].kind != TF_JSON_OBJECT)) {
      return tf_binance_reject(&m, TF_REJECT_SCHEMA);
    }
    m.values = st->data_values;
    m.seen   = st->data.seen;
  }
  return on_payload(st, &m);
}

/* ---- times out of the ordinary ---- */

uint64_t tf_binance_odd_time(tf_binance_state_t *st, uint64_t value, uint64_t recv_ns,
                             uint8_t *flags) {
  /* by size: each unit's range is 1973 to 5138 in that unit */
  uint64_t unit = value < UINT64_C(100000000000000)      ? TF_NS_PER_MS
                  : value < UINT64_C(100000000000000000) ? TF_NS_PER_US
                                                         : 1;
  uint64_t ns   = 0;
  bool     fits = !__builtin_mul_overflow(value, unit, &ns);
  bool     late = fits && ns > recv_ns && ns - recv_ns > 3600 * TF_NS_PER_SEC;
  if (!fits) ns = 0;
  if (st->ts_unit == 0 && fits && value >= UINT64_C(100000000000)) st->ts_unit = unit;
  if (!fits || late || value < UINT64_C(100000000000) || unit != st->ts_unit) {
    *flags |= TF_FLAG_BAD_TS;
  }
  return ns;
}

/* ---- lifetime ---- */

typedef struct {
  uint32_t row_cap, slab_cnt, pending_cap;
  size_t   rows_at, symbols_at, pool_at, bytes;
} layout_t;

static layout_t layout_of(const tf_feed_config_t *config) {
  layout_t l;
  l.row_cap     = tf_symbols_cap_of(config);
  l.slab_cnt    = l.row_cap < TF_CHAIN_SLABS_MAX ? l.row_cap : TF_CHAIN_SLABS_MAX;
  l.pending_cap = config->pending_cap > 0 ? config->pending_cap : TF_BINANCE_PENDING_DEFAULT;
  l.rows_at     = tf_align_up(sizeof(tf_binance_state_t), TF_LINE_BYTES);
  l.symbols_at  = l.rows_at + tf_align_up(l.row_cap * sizeof(tf_binance_row_t), TF_LINE_BYTES);
  l.pool_at     = l.symbols_at + tf_symbols_footprint(l.row_cap);
  l.bytes       = l.pool_at + tf_chain_pool_bytes(l.slab_cnt, l.pending_cap);
  return l;
}

size_t tf_binance_state_bytes(const tf_feed_t *feed, const tf_feed_config_t *config) {
  (void)feed;
  return layout_of(config).bytes;
}

tf_err_t tf_binance_init(const tf_feed_t *feed, void *state, const tf_feed_config_t *config) {
  const tf_binance_market_t *market = feed->spec;
  tf_binance_state_t        *st     = state;
  if (config->symbol_cnt > TF_SYMBOLS_CAP || config->pending_cap > (1u << 20)) {
    return TF_ERR(E_CORE_ARGUMENT, "%u instruments, %u pending deltas: %u of each are the most",
                  config->symbol_cnt, config->pending_cap, 1u << 20);
  }
  layout_t l = layout_of(config);
  memset(st, 0, sizeof(*st));
  st->market   = market;
  st->channels = config->channels;
  st->rows     = (tf_binance_row_t *)(void *)((uint8_t *)state + l.rows_at);
  memset(st->rows, 0, l.row_cap * sizeof(*st->rows));
  for (uint32_t i = 0; i < l.row_cap; i++) tf_bridge_row_init(&st->rows[i].book);
  tf_json_orders_init(&st->root_orders);
  tf_json_orders_init(&st->data_orders);
  st->data = (tf_json_object_t){.shape = &data_shape, .values = st->data_values};
  st->root =
      (tf_json_object_t){.shape = &root_shape, .values = st->root_values, .child = &st->data};
  tf_binance_predict(st, true);
  tf_chain_pool_init(&st->pool, (uint8_t *)state + l.pool_at, l.slab_cnt, l.pending_cap);
  tf_err_t err = tf_symbols_init(&st->symbols, (uint8_t *)state + l.symbols_at, l.row_cap,
                                 config->instruments, feed);
  if (err != TF_OK) return err;
  st->symbols.multiplier_of = market->multiplier_of;
  err = tf_symbols_ask(&st->symbols, config->symbols, config->symbol_cnt, TF_SYMBOLS_UPPER);
  st->asked_cnt = st->symbols.cnt;
  return err;
}

void tf_binance_on_connect(void *state, uint64_t now_ns, tf_feed_out_t *out) {
  tf_binance_state_t *st = state;
  for (uint32_t i = 0; i < st->symbols.cnt; i++) {
    st->rows[i].trades.is_continued     = false;
    st->rows[i].agg_trades.is_continued = false;
    st->rows[i].ticker = st->rows[i].mark_price = (tf_newest_t){0};
  }
  if (st->channels & TF_CHANNEL_BOOK) tf_binance_book_restart(st, now_ns, out);
}

void tf_binance_predict(void *state, bool on) {
  tf_binance_state_t *st = state;
  st->root.orders        = on ? &st->root_orders : NULL;
  st->data.orders        = on ? &st->data_orders : NULL;
}
