/* The kernel of a net's program, for test_card_net.c: without a loop around it, and with. */
#ifndef TESTS_NET_KERNELS_H
#define TESTS_NET_KERNELS_H

#include "gpu/card.h"

#ifdef __cplusplus
extern "C" {
#endif

/* row_cnt rows of instruments in turn; each answered into out (row_cnt, output_cnt). */
typedef struct net_args {
  const tf_card_program_t *program;
  uint8_t                 *states, *scratch;
  const uint32_t          *instruments; /* (row_cnt) */
  const uint8_t
      *advances;         /* (row_cnt) pieces of deferred work behind the row, at most; NULL: none */
  const uint8_t *resets; /* (row_cnt) ahead of the row; NULL: none */
  const float   *rows;
  uint32_t       row_cnt;
  float         *out;
  uint8_t       *steps; /* (row_cnt) tf_card_step_t */
} net_args_t;

void kernel_net(void *args);
void kernel_net_loop(void *args); /* tf_card_args_t */

#ifdef __cplusplus
}
#endif

#endif
