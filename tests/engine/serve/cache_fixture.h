/* A registry, models and a store that live in memory, and a clock that a test sets. */
#ifndef TESTS_CACHE_FIXTURE_H
#define TESTS_CACHE_FIXTURE_H

#include "cmocka_tf.h"

#include <stdlib.h>
#include <string.h>

#include "serve/cache.h"
#include "serve/cache_frame.h"

#define FIXTURE_KEYS       40
#define FIXTURE_FILE_BYTES 1000 /* of key 0; key k has 100 * k more */

typedef struct fixture {
  uint32_t newest[FIXTURE_KEYS];  /* version; 0: the registry cannot find it */
  bool     is_told[FIXTURE_KEYS]; /* the registry says its SHA-256 */
  bool     is_no_model[FIXTURE_KEYS];
  uint64_t reads, makes, unmakes, puts;
  unsigned read_sleep_us;
  uint8_t *stored[FIXTURE_KEYS][4]; /* [key][version]: the fake store */
  size_t   stored_bytes[FIXTURE_KEYS][4];
  bool     store_is_down;
} fixture_t;

extern fixture_t fixture;
extern uint64_t  fixture_now_ns;

/* Key k is called "k17". */
void   fixture_key(uint32_t k, char key[TF_CACHE_KEY_BYTES]);
size_t fixture_file(uint32_t k, uint32_t version, uint8_t *bytes);
void   fixture_sha256(uint32_t k, uint32_t version, char hex[65]);
size_t fixture_blob_bytes(uint32_t k, uint32_t version);
void   fixture_reset(void);
void   fixture_free_store(void);

extern const tf_model_store_t fixture_store, fixture_shared;
tf_cache_config_t             fixture_config(uint32_t models_max);

#endif
