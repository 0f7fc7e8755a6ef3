/* Where a worker's program is, and the words that it is started with (serve/child.h). Control plane. */
#ifndef TF_BOOT_WORKER_PROGRAM_H
#define TF_BOOT_WORKER_PROGRAM_H

#include "boot/config.h"
#include "tf/err.h"

#define TF_WORKER_PATH_BYTES 1280
#define TF_WORKER_WORDS_MAX  16
#define TF_WORKER_DEVICE_MAX 63u /* a number that --device takes */

typedef struct tf_worker_words {
  const char *argv[TF_WORKER_WORDS_MAX]; /* NULL-terminated, into what follows and the config */
  char        program[TF_WORKER_PATH_BYTES], model[TF_WORKER_PATH_BYTES];
  char        device[16], fraction[12];
} tf_worker_words_t;

/* The program for a backend (TF_CONFIG_BACKEND_STUB, or any other for the card's): what the config names, else the one beside this
 * program, else that of PATH. False: there is none; where then says where it was looked for. */
bool tf_worker_find(const tf_config_t *config, int backend, char program[TF_WORKER_PATH_BYTES],
                    char *where, size_t where_cap);

/* The same of models[model_idx], as an error that says what to do: E_RUNTIME_MISSING. */
tf_err_t tf_worker_find_or_say(const tf_config_t *config, uint32_t model_idx,
                               char program[TF_WORKER_PATH_BYTES]);

/* Which of the visible devices the worker of models[model_idx] is to use: what the model says, else what gpu.device says, else each in turn, and
 * then the worker counts round those that there are. */
uint32_t tf_worker_device(const tf_config_t *config, uint32_t model_idx, bool *takes_turn);

/* words->program is there; file: of the model. */
void tf_worker_say(tf_worker_words_t *words, const tf_config_t *config, uint32_t model_idx,
                   const char *file);

#endif
