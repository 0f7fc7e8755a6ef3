/* Where models of instruments come from: a registry's directories (serve/models_dir.h), behind the keys of the cache
 * (serve/cache.h), DIR/NAME or DIR/NAME@VERSION. Stateless: any thread. */
#ifndef TF_BOOT_CACHE_ORIGIN_H
#define TF_BOOT_CACHE_ORIGIN_H

#include "boot/config.h"
#include "serve/cache.h"
#include "tf/instrument.h"

/* The key of an instrument's model: models[].registry with {symbol} and {instrument} put in, and the model's name.
 * E_MODEL_VERSION: it is longer than keys are. */
tf_err_t tf_cache_origin_key(const tf_config_model_t *model, const tf_instrument_t *instrument,
                             char key[TF_CACHE_KEY_BYTES]);

/* The cache's origin. config is borrowed for good: its file_bytes_max bounds what is read. */
tf_cache_origin_t tf_cache_origin(const tf_config_model_cache_t *config);

#endif
