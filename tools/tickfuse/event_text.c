#include "event_text.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <string.h>

#include "sink/decision_json.h"
#include "sink/event_doc.h"
#include "tf/text.h"

const char *const tf_event_text_csv_header =
    "ingest_seq,ts_recv_ns,ts_event_ns,instrument,kind,flags,side,price,qty,id,bid_price,bid_qty,"
    "ask_price,ask_qty,venue_seq,level_idx,level_cnt,last_price,volume,mark_price,funding_rate,"
    "book_state,apply_from,gap_first,gap_last,command,position,source,score,confidence,novelty,"
    "label,miss\n";

const char *tf_event_text_kind(uint8_t kind) { return tf_event_doc_kind(kind); }

uint8_t tf_event_text_kind_find(const char *word) {
  uint8_t kind = 0;
  while (kind < TF_EVENT_KIND_CNT && strcmp(tf_event_doc_kind(kind), word) != 0) kind++;
  return kind;
}

/* ---- what a row is written with: each put ends its column ---- */

typedef struct row {
  char  *text;
  size_t used;
} row_t;

TF_PRINTF(2, 3) static void put(row_t *r, const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  int n = vsnprintf(r->text + r->used, TF_EVENT_TEXT_BYTES_MAX - r->used, fmt, args);
  va_end(args);
  TF_ASSERT(n >= 0 && r->used + (size_t)n < TF_EVENT_TEXT_BYTES_MAX);
  r->used += (size_t)n;
}

static void put_integer(row_t *r, uint64_t value) { put(r, "%" PRIu64 ",", value); }
static void put_word(row_t *r, const char *word) { put(r, "%s,", word); }

static void put_decimal(row_t *r, int64_t mantissa, int8_t exp) {
  char text[TF_DECIMAL_TEXT_BYTES_MAX];
  tf_doc_decimal_text(mantissa, exp, text);
  put_word(r, text);
}

/* A name from a file: what could end a field is left out. */
static void put_name(row_t *r, const tf_event_t *e, const tf_instrument_t *rows, uint32_t row_cnt) {
  if (e->instrument_id >= row_cnt) {
    put(r, "#%u,", e->instrument_id);
    return;
  }
  const char *from = rows[e->instrument_id].name;
  for (size_t i = 0; i < TF_INSTRUMENT_NAME_BYTES && from[i]; i++) {
    bool is_plain = from[i] >= 0x20 && from[i] < 0x7f && !strchr("\"\\,", from[i]);
    put(r, "%c", is_plain ? from[i] : '?');
  }
  put(r, ",");
}

static void put_flags(row_t *r, const tf_event_t *e) {
  const char *word;
  for (uint32_t i = 0; (word = tf_event_doc_flag(e, i)); i++) put(r, "%s%s", i ? " " : "", word);
  put(r, ",");
}

/* So many columns of the header that this kind does not have. */
static void skip(row_t *r, uint32_t cnt) {
  while (cnt-- > 0) put(r, ",");
}

/* ---- kinds; the columns in the order of the header ---- */

static void put_trade(row_t *r, const tf_event_t *e) {
  put_word(r, e->flags & TF_FLAG_SIDE ? "sell" : "buy");
  put_decimal(r, e->u.trade.price, e->price_exp);
  put_decimal(r, e->u.trade.qty, e->qty_exp);
  put_integer(r, e->u.trade.id);
  skip(r, 17);
}

static void put_quote(row_t *r, const tf_event_t *e) {
  skip(r, 4);
  put_decimal(r, e->u.quote.bid_price, e->price_exp);
  put_decimal(r, e->u.quote.bid_qty, e->qty_exp);
  put_decimal(r, e->u.quote.ask_price, e->price_exp);
  put_decimal(r, e->u.quote.ask_qty, e->qty_exp);
  skip(r, 13);
}

static void put_level(row_t *r, const tf_event_t *e) {
  put_word(r, e->flags & TF_FLAG_SIDE ? "ask" : "bid");
  put_decimal(r, e->u.level.price, e->price_exp);
  put_decimal(r, e->u.level.qty, e->qty_exp);
  skip(r, 5);
  put_integer(r, e->u.level.venue_seq);
  put_integer(r, e->u.level.level_idx);
  put_integer(r, e->u.level.level_cnt);
  skip(r, 10);
}

static void put_ticker(row_t *r, const tf_event_t *e) {
  skip(r, 11);
  put_decimal(r, e->u.ticker.last_price, e->price_exp);
  put_decimal(r, e->u.ticker.volume, e->qty_exp);
  if (e->u.ticker.mark_price != 0)
    put_decimal(r, e->u.ticker.mark_price, e->price_exp);
  else
    skip(r, 1);
  if (e->u.ticker.funding_rate != TF_FUNDING_NONE)
    put_decimal(r, e->u.ticker.funding_rate, TF_FUNDING_EXP);
  else
    skip(r, 1);
  skip(r, 6);
}

/* A listing's word stands in the column of book states; a table has no sizes. */
static void put_status(row_t *r, const tf_event_t *e) {
  skip(r, 15);
  if (tf_event_is_listing(e)) {
    put_word(r, tf_decision_json_trading(e->u.listing.trading));
    skip(r, 5);
    return;
  }
  put_word(r, tf_event_doc_book(e->u.status.book_state));
  put_integer(r, e->u.status.apply_from);
  put_integer(r, e->u.status.gap_first);
  put_integer(r, e->u.status.gap_last);
  skip(r, 2);
}

static void put_control(row_t *r, const tf_event_t *e) {
  skip(r, 19);
  put_word(r, tf_event_doc_command(e->u.control.command));
  put_decimal(r, e->u.control.position, e->qty_exp);
}

#define TEXT_COLUMNS 6u /* the header's last */
static void put_text(row_t *r, const tf_event_t *e) {
  skip(r, 3);
  put_integer(r, e->u.text.id);
  skip(r, 17);
  put_integer(r, e->u.text.source);
  if (e->u.text.miss != TF_TEXT_MISS_NONE) {
    skip(r, 4);
    put_word(r, tf_text_miss_word(e->u.text.miss));
    return;
  }
  put(r, "%.9g,%.9g,", (double)e->u.text.score, (double)e->u.text.confidence);
  if (isnan(e->u.text.novelty))
    skip(r, 1);
  else
    put(r, "%.9g,", (double)e->u.text.novelty);
  put_integer(r, e->u.text.label);
  skip(r, 1);
}

static void (*const put_kind[TF_EVENT_KIND_CNT])(row_t *, const tf_event_t *) = {
    put_trade, put_quote, put_level, put_ticker, put_status, put_control, put_text};

size_t tf_event_text_csv(const tf_event_t *e, const tf_instrument_t *rows, uint32_t row_cnt,
                         char text[TF_EVENT_TEXT_BYTES_MAX]) {
  row_t r = {.text = text};
  put_integer(&r, e->ingest_seq);
  put_integer(&r, e->ts_recv_ns);
  put_integer(&r, e->ts_event_ns);
  put_name(&r, e, rows, row_cnt);
  put_word(&r, tf_event_text_kind(e->kind));
  put_flags(&r, e);
  if (e->kind < TF_EVENT_KIND_CNT) put_kind[e->kind](&r, e);
  if (e->kind != TF_EVENT_TEXT) skip(&r, TEXT_COLUMNS);
  r.used--; /* the last column's comma */
  put(&r, "\n");
  return r.used;
}

size_t tf_event_text_json(const tf_event_t *e, const tf_instrument_t *rows, uint32_t row_cnt,
                          char text[TF_EVENT_TEXT_BYTES_MAX]) {
  tf_instruments_t table = {.rows = (tf_instrument_t *)rows, .cap = row_cnt, .cnt = row_cnt};
  tf_doc_t         doc;
  tf_doc_init(&doc, TF_FORMAT_JSON, (uint8_t *)text, TF_EVENT_TEXT_BYTES_MAX - 2);
  tf_event_doc_fields(&doc, e, &table, NULL, false);
  size_t cnt  = tf_doc_end(&doc);
  text[cnt++] = '\n';
  text[cnt]   = 0;
  return cnt;
}
