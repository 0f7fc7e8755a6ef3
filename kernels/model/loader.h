/* Loading a model file into the object of tf/model.h. The loader that boot is given is
 * tf_model_loader; tf_loader_load is the same with the parts that the command line wants to see.
 *
 * A model is handed out only after it has reproduced the known answers that its file holds: the
 * importer computed them in double from the ONNX graph, so a plan that fuses or packs wrongly, a
 * damaged weight, a CPU that miscalculates, or a precision too coarse for this model is found here and
 * not in a decision. */
#ifndef TF_KERNELS_MODEL_LOADER_H
#define TF_KERNELS_MODEL_LOADER_H

#include "model/net_stream.h"
#include "model/plan.h"
#include "model/window.h"

/* How far a known answer may be off where the options say nothing: times the greater of 1 and its
 * magnitude. float carries about 1e-7; the error of sums over a few hundred inputs stays under 2e-6. Of
 * the others 8 bits are left of each weight and value, or 11 of each weight. What the known answers of the families in
 * tests/golden/models and of models/ needed at most: 0.005 in bf16 (transformer), 0.00043 in fp16 and 0.0094 in int8 (activations; example-lstm
 * 0.01) (model verify, 2026-11-22). Five times that is allowed. */
#define TF_LOADER_ERROR_MAX_FP32 1e-5
#define TF_LOADER_ERROR_MAX_BF16 0.025
#define TF_LOADER_ERROR_MAX_FP16 0.0025
#define TF_LOADER_ERROR_MAX_INT8 0.05

extern const tf_model_loader_t tf_model_loader;

typedef struct tf_loader_options {
  tf_isa_t           isa; /* what runs; the model's own isa is not looked at here */
  tf_model_options_t model;
  bool is_whole; /* a net's windows are asked whole and alone (tf_loader_answer): none slides */
} tf_loader_options_t;

/* For this CPU, as the file says. */
tf_loader_options_t tf_loader_preset(void);
double tf_loader_error_max(const tf_model_options_t *options, tf_precision_t precision);

/* Loads as options say. graph may be NULL; otherwise it is filled, and the caller's to fini.
 * E_FILE_OPEN, E_FILE_DAMAGED, E_MODEL_*; E_MODEL_CHECK where a known answer is missed. */
tf_err_t tf_loader_load(const char *path, const tf_loader_options_t *options, tf_model_t **model,
                        tf_graph_t *graph);
void     tf_loader_unload(tf_model_t *model); /* accepts NULL */

/* A model of a graph that is in no file: sha256_hex and hash are empty. E_MODEL_*, E_CORE_*. */
tf_err_t tf_loader_make(const tf_graph_t *graph, const tf_loader_options_t *options,
                        tf_model_t **model);

/* A model's plan, by what it is and its window. */
const tf_net_plan_t *tf_loader_net(const tf_model_t *model);    /* of no chain; else NULL */
const tf_plan_t     *tf_loader_plan(const tf_model_t *model);   /* of one row; else NULL */
const tf_window_t   *tf_loader_window(const tf_model_t *model); /* of more; else NULL */
/* How a net's window slides; NULL where each tick recomputes it, for the reason that *why then is (may be NULL). */
const tf_net_stream_t *tf_loader_stream(const tf_model_t *model, const char **why);

/* What answers windows one by one: a state and a scratch. Control plane. */
typedef struct tf_loader_session {
  const tf_model_t *model;
  void             *state; /* NULL for a window of one row */
  void             *scratch;
} tf_loader_session_t;

/* E_CORE_NO_MEMORY. */
tf_err_t tf_loader_session_init(tf_loader_session_t *session, const tf_model_t *model);
void     tf_loader_session_fini(tf_loader_session_t *session); /* accepts a zeroed one */
/* The answer to a window of rows, from a zero state. */
void tf_loader_answer(const tf_loader_session_t *session, const float *rows, float *out);

/* Runs the graph's known answers through a model. error_max: the greatest difference, relative as
 * above; may be NULL. E_MODEL_CHECK beyond what options allow. */
tf_err_t tf_loader_check(const tf_graph_t *graph, const tf_model_t *model,
                         const tf_model_options_t *options, double *error_max);

#endif
