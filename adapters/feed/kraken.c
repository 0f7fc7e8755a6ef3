/* Kraken spot, websocket v2 (VENUES.md 4); messages of v1, which are arrays, go to kraken_v1.c,
 * and items of v2 become rows in kraken_items.c.
 *
 *   {"channel":"book","type":"snapshot"|"update","data":[{"symbol":..,"bids":[{"price":..,"qty":..}],
 *     "asks":[..],"checksum":..,"timestamp":..}]}
 *
 * What becomes of a message:
 *   book         BOOK. Quantities are absolute. The venue keeps a depth for us and sends no delete for
 *                what is pushed out of it: the feed does (TF_FLAG_DERIVED), from a mirror of its own
 *                (depth_mirror.h), so that a book and a tape need not know the depth. Behind each message
 *                the checksum over the ten best levels is compared; where it differs this one book is in
 *                GAP and asked for again. There is no sequence, so venue_seq is an ordinal of our own.
 *   trade        TRADE; side is the taker's. type "snapshot": BACKFILL. Ids are consecutive a symbol.
 *   ticker       QUOTE, where it is asked for with event_trigger bbo; TICKER
 *   heartbeat, status, pong, acknowledgements   CONTROL; of a refusal ("success":false), and of a system
 *                that is not online, the text is kept in the tf_feed_head_t
 *   instrument   CONTROL; its pairs are the instruments' metadata
 *   ohlc, level3, executions, balances          ignored, by channel
 *
 * Numbers are JSON numbers whose digits count (trailing zeros are part of the checksum), times RFC 3339.
 * Which depth a subscription has is in its acknowledgement only; a recording without one shows it by
 * the size of the snapshot. */
#include "core/error.h"
#include "feed/kraken_scan.h"
#include "feed/metadata.h"
#include "feed/text_out.h"

#define SYMBOLS_A_MESSAGE 100u /* of a subscription */

const uint32_t tf_kraken_depths[] = {10, 25, 100, 500, 1000, 0};

/* ---- messages ---- */

static tf_verdict_t reject(const tf_draft_t *draft, tf_reject_t why) {
  return tf_feeds_reject(draft->out->counts, draft->frame, why);
}
#define IGNORE(draft, literal) tf_feeds_ignore((draft)->out->counts, (literal), sizeof(literal) - 1)

static tf_verdict_t control(const tf_draft_t *draft) {
  draft->out->counts->msgs_control++;
  return TF_VERDICT_CONTROL;
}

/* "snapshot" or "update"; anything else is a fault of the message's. */
static bool take_type(tf_kraken_scan_t *scan, bool *is_snapshot) {
  const tf_json_value_t *type = &scan->root_values[KRAKEN_TYPE];
  bool has     = tf_json_seen(&scan->root, KRAKEN_TYPE) && type->kind == TF_JSON_STRING;
  *is_snapshot = has && TF_JSON_TEXT_IS(type, "snapshot");
  if (!has || (!*is_snapshot && !TF_JSON_TEXT_IS(type, "update")))
    tf_scanned_refuse(&scan->fault, TF_REJECT_SCHEMA);
  return !scan->fault.is_bad;
}

/* The rows of a book, from `at` on: bids first, with their sides and times. */
static void complete_rows(tf_draft_t *draft, tf_kraken_book_t *b, uint32_t rows_before) {
  tf_event_t *rows = draft->out->events + draft->at;
  if (TF_UNLIKELY(b->asks.as.levels.first < b->bids.as.levels.first && b->book.ask_cnt > 0)) {
    b->bids.as.levels.first -= rows_before;
    b->asks.as.levels.first -= rows_before;
    tf_draft_gather_sides(rows, &b->bids, &b->asks);
  }
  for (uint32_t i = 0; i < b->row_cnt; i++) {
    rows[i].flags       = b->ts_flags | (i >= b->book.bid_cnt ? TF_FLAG_SIDE : 0);
    rows[i].ts_event_ns = b->book.ts_ns;
  }
}

TF_COLD static tf_verdict_t refuse_books(tf_kraken_state_t *st, tf_draft_t *draft,
                                         tf_reject_t why) {
  tf_kraken_scan_t *scan = st->scan;
  tf_reject_t       unused;
  for (uint32_t i = 0; i < scan->book_cnt; i++) {
    if (!scan->books[i].has_symbol) continue;
    uint32_t idx = tf_symbols_of(&st->symbols, &scan->books[i].symbol, false, &unused);
    if (idx != TF_SYMBOLS_NONE) tf_kraken_lose_book(st, draft, idx);
  }
  return reject(draft, why);
}

static tf_verdict_t on_books(tf_kraken_state_t *st, tf_draft_t *draft) {
  tf_kraken_scan_t *scan = st->scan;
  uint32_t          idx[TF_KRAKEN_BOOKS_MAX];
  tf_reject_t       why;
  bool              is_snapshot;
  if (scan->trade_cnt + scan->quote_cnt + scan->other_cnt > 0)
    tf_scanned_refuse(&scan->fault, TF_REJECT_SCHEMA);
  if (!take_type(scan, &is_snapshot)) return refuse_books(st, draft, scan->fault.why);
  uint32_t room = 0;
  for (uint32_t i = 0; i < scan->book_cnt; i++) {
    tf_kraken_book_t *b = &scan->books[i];
    if (!b->has_symbol) return refuse_books(st, draft, TF_REJECT_SCHEMA);
    idx[i] = tf_symbols_of(&st->symbols, &b->symbol, st->asked_cnt == 0, &why);
    if (idx[i] == TF_SYMBOLS_NONE) return reject(draft, why);
    if (!tf_book_row_takes(&st->rows[idx[i]], &b->book))
      return refuse_books(st, draft, TF_REJECT_LIMIT);
    room += tf_book_row_room(&st->rows[idx[i]], b->row_cnt);
  }
  if (!tf_draft_has_room(draft, room)) return refuse_books(st, draft, TF_REJECT_LIMIT);
  uint32_t rows_before = 0;
  for (uint32_t i = 0; i < scan->book_cnt; rows_before += scan->books[i++].row_cnt) {
    complete_rows(draft, &scan->books[i], rows_before);
    scan->books[i].book.is_snapshot = is_snapshot;
    tf_kraken_put_book(st, draft, idx[i], &scan->books[i].book);
  }
  return tf_draft_finish(draft);
}

static bool is_repeat(void *self, const tf_event_t *trade, tf_feed_counts_t *counts) {
  tf_book_row_t  *row  = &((tf_kraken_state_t *)self)->rows[trade->ingest_seq];
  tf_trade_said_t said = tf_trade_said(trade);
  return tf_trade_ids_step(&row->feed.trades, trade->u.trade.id, &said, counts);
}

static tf_verdict_t put_trades(tf_kraken_state_t *st, tf_draft_t *draft) {
  while (draft->at < draft->end) {
    uint32_t idx = (uint32_t)draft->out->events[draft->at].ingest_seq;
    tf_draft_put(draft, &st->rows[idx].feed, TF_EVENT_TRADE, st->symbols.rows[idx].instrument_id);
  }
  return tf_draft_finish(draft);
}

static tf_verdict_t on_trades(tf_kraken_state_t *st, tf_draft_t *draft) {
  tf_kraken_scan_t *scan = st->scan;
  tf_reject_t       why;
  bool              is_replay;
  if (scan->book_cnt + scan->quote_cnt + scan->other_cnt > 0)
    tf_scanned_refuse(&scan->fault, TF_REJECT_SCHEMA);
  if (!take_type(scan, &is_replay)) return reject(draft, scan->fault.why);
  if (!tf_scanned_find(&st->symbols, draft, st->asked_cnt == 0, &why)) return reject(draft, why);
  for (uint32_t i = draft->at; i < draft->end && is_replay; i++) {
    draft->out->events[i].flags |= TF_FLAG_BACKFILL;
  }
  tf_draft_drop_repeats(draft, is_repeat, st);
  return put_trades(st, draft);
}

static tf_verdict_t on_quotes(tf_kraken_state_t *st, tf_draft_t *draft) {
  tf_kraken_scan_t *scan = st->scan;
  tf_reject_t       why;
  bool              is_snapshot;
  if (scan->book_cnt + scan->trade_cnt + scan->other_cnt > 0)
    tf_scanned_refuse(&scan->fault, TF_REJECT_SCHEMA);
  if (!take_type(scan, &is_snapshot)) return reject(draft, scan->fault.why);
  if (!tf_scanned_find(&st->symbols, draft, st->asked_cnt == 0, &why)) return reject(draft, why);
  bool has_quotes  = (st->channels & TF_CHANNEL_QUOTE) != 0;
  bool has_tickers = (st->channels & TF_CHANNEL_TICKER) != 0;
  for (uint32_t i = 0; draft->at < draft->end; i++) { /* of each item a quote, then a ticker */
    uint32_t idx      = (uint32_t)draft->out->events[draft->at].ingest_seq;
    bool     is_quote = has_quotes && (!has_tickers || i % 2 == 0);
    tf_draft_put(draft, &st->rows[idx].feed, is_quote ? TF_EVENT_QUOTE : TF_EVENT_TICKER,
                 st->symbols.rows[idx].instrument_id);
  }
  return tf_draft_finish(draft);
}

/* The depth of a book's subscription. */
static void learn_depth(tf_kraken_state_t *st, const tf_json_t *json) {
  tf_kraken_scan_t      *scan = st->scan;
  const tf_json_value_t *v    = scan->item_values;
  tf_reject_t            unused;
  if (!tf_json_seen(&scan->root, KRAKEN_RESULT) ||
      scan->root_values[KRAKEN_RESULT].kind != TF_JSON_OBJECT)
    return;
  if (!tf_json_seen(&scan->item, KRAKEN_SYMBOL) || !tf_json_seen(&scan->item, KRAKEN_ACK_CHANNEL) ||
      !tf_json_seen(&scan->item, KRAKEN_DEPTH) ||
      !TF_JSON_TEXT_IS(&v[KRAKEN_ACK_CHANNEL], "book") || v[KRAKEN_SYMBOL].kind != TF_JSON_STRING ||
      v[KRAKEN_DEPTH].made != TF_JSON_MADE_U64)
    return;
  uint32_t idx   = tf_symbols_of(&st->symbols, &v[KRAKEN_SYMBOL], st->asked_cnt == 0, &unused);
  uint64_t depth = tf_json_u64(json, &v[KRAKEN_DEPTH]);
  if (idx == TF_SYMBOLS_NONE || depth == 0) return;
  st->rows[idx].mirror.depth = depth < st->depth_max ? (uint32_t)depth : st->depth_max;
  st->rows[idx].depth_known  = true;
}

static void note(tf_kraken_state_t *st, uint32_t key) {
  const tf_json_value_t *v = &st->scan->root_values[key];
  if (tf_json_seen(&st->scan->root, key)) tf_feeds_note_error(&st->head, v->bytes, v->bytes_cnt);
}

/* Which of the two that a ticker serves asks for it. */
static uint32_t ticker_channel(const tf_kraken_state_t *st) {
  return st->channels & TF_CHANNEL_QUOTE ? TF_CHANNEL_QUOTE : TF_CHANNEL_TICKER;
}

static uint32_t channel_of(const tf_kraken_state_t *st, const tf_json_value_t *name) {
  return TF_JSON_TEXT_IS(name, "trade")    ? TF_CHANNEL_TRADE
         : TF_JSON_TEXT_IS(name, "ticker") ? ticker_channel(st)
         : TF_JSON_TEXT_IS(name, "book")   ? TF_CHANNEL_BOOK
                                           : 0;
}

/* A subscription's answer names its symbol: one answer each. */
static void put_answer(tf_kraken_state_t *st, tf_draft_t *draft, const tf_json_t *json,
                       bool is_refusal) {
  tf_kraken_scan_t      *scan    = st->scan;
  const tf_json_value_t *channel = &scan->item_values[KRAKEN_ACK_CHANNEL];
  const tf_json_value_t *symbol  = &scan->root_values[KRAKEN_REFUSED_SYMBOL];
  bool                   has_result =
      tf_json_seen(&scan->root, KRAKEN_RESULT) && tf_json_seen(&scan->item, KRAKEN_ACK_CHANNEL);
  bool     has_symbol = tf_json_seen(&scan->root, KRAKEN_REFUSED_SYMBOL);
  uint32_t asked = 0, id = UINT32_MAX;
  uint64_t req_id = 0;
  if (has_result) {
    asked = channel_of(st, channel);
    if (asked == 0) return; /* of the instruments */
    has_symbol = tf_json_seen(&scan->item, KRAKEN_SYMBOL);
    symbol     = &scan->item_values[KRAKEN_SYMBOL];
  }
  if (has_symbol && symbol->kind == TF_JSON_STRING) {
    tf_reject_t unused;
    uint32_t    idx = tf_symbols_of(&st->symbols, symbol, false, &unused);
    if (idx != TF_SYMBOLS_NONE) id = st->symbols.rows[idx].instrument_id;
  }
  if (tf_json_seen(&scan->root, KRAKEN_REQ_ID) &&
      scan->root_values[KRAKEN_REQ_ID].made == TF_JSON_MADE_U64)
    req_id = tf_json_u64(json, &scan->root_values[KRAKEN_REQ_ID]);
  tf_feeds_answer(draft->out, req_id, id, asked, is_refusal);
}

/* {"method":..,"success":..,"result"|"error":..}, {"event":..} of v1. */
TF_COLD static tf_verdict_t on_answer(tf_kraken_state_t *st, tf_draft_t *draft,
                                      const tf_json_t *json) {
  tf_kraken_scan_t      *scan = st->scan;
  const tf_json_value_t *v    = scan->root_values;
  if (tf_json_seen(&scan->root, KRAKEN_METHOD)) {
    bool is_refusal =
        tf_json_seen(&scan->root, KRAKEN_SUCCESS) && v[KRAKEN_SUCCESS].kind == TF_JSON_FALSE;
    if (is_refusal)
      note(st, KRAKEN_ERROR);
    else
      learn_depth(st, json);
    if (TF_JSON_TEXT_IS(&v[KRAKEN_METHOD], "subscribe") ||
        TF_JSON_TEXT_IS(&v[KRAKEN_METHOD], "unsubscribe"))
      put_answer(st, draft, json, is_refusal);
    return control(draft);
  }
  if (tf_json_seen(&scan->root, KRAKEN_EVENT)) {
    bool is_refusal =
        tf_json_seen(&scan->root, KRAKEN_STATUS) && TF_JSON_TEXT_IS(&v[KRAKEN_STATUS], "error");
    if (is_refusal) note(st, KRAKEN_ERROR_MESSAGE);
    return control(draft);
  }
  if (tf_json_seen(&scan->root, KRAKEN_ERROR)) {
    note(st, KRAKEN_ERROR);
    return control(draft);
  }
  return reject(draft, TF_REJECT_UNKNOWN);
}

TF_COLD static tf_verdict_t on_other_channel(tf_kraken_state_t *st, tf_draft_t *draft) {
  const tf_json_value_t   *channel   = &st->scan->root_values[KRAKEN_CHANNEL];
  static const char *const ignored[] = {"ohlc", "level3", "executions", "balances"};
  if (TF_JSON_TEXT_IS(channel, "status") && st->scan->is_offline) {
    static const char what[] = "the venue's system is not online";
    tf_feeds_note_error(&st->head, what, sizeof what - 1);
  }
  if (TF_JSON_TEXT_IS(channel, "instrument") && tf_json_seen(&st->scan->root, KRAKEN_DATA)) {
    const tf_json_value_t *data = &st->scan->root_values[KRAKEN_DATA];
    tf_metadata_read(&st->symbols, data->bytes, data->bytes_cnt, draft->frame->recv_ns, draft->out);
    draft->at = draft->out->event_cnt; /* what it said of listings stands */
  }
  if (TF_JSON_TEXT_IS(channel, "heartbeat") || TF_JSON_TEXT_IS(channel, "status") ||
      TF_JSON_TEXT_IS(channel, "instrument")) {
    return control(draft);
  }
  for (size_t i = 0; i < TF_ARRAY_CNT(ignored); i++) {
    size_t n = strlen(ignored[i]);
    if (tf_json_text_is(channel, ignored[i], n)) {
      return tf_feeds_ignore(draft->out->counts, ignored[i], n);
    }
  }
  return reject(draft, TF_REJECT_UNKNOWN);
}

static tf_verdict_t on_object(tf_kraken_state_t *st, tf_draft_t *draft, const tf_json_t *json) {
  tf_kraken_scan_t      *scan    = st->scan;
  const tf_json_value_t *channel = &scan->root_values[KRAKEN_CHANNEL];
  if (TF_UNLIKELY(!tf_json_seen(&scan->root, KRAKEN_CHANNEL))) return on_answer(st, draft, json);
  if (channel->kind != TF_JSON_STRING) return reject(draft, TF_REJECT_SCHEMA);
  bool has_data = tf_json_seen(&scan->root, KRAKEN_DATA) &&
                  scan->root_values[KRAKEN_DATA].made == TF_JSON_MADE_ITEMS;
  if (TF_JSON_TEXT_IS(channel, "book")) {
    if (!tf_kraken_has_books(st)) return IGNORE(draft, "book");
    if (!has_data) tf_scanned_refuse(&scan->fault, TF_REJECT_SCHEMA);
    return on_books(st, draft);
  }
  bool is_trade = TF_JSON_TEXT_IS(channel, "trade");
  if (!is_trade && !TF_JSON_TEXT_IS(channel, "ticker")) return on_other_channel(st, draft);
  if (!has_data) return reject(draft, TF_REJECT_SCHEMA);
  if (!(st->channels & (is_trade ? TF_CHANNEL_TRADE : TF_CHANNEL_QUOTE | TF_CHANNEL_TICKER))) {
    return is_trade ? IGNORE(draft, "trade") : IGNORE(draft, "ticker");
  }
  return is_trade ? on_trades(st, draft) : on_quotes(st, draft);
}

static tf_verdict_t on_frame(void *state, const tf_frame_t *frame, tf_feed_out_t *out) {
  tf_kraken_state_t *st   = state;
  tf_kraken_scan_t  *scan = st->scan;
  out->counts->messages++;
  if (TF_UNLIKELY(frame->kind == TF_FRAME_HTTP)) return tf_feeds_ignore(out->counts, "rest", 4);
  if (TF_UNLIKELY(frame->kind != TF_FRAME_TEXT)) {
    return tf_feeds_reject(out->counts, frame, TF_REJECT_ENCODING);
  }
  tf_json_t json = {.rows    = out->events + out->event_cnt,
                    .row_cap = out->event_cap - out->event_cnt};
  tf_kraken_scan_begin(scan, frame);
  tf_json_result_t result = tf_json_read(&json, frame->bytes, frame->bytes_cnt, &scan->root);
  tf_draft_t       draft;
  tf_draft_begin(&draft, frame, out, json.row_cnt);
  tf_verdict_t verdict;
  if (TF_UNLIKELY(result != TF_JSON_OK)) {
    verdict = reject(&draft, result == TF_JSON_LIMIT ? TF_REJECT_LIMIT : TF_REJECT_SYNTAX);
  } else if (json.root_kind == TF_JSON_ARRAY) {
    return tf_kraken_v1_on_array(st, frame, out);
  } else if (json.root_kind != TF_JSON_OBJECT) {
    verdict = reject(&draft, TF_REJECT_UNKNOWN);
  } else {
    verdict = on_object(st, &draft, &json);
  }
  if (verdict != TF_VERDICT_DATA) out->event_cnt = draft.at; /* statuses of a refusal stand */
  return verdict;
}

/* ---- live ---- */

static size_t ws_target(const void *state, char *buf, size_t cap) {
  (void)state;
  tf_text_out_t t = {buf, cap, 0};
  tf_text_out_put(&t, "/v2");
  return tf_text_out_finish(&t);
}

/* The venue's own metadata, of all its instruments. */
static size_t hello(const void *state, uint32_t message_idx, char *buf, size_t cap) {
  (void)state;
  if (message_idx > 0) return 0;
  tf_text_out_t t = {buf, cap, 0};
  tf_text_out_put(
      &t, "{\"method\":\"subscribe\",\"params\":{\"channel\":\"instrument\",\"snapshot\":true}}");
  return tf_text_out_finish(&t);
}

static size_t request(const void *state, const tf_feed_request_t *request, char *buf, size_t cap) {
  const tf_kraken_state_t *st      = state;
  const char              *channel = request->channel == TF_CHANNEL_TRADE     ? "trade"
                                     : request->channel == ticker_channel(st) ? "ticker"
                                     : request->channel == TF_CHANNEL_BOOK    ? "book"
                                                                              : NULL;
  if (channel == NULL) return 0;
  tf_text_out_t t = {buf, cap, 0};
  tf_text_out_put(&t, request->unsubscribe
                          ? "{\"method\":\"unsubscribe\",\"params\":{\"channel\":\""
                          : "{\"method\":\"subscribe\",\"params\":{\"channel\":\"");
  tf_text_out_put(&t, channel);
  tf_text_out_put(&t, "\",\"symbol\":[");
  for (uint32_t i = 0; i < request->symbol_cnt; i++) {
    tf_text_out_put(&t, i == 0 ? "\"" : ",\"");
    tf_text_out_put(&t, st->symbols.rows[request->symbols[i]].text);
    tf_text_out_char(&t, '"');
  }
  tf_text_out_char(&t, ']');
  if (request->channel == TF_CHANNEL_BOOK) {
    tf_text_out_put(&t, ",\"depth\":");
    tf_text_out_u64(&t, st->depth);
  }
  if (request->channel == TF_CHANNEL_TICKER) tf_text_out_put(&t, ",\"event_trigger\":\"trades\"");
  if (request->channel == TF_CHANNEL_QUOTE) tf_text_out_put(&t, ",\"event_trigger\":\"bbo\"");
  if (!request->unsubscribe) tf_text_out_put(&t, ",\"snapshot\":true");
  tf_text_out_put(&t, "},\"req_id\":");
  tf_text_out_u64(&t, request->id);
  tf_text_out_char(&t, '}');
  return tf_text_out_finish(&t);
}

static tf_err_t symbol(void *state, const char *text, uint32_t *number, uint32_t *instrument_id) {
  return tf_symbols_ask_one(&((tf_kraken_state_t *)state)->symbols, text, number, instrument_id);
}

/* ---- lifetime ---- */

typedef struct {
  uint32_t row_cap, depth_max;
  size_t   scan_at, rows_at, symbols_at, mirrors_at, mirror_bytes, bytes;
} layout_t;

static layout_t layout_of(const tf_feed_config_t *config) {
  layout_t l;
  l.row_cap   = tf_symbols_cap_of(config);
  l.depth_max = config->book_depth > 0 ? config->book_depth : TF_KRAKEN_DEPTH_DEFAULT;
  if (config->symbol_cnt == 0)
    l.depth_max = TF_KRAKEN_DEPTH_MAX; /* a recording has its own depth */
  l.scan_at      = tf_align_up(sizeof(tf_kraken_state_t), TF_LINE_BYTES);
  l.rows_at      = l.scan_at + tf_align_up(sizeof(tf_kraken_scan_t), TF_LINE_BYTES);
  l.symbols_at   = l.rows_at + tf_align_up(l.row_cap * sizeof(tf_book_row_t), TF_LINE_BYTES);
  l.mirrors_at   = l.symbols_at + tf_symbols_footprint(l.row_cap);
  l.mirror_bytes = tf_align_up(tf_depth_mirror_bytes(l.depth_max), TF_LINE_BYTES);
  l.bytes        = l.mirrors_at + l.row_cap * l.mirror_bytes;
  return l;
}

static size_t state_bytes(const tf_feed_t *feed, const tf_feed_config_t *config) {
  (void)feed;
  return layout_of(config).bytes;
}

static tf_err_t check_depth(uint32_t depth) {
  if (depth == 0 || depth == 10 || depth == 25 || depth == 100 || depth == 500 || depth == 1000)
    return TF_OK;
  return TF_ERR(E_CONFIG_VALUE, "book_depth %u: kraken has 10, 25, 100, 500 and 1000", depth);
}

static tf_err_t init(const tf_feed_t *feed, void *state, const tf_feed_config_t *config) {
  tf_kraken_state_t *st     = state;
  uint8_t           *memory = state;
  layout_t           l      = layout_of(config);
  tf_err_t           err    = check_depth(config->book_depth);
  if (err != TF_OK) return err;
  memset(st, 0, sizeof *st);
  st->channels  = config->channels;
  st->depth     = config->book_depth > 0 ? config->book_depth : TF_KRAKEN_DEPTH_DEFAULT;
  st->depth_max = l.depth_max;
  st->scan      = (tf_kraken_scan_t *)(void *)(memory + l.scan_at);
  st->rows      = (tf_book_row_t *)(void *)(memory + l.rows_at);
  tf_kraken_scan_init(st->scan, config->channels);
  for (uint32_t i = 0; i < l.row_cap; i++) {
    tf_book_row_t *row = &st->rows[i];
    memset(row, 0, sizeof *row);
    tf_feed_row_init(&row->feed);
    tf_depth_mirror_init(&row->mirror, memory + l.mirrors_at + i * l.mirror_bytes, l.depth_max,
                         &tf_depth_checksum_digits);
    row->depth_known = config->symbol_cnt > 0;
  }
  err = tf_symbols_init(&st->symbols, memory + l.symbols_at, l.row_cap, config->instruments, feed);
  if (err == TF_OK)
    err = tf_symbols_ask(&st->symbols, config->symbols, config->symbol_cnt, TF_SYMBOLS_UPPER);
  st->asked_cnt = st->symbols.cnt;
  return err;
}

static void on_connect(void *state, uint64_t now_ns, tf_feed_out_t *out) {
  tf_kraken_state_t *st = state;
  for (uint32_t i = 0; i < st->symbols.cnt; i++) {
    st->rows[i].feed.trades.is_continued = false;
    if (tf_kraken_has_books(st))
      tf_book_row_restart(&st->rows[i], out, st->symbols.rows[i].instrument_id, now_ns);
  }
}

static void lose_book(void *state, uint32_t instrument_id, uint64_t now_ns, tf_feed_out_t *out) {
  tf_kraken_state_t *st  = state;
  uint32_t           idx = tf_symbols_of_instrument(&st->symbols, instrument_id);
  if (idx != TF_SYMBOLS_NONE) tf_draft_lose_book(out, &st->rows[idx].feed, instrument_id, now_ns);
}

static const tf_feed_channel_t feed_channels[] = {
    {TF_CHANNEL_TRADE,  "trade",        TF_FEED_CHECK(IDS_CONSECUTIVE)},
    {TF_CHANNEL_QUOTE,  "ticker (bbo)", 0                             },
    {TF_CHANNEL_BOOK,   "book",         TF_FEED_CHECK(CHECKSUM)       },
    {TF_CHANNEL_TICKER, "ticker",       0                             },
    {0,                 NULL,           0                             },
};

const tf_feed_t tf_feed_kraken = {
    .venue                   = "kraken",
    .key_elsewhere           = "level3 (order by order) wants one and is not read",
    .suffix                  = "KRAKEN",
    .symbol_chars            = "/.",
    .state_bytes             = state_bytes,
    .init                    = init,
    .on_frame                = on_frame,
    .on_connect              = on_connect,
    .ws_host                 = "ws.kraken.com",
    .ws_port                 = "443",
    .ws_target               = ws_target,
    .hello                   = hello,
    .request                 = request,
    .symbol                  = symbol,
    .symbols_per_request_max = SYMBOLS_A_MESSAGE,
    .lose_book               = lose_book,
    .subscribe_rate_hz_max   = 5,                  /* the venue publishes none: as its neighbours */
    .silence_ns_max          = 15 * TF_NS_PER_SEC, /* of one heartbeat a second */
    .channels                = feed_channels,
};
