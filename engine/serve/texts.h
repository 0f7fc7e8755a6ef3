/* Texts that models read (tf/text.h), on a thread of their own, or in place.
 *
 *   acquire: take --> slot --> [ the thread: classifier, embedder, novelty ] --> slot --> acquire: poll --> TEXT event
 *                \--> no slot: remembered alone, and missed at the next poll
 *
 * take copies and never waits. poll makes an event of each answer, and of each text whose deadline is over, whatever the thread does; an
 * answer that comes after its miss is late, counted, and no event. With is_inline there is no thread: take reads the text
 * itself and publishes at once, so that the order of a replay is that of its input.
 *
 *   heard = answered + sum(missed) + waiting            refused: not even remembered, the feed's to count
 *
 * The classifier says label, confidence and score; the embedding is the embedder's, or where there is none the classifier's own. A text
 * is answered when both have read it. Novelty is 1 less the greatest cosine of a text's embedding to those of the instrument's
 * TF_TEXTS_KEPT before it, 1 for the first, and no number where nobody embeds; sums are in double and in order, so it is the same on
 * every machine for the same embeddings.
 *
 * Each model may be swapped for another version while texts come. A model's versions lie in rows:
 *
 *   models' thread                       the reader                            acquire
 *   fills a row that nobody uses
 *   offers it: offered = word  ------->  between two texts: it reads from
 *                                        here on; of what embeds: novelty
 *                                        begins anew; the row into the
 *                                        ring of answers  ------------------>  publishes SWAP behind the last answer of
 *   waits for told  <---------------------------------------------------------   the old one; told = how many
 *
 * So the events name the versions in the order in which these read, and each TEXT event the hash of its classifier. That of the first
 * embedder no TEXT event names: it is offered at init, so that a SWAP stands before the first text. A row that no longer reads, and
 * whose SWAP is told, is not touched by either. In place nothing is swapped.
 *
 * Memory is taken at init, an instrument's embeddings included; pages are touched when an instrument's first text comes. */
#ifndef TF_SERVE_TEXTS_H
#define TF_SERVE_TEXTS_H

#include "core/bell.h"
#include "core/hist.h"
#include "tf/event.h"
#include "tf/text.h"

#define TF_TEXTS_KEPT          64u
#define TF_TEXTS_QUEUE_MIN     16u
#define TF_TEXTS_QUEUE_MAX     4096u
#define TF_TEXTS_REMEMBERED    4096u /* texts for which there was no slot */
#define TF_TEXTS_MEMORY_MAX    (UINT64_C(4) << 30)
#define TF_TEXTS_LOOK_NS       (100 * TF_NS_PER_US)
#define TF_TEXTS_EACH_POLL_MAX 16u /* events that one poll publishes */
#define TF_TEXTS_VERSIONS      3u  /* what reads, what read before, one to fill */

typedef enum tf_texts_role {
  TF_TEXTS_CLASSIFIER,
  TF_TEXTS_EMBEDDER,
  TF_TEXTS_ROLE_CNT
} tf_texts_role_t;

/* model_idx of a SWAP of theirs, in place of a lane's model; in the stream. */
#define TF_TEXTS_MODEL_IDX(role) (UINT32_MAX - (uint32_t)(role))

TF_INLINE bool tf_texts_is_model_idx(uint32_t model_idx) {
  return model_idx > UINT32_MAX - TF_TEXTS_ROLE_CNT;
}

/* A version of a model. */
typedef struct tf_texts_version {
  const tf_text_model_t *model;
  uint64_t               number; /* in the registry; 0: of a file */
} tf_texts_version_t;

typedef struct tf_texts_config {
  /* Rows 0, by role; all others have the labels of the one that classifies and the width of the one that embeds. The
   * classifier is wanted; the embedder's model may be NULL. */
  tf_texts_version_t first[TF_TEXTS_ROLE_CNT];
  uint32_t           queue; /* slots, a power of two */
  uint32_t           instrument_cap;
  uint64_t           deadline_ns; /* from its receive time */
  bool               is_inline;
  void              *publisher; /* handed to publish; acquire's thread */
  /* ts_recv_ns of the event is the text's; the publisher may say another. */
  void (*publish)(void *publisher, tf_event_t *event);
} tf_texts_config_t;

/* Whose embedding is compared: the width of what it and its versions have, 0 for none. */
TF_INLINE tf_texts_role_t tf_texts_embeds(const tf_texts_config_t *config) {
  return config->first[TF_TEXTS_EMBEDDER].model ? TF_TEXTS_EMBEDDER : TF_TEXTS_CLASSIFIER;
}

/* By acquire's thread, each published plainly; tokens and cut: of any of the models. */
typedef struct tf_texts_counts {
  uint64_t heard, answered, refused, late, cut, tokens;
  uint64_t missed[TF_TEXT_MISS_CNT];
} tf_texts_counts_t;

typedef struct tf_texts tf_texts_t;

/* E_CORE_NO_MEMORY; E_CONFIG_VALUE where the memory of instruments is beyond TF_TEXTS_MEMORY_MAX. */
tf_err_t tf_texts_init(const tf_texts_config_t *config, tf_texts_t **texts);
/* Starts the thread, where there is one. bell: rung behind each answer, so that acquire polls; NULL: it never sleeps. E_CORE_THREAD. */
tf_err_t tf_texts_start(tf_texts_t *texts, tf_bell_t *bell);
/* Ends it; a text that it is reading is read to its end. */
void tf_texts_stop(tf_texts_t *texts);
void tf_texts_fini(tf_texts_t *texts); /* accepts NULL */

/* ---- the models' thread ---- */

/* A version into a row that nobody uses; the model stays the caller's and outlives it. E_CORE_NO_MEMORY. */
tf_err_t tf_texts_fill(tf_texts_t *texts, tf_texts_role_t role, uint32_t row,
                       const tf_texts_version_t *version);
/* It reads as soon as the reader has ended a text, until the role's next one is offered; only once that one before is told. */
void tf_texts_offer(tf_texts_t *texts, tf_texts_role_t role, uint32_t row);
/* The event of the last one that was offered is out. */
bool tf_texts_has_told(const tf_texts_t *texts, tf_texts_role_t role);

/* ---- acquire's thread ---- */

/* What a feed hands texts to (tf/text.h). */
const tf_text_port_t *tf_texts_port(const tf_texts_t *texts);
/* Publishes what came of texts; how many events. now_ns: wall time. */
uint32_t tf_texts_poll(tf_texts_t *texts, uint64_t now_ns);
/* The last poll: all that wait are missed (STOPPED), and no more is taken. */
void tf_texts_drain(tf_texts_t *texts, uint64_t now_ns);

/* ---- any thread ---- */

const tf_texts_counts_t *tf_texts_counts(const tf_texts_t *texts);
/* Taken, with no event yet: at rest. */
uint64_t         tf_texts_waiting(const tf_texts_t *texts);
const tf_hist_t *tf_texts_times(const tf_texts_t *texts); /* from receive to event, by acquire */

#endif
