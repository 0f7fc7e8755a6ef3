/* The instrument table: dense ids for what the venues name in text. Sized at start. The decoder
 * (one acquire thread) appends; a lane and the control plane read rows below cnt.
 *
 * A row is published twice and never changes after: its names with cnt, its metadata (scales, sizes,
 * multiplier, quote currency) with its own word, because venues answer for them later. Before that word
 * is set they are what could be told from the symbol, and only the decoder's thread may read them. */
#ifndef TF_INSTRUMENT_H
#define TF_INSTRUMENT_H

#include "tf/atomic.h"

#define TF_SYMBOL_BYTES_MAX      40 /* venue's own spelling with its NUL; longer is rejected */
#define TF_INSTRUMENT_NAME_BYTES 64

/* Where a row's metadata came from. */
typedef enum tf_metadata {
  TF_METADATA_NONE  = 0, /* unknown yet */
  TF_METADATA_VENUE = 1,
  TF_METADATA_FILE  = 2, /* feeds[].instruments_file */
  TF_METADATA_CACHE = 3  /* the venue's of an earlier run: it did not answer this time */
} tf_metadata_t;

typedef struct tf_instrument {
  char     name[TF_INSTRUMENT_NAME_BYTES]; /* "BTCUSDT.BINANCE-SPOT" */
  char     symbol[TF_SYMBOL_BYTES_MAX];    /* "BTCUSDT", as the venue's payloads spell it */
  uint32_t id;
  int8_t   price_exp; /* the scale books key on; INT8_MIN until the first price sets it */
  int8_t   qty_exp;
  bool     is_inverse;
  uint8_t  reserved;
  int64_t  tick_size; /* at price_exp; 0 = unknown */
  int64_t  lot_size;  /* at qty_exp; 0 = unknown */
  /* Value in quote_currency: quantity * multiplier * price, of an inverse contract quantity * multiplier. */
  double   multiplier;
  char     quote_currency[8];
  uint32_t metadata; /* tf_metadata_t: written with release, read with acquire */
} tf_instrument_t;

typedef struct tf_instruments {
  tf_instrument_t *rows;
  uint32_t         cap;
  uint32_t         cnt; /* written by the decoder with release, read with acquire */
} tf_instruments_t;

TF_INLINE tf_metadata_t tf_instrument_metadata(const tf_instrument_t *row) {
  /* pairs with: tf_instrument_set_metadata */
  return (tf_metadata_t)tf_load_acquire_u32(&row->metadata);
}

/* The decoder's thread, or the control plane before it starts. to has all but name, symbol and id.
 * False, and nothing changes, where the row has its metadata already. */
TF_INLINE bool tf_instrument_set_metadata(tf_instrument_t *row, const tf_instrument_t *to,
                                          tf_metadata_t from) {
  /* relaxed: this thread is the only writer */
  if (tf_load_relaxed_u32(&row->metadata) != TF_METADATA_NONE) return false;
  row->price_exp  = to->price_exp;
  row->qty_exp    = to->qty_exp;
  row->tick_size  = to->tick_size;
  row->lot_size   = to->lot_size;
  row->multiplier = to->multiplier;
  row->is_inverse = to->is_inverse;
  for (uint32_t i = 0; i < sizeof row->quote_currency; i++)
    row->quote_currency[i] = to->quote_currency[i];
  /* pairs with: tf_instrument_metadata */
  tf_store_release_u32(&row->metadata, (uint32_t)from);
  return true;
}

#endif
