/* The feature schema of a model: the expressions whose values make its row, in order. Here they
 * are text with a canonical form (no blanks), compared byte by byte; the expression compiler of
 * the engine gives them meaning. */
#ifndef TF_KERNELS_MODEL_FEATURES_H
#define TF_KERNELS_MODEL_FEATURES_H

#include "tf/model.h"

typedef struct tf_features {
  uint32_t cnt;
  char (*names)[TF_MODEL_FEATURE_NAME_BYTES]; /* malloc'd; a fini frees it */
} tf_features_t;

/* Appends one expression, blanks taken out. Refused with E_MODEL_SCHEMA: nothing but blanks, longer
 * than TF_MODEL_FEATURE_NAME_BYTES - 1, a byte outside printable ASCII or a quote, parentheses that
 * do not match, one that is there already, more than TF_MODEL_INPUTS_MAX. */
tf_err_t tf_features_append(tf_features_t *features, const char *text, size_t bytes);

/* Appends a list: "mid, imbalance(5), zscore(mid, 500)". Commas inside parentheses belong to the
 * expression. */
tf_err_t tf_features_parse(tf_features_t *features, const char *list);

/* Appends each line of a file; # begins a comment, empty lines do not count. E_FILE_OPEN, or
 * E_MODEL_SCHEMA naming file and line. */
tf_err_t tf_features_read(tf_features_t *features, const char *path);

void tf_features_fini(tf_features_t *features); /* accepts a zeroed one */

#endif
