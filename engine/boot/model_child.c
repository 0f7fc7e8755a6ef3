#include "boot/model_child.h"

#include <stdio.h>

#include "serve/models_dir.h"

#define SLOTS     64u /* requests of a mailbox that may be under way */
#define BATCH_MIN 16u /* rows of a request, where a window's are sent again */

tf_err_t tf_model_child_start(const tf_config_t *c, uint32_t i, const tf_model_t *model,
                              const char *file, uint32_t instrument_cnt,
                              const tf_mailbox_spec_t *market, tf_worker_words_t *words,
                              tf_child_t **child) {
  uint32_t batch = c->engine.batch_max > BATCH_MIN ? c->engine.batch_max : BATCH_MIN;
  tf_worker_say(words, c, i, file);
  tf_child_config_t config = {
      .argv        = words->argv,
      .mailbox     = {.slot_cnt       = SLOTS,
                      .batch_max      = batch < TF_MAILBOX_BATCH_MAX ? batch : TF_MAILBOX_BATCH_MAX,
                      .input_cnt      = model->input_cnt,
                      .output_cnt     = model->output_cnt,
                      .instrument_cnt = instrument_cnt + 1,
                      .window         = model->window,
                      .model_hash     = model->hash},
      .start_ns    = c->gpu.start_ns,
      .heart_ns    = c->gpu.heart_ns,
      .restart_max = c->gpu.restart_max,
      .restart_ns  = c->gpu.restart_ns,
      .refill_ns   = c->gpu.refill_ns
  };
  if (market) {
    tf_mailbox_spec_t *box = &config.mailbox;
    box->slot_cnt          = market->slot_cnt;
    box->input_cnt         = market->input_cnt;
    box->window            = market->window;
    box->plan              = market->plan;
    box->plan_bytes        = market->plan_bytes;
    box->state_packets     = market->state_packets;
  }
  return tf_child_start(&config, child);
}

TF_STATIC_ASSERT(TF_WORKER_PATH_BYTES >= TF_MODELS_DIR_PATH_BYTES, "a registry's path fits");

void tf_model_child_file(const tf_config_t *c, uint32_t i, uint64_t number,
                         char path[TF_WORKER_PATH_BYTES]) {
  const tf_config_model_t *m = &c->models[i];
  if (m->registry)
    tf_models_dir_path(m->registry, m->name, (uint32_t)number, path);
  else
    snprintf(path, TF_WORKER_PATH_BYTES, "%s", m->file);
}
