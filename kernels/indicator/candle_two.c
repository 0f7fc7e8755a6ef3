/* Patterns of two candles: a, then b. */
#include "indicator/candle.h"

TF_STEP bool is_turn(const tf_candle_t *a, const tf_candle_t *b) {
  return tf_is_white(a) != tf_is_white(b);
}

/* ---- b turns back on a ---- */

TF_STEP int counterattack(const tf_candles_t *c) {
  const tf_candle_t *a = tf_candle(c, 1), *b = tf_candle(c, 0);
  bool is = is_turn(a, b) && tf_is_within(b->close, a->close, tf_equal(c, 1)) && tf_is_long(c, 1) &&
            tf_is_long(c, 0);
  return is ? 100 * tf_color(b) : 0;
}
TF_PATTERN(cdlcounterattack, counterattack, 2, TF_CANDLES_BEFORE,
           "Counterattack: long candles of two colours with equal closes");

TF_STEP int dark_cloud_cover(const tf_candles_t *c) {
  const tf_candle_t *a = tf_candle(c, 1), *b = tf_candle(c, 0);
  bool is = tf_is_white(a) && tf_is_black(b) && b->open > a->high && b->close > a->open &&
            b->close < a->close - tf_body(a) * c->penetration && tf_is_long(c, 1);
  return is ? -100 : 0;
}
TF_PATTERN_DEEP(cdldarkcloudcover, dark_cloud_cover, 2, TF_CANDLES_BEFORE, 0.5,
                "Dark Cloud Cover: a black candle from above a long white one deep into its body; "
                "-100 or 0");

TF_STEP int piercing(const tf_candles_t *c) {
  const tf_candle_t *a = tf_candle(c, 1), *b = tf_candle(c, 0);
  bool is = tf_is_black(a) && tf_is_white(b) && b->open < a->low && b->close < a->open &&
            b->close > a->close + tf_body(a) * 0.5 && tf_is_long(c, 1) && tf_is_long(c, 0);
  return is ? 100 : 0;
}
TF_PATTERN(cdlpiercing, piercing, 2, TF_CANDLES_BEFORE,
           "Piercing: a long white candle from below a long black one past the middle of its body; "
           "100 or 0");

TF_STEP int separating_lines(const tf_candles_t *c) {
  const tf_candle_t *a = tf_candle(c, 1), *b = tf_candle(c, 0);
  if (!is_turn(a, b) || !tf_is_within(b->open, a->open, tf_equal(c, 1))) return 0;
  bool is_belt = tf_is_white(b) ? tf_is_without_lower(c, 0) : tf_is_without_upper(c, 0);
  return is_belt && tf_is_long(c, 0) ? 100 * tf_color(b) : 0;
}
TF_PATTERN(cdlseparatinglines, separating_lines, 2, TF_CANDLES_BEFORE,
           "Separating Lines: a belt-hold from where the last candle, of the other colour, opened");

/* Both marubozu, with a gap in the direction of b. */
TF_STEP bool is_kick(const tf_candles_t *c) {
  const tf_candle_t *a = tf_candle(c, 1), *b = tf_candle(c, 0);
  bool               has_gap = tf_is_black(a) ? tf_gaps_up(b, a) : tf_gaps_down(b, a);
  return is_turn(a, b) && has_gap && tf_is_long(c, 1) && tf_is_without_shadows(c, 1) &&
         tf_is_long(c, 0) && tf_is_without_shadows(c, 0);
}

TF_STEP int kicking(const tf_candles_t *c) {
  return is_kick(c) ? 100 * tf_color(tf_candle(c, 0)) : 0;
}
TF_PATTERN(cdlkicking, kicking, 2, TF_CANDLES_BEFORE,
           "Kicking: two marubozu of two colours with a gap in between");

TF_STEP int kicking_by_length(const tf_candles_t *c) {
  const tf_candle_t *a = tf_candle(c, 1), *b = tf_candle(c, 0);
  return is_kick(c) ? 100 * tf_color(tf_body(b) > tf_body(a) ? b : a) : 0;
}
TF_PATTERN(cdlkickingbylength, kicking_by_length, 2, TF_CANDLES_BEFORE,
           "Kicking by length: as cdlkicking, with the direction of the longer of the two");

/* ---- b's body around a's, or within ---- */

TF_STEP int engulfing(const tf_candles_t *c) {
  const tf_candle_t *a = tf_candle(c, 1), *b = tf_candle(c, 0);
  if (!is_turn(a, b) || tf_top(b) < tf_top(a) || tf_bottom(b) > tf_bottom(a)) return 0;
  bool at_top = tf_top(b) == tf_top(a), at_bottom = tf_bottom(b) == tf_bottom(a);
  if (at_top && at_bottom) return 0;
  return tf_color(b) * (at_top || at_bottom ? 80 : 100);
}
TF_PATTERN(cdlengulfing, engulfing, 3, 0,
           "Engulfing: a body around the last one, of the other colour; 80 if they share an end");

/* A long body with b's in it: how surely, 0, 80 (they share an end) or 100. */
TF_STEP int within(const tf_candle_t *a, const tf_candle_t *b) {
  if (tf_top(b) < tf_top(a) && tf_bottom(b) > tf_bottom(a)) return 100;
  return tf_top(b) <= tf_top(a) && tf_bottom(b) >= tf_bottom(a) ? 80 : 0;
}

TF_STEP int harami(const tf_candles_t *c) {
  const tf_candle_t *a = tf_candle(c, 1), *b = tf_candle(c, 0);
  int                sure = within(a, b);
  bool               is   = sure && tf_is_long(c, 1) && tf_body(b) <= tf_mean_body(c, 0);
  return is ? -tf_color(a) * sure : 0;
}
TF_PATTERN(cdlharami, harami, 2, TF_CANDLES_BEFORE,
           "Harami: a short body within the long one before it, against whose colour it points; 80 "
           "if they share an end");

TF_STEP int harami_cross(const tf_candles_t *c) {
  const tf_candle_t *a = tf_candle(c, 1), *b = tf_candle(c, 0);
  int                sure = within(a, b);
  return sure && tf_is_long(c, 1) && tf_is_doji(c, 0) ? -tf_color(a) * sure : 0;
}
TF_PATTERN(cdlharamicross, harami_cross, 2, TF_CANDLES_BEFORE,
           "Harami Cross: a doji within the long body before it, against whose colour it points; "
           "80 if they share an end");

TF_STEP int homing_pigeon(const tf_candles_t *c) {
  const tf_candle_t *a = tf_candle(c, 1), *b = tf_candle(c, 0);
  bool is = tf_is_black(a) && tf_is_black(b) && b->open < a->open && b->close > a->close &&
            tf_is_long(c, 1) && tf_body(b) <= tf_mean_body(c, 0);
  return is ? 100 : 0;
}
TF_PATTERN(cdlhomingpigeon, homing_pigeon, 2, TF_CANDLES_BEFORE,
           "Homing Pigeon: a short black body within a long black one; 100 or 0");

/* ---- necks: b opens below a long black a and closes somewhere at its end ---- */

TF_STEP bool is_below_black(const tf_candles_t *c) {
  const tf_candle_t *a = tf_candle(c, 1), *b = tf_candle(c, 0);
  return tf_is_black(a) && tf_is_white(b) && b->open < a->low && tf_is_long(c, 1);
}

TF_STEP int in_neck(const tf_candles_t *c) {
  const tf_candle_t *a = tf_candle(c, 1), *b = tf_candle(c, 0);
  bool is = is_below_black(c) && b->close >= a->close && b->close <= a->close + tf_equal(c, 1);
  return is ? -100 : 0;
}
TF_PATTERN(cdlinneck, in_neck, 2, TF_CANDLES_BEFORE,
           "In-Neck: a white candle from below a long black one to its close; -100 or 0");

TF_STEP int on_neck(const tf_candles_t *c) {
  const tf_candle_t *a = tf_candle(c, 1), *b = tf_candle(c, 0);
  return is_below_black(c) && tf_is_within(b->close, a->low, tf_equal(c, 1)) ? -100 : 0;
}
TF_PATTERN(cdlonneck, on_neck, 2, TF_CANDLES_BEFORE,
           "On-Neck: a white candle from below a long black one to its low; -100 or 0");

TF_STEP int thrusting(const tf_candles_t *c) {
  const tf_candle_t *a = tf_candle(c, 1), *b = tf_candle(c, 0);
  bool               is = is_below_black(c) && b->close > a->close + tf_equal(c, 1) &&
            b->close <= a->close + tf_body(a) * 0.5;
  return is ? -100 : 0;
}
TF_PATTERN(cdlthrusting, thrusting, 2, TF_CANDLES_BEFORE,
           "Thrusting: a white candle from below a long black one into, not past the middle of its "
           "body; -100 or 0");

TF_STEP int matching_low(const tf_candles_t *c) {
  const tf_candle_t *a = tf_candle(c, 1), *b = tf_candle(c, 0);
  bool is = tf_is_black(a) && tf_is_black(b) && tf_is_within(b->close, a->close, tf_equal(c, 1));
  return is ? 100 : 0;
}
TF_PATTERN(cdlmatchinglow, matching_low, 2, TF_CANDLES_BEFORE_NEAR,
           "Matching Low: two black candles with equal closes; 100 or 0");

/* ---- b is of a shape, and a says where it hangs ---- */

TF_STEP int doji_star(const tf_candles_t *c) {
  const tf_candle_t *a = tf_candle(c, 1), *b = tf_candle(c, 0);
  bool               has_gap = tf_is_white(a) ? tf_body_gaps_up(b, a) : tf_body_gaps_down(b, a);
  return has_gap && tf_is_long(c, 1) && tf_is_doji(c, 0) ? -100 * tf_color(a) : 0;
}
TF_PATTERN(cdldojistar, doji_star, 2, TF_CANDLES_BEFORE,
           "Doji Star: a doji beyond a long body, against whose colour it points");

TF_STEP bool is_hammer(const tf_candles_t *c) {
  const tf_candle_t *b = tf_candle(c, 0);
  return tf_lower(b) > tf_body(b) && tf_is_short(c, 0) && tf_is_without_upper(c, 0);
}

TF_STEP bool is_inverted_hammer(const tf_candles_t *c) {
  const tf_candle_t *b = tf_candle(c, 0);
  return tf_upper(b) > tf_body(b) && tf_is_short(c, 0) && tf_is_without_lower(c, 0);
}

TF_STEP int hammer(const tf_candles_t *c) {
  const tf_candle_t *a = tf_candle(c, 1), *b = tf_candle(c, 0);
  return is_hammer(c) && tf_bottom(b) <= a->low + tf_near(c, 1) ? 100 : 0;
}
TF_PATTERN(cdlhammer, hammer, 2, TF_CANDLES_BEFORE,
           "Hammer: a short body on a long lower shadow, near or below the last low; 100 or 0");

TF_STEP int hanging_man(const tf_candles_t *c) {
  const tf_candle_t *a = tf_candle(c, 1), *b = tf_candle(c, 0);
  return is_hammer(c) && tf_bottom(b) >= a->high - tf_near(c, 1) ? -100 : 0;
}
TF_PATTERN(cdlhangingman, hanging_man, 2, TF_CANDLES_BEFORE,
           "Hanging Man: a hammer near or above the last high; -100 or 0");

TF_STEP int inverted_hammer(const tf_candles_t *c) {
  bool is = tf_body_gaps_down(tf_candle(c, 0), tf_candle(c, 1)) && is_inverted_hammer(c);
  return is ? 100 : 0;
}
TF_PATTERN(cdlinvertedhammer, inverted_hammer, 2, TF_CANDLES_BEFORE,
           "Inverted Hammer: a short body under a long upper shadow, below the last body; 100 or "
           "0");

TF_STEP int shooting_star(const tf_candles_t *c) {
  bool is = tf_body_gaps_up(tf_candle(c, 0), tf_candle(c, 1)) && is_inverted_hammer(c);
  return is ? -100 : 0;
}
TF_PATTERN(cdlshootingstar, shooting_star, 2, TF_CANDLES_BEFORE,
           "Shooting Star: a short body under a long upper shadow, above the last body; -100 or 0");
