/* Instrument metadata from a file: what the venue does not tell, or what it told an earlier run (the
 * cache). CSV with a header line, or a JSON array of objects with the same names, told apart by the first
 * character; at most 16 MiB.
 *
 *   symbol,tick_size,lot_size,multiplier,quote_currency,is_inverse
 *   BTCUSDT,0.01,0.00001,1,USDT,false
 *
 * Columns may stand in any order; multiplier, quote_currency and is_inverse may be missing or empty (1, what
 * the symbol says, false). Sizes are plain decimals above 0. Symbols that a feed does not have are passed over.
 *
 * Control plane. */
#ifndef FEED_INSTRUMENT_FILE_H
#define FEED_INSTRUMENT_FILE_H

#include "tf/err.h"
#include "tf/instrument.h"

#define TF_INSTRUMENT_FILE_BYTES_MAX ((size_t)16 << 20)

/* Sets the rows of table whose names are SYMBOL.suffix and that have no metadata yet; *set_cnt: how many.
 * E_FILE_OPEN; E_FILE_FORMAT with file:line:column, what was found and what is allowed: then some rows
 * may be set. */
tf_err_t tf_instrument_file_load(const char *path, tf_instruments_t *table, const char *suffix,
                                 tf_metadata_t from, uint32_t *set_cnt);

/* Writes the rows of this suffix that have metadata, by a temporary file and rename. E_FILE_WRITE. */
tf_err_t tf_instrument_file_save(const char *path, const tf_instruments_t *table,
                                 const char *suffix);

#endif
