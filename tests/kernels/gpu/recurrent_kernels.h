/* The recurrent kind on fibers: by a script, and behind a mailbox. */
#ifndef TESTS_RECURRENT_KERNELS_H
#define TESTS_RECURRENT_KERNELS_H

#include "gpu/card.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct recurrent_tick {
  uint32_t instrument;
  bool     is_reset; /* before */
  uint32_t pieces;   /* of deferred work asked for afterwards */
} recurrent_tick_t;

typedef struct recurrent_script {
  const tf_card_program_t *program;
  uint8_t                 *states, *scratch;
  const recurrent_tick_t  *ticks;
  uint32_t                 tick_cnt;
  const float             *rows;  /* (tick_cnt, input_cnt) */
  float                   *out;   /* (tick_cnt, output_cnt) */
  uint8_t                 *steps; /* (tick_cnt) tf_card_step_t */
  uint32_t                 leave;
} recurrent_script_t;

typedef void (*recurrent_kernel_t)(void *args);
/* args: a recurrent_script_t. In dynamic shared memory: the program's, then the row and the outputs. */
recurrent_kernel_t recurrent_script_kernel(tf_precision_t precision);
/* args: a tf_card_args_t. */
recurrent_kernel_t recurrent_loop_kernel(tf_precision_t precision);

#ifdef __cplusplus
}
#endif

#endif
