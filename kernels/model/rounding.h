/* Weights of fewer bits: rounded in a graph before it is written, and as a model file stores them. A tensor that products alone
 * make use of (products.h), and one node, is BF16, F16 or I8 there; of I8 a tensor NAME.scale (F32) has the scales, output by output, of
 * each product of the tensor: a weight is its integer, -127 to 127, times its output's scale. Such a scale comes out of
 * its own weights again bit for bit, so what was measured at import is what a file makes at load. Clustered weights (cluster.h) are U8, numbers
 * of the values in NAME.codebook (F32), in any precision: they are rounded to it when they are packed. Control plane. */
#ifndef TF_KERNELS_MODEL_ROUNDING_H
#define TF_KERNELS_MODEL_ROUNDING_H

#include "model/products.h"
#include "model/safetensors.h"

#define TF_ROUNDING_SCALE_SUFFIX    ".scale"
#define TF_ROUNDING_CODEBOOK_SUFFIX ".codebook"
/* Scales of I8: 0, or from here to there, so that no weight is denormal or infinite. */
#define TF_ROUNDING_SCALE_MIN 1e-32f
#define TF_ROUNDING_SCALE_MAX 1e36f

/* E_MODEL_WEIGHTS where a product's weight is beyond what the precision can hold (fp16: TF_FP16_MAX). */
tf_err_t tf_rounding_check(const tf_graph_t *graph, tf_precision_t precision);
/* Rounds the weights in place, but for clustered ones; graph->precision says so from then on. E_MODEL_WEIGHTS as above, and nothing was changed. */
tf_err_t tf_rounding_apply(tf_graph_t *graph, tf_precision_t precision);

/* ---- writing: sources as graph->precision has them ---- */

/* Turns sources (source_cnt, room for as many again) that are products' weights into what is stored, and appends scales. names: of the
 * sources, with room likewise. *block is the caller's to free. E_CORE_NO_MEMORY. */
tf_err_t tf_rounding_encode(const tf_graph_t *graph, tf_safetensors_source_t *sources,
                            uint32_t *source_cnt, char (*names)[TF_GRAPH_NAME_BYTES], void **block);

/* ---- reading ---- */

/* Tensors of a file as they are taken out of it, each once. */
typedef struct tf_rounding_reader {
  const tf_safetensors_t *st;
  bool                    used[TF_SAFETENSORS_TENSOR_CNT_MAX];
  float                  *scaled[TF_SAFETENSORS_TENSOR_CNT_MAX]; /* of I8: integers so far */
} tf_rounding_reader_t;

/* A copy of tensor idx as floats (malloc'd); of I8 its integers, until tf_rounding_scale. E_MODEL_UNSUPPORTED for another type,
 * E_MODEL_WEIGHTS for -128 and for a number past the codebook, E_MODEL_FORMAT without one, E_CORE_NO_MEMORY. */
tf_err_t tf_rounding_take(tf_rounding_reader_t *reader, uint32_t idx, float **values);
/* With the graph complete: multiplies by the scales. E_MODEL_FORMAT for an I8 tensor that is no product's, or that has no scales;
 * E_MODEL_SHAPE, E_MODEL_WEIGHTS for scales that are not as said above. */
tf_err_t tf_rounding_scale(tf_rounding_reader_t *reader, const tf_graph_t *graph);

#endif
