#include "boot/placement.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "boot/model_child.h"
#include "core/clock.h"
#include "core/error.h"
#include "serve/version.h"

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

void tf_placement_begin(const tf_config_t *c, uint32_t i, tf_placement_t *p) {
  const tf_config_model_t *m = &c->models[i];
  *p                         = (tf_placement_t){.is_said       = m->place_cpu_ns || m->place_worker_ns,
                                                .cpu_ns        = m->place_cpu_ns,
                                                .worker_ns     = m->place_worker_ns,
                                                .worker_p99_ns = m->place_worker_ns,
                                                .deadline_ns   = tf_config_model_deadline_ns(m),
                                                .budget_ns     = m->budget_ns};
}

tf_err_t tf_placement_measure_cpu(const tf_model_t *model, tf_placement_t *p) {
  static course_t c; /* boot's */
  tf_version_t    v;
  const uint32_t  first = ROUNDS_FIRST + model->window;
  if (p->cpu_ns) return TF_OK;
  tf_err_t err = tf_version_init(&v, model, 0, 1);
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
  p->cpu_ns = tf_hist_quantile(&c.took, 0.5);
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

static void measure_worker(tf_child_lane_t *lane, const tf_model_t *model, tf_placement_t *p) {
  static course_t c;
  tf_child_lane_t kept  = *lane;
  const uint32_t  first = ROUNDS_FIRST + model->window;
  lane->kept            = NULL; /* of an instrument that has no rows yet */
  lane->deadline_ticks  = tf_clock_ns_to_ticks(TF_NS_PER_SEC);
  lane->miss_limit      = 0;
  begin(&c);
  while (next(&c, model->input_cnt, first)) {
    uint64_t        at  = tf_clock_ticks();
    tf_child_miss_t got = tf_child_ask(lane, 0, c.row, at, c.out);
    if (got == TF_CHILD_ANSWERED) note(&c, tf_clock_ticks() - at, first);
  }
  tf_child_break(lane, 0);
  lane->kept           = kept.kept;
  lane->deadline_ticks = kept.deadline_ticks;
  lane->miss_limit     = kept.miss_limit;
  lane->miss_cnt       = 0;
  lane->counts         = kept.counts;
  p->worker_ns         = tf_hist_quantile(&c.took, 0.5);
  p->worker_p99_ns     = tf_hist_quantile(&c.took, 0.99);
}

bool tf_placement_decide(tf_child_lane_t *lane, const tf_model_t *model, uint64_t start_ns,
                         tf_placement_t *p) {
  tf_mailbox_device_t device;
  bool                is_measured = false;
  p->is_served                    = serves_within(lane->worker, start_ns);
  if (!p->is_served) {
    tf_child_last_end(lane->worker, p->trouble, sizeof p->trouble);
  } else if (p->worker_ns == 0 && !lane->has_market) { /* else there is no market to ask it by */
    measure_worker(lane, model, p);
    is_measured = true;
  }
  tf_child_device(lane->worker, &device);
  memcpy(p->device, device.name, sizeof p->device);
  p->device[sizeof p->device - 1] = '\0';
  tf_placement_judge(p);
  return is_measured;
}

json_t *tf_placement_json(const tf_placement_t *p) {
  json_t *root = json_pack("{ss ss sI sI}", "on", p->is_worker ? "worker" : "cpu", "was",
                           p->was_worker ? "worker" : "cpu", "cpu_ns", (json_int_t)p->cpu_ns,
                           "worker_ns", (json_int_t)p->worker_ns);
  json_object_set_new(root, "worker_p99_ns", json_integer((json_int_t)p->worker_p99_ns));
  json_object_set_new(root, "deadline_ns", json_integer((json_int_t)p->deadline_ns));
  if (p->budget_ns) json_object_set_new(root, "budget_ns", json_integer((json_int_t)p->budget_ns));
  json_object_set_new(root, "measured", json_boolean(!p->is_said));
  json_t *device = p->device[0] ? json_string(p->device) : NULL; /* NULL where it is no UTF-8 */
  if (device) json_object_set_new(root, "device", device);
  json_t *why = json_string(p->why);
  json_object_set_new(root, "why", why ? why : json_string("?"));
  return root;
}

/* ---- for who asks without a run ---- */

TF_STATIC_ASSERT(TF_PLACEMENT_NAME_BYTES == sizeof((tf_mailbox_device_t){0}.name),
                 "a device's name fits");

/* A worker of its own, for one instrument, until the judgement is there. */
static tf_err_t try_worker(const tf_engine_t *e, uint32_t i, const char *program,
                           tf_placement_t *p) {
  const tf_model_t     *model     = e->models[i];
  uint64_t              number[1] = {0};
  const tf_card_plan_t *plan      = &e->card_plans[i];
  const bool            has_plan  = plan->view.image != NULL;
  tf_child_lane_t       lane   = {.numbers = number, .deadline_ticks = 1, .has_market = has_plan};
  tf_mailbox_spec_t     market = {0};
  tf_worker_words_t     words;
  char                  file[TF_WORKER_PATH_BYTES];
  snprintf(words.program, sizeof words.program, "%s", program);
  tf_model_child_file(e->config, i, e->versions[i], file);
  if (has_plan)
    market = tf_card_plan_mailbox(plan, model->input_cnt, model->window > 1 ? model->window : 0);
  tf_err_t err = tf_model_child_start(e->config, i, model, file, 1, has_plan ? &market : NULL,
                                      &words, &lane.worker);
  if (err) return err;
  (void)tf_placement_decide(&lane, model, e->config->gpu.start_ns, p);
  tf_child_stop(lane.worker);
  return TF_OK;
}

tf_err_t tf_placement_explain(const tf_engine_t *e, uint32_t i, bool was_worker,
                              tf_placement_option_t *o, tf_placement_t *p) {
  tf_err_t err = TF_OK;
  tf_placement_choose(e->config, i, o);
  tf_placement_begin(e->config, i, p);
  p->was_worker  = was_worker;
  bool runs_here = o->choice != TF_PLACEMENT_RUNTIME && e->config->models[i].ensemble.item_cnt == 0;
  if (runs_here) err = tf_placement_measure_cpu(e->models[i], p);
  bool tries =
      o->program[0] && (o->choice == TF_PLACEMENT_OPEN || o->choice == TF_PLACEMENT_WORKER);
  if (!err && tries) err = try_worker(e, i, o->program, p);
  if (!err && o->choice != TF_PLACEMENT_OPEN) {
    p->is_worker = o->choice == TF_PLACEMENT_WORKER;
    snprintf(p->why, sizeof p->why, "%s", o->why);
  }
  return err;
}
