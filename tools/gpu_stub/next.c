#include "gpu_stub/next.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/error.h"
#include "model/loader.h"

tf_err_t stub_model_init(stub_model_t *m, const tf_model_t *model, uint32_t instrument_cnt) {
  *m         = (stub_model_t){.model = model};
  m->stride  = tf_align_up(model->state_bytes, TF_LINE_BYTES);
  m->scratch = aligned_alloc(TF_LINE_BYTES, tf_align_up(model->scratch_bytes + 1, TF_LINE_BYTES));
  bool has_windows = model->window > 1;
  if (has_windows && m->stride <= SIZE_MAX / instrument_cnt)
    m->states = aligned_alloc(TF_LINE_BYTES, m->stride * instrument_cnt);
  if (m->states) memset(m->states, 0, m->stride * instrument_cnt);
  if (m->scratch && (m->states || !has_windows)) return TF_OK;
  stub_model_fini(m);
  return TF_ERR(E_CORE_NO_MEMORY, "windows of %u instruments, %zu bytes each", instrument_cnt,
                tf_align_up(model->state_bytes, TF_LINE_BYTES));
}

void stub_model_fini(stub_model_t *m) {
  free(m->scratch);
  free(m->states);
  if (m->owned) tf_model_loader.unload(m->owned);
  memset(m, 0, sizeof *m);
}

/* ---- the thread ---- */

static tf_err_t load(stub_next_t *n) {
  const tf_mailbox_view_t *v     = n->view;
  tf_model_t              *model = NULL;
  char                     path[TF_MAILBOX_PATH_BYTES];
  memcpy(path, v->box->next_model, sizeof path);
  path[sizeof path - 1] = '\0';
  usleep((useconds_t)(n->faults->ns[STUB_FAULT_NEXT_SLOW] / TF_NS_PER_US));
  if (fault_hits(n->faults, STUB_FAULT_NEXT_DIE)) raise(SIGKILL);
  if (fault_hits(n->faults, STUB_FAULT_NEXT_KNOWN))
    return TF_ERR(E_MODEL_CHECK, "%s: a known answer is missed, as the faults want it", path);
  tf_err_t err = tf_model_loader.load(path, &n->load, &model);
  if (err) return err;
  if (model->input_cnt != v->input_cnt || model->output_cnt != v->output_cnt ||
      model->window != v->window || fault_hits(n->faults, STUB_FAULT_NEXT_SHAPE))
    err = TF_ERR(E_MODEL_SHAPE, "%s: shapes are other than those of the model that serves", path);
  if (!err) err = stub_model_init(&n->made, model, v->instrument_cnt);
  if (err)
    tf_model_loader.unload(model);
  else
    n->made.owned = model;
  return err;
}

static void *load_next(void *arg) {
  stub_next_t *n    = arg;
  n->err            = load(n);
  tf_mailbox_t *box = n->view->box;
  snprintf(box->next_text, sizeof box->next_text, "%s", n->err ? tf_error_text() : "");
  tf_store_release(&n->is_done, 1); /* pairs with: stub_next_look */
  return NULL;
}

/* ---- the serving thread ---- */

static void tell(stub_next_t *n, tf_err_t err) {
  tf_mailbox_t *box = n->view->box;
  box->next_failure = (uint32_t)err;
  tf_store_release(&box->next_done, n->seen_cnt); /* pairs with: await_next */
}

/* It is loaded, or refused. */
static bool take_up(stub_next_t *n, stub_model_t *now) {
  pthread_join(n->thread, NULL);
  n->is_busy = false;
  if (!n->err) {
    stub_model_fini(now);
    *now                         = n->made;
    n->made                      = (stub_model_t){0};
    n->view->box->model_hash_now = now->model->hash;
  }
  tell(n, n->err);
  return !n->err;
}

bool stub_next_look(stub_next_t *n, stub_model_t *now) {
  if (n->is_busy)
    return tf_load_acquire(&n->is_done) && take_up(n, now); /* pairs with: load_next */
  uint64_t cnt = tf_load_acquire(&n->view->box->next_cnt);  /* pairs with: send_next */
  if (cnt == n->seen_cnt) return false;
  n->seen_cnt = cnt;
  n->is_done  = 0;
  n->is_busy  = !pthread_create(&n->thread, NULL, load_next, n);
  if (!n->is_busy) tell(n, E_CORE_THREAD);
  return false;
}

void stub_next_end(stub_next_t *n) {
  if (n->is_busy) pthread_join(n->thread, NULL);
  n->is_busy = false;
  stub_model_fini(&n->made);
}
