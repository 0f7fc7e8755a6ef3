/* The coins that Hyperliquid has, as it says before each connection and with each metadata_refresh, in two answers to
 * POST /info:
 *
 *   meta      {"universe":[{"name":"BTC","szDecimals":5,"isDelisted":true},..],..}          perpetuals: BTC, kPEPE
 *   spotMeta  {"tokens":[{"name":"USDC","szDecimals":8,"index":0},..],
 *              "universe":[{"name":"PURR/USDC","tokens":[1,0],"index":0},..]}               spot: PURR/USDC, @107
 *
 * A delisting is a STATUS (listing.h), as is a coin's disappearance; halts the venue has none. szDecimals are the
 * digits of a size, and with them of a price (tick_rule.h). Names with ':' are of lists by other builders, which
 * are not asked for: they are taken to be right.
 *
 * One writer: the thread that runs the feed. An answer of a few hundred KB is read in one go, when a connection is
 * made. */
#ifndef TF_FEED_HYPERLIQUID_NAMES_H
#define TF_FEED_HYPERLIQUID_NAMES_H

#include "feed/symbols.h"
#include "feed/tick_rule.h"

#define TF_HYPERLIQUID_SYMBOLS_MAX 1000u /* subscriptions of one address: the venue's limit */
#define TF_HYPERLIQUID_NAMES_MAX                                                                   \
  8192u /* of a list; where it is longer, names are taken to be right */
#define TF_HYPERLIQUID_NEAREST_MAX 8u /* unknown names for which the nearest is looked for */

typedef struct tf_hyperliquid_names {
  struct {
    bool     is_told, is_cut;
    uint32_t cnt;
    uint64_t hashes[TF_HYPERLIQUID_NAMES_MAX];
  } lists[2]; /* [0] perpetuals, [1] spot */
  uint32_t unknown_cnt;
  struct {
    uint32_t idx; /* in symbols */
    uint32_t distance;
    char     nearest[TF_SYMBOL_BYTES_MAX]; /* "": none is near */
  } unknown[TF_HYPERLIQUID_NEAREST_MAX];
  struct {
    uint32_t base, quote; /* spot's, among its tokens */
    char     quote_currency[8];
  } pairs[TF_HYPERLIQUID_SYMBOLS_MAX]; /* by symbol */
} tf_hyperliquid_names_t;

/* One of the two answers. The first asked_cnt symbols are those of the config. CONTROL, or REJECTED with SCHEMA: then
 * all names of that list are taken to be right. */
tf_verdict_t tf_hyperliquid_names_on_frame(tf_hyperliquid_names_t *names, tf_symbols_t *symbols,
                                           uint32_t asked_cnt, const tf_frame_t *frame,
                                           tf_feed_out_t *out);

/* The venue has it, as far as it has said. */
bool tf_hyperliquid_names_has(const tf_hyperliquid_names_t *names, const char *name);
/* Why symbol idx, name, is not asked for. */
void tf_hyperliquid_names_complain(const tf_hyperliquid_names_t *names, uint32_t idx,
                                   const char *name, char *text, size_t cap);

/* The rule of symbol idx's ticks, and what else its row wants. False: the venue has not told. */
bool tf_hyperliquid_names_rule(const tf_hyperliquid_names_t *names, const tf_symbols_t *symbols,
                               uint32_t idx, tf_tick_rule_t *rule, tf_instrument_t *rest);

#endif
