#include "boot/placement_rule.h"

#include <stdio.h>
#include <string.h>

static double us(uint64_t ns) { return (double)ns * 1e-3; }

/* ---- what the config allows ---- */

/* What no worker answers, whatever its backend says. NULL: one might. */
static const char *lane_only(const tf_config_model_t *m) {
  if (tf_config_model_has_owns(m)) return "models of instruments are run on the lane";
  if (m->ensemble.item_cnt > 0) return "an ensemble is a sum on the lane; its members are placed";
  if (m->lanes > 1) return "two lanes are of a model that the lane runs";
  return NULL;
}

void tf_placement_choose(const tf_config_t *c, uint32_t i, tf_placement_option_t *o) {
  const tf_config_model_t *m   = &c->models[i];
  const char              *own = lane_only(m);
  char                     where[TF_WORKER_PATH_BYTES + 128];
  *o = (tf_placement_option_t){.choice = TF_PLACEMENT_CPU, .is_lane_only = own != NULL};
  if (tf_config_model_is_foreign(m)) {
    o->choice = TF_PLACEMENT_RUNTIME;
    snprintf(o->why, sizeof o->why, "the config says backend: %s",
             m->backend == TF_CONFIG_BACKEND_KSERVE ? "kserve" : "onnxruntime");
  } else if (m->backend == TF_CONFIG_BACKEND_CPU) {
    snprintf(o->why, sizeof o->why, "the config says backend: cpu");
  } else if (own) {
    snprintf(o->why, sizeof o->why, "%s", own);
  } else {
    bool is_there = tf_worker_find(c, m->backend, o->program, where, sizeof where);
    bool is_said  = tf_config_model_is_remote(m);
    o->choice     = is_said ? TF_PLACEMENT_WORKER : is_there ? TF_PLACEMENT_OPEN : TF_PLACEMENT_CPU;
    if (!is_there) o->program[0] = '\0';
    if (!is_there)
      snprintf(o->why, sizeof o->why, "no worker program: %s", where);
    else if (is_said)
      snprintf(o->why, sizeof o->why, "the config says backend: %s",
               m->backend == TF_CONFIG_BACKEND_STUB ? "stub" : "gpu");
    else
      snprintf(o->why, sizeof o->why, "measured at the start, with %s", o->program);
  }
}

const char *tf_placement_choice_name(tf_placement_choice_t choice) {
  static const char *const names[] = {"cpu", "worker", "measured", "runtime"};
  return names[choice];
}

/* ---- what the figures say ---- */

static bool is_sooner_by_a_quarter(uint64_t one_ns, uint64_t other_ns) {
  return one_ns + one_ns / 4 < other_ns;
}

static bool judge_times(tf_placement_t *p) {
  const bool is_late = p->budget_ns > 0 && p->cpu_ns > p->budget_ns;
  if (is_late && p->worker_ns < p->cpu_ns) {
    snprintf(p->why, sizeof p->why,
             "the CPU takes %.1f us, more than the budget of %.1f us; the worker takes %.1f us",
             us(p->cpu_ns), us(p->budget_ns), us(p->worker_ns));
    return true;
  }
  bool        moves = p->was_worker ? is_sooner_by_a_quarter(p->cpu_ns, p->worker_ns)
                                    : is_sooner_by_a_quarter(p->worker_ns, p->cpu_ns);
  const char *here  = p->was_worker ? "the worker" : "the CPU";
  const char *there = p->was_worker ? "the CPU" : "the worker";
  int         cnt =
      snprintf(p->why, sizeof p->why,
               "the worker takes %.1f us, the CPU %.1f us: ", us(p->worker_ns), us(p->cpu_ns));
  if (moves)
    snprintf(p->why + cnt, sizeof p->why - (size_t)cnt, "%s is sooner by a quarter", there);
  else
    snprintf(p->why + cnt, sizeof p->why - (size_t)cnt,
             "it stays on %s, as %s is not sooner by a quarter", here, there);
  return p->was_worker != moves;
}

void tf_placement_judge(tf_placement_t *p) {
  p->is_worker = false;
  if (!p->is_served)
    snprintf(p->why, sizeof p->why, "no worker serves: %s",
             p->trouble[0] ? p->trouble : "it did not start in time");
  else if (p->worker_ns == 0)
    snprintf(p->why, sizeof p->why, "the worker answers nothing");
  else if (p->worker_p99_ns > p->deadline_ns)
    snprintf(p->why, sizeof p->why,
             "99 in 100 answers of the worker within %.1f us, the deadline is %.1f us",
             us(p->worker_p99_ns), us(p->deadline_ns));
  else
    p->is_worker = judge_times(p);
}

void tf_placement_say_budget(const tf_placement_t *p, char *text, size_t cap) {
  text[0] = '\0';
  if (p->budget_ns == 0 || p->cpu_ns == 0) return;
  snprintf(text, cap, "%.1f us of a budget of %.1f us%s", us(p->cpu_ns), us(p->budget_ns),
           p->cpu_ns > p->budget_ns ? ": beyond it" : "");
}
