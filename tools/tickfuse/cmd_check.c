#include <jansson.h>
#include <string.h>
#include <unistd.h>

#include "boot/placement_rule.h"
#include "cli.h"
#include "cmd_config.h"
#include "core/error.h"
#include "group_notes.h"
#include "snapshot_state.h"
#include "tf/sink.h"

#define NOTES_MAX 32u

static const tf_config_known_t *known_names;

static const tf_cmd_check_deep_t *deep_check;

void tf_cmd_check_known(const tf_config_known_t *known) { known_names = known; }

void tf_cmd_check_deep(const tf_cmd_check_deep_t *deep) { deep_check = deep; }

typedef struct arguments {
  const char *path;
  const char *sets[TF_CLI_VALUES_MAX];
  uint32_t    set_cnt, json;
} arguments_t;

TF_STATIC_ASSERT(TF_CLI_VALUES_MAX == TF_CONFIG_SETS_MAX, "every --set that a config takes");

/* The file's own grammar, then what the engine makes of it; the latter stops at its first error. */
static tf_err_t check(const char *path, const char *const *sets, uint32_t set_cnt,
                      tf_config_errors_t *errors, tf_config_t **config) {
  tf_err_t err = tf_config_load(path, sets, set_cnt, known_names, errors, config);
  if (err || !deep_check) return err;
  err = deep_check->check(*config);
  if (!err) return TF_OK;
  memset(errors, 0, sizeof *errors);
  errors->error_cnt      = 1;
  errors->errors[0].code = err;
  snprintf(errors->errors[0].text, sizeof errors->errors[0].text, "%s", tf_error_text());
  tf_config_free(*config);
  return err;
}

static int read_arguments(int argc, char **argv, arguments_t *args) {
  const tf_cli_option_t options[] = {
      {"--set",  "key=value",
       "lay one value over the file, as in `run` (engine.idle=spin,\n"
       "                             feeds.0.url=ws://127.0.0.1:9001); may be given several times", args->sets, &args->set_cnt},
      {"--json", NULL,
       "one object: file, ok, hash, values, notes, models, snapshot, connections;\n"
       "                             or file, ok, errors",                                          NULL,       &args->json   },
  };
  const tf_cli_spec_t spec = {
      .usage = "check CONFIG [--set key=value]... [--json]",
      .about =
          "Checks a config and prints each effective value with where it came from: the file's "
          "line and\n"
          "column, a --set argument, the profile, or the default; then the connections that a "
          "live\n"
          "run would make and what each carries, where each model may be answered, and how its "
          "snapshots stand.\n"
          "All errors found are listed.\n"
          "Exit status: 0 the config is good, 2 it is not. `tickfuse schema` lists every key.",
      .options        = options,
      .option_cnt     = TF_ARRAY_CNT(options),
      .positional     = &args->path,
      .positional_min = 1,
      .positional_max = 1};
  return tf_cli_parse(&spec, argc, argv);
}

/* A file that is named but not there is no error of the config: it may be made later. */
static uint32_t missing_files(const tf_config_t *config, char notes[][TF_CONFIG_ERROR_TEXT_BYTES],
                              uint32_t cap) {
  uint32_t cnt = 0;
  char     path[64], where[512];
  for (uint32_t i = 0; i < config->model_cnt + config->feed_cnt && cnt < cap; i++) {
    bool        is_model = i < config->model_cnt;
    uint32_t    idx      = is_model ? i : i - config->model_cnt;
    const char *file     = is_model ? config->models[idx].file : config->feeds[idx].ca_file;
    if (!file || access(file, R_OK) == 0) continue;
    snprintf(path, sizeof path, is_model ? "models[%u].file" : "feeds[%u].ca_file", idx);
    tf_config_where(config, path, where, sizeof where);
    snprintf(notes[cnt++], TF_CONFIG_ERROR_TEXT_BYTES, "%s: %.100s cannot be read here", where,
             file);
  }
  return cnt;
}

/* Nor is a worker's program. */
static uint32_t missing_workers(const tf_config_t *config, char notes[][TF_CONFIG_ERROR_TEXT_BYTES],
                                uint32_t cnt, uint32_t cap) {
  char program[TF_WORKER_PATH_BYTES];
  for (uint32_t i = 0; i < config->model_cnt && cnt < cap; i++)
    if (tf_config_model_is_remote(&config->models[i]) && tf_worker_find_or_say(config, i, program))
      snprintf(notes[cnt++], TF_CONFIG_ERROR_TEXT_BYTES, "%s", tf_error_text());
  return cnt;
}

/* Who computes its features; NULL: there is nothing to say. */
static const char *features_of(uint32_t model_idx) {
  const char *text = deep_check ? deep_check->features(model_idx) : "";
  return text[0] ? text : NULL;
}

static bool emit_shares_lane(const tf_config_t *config) {
  for (uint32_t i = 0; i < config->engine.lane_cnt; i++)
    if (config->engine.lanes[i].stages & TF_CONFIG_STAGE_EMIT &&
        config->engine.lanes[i].stages & TF_CONFIG_STAGES_LANE)
      return true;
  return false;
}

/* What such a sink does is done on the lane's thread, between two ticks. */
static uint32_t sinks_on_lane(const tf_config_t *config, char notes[][TF_CONFIG_ERROR_TEXT_BYTES],
                              uint32_t cnt, uint32_t cap) {
  static const char *const waiting[] = {"journal",
                                        "stdout"}; /* in place, by default policy block */
  const uint8_t            block     = TF_OVERFLOW_BLOCK + 1;
  char                     path[64], where[256];
  for (uint32_t i = 0; i < config->sink_cnt && emit_shares_lane(config); i++) {
    const tf_config_sink_t *s = &config->sinks[i];
    bool may_wait = s->policy == block || s->policy == TF_CONFIG_SINK_AUTO, is_in_place = false;
    for (size_t k = 0; k < TF_ARRAY_CNT(waiting); k++) is_in_place |= !strcmp(s->type, waiting[k]);
    if (!may_wait || !is_in_place || cnt == cap) continue;
    snprintf(path, sizeof path, "sinks[%u].policy", i);
    tf_config_where(config, path, where, sizeof where);
    snprintf(
        notes[cnt++], TF_CONFIG_ERROR_TEXT_BYTES,
        "%s: emit shares the lane's thread: a %.20s sink's system calls are the lane's, and live "
        "it is not waited for, what it cannot take at once is dropped; give emit a thread",
        where, s->type);
  }
  return cnt;
}

/* Where each model would be answered, as far as that is known without a measurement. */
static void print_places(const tf_config_t *config) {
  tf_placement_option_t option;
  for (uint32_t i = 0; i < config->model_cnt; i++) {
    tf_placement_choose(config, i, &option);
    printf("model %s: %s: %s\n", config->models[i].name, tf_placement_choice_name(option.choice),
           option.why);
    if (features_of(i)) printf("model %s: %s\n", config->models[i].name, features_of(i));
  }
}

static uint32_t all_notes(const tf_config_t *config, char notes[][TF_CONFIG_ERROR_TEXT_BYTES],
                          uint32_t cap) {
  uint32_t cnt = missing_workers(config, notes, missing_files(config, notes, cap), cap);
  return tf_group_notes(config, notes, sinks_on_lane(config, notes, cnt, cap), cap);
}

/* Where snapshots lie, and what would be in the way of going on from them. */
static void print_snapshots(const tf_config_t *config) {
  tickfuse_snapshot_state_t state;
  char                      text[256];
  if (!tickfuse_snapshot_look(config, &state)) return;
  tickfuse_snapshot_say(&state, text, sizeof text);
  printf("snapshot %s: %s\n", state.path, text);
  if (state.trouble[0]) printf("note: engine.snapshot: %s\n", state.trouble);
  for (uint32_t i = 0; i < state.inexact_cnt && state.is_exact; i++)
    printf("note: engine.snapshot_restore: %s\n", state.inexact[i]);
}

static void print_text(const tf_config_t *config) {
  char   notes[NOTES_MAX][TF_CONFIG_ERROR_TEXT_BYTES], origin[512];
  size_t path_width = 0, text_width = 0;
  for (const tf_config_value_t *v = config->values; v; v = v->next) {
    size_t text_cnt = strlen(v->text);
    if (strlen(v->path) > path_width) path_width = strlen(v->path);
    if (text_cnt > text_width && text_cnt <= 44) text_width = text_cnt;
  }
  for (const tf_config_value_t *v = config->values; v; v = v->next)
    printf("%-*s  %-*s  # %s\n", (int)path_width, v->path, (int)text_width, v->text,
           tf_config_origin_text(config, v, origin, sizeof origin));
  print_places(config);
  print_snapshots(config);
  if (deep_check) deep_check->print(config, stdout);
  uint32_t note_cnt = all_notes(config, notes, NOTES_MAX);
  for (uint32_t i = 0; i < note_cnt; i++) printf("note: %s\n", notes[i]);
  printf("%s: ok, hash %016llx\n", config->path, (unsigned long long)config->hash);
}

static json_t *text_of(const char *text) {
  json_t *string = json_string(text);
  return string ? string : json_string("?"); /* an argument that is not UTF-8 */
}

static json_t *json_of_places(const tf_config_t *config) {
  tf_placement_option_t option;
  json_t               *list = json_array();
  for (uint32_t i = 0; i < config->model_cnt; i++) {
    json_t *row = json_object();
    tf_placement_choose(config, i, &option);
    json_object_set_new(row, "name", text_of(config->models[i].name));
    json_object_set_new(row, "may", json_string(tf_placement_choice_name(option.choice)));
    json_object_set_new(row, "program", option.program[0] ? text_of(option.program) : json_null());
    json_object_set_new(row, "why", text_of(option.why));
    if (features_of(i)) json_object_set_new(row, "features", text_of(features_of(i)));
    json_array_append_new(list, row);
  }
  return list;
}

static json_t *json_of_config(const tf_config_t *config) {
  static const char *const origins[] = {"default", "profile", "file", "set"};
  char                     notes[NOTES_MAX][TF_CONFIG_ERROR_TEXT_BYTES], origin[512], hash[17];
  json_t                  *values = json_array(), *remarks = json_array();
  for (const tf_config_value_t *v = config->values; v; v = v->next) {
    json_t *value = json_object();
    json_object_set_new(value, "path", text_of(v->path));
    json_object_set_new(value, "value", text_of(v->text));
    json_object_set_new(value, "origin", text_of(origins[tf_config_origin_of(v)]));
    json_object_set_new(value, "where",
                        text_of(tf_config_origin_text(config, v, origin, sizeof origin)));
    json_array_append_new(values, value);
  }
  uint32_t note_cnt = all_notes(config, notes, NOTES_MAX);
  for (uint32_t i = 0; i < note_cnt; i++) json_array_append_new(remarks, text_of(notes[i]));
  snprintf(hash, sizeof hash, "%016llx", (unsigned long long)config->hash);
  json_t *object = json_object();
  json_object_set_new(object, "file", text_of(config->path));
  json_object_set_new(object, "ok", json_true());
  json_object_set_new(object, "hash", text_of(hash));
  json_object_set_new(object, "values", values);
  json_object_set_new(object, "notes", remarks);
  json_object_set_new(object, "models", json_of_places(config));
  tickfuse_snapshot_state_t state;
  if (tickfuse_snapshot_look(config, &state))
    json_object_set_new(object, "snapshot", tickfuse_snapshot_json(&state));
  if (deep_check) json_object_set_new(object, "connections", deep_check->json(config));
  return object;
}

static json_t *json_of_errors(const char *path, const tf_config_errors_t *errors) {
  json_t *list = json_array(), *object = json_object();
  for (uint32_t i = 0; i < errors->error_cnt; i++) {
    json_t *error = json_object();
    json_object_set_new(error, "code", text_of(tf_error_name(errors->errors[i].code)));
    json_object_set_new(error, "line", json_integer(errors->errors[i].line));
    json_object_set_new(error, "column", json_integer(errors->errors[i].col));
    json_object_set_new(error, "text", text_of(errors->errors[i].text));
    json_array_append_new(list, error);
  }
  json_object_set_new(object, "file", text_of(path));
  json_object_set_new(object, "ok", json_false());
  json_object_set_new(object, "errors", list);
  json_object_set_new(object, "more", json_integer(errors->more_cnt));
  return object;
}

static void print_json(json_t *object) {
  json_dumpf(object, stdout, JSON_INDENT(2));
  putchar('\n');
  json_decref(object);
}

int tf_cmd_check(int argc, char **argv) {
  arguments_t        args = {0};
  tf_config_errors_t errors;
  tf_config_t       *config;
  int                code = read_arguments(argc, argv, &args);
  if (code >= 0) return code;
  if (check(args.path, args.sets, args.set_cnt, &errors, &config) != TF_OK) {
    if (args.json)
      print_json(json_of_errors(args.path, &errors));
    else
      tf_config_report_print(&errors, stderr);
    return TF_EXIT_USAGE;
  }
  if (args.json)
    print_json(json_of_config(config));
  else
    print_text(config);
  tf_config_free(config);
  return TF_EXIT_DONE;
}
