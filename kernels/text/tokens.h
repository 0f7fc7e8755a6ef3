/* A text's tokens as BERT's models were trained on them: BERT's basic tokeniser, then WordPiece, the longest piece first
 * (J. Devlin and others, "BERT", 2019, and its tokenization.py; Y. Wu and others, "Google's Neural Machine Translation System",
 * 2016, section 4.1).
 *
 *   characters --> others dropped --> ideographs apart --> (lowers: decomposed, marks dropped, lower case) -->
 *   words at spaces and punctuation --> pieces; [UNK] for a word that is not all pieces, or of over TF_TOKENS_WORD_CHARS_MAX
 *
 * [CLS] stands before them and [SEP] behind. Words such as "[SEP]" in a text are brackets and letters, never the special token.
 * Pure; no allocation. Cost: one pass, a few lookups a word; it ends where there is no more room. */
#ifndef TF_KERNELS_TEXT_TOKENS_H
#define TF_KERNELS_TEXT_TOKENS_H

#include "text/vocab.h"

#define TF_TOKENS_WORD_CHARS_MAX 100u
#define TF_TOKENS_CNT_MIN        3u /* room for one between [CLS] and [SEP] */

/* Into tokens, which has room for cap (TF_TOKENS_CNT_MIN or more); how many. is_cut: there were more. bytes: UTF-8. */
uint32_t tf_tokens_of(const tf_vocab_t *vocab, bool lowers, const char *bytes, size_t bytes_cnt,
                      uint32_t *tokens, uint32_t cap, bool *is_cut);

#endif
