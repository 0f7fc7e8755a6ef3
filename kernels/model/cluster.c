#include "model/cluster.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "core/error.h"
#include "model/products.h"

#define ROUNDS_MAX 100u

static int by_value(const void *a, const void *b) {
  const float x = *(const float *)a, y = *(const float *)b;
  return (x > y) - (x < y);
}

uint32_t tf_cluster_nearest(const float *values, uint32_t cnt, float weight) {
  uint32_t low = 0, high = cnt - 1; /* the last that is not above the weight, or the first */
  while (low < high) {
    const uint32_t middle = low + (high - low + 1) / 2;
    if (values[middle] <= weight)
      low = middle;
    else
      high = middle - 1;
  }
  return low + 1 < cnt && values[low + 1] - weight < weight - values[low] ? low + 1 : low;
}

/* A mean as a weight: neither denormal nor -0. */
static float clean(double mean) { return fabs(mean) < (double)FLT_MIN ? 0.0f : (float)mean; }

/* Each value becomes the mean of the weights nearest to it; false where none moved. */
static bool move_values(const float *sorted, uint64_t value_cnt, uint32_t cnt, float *values) {
  double   sums[TF_CLUSTER_CNT_MAX] = {0.0};
  uint64_t cnts[TF_CLUSTER_CNT_MAX] = {0};
  bool     moved                    = false;
  for (uint64_t i = 0; i < value_cnt; i++) {
    const uint32_t nearest = tf_cluster_nearest(values, cnt, sorted[i]);
    sums[nearest] += (double)sorted[i];
    cnts[nearest]++;
  }
  for (uint32_t c = 0; c < cnt; c++) {
    const float mean = cnts[c] ? clean(sums[c] / (double)cnts[c]) : values[c];
    moved |= mean != values[c];
    values[c] = mean;
  }
  return moved;
}

void tf_cluster_values(const float *sorted, uint64_t value_cnt, uint32_t cnt, float *values) {
  const double first = (double)sorted[0], reach = (double)sorted[value_cnt - 1] - first;
  for (uint32_t c = 0; c < cnt; c++) values[c] = clean(first + reach * c / (cnt - 1));
  for (uint32_t i = 0; i < ROUNDS_MAX && move_values(sorted, value_cnt, cnt, values); i++) continue;
}

/* ---- a graph's tensors ---- */

typedef struct clusterer {
  const tf_graph_t *graph;
  uint32_t          cnt;
  const float      *done; /* the tensor that was last done */
} clusterer_t;

/* How many weights a tensor has: its products cover it. */
typedef struct span {
  const float *weights;
  uint64_t     cnt;
} span_t;

static tf_err_t add_to_span(void *self, const tf_product_t *p) {
  span_t *s = self;
  if (p->values == s->weights) s->cnt += (uint64_t)p->source.in_cnt * p->source.out_cnt;
  return TF_OK;
}

static tf_err_t cluster_product(void *self, const tf_product_t *p) {
  clusterer_t *c    = self;
  span_t       span = {.weights = p->values};
  float        values[TF_CLUSTER_CNT_MAX];
  if (!p->is_only || p->values == c->done) return TF_OK;
  c->done = p->values;
  tf_products_each(c->graph, TF_PRECISION_INT8, add_to_span, &span);
  float *sorted = malloc(span.cnt * sizeof *sorted);
  if (!sorted) return TF_ERR(E_CORE_NO_MEMORY, "%llu weights", (unsigned long long)span.cnt);
  memcpy(sorted, p->values, span.cnt * sizeof *sorted);
  qsort(sorted, span.cnt, sizeof *sorted, by_value);
  tf_cluster_values(sorted, span.cnt, c->cnt, values);
  for (uint64_t i = 0; i < span.cnt; i++)
    p->values[i] = values[tf_cluster_nearest(values, c->cnt, p->values[i])];
  free(sorted);
  return TF_OK;
}

tf_err_t tf_cluster_apply(tf_graph_t *graph, uint32_t cnt) {
  TF_ASSERT(cnt >= TF_CLUSTER_CNT_MIN && cnt <= TF_CLUSTER_CNT_MAX);
  clusterer_t c   = {.graph = graph, .cnt = cnt};
  tf_err_t    err = tf_products_each(graph, TF_PRECISION_INT8, cluster_product, &c);
  if (!err) graph->cluster_cnt = cnt;
  return err;
}
