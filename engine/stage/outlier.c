#include "stage/outlier.h"

/* Within the factor of each other. A price of 0 or less is near none. */
static bool is_near(const tf_outlier_price_t *a, const tf_outlier_price_t *b) {
  if (a->mantissa <= 0 || b->mantissa <= 0) return false;
  if (TF_LIKELY(a->exp == b->exp))
    return a->mantissa / TF_OUTLIER_FACTOR <= b->mantissa &&
           b->mantissa / TF_OUTLIER_FACTOR <= a->mantissa;
  double x = tf_decimal_to_double(a->mantissa, a->exp);
  double y = tf_decimal_to_double(b->mantissa, b->exp);
  return x <= y * TF_OUTLIER_FACTOR && y <= x * TF_OUTLIER_FACTOR;
}

/* By member: the row's bytes go into snapshots, padding and all, and that stays as it was at start. */
TF_INLINE void set_price(tf_outlier_price_t *to, const tf_outlier_price_t *price) {
  to->mantissa = price->mantissa;
  to->exp      = price->exp;
}

TF_COLD static bool is_odd(tf_outlier_row_t *row, const tf_outlier_price_t *price) {
  row->streak = is_near(price, &row->odd) ? row->streak + 1 : 1;
  set_price(&row->odd, price);
  return row->streak < TF_OUTLIER_STREAK;
}

bool tf_outlier_is(tf_outlier_row_t *row, const tf_event_t *trade) {
  const tf_outlier_price_t price = {trade->u.trade.price, trade->price_exp};
  const bool               first = row->last.mantissa == 0 && price.mantissa > 0;
  if (TF_UNLIKELY(!first && !is_near(&price, &row->last)) && is_odd(row, &price)) return true;
  set_price(&row->last, &price);
  row->streak = 0;
  return false;
}
