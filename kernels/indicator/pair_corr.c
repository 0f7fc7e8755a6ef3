/* pair_corr(step, n)@NAME = sum((x - mean x)(y - mean y)) / sqrt(sum((x - mean x)^2) sum((y - mean y)^2)) over the last n pairs of
 * log returns on a grid of time (pair_grid.h): y the own ones, x the other instrument's. From -1 to 1. No value where one
 * of them does not move: its squares are below 10^-24 in sum.
 *
 * M. Kendall, A. Stuart, The Advanced Theory of Statistics vol. 2 (1973), 26.6. */
#include "indicator/pair_grid.h"

static tf_indicator_result_t answer(double xx, double xy, double yy, double *out) {
  if (xx < TF_PAIR_SQUARES_MIN || yy < TF_PAIR_SQUARES_MIN) return tf_parts_warming(out);
  double r = xy / (__builtin_sqrt(xx) * __builtin_sqrt(yy));
  return tf_parts_answer(out, r > 1 ? 1 : r < -1 ? -1 : r);
}

TF_PAIR_GRID_DEFINE(pair_corr, answer,
                    .help   = "correlation of the own returns and another instrument's, -1 to 1",
                    .origin = "Kendall, Stuart 1973");
