#include "group_status.h"

#include <jansson.h>
#include <string.h>
#include <time.h>

#include "boot/group.h"
#include "core/clock.h"
#include "core/error.h"

static tf_err_t look(const tf_group_store_t *store, void *state, tf_group_table_t *table) {
  static uint8_t bytes[TF_GROUP_TABLE_BYTES_MAX];
  size_t         cnt;
  uint64_t       revision;
  memset(table, 0, sizeof *table);
  if (store->read(state, bytes, sizeof bytes, &cnt, &revision) != TF_GROUP_DONE)
    return tf_error_code();
  return revision ? tf_group_table_read(bytes, cnt, table) : TF_OK;
}

static bool renews(const tf_group_table_t *before, const tf_group_table_t *now, uint32_t place) {
  const tf_group_member_t *a = &before->members[place], *b = &now->members[place];
  return a->session != b->session || a->beat != b->beat;
}

static json_t *json_of_member(const tf_group_table_t *before, const tf_group_table_t *now,
                              uint32_t place) {
  const tf_group_member_t *m   = &now->members[place];
  json_t                  *row = json_object();
  json_object_set_new(row, "name", json_stringn_nocheck(m->name, strnlen(m->name, sizeof m->name)));
  json_object_set_new(row, "state",
                      json_string(!renews(before, now, place)         ? "silent"
                                  : m->flags & TF_GROUP_MEMBER_LEAVES ? "leaving"
                                                                      : "there"));
  json_object_set_new(row, "holds", json_integer(tf_group_held_cnt(now, place)));
  json_object_set_new(row, "share", json_integer(tf_group_share(now, place)));
  return row;
}

static json_t *json_of_snapshot(const tf_group_store_t *store, void *state, uint32_t partition) {
  tf_group_snapshot_t s;
  if (store->get(state, partition, 0, &s, NULL) != TF_GROUP_DONE) return json_null();
  uint64_t wall_ns = tf_clock_wall_ns();
  json_t  *row     = json_object();
  json_object_set_new(row, "age_seconds",
                      json_real(wall_ns > s.taken_ns ? (double)(wall_ns - s.taken_ns) / 1e9 : 0));
  json_object_set_new(row, "ingest_seq", json_integer((json_int_t)s.ingest_seq));
  json_object_set_new(row, "decision_seq", json_integer((json_int_t)s.decision_seq));
  json_object_set_new(row, "bytes", json_integer((json_int_t)s.bytes_cnt));
  json_object_set_new(row, "epoch", json_integer(s.epoch));
  return row;
}

static json_t *json_of_partition(const tf_group_table_t *table, const tf_group_store_t *store,
                                 void *state, uint32_t i) {
  const tf_group_partition_t *p = &table->partitions[i];
  const char *name = p->member == TF_GROUP_NOBODY ? NULL : table->members[p->member].name;
  json_t     *row  = json_object();
  json_object_set_new(row, "partition", json_integer(i));
  json_object_set_new(row, "epoch", json_integer(p->epoch));
  json_object_set_new(row, "member", name ? json_string(name) : json_null());
  json_object_set_new(row, "events_behind", name ? json_integer(p->events_behind) : json_null());
  json_object_set_new(row, "decisions_behind",
                      name ? json_integer(p->decisions_behind) : json_null());
  json_object_set_new(row, "snapshot", json_of_snapshot(store, state, i));
  return row;
}

static void print_text(const json_t *status) {
  size_t  i;
  json_t *row;
  printf("group %s: %lld partitions, lease %lld ms%s\n",
         json_string_value(json_object_get(status, "group")),
         (long long)json_integer_value(json_object_get(status, "partitions_cnt")),
         (long long)json_integer_value(json_object_get(status, "lease_ms")),
         json_is_true(json_object_get(status, "open")) ? "" : ", new: nothing is taken yet");
  json_array_foreach(json_object_get(status, "members"), i, row) printf(
      "member %-31s %-8s holds %lld of %lld\n", json_string_value(json_object_get(row, "name")),
      json_string_value(json_object_get(row, "state")),
      (long long)json_integer_value(json_object_get(row, "holds")),
      (long long)json_integer_value(json_object_get(row, "share")));
  json_array_foreach(json_object_get(status, "partitions"), i, row) {
    const json_t *snapshot = json_object_get(row, "snapshot");
    const char   *member   = json_string_value(json_object_get(row, "member"));
    printf("%04zu  epoch %-11lld %-31s", i,
           (long long)json_integer_value(json_object_get(row, "epoch")), member ? member : "-");
    if (member)
      printf(" behind %lld events, %lld decisions;",
             (long long)json_integer_value(json_object_get(row, "events_behind")),
             (long long)json_integer_value(json_object_get(row, "decisions_behind")));
    if (json_is_object(snapshot))
      printf(" snapshot %.1f s old, decision %lld",
             json_real_value(json_object_get(snapshot, "age_seconds")),
             (long long)json_integer_value(json_object_get(snapshot, "decision_seq")));
    printf("\n");
  }
}

static json_t *json_of_group(const tf_config_t *config, const tf_group_table_t *before,
                             const tf_group_table_t *now, const tf_group_store_t *store,
                             void *state) {
  json_t *status = json_object(), *members = json_array(), *partitions = json_array();
  json_object_set_new(status, "group", json_string(config->group.name));
  json_object_set_new(status, "partitions_cnt", json_integer(now->head.partition_cnt));
  json_object_set_new(status, "lease_ms",
                      json_integer((json_int_t)(now->head.lease_ns / TF_NS_PER_MS)));
  json_object_set_new(status, "open", json_boolean(now->head.flags & TF_GROUP_OPEN));
  for (uint32_t i = 0; i < now->head.member_cnt; i++)
    if (now->members[i].name[0]) json_array_append_new(members, json_of_member(before, now, i));
  for (uint32_t i = 0; i < now->head.partition_cnt; i++)
    json_array_append_new(partitions, json_of_partition(now, store, state, i));
  json_object_set_new(status, "members", members);
  json_object_set_new(status, "partitions", partitions);
  return status;
}

tf_err_t tf_group_status_print(const tf_config_t *config, const tf_group_store_t *store,
                               void *state, bool is_json) {
  static tf_group_table_t before, now;
  uint64_t                wait_ns = config->group.lease_ns / 8 * 5;
  tf_err_t                err     = look(store, state, &before);
  if (err) return err;
  nanosleep(&(struct timespec){(time_t)(wait_ns / TF_NS_PER_SEC), (long)(wait_ns % TF_NS_PER_SEC)},
            NULL);
  err = look(store, state, &now);
  if (err) return err;
  json_t *status = json_of_group(config, &before, &now, store, state);
  if (is_json) {
    json_dumpf(status, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(9));
    printf("\n");
  } else {
    print_text(status);
  }
  json_decref(status);
  return TF_OK;
}
