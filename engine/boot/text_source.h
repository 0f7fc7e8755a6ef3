/* The config's texts: their models (boot/text_models.h), and the source that their events come from (serve/texts.h).
 *
 *   live            a thread reads them; each event goes into the capture as a command does, so a replay has it without a model
 *   a recording     of texts themselves (JSON lines) is read in place, in the order of its input
 *   a capture       has what live texts came to: they are heard again and not read
 *
 * Control plane, but for what the port does on acquire's thread. */
#ifndef TF_BOOT_TEXT_SOURCE_H
#define TF_BOOT_TEXT_SOURCE_H

#include <jansson.h>

#include "boot/engine.h"
#include "serve/texts.h"
#include "tf/tap.h"
#include "tf/text.h"

typedef struct tf_text_source tf_text_source_t;

typedef enum tf_text_mode {
  TF_TEXT_MODE_LIVE,
  TF_TEXT_MODE_IN_PLACE,
  TF_TEXT_MODE_CAPTURED /* no text is read; the classifier is loaded for its labels, where a sink names them */
} tf_text_mode_t;

/* Nothing where the config has no texts. Before the sources that hear them are made. E_FILE_OPEN, E_MODEL_*, E_CONFIG_VALUE,
 * E_CORE_NO_MEMORY. */
tf_err_t tf_text_source_open(tf_engine_t *engine, tf_text_mode_t mode, tf_tap_t tap);
/* Then, behind all feeds: its events are acquire's. E_CONFIG_VALUE past the number of sources. */
tf_err_t tf_text_source_join(tf_engine_t *engine);
/* Whether the config's models load: `check`. Where a file is missing nothing is said: others may put it there. */
tf_err_t tf_text_source_check(const tf_engine_t *engine);
/* What feeds hand texts to; NULL: nobody reads any. */
const tf_text_port_t *tf_text_source_port(const tf_text_source_t *source);

/* What a label is called, by the classifier of the start: all versions have the same. NULL: not known. At rest: where a capture is
 * replayed, the classifier is loaded for it, if it is there. Accepts NULL. */
const char *tf_text_source_label(tf_text_source_t *source, uint32_t label);

/* A model's versions, where it is of a registry; NULL: it is of a file by itself, or there is none in this run. Accepts NULL. */
struct tf_text_models *tf_text_source_swappable(const tf_text_source_t *source,
                                                tf_texts_role_t         role);

tf_err_t tf_text_source_start(tf_text_source_t *source); /* these accept NULL */
void     tf_text_source_stop(tf_text_source_t *source);
void     tf_text_source_fini(tf_text_source_t *source);

/* heard - answered - missed - waiting, as an absolute value: for the ledger, at rest. */
int64_t tf_text_source_residual(const tf_text_source_t *source);
/* "texts" of summaries and of status; NULL: there is none. Times are told at rest alone. */
json_t *tf_text_source_json(const tf_text_source_t *source, bool is_at_rest);
/* Onto the metrics page; the thread that waits for the engine. */
void tf_text_source_publish(const tf_text_source_t *source, tf_publish_t *publish);

#endif
