#include "stage/aside.h"

#include <string.h>

size_t tf_aside_bytes(const tf_passage_t *quotes, const tf_passage_t *rows,
                      uint32_t instrument_cap) {
  size_t bytes = 0;
  if (quotes) bytes += instrument_cap * sizeof(tf_event_t) + TF_LINE_BYTES;
  if (rows) bytes += rows->shape.bytes + TF_LINE_BYTES;
  return bytes;
}

tf_err_t tf_aside_init(tf_aside_t *a, tf_passage_t *quotes, tf_passage_t *rows,
                       uint32_t instrument_cap, tf_arena_t *arena) {
  *a = (tf_aside_t){.quotes = quotes, .rows = rows};
  if (quotes) {
    a->quoted = tf_arena_take(arena, instrument_cap * sizeof *a->quoted, TF_LINE_BYTES);
    if (!a->quoted) return E_CORE_ARENA_FULL;
    memset(a->quoted, 0, instrument_cap * sizeof *a->quoted);
  }
  if (rows) {
    a->row = tf_arena_take(arena, rows->shape.bytes, TF_LINE_BYTES);
    if (!a->row) return E_CORE_ARENA_FULL;
    memset(a->row, 0, rows->shape.bytes);
    a->row->value_cnt = (rows->shape.bytes - (uint32_t)sizeof *a->row) / 8;
  }
  return TF_OK;
}

static bool is_broken(const tf_lane_instrument_t *in) {
  return in->bbo_is_books && in->keeper.book.state != TF_BOOK_OK;
}

static bool is_as(const tf_event_t *quote, const tf_event_t *last) {
  return quote->flags == last->flags && quote->price_exp == last->price_exp &&
         quote->qty_exp == last->qty_exp && !memcmp(&quote->u, &last->u, sizeof quote->u);
}

void tf_aside_quote(tf_aside_t *a, const tf_lane_instrument_t *in, const tf_event_t *e) {
  tf_event_t *last  = &a->quoted[in->id];
  tf_event_t  quote = {.ts_recv_ns    = e->ts_recv_ns,
                       .ingest_seq    = e->ingest_seq,
                       .instrument_id = in->id,
                       .kind          = TF_EVENT_QUOTE,
                       .flags         = TF_FLAG_LAST};
  if (in->has_bbo) {
    quote.ts_event_ns = in->bbo_event_ns;
    quote.flags |= is_broken(in) ? TF_FLAG_BAD_BOOK : 0;
    quote.price_exp         = in->bbo_price_exp;
    quote.qty_exp           = in->bbo_qty_exp;
    quote.u.quote.bid_price = in->bid_price;
    quote.u.quote.bid_qty   = in->bid_qty;
    quote.u.quote.ask_price = in->ask_price;
    quote.u.quote.ask_qty   = in->ask_qty;
  } else if (last->ingest_seq == 0) {
    return; /* there has been none yet */
  }
  if (is_as(&quote, last)) return;
  *last = quote;
  tf_passage_put(a->quotes, &quote, 1);
}

void tf_aside_row(tf_aside_t *a, const tf_lane_instrument_t *in) {
  tf_feature_record_t *row = a->row;
  row->row_seq             = ++a->row_seq;
  row->ingest_seq          = in->market.event->ingest_seq;
  row->ts_recv_ns          = in->market.event->ts_recv_ns;
  row->instrument_id       = in->id;
  memcpy(row + 1, in->row, row->value_cnt * sizeof(double));
  tf_passage_put(a->rows, row, 1);
}
