/* pair_beta(step, n)@NAME = sum((x - mean x)(y - mean y)) / sum((x - mean x)^2) over the last n pairs of log returns on a grid of
 * time (pair_grid.h): y the own ones, x the other instrument's. The slope of the least squares line, and so how many units
 * of the other's return go with one of the own. No value where the other does not move: its squares are below 10^-24
 * in sum.
 *
 * M. Kendall, A. Stuart, The Advanced Theory of Statistics vol. 2 (1973), 26.8. */
#include "indicator/pair_grid.h"

static tf_indicator_result_t answer(double xx, double xy, double yy, double *out) {
  (void)yy;
  return xx < TF_PAIR_SQUARES_MIN ? tf_parts_warming(out) : tf_parts_answer(out, xy / xx);
}

TF_PAIR_GRID_DEFINE(pair_beta, answer, .help = "slope of the own returns on another instrument's",
                    .origin = "Kendall, Stuart 1973");
