#include "boot/group_run.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/error.h"
#include "core/log.h"

#define NAP_NS (2 * TF_NS_PER_MS) /* an engine's end is seen so soon */

tf_err_t tf_group_run_init(tf_group_run_t *run, const tf_group_run_config_t *config) {
  memset(run, 0, sizeof *run);
  run->store          = config->store;
  run->store_state    = config->store_state;
  run->engines.config = config->engines;
  tf_err_t err        = tf_group_init(&run->group, &config->lease);
  if (err) return err;
  err = tf_lease_page_make(config->lease.partition_cnt, &run->page, &run->engines.config.lease_fd);
  run->engines.page = run->page;
  return err;
}

void tf_group_run_fini(tf_group_run_t *run) {
  tf_group_engines_end(&run->engines, run->group.config.partition_cnt);
  tf_lease_page_unmake(run->page, run->group.config.partition_cnt);
  if (run->page) close(run->engines.config.lease_fd);
}

static void note(tf_group_run_t *run, tf_group_result_t result) {
  bool is_trouble = result == TF_GROUP_FAILED;
  if (is_trouble && !run->is_trouble)
    tf_log(TF_LOG_WARN, "group_store_trouble", "why=\"%s\"", tf_error_text());
  if (!is_trouble && run->is_trouble)
    tf_log(TF_LOG_NOTICE, "group_store_answers", "store=%s", run->store->name);
  run->is_trouble = is_trouble;
}

static tf_err_t read_table(tf_group_run_t *run) {
  size_t            cnt      = 0;
  uint64_t          revision = 0;
  tf_group_result_t result =
      run->store->read(run->store_state, run->bytes, sizeof run->bytes, &cnt, &revision);
  note(run, result);
  return tf_group_was_read(&run->group, result, run->bytes, cnt, revision, tf_lease_clock_ns());
}

static size_t encode(const tf_group_table_t *t, uint8_t *bytes) {
  size_t members = t->head.member_cnt * sizeof t->members[0];
  memcpy(bytes, &t->head, sizeof t->head);
  memcpy(bytes + sizeof t->head, t->members, members);
  memcpy(bytes + sizeof t->head + members, t->partitions,
         t->head.partition_cnt * sizeof t->partitions[0]);
  return tf_group_table_bytes(t);
}

static void swap_table(tf_group_run_t *run) {
  size_t   cnt      = encode(&run->group.next, run->bytes);
  uint64_t revision = run->group.revision;
  tf_group_swap_begins(&run->group, tf_lease_clock_ns());
  tf_group_result_t result = run->store->swap(run->store_state, run->bytes, cnt, &revision);
  note(run, result);
  tf_group_was_swapped(&run->group, result, revision, tf_lease_clock_ns());
}

/* What is told to the engines runs out while they still may run. */
static void show_lease(tf_group_run_t *run) {
  uint64_t until_ns = run->group.safe_until_ns;
  tf_lease_page_set(run->page, until_ns ? until_ns - run->group.config.lease_ns / 8 : 0);
}

bool tf_group_run_pass(tf_group_run_t *run, tf_err_t *err) {
  *err = TF_OK;
  switch (tf_group_next(&run->group, tf_lease_clock_ns())) {
  case TF_GROUP_READ: *err = read_table(run); break;
  case TF_GROUP_SWAP: swap_table(run); break;
  case TF_GROUP_WAIT: nanosleep(&(struct timespec){.tv_nsec = NAP_NS}, NULL); break;
  case TF_GROUP_LEFT: break;
  }
  show_lease(run);
  tf_group_engines_follow(&run->engines, &run->group, tf_lease_clock_ns());
  if (*err && *err != E_CONFIG_CONFLICT) {
    note(run, TF_GROUP_FAILED);
    *err = TF_OK;
  }
  return run->group.does != TF_GROUP_LEFT && !*err;
}
