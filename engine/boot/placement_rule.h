/* Where a model is answered: on the lane's CPU or by a worker process (ADR 0032, 0046). Two steps, both without clock or process:
 *
 *   what the config allows     tf_placement_choose: of backend auto that is open, and is measured at the start
 *   what the figures say       tf_placement_judge
 *
 * A model stays where the last start put it (gpu.placements; without that file: on the CPU) unless the other place is sooner by a
 * quarter: two figures that are near one another do not send it to and fro. Two things go before that: a worker
 * has to answer 99 of 100 within the deadline, and a CPU beyond the model's budget gives way to any worker that is sooner.
 *
 * Pure; control plane. */
#ifndef TF_BOOT_PLACEMENT_RULE_H
#define TF_BOOT_PLACEMENT_RULE_H

#include "boot/worker_program.h"

#define TF_PLACEMENT_WHY_BYTES  1536 /* a path of a program is in it */
#define TF_PLACEMENT_NAME_BYTES 64

typedef enum tf_placement_choice {
  TF_PLACEMENT_CPU,
  TF_PLACEMENT_WORKER,
  TF_PLACEMENT_OPEN,   /* the figures decide */
  TF_PLACEMENT_RUNTIME /* another runtime answers beside the lane */
} tf_placement_choice_t;

/* Of models[idx]. why: in words. program: the worker's, where it is WORKER and found, or OPEN; else "". */
typedef struct tf_placement_option {
  tf_placement_choice_t choice;
  bool                  is_lane_only; /* of its kind, whatever the backend */
  char                  program[TF_WORKER_PATH_BYTES];
  char                  why[TF_PLACEMENT_WHY_BYTES];
} tf_placement_option_t;

void tf_placement_choose(const tf_config_t *config, uint32_t model_idx,
                         tf_placement_option_t *option);

/* "cpu", "worker", "measured", "runtime". */
const char *tf_placement_choice_name(tf_placement_choice_t choice);

/* A worker answers it, or may after a measurement. */
TF_INLINE bool tf_placement_may_be_worker(const tf_placement_option_t *option) {
  return option->choice == TF_PLACEMENT_WORKER || option->choice == TF_PLACEMENT_OPEN;
}

/* Of one start. Times are medians; 0: not measured. */
typedef struct tf_placement {
  bool     is_worker;
  bool     was_worker;    /* the last start's place */
  bool     is_served;     /* a worker came to serve in time */
  bool     is_said;       /* the figures are the config's: place_cpu, place_worker */
  uint64_t cpu_ns;        /* one answer on the lane, deferred work apart */
  uint64_t worker_ns;     /* from the row to the answer */
  uint64_t worker_p99_ns; /* 99 of 100 took no longer */
  uint64_t deadline_ns;   /* of the worker */
  uint64_t budget_ns;     /* of the CPU; 0: none */
  char     trouble[96];   /* why none serves: what the last one ended of; "" */
  char     device[TF_PLACEMENT_NAME_BYTES]; /* as the worker names it; "" */
  char     why[TF_PLACEMENT_WHY_BYTES];
} tf_placement_t;

/* is_worker and why, from the rest. */
void tf_placement_judge(tf_placement_t *place);

/* What the CPU's time means for the model's budget, in words; "" where there is no budget, or no figure. */
void tf_placement_say_budget(const tf_placement_t *place, char *text, size_t cap);

#endif
