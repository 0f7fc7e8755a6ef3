#include "boot/placement.h"

#include <time.h>

#include "core/clock.h"

#define ROUNDS       400u
#define ROUNDS_FIRST 50u                  /* not counted: caches, clocks */
#define ROUNDS_NS    (500 * TF_NS_PER_MS) /* a model that is slow is measured by fewer */
#define LOOK_NS      (2 * TF_NS_PER_MS)

typedef struct course { /* rows of chance, the same ones always */
  uint64_t  rng;
  float     row[TF_MODEL_INPUTS_MAX], out[TF_MODEL_OUTPUTS_MAX];
  tf_hist_t took;
  uint64_t  begun_ns;
  uint32_t  rounds;
} course_t;

static void begin(course_t *c) {
  *c = (course_t){.rng = UINT64_C(0x9e3779b97f4a7c15), .begun_ns = tf_clock_monotonic_ns()};
}

static bool next(course_t *c, uint32_t width, uint32_t first) {
  if (c->rounds++ == ROUNDS + first) return false;
  if (c->rounds > first + 20 && tf_clock_monotonic_ns() - c->begun_ns > ROUNDS_NS) return false;
  for (uint32_t i = 0; i < width; i++) {
    c->rng ^= c->rng << 13, c->rng ^= c->rng >> 7, c->rng ^= c->rng << 17;
    c->row[i] = (float)(c->rng % 2001) / 1000.0f - 1.0f;
  }
  return true;
}

static void note(course_t *c, uint64_t ticks, uint32_t first) {
  if (c->rounds > first) tf_hist_record(&c->took, tf_clock_ticks_to_ns(ticks));
}

tf_err_t tf_placement_measure_cpu(tf_remotes_row_t *row, const tf_model_t *model) {
  static course_t c; /* boot's */
  tf_version_t    v;
  const uint32_t  first = ROUNDS_FIRST + model->window;
  tf_err_t        err   = tf_version_init(&v, model, 0, 1);
  if (err) return err;
  begin(&c);
  while (next(&c, model->input_cnt, first)) {
    uint64_t at = tf_clock_ticks();
    if (v.windows)
      (void)model->step(model, v.windows, v.scratch, c.row, c.out);
    else
      model->run(model, v.scratch, c.row, c.out);
    note(&c, tf_clock_ticks() - at, first);
    if (v.windows) model->advance(model, v.windows, v.scratch);
  }
  tf_version_fini(&v);
  row->place.cpu_ns = tf_hist_quantile(&c.took, 0.5);
  return TF_OK;
}

static bool serves_within(const tf_child_t *worker, uint64_t ns) {
  uint64_t begun_ns = tf_clock_monotonic_ns();
  while (!tf_child_serving(worker)) {
    if (tf_child_gave_up(worker) || tf_clock_monotonic_ns() - begun_ns > ns) return false;
    nanosleep(&(struct timespec){.tv_nsec = (long)LOOK_NS}, NULL);
  }
  return true;
}

/* The share of 99 in 100, by nanoseconds; 0: it did not answer. The lane's side is left as it was, with the worker taken. */
static uint64_t measure_worker(tf_remotes_row_t *row) {
  static course_t c;
  tf_remote_t    *r      = row->remote;
  tf_child_lane_t kept   = r->lane;
  const uint32_t  first  = ROUNDS_FIRST + r->config.window;
  r->lane.worker         = row->child;
  r->lane.kept           = NULL; /* of an instrument that has no rows yet */
  r->lane.deadline_ticks = tf_clock_ns_to_ticks(TF_NS_PER_SEC);
  r->lane.miss_limit     = 0;
  begin(&c);
  while (next(&c, r->config.width, first)) {
    uint64_t        at  = tf_clock_ticks();
    tf_child_miss_t got = tf_child_ask(&r->lane, 0, c.row, at, c.out);
    if (got == TF_CHILD_ANSWERED) note(&c, tf_clock_ticks() - at, first);
  }
  tf_child_break(&r->lane, 0);
  r->lane.kept           = kept.kept;
  r->lane.deadline_ticks = kept.deadline_ticks;
  r->lane.miss_limit     = kept.miss_limit;
  r->lane.miss_cnt       = 0;
  r->lane.counts         = kept.counts;
  r->hash                = row->reference->hash; /* the lane goes on where this ended */
  r->serial              = row->serial;
  tf_store_release(&r->taken, row->serial); /* pairs with: stop_unused */
  row->place.worker_ns = tf_hist_quantile(&c.took, 0.5);
  return tf_hist_quantile(&c.took, 0.99);
}

static double us(uint64_t ns) { return (double)ns * 1e-3; }

void tf_placement_decide(tf_remotes_row_t *row, uint64_t start_ns) {
  tf_remotes_place_t *p = &row->place;
  if (!serves_within(row->child, start_ns)) {
    char text[96];
    tf_child_last_end(row->child, text, sizeof text);
    snprintf(p->why, sizeof p->why, "no worker serves: %s",
             text[0] ? text : "it did not start in time");
    return;
  }
  const uint64_t deadline_ns = row->remote->config.deadline_ns;
  const uint64_t p99_ns      = measure_worker(row);
  if (p->worker_ns == 0)
    snprintf(p->why, sizeof p->why, "the worker answers nothing");
  else if (p99_ns > deadline_ns)
    snprintf(p->why, sizeof p->why,
             "99 in 100 answers of the worker within %.1f us, the deadline is %.1f us", us(p99_ns),
             us(deadline_ns));
  else {
    p->is_worker = p->worker_ns + p->worker_ns / 4 < p->cpu_ns;
    snprintf(p->why, sizeof p->why,
             "the worker takes %.1f us, the CPU %.1f us; it has to be sooner by a quarter",
             us(p->worker_ns), us(p->cpu_ns));
  }
}
