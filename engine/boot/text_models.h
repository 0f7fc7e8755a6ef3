/* The versions of one of the texts' models (texts.classifier, texts.embedder): the one of the start, and those of its registry that an
 * operator swaps in while texts come (serve/texts.h). A thread of its own loads them, known answers included; the old one reads
 * until a new one is good.
 *
 * What is refused, in this order:
 *   not there, or not newer than what reads (rollback is for it)  E_MODEL_VERSION
 *   damaged, not a model of texts, a known answer missed          E_FILE_*, E_MODEL_* of the loader
 *   not the SHA-256 that was asked for, or that stands beside it  E_MODEL_PIN
 *   not what the role is for: a classifier without labels, an
 *   embedder without an embedding; other labels, or in another
 *   order, or an embedding of another width                       E_MODEL_SCHEMA
 *
 * Requests from any thread, one at a time. */
#ifndef TF_BOOT_TEXT_MODELS_H
#define TF_BOOT_TEXT_MODELS_H

#include <jansson.h>

#include "boot/model_server.h"
#include "serve/texts.h"

typedef struct tf_text_models tf_text_models_t;

/* "classifier", "embedder": the key below texts, and the word in listings. */
const char *tf_text_models_role(tf_texts_role_t role);
/* What the config says of it. */
const tf_config_text_model_t *tf_text_models_config(const tf_engine_t *engine,
                                                    tf_texts_role_t    role);

/* Loads the version of the start, or the file, of a role that the config gives. An engine that goes on from a snapshot starts with the
 * version that read when it was taken, but for a pin, and where it is not to be had any more, which the log says. E_FILE_OPEN, E_MODEL_*,
 * E_CORE_NO_MEMORY. */
tf_err_t tf_text_models_open(const tf_engine_t *engine, tf_texts_role_t role,
                             tf_text_models_t **models);
void     tf_text_models_fini(tf_text_models_t *models); /* accepts NULL; after the texts */

/* What reads first. */
tf_texts_version_t tf_text_models_first(const tf_text_models_t *models);

/* In the registry; of a file by itself it may be NULL. */
const char *tf_text_models_name(const tf_text_models_t *models);

/* Any thread: what reads now, its number in the registry and the hash of its file. */
void tf_text_models_serving(const tf_text_models_t *models, uint64_t *version, uint32_t *hash);

/* Starts the thread, where there is a registry. E_CORE_THREAD. */
tf_err_t tf_text_models_start(tf_text_models_t *models, tf_texts_t *texts);
void     tf_text_models_stop(tf_text_models_t *models); /* before the texts' thread is */

/* SWAP or ROLLBACK; the work is done afterwards. E_MODEL_BUSY; E_CONTROL_REQUEST: another name or verb, or nothing
 * to go back to. */
tf_err_t tf_text_models_request(tf_text_models_t *models, const tf_model_request_t *request);
/* As a row of tf_model_server_list. */
json_t *tf_text_models_row(tf_text_models_t *models);
/* What reads now, for summaries: {model, sha256, version, swaps, embedding, labels}, as far as it has them. */
json_t *tf_text_models_describe(tf_text_models_t *models);

#endif
