/* Brings instruments the models of their own: of each models[] whose registry has {symbol} or {instrument} in it.
 *
 *   the lane                           this thread                            the cache (serve/cache.h)
 *   a tick: what serves answers, the
 *   base or the instrument's own
 *   ticks = ticks + 1  ------------->  who ticks most and has none?  ------>  take: loads it, or has it
 *                                      who ticks least gives way              <---- its place is another's
 *   prepares its window  <-----------  offers it (serve/swap.h)
 *   obeys the event  <---------------  publishes SWAP of the instrument
 *
 * The lane waits for nobody: until the event its base answers (path fallback), which is models[].file. Coming and going are
 * events of the stream; a replay obeys them where they are, and waits there for the file to be loaded.
 *
 * An instrument that ticks a quarter more often than the one that ticks least of those that have theirs takes its
 * place; the quarter keeps two that tick alike from changing places for ever. A pinned one keeps its place. One whose
 * model is not to be had keeps the base, and is tried again later and later.
 *
 * Any thread may call; requests are one at a time. */
#ifndef TF_BOOT_MODEL_PLACES_H
#define TF_BOOT_MODEL_PLACES_H

#include "boot/model_server.h"
#include "serve/cache.h"

typedef enum tf_model_cache_verb {
  TF_MODEL_CACHE_PIN,
  TF_MODEL_CACHE_UNPIN,
  TF_MODEL_CACHE_EVICT, /* whoever runs it goes back to its base first; wanted again, the newest version is loaded */
  TF_MODEL_CACHE_WARM, /* loaded, whether anybody wants it or not */
} tf_model_cache_verb_t;

typedef struct tf_model_places tf_model_places_t;

/* *places stays NULL where no model is one an instrument. After the models were added; before the start. */
tf_err_t tf_model_places_init(tf_engine_t *engine, tf_model_places_t **places);
void     tf_model_places_set_publisher(tf_model_places_t *places, tf_model_publisher_t publisher);
tf_err_t tf_model_places_start(tf_model_places_t *places);
/* After the lanes have ended. */
void tf_model_places_stop(tf_model_places_t *places);
void tf_model_places_fini(tf_model_places_t *places); /* accepts NULL */

/* Takes the request; the work is done afterwards, as a warm one waits for disks and networks, and list tells what became of it: the
 * cache's errors, and those of a model that is not to be had. E_MODEL_BUSY: there is one already. */
tf_err_t tf_model_places_request(tf_model_places_t *places, tf_model_cache_verb_t verb,
                                 const char *key);

/* As tf_cache_report_list; and the newest request, request: {serial, verb, key, state, ..}, or null. */
json_t *tf_model_places_list(tf_model_places_t *places, uint32_t from);

/* As tf_model_server_missed. */
tf_err_t tf_model_places_missed(tf_model_places_t *places, char *text, size_t cap);

#endif
