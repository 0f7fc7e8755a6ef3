/* A model file as a worker wants it: its graph, the same model for the CPU, and the program that a device would run.
 * Control plane; the caller's thread owns it. */
#ifndef TICKFUSE_GPU_LOAD_H
#define TICKFUSE_GPU_LOAD_H

#include "gpu/card.h"
#include "gpu/card_features.h"
#include "model/loader.h"

/* Where a model runs. */
typedef enum load_where {
  LOAD_PERSISTENT, /* a kernel that stays on the device and polls */
  LOAD_GRAPH, /* kernels launched a tick, as a captured graph: why says what no kernel that stays has */
  LOAD_CPU, /* no kernel for it: why says what is missing */
} load_where_t;

/* How a row comes to the kernel, and its blocks' results to one another: to measure one against another. */
typedef enum load_hand_over {
  LOAD_BEST,    /* whatever is best for the model */
  LOAD_BLOCK,   /* polled by one block, which has nobody to hand over to */
  LOAD_CLUSTER, /* by LOAD_BLOCKS of a cluster, through one another's shared memory */
  LOAD_MEMORY,  /* by as many, through the card's memory */
  LOAD_LAUNCH,  /* by a thread of the host that launches a graph */
  LOAD_HAND_OVER_CNT
} load_hand_over_t;
#define LOAD_BLOCKS 8u

typedef struct load_spec {
  tf_model_options_t model;
  load_hand_over_t   hand_over;
} load_spec_t;

/* What is computed before the model's rows are there; view.image NULL: nothing, it is sent rows. */
typedef struct load_features {
  tf_plan_view_t view; /* of the mailbox */
  uint32_t       instrument_cnt;
  uint32_t       batch_max; /* rows of a request */
} load_features_t;

typedef struct loaded {
  const char        *path; /* the caller's */
  load_spec_t        spec;
  load_features_t    features;
  tf_model_t        *model;
  tf_graph_t         graph;
  tf_card_program_t *program; /* NULL where it is LOAD_CPU */
  load_where_t       where;
  char               why[512]; /* of each kind that was refused */
} loaded_t;

/* features NULL: as a zeroed one. E_FILE_*, E_MODEL_* of the file itself, its known answers on the CPU included. That no kernel can run it is no failure:
 * where and why say so. */
tf_err_t load_model(const char *path, const load_spec_t *spec, const load_features_t *features,
                    const tf_card_limits_t *limits, loaded_t *loaded);
void     load_free(loaded_t *loaded); /* accepts a zeroed one */

/* The part of program that answers rows, as known answers want it, and where it begins. */
const tf_card_program_t *load_rows_program(const loaded_t *loaded, uint64_t *offset);

/* "best", "block", "cluster", "memory", "launch". False: it is none. */
bool        load_parse_hand_over(const char *text, load_hand_over_t *hand_over);
const char *load_where_name(load_where_t where); /* "persistent", "graph", "cpu" */

#endif
