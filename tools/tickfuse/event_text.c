#include "event_text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "sink/decision_json.h"

static const char *const kinds[TF_EVENT_KIND_CNT] = {"trade",  "quote",  "book",
                                                     "ticker", "status", "control"};
static const char *const books[TF_BOOK_STATE_CNT] = {"ok",    "syncing", "gap",
                                                     "stale", "crossed", "none"};
static const char *const commands[TF_CONTROL_CNT] = {
    "?", "halt", "resume", "position", "route", "pause", "swap", "answer", "miss", "runtime"};
static const struct {
  uint8_t     bit;
  const char *word;
} flag_words[] = {
    {TF_FLAG_LAST,     "last"    },
    {TF_FLAG_SNAPSHOT, "snapshot"},
    {TF_FLAG_BAD_BOOK, "bad_book"},
    {TF_FLAG_BAD_TS,   "bad_ts"  },
    {TF_FLAG_BACKFILL, "backfill"},
    {TF_FLAG_OUTRUN,   "outrun"  },
};

const char *const tf_event_text_csv_header =
    "ingest_seq,ts_recv_ns,ts_event_ns,instrument,kind,flags,side,price,qty,id,bid_price,bid_qty,"
    "ask_price,ask_qty,venue_seq,level_idx,level_cnt,last_price,volume,mark_price,funding_rate,"
    "book_state,apply_from,gap_first,gap_last,command,position\n";

const char *tf_event_text_kind(uint8_t kind) {
  return kind < TF_EVENT_KIND_CNT ? kinds[kind] : "?";
}

uint8_t tf_event_text_kind_find(const char *word) {
  uint8_t kind = 0;
  while (kind < TF_EVENT_KIND_CNT && strcmp(kinds[kind], word) != 0) kind++;
  return kind;
}

/* ---- what a line is written with ---- */

typedef struct line {
  char  *text;
  size_t used;
  bool   is_csv;
} line_t;

TF_PRINTF(2, 3) static void put(line_t *l, const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  int n = vsnprintf(l->text + l->used, TF_EVENT_TEXT_BYTES_MAX - l->used, fmt, args);
  va_end(args);
  TF_ASSERT(n >= 0 && l->used + (size_t)n < TF_EVENT_TEXT_BYTES_MAX);
  l->used += (size_t)n;
}

/* A value under its key, or in its column. */
static void put_integer(line_t *l, const char *key, uint64_t value) {
  if (l->is_csv)
    put(l, "%" PRIu64 ",", value);
  else
    put(l, ",\"%s\":%" PRIu64, key, value);
}

static void put_word(line_t *l, const char *key, const char *word) {
  if (l->is_csv)
    put(l, "%s,", word);
  else
    put(l, ",\"%s\":\"%s\"", key, word);
}

static void put_decimal(line_t *l, const char *key, int64_t mantissa, int8_t exp) {
  char text[TF_DECIMAL_TEXT_BYTES_MAX];
  tf_decision_json_decimal(mantissa, exp, text);
  put_word(l, key, text);
}

/* A name from a file: what could end a JSON string or a CSV field is escaped or left out. */
static void put_name(line_t *l, const char *key, const tf_event_t *e, const tf_instrument_t *rows,
                     uint32_t row_cnt) {
  char   name[6 * TF_INSTRUMENT_NAME_BYTES];
  size_t used = 0;
  if (e->instrument_id >= row_cnt) {
    snprintf(name, sizeof name, "#%u", e->instrument_id);
    put_word(l, key, name);
    return;
  }
  const char *from = rows[e->instrument_id].name;
  for (size_t i = 0; i < TF_INSTRUMENT_NAME_BYTES && from[i]; i++) {
    uint8_t byte = (uint8_t)from[i];
    if (byte >= 0x20 && byte < 0x7f && byte != '"' && byte != '\\' && byte != ',')
      name[used++] = (char)byte;
    else
      used += (size_t)snprintf(name + used, sizeof name - used, l->is_csv ? "?" : "\\u%04x", byte);
  }
  name[used] = 0;
  put_word(l, key, name);
}

static void put_flags(line_t *l, uint8_t flags) {
  const char *separator = "";
  put(l, l->is_csv ? "" : ",\"flags\":[");
  for (size_t i = 0; i < TF_ARRAY_CNT(flag_words); i++) {
    if (!(flags & flag_words[i].bit)) continue;
    put(l, l->is_csv ? "%s%s" : "%s\"%s\"", separator, flag_words[i].word);
    separator = l->is_csv ? " " : ",";
  }
  put(l, l->is_csv ? "," : "]");
}

/* So many columns of the header that this kind does not have. */
static void skip(line_t *l, uint32_t cnt) {
  for (uint32_t i = 0; l->is_csv && i < cnt; i++) put(l, ",");
}

/* ---- kinds; the columns in the order of the header ---- */

static void put_trade(line_t *l, const tf_event_t *e) {
  put_word(l, "side", e->flags & TF_FLAG_SIDE ? "sell" : "buy");
  put_decimal(l, "price", e->u.trade.price, e->price_exp);
  put_decimal(l, "qty", e->u.trade.qty, e->qty_exp);
  put_integer(l, "id", e->u.trade.id);
  skip(l, 17);
}

static void put_quote(line_t *l, const tf_event_t *e) {
  skip(l, 4);
  put_decimal(l, "bid_price", e->u.quote.bid_price, e->price_exp);
  put_decimal(l, "bid_qty", e->u.quote.bid_qty, e->qty_exp);
  put_decimal(l, "ask_price", e->u.quote.ask_price, e->price_exp);
  put_decimal(l, "ask_qty", e->u.quote.ask_qty, e->qty_exp);
  skip(l, 13);
}

static void put_level(line_t *l, const tf_event_t *e) {
  put_word(l, "side", e->flags & TF_FLAG_SIDE ? "ask" : "bid");
  put_decimal(l, "price", e->u.level.price, e->price_exp);
  put_decimal(l, "qty", e->u.level.qty, e->qty_exp);
  skip(l, 5);
  put_integer(l, "venue_seq", e->u.level.venue_seq);
  put_integer(l, "level_idx", e->u.level.level_idx);
  put_integer(l, "level_cnt", e->u.level.level_cnt);
  skip(l, 10);
}

static void put_ticker(line_t *l, const tf_event_t *e) {
  skip(l, 11);
  put_decimal(l, "last_price", e->u.ticker.last_price, e->price_exp);
  put_decimal(l, "volume", e->u.ticker.volume, e->qty_exp);
  if (e->u.ticker.mark_price != 0)
    put_decimal(l, "mark_price", e->u.ticker.mark_price, e->price_exp);
  else
    skip(l, 1);
  if (e->u.ticker.funding_rate != TF_FUNDING_NONE)
    put_decimal(l, "funding_rate", e->u.ticker.funding_rate, TF_FUNDING_EXP);
  else
    skip(l, 1);
  skip(l, 6);
}

/* A table has the word in the column of book states, and no sizes. */
static void put_listing(line_t *l, const tf_event_t *e) {
  static const char *const words[] = {"unsaid", "open", "halted", "ended", "changed"};
  TF_STATIC_ASSERT(TF_ARRAY_CNT(words) == TF_TRADING_CNT, "one word each");
  uint32_t trading = e->u.listing.trading;
  skip(l, 15);
  put_word(l, "trading", trading < TF_TRADING_CNT ? words[trading] : "?");
  if (!l->is_csv && e->u.listing.tick_size != 0)
    put_decimal(l, "tick_size", e->u.listing.tick_size, e->price_exp);
  if (!l->is_csv && e->u.listing.lot_size != 0)
    put_decimal(l, "lot_size", e->u.listing.lot_size, e->qty_exp);
  skip(l, 5);
}

static void put_status(line_t *l, const tf_event_t *e) {
  if (tf_event_is_listing(e)) {
    put_listing(l, e);
    return;
  }
  uint64_t state = e->u.status.book_state;
  skip(l, 15);
  put_word(l, "book_state", state < TF_BOOK_STATE_CNT ? books[state] : "?");
  put_integer(l, "apply_from", e->u.status.apply_from);
  put_integer(l, "gap_first", e->u.status.gap_first);
  put_integer(l, "gap_last", e->u.status.gap_last);
  skip(l, 2);
}

static void put_control(line_t *l, const tf_event_t *e) {
  uint64_t command = e->u.control.command;
  skip(l, 19);
  put_word(l, "command", command < TF_CONTROL_CNT ? commands[command] : "?");
  put_decimal(l, "position", e->u.control.position, e->qty_exp);
}

static void (*const put_kind[TF_EVENT_KIND_CNT])(line_t *, const tf_event_t *) = {
    put_trade, put_quote, put_level, put_ticker, put_status, put_control};

static size_t write(line_t *l, const tf_event_t *e, const tf_instrument_t *rows, uint32_t row_cnt) {
  put(l, l->is_csv ? "%" PRIu64 "," : "{\"ingest_seq\":%" PRIu64, e->ingest_seq);
  put_integer(l, "ts_recv_ns", e->ts_recv_ns);
  put_integer(l, "ts_event_ns", e->ts_event_ns);
  put_name(l, "instrument", e, rows, row_cnt);
  put_word(l, "kind", tf_event_text_kind(e->kind));
  put_flags(l, e->flags);
  if (e->kind < TF_EVENT_KIND_CNT) put_kind[e->kind](l, e);
  if (l->is_csv) l->used--; /* the last column's comma */
  put(l, l->is_csv ? "\n" : "}\n");
  return l->used;
}

size_t tf_event_text_json(const tf_event_t *e, const tf_instrument_t *rows, uint32_t row_cnt,
                          char text[TF_EVENT_TEXT_BYTES_MAX]) {
  line_t line = {.text = text};
  return write(&line, e, rows, row_cnt);
}

size_t tf_event_text_csv(const tf_event_t *e, const tf_instrument_t *rows, uint32_t row_cnt,
                         char text[TF_EVENT_TEXT_BYTES_MAX]) {
  line_t line = {.text = text, .is_csv = true};
  return write(&line, e, rows, row_cnt);
}
