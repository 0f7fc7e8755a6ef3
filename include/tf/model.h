/* A loaded model as the compute stage sees it. kernels/model loads and owns it; it is immutable
 * after load, so lanes share it, each with a scratch of its own. */
#ifndef TF_MODEL_H
#define TF_MODEL_H

#include "tf/err.h"
#include "tf/isa.h"

#define TF_MODEL_INPUTS_MAX         1024
#define TF_MODEL_OUTPUTS_MAX        256 /* a row for another model; 32 steps ahead are 96 at most */
#define TF_MODEL_FEATURE_NAME_BYTES 64
#define TF_MODEL_ROWS_MAX           64 /* that run_many and step_many take at once */

/* What weights and rows are multiplied in; fp16 rounds weights alone. Sums, states and activations are float throughout. */
typedef enum tf_precision {
  TF_PRECISION_FP32,
  TF_PRECISION_BF16,
  TF_PRECISION_FP16,
  TF_PRECISION_INT8,
  TF_PRECISION_CNT,
  TF_PRECISION_AUTO = TF_PRECISION_CNT /* of options alone: what the file's weights are stored in */
} tf_precision_t;

typedef struct tf_model tf_model_t;
struct tf_model {
  char           name[32];
  uint32_t       input_cnt;  /* features in a row */
  uint32_t       output_cnt; /* 1: score; 3: p10, p50, p90; as many for each step ahead */
  uint64_t       param_cnt;
  tf_precision_t precision;
  double error_max; /* that its known answers were allowed, relative to the greater of 1 and each */
  uint32_t hash;    /* first 4 bytes, little endian, of the file's SHA-256 */
  char     sha256_hex[65];
  char (*features)[TF_MODEL_FEATURE_NAME_BYTES]; /* input_cnt canonical feature expressions */
  char  *schema;        /* of the rows it was trained on (boot/feature_schema.h); NULL: not told */
  size_t scratch_bytes; /* 64-byte aligned, per lane */
  /* One row in, output_cnt floats out. No allocation, no failure. The same bits for the same row
   * whatever was run before. */
  void (*run)(const tf_model_t *model, void *scratch, const float *row, float *out);

  /* cnt rows (1 .. TF_MODEL_ROWS_MAX), one behind the other, and their outputs likewise: the bits of cnt runs, for less, as
   * weights are read once. many_scratch_bytes of scratch, 64-byte aligned. NULL: one by one is as good. */
  size_t many_scratch_bytes;
  void (*run_many)(const tf_model_t *model, void *scratch, const float *rows, uint32_t cnt,
                   float *out);

  /* A model over a sliding window of rows (window > 1) keeps a state an instrument, no pointers in it,
   * and answers with step instead of run. The answer is that of the window's rows from a zero state,
   * exactly, at the latency of one row: what the open windows have in common is advanced beforehand.
   *   step     the timed path: the newest row completes the oldest open window
   *   advance  the deferred work, after the decision has left; step does what is left of it first
   * step returns false, and writes nothing, until window rows were seen. */
  uint32_t window;      /* rows; 1 (or 0): each row by itself, run */
  size_t   state_bytes; /* an instrument, 64-byte aligned; 0 where window <= 1 */
  void (*reset)(const tf_model_t *model, void *state);
  bool (*step)(const tf_model_t *model, void *state, void *scratch, const float *row, float *out);
  void (*advance)(const tf_model_t *model, void *state, void *scratch);

  /* The timed path of cnt windows at once (1 .. TF_MODEL_ROWS_MAX, each of another instrument): row i goes into states[i].
   * The bits and states of cnt steps, for less, as run_many; answered[i] is what step i would return, and where it is true its
   * outputs are at out + i * output_cnt. many_scratch_bytes of scratch. NULL: one by one. */
  void (*step_many)(const tf_model_t *model, void *const *states, void *scratch, const float *rows,
                    uint32_t cnt, float *out, bool *answered);

  /* Of a model of two lanes: does what step has ordered, on a second thread that calls it over and over; how many jobs that were.
   * step does without where it is not called. Then one thread at a time may call step. NULL: a model of one lane. */
  uint32_t (*assist)(const tf_model_t *model);
  const uint64_t *
      helper_late_cnt; /* orders that were not done in time; by the thread that steps. NULL where assist is */

  void *plan; /* kernels/model's own */
};

/* How a model is to be loaded. */
typedef struct tf_model_options {
  tf_precision_t precision;
  double         error_max;  /* of the file's known answers; 0: what the precision usually allows */
  bool           isa_forced; /* isa instead of the best of this CPU, which must have it */
  tf_isa_t       isa;
  uint32_t       lanes; /* 2: a helper thread shares a step's products; 0 or 1: none */
} tf_model_options_t;

/* How boot gets one without knowing kernels/model. The error text names file, tensor or node. */
typedef struct tf_model_loader {
  tf_err_t (*load)(const char *path, const tf_model_options_t *options, tf_model_t **model);
  /* The same of a file's bytes, which are the caller's; label stands for the file in errors. */
  tf_err_t (*load_bytes)(const char *label, const uint8_t *bytes, size_t bytes_cnt,
                         const tf_model_options_t *options, tf_model_t **model);
  void (*unload)(tf_model_t *model);
} tf_model_loader_t;

#endif
