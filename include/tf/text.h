/* Texts (news, alerts) on their way to the models that read them. A feed hears a text and hands it on; a thread of its own
 * tokenises, classifies and embeds it, and what comes of it enters the stream as an event (TF_EVENT_TEXT), at acquire, so
 * that a capture holds it and a replay obeys it without reading the text again.
 *
 *   acquire: feed --take--> [ the texts' thread: classifier, embedder ] --answer--> acquire: publish --> lane: features, tick
 *
 * A model may be a classifier (labels), an embedder (an embedding), or both at once (kernels/text). */
#ifndef TF_TEXT_H
#define TF_TEXT_H

#include "tf/model.h"

#define TF_TEXT_BYTES_MAX 16384u /* UTF-8; longer ones are cut at a character, and say so */

/* Why a text was not answered, a closed set. In the stream: never renumbered. X(id, word) */
#define TF_TEXT_MISSES(X)                                                                          \
  X(NONE, "none")         /* it was */                                                             \
  X(FULL, "full")         /* too many waited */                                                    \
  X(DEADLINE, "deadline") /* its time was over before it was answered */                           \
  X(FAILED, "failed")     /* the model's answer was no number */                                   \
  X(STOPPED, "stopped")   /* the engine stopped while it waited */

typedef enum tf_text_miss {
#define TF_TEXT_MISS_ENUM_(id, word) TF_TEXT_MISS_##id,
  TF_TEXT_MISSES(TF_TEXT_MISS_ENUM_)
#undef TF_TEXT_MISS_ENUM_
      TF_TEXT_MISS_CNT
} tf_text_miss_t;

TF_INLINE const char *tf_text_miss_word(uint32_t miss) {
  static const char *const WORDS[] = {
#define TF_TEXT_MISS_WORD_(id, word) word,
      TF_TEXT_MISSES(TF_TEXT_MISS_WORD_)
#undef TF_TEXT_MISS_WORD_
  };
  return miss < TF_TEXT_MISS_CNT ? WORDS[miss] : "?";
}

typedef struct tf_text {
  uint64_t    ts_recv_ns, ts_event_ns; /* as of an event; ts_event 0: not said */
  uint64_t    id; /* a hash of source and the sender's id, or of the text where there is none */
  uint32_t    instrument_id;
  uint32_t    source;    /* a hash of who sent it ("reuters"); 0: not said */
  uint32_t    bytes_cnt; /* 1 .. TF_TEXT_BYTES_MAX */
  uint32_t    is_cut;
  const char *bytes; /* valid UTF-8; the caller's, until take returns */
} tf_text_t;

/* ---- the models, as the engine sees them ---- */

#define TF_TEXT_LABELS_MAX  32u
#define TF_TEXT_LABEL_BYTES 32u   /* with the closing NUL */
#define TF_TEXT_OUTPUTS_MAX 1024u /* labels and embedding in all */
#define TF_TEXT_LENGTHS_MAX 8u

/* What a model says of a text; without labels the first three are 0. */
typedef struct tf_text_reading {
  float    score;      /* the labels' weights by their probabilities */
  float    confidence; /* the label's probability */
  uint16_t label;      /* the likeliest, the first of equals */
  bool     is_cut;     /* it had more tokens than the model takes */
  uint32_t token_cnt;  /* with those at its ends */
} tf_text_reading_t;

/* Loaded and owned by kernels/text; immutable after. */
typedef struct tf_text_model tf_text_model_t;
struct tf_text_model {
  char     name[32];
  uint32_t label_cnt, embedding_cnt; /* 0: it does not classify; it does not embed */
  char     labels[TF_TEXT_LABELS_MAX][TF_TEXT_LABEL_BYTES];
  float    weights[TF_TEXT_LABELS_MAX];
  uint32_t length_cnt;
  uint32_t lengths
      [TF_TEXT_LENGTHS_MAX]; /* in tokens, ascending; the shortest that holds a text is run */
  tf_precision_t precision;
  uint32_t       hash; /* first 4 bytes, little endian, of the file's SHA-256 */
  char           sha256_hex[65];
  uint64_t       param_cnt;
  size_t         scratch_bytes; /* 64-byte aligned, a thread */
  /* One text; embedding: embedding_cnt floats, or NULL where they are not wanted. No allocation; the same bits for the same text.
   * False: not all that it said were numbers, and nothing of it is to be read. */
  bool (*read)(const tf_text_model_t *model, void *scratch, const char *bytes, uint32_t bytes_cnt,
               tf_text_reading_t *reading, float *embedding);
  void *own;
};

typedef struct tf_text_loader {
  tf_err_t (*load)(const char *path, const tf_model_options_t *options, tf_text_model_t **model);
  void (*unload)(tf_text_model_t *model); /* accepts NULL */
} tf_text_loader_t;

/* ---- how a feed hands one on ---- */

typedef struct tf_text_port {
  void *self;
  /* acquire's thread: copies, never waits. False: there is no room; the feed counts it. */
  bool (*take)(void *self, const tf_text_t *text);
} tf_text_port_t;

#endif
