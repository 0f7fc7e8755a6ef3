/* A texts' model, loaded: tokens of a text, the shortest of its nets that holds them, the answer taken apart. What is behind the
 * tokens is masked, so a text's answer is the same bits whichever net runs it (test_text_model). */
#ifndef TF_KERNELS_TEXT_TEXT_MODEL_H
#define TF_KERNELS_TEXT_TEXT_MODEL_H

#include "tf/text.h"

/* load: E_FILE_OPEN, E_MODEL_*; E_MODEL_CHECK where a net's known answer is missed. */
extern const tf_text_loader_t tf_text_loader;

/* The same as read with the net of length idx, however short the text: what tests compare. */
bool tf_text_model_read_at(const tf_text_model_t *model, uint32_t length_idx, void *scratch,
                           const char *bytes, uint32_t bytes_cnt, tf_text_reading_t *reading,
                           float *embedding);
/* A text's tokens as model->read has them, into tokens, which has room for the longest length. */
uint32_t tf_text_model_tokens(const tf_text_model_t *model, const char *bytes, uint32_t bytes_cnt,
                              uint32_t *tokens, bool *is_cut);

#endif
