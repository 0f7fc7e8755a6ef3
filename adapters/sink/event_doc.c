#include "sink/event_doc.h"

#include "sink/decision_json.h"
#include "tf/text.h"

static const char *const kinds[]    = {"trade",  "quote",   "book", "ticker",
                                       "status", "control", "text"};
static const char *const books[]    = {"ok", "syncing", "gap", "stale", "crossed", "none"};
static const char *const commands[] = {"?",     "halt",    "resume", "position",
                                       "route", "pause",   "swap",   "answer",
                                       "miss",  "runtime", "canary", "sequence"};
TF_STATIC_ASSERT(TF_ARRAY_CNT(kinds) == TF_EVENT_KIND_CNT, "one word each");
TF_STATIC_ASSERT(TF_ARRAY_CNT(books) == TF_BOOK_STATE_CNT, "one word each");
TF_STATIC_ASSERT(TF_ARRAY_CNT(commands) == TF_CONTROL_CNT, "one word each");

/* SIDE is "side". */
static const struct {
  uint8_t     bit;
  const char *word;
} flag_words[] = {
    {TF_FLAG_LAST,     "last"    },
    {TF_FLAG_SNAPSHOT, "snapshot"},
    {TF_FLAG_BAD_BOOK, "bad_book"},
    {TF_FLAG_BAD_TS,   "bad_ts"  },
    {TF_FLAG_BACKFILL, "backfill"},
    {TF_FLAG_DERIVED,  "derived" },
    {TF_FLAG_OUTRUN,   "outrun"  },
};

#define WORD_OF(names, i) ((i) < TF_ARRAY_CNT(names) ? (names)[i] : "?")

const char *tf_event_doc_kind(uint8_t kind) { return WORD_OF(kinds, kind); }
const char *tf_event_doc_book(uint32_t book_state) { return WORD_OF(books, book_state); }
const char *tf_event_doc_command(uint64_t command) { return WORD_OF(commands, command); }

const char *tf_event_doc_flag(const tf_event_t *e, uint32_t idx) {
  for (size_t i = 0; i < TF_ARRAY_CNT(flag_words); i++) {
    if (!(e->flags & flag_words[i].bit) || idx-- > 0) continue;
    bool is_outlier = flag_words[i].bit == TF_FLAG_OUTLIER && e->kind == TF_EVENT_TRADE;
    return is_outlier ? "outlier" : flag_words[i].word;
  }
  return NULL;
}

static void put_flags(tf_doc_t *doc, const tf_event_t *e) {
  uint32_t cnt = 0;
  while (tf_event_doc_flag(e, cnt)) cnt++;
  tf_doc_array(doc, "flags", cnt);
  for (uint32_t i = 0; i < cnt; i++) tf_doc_word(doc, NULL, tf_event_doc_flag(e, i));
  tf_doc_array_end(doc);
}

/* ---- kinds; *_CNT: members of each ---- */

#define TRADE_CNT 4u
static void put_trade(tf_doc_t *doc, const tf_event_t *e) {
  tf_doc_word(doc, "side", e->flags & TF_FLAG_SIDE ? "sell" : "buy");
  tf_doc_decimal(doc, "price", e->u.trade.price, e->price_exp);
  tf_doc_decimal(doc, "qty", e->u.trade.qty, e->qty_exp);
  tf_doc_u64(doc, "id", e->u.trade.id);
}

#define QUOTE_CNT 4u
static void put_quote(tf_doc_t *doc, const tf_event_t *e) {
  tf_doc_decimal(doc, "bid_price", e->u.quote.bid_price, e->price_exp);
  tf_doc_decimal(doc, "bid_qty", e->u.quote.bid_qty, e->qty_exp);
  tf_doc_decimal(doc, "ask_price", e->u.quote.ask_price, e->price_exp);
  tf_doc_decimal(doc, "ask_qty", e->u.quote.ask_qty, e->qty_exp);
}

#define LEVEL_CNT 6u
static void put_level(tf_doc_t *doc, const tf_event_t *e) {
  tf_doc_word(doc, "side", e->flags & TF_FLAG_SIDE ? "ask" : "bid");
  tf_doc_decimal(doc, "price", e->u.level.price, e->price_exp);
  tf_doc_decimal(doc, "qty", e->u.level.qty, e->qty_exp);
  tf_doc_u64(doc, "venue_seq", e->u.level.venue_seq);
  tf_doc_u64(doc, "level_idx", e->u.level.level_idx);
  tf_doc_u64(doc, "level_cnt", e->u.level.level_cnt);
}

static uint32_t ticker_cnt(const tf_event_t *e) {
  return 2u + (e->u.ticker.mark_price != 0) + (e->u.ticker.funding_rate != TF_FUNDING_NONE);
}

static void put_ticker(tf_doc_t *doc, const tf_event_t *e) {
  tf_doc_decimal(doc, "last_price", e->u.ticker.last_price, e->price_exp);
  tf_doc_decimal(doc, "volume", e->u.ticker.volume, e->qty_exp);
  if (e->u.ticker.mark_price != 0)
    tf_doc_decimal(doc, "mark_price", e->u.ticker.mark_price, e->price_exp);
  if (e->u.ticker.funding_rate != TF_FUNDING_NONE)
    tf_doc_decimal(doc, "funding_rate", e->u.ticker.funding_rate, TF_FUNDING_EXP);
}

static uint32_t status_cnt(const tf_event_t *e) {
  if (!tf_event_is_listing(e)) return 4;
  return 1u + (e->u.listing.tick_size != 0) + (e->u.listing.lot_size != 0);
}

static void put_status(tf_doc_t *doc, const tf_event_t *e) {
  if (tf_event_is_listing(e)) {
    tf_doc_word(doc, "trading", tf_decision_json_trading(e->u.listing.trading));
    if (e->u.listing.tick_size != 0)
      tf_doc_decimal(doc, "tick_size", e->u.listing.tick_size, e->price_exp);
    if (e->u.listing.lot_size != 0)
      tf_doc_decimal(doc, "lot_size", e->u.listing.lot_size, e->qty_exp);
    return;
  }
  tf_doc_word(doc, "book_state", tf_event_doc_book(e->u.status.book_state));
  tf_doc_u64(doc, "apply_from", e->u.status.apply_from);
  tf_doc_u64(doc, "gap_first", e->u.status.gap_first);
  tf_doc_u64(doc, "gap_last", e->u.status.gap_last);
}

/* A position, or the three words that the command gives a meaning to (tf/event.h). */
#define CONTROL_CNT 2u
static void put_control(tf_doc_t *doc, const tf_event_t *e) {
  tf_doc_word(doc, "command", tf_event_doc_command(e->u.control.command));
  if (e->u.control.command == TF_CONTROL_POSITION) {
    tf_doc_decimal(doc, "position", e->u.control.position, e->qty_exp);
    return;
  }
  tf_doc_array(doc, "words", 3);
  for (size_t i = 1; i < 4; i++) tf_doc_u64(doc, NULL, e->u.word[i]);
  tf_doc_array_end(doc);
}

static uint32_t text_cnt(const tf_event_t *e) {
  return e->u.text.miss == TF_TEXT_MISS_NONE ? 7u : 3u;
}

static void put_text(tf_doc_t *doc, const tf_event_t *e) {
  tf_doc_u64(doc, "id", e->u.text.id);
  tf_doc_u64(doc, "source", e->u.text.source);
  if (e->u.text.miss != TF_TEXT_MISS_NONE) {
    tf_doc_word(doc, "miss", tf_text_miss_word(e->u.text.miss));
    return;
  }
  tf_doc_float(doc, "score", e->u.text.score);
  tf_doc_float(doc, "confidence", e->u.text.confidence);
  tf_doc_float(doc, "novelty", e->u.text.novelty);
  tf_doc_u64(doc, "label", e->u.text.label);
  tf_decision_json_hash(doc, e->u.text.model_hash);
}

/* Of a text that a model answered; NULL: not known here. */
static const char *label_name(const tf_event_t *e, const tf_labels_t *labels) {
  if (e->kind != TF_EVENT_TEXT || e->u.text.miss != TF_TEXT_MISS_NONE) return NULL;
  return tf_labels_word(labels, e->u.text.label);
}

static uint32_t kind_cnt(const tf_event_t *e) {
  switch (e->kind) {
  case TF_EVENT_TRADE: return TRADE_CNT;
  case TF_EVENT_QUOTE: return QUOTE_CNT;
  case TF_EVENT_BOOK: return LEVEL_CNT;
  case TF_EVENT_TICKER: return ticker_cnt(e);
  case TF_EVENT_STATUS: return status_cnt(e);
  case TF_EVENT_CONTROL: return CONTROL_CNT;
  case TF_EVENT_TEXT: return text_cnt(e);
  default: return 0;
  }
}

static void (*const put_kind[])(tf_doc_t *, const tf_event_t *) = {
    put_trade, put_quote, put_level, put_ticker, put_status, put_control, put_text};
TF_STATIC_ASSERT(TF_ARRAY_CNT(put_kind) == TF_EVENT_KIND_CNT, "one of each kind");

void tf_event_doc_fields(tf_doc_t *doc, const tf_event_t *e, const tf_instruments_t *instruments,
                         const tf_labels_t *labels, bool is_late) {
  const char *label = label_name(e, labels);
  tf_doc_map(doc, NULL, 6u + is_late + kind_cnt(e) + (label != NULL));
  tf_doc_u64(doc, "ingest_seq", e->ingest_seq);
  tf_doc_u64(doc, "ts_recv_ns", e->ts_recv_ns);
  tf_doc_u64(doc, "ts_event_ns", e->ts_event_ns);
  tf_doc_instrument(doc, e->instrument_id, instruments);
  tf_doc_word(doc, "kind", tf_event_doc_kind(e->kind));
  put_flags(doc, e);
  if (is_late) tf_doc_true(doc, "late");
  if (e->kind < TF_EVENT_KIND_CNT) put_kind[e->kind](doc, e);
  if (label) tf_doc_word(doc, "label_name", label);
  tf_doc_map_end(doc);
}
