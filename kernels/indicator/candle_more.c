/* Patterns of four and of five candles, named from the oldest. */
#include "indicator/candle.h"

/* ---- four: a, b, d, z ---- */

#define FOUR(c)                                                                                    \
  const tf_candle_t *a = tf_candle(c, 3), *b = tf_candle(c, 2), *d = tf_candle(c, 1),              \
                    *z = tf_candle(c, 0)

/* A black candle from within the last black body to a lower close. */
TF_STEP bool is_crow_after(const tf_candle_t *last, const tf_candle_t *crow) {
  return crow->open < last->open && crow->open > last->close && crow->close < last->close;
}

TF_STEP int three_black_crows(const tf_candles_t *c) {
  FOUR(c);
  bool is = tf_is_white(a) && tf_is_black(b) && tf_is_black(d) && tf_is_black(z) &&
            a->high > b->close && is_crow_after(b, d) && is_crow_after(d, z) &&
            tf_is_without_lower(c, 2) && tf_is_without_lower(c, 1) && tf_is_without_lower(c, 0);
  return is ? -100 : 0;
}
TF_PATTERN(cdl3blackcrows, three_black_crows, 4, TF_CANDLES_BEFORE,
           "Three Black Crows: after a white candle three black ones without lower shadows, each "
           "from within the last; -100 or 0");

/* A candle opens in the body before it, or near it. */
TF_STEP bool opens_near(const tf_candles_t *c, uint32_t age) {
  const tf_candle_t *last = tf_candle(c, age + 1), *next = tf_candle(c, age);
  double             near = tf_near(c, age + 1);
  return next->open >= tf_bottom(last) - near && next->open <= tf_top(last) + near;
}

TF_STEP int three_line_strike(const tf_candles_t *c) {
  FOUR(c);
  int  color   = tf_color(a);
  bool is_line = tf_color(b) == color && tf_color(d) == color && tf_color(z) == -color;
  if (!is_line) return 0;
  bool is_strike =
      color > 0
          ? d->close > b->close && b->close > a->close && z->open > d->close && z->close < a->open
          : d->close < b->close && b->close < a->close && z->open < d->close && z->close > a->open;
  return is_strike && opens_near(c, 2) && opens_near(c, 1) ? 100 * color : 0;
}
TF_PATTERN(cdl3linestrike, three_line_strike, 4, TF_CANDLES_BEFORE_NEAR,
           "Three-Line Strike: three candles one way, then one of the other colour around "
           "them all");

TF_STEP int concealing_baby_swallow(const tf_candles_t *c) {
  FOUR(c);
  bool is = tf_is_black(a) && tf_is_black(b) && tf_is_black(d) && tf_is_black(z) &&
            tf_body_gaps_down(d, b) && d->high > b->close && z->high > d->high && z->low < d->low &&
            tf_is_without_shadows(c, 3) && tf_is_without_shadows(c, 2) &&
            tf_upper(d) > tf_tenth_of_range(c, 1);
  return is ? 100 : 0;
}
TF_PATTERN(cdlconcealbabyswall, concealing_baby_swallow, 4, TF_CANDLES_BEFORE,
           "Concealing Baby Swallow: four black candles, the third with an upper shadow into the "
           "second, the last around it; 100 or 0");

/* ---- five: a, b, d, e, z ---- */

#define FIVE(c)                                                                                    \
  const tf_candle_t *a = tf_candle(c, 4), *b = tf_candle(c, 3), *d = tf_candle(c, 2),              \
                    *e = tf_candle(c, 1), *z = tf_candle(c, 0)

TF_STEP bool is_higher(const tf_candle_t *last, const tf_candle_t *next) {
  return next->high > last->high && next->low > last->low;
}

TF_STEP int breakaway(const tf_candles_t *c) {
  FIVE(c);
  int color = tf_color(a);
  if (tf_color(b) != color || tf_color(e) != color || tf_color(z) != -color) return 0;
  bool is = color > 0 ? tf_body_gaps_up(b, a) && is_higher(b, d) && is_higher(d, e) &&
                            z->close < b->open && z->close > a->close
                      : tf_body_gaps_down(b, a) && is_higher(d, b) && is_higher(e, d) &&
                            z->close > b->open && z->close < a->close;
  return is && tf_is_long(c, 4) ? -100 * color : 0;
}
TF_PATTERN(cdlbreakaway, breakaway, 5, TF_CANDLES_BEFORE,
           "Breakaway: a gap and three candles on, then back into the gap, the way of which the "
           "answer is");

TF_STEP int ladder_bottom(const tf_candles_t *c) {
  FIVE(c);
  bool is = tf_is_black(a) && tf_is_black(b) && tf_is_black(d) && tf_is_black(e) &&
            tf_is_white(z) && a->open > b->open && b->open > d->open && a->close > b->close &&
            b->close > d->close && z->open > e->open && z->close > e->high &&
            tf_upper(e) > tf_tenth_of_range(c, 1);
  return is ? 100 : 0;
}
TF_PATTERN(cdlladderbottom, ladder_bottom, 5, TF_CANDLES_BEFORE,
           "Ladder Bottom: three falling black candles, one with an upper shadow, then a white one "
           "above it; 100 or 0");

/* A long candle, and three short ones after it. */
TF_STEP bool is_long_then_short(const tf_candles_t *c) {
  return tf_is_long(c, 4) && tf_is_short(c, 3) && tf_is_short(c, 2) && tf_is_short(c, 1);
}

TF_STEP double largest(double x, double y) { return x > y ? x : y; }

TF_STEP int mat_hold(const tf_candles_t *c) {
  FIVE(c);
  double floor = a->close - tf_body(a) * c->penetration;
  bool   is    = tf_is_white(a) && tf_is_black(b) && tf_is_white(z) && tf_body_gaps_up(b, a) &&
            tf_bottom(d) < a->close && tf_bottom(e) < a->close && tf_bottom(d) > floor &&
            tf_bottom(e) > floor && tf_top(d) < b->open && tf_top(e) < tf_top(d) &&
            z->open > e->close && z->close > largest(largest(b->high, d->high), e->high) &&
            is_long_then_short(c);
  return is ? 100 : 0;
}
TF_PATTERN_DEEP(cdlmathold, mat_hold, 5, TF_CANDLES_BEFORE, 0.5,
                "Mat Hold: a long white candle, three short falling ones that hold within it, and "
                "a white one above them; 100 or 0");

TF_STEP int rising_falling_three_methods(const tf_candles_t *c) {
  FIVE(c);
  int  color    = tf_color(a);
  bool is_drawn = tf_color(b) == -color && tf_color(d) == -color && tf_color(e) == -color &&
                  tf_color(z) == color;
  if (!is_drawn) return 0;
  for (uint32_t age = 1; age <= 3; age++) {
    const tf_candle_t *held = tf_candle(c, age);
    if (!(tf_bottom(held) < a->high && tf_top(held) > a->low)) return 0;
  }
  bool goes_on =
      color > 0
          ? d->close < b->close && e->close < d->close && z->open > e->close && z->close > a->close
          : d->close > b->close && e->close > d->close && z->open < e->close && z->close < a->close;
  return goes_on && is_long_then_short(c) && tf_is_long(c, 0) ? 100 * color : 0;
}
TF_PATTERN(cdlrisefall3methods, rising_falling_three_methods, 5, TF_CANDLES_BEFORE,
           "Rising/Falling Three Methods: a long candle, three short ones back within its range, "
           "and a long one on");
