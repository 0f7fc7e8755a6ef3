/* A texts' model as one .safetensors file, so that what it is made of has one hash:
 *
 *   format  "tickfuse-texts", version "1", name
 *   labels  [["negative", -1.0], ["neutral", 0.0]]: what it tells apart, each with its weight in a score; [] of an embedder
 *   lowers  "true" where its vocabulary is of lower case
 *   vocab   U8, its lines (vocab.h)
 *   net.N   U8, for each length N in tokens: a whole model file (model/graph_file.h) over a window of N rows of token and mask. Its
 *           outputs are the labels' probabilities, then the embedding; either may be missing
 *
 * Each length holds all weights again: a file of four is four times as large, and needs no shapes at run time. Control plane. */
#ifndef TF_KERNELS_TEXT_TEXT_FILE_H
#define TF_KERNELS_TEXT_TEXT_FILE_H

#include "model/safetensors.h"
#include "tf/text.h"

#define TF_TEXT_FILE_FORMAT     "tickfuse-texts"
#define TF_TEXT_FILE_VERSION    "1"
#define TF_TEXT_FILE_VOCAB      "vocab"
#define TF_TEXT_FILE_NET        "net.%u"
#define TF_TEXT_FILE_COLUMNS    2u /* token, mask */
#define TF_TEXT_FILE_LENGTH_MAX 512u
/* Softmax keeps far within. */
#define TF_TEXT_FILE_SUM_ERROR_MAX 1e-3

typedef struct tf_text_file_part {
  const void *bytes;
  size_t      cnt;
} tf_text_file_part_t;

/* What a file says of itself: name, labels, weights and lengths of model, and whether it lowers. E_MODEL_FORMAT naming label. */
tf_err_t tf_text_file_read(const tf_safetensors_t *st, const char *label, tf_text_model_t *model,
                           bool *lowers);
/* nets: model->length_cnt of them. E_FILE_WRITE, E_MODEL_FORMAT. */
tf_err_t tf_text_file_write(const char *path, const tf_text_model_t *model, bool lowers,
                            const tf_text_file_part_t *vocab, const tf_text_file_part_t *nets);

/* "negative:-1,neutral:0,positive:1" into model's labels and weights. E_MODEL_FORMAT. */
tf_err_t tf_text_file_labels(const char *text, tf_text_model_t *model);
/* A label: letters, digits, - and _, none twice; its weight is finite. E_MODEL_FORMAT. */
tf_err_t tf_text_file_add_label(const char *where, const char *name, size_t cnt, double weight,
                                tf_text_model_t *model);
/* Lengths ascend, multiples of 8 (whose sums in softmax are the same bits, op/softmax.c), 8 to TF_TEXT_FILE_LENGTH_MAX. E_MODEL_FORMAT. */
tf_err_t tf_text_file_add_length(const char *where, uint64_t length, tf_text_model_t *model);

#endif
