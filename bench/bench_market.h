/* A USD-M market in the venue's own words, for benches that run whole paths without a recording: quote,
 * trade, quote, depth of four levels, over and over. Prices and quantities move a little, so that
 * features have work; sequences are whole. */
#ifndef BENCH_MARKET_H
#define BENCH_MARKET_H

#include "tf/io.h"

#define BENCH_TEXT_BYTES_MAX     400u
#define BENCH_SNAPSHOT_BYTES_MAX (16384u + TF_BYTES_PAD)
#define BENCH_SNAPSHOT_TARGET    "/fapi/v1/depth?symbol=BTCUSDT"
#define BENCH_EVENTS_A_ROUND     7 /* in four messages */

/* Message n; returns its length. text: BENCH_TEXT_BYTES_MAX. */
int bench_text_write(char *text, uint64_t n);
/* What the venue's REST answer would be before message 0: the first depth message bridges to it. */
size_t bench_snapshot_write(char *text);

#endif
