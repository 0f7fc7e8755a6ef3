#include "doctor_models.h"

#include <stdio.h>
#include <unistd.h>

#include "boot/placement_file.h"
#include "cli.h"
#include "core/error.h"
#include "live_plan.h"
#include "registry.h"

/* None of a config's models is loaded where the file of one is not there; what the config allows is known all the same. */
static void say_missing(const tf_config_t *c, uint32_t i, doctor_model_t *row) {
  const char *file = c->models[i].file;
  tf_placement_choose(c, i, &row->option);
  if (file && access(file, R_OK) != 0)
    snprintf(row->place.why, sizeof row->place.why, "not measured: %s cannot be read here", file);
  else
    snprintf(row->place.why, sizeof row->place.why,
             "not measured: another model of this config is not here");
}

static tf_err_t examine_rows(doctor_models_t *d, const tf_engine_t *e) {
  const tf_config_t  *c = d->config;
  tf_placement_file_t before;
  tf_err_t            err = TF_OK;
  tf_placement_file_read_or_log(&before, c->gpu.placements);
  for (uint32_t i = 0; i < c->model_cnt && !err; i++) {
    doctor_model_t *row = &d->rows[d->cnt++];
    row->name           = c->models[i].name;
    row->device         = tf_worker_device(c, i, &row->takes_turn);
    row->is_there       = i < e->model_cnt;
    if (!row->is_there) {
      say_missing(c, i, row);
      continue;
    }
    bool was = tf_placement_file_was_worker(&before, row->name, e->models[i]->hash);
    err      = tf_placement_explain(e, i, was, &row->option, &row->place);
    if (tf_placement_may_be_worker(&row->option))
      tf_card_plan_say(&e->card_plans[i], row->features);
  }
  return err;
}

int doctor_models_examine(doctor_models_t *d, const char *path, const char *const *sets,
                          uint32_t set_cnt) {
  static tf_engine_t        engine;
  static tf_live_plan_t     plan;
  const tf_engine_options_t options = {.is_check = true};
  int                       code    = tickfuse_load_config(path, sets, set_cnt, &d->config);
  if (code != TF_EXIT_DONE) return code;
  tf_err_t err = tf_engine_init(&engine, d->config, tickfuse_registry(), &options);
  code         = err ? TF_EXIT_USAGE : TF_EXIT_DONE;
  if (!err && (err = tf_live_plan_make(&plan, d->config))) code = TF_EXIT_USAGE;
  if (!err && (err = examine_rows(d, &engine))) code = TF_EXIT_FAILED;
  if (err) fprintf(stderr, "tickfuse: doctor: %s: %s\n", tf_error_name(err), tf_error_text());
  tf_live_plan_fini(&plan);
  tf_engine_fini(&engine);
  return code;
}

void doctor_models_fini(doctor_models_t *d) {
  if (d->config) tf_config_free(d->config);
  d->config = NULL;
}

static const char *place_name(const doctor_model_t *row) {
  if (row->option.choice == TF_PLACEMENT_RUNTIME) return "runtime";
  if (!row->is_there) return tf_placement_choice_name(row->option.choice);
  return row->place.is_worker ? "worker" : "cpu";
}

void doctor_models_print(const doctor_models_t *d) {
  char budget[96];
  for (uint32_t i = 0; i < d->cnt; i++) {
    const doctor_model_t *row = &d->rows[i];
    const tf_placement_t *p   = &row->place;
    printf("model    %-19s  %-8s  %s\n", row->name, place_name(row), p->why);
    tf_placement_say_budget(p, budget, sizeof budget);
    if (budget[0])
      printf("%-7s  %-19s  CPU %s\n", "", "", budget);
    else if (p->cpu_ns)
      printf("%-7s  %-19s  CPU %.1f us\n", "", "", (double)p->cpu_ns * 1e-3);
    if (p->worker_ns)
      printf("%-7s  %-19s  worker %.1f us, 99 in 100 within %.1f us, deadline %.1f us; device "
             "%u%s%s%s\n",
             "", "", (double)p->worker_ns * 1e-3, (double)p->worker_p99_ns * 1e-3,
             (double)p->deadline_ns * 1e-3, row->device,
             row->takes_turn ? " of the visible ones, in turn" : "", p->device[0] ? ", " : "",
             p->device);
    if (row->features[0]) printf("%-7s  %-19s  %s\n", "", "", row->features);
    if (row->option.choice == TF_PLACEMENT_WORKER && row->is_there && !p->is_served)
      printf("%-7s  %-19s  no worker serves here: %s\n", "", "",
             p->trouble[0]            ? p->trouble
             : row->option.program[0] ? "it did not start in time"
                                      : row->option.why);
  }
}

json_t *doctor_models_json(const doctor_models_t *d) {
  json_t *list = json_array();
  for (uint32_t i = 0; i < d->cnt; i++) {
    const doctor_model_t *row  = &d->rows[i];
    json_t               *root = tf_placement_json(&row->place);
    json_object_set_new(root, "name", json_string(row->name));
    json_object_set_new(root, "on", json_string(place_name(row)));
    json_object_set_new(root, "may", json_string(tf_placement_choice_name(row->option.choice)));
    json_object_set_new(root, "serves", json_boolean(row->place.is_served));
    json_t *program = row->option.program[0] ? json_string(row->option.program) : NULL;
    json_object_set_new(root, "program", program ? program : json_null());
    json_object_set_new(root, "device_takes_turn", json_boolean(row->takes_turn));
    json_object_set_new(root, "device_index",
                        row->option.program[0] ? json_integer(row->device) : json_null());
    if (row->features[0]) json_object_set_new(root, "features", json_string(row->features));
    json_t *trouble = row->place.trouble[0] ? json_string(row->place.trouble) : NULL;
    if (trouble) json_object_set_new(root, "trouble", trouble);
    json_array_append_new(list, root);
  }
  return list;
}
