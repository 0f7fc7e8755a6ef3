/* Where the cache of models (engine/serve/cache.h) keeps those that it has no memory for: a directory, a server that other
 * engines share. adapters/serve has one a file; the binary hands boot a table of them (tf/registry.h).
 *
 * What is stored is a blob under an id, the SHA-256 of the model's file in hex: so the same id is the same model for
 * every engine, nothing has to be invalidated, and what a store hands out is checked against the id by whoever asked.
 *
 * Control plane threads only, one call of a store at a time (the cache's lock sees to that): calls may wait, as long as
 * the config's timeout. A store that fails says so, and is asked again later: nothing else depends on it. */
#ifndef TF_MODEL_STORE_H
#define TF_MODEL_STORE_H

#include "tf/err.h"

#define TF_MODEL_STORE_ID_CHARS 64

typedef enum tf_model_store_result {
  TF_MODEL_STORE_DONE,   /* it is handed out; it is stored, or was already */
  TF_MODEL_STORE_MISS,   /* it is not there; it has no room for it */
  TF_MODEL_STORE_FAILED, /* the store is not to be had: the thread's error says why */
} tf_model_store_result_t;

typedef struct tf_model_store_config {
  const char *where;          /* a directory; redis://HOST:PORT/DB */
  uint64_t    bytes_max;      /* of all blobs; 0: as the store's own side limits them */
  uint64_t    blob_bytes_max; /* a larger one is neither stored nor read */
  uint64_t    timeout_ns;     /* of one call */
  const char *user;           /* NULL: the server's default one */
  const char *password_file;  /* core/secret.h, read at each connection; NULL: none is asked for */
} tf_model_store_config_t;

typedef struct tf_model_store {
  const char *name;
  bool
      is_shared; /* by other engines: written as soon as a model is had, not only when it is put away */

  /* The config's strings are the caller's and outlive the state. E_CONFIG_VALUE, E_CORE_NO_MEMORY, E_FILE_OPEN. What
   * may come back later, a server that is down, is no error here; a password_file that cannot be used is: E_FEED_KEY, E_FILE_OPEN. */
  tf_err_t (*open)(const tf_model_store_config_t *config, void **state);
  void (*close)(void *state); /* accepts NULL */

  /* The blob is malloc'd, and the caller's. */
  tf_model_store_result_t (*get)(void *state, const char *id, uint8_t **blob, size_t *blob_bytes);
  tf_model_store_result_t (*put)(void *state, const char *id, const uint8_t *blob,
                                 size_t blob_bytes);
  void (*drop)(void *state, const char *id); /* it was found damaged */
} tf_model_store_t;

#endif
