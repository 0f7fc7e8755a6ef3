/* What `tickfuse model import` may do so that a model takes less: fewer units, fewer values, fewer bits. Each step's model is made, timed, and
 * compared with the one in fp32 on rows of the market. */
#ifndef TF_TOOLS_CMD_MODEL_REDUCE_H
#define TF_TOOLS_CMD_MODEL_REDUCE_H

#include "cmd_model.h"
#include "model/calibrate.h"

/* A model on the way: as imported, then after each step. */
#define TF_CMD_MODEL_STEPS_MAX 6u
typedef struct tf_cmd_model_step {
  char     what[32]; /* "fp32", "12 of 16 units", "int8" */
  uint64_t param_cnt;
  uint64_t weight_bytes; /* as packed */
  uint64_t p50_ns;       /* of the timed path, warm */
  double   error_max;    /* on the rows; of the first one 0 */
} tf_cmd_model_step_t;

typedef struct tf_cmd_model_reduction {
  uint32_t             step_cnt; /* 0: nothing was asked for */
  tf_cmd_model_step_t  steps[TF_CMD_MODEL_STEPS_MAX];
  uint64_t             row_cnt;
  uint32_t             range_window_cnt; /* that ranges were taken from; 0: none are kept, by row */
  tf_calibrate_error_t error;            /* of what is kept */
} tf_cmd_model_reduction_t;

/* Whether args ask for rows, and name what is needed; 0, or the exit code. */
int tf_cmd_model_reduce_check(const tf_cmd_model_args_t *args);
/* Reduces graph as args say. E_MODEL_CHECK past the error that is allowed, E_FILE_* and E_MODEL_* of the rows. */
tf_err_t tf_cmd_model_reduce(const tf_cmd_model_args_t *args, tf_graph_t *graph,
                             tf_cmd_model_reduction_t *done);
/* The report: lines, or what goes into the JSON object. */
void tf_cmd_model_reduce_print(const tf_cmd_model_reduction_t *done);
void tf_cmd_model_reduce_json(const tf_cmd_model_reduction_t *done, json_t *object);

#endif
