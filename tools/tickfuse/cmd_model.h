/* What the verbs of `tickfuse model` share: their arguments, exit codes (0 done, 1 failed, 2 bad usage, 3 the data was
 * bad), and what several of them print. Each verb has a file of its own. */
#ifndef TF_TOOLS_CMD_MODEL_H
#define TF_TOOLS_CMD_MODEL_H

#include <jansson.h>

#include "model/loader.h"

#define TF_EXIT_FAILED 1
#define TF_EXIT_USAGE  2
#define TF_EXIT_DATA   3

typedef struct tf_cmd_model_args {
  const char         *command;
  const char         *file;
  const char         *features;
  const char         *features_file;
  const char         *schema_file;
  const char         *out;
  const char         *name;
  const char         *input;
  const char         *output;
  bool                plain;
  const char         *shape;
  const char         *backend;
  const char         *calibrate;
  const char         *config;
  const char         *vocab; /* of texts; NULL: rows of features */
  const char         *labels;
  const char         *lengths;
  bool                keeps_case;
  double              percentile; /* 0: not given */
  double              prune;      /* share of hidden units; 0: none */
  uint32_t            cluster;    /* values of a tensor; 0: any */
  double              seconds;
  uint32_t            window; /* 0: not given */
  bool                json;
  bool                profile;
  tf_loader_options_t options;
} tf_cmd_model_args_t;

/* The verbs; each returns its exit code. */
int tf_cmd_model_import(const tf_cmd_model_args_t *args);
int tf_cmd_model_inspect(const tf_cmd_model_args_t *args);
int tf_cmd_model_ops(const tf_cmd_model_args_t *args);
int tf_cmd_model_run(const tf_cmd_model_args_t *args);
int tf_cmd_model_bench(const tf_cmd_model_args_t *args);
int tf_cmd_model_verify(const tf_cmd_model_args_t *args);

/* A line on stderr; TF_EXIT_USAGE. */
int tf_cmd_model_usage(const char *command, const char *fmt, ...) TF_PRINTF(2, 3);
/* Prints the thread's error; its exit code. */
int tf_cmd_model_failed(const tf_cmd_model_args_t *args, tf_err_t err);
/* Prints a JSON object and lets go of it. */
int tf_cmd_model_print(json_t *object);

/* Steps of a plan, or layers and steps around a window. */
uint32_t tf_cmd_model_step_cnt(const tf_model_t *model);

/* What a tick costs, whichever kind of plan it is. */
typedef struct tf_cmd_model_costs {
  uint64_t    weight_bytes, timed_bytes, timed_flops, deferred_flops;
  const char *isa;
} tf_cmd_model_costs_t;

tf_cmd_model_costs_t tf_cmd_model_costs(const tf_model_t *model);
/* Behind "double": of which weights, where the file has them rounded. Of what rounding costs the known answers tell, which were
 * made before it. */
const char *tf_cmd_model_weights_note(const tf_graph_t *graph);
/* A line where the weights outgrow the core's own cache. */
void tf_cmd_model_cache_note(const tf_model_t *model);

#endif
