#include "tickfuse_gpu/next.h"

#include <string.h>
#include <time.h>

#include "core/clock.h"
#include "core/error.h"
#include "tickfuse_gpu/known.h"

#define TAKE_UP_NS (2 * TF_NS_PER_SEC)

bool next_has_room(const tf_card_program_t *program, const tf_card_limits_t *limits) {
  if (program->kind == TF_CARD_GRAPH) return true; /* they end */
  /* A persistent block may take all of an SM's shared memory: counted a block an SM. */
  return 2ull * program->block_cnt <= limits->sm_cnt;
}

/* The kernel looks at slot between two requests, and says which one it uses. */
static tf_err_t take_up(next_t *n, uint32_t slot) {
  tf_card_control_t *control  = n->main->control;
  uint64_t           begun_ns = tf_clock_monotonic_ns();
  tf_store_release_u32(&control->slot, slot); /* pairs with: the kernel, between requests */
  while (tf_load_acquire_u32(&control->slot_used) != slot) { /* pairs with: the kernel's word */
    if (tf_clock_monotonic_ns() - begun_ns > TAKE_UP_NS * device_patience())
      return TF_ERR(E_GPU_HANG, "the kernel did not take the other model up");
    nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
  }
  return TF_OK;
}

static tf_err_t put(next_t *n, const loaded_t *l) {
  if (!l->program) return TF_ERR(E_MODEL_UNSUPPORTED, "%s", l->why);
  const char *other = slots_differ(l->program, n->first->program);
  if (other)
    return TF_ERR(E_MODEL_SHAPE,
                  "%s: %s are other than those of the model that serves: start another worker",
                  l->path, other);
  /* relaxed: this thread is its only writer after the start */
  uint32_t    slot  = 1 - tf_load_relaxed_u32(&n->main->control->slot);
  watch_end_t ended = WATCH_GOES_ON;
  tf_err_t    err   = slots_write(n->slots, slot, l->program);
  if (!err && n->has_room) err = known_ask(n->trial, slot, l, n->box, &ended, NULL);
  if (!err && ended) return TF_ERR(E_MODEL_BUSY, "the worker ends");
  if (!err) err = room_prepare(n->main, slot, l->program);
  if (!err) err = take_up(n, slot);
  return err;
}

static void *load_next(void *arg) {
  next_t  *n = arg;
  char     path[TF_MAILBOX_PATH_BYTES];
  loaded_t l = {0};
  memcpy(path, n->box->next_model, sizeof path);
  path[sizeof path - 1] = '\0';
  tf_err_t err          = load_model(path, &n->first->spec, &n->first->features, &n->limits, &l);
  if (!err) err = put(n, &l);
  snprintf(n->box->next_text, sizeof n->box->next_text, "%s", err ? tf_error_text() : "");
  n->box->next_failure = (uint32_t)err;
  if (!err) n->box->model_hash_now = l.model->hash;
  load_free(&l);
  tf_store_release(&n->box->next_done, n->seen_cnt); /* pairs with: the engine that asked */
  tf_store_release(&n->is_done, 1);                  /* pairs with: next_look */
  return NULL;
}

void next_look(next_t *n) {
  if (n->is_busy) {
    if (tf_load_acquire(&n->is_done)) next_end(n); /* pairs with: load_next */
    return;
  }
  uint64_t cnt = tf_load_acquire(&n->box->next_cnt); /* pairs with: the engine that asks */
  if (cnt == n->seen_cnt) return;
  n->seen_cnt = cnt;
  n->is_done  = 0;
  n->is_busy  = !pthread_create(&n->thread, NULL, load_next, n);
  if (n->is_busy) return;
  snprintf(n->box->next_text, sizeof n->box->next_text, "no thread to load it");
  n->box->next_failure = (uint32_t)E_CORE_THREAD;
  tf_store_release(&n->box->next_done, cnt); /* pairs with: the engine that asked */
}

void next_end(next_t *n) {
  if (n->is_busy) pthread_join(n->thread, NULL);
  n->is_busy = false;
}
