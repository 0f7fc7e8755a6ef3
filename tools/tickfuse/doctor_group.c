#include "doctor_group.h"

#include <stdlib.h>

#include "boot/group.h"
#include "core/clock.h"
#include "core/error.h"
#include "snapshot_group.h"

#define READ_CNT   21u /* the middle one is what is said */
#define TIMEOUT_NS (5 * TF_NS_PER_SEC)

typedef struct look {
  tf_group_table_t table;
  uint8_t          bytes[TF_GROUP_TABLE_BYTES_MAX];
  uint64_t         revision;
  uint64_t         took_ns[READ_CNT];
} look_t;

static int by_size(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return (x > y) - (x < y);
}

static bool read_often(const tf_group_store_t *store, void *state, look_t *look) {
  for (uint32_t i = 0; i < READ_CNT + 1; i++) {
    size_t   cnt;
    uint64_t begin_ns = tf_clock_monotonic_ns();
    if (store->read(state, look->bytes, sizeof look->bytes, &cnt, &look->revision) != TF_GROUP_DONE)
      return false;
    if (i > 0) look->took_ns[i - 1] = tf_clock_monotonic_ns() - begin_ns; /* the first connects */
    if (look->revision && tf_group_table_read(look->bytes, cnt, &look->table)) return false;
  }
  qsort(look->took_ns, READ_CNT, sizeof look->took_ns[0], by_size);
  return true;
}

static void failed(doctor_finding_t *f) {
  doctor_value(f, "%s", tf_error_text());
  doctor_say(f, DOCTOR_BAD, "no member of the group can hold a partition without its store",
             "group.url, and the account that it is asked under");
}

static void judge(const tf_config_t *config, const look_t *look, doctor_finding_t *f) {
  double   ms       = (double)look->took_ns[READ_CNT / 2] / 1e6;
  uint64_t lease_ns = config->group.lease_ns;
  if (look->revision == 0)
    doctor_value(f, "answers in %.2f ms; no group yet", ms);
  else
    doctor_value(f, "answers in %.2f ms; a group of %u partitions", ms,
                 look->table.head.partition_cnt);
  if (look->revision && (look->table.head.partition_cnt != config->group.partitions ||
                         look->table.head.lease_ns != lease_ns))
    doctor_say(f, DOCTOR_BAD,
               "the group there has other partitions or another lease: this config is refused",
               "group.partitions and group.lease as the group has them");
  else if (look->took_ns[READ_CNT / 2] > lease_ns / 32)
    doctor_say(f, DOCTOR_WARN, "a renewal is three of these, and has an eighth of a lease for each",
               "a longer group.lease, or a store that is nearer");
  else
    doctor_say(f, DOCTOR_GOOD, "refuses a swap behind a wrong revision, as it has to", "");
}

/* One that was never there: whatever the store does with it, the table stays. */
static bool refuses_swap(const tf_group_store_t *store, void *state, const look_t *look) {
  uint64_t wrong = look->revision + UINT32_MAX;
  return look->revision == 0 || store->swap(state, look->bytes, 1, &wrong) == TF_GROUP_LOST;
}

bool doctor_group_examine(const tf_config_t *config, doctor_finding_t *finding) {
  static look_t           look;
  const tf_group_store_t *store;
  void                   *state;
  if (!config->group.name) return false;
  finding->id = "group_store";
  if (tickfuse_group_store(config, TIMEOUT_NS, false, &store, &state)) {
    failed(finding);
    return true;
  }
  if (!read_often(store, state, &look)) {
    failed(finding);
  } else if (!refuses_swap(store, state, &look)) {
    doctor_value(finding, "takes a swap behind a wrong revision, or does not answer it");
    doctor_say(finding, DOCTOR_BAD, "two members could hold one partition", "another store");
  } else {
    judge(config, &look, finding);
  }
  store->close(state);
  return true;
}
