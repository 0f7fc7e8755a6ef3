/* Loading a model file into the object of tf/model.h. The loader that boot is given is
 * tf_model_loader; tf_loader_load is the same with the parts that the command line wants to see.
 *
 * A model is handed out only after it has reproduced the known answers that its file holds: the
 * importer computed them in double from the ONNX graph, so a plan that fuses or packs wrongly, a
 * damaged weight, or a CPU that miscalculates is found here and not in a decision. */
#ifndef TF_KERNELS_MODEL_LOADER_H
#define TF_KERNELS_MODEL_LOADER_H

#include "model/plan.h"

/* How far a known answer may be off: times the greater of 1 and its magnitude. float carries about
 * 1e-7; the error of sums over a few hundred inputs stays under 2e-6. */
#define TF_LOADER_CHECK_ERROR_MAX 1e-5

extern const tf_model_loader_t tf_model_loader;

/* Loads for one instruction set. graph may be NULL; otherwise it is filled, and the caller's to
 * fini. E_FILE_OPEN, E_FILE_DAMAGED, E_MODEL_*; E_MODEL_CHECK where a known answer is missed. */
tf_err_t tf_loader_load(const char *path, tf_op_isa_t isa, tf_model_t **model, tf_graph_t *graph);
void     tf_loader_unload(tf_model_t *model); /* accepts NULL */

/* Runs the graph's known answers through a plan. error_max: the greatest difference, relative as
 * above; may be NULL. E_MODEL_CHECK. */
tf_err_t tf_loader_check(const tf_graph_t *graph, const tf_plan_t *plan, double *error_max);

#endif
