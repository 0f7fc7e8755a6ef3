/* What the labels that a model gives to texts are called (tf/text.h): the same for all its versions in a run, so their words go
 * out once, beside events that have the numbers. */
#ifndef TF_LABELS_H
#define TF_LABELS_H

#include "tf/atomic.h"

#define TF_LABELS_MAX  32u
#define TF_LABEL_BYTES 32u /* with the closing NUL */

typedef struct tf_labels {
  uint32_t
       cnt; /* 0: not known. Written once by the control plane, with release, behind the words */
  char words[TF_LABELS_MAX][TF_LABEL_BYTES];
} tf_labels_t;

/* Any thread: those below it may be read. labels may be NULL. */
TF_INLINE uint32_t tf_labels_cnt(const tf_labels_t *labels) {
  return labels ? tf_load_acquire_u32(&labels->cnt)
                : 0; /* pairs with: name_labels, text_source.c */
}

/* NULL: not known. */
TF_INLINE const char *tf_labels_word(const tf_labels_t *labels, uint32_t label) {
  return label < tf_labels_cnt(labels) ? labels->words[label] : NULL;
}

#endif
