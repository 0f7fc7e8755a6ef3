/* The worker of the version that serves. A swap (boot/model_server.h) reaches the lane as an event; from there on the CPU answers, and
 *
 *   SERVES      the lane's version is another one        --> the offer is taken back
 *   WITHDRAWN   the lane has left the worker             --> its supervisor is told of the version's file
 *   LOADING     the worker has proved it and taken it up --> SERVES: it is offered anew, windows begin anew
 *               it wants a process of its own            --> SERVES: one is started beside, the old one ended once it is left
 *               it refuses it                            --> WITHDRAWN: the CPU goes on, until yet another version serves
 *
 * All by the thread that watches. The model that answers are compared with is the lane's own, held at the model server. */
#include <string.h>

#include "boot/model_child.h"
#include "boot/model_server.h"
#include "boot/remotes_row.h"
#include "core/clock.h"
#include "core/error.h"
#include "core/log.h"

static const char *name_of(const tf_remotes_t *rs, const tf_remotes_row_t *row) {
  return rs->engine->config->models[row->model_idx].name;
}

/* ---- the model to compare with ---- */

static void let_go(const tf_remotes_t *rs, tf_remotes_row_t *row) {
  if (row->reference && rs->engine->model_server)
    tf_model_server_let_go(rs->engine->model_server, row->model_idx, row->reference);
  row->reference = NULL;
}

/* The loaded version of that hash. E_MODEL_VERSION: the server has not got as far, or is past it. E_CORE_NO_MEMORY. */
static tf_err_t take_reference(tf_remotes_t *rs, tf_remotes_row_t *row, uint32_t hash) {
  const tf_engine_t *e    = rs->engine;
  const tf_model_t  *held = e->models[row->model_idx];
  if (e->config->models[row->model_idx].registry && e->model_server)
    held = tf_model_server_hold(e->model_server, row->model_idx, hash);
  if (!held || held->hash != hash)
    return TF_ERR(E_MODEL_VERSION, "model %s: no version of hash %08x is loaded", name_of(rs, row),
                  hash);
  tf_err_t err = tf_remote_check_init(&row->check, held);
  let_go(rs, row); /* what was compared with until now */
  row->reference = held;
  return err;
}

void tf_remotes_follow_end(tf_remotes_t *rs, tf_remotes_row_t *row) {
  tf_remote_check_fini(&row->check);
  let_go(rs, row);
}

/* ---- offers ---- */

static void offer(tf_remotes_row_t *row, uint32_t hash) {
  row->serial++;
  row->remote->offers[row->serial % 2] = (tf_remote_offer_t){.worker = row->child, .hash = hash};
  tf_store_release(&row->remote->offered, row->serial); /* pairs with: has_worker */
}

static bool is_taken(const tf_remotes_row_t *row) {
  return tf_load_acquire(&row->remote->taken) == row->serial; /* pairs with: has_worker */
}

/* The words that the worker in hand was not started with. */
static tf_worker_words_t *spare_words(tf_remotes_row_t *row) {
  return &row->words[1 - row->words_idx];
}

/* A process of its own, of the reference; what answered before is left to the lane until it has taken this one. */
static tf_err_t start_process(tf_remotes_t *rs, tf_remotes_row_t *row, uint64_t number) {
  const tf_config_t *c     = rs->engine->config;
  tf_worker_words_t *words = spare_words(row);
  const tf_remote_t *r     = row->remote;
  tf_mailbox_spec_t  box   = {0};
  tf_child_t        *made  = NULL;
  char               path[TF_WORKER_PATH_BYTES];
  if (r->market)
    box = tf_card_plan_mailbox(&rs->engine->card_plans[row->model_idx], r->config.width,
                               r->config.window);
  tf_model_child_file(c, row->model_idx, number, path);
  tf_err_t err = tf_worker_find_or_say(c, row->model_idx, words->program);
  if (!err)
    err = tf_model_child_start(c, row->model_idx, row->reference, path, r->instrument_cnt,
                               r->market ? &box : NULL, words, &made);
  if (err) return err;
  row->words_idx = 1 - row->words_idx;
  row->before    = row->child;
  row->child     = made;
  offer(row, row->reference->hash);
  row->course = TF_REMOTES_SERVES;
  return TF_OK;
}

tf_err_t tf_remotes_follow_begin(tf_remotes_t *rs, tf_remotes_row_t *row) {
  const tf_engine_t *e      = rs->engine;
  uint64_t           number = e->versions[row->model_idx];
  uint32_t           hash   = e->models[row->model_idx]->hash;
  tf_err_t           err    = take_reference(rs, row, hash);
  if (err) return err;
  row->version = number << 32 | hash;
  return start_process(rs, row, number);
}

/* ---- a swap ---- */

static void tell_failure(const tf_remotes_t *rs, tf_remotes_row_t *row, tf_err_t err,
                         const char *text) {
  tf_log(TF_LOG_ERROR, "worker_not_swapped", "model=%s version=%llu code=%s text=\"%s\"",
         name_of(rs, row), (unsigned long long)(row->version >> 32), tf_error_name(err), text);
  row->course = TF_REMOTES_WITHDRAWN; /* the CPU goes on */
}

static void tell_worker(tf_remotes_t *rs, tf_remotes_row_t *row, uint64_t wanted) {
  const tf_config_t *c     = rs->engine->config;
  tf_worker_words_t *words = spare_words(row);
  tf_child_next_t    next  = {.argv = words->argv, .hash = (uint32_t)wanted};
  char               path[TF_WORKER_PATH_BYTES];
  tf_err_t           err = take_reference(rs, row, next.hash);
  if (err == E_MODEL_VERSION) return; /* at the next look */
  row->version = wanted;
  row->swap_ns = tf_clock_monotonic_ns();
  if (!err) err = tf_worker_find_or_say(c, row->model_idx, words->program);
  tf_model_child_file(c, row->model_idx, wanted >> 32, path);
  if (!err && strlen(path) >= sizeof next.file)
    err = TF_ERR(E_MODEL_SHAPE, "%zu bytes of a path; a mailbox has room for %zu", strlen(path),
                 sizeof next.file - 1);
  if (err) {
    tell_failure(rs, row, err, tf_error_text());
    return;
  }
  memcpy(next.file, path, strlen(path) + 1);
  tf_worker_say(words, c, row->model_idx, path);
  tf_child_next(row->child, &next);
  row->course = TF_REMOTES_LOADING;
}

static void settle(tf_remotes_t *rs, tf_remotes_row_t *row) {
  char     text[TF_REMOTES_TEXT_BYTES];
  tf_err_t err = TF_OK;
  if (!tf_child_next_result(row->child, &err, text, sizeof text)) return;
  if (!err) {
    row->words_idx = 1 - row->words_idx;
    row->course    = TF_REMOTES_SERVES;
    offer(row, row->reference->hash);
    tf_count_add(&row->shown.swaps, 1);
  } else if (err == E_MODEL_SHAPE) {
    tf_log(TF_LOG_NOTICE, "worker_of_its_own", "model=%s version=%llu text=\"%s\"",
           name_of(rs, row), (unsigned long long)(row->version >> 32), text);
    err = start_process(rs, row, row->version >> 32);
    snprintf(text, sizeof text, "%s", err ? tf_error_text() : "");
  }
  if (err)
    tell_failure(rs, row, err, text);
  else
    tf_log(TF_LOG_NOTICE, "worker_swapped", "model=%s version=%llu ms=%.1f", name_of(rs, row),
           (unsigned long long)(row->version >> 32),
           (double)(tf_clock_monotonic_ns() - row->swap_ns) * 1e-6);
}

void tf_remotes_follow(tf_remotes_t *rs, tf_remotes_row_t *row) {
  uint64_t wanted   = tf_load_acquire(&row->remote->wanted); /* pairs with: tf_remote_want */
  bool     is_other = wanted != 0 && wanted != row->version;
  if (row->before && is_taken(row)) {
    tf_child_stop(row->before);
    row->before = NULL;
  }
  if (row->course == TF_REMOTES_LOADING) {
    settle(rs, row);
  } else if (is_other && !row->before && row->course == TF_REMOTES_SERVES) {
    offer(row, 0);
    row->course = TF_REMOTES_WITHDRAWN;
  } else if (is_other && row->course == TF_REMOTES_WITHDRAWN && is_taken(row)) {
    tell_worker(rs, row, wanted);
  }
}
