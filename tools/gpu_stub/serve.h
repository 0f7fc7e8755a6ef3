/* The worker's side of a mailbox, answered by CPU kernels, and wrongly where it is told so. One thread; owns the model's window
 * states. */
#ifndef GPU_STUB_SERVE_H
#define GPU_STUB_SERVE_H

#include "faults/faults.h"
#include "tf/mailbox.h"
#include "tf/model.h"

typedef enum stub_fault {
#define F(id, name, kind, text) STUB_FAULT_##id,
#include "gpu_stub/faults.def"
#undef F
  STUB_FAULT_CNT
} stub_fault_t;

extern const fault_row_t stub_fault_rows[STUB_FAULT_CNT];

/* load: how another model is to be loaded. Until the engine says stop, its heart has stopped for 2 s, or a fault ends it. E_MODEL_SHAPE: the mailbox is of another
 * model. E_CORE_NO_MEMORY. */
tf_err_t stub_serve(tf_mailbox_view_t *view, const tf_model_t *model,
                    const tf_model_options_t *load, faults_t *faults);

/* Says FAILED with the thread's error record, for the engine to read. */
void stub_fail(tf_mailbox_t *box, tf_err_t err);

#endif
