/* Texts (news, alerts) on their way to the models that read them. A feed hears a text and hands it on; a thread of its own
 * tokenises, embeds and classifies it, and what comes of it enters the stream as an event (TF_EVENT_TEXT), at acquire, so
 * that a capture holds it and a replay obeys it without reading the text again.
 *
 *   acquire: feed --take--> [ the texts' thread: kernels/text ] --answer--> acquire: publish --> lane: features, tick */
#ifndef TF_TEXT_H
#define TF_TEXT_H

#include "tf/base.h"

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

typedef struct tf_text_port {
  void *self;
  /* acquire's thread: copies, never waits. False: there is no room; the feed counts it. */
  bool (*take)(void *self, const tf_text_t *text);
} tf_text_port_t;

#endif
