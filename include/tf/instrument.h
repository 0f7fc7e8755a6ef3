/* The instrument table: dense ids for what the venues name in text. Sized at start. The decoder
 * (one acquire thread) appends; a lane and the control plane read rows below cnt, which never
 * change after they are published. */
#ifndef TF_INSTRUMENT_H
#define TF_INSTRUMENT_H

#include "tf/atomic.h"

#define TF_SYMBOL_BYTES_MAX      40 /* venue's own spelling with its NUL; longer is rejected */
#define TF_INSTRUMENT_NAME_BYTES 64

typedef struct tf_instrument {
  char     name[TF_INSTRUMENT_NAME_BYTES]; /* "BTCUSDT.BINANCE-SPOT" */
  char     symbol[TF_SYMBOL_BYTES_MAX];    /* "BTCUSDT", as the venue's payloads spell it */
  uint32_t id;
  int8_t   price_exp; /* the scale books key on; INT8_MIN until the first price sets it */
  int8_t   qty_exp;
  uint8_t  reserved[2];
  int64_t  tick_size; /* at price_exp; 0 = unknown */
  int64_t  lot_size;  /* at qty_exp; 0 = unknown */
  double   multiplier;
  char     quote_currency[8];
} tf_instrument_t;

typedef struct tf_instruments {
  tf_instrument_t *rows;
  uint32_t         cap;
  uint32_t         cnt; /* written by the decoder with release, read with acquire */
} tf_instruments_t;

#endif
