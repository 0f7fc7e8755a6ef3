/* The worker process of a model, started from what the config says of it. Control plane. */
#ifndef TF_BOOT_MODEL_CHILD_H
#define TF_BOOT_MODEL_CHILD_H

#include "boot/worker_program.h"
#include "serve/child.h"

/* Of models[model_idx], whose file model was loaded from; for instruments of an index below instrument_cnt, and one more to keep it
 * alive with. market: of a worker that computes features, slot_cnt, input_cnt, window, plan and state room; NULL: it is sent rows. words: of its command line, with the program; they outlive it. Errors of tf_child_start. */
tf_err_t tf_model_child_start(const tf_config_t *config, uint32_t model_idx,
                              const tf_model_t *model, const char *file, uint32_t instrument_cnt,
                              const tf_mailbox_spec_t *market, tf_worker_words_t *words,
                              tf_child_t **child);

/* The file of that version of a registry's model; of another model its only one. */
void tf_model_child_file(const tf_config_t *config, uint32_t model_idx, uint64_t number,
                         char path[TF_WORKER_PATH_BYTES]);

#endif
