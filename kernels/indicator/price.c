/* A price made of a bar's others: TA-Lib's Price Transform. avgdev is in statistic.c. */
#include "indicator/step.h"

typedef struct price_none {
  char nothing;
} price_none_t;

static uint64_t price_build(price_none_t *s, tf_layout_t *l, const double *params) {
  (void)s, (void)l, (void)params;
  return 0;
}

#define PRICE(id, what, value, ...)                                                                \
  TF_STEP bool id##_step(price_none_t *s, tf_store_t m, const double *x, double *y) {              \
    (void)s, (void)m;                                                                              \
    *y = value;                                                                                    \
    return true;                                                                                   \
  }                                                                                                \
  TF_INDICATOR_DEFINE_AS(id, price_none_t, price_build, id##_step, .group = TF_GROUP_PRICE,        \
                         .help = what, .origin = "definition", TF_SERIES(__VA_ARGS__),             \
                         TF_OUTPUTS(#id))

PRICE(avgprice, "mean of a bar's four prices", (x[1] + x[2] + x[3] + x[0]) / 4, "open", "high",
      "low", "close");
PRICE(medprice, "middle of a bar's high and low", (x[0] + x[1]) / 2, "high", "low");
PRICE(typprice, "mean of a bar's high, low and close", (x[0] + x[1] + x[2]) / 3, "high", "low",
      "close");
PRICE(wclprice, "mean of a bar's high, low and twice its close", (x[0] + x[1] + x[2] * 2) / 4,
      "high", "low", "close");

/* Heikin-Ashi candles: the close is the mean of the bar's prices, the open the middle of the last candle's body; the first
 * candle opens in the middle of its bar's body. M. Valcu, "Using the Heikin-Ashi technique", TASC 22 (2004). */
typedef struct ha {
  double   open, close;
  uint64_t has_last;
} ha_t;

static uint64_t ha_build(ha_t *s, tf_layout_t *l, const double *params) {
  (void)s, (void)l, (void)params;
  return 0;
}

TF_STEP bool ha_step(ha_t *s, tf_store_t m, const double *x, double *y) {
  (void)m;
  s->open     = s->has_last ? (s->open + s->close) / 2 : (x[0] + x[3]) / 2;
  s->close    = (x[0] + x[1] + x[2] + x[3]) / 4;
  s->has_last = 1;
  double high = s->open > s->close ? s->open : s->close;
  double low  = s->open > s->close ? s->close : s->open;
  y[0]        = s->open;
  y[1]        = x[1] > high ? x[1] : high;
  y[2]        = x[2] < low ? x[2] : low;
  y[3]        = s->close;
  return true;
}

TF_INDICATOR_DEFINE(ha, ha_t, .group = TF_GROUP_PRICE, .help = "Heikin-Ashi candle",
                    .origin = "Valcu 2004, as TA-Lib HA", TF_SERIES("open", "high", "low", "close"),
                    TF_OUTPUTS("haopen", "hahigh", "halow", "haclose"));
