#include "feed/in_band_scan.h"

/* Rows become events, behind the scan. */

static tf_verdict_t reject(tf_in_band_t *in, tf_reject_t why) {
  return tf_feeds_reject(in->out->counts, in->frame, why);
}

static tf_verdict_t ignore(tf_in_band_t *in, const tf_in_band_route_t *route) {
  return tf_feeds_ignore(in->out->counts, route->name, route->name_bytes);
}

static uint32_t symbol_of(tf_in_band_t *in, const tf_json_value_t *symbol, tf_reject_t *why) {
  *why = TF_REJECT_SCHEMA;
  if (symbol->kind != TF_JSON_STRING) return TF_SYMBOLS_NONE;
  return tf_symbols_of(&in->symbols, symbol, in->asked_cnt == 0, why);
}

/* The rows of a book: bids to the front, with their sides and times. */
static void complete_rows(tf_draft_t *draft, tf_in_band_book_t *b, uint64_t ts_ns) {
  tf_event_t *rows = draft->out->events + draft->at;
  b->bids.as.levels.first -= b->rows_before;
  b->asks.as.levels.first -= b->rows_before;
  if (b->message.ask_cnt > 0 && b->message.bid_cnt > 0 &&
      b->asks.as.levels.first < b->bids.as.levels.first)
    tf_draft_gather_sides(rows, &b->bids, &b->asks);
  if (!b->has_time) b->message.ts_ns = ts_ns;
  for (uint32_t i = 0; i < b->row_cnt; i++) {
    rows[i].flags       = b->ts_flags | (i >= b->message.bid_cnt ? TF_FLAG_SIDE : 0);
    rows[i].ts_event_ns = b->message.ts_ns;
  }
}

TF_COLD static tf_verdict_t refuse_books(tf_in_band_t *in, tf_draft_t *draft,
                                         const tf_in_band_route_t *route, tf_reject_t why) {
  tf_in_band_scan_t *scan = in->scan;
  tf_reject_t        unused;
  for (uint32_t i = 0; i < scan->book_cnt; i++) {
    const tf_json_value_t *own = &scan->books[i].symbol;
    uint32_t idx = symbol_of(in, own->kind == TF_JSON_STRING ? own : &route->symbol, &unused);
    if (idx == TF_SYMBOLS_NONE) continue;
    tf_book_row_lose(&in->rows[idx].book, draft, in->symbols.rows[idx].instrument_id, 0);
  }
  return reject(in, why);
}

/* Levels at price 0 say that a sequence number went to something else (KuCoin). */
static void drop_priceless(tf_event_t *rows, tf_bridge_levels_t *levels) {
  uint32_t kept = 0, bid_cnt = 0;
  for (uint32_t i = 0; i < levels->cnt; i++) {
    if (rows[i].u.level.price == 0) continue;
    bid_cnt += i < levels->bid_cnt;
    if (kept != i) rows[kept] = rows[i];
    kept++;
  }
  levels->cnt     = kept;
  levels->bid_cnt = bid_cnt;
}

/* Books by their chain. A message that is refused leaves a hole, which the next one shows. */
static tf_verdict_t on_bridged_book(tf_in_band_t *in, tf_draft_t *draft,
                                    const tf_in_band_route_t *route) {
  tf_in_band_scan_t *scan = in->scan;
  tf_in_band_book_t *b    = &scan->books[0];
  tf_reject_t        why;
  if (TF_UNLIKELY(scan->kinds != 0 || scan->book_cnt != 1)) return reject(in, TF_REJECT_SCHEMA);
  if (TF_UNLIKELY(scan->is_bad)) return reject(in, scan->why);
  if (TF_UNLIKELY(in->json.any_negative)) return reject(in, TF_REJECT_NUMBER);
  bool is_numbered = b->message.has_seq;
  if (TF_UNLIKELY(!is_numbered && !(route->is_snapshot && !route->is_requested)))
    return reject(in, TF_REJECT_SCHEMA);
  uint64_t first = b->message.has_previous ? b->message.previous + 1 : b->message.first_seq;
  if (TF_UNLIKELY(!route->is_snapshot && (first > b->message.last_seq || first == 0)))
    return reject(in, TF_REJECT_SCHEMA);
  if (TF_UNLIKELY(!tf_draft_has_room(draft, 3))) return reject(in, TF_REJECT_LIMIT);
  const tf_json_value_t *own = &b->symbol;
  uint32_t idx = symbol_of(in, own->kind == TF_JSON_STRING ? own : &route->symbol, &why);
  if (TF_UNLIKELY(idx == TF_SYMBOLS_NONE)) return reject(in, why);
  complete_rows(draft, b, route->ts_ns);
  tf_in_band_row_t  *row    = &in->rows[idx];
  tf_bridge_levels_t levels = {.rows          = draft->out->events + draft->at,
                               .bid_cnt       = b->message.bid_cnt,
                               .cnt           = b->row_cnt,
                               .venue_seq     = b->message.last_seq,
                               .ts_ns         = b->message.ts_ns,
                               .instrument_id = in->symbols.rows[idx].instrument_id,
                               .flags         = b->ts_flags};
  if (!is_numbered) levels.venue_seq = ++row->book.feed.ordinal;
  drop_priceless(levels.rows, &levels);
  if (route->is_snapshot && !route->is_requested)
    return tf_bridge_whole(&row->bridge, &in->pool, in->frame, in->out, &levels);
  if (route->is_snapshot)
    return tf_bridge_snapshot(&row->bridge, &in->pool, TF_CHAIN_RANGE, in->frame, in->out, &levels);
  return tf_bridge_delta(&row->bridge, &in->pool, TF_CHAIN_RANGE, in->frame, in->out, &levels,
                         (tf_bridge_ids_t){.first = first});
}

static tf_verdict_t on_books(tf_in_band_t *in, tf_draft_t *draft, const tf_in_band_route_t *route) {
  tf_in_band_scan_t *scan = in->scan;
  uint32_t           idx[TF_IN_BAND_BOOKS_MAX], room = 0;
  tf_reject_t        why;
  if (TF_UNLIKELY(scan->kinds != 0)) return refuse_books(in, draft, route, TF_REJECT_SCHEMA);
  if (TF_UNLIKELY(scan->is_bad)) return refuse_books(in, draft, route, scan->why);
  if (TF_UNLIKELY(in->json.any_negative)) return refuse_books(in, draft, route, TF_REJECT_NUMBER);
  for (uint32_t i = 0; i < scan->book_cnt; i++) {
    tf_in_band_book_t     *b   = &scan->books[i];
    const tf_json_value_t *own = &b->symbol;
    idx[i] = symbol_of(in, own->kind == TF_JSON_STRING ? own : &route->symbol, &why);
    if (TF_UNLIKELY(idx[i] == TF_SYMBOLS_NONE)) return reject(in, why);
    const tf_book_row_t *row = &in->rows[idx[i]].book;
    bool                 has_sequence =
        route->rule == TF_BOOK_RULE_NONE || route->rule == TF_BOOK_RULE_WHOLE || b->message.has_seq;
    if (TF_UNLIKELY(!has_sequence)) return refuse_books(in, draft, route, TF_REJECT_SCHEMA);
    if (TF_UNLIKELY(!tf_book_row_takes(row, &b->message)))
      return refuse_books(in, draft, route, TF_REJECT_LIMIT);
    room += tf_book_row_room(row, b->row_cnt);
  }
  if (TF_UNLIKELY(!tf_draft_has_room(draft, room)))
    return refuse_books(in, draft, route, TF_REJECT_LIMIT);
  for (uint32_t i = 0; i < scan->book_cnt; i++) {
    tf_in_band_book_t *b = &scan->books[i];
    complete_rows(draft, b, route->ts_ns);
    b->message.instrument_id = in->symbols.rows[idx[i]].instrument_id;
    b->message.depth         = route->depth;
    b->message.rule          = route->rule;
    b->message.is_snapshot   = route->is_snapshot;
    b->message.is_restart    = route->is_restart;
    b->message.has_checksum  = b->message.has_checksum && !route->no_checksum;
    tf_book_row_put(&in->rows[idx[i]].book, draft, &b->message, in->spec->depths, &in->head);
  }
  return tf_draft_finish(draft);
}

/* A quote or ticker of one stream, by the venue's number, or by its time. What has neither is taken as it
 * comes. */
static bool is_news(tf_in_band_t *in, tf_newest_t *newest, uint64_t number, uint64_t ts_ns) {
  return (number | ts_ns) == 0 || tf_newest_takes(newest, in->frame, number, ts_ns);
}

/* One level a side, sent as a book: the best bid and offer. */
static tf_verdict_t on_quote_book(tf_in_band_t *in, tf_draft_t *draft,
                                  const tf_in_band_route_t *route) {
  tf_in_band_scan_t *scan = in->scan;
  tf_in_band_book_t *b    = &scan->books[0];
  tf_book_message_t *m    = &b->message;
  tf_reject_t        why;
  if (scan->kinds != 0 || scan->book_cnt != 1 || m->bid_cnt > 1 || m->ask_cnt > 1)
    return reject(in, TF_REJECT_SCHEMA);
  if (scan->is_bad) return reject(in, scan->why);
  if (in->json.any_negative) return reject(in, TF_REJECT_NUMBER);
  uint32_t idx =
      symbol_of(in, b->symbol.kind == TF_JSON_STRING ? &b->symbol : &route->symbol, &why);
  if (idx == TF_SYMBOLS_NONE) return reject(in, why);
  if (m->bid_cnt + m->ask_cnt == 0)
    return tf_draft_finish(draft); /* nobody there, or nothing new */
  complete_rows(draft, b, route->ts_ns);
  tf_event_t  *rows   = draft->out->events + draft->at;
  tf_newest_t *newest = &in->rows[idx].newest[in->spec->item_cnt];
  if (!is_news(in, newest, m->has_seq ? m->last_seq : 0, rows[0].ts_event_ns)) {
    in->out->counts->duplicates++;
    draft->end = draft->at;
    return tf_draft_finish(draft);
  }
  tf_json_value_t v[4] = {{.what = 0}, {.what = 0}, {.what = 0}, {.what = 0}};
  for (uint32_t i = 0; i < b->row_cnt; i++) {
    uint32_t at           = rows[i].flags & TF_FLAG_SIDE ? 2 : 0;
    v[at].as.mantissa     = rows[i].u.level.price;
    v[at].exp             = rows[i].price_exp;
    v[at + 1].as.mantissa = rows[i].u.level.qty;
    v[at + 1].exp         = rows[i].qty_exp;
  }
  rows[0].flags = b->ts_flags;
  if (!tf_draft_set_quote(&rows[0], &v[0], &v[1], &v[2], &v[3]))
    return reject(in, TF_REJECT_NUMBER);
  draft->end = draft->at + 1;
  tf_draft_put(draft, &in->rows[idx].book.feed, TF_EVENT_QUOTE,
               in->symbols.rows[idx].instrument_id);
  return tf_draft_finish(draft);
}

/* Channels and sets of kinds of event are the same bits. */
TF_STATIC_ASSERT(TF_CHANNEL_TRADE == 1u << TF_EVENT_TRADE &&
                     TF_CHANNEL_QUOTE == 1u << TF_EVENT_QUOTE &&
                     TF_CHANNEL_BOOK == 1u << TF_EVENT_BOOK &&
                     TF_CHANNEL_TICKER == 1u << TF_EVENT_TICKER,
                 "a bit for each kind");

/* Of a row that park left. */
static tf_json_value_t symbol_of_row(const tf_in_band_t *in, const tf_event_t *e,
                                     const tf_in_band_route_t *route) {
  if ((uint32_t)e->ingest_seq == TF_IN_BAND_NOWHERE) return route->symbol;
  tf_json_value_t symbol = {.bytes     = in->frame->bytes + (uint32_t)e->ingest_seq,
                            .bytes_cnt = e->instrument_id >> 1};
  symbol.kind            = TF_JSON_STRING;
  symbol.escaped         = e->instrument_id & 1;
  return symbol;
}

/* Finds the instruments of the rows that park left: their numbers go to ingest_seq, and the form to
 * instrument_id. Rows of channels that nobody asked for are dropped. */
static bool find_symbols(tf_in_band_t *in, tf_draft_t *draft, const tf_in_band_route_t *route,
                         tf_reject_t *why) {
  uint32_t kept = draft->at;
  for (uint32_t i = draft->at; i < draft->end; i++) {
    tf_event_t     *e      = &draft->out->events[i];
    tf_json_value_t symbol = symbol_of_row(in, e, route);
    uint32_t        idx    = symbol_of(in, &symbol, why);
    if (idx == TF_SYMBOLS_NONE) return false;
    e->instrument_id = (uint32_t)(e->ingest_seq >> 32);
    e->ingest_seq    = idx;
    if (e->ts_event_ns == 0 && !(e->flags & TF_FLAG_BAD_TS)) e->ts_event_ns = route->ts_ns;
    if (route->is_backfill && e->kind == TF_EVENT_TRADE) e->flags |= TF_FLAG_BACKFILL;
    if (!(1u << e->kind & in->channels)) continue;
    if (kept != i) draft->out->events[kept] = *e;
    kept++;
  }
  draft->end = kept;
  return true;
}

static void remember(tf_in_band_row_t *row, uint64_t id) {
  tf_in_band_recent_t *recent = row->recent;
  uint64_t            *place  = &recent->ids[row->recent_at++ % TF_IN_BAND_RECENT_IDS];
  if (*place != 0) recent->counts[*place & 255]--;
  recent->counts[id & 255]++;
  *place = id;
}

static bool is_remembered(const tf_in_band_row_t *row, uint64_t id) {
  if (TF_LIKELY(row->recent->counts[id & 255] == 0)) return false;
  for (uint32_t i = 0; i < TF_IN_BAND_RECENT_IDS; i++)
    if (row->recent->ids[i] == id) return true;
  return false;
}

/* Late, but new: within what is remembered and not among it. Far back, the venue starts over. */
TF_COLD static bool is_late_repeat(tf_in_band_row_t *row, uint64_t id) {
  tf_trade_ids_t *ids    = &row->book.feed.trades;
  uint64_t        oldest = ids->last;
  if (ids->last - id >= TF_BOOK_ROW_RESTART) {
    ids->last = id;
    memset(row->recent, 0, sizeof *row->recent);
    return false;
  }
  for (uint32_t i = 0; i < TF_IN_BAND_RECENT_IDS; i++)
    if (row->recent->ids[i] < oldest) oldest = row->recent->ids[i];
  return id < oldest || is_remembered(row, id);
}

static bool is_repeat(void *self, const tf_event_t *trade, tf_feed_counts_t *counts) {
  tf_in_band_t     *in  = self;
  tf_in_band_row_t *row = &in->rows[trade->ingest_seq];
  tf_trade_ids_t   *ids = &row->book.feed.trades;
  uint64_t          id  = trade->u.trade.id;
  if (TF_UNLIKELY(id == 0)) return false; /* it has none */
  tf_trade_said_t said = tf_trade_said(trade);
  if (in->spec->ids == TF_IN_BAND_IDS_CONSECUTIVE) return tf_trade_ids_step(ids, id, &said, counts);
  bool was_here     = false;
  ids->is_continued = true;
  if (in->spec->ids == TF_IN_BAND_IDS_OPAQUE) {
    was_here = is_remembered(row, id);
  } else if (TF_LIKELY(!ids->is_known || id > ids->last)) {
    ids->last     = id;
    ids->is_known = true;
  } else {
    was_here = is_late_repeat(row, id);
    counts->late_trades += !was_here && id < ids->last;
  }
  if (TF_UNLIKELY(was_here)) {
    tf_trade_ids_check_said(ids, id, &said, counts);
    return true;
  }
  tf_trade_ids_put_said(ids, &said);
  remember(row, id);
  return false;
}

/* One price of a ticker that is not said is as it was; both stand at one exponent. */
static void keep_price(int64_t *price, int64_t was, int8_t was_exp, int64_t *other, int8_t *exp) {
  if (*price != 0 || was == 0) return;
  int64_t kept = was, beside = *other;
  int8_t  both = was_exp;
  if (beside != 0 && !tf_draft_to_one_exponent(&kept, was_exp, &beside, *exp, &both)) return;
  *price = kept;
  *other = beside;
  *exp   = both;
}

/* What a ticker does not say is as it was. */
static void merge_ticker(tf_in_band_row_t *row, tf_event_t *e) {
  const tf_event_t *was = &row->ticker;
  if (row->has_ticker) {
    bool no_price = e->u.ticker.last_price == 0 && e->u.ticker.mark_price == 0;
    keep_price(&e->u.ticker.last_price, was->u.ticker.last_price, was->price_exp,
               &e->u.ticker.mark_price, &e->price_exp);
    if (no_price) {
      e->u.ticker.mark_price = was->u.ticker.mark_price;
      e->price_exp           = was->price_exp;
    } else {
      keep_price(&e->u.ticker.mark_price, was->u.ticker.mark_price, was->price_exp,
                 &e->u.ticker.last_price, &e->price_exp);
    }
    if (e->u.ticker.volume == 0) {
      e->u.ticker.volume = was->u.ticker.volume;
      e->qty_exp         = was->qty_exp;
    }
    if (e->u.ticker.funding_rate == TF_FUNDING_NONE)
      e->u.ticker.funding_rate = was->u.ticker.funding_rate;
  }
  row->ticker     = *e;
  row->has_ticker = true;
}

static tf_newest_t *newest_of(const tf_in_band_t *in, tf_in_band_row_t *row, const tf_event_t *e) {
  uint32_t form = e->instrument_id;
  if (form == TF_IN_BAND_NOWHERE) form = in->spec->item_cnt + (e->kind == TF_EVENT_TICKER);
  return &row->newest[form];
}

static tf_verdict_t on_rows(tf_in_band_t *in, tf_draft_t *draft, const tf_in_band_route_t *route) {
  tf_in_band_scan_t *scan = in->scan;
  tf_reject_t        why;
  if (TF_UNLIKELY(scan->book_cnt > 0 || (scan->kinds & ~route->channels) != 0))
    return reject(in, TF_REJECT_SCHEMA);
  if (TF_UNLIKELY(scan->is_bad)) return reject(in, scan->why);
  if (TF_UNLIKELY(!find_symbols(in, draft, route, &why))) return reject(in, why);
  if (scan->kinds & 1u << TF_EVENT_TRADE) {
    if (in->spec->trades_come_newest_first)
      tf_draft_reverse(draft->out->events + draft->at, draft->end - draft->at);
    tf_draft_drop_repeats(draft, is_repeat, in);
  }
  while (draft->at < draft->end) {
    tf_event_t       *e   = &draft->out->events[draft->at];
    uint32_t          idx = (uint32_t)e->ingest_seq;
    tf_in_band_row_t *row = &in->rows[idx];
    if (e->kind != TF_EVENT_TRADE &&
        !is_news(in, newest_of(in, row, e), e->ts_recv_ns, e->ts_event_ns)) {
      in->out->counts->duplicates++;
      tf_draft_drop(draft);
      continue;
    }
    if (e->kind == TF_EVENT_TICKER) merge_ticker(row, e);
    tf_draft_put(draft, &row->book.feed, (tf_event_kind_t)e->kind,
                 in->symbols.rows[idx].instrument_id);
  }
  return tf_draft_finish(draft);
}

/* The books of levels that are rows by themselves, in a message that is refused. */
TF_COLD static tf_verdict_t refuse_levels(tf_in_band_t *in, tf_draft_t *draft,
                                          const tf_in_band_route_t *route, tf_reject_t why) {
  uint32_t    lost[TF_IN_BAND_BOOKS_MAX], lost_cnt = 0;
  tf_reject_t unused;
  for (uint32_t i = draft->at; i < draft->end && lost_cnt < TF_IN_BAND_BOOKS_MAX; i++) {
    tf_json_value_t symbol = symbol_of_row(in, &draft->out->events[i], route);
    uint32_t        idx = symbol_of(in, &symbol, &unused), k = 0;
    while (k < lost_cnt && lost[k] != idx) k++;
    if (k == lost_cnt && idx != TF_SYMBOLS_NONE) lost[lost_cnt++] = idx;
  }
  if (lost_cnt == 0 && route->symbol.kind == TF_JSON_STRING)
    lost_cnt = (lost[0] = symbol_of(in, &route->symbol, &unused)) != TF_SYMBOLS_NONE;
  draft->end = draft->at;
  for (uint32_t k = 0; k < lost_cnt; k++)
    tf_book_row_lose(&in->rows[lost[k]].book, draft, in->symbols.rows[lost[k]].instrument_id, 0);
  return reject(in, why);
}

static tf_verdict_t on_levels(tf_in_band_t *in, tf_draft_t *draft,
                              const tf_in_band_route_t *route) {
  tf_in_band_scan_t *scan = in->scan;
  tf_reject_t        why;
  if (scan->kinds & ~(1u << TF_EVENT_BOOK))
    return refuse_levels(in, draft, route, TF_REJECT_SCHEMA);
  if (TF_UNLIKELY(scan->is_bad)) return refuse_levels(in, draft, route, scan->why);
  if (TF_UNLIKELY(!find_symbols(in, draft, route, &why))) return reject(in, why);
  in->spec->on_levels(in, draft, route);
  return tf_draft_finish(draft);
}

static tf_verdict_t settle(tf_in_band_t *in, tf_draft_t *draft, const tf_in_band_route_t *route) {
  switch ((tf_in_band_what_t)route->what) {
  case TF_IN_BAND_CONTROL: in->out->counts->msgs_control++; return TF_VERDICT_CONTROL;
  case TF_IN_BAND_IGNORED: return ignore(in, route);
  case TF_IN_BAND_REFUSED: return reject(in, (tf_reject_t)route->why);
  case TF_IN_BAND_DATA: break;
  }
  if (!(route->channels & in->channels)) return ignore(in, route);
  if (route->is_quote) return on_quote_book(in, draft, route);
  if (route->channels & TF_CHANNEL_BOOK) {
    if (in->spec->bridges) {
      tf_verdict_t verdict = on_bridged_book(in, draft, route);
      draft->at            = in->out->event_cnt; /* the bridge published */
      return verdict;
    }
    if (in->scan->book_cnt == 0 && in->spec->on_levels != NULL) return on_levels(in, draft, route);
    if (in->scan->book_cnt == 0) return refuse_books(in, draft, route, TF_REJECT_SCHEMA);
    return on_books(in, draft, route);
  }
  return on_rows(in, draft, route);
}

tf_verdict_t tf_in_band_publish(tf_in_band_t *in, const tf_in_band_route_t *route) {
  tf_draft_t draft;
  tf_draft_begin(&draft, in->frame, in->out, in->json.row_cnt);
  tf_verdict_t verdict = settle(in, &draft, route);
  if (verdict != TF_VERDICT_DATA) in->out->event_cnt = draft.at; /* statuses of a refusal stand */
  return verdict;
}
