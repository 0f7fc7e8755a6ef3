/* The peer of bench_decode: Binance messages to the same event fields with simdjson On-Demand,
 * written the way its manual says is quickest: one parser, keys asked for in the order in which
 * they come, raw strings. It decodes well-formed messages of the recorded forms only; it keeps no
 * sequences. Numbers in strings go through tf_decimal_read, as ours do, so that the difference is
 * the scanner's. */
#ifndef BENCH_PEER_SIMDJSON_H
#define BENCH_PEER_SIMDJSON_H

#include "tf/event.h"

#ifdef __cplusplus
extern "C" {
#endif

/* "3.0.1 icelake" and so on. */
const char *peer_simdjson_version(void);

/* Events written, 0 if the message is none of trade, bookTicker and depthUpdate. 64 bytes behind
 * the message must be readable. */
uint32_t peer_simdjson_decode(const char *bytes, uint32_t bytes_cnt, uint64_t recv_ns,
                              bool is_futures, tf_event_t *events, uint32_t event_cap);

#ifdef __cplusplus
}
#endif
#endif
