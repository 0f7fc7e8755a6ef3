/* A texts' model out of an ONNX encoder and its vocabulary, offline. The ONNX file has inputs of tokens and of a mask, [batch, tokens], and where it
 * has one of types (a name with "type" or "segment") it is 0; one output, [batch, labels + embedding], the labels' probabilities
 * first, of which either may be missing. It is imported once for each length (model/import_onnx.h). Control plane. */
#ifndef TF_KERNELS_TEXT_TEXT_IMPORT_H
#define TF_KERNELS_TEXT_TEXT_IMPORT_H

#include "tf/text.h"

typedef struct tf_text_import_spec {
  const char *name, *onnx, *output,
      *vocab;          /* paths; output: which of the file's; NULL: the only one */
  const char *labels;  /* "negative:-1,neutral:0,positive:1"; NULL: it embeds alone */
  const char *lengths; /* "16,32,64" */
  bool        lowers;
} tf_text_import_spec_t;

/* Writes path, its weights in the precision of options, and loads it again; *model is the caller's to unload. E_FILE_*, E_MODEL_*. */
tf_err_t tf_text_import(const tf_text_import_spec_t *spec, const char *path,
                        const tf_model_options_t *options, tf_text_model_t **model);

#endif
