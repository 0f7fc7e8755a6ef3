/* Patterns of one candle. */
#include "indicator/candle.h"

TF_STEP int belt_hold(const tf_candles_t *c) {
  const tf_candle_t *a = tf_candle(c, 0);
  bool opens_at_end    = tf_is_white(a) ? tf_is_without_lower(c, 0) : tf_is_without_upper(c, 0);
  return opens_at_end && tf_is_long(c, 0) ? 100 * tf_color(a) : 0;
}
TF_PATTERN(cdlbelthold, belt_hold, 1, TF_CANDLES_BEFORE,
           "Belt-hold: a long candle without a shadow where it opens");

TF_STEP int closing_marubozu(const tf_candles_t *c) {
  const tf_candle_t *a = tf_candle(c, 0);
  bool closes_at_end   = tf_is_white(a) ? tf_is_without_upper(c, 0) : tf_is_without_lower(c, 0);
  return closes_at_end && tf_is_long(c, 0) ? 100 * tf_color(a) : 0;
}
TF_PATTERN(cdlclosingmarubozu, closing_marubozu, 1, TF_CANDLES_BEFORE,
           "Closing Marubozu: a long candle without a shadow where it closes");

TF_STEP int marubozu(const tf_candles_t *c) {
  return tf_is_long(c, 0) && tf_is_without_shadows(c, 0) ? 100 * tf_color(tf_candle(c, 0)) : 0;
}
TF_PATTERN(cdlmarubozu, marubozu, 1, TF_CANDLES_BEFORE, "Marubozu: a long candle without shadows");

TF_STEP int long_line(const tf_candles_t *c) {
  return tf_is_long(c, 0) && tf_is_short_of_shadows(c, 0) ? 100 * tf_color(tf_candle(c, 0)) : 0;
}
TF_PATTERN(cdllongline, long_line, 1, TF_CANDLES_BEFORE,
           "Long Line: a long candle with short shadows");

TF_STEP int short_line(const tf_candles_t *c) {
  return tf_is_short(c, 0) && tf_is_short_of_shadows(c, 0) ? 100 * tf_color(tf_candle(c, 0)) : 0;
}
TF_PATTERN(cdlshortline, short_line, 1, TF_CANDLES_BEFORE,
           "Short Line: a short candle with short shadows");

/* Both shadows longer than `times` the body. */
TF_STEP bool is_amid_shadows(const tf_candle_t *a, double times) {
  double body = times * tf_body(a);
  return tf_upper(a) > body && tf_lower(a) > body;
}

TF_STEP int high_wave(const tf_candles_t *c) {
  const tf_candle_t *a = tf_candle(c, 0);
  return is_amid_shadows(a, 2) && tf_is_short(c, 0) ? 100 * tf_color(a) : 0;
}
TF_PATTERN(cdlhighwave, high_wave, 1, TF_CANDLES_BEFORE,
           "High-Wave: a short body, both shadows very long");

TF_STEP int spinning_top(const tf_candles_t *c) {
  const tf_candle_t *a = tf_candle(c, 0);
  return is_amid_shadows(a, 1) && tf_is_short(c, 0) ? 100 * tf_color(a) : 0;
}
TF_PATTERN(cdlspinningtop, spinning_top, 1, TF_CANDLES_BEFORE,
           "Spinning Top: a short body, both shadows longer than it");

/* ---- doji: says 100, whatever the direction ---- */

TF_STEP int doji(const tf_candles_t *c) { return tf_is_doji(c, 0) ? 100 : 0; }
TF_PATTERN(cdldoji, doji, 1, TF_CANDLES_BEFORE,
           "Doji: opens and closes at almost one price; always 100");

TF_STEP int dragonfly_doji(const tf_candles_t *c) {
  const tf_candle_t *a    = tf_candle(c, 0);
  double             tiny = tf_tenth_of_range(c, 0);
  return tf_body(a) <= tiny && tf_upper(a) < tiny && tf_lower(a) > tiny ? 100 : 0;
}
TF_PATTERN(cdldragonflydoji, dragonfly_doji, 1, TF_CANDLES_BEFORE,
           "Dragonfly Doji: a doji with a lower shadow only; always 100");

TF_STEP int gravestone_doji(const tf_candles_t *c) {
  const tf_candle_t *a    = tf_candle(c, 0);
  double             tiny = tf_tenth_of_range(c, 0);
  return tf_body(a) <= tiny && tf_lower(a) < tiny && tf_upper(a) > tiny ? 100 : 0;
}
TF_PATTERN(cdlgravestonedoji, gravestone_doji, 1, TF_CANDLES_BEFORE,
           "Gravestone Doji: a doji with an upper shadow only; always 100");

TF_STEP int long_legged_doji(const tf_candles_t *c) {
  const tf_candle_t *a         = tf_candle(c, 0);
  bool               is_legged = tf_lower(a) > tf_body(a) || tf_upper(a) > tf_body(a);
  return is_legged && tf_is_doji(c, 0) ? 100 : 0;
}
TF_PATTERN(cdllongleggeddoji, long_legged_doji, 1, TF_CANDLES_BEFORE,
           "Long-Legged Doji: a doji with a long shadow; always 100");

TF_STEP int rickshaw_man(const tf_candles_t *c) {
  const tf_candle_t *a = tf_candle(c, 0);
  if (!is_amid_shadows(a, 1) || !tf_is_doji(c, 0)) return 0;
  double middle = a->low + tf_range(a) / 2, near = tf_near(c, 0);
  return tf_bottom(a) <= middle + near && tf_top(a) >= middle - near ? 100 : 0;
}
TF_PATTERN(cdlrickshawman, rickshaw_man, 1, TF_CANDLES_BEFORE,
           "Rickshaw Man: a doji amid long shadows, near the middle of the range; always 100");

TF_STEP int takuri(const tf_candles_t *c) {
  const tf_candle_t *a = tf_candle(c, 0);
  if (!(tf_lower(a) > 2 * tf_body(a))) return 0;
  return tf_is_doji(c, 0) && tf_is_without_upper(c, 0) ? 100 : 0;
}
TF_PATTERN(cdltakuri, takuri, 1, TF_CANDLES_BEFORE,
           "Takuri: a dragonfly doji with a very long lower shadow; always 100");
