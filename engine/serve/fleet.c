#include "serve/fleet.h"

#include <math.h>
#include <string.h>

static uint32_t leaves_for(uint32_t cnt) {
  uint32_t leaves = 1;
  while (leaves < cnt) leaves *= 2;
  return leaves;
}

size_t tf_fleet_bytes(uint32_t instrument_cnt) {
  size_t leaves = leaves_for(instrument_cnt);
  return 2 * leaves * sizeof(tf_fleet_node_t) + (leaves + 1) * sizeof(tf_fleet_age_t);
}

static void read_root(tf_fleet_t *f) {
  const tf_fleet_node_t *root = &f->nodes[1];
  for (int k = 0; k < 2; k++) {
    double cnt    = (double)root->cnt[k];
    f->figures[k] = (tf_fleet_figures_t){(double)NAN, (double)NAN, (double)NAN};
    if (root->cnt[k])
      f->figures[k] =
          (tf_fleet_figures_t){root->sum[k] / cnt, root->max[k], (double)root->within[k] / cnt};
  }
}

void tf_fleet_init(tf_fleet_t *f, void *nodes, uint32_t instrument_cnt, double breadth_min,
                   double breadth_max) {
  *f = (tf_fleet_t){.breadth_min = breadth_min,
                    .breadth_max = breadth_max,
                    .leaf_cnt    = leaves_for(instrument_cnt),
                    .nodes       = nodes};
  memset(nodes, 0, tf_fleet_bytes(instrument_cnt));
  f->ages = (tf_fleet_age_t *)(void *)(f->nodes + 2 * (size_t)f->leaf_cnt);
  for (uint32_t i = 0; i <= f->leaf_cnt; i++) f->ages[i].older = f->ages[i].newer = i;
  read_root(f);
}

static void set_leaf(const tf_fleet_t *f, tf_fleet_node_t *leaf, const tf_answer_t *answer) {
  *leaf = (tf_fleet_node_t){0};
  if (!answer) return;
  double values[2] = {(double)answer->score, (double)answer->p90};
  for (int k = 0; k < 2; k++) {
    if (values[k] != values[k]) continue;
    leaf->cnt[k]    = 1;
    leaf->sum[k]    = values[k];
    leaf->max[k]    = values[k];
    leaf->within[k] = values[k] >= f->breadth_min && values[k] <= f->breadth_max;
  }
}

static double greater(const tf_fleet_node_t *a, const tf_fleet_node_t *b, int k) {
  if (!a->cnt[k]) return b->max[k];
  return b->cnt[k] && b->max[k] > a->max[k] ? b->max[k] : a->max[k];
}

static void join(tf_fleet_node_t *parent, const tf_fleet_node_t *a, const tf_fleet_node_t *b) {
  for (int k = 0; k < 2; k++) {
    parent->sum[k]    = a->sum[k] + b->sum[k];
    parent->max[k]    = greater(a, b, k);
    parent->within[k] = a->within[k] + b->within[k];
    parent->cnt[k]    = a->cnt[k] + b->cnt[k];
  }
}

static void set(tf_fleet_t *f, uint32_t instrument_idx, const tf_answer_t *answer) {
  uint32_t i = f->leaf_cnt + instrument_idx;
  set_leaf(f, &f->nodes[i], answer);
  for (i /= 2; i > 0; i /= 2) join(&f->nodes[i], &f->nodes[2 * i], &f->nodes[2 * i + 1]);
}

static void unlink_age(tf_fleet_t *f, uint32_t i) {
  tf_fleet_age_t *age       = &f->ages[i];
  f->ages[age->older].newer = age->newer;
  f->ages[age->newer].older = age->older;
  age->older = age->newer = i;
}

static void link_newest(tf_fleet_t *f, uint32_t i) {
  tf_fleet_age_t *age = &f->ages[i], *ends = &f->ages[f->leaf_cnt];
  *age                       = (tf_fleet_age_t){f->now_ns, ends->older, f->leaf_cnt};
  f->ages[ends->older].newer = i;
  ends->older                = i;
}

static void drop_old(tf_fleet_t *f) {
  const tf_fleet_age_t *ends = &f->ages[f->leaf_cnt];
  for (uint32_t i; (i = ends->newer) != f->leaf_cnt;) {
    if (f->now_ns - f->ages[i].at_ns <= f->max_age_ns) return;
    unlink_age(f, i);
    set(f, i, NULL);
  }
}

void tf_fleet_update(tf_fleet_t *f, uint32_t instrument_idx, const tf_answer_t *answer,
                     uint64_t now_ns) {
  set(f, instrument_idx, answer);
  if (f->max_age_ns > 0) {
    if (f->now_ns < now_ns) f->now_ns = now_ns;
    unlink_age(f, instrument_idx);
    if (answer) link_newest(f, instrument_idx);
    drop_old(f);
  }
  read_root(f);
}

void tf_fleet_walk(tf_fleet_t *f, tf_walk_t *w) {
  tf_walk(w, &f->now_ns, sizeof f->now_ns);
  tf_walk(w, f->figures, sizeof f->figures);
  tf_walk(w, f->nodes, 2 * (size_t)f->leaf_cnt * sizeof *f->nodes);
  tf_walk(w, f->ages, (f->leaf_cnt + 1) * sizeof *f->ages);
  for (uint32_t i = 0; w->way == TF_WALK_LOAD && i <= f->leaf_cnt; i++)
    w->is_short |= f->ages[i].older > f->leaf_cnt || f->ages[i].newer > f->leaf_cnt;
}
