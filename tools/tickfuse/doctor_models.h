/* `tickfuse doctor CONFIG`: where each model of a config would be answered on this machine, and why. The models are loaded and
 * measured; where backend auto is open, their worker is started for that, and ended. Nothing else of the config is opened. */
#ifndef TICKFUSE_DOCTOR_MODELS_H
#define TICKFUSE_DOCTOR_MODELS_H

#include "boot/placement.h"
#include "stage/lane.h"

typedef struct doctor_model {
  const char           *name;     /* the config's */
  bool                  is_there; /* it was loaded; else only option is known */
  tf_placement_option_t option;
  tf_placement_t        place;
  uint32_t              device;     /* that the worker is to use .. */
  bool                  takes_turn; /* .. counted round those that there are */
  char                  features
      [TF_CARD_PLAN_SAY_BYTES]; /* who computes them, where a worker may answer; else empty */
} doctor_model_t;

typedef struct doctor_models {
  tf_config_t   *config;
  doctor_model_t rows[TF_MODELS_MAX];
  uint32_t       cnt;
} doctor_models_t;

/* 0, or the exit status with the reason told on stderr. */
int  doctor_models_examine(doctor_models_t *models, const char *path, const char *const *sets,
                           uint32_t set_cnt);
void doctor_models_fini(doctor_models_t *models); /* accepts a zeroed one */

void    doctor_models_print(const doctor_models_t *models);
json_t *doctor_models_json(const doctor_models_t *models);

#endif
