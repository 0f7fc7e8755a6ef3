/* Patterns of three candles: a, b, then z; and Hikkake's, which are confirmed later. */
#include "indicator/candle.h"

#define THREE(c) const tf_candle_t *a = tf_candle(c, 2), *b = tf_candle(c, 1), *z = tf_candle(c, 0)

/* ---- crows and soldiers ---- */

TF_STEP int two_crows(const tf_candles_t *c) {
  THREE(c);
  bool is = tf_is_white(a) && tf_is_black(b) && tf_is_black(z) && tf_body_gaps_up(b, a) &&
            z->open < b->open && z->open > b->close && z->close > a->open && z->close < a->close &&
            tf_is_long(c, 2);
  return is ? -100 : 0;
}
TF_PATTERN(cdl2crows, two_crows, 3, TF_CANDLES_BEFORE,
           "Two Crows: a black body above a long white one, then one from within it into the "
           "first; -100 or 0");

TF_STEP int upside_gap_two_crows(const tf_candles_t *c) {
  THREE(c);
  bool is = tf_is_white(a) && tf_is_black(b) && tf_is_black(z) && tf_body_gaps_up(b, a) &&
            z->open > b->open && z->close < b->close && z->close > a->close && tf_is_long(c, 2) &&
            tf_body(b) <= tf_mean_body(c, 1);
  return is ? -100 : 0;
}
TF_PATTERN(cdlupsidegap2crows, upside_gap_two_crows, 3, TF_CANDLES_BEFORE,
           "Upside Gap Two Crows: a short black body above a long white one, then a black one "
           "around it; -100 or 0");

TF_STEP int identical_three_crows(const tf_candles_t *c) {
  THREE(c);
  bool is = tf_is_black(a) && tf_is_black(b) && tf_is_black(z) && a->close > b->close &&
            b->close > z->close && tf_is_within(b->open, a->close, tf_equal(c, 2)) &&
            tf_is_within(z->open, b->close, tf_equal(c, 1)) && tf_is_without_lower(c, 2) &&
            tf_is_without_lower(c, 1) && tf_is_without_lower(c, 0);
  return is ? -100 : 0;
}
TF_PATTERN(cdlidentical3crows, identical_three_crows, 3, TF_CANDLES_BEFORE,
           "Identical Three Crows: three falling black candles, each from the last close; -100 or "
           "0");

/* Three white candles with rising closes. */
TF_STEP bool is_advance(const tf_candles_t *c) {
  THREE(c);
  return tf_is_white(a) && tf_is_white(b) && tf_is_white(z) && z->close > b->close &&
         b->close > a->close;
}

/* A candle opens above where the last one opened, within or near its body. */
TF_STEP bool is_step_up(const tf_candles_t *c, uint32_t age) {
  const tf_candle_t *last = tf_candle(c, age + 1), *next = tf_candle(c, age);
  return next->open > last->open && next->open <= last->close + tf_near(c, age + 1);
}

TF_STEP int three_white_soldiers(const tf_candles_t *c) {
  THREE(c);
  bool is = is_advance(c) && is_step_up(c, 1) && is_step_up(c, 0) && tf_is_without_upper(c, 2) &&
            tf_is_without_upper(c, 1) && tf_is_without_upper(c, 0) &&
            tf_body(b) > tf_body(a) - tf_far(c, 2) && tf_body(z) > tf_body(b) - tf_far(c, 1) &&
            tf_body(z) > tf_mean_body(c, 0);
  return is ? 100 : 0;
}
TF_PATTERN(cdl3whitesoldiers, three_white_soldiers, 3, TF_CANDLES_BEFORE,
           "Three Advancing White Soldiers: three white candles without upper shadows, not much "
           "shrinking; 100 or 0");

/* How an advance is blocked: its bodies shrink, or its shadows grow. */
TF_STEP bool is_blocked(const tf_candles_t *c) {
  THREE(c);
  double body_a = tf_body(a), body_b = tf_body(b), body_z = tf_body(z);
  if (body_b < body_a - tf_far(c, 2) && body_z < body_b + tf_near(c, 1)) return true;
  if (body_z < body_b - tf_far(c, 1)) return true;
  if (!(body_z < body_b)) return false;
  if (tf_upper(z) > body_z) return true;
  return body_b < body_a &&
         (tf_upper(z) > tf_mean_shadow(c, 0) || tf_upper(b) > tf_mean_shadow(c, 1));
}

TF_STEP int advance_block(const tf_candles_t *c) {
  bool is = is_advance(c) && is_step_up(c, 1) && is_step_up(c, 0) && tf_is_long(c, 2) &&
            tf_upper(tf_candle(c, 2)) < tf_mean_shadow(c, 2) && is_blocked(c);
  return is ? -100 : 0;
}
TF_PATTERN(cdladvanceblock, advance_block, 3, TF_CANDLES_BEFORE,
           "Advance Block: three white candles, the last of which shrink or have upper shadows; "
           "-100 or 0");

TF_STEP int stalled(const tf_candles_t *c) {
  const tf_candle_t *b = tf_candle(c, 1), *z = tf_candle(c, 0);
  bool is = is_advance(c) && is_step_up(c, 1) && tf_is_long(c, 2) && tf_is_long(c, 1) &&
            tf_is_without_upper(c, 1) && tf_is_short(c, 0) &&
            z->open >= b->close - tf_body(z) - tf_near(c, 1);
  return is ? -100 : 0;
}
TF_PATTERN(cdlstalledpattern, stalled, 3, TF_CANDLES_BEFORE,
           "Stalled: two long white candles, then a short one on their shoulder; -100 or 0");

TF_STEP int three_stars_in_the_south(const tf_candles_t *c) {
  THREE(c);
  bool is = tf_is_black(a) && tf_is_black(b) && tf_is_black(z) && tf_lower(a) > tf_body(a) &&
            tf_body(b) < tf_body(a) && b->open > a->close && b->open <= a->high &&
            b->low < a->close && b->low >= a->low && z->low > b->low && z->high < b->high &&
            tf_is_long(c, 2) && tf_lower(b) > tf_tenth_of_range(c, 1) && tf_is_short(c, 0) &&
            tf_is_without_shadows(c, 0);
  return is ? 100 : 0;
}
TF_PATTERN(cdl3starsinsouth, three_stars_in_the_south, 3, TF_CANDLES_BEFORE,
           "Three Stars In The South: three shrinking black candles, each in the range of the "
           "last; 100 or 0");

/* ---- a pattern of two, confirmed by the third ---- */

TF_STEP int three_inside(const tf_candles_t *c) {
  THREE(c);
  bool turns =
      tf_is_white(a) ? tf_is_black(z) && z->close < a->open : tf_is_white(z) && z->close > a->open;
  bool is = turns && tf_top(b) < tf_top(a) && tf_bottom(b) > tf_bottom(a) && tf_is_long(c, 2) &&
            tf_body(b) <= tf_mean_body(c, 1);
  return is ? -100 * tf_color(a) : 0;
}
TF_PATTERN(cdl3inside, three_inside, 3, TF_CANDLES_BEFORE,
           "Three Inside Up/Down: a harami, then a candle out of it");

TF_STEP int three_outside(const tf_candles_t *c) {
  THREE(c);
  if (tf_is_white(a) == tf_is_white(b)) return 0;
  if (!(tf_top(b) > tf_top(a) && tf_bottom(b) < tf_bottom(a))) return 0;
  bool goes_on = tf_is_white(b) ? z->close > b->close : z->close < b->close;
  return goes_on ? 100 * tf_color(b) : 0;
}
TF_PATTERN(cdl3outside, three_outside, 4, 0,
           "Three Outside Up/Down: an engulfing body, then a close beyond it");

/* ---- stars: a long candle, a star beyond it, and back deep into its body ---- */

/* Asked seldom, after colours and gaps: out of their way. */
__attribute__((noinline)) TF_STEP bool is_back_deep(const tf_candles_t *c) {
  const tf_candle_t *a = tf_candle(c, 2), *z = tf_candle(c, 0);
  double             depth = tf_body(a) * c->penetration;
  bool               is    = tf_is_white(a) ? tf_is_black(z) && z->close < a->close - depth
                                            : tf_is_white(z) && z->close > a->close + depth;
  return is && tf_is_long(c, 2) && tf_body(z) > tf_mean_body(c, 0);
}

TF_STEP int abandoned_baby(const tf_candles_t *c) {
  THREE(c);
  bool is_alone = tf_is_white(a) ? tf_gaps_up(b, a) && tf_gaps_down(z, b)
                                 : tf_gaps_down(b, a) && tf_gaps_up(z, b);
  return is_alone && is_back_deep(c) && tf_is_doji(c, 1) ? 100 * tf_color(z) : 0;
}
TF_PATTERN_DEEP(cdlabandonedbaby, abandoned_baby, 3, TF_CANDLES_BEFORE, 0.3,
                "Abandoned Baby: a doji with a gap before and after it, then back into the first "
                "body");

TF_STEP bool is_star_above(const tf_candles_t *c) {
  const tf_candle_t *a = tf_candle(c, 2), *b = tf_candle(c, 1);
  return tf_is_white(a) && tf_body_gaps_up(b, a) && is_back_deep(c);
}

TF_STEP bool is_star_below(const tf_candles_t *c) {
  const tf_candle_t *a = tf_candle(c, 2), *b = tf_candle(c, 1);
  return tf_is_black(a) && tf_body_gaps_down(b, a) && is_back_deep(c);
}

TF_STEP bool is_small(const tf_candles_t *c, uint32_t age) {
  return tf_body(tf_candle(c, age)) <= tf_mean_body(c, age);
}

TF_STEP int evening_doji_star(const tf_candles_t *c) {
  return is_star_above(c) && tf_is_doji(c, 1) ? -100 : 0;
}
TF_PATTERN_DEEP(cdleveningdojistar, evening_doji_star, 3, TF_CANDLES_BEFORE, 0.3,
                "Evening Doji Star: a doji above a long white body, then back into it; -100 or 0");

TF_STEP int evening_star(const tf_candles_t *c) {
  return is_star_above(c) && is_small(c, 1) ? -100 : 0;
}
TF_PATTERN_DEEP(cdleveningstar, evening_star, 3, TF_CANDLES_BEFORE, 0.3,
                "Evening Star: a short body above a long white one, then back into it; -100 or 0");

TF_STEP int morning_doji_star(const tf_candles_t *c) {
  return is_star_below(c) && tf_is_doji(c, 1) ? 100 : 0;
}
TF_PATTERN_DEEP(cdlmorningdojistar, morning_doji_star, 3, TF_CANDLES_BEFORE, 0.3,
                "Morning Doji Star: a doji below a long black body, then back into it; 100 or 0");

TF_STEP int morning_star(const tf_candles_t *c) {
  return is_star_below(c) && is_small(c, 1) ? 100 : 0;
}
TF_PATTERN_DEEP(cdlmorningstar, morning_star, 3, TF_CANDLES_BEFORE, 0.3,
                "Morning Star: a short body below a long black one, then back into it; 100 or 0");

TF_STEP int tristar(const tf_candles_t *c) {
  THREE(c);
  bool is_up   = tf_body_gaps_up(b, a) && tf_top(z) < tf_top(b);
  bool is_down = tf_body_gaps_down(b, a) && tf_bottom(z) > tf_bottom(b);
  if (!is_up && !is_down) return 0;
  double tiny = tf_tenth_of_range(c, 2);
  if (tf_body(a) > tiny || tf_body(b) > tiny || tf_body(z) > tiny) return 0;
  return is_up ? -100 : 100;
}
TF_PATTERN(cdltristar, tristar, 3, TF_CANDLES_BEFORE,
           "Tristar: three doji, the middle one beyond the others");

TF_STEP int unique_three_river(const tf_candles_t *c) {
  THREE(c);
  bool is = tf_is_black(a) && tf_is_black(b) && tf_is_white(z) && b->close > a->close &&
            b->open <= a->open && b->low < a->low && z->open > b->low && tf_is_long(c, 2) &&
            tf_is_short(c, 0);
  return is ? 100 : 0;
}
TF_PATTERN(cdlunique3river, unique_three_river, 3, TF_CANDLES_BEFORE,
           "Unique Three River: a black harami with a lower low, then a short white body; 100 "
           "or 0");

/* ---- gaps ---- */

TF_STEP int gap_side_by_side_white(const tf_candles_t *c) {
  THREE(c);
  bool is_up   = tf_body_gaps_up(b, a) && tf_body_gaps_up(z, a);
  bool is_down = tf_body_gaps_down(b, a) && tf_body_gaps_down(z, a);
  bool is      = (is_up || is_down) && tf_is_white(b) && tf_is_white(z) &&
            tf_is_within(tf_body(z), tf_body(b), tf_near(c, 1)) &&
            tf_is_within(z->open, b->open, tf_equal(c, 1));
  return !is ? 0 : is_up ? 100 : -100;
}
TF_PATTERN(cdlgapsidesidewhite, gap_side_by_side_white, 3, TF_CANDLES_BEFORE_NEAR,
           "Up/Down-Gap Side-by-Side White Lines: two like white candles on one side of a gap");

/* z closes in the gap between a and b. */
TF_STEP bool is_gap_entered(const tf_candles_t *c) {
  THREE(c);
  if (tf_is_white(b) == tf_is_white(z)) return false;
  if (!(z->open > tf_bottom(b) && z->open < tf_top(b))) return false;
  return tf_is_white(b) ? tf_body_gaps_up(b, a) && z->close < b->open && z->close > tf_top(a)
                        : tf_body_gaps_down(b, a) && z->close > b->open && z->close < tf_bottom(a);
}

TF_STEP int tasuki_gap(const tf_candles_t *c) {
  const tf_candle_t *b = tf_candle(c, 1), *z = tf_candle(c, 0);
  bool is = is_gap_entered(c) && __builtin_fabs(tf_body(b) - tf_body(z)) < tf_near(c, 1);
  return is ? 100 * tf_color(b) : 0;
}
TF_PATTERN(cdltasukigap, tasuki_gap, 3, TF_CANDLES_BEFORE_NEAR,
           "Tasuki Gap: from within the last body into the gap before it");

TF_STEP int gap_three_methods(const tf_candles_t *c) {
  THREE(c);
  bool has_gap = tf_is_white(a) ? tf_body_gaps_up(b, a) : tf_body_gaps_down(b, a);
  bool is      = has_gap && tf_is_white(a) == tf_is_white(b) && tf_is_white(b) != tf_is_white(z) &&
            z->open < tf_top(b) && z->open > tf_bottom(b) && z->close < tf_top(a) &&
            z->close > tf_bottom(a);
  return is ? 100 * tf_color(a) : 0;
}
TF_PATTERN(cdlxsidegap3methods, gap_three_methods, 3, 0,
           "Upside/Downside Gap Three Methods: from within the last body across the gap into the "
           "first");

TF_STEP int stick_sandwich(const tf_candles_t *c) {
  THREE(c);
  bool is = tf_is_black(a) && tf_is_white(b) && tf_is_black(z) && b->low > a->close &&
            tf_is_within(z->close, a->close, tf_equal(c, 2));
  return is ? 100 : 0;
}
TF_PATTERN(cdlsticksandwich, stick_sandwich, 3, TF_CANDLES_BEFORE_NEAR,
           "Stick Sandwich: a white candle between two black ones with equal closes; 100 or 0");

/* ---- Hikkake: an inside bar and a false break out of it. The answer is 100 or -100 at the break, and 200 or -200 when one of the
 * next three candles closes on the other side of the inside bar (D. Chesler, "Trading False Moves with
 * the Hikkake Pattern", Active Trader, 2004). ---- */

typedef struct hikkake {
  tf_candles_t candles;
  double       high, low; /* of the inside bar */
  int32_t      result;    /* of the break: 100, -100 */
  uint32_t     to_go;     /* candles that may yet confirm it */
  uint32_t     idle;      /* candles until the first answer is given */
} hikkake_t;

/* z leaves the range of b downwards, 1, or upwards, -1; 0 where it does neither. */
TF_STEP int break_of(const tf_candle_t *b, const tf_candle_t *z) {
  if (z->high < b->high && z->low < b->low) return 1;
  return z->high > b->high && z->low > b->low ? -1 : 0;
}

TF_STEP bool is_inside(const tf_candle_t *a, const tf_candle_t *b) {
  return b->high < a->high && b->low > a->low;
}

TF_STEP int plain_break(const tf_candles_t *c) {
  THREE(c);
  return is_inside(a, b) ? break_of(b, z) : 0;
}

/* With one more inside bar before, which closes near its end towards which the break goes. */
TF_STEP int modified_break(const tf_candles_t *c) {
  THREE(c);
  int direction = is_inside(tf_candle(c, 3), a) && is_inside(a, b) ? break_of(b, z) : 0;
  if (direction > 0) return a->close <= a->low + tf_near(c, 2) ? 1 : 0;
  if (direction < 0) return a->close >= a->high - tf_near(c, 2) ? -1 : 0;
  return 0;
}

TF_STEP int hikkake_answer(hikkake_t *s, int direction) {
  const tf_candle_t *z = tf_candle(&s->candles, 0);
  if (direction) {
    s->result = 100 * direction;
    s->high   = tf_candle(&s->candles, 1)->high;
    s->low    = tf_candle(&s->candles, 1)->low;
    s->to_go  = 3;
    return s->result;
  }
  if (s->to_go == 0) return 0;
  s->to_go--;
  if (s->result > 0 ? !(z->close > s->high) : !(z->close < s->low)) return 0;
  s->to_go = 0;
  return 2 * s->result;
}

/* Breaks count from the third candle before the first answer on. */
#define HIKKAKE(id, break_, lookback_, what)                                                       \
  static uint64_t id##_build(hikkake_t *s, tf_layout_t *l, const double *params) {                 \
    (void)l, (void)params;                                                                         \
    s->idle = 3;                                                                                   \
    return tf_candles_init(&s->candles, 1, (lookback_)-3) + s->idle;                               \
  }                                                                                                \
  TF_STEP bool id##_step(hikkake_t *s, tf_store_t m, const double *x, double *y) {                 \
    (void)m;                                                                                       \
    if (!tf_candles_step(&s->candles, x)) return false;                                            \
    y[0] = hikkake_answer(s, break_(&s->candles));                                                 \
    return tf_idle(&s->idle);                                                                      \
  }                                                                                                \
  TF_PATTERN_AS_(id, hikkake_t, what, .param_cnt = 0)

HIKKAKE(cdlhikkake, plain_break, 5,
        "Hikkake: an inside bar and a false break out of it; 200, -200 when it is confirmed within "
        "three candles");
HIKKAKE(cdlhikkakemod, modified_break, TF_CANDLES_BEFORE_NEAR + 5,
        "Modified Hikkake: of two inside bars; 200, -200 when it is confirmed within "
        "three candles");
