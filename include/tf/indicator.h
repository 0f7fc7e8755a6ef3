/* The contract of an indicator: a const descriptor tf_indicator_<name> in kernels/indicator/<name>.c, or
 * in the file of its family, and its line in indicators.def.
 *
 * Two kinds. A *market* indicator (series_cnt 0) reads tf_market_t: mid, imbalance, ofi. A *series*
 * indicator (series_cnt 1..4) reads doubles that other expressions produce: ema(mid, 20).
 *
 * State is caller's memory of state_bytes, no pointers inside (a plan can be copied, snapshotted or
 * sent to a device), any size beyond 2^20 elements refused by init. update and peek are the same
 * function of (state, input); peek leaves the state's bytes unchanged. A rejected input (NaN or
 * infinity) changes nothing. After init there is no allocation, no log, no error.
 *
 * A window's entries, which are most of a state, are better named as a trail (tf_trail_t): a snapshot of a running lane then
 * copies them a piece at a time, ahead of what overwrites them, and those alone that are held. The rest of the state is copied while
 * an event waits for it.
 *
 * Features must be the same bits on every compiler and instruction set: fixed summation order, no
 * contraction (-ffp-contract=off), libm only for functions that are correctly rounded or not at
 * all on the output path except where the header of the file says so (sqrt is fine). */
#ifndef TF_INDICATOR_H
#define TF_INDICATOR_H

#include "tf/err.h"
#include "tf/market.h"

#define TF_INDICATOR_SERIES_MAX  4
#define TF_INDICATOR_OUTPUTS_MAX 4
#define TF_INDICATOR_PARAMS_MAX  8

/* When update runs. A market indicator names the events it must see; most need TF_ON_TICK only.
 * Within one message, event calls come in order, then one TF_ON_TICK call. Outputs are read after
 * TF_ON_TICK. A series indicator has TF_ON_INPUT: each tick, or each close of the bar that its
 * input comes from. */
#define TF_ON_TRADE 0x01u
#define TF_ON_QUOTE 0x02u
#define TF_ON_BOOK  0x04u
#define TF_ON_TICK  0x08u
#define TF_ON_INPUT 0x10u
#define TF_ON_TEXT  0x40u /* a text was answered (tf/text.h) */
#define TF_ON_PEER                                                                                 \
  0x20u /* a tick of one of its peers, with this instrument as it stands; outputs unread */

typedef enum tf_indicator_result {
  TF_INDICATOR_READY    = 0, /* outputs written */
  TF_INDICATOR_WARMING  = 1, /* state advanced, outputs are NaN: lookback not yet filled */
  TF_INDICATOR_REJECTED = 2  /* input was NaN or infinite: state and outputs unchanged */
} tf_indicator_result_t;

/* Entries in a ring within a state: where it lies, which init settles, and which are held, `head` the oldest. An update writes the newest of those
 * that are held, and one behind it; no other. One that turns may write all of them too, when as many are held as there is room for. */
typedef struct tf_trail {
  size_t   begin_bytes; /* of the first entry's place, from the state's beginning */
  uint32_t entry_bytes, cap;
  bool     turns;
} tf_trail_t;

typedef struct tf_trail_held {
  uint32_t head, cnt; /* head < cap, cnt <= cap: they go on around its end */
} tf_trail_held_t;

#define TF_INDICATOR_TRAILS_MAX 2

typedef enum tf_param_kind {
  TF_PARAM_COUNT    = 0, /* whole number: a number of samples or levels */
  TF_PARAM_REAL     = 1,
  TF_PARAM_DURATION = 2, /* "1s", "250ms"; handed to init in ns */
  TF_PARAM_CHOICE =
      3, /* one of names, ma(close, 30, ema); handed to init as its place, min .. max */
} tf_param_kind_t;

typedef struct tf_param_spec {
  const char        *name;
  tf_param_kind_t    kind;
  double             dflt, min, max;
  const char        *help;  /* one line with the unit */
  const char *const *names; /* of a choice: max + 1 words, else NULL */
} tf_param_spec_t;

/* What an indicator is about, for listings: TA-Lib's groups, then those of the market. */
#define TF_INDICATOR_GROUPS(X)                                                                     \
  X(OVERLAP, "overlap") /* lies over the price: averages, bands, stops */                          \
  X(MOMENTUM, "momentum")                                                                          \
  X(VOLUME, "volume") /* of bars */                                                                \
  X(VOLATILITY, "volatility")                                                                      \
  X(PRICE, "price") /* a price made of the bar's others */                                         \
  X(CYCLE, "cycle")                                                                                \
  X(PATTERN, "pattern") /* candlesticks */                                                         \
  X(STATISTIC, "statistic")                                                                        \
  X(MATH, "math")           /* operators */                                                        \
  X(TRANSFORM, "transform") /* functions of one value */                                           \
  X(BOOK, "book")           /* of quotes and levels */                                             \
  X(TRADE, "trade")         /* of trades */                                                        \
  X(REFERENCE, "reference") /* of what venues publish: mark price, funding */                      \
  X(CROSS, "cross")         /* of several instruments */                                           \
  X(TEXT, "text")           /* of what models say of texts */

typedef enum tf_indicator_group {
#define X(group, name) TF_GROUP_##group,
  TF_INDICATOR_GROUPS(X)
#undef X
      TF_GROUP_CNT
} tf_indicator_group_t;

TF_INLINE const char *tf_indicator_group_name(tf_indicator_group_t group) {
  static const char *const NAMES[] = {
#define X(group, name) name,
      TF_INDICATOR_GROUPS(X)
#undef X
  };
  return NAMES[group];
}

typedef struct tf_indicator_input {
  uint32_t           on;                         /* the one TF_ON_* bit of this call */
  const tf_market_t *market;                     /* NULL for a series indicator */
  double             x[TF_INDICATOR_SERIES_MAX]; /* the series' newest values */
  const tf_peer_t   *peers;                      /* of one that reads other instruments: which */
  uint32_t           peer_cnt;                   /* 1 .. peers_max */
  uint32_t           peer_idx;                   /* TF_ON_PEER: whose tick it is */
} tf_indicator_input_t;

typedef struct tf_indicator {
  const char *name;
  const char *alias;  /* another name it is known by, or NULL; never in a canonical name */
  const char *help;   /* one line: what it measures, with the unit */
  const char *origin; /* formula's source: book, paper or de facto standard */
  uint8_t     group;  /* tf_indicator_group_t */
  uint8_t     series_cnt;
  uint8_t     output_cnt;
  uint8_t     param_cnt;
  uint8_t
      peers_max; /* other instruments that a market indicator reads at most: cbbo@btc; 0: none */
  uint32_t               on; /* TF_ON_* */
  const char            *outputs[TF_INDICATOR_OUTPUTS_MAX];
  const char            *series[TF_INDICATOR_SERIES_MAX]; /* default inputs by name, for listings */
  const tf_param_spec_t *params;

  /* params: param_cnt values in their order, already checked against min and max. */
  size_t (*state_bytes)(const double *params);
  uint64_t (*lookback)(const double *params); /* samples before the first output; 0 = none */
  tf_err_t (*init)(void *state, const double *params);
  tf_indicator_result_t (*update)(void *state, const tf_indicator_input_t *in, double *out);
  tf_indicator_result_t (*peek)(const void *state, const tf_indicator_input_t *in, double *out);
  void (*reset)(void *state); /* as after init, same params */

  /* Of trail number i < trail_cnt, in the order in which they lie. */
  uint8_t trail_cnt; /* 0: both are NULL */
  tf_trail_t (*trail)(const double *params, uint32_t i);
  tf_trail_held_t (*held)(const void *state, uint32_t i);

  /* Series indicators only: n samples of each series, outputs out[o][i], NaN until ready; equal to
   * update bit for bit. What has no golden data (tests/golden) writes it independently of update. */
  void (*batch)(const double *params, const double *const *series, size_t n, double *const *out);
} tf_indicator_t;

#endif
