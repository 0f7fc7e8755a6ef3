/* Where a model is answered sooner: measured at the start, on rows of chance, the median of what the lane would wait.
 *
 *   CPU      run, or the timed step of a window; what is deferred is not in it, as on a tick
 *   worker   from the row to the answer, through the mailbox that the lane will use
 *
 * A worker has to be sooner by a quarter: it is one more process that can fail, and the next start is to come to the same
 * conclusion. And 99 of 100 of its answers have to come within the deadline.
 *
 * Control plane, before the start: the lane's side of the worker is in no other hands yet. */
#ifndef TF_BOOT_PLACEMENT_H
#define TF_BOOT_PLACEMENT_H

#include "boot/remotes_row.h"

/* What stands in is to have its answer so long after the deadline. */
#define TF_PLACEMENT_STAND_IN_NS (50 * TF_NS_PER_US)

/* The CPU's median, into place. E_CORE_NO_MEMORY. */
tf_err_t tf_placement_measure_cpu(tf_remotes_row_t *row, const tf_model_t *model);
/* The worker's, of which there is one that serves within start_ns, and the conclusion. */
void tf_placement_decide(tf_remotes_row_t *row, uint64_t start_ns);

#endif
