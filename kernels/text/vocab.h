/* The vocabulary of a WordPiece tokeniser: words, and pieces that go on within a word ("##ing"), each with its number, which
 * is its line's. Found by a table of hashes, half full at most, that is made at load; a hash grows byte by byte, so one pass over a word has those of
 * all its beginnings.
 *
 * Control plane to make, any thread to read; immutable then. */
#ifndef TF_KERNELS_TEXT_VOCAB_H
#define TF_KERNELS_TEXT_VOCAB_H

#include "tf/err.h"

#define TF_VOCAB_TOKEN_CNT_MAX   (1u << 20)
#define TF_VOCAB_TOKEN_BYTES_MAX 256u
#define TF_VOCAB_NONE            UINT32_MAX

typedef struct tf_vocab {
  uint32_t  token_cnt;
  uint32_t  piece_bytes_max; /* of the longest, "##" not counted */
  uint32_t  slot_mask;
  uint32_t  pad, unknown, begin, end; /* [PAD] [UNK] [CLS] [SEP] */
  uint32_t *slots;                    /* 1 + the token; 0: free */
  uint32_t *at;                       /* (token_cnt + 1) of bytes */
  char     *bytes;
} tf_vocab_t;

/* A beginning's hash: of a word, or of what goes on. */
#define TF_VOCAB_WORD    UINT64_C(0xcbf29ce484222325)
#define TF_VOCAB_GOES_ON UINT64_C(0x9ae16a3b2f90404f)

TF_INLINE uint64_t tf_vocab_hash(uint64_t hash, uint8_t byte) {
  return (hash ^ byte) * UINT64_C(0x100000001b3); /* FNV-1a */
}

/* The token of these bytes, whose hash is hash; TF_VOCAB_NONE. */
uint32_t tf_vocab_find(const tf_vocab_t *vocab, uint64_t hash, bool goes_on, const uint8_t *bytes,
                       uint32_t cnt);

/* A token a line. E_MODEL_FORMAT naming label and line: empty, too long or no UTF-8, twice, or too many; or one of the four special tokens is
 * missing. E_CORE_NO_MEMORY. On failure vocab is empty. */
tf_err_t tf_vocab_init(tf_vocab_t *vocab, const char *label, const char *lines, size_t cnt);
void     tf_vocab_fini(tf_vocab_t *vocab); /* accepts a zeroed one */

#endif
