#include "tickfuse_gpu/probe.h"

#include <jansson.h>

#include "core/error.h"
#include "gpu/loop.h"
#include "gpu/makers.h"
#include "tickfuse_gpu/load.h"
#include "tickfuse_gpu/room.h"
#include "tickfuse_gpu/slots.h"

static json_t *version(uint32_t number) {
  return number ? json_sprintf("%u.%u", number / 1000, number % 1000 / 10) : json_null();
}

static json_t *failure(tf_err_t err) {
  return json_pack("{s:s, s:s, s:s}", "code", tf_error_name(err), "meaning", tf_error_meaning(err),
                   "text", tf_error_text());
}

static json_t *device(uint32_t idx, const device_info_t *d) {
  return json_pack("{s:i, s:s, s:s, s:o, s:I, s:I, s:I, s:i, s:i, s:i, s:i}", "index", (int)idx,
                   "name", d->name, "pci", d->pci, "capability",
                   d->capability_major
                       ? json_sprintf("%u.%u", d->capability_major, d->capability_minor)
                       : json_null(),
                   "memory_bytes", (json_int_t)d->limits.memory_bytes, "memory_free_bytes",
                   (json_int_t)d->memory_free_bytes, "l2_bytes", (json_int_t)d->l2_bytes, "sm_cnt",
                   (int)d->limits.sm_cnt, "cluster_max", (int)d->limits.cluster_max, "thread_max",
                   (int)d->limits.thread_max, "shared_bytes_max", (int)d->limits.shared_bytes_max);
}

/* How far over the device it goes. */
static const char *spread_name(const tf_card_program_t *p) {
  if (p->block_cnt == 1) return "one block";
  if (p->takes_sets) return "a block a row";
  return p->cluster_size == p->block_cnt ? "one cluster" : "the whole device";
}

/* How a model would run on one device. */
static json_t *course(uint32_t idx, const loaded_t *l) {
  json_t *c = json_pack("{s:i, s:s}", "device", (int)idx, "where", load_where_name(l->where));
  const tf_card_program_t *p = l->program;
  if (l->where != LOAD_PERSISTENT) json_object_set_new(c, "reason", json_string(l->why));
  if (!p) return c;
  json_object_set_new(c, "blocks", json_string(spread_name(p)));
  json_t *more = json_pack(
      "{s:s, s:s, s:i, s:i, s:i, s:i, s:I, s:I, s:I}", "kernel", tf_card_kind_name(p->kind),
      "precision", tf_precision_name((tf_precision_t)p->precision), "block_cnt", (int)p->block_cnt,
      "cluster_size", (int)p->cluster_size, "thread_cnt", (int)p->thread_cnt, "shared_bytes",
      (int)tf_loop_shared_bytes(p), "model_bytes", (json_int_t)slots_program_bytes(p),
      "window_bytes", (json_int_t)p->state_bytes, "scratch_bytes",
      (json_int_t)tf_loop_scratch_bytes(p));
  json_object_update_missing(c, more);
  json_decref(more);
  return c;
}

/* The model on each of the devices. Its own fault is the same on all of them. */
static tf_err_t add_model(json_t *all, const char *path, const load_spec_t *spec, double fraction,
                          const device_info_t *devices, uint32_t cnt) {
  json_t  *model = json_pack("{s:s}", "file", path), *runs = json_array();
  tf_err_t err = TF_OK;
  for (uint32_t i = 0; i < cnt && !err; i++) {
    loaded_t         l;
    tf_card_limits_t limits = devices[i].limits;
    limits.memory_bytes     = (uint64_t)((double)devices[i].memory_free_bytes * fraction);
    err                     = load_model(path, spec, NULL, &limits, &l);
    if (err) break;
    json_array_append_new(runs, course(i, &l));
    json_object_set_new(model, "name", json_string(l.model->name));
    json_object_set_new(model, "sha256", json_string(l.model->sha256_hex));
    json_object_set_new(model, "params", json_integer((json_int_t)l.model->param_cnt));
    json_object_set_new(model, "window", json_integer(l.model->window));
    load_free(&l);
  }
  json_object_set_new(model, "runs", runs);
  if (err) json_object_set_new(model, "error", failure(err));
  json_object_set_new(all, "model", model);
  return err;
}

/* ---- as text ---- */

static double mib(json_t *of, const char *key) {
  return (double)json_integer_value(json_object_get(of, key)) / (1 << 20);
}

static const char *text_of(json_t *of, const char *key) {
  const char *text = json_string_value(json_object_get(of, key));
  return text ? text : "none";
}

static void print_failure(json_t *of) {
  json_t *error = json_object_get(of, "error");
  if (json_is_object(error)) printf("  %s: %s\n", text_of(error, "code"), text_of(error, "text"));
}

static long long number_of(json_t *of, const char *key) {
  return (long long)json_integer_value(json_object_get(of, key));
}

static void print_course(json_t *c) {
  printf("  on device %lld: %s", number_of(c, "device"), text_of(c, "where"));
  if (json_object_get(c, "kernel"))
    printf(", %s kernel in %s on %s, %lld blocks of %lld threads, clusters of %lld, %.1f KiB of "
           "shared memory a block, %.1f MiB of weights, %.1f KiB of windows an instrument",
           text_of(c, "kernel"), text_of(c, "precision"), text_of(c, "blocks"),
           number_of(c, "block_cnt"), number_of(c, "thread_cnt"), number_of(c, "cluster_size"),
           mib(c, "shared_bytes") * 1024, mib(c, "model_bytes"), mib(c, "window_bytes") * 1024);
  if (json_object_get(c, "reason")) printf(": %s", text_of(c, "reason"));
  putchar('\n');
}

static void print_text(json_t *all) {
  size_t  i;
  json_t *d;
  printf("%s: built with CUDA %s, driver: %s\n", text_of(all, "worker"), text_of(all, "runtime"),
         text_of(all, "driver"));
  print_failure(all);
  json_array_foreach(json_object_get(all, "devices"), i, d) {
    printf(
        "  device %lld: %s, capability %s, %lld SMs, %.0f MiB of memory (%.0f free), %.0f KiB of "
        "shared memory a block, clusters of up to %lld%s%s\n",
        number_of(d, "index"), text_of(d, "name"), text_of(d, "capability"), number_of(d, "sm_cnt"),
        mib(d, "memory_bytes"), mib(d, "memory_free_bytes"), mib(d, "shared_bytes_max") * 1024,
        number_of(d, "cluster_max"), *text_of(d, "pci") ? ", PCI " : "", text_of(d, "pci"));
  }
  json_t *model = json_object_get(all, "model");
  if (!model) return;
  printf("model %s\n", text_of(model, "file"));
  print_failure(model);
  json_array_foreach(json_object_get(model, "runs"), i, d) { print_course(d); }
}

tf_err_t probe(const char *model, const load_spec_t *spec, double memory_fraction, bool as_json) {
  device_versions_t versions;
  device_info_t    *devices = NULL;
  uint32_t          cnt     = 0;
  device_versions(&versions);
  json_t *list = json_array();
  json_t *all =
      json_pack("{s:s, s:o, s:o, s:o}", "worker", device_program, "driver",
                version(versions.driver), "runtime", version(versions.runtime), "devices", list);
  tf_err_t err = device_cnt(&cnt);
  if (!err && !(devices = calloc(cnt, sizeof *devices)))
    err = TF_ERR(E_CORE_NO_MEMORY, "%u devices", cnt);
  for (uint32_t i = 0; i < cnt && !err; i++) {
    err = device_describe(i, &devices[i]);
    if (!err) json_array_append_new(list, device(i, &devices[i]));
  }
  json_object_set_new(all, "error", err ? failure(err) : json_null());
  if (!err && model) err = add_model(all, model, spec, memory_fraction, devices, cnt);
  if (as_json)
    json_dumpf(all, stdout, JSON_COMPACT), putchar('\n');
  else
    print_text(all);
  json_decref(all);
  free(devices);
  return err;
}
