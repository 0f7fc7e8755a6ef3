/* `tickfuse doctor`: what on this host costs latency, worst first. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "core/clock.h"
#include "doctor.h"
#include "doctor_ends.h"
#include "doctor_group.h"
#include "doctor_models.h"
#include "snapshot_state.h"

#define FINDINGS_MAX (64 + DOCTOR_ENDS_MAX)

static const char *const grade_words[] = {"good", "warn", "bad", "unknown"};

typedef struct findings {
  doctor_finding_t rows[FINDINGS_MAX];
  uint32_t         cnt;
  uint32_t         grade_cnt[TF_ARRAY_CNT(grade_words)];
} findings_t;

static void examine(const doctor_check_t *checks, uint32_t cnt, const doctor_host_t *host,
                    findings_t *all) {
  for (uint32_t i = 0; i < cnt; i++) {
    TF_ASSERT(all->cnt < FINDINGS_MAX);
    doctor_finding_t *f = &all->rows[all->cnt++];
    f->id               = checks[i].id;
    checks[i].run(host, f);
    all->grade_cnt[f->grade]++;
  }
}

static void examine_group(const tf_config_t *config, findings_t *all) {
  TF_ASSERT(all->cnt < FINDINGS_MAX);
  doctor_finding_t *f = &all->rows[all->cnt];
  if (!doctor_group_examine(config, f)) return;
  all->cnt++;
  all->grade_cnt[f->grade]++;
}

static void examine_ends(const tf_config_t *config, findings_t *all) {
  TF_ASSERT(all->cnt + DOCTOR_ENDS_MAX <= FINDINGS_MAX);
  uint32_t cnt = doctor_ends_examine(config, &all->rows[all->cnt]);
  for (uint32_t i = 0; i < cnt; i++) all->grade_cnt[all->rows[all->cnt++].grade]++;
}

/* With a config that has snapshots: can it go on from them? */
static void examine_snapshots(const tf_config_t *config, findings_t *all) {
  tickfuse_snapshot_state_t s;
  if (!config || !tickfuse_snapshot_look(config, &s)) return;
  TF_ASSERT(all->cnt < FINDINGS_MAX);
  doctor_finding_t *f = &all->rows[all->cnt++];
  f->id               = "snapshots";
  tickfuse_snapshot_say(&s, f->value, sizeof f->value);
  if (s.trouble[0])
    doctor_say(f, DOCTOR_BAD, s.trouble, "make its folder one that the engine may write to");
  else if (s.is_exact && s.inexact_cnt > 0)
    doctor_say(f, DOCTOR_WARN, s.inexact[0], "tickfuse check lists all of these");
  else
    doctor_say(f, DOCTOR_GOOD, "its folder takes files", "");
  all->grade_cnt[f->grade]++;
}

static void print_grade(const findings_t *all, doctor_grade_t grade) {
  for (uint32_t i = 0; i < all->cnt; i++) {
    const doctor_finding_t *f = &all->rows[i];
    if (f->grade != grade) continue;
    printf("%-7s  %-19s  %-40s  %s\n", grade_words[f->grade], f->id, f->value, f->says);
    if (f->remedy[0]) printf("%-7s  %-19s  -> %s\n", "", "", f->remedy);
  }
}

static void print_text(const findings_t *all, const doctor_models_t *models) {
  static const doctor_grade_t order[] = {DOCTOR_BAD, DOCTOR_WARN, DOCTOR_GOOD, DOCTOR_UNKNOWN};
  for (size_t i = 0; i < TF_ARRAY_CNT(order); i++) print_grade(all, order[i]);
  doctor_models_print(models);
  printf("%u bad, %u warn, %u good, %u unknown\n", all->grade_cnt[DOCTOR_BAD],
         all->grade_cnt[DOCTOR_WARN], all->grade_cnt[DOCTOR_GOOD], all->grade_cnt[DOCTOR_UNKNOWN]);
}

/* Files of a host may hold anything; JSON holds UTF-8. */
static json_t *text_of(const char *text) {
  json_t *string = json_string(text);
  return string ? string : json_string("?");
}

static void print_json(const findings_t *all, const doctor_models_t *models) {
  json_t *object = json_object(), *rows = json_array();
  for (uint32_t i = 0; i < all->cnt; i++) {
    const doctor_finding_t *f   = &all->rows[i];
    json_t                 *row = json_object();
    json_object_set_new(row, "id", json_string(f->id));
    json_object_set_new(row, "grade", json_string(grade_words[f->grade]));
    json_object_set_new(row, "value", text_of(f->value));
    json_object_set_new(row, "says", text_of(f->says));
    json_object_set_new(row, "remedy", f->remedy[0] ? text_of(f->remedy) : json_null());
    json_array_append_new(rows, row);
  }
  json_object_set_new(object, "findings", rows);
  if (models->config) json_object_set_new(object, "models", doctor_models_json(models));
  for (size_t i = 0; i < TF_ARRAY_CNT(grade_words); i++)
    json_object_set_new(object, grade_words[i], json_integer(all->grade_cnt[i]));
  json_dumpf(object, stdout, JSON_INDENT(1));
  printf("\n");
  json_decref(object);
}

typedef struct arguments {
  const char *config; /* NULL: the host alone */
  const char *sets[TF_CLI_VALUES_MAX], *roots[TF_CLI_VALUES_MAX];
  uint32_t    set_cnt, root_cnt, json, no_measure, strict;
} arguments_t;

static int read_arguments(int argc, char **argv, arguments_t *args) {
  const tf_cli_option_t options[] = {
      {"--set",        "key=value", "with CONFIG: lay one value over the file, as in `run`",               args->sets,
       &args->set_cnt                                                                                                                },
      {"--json",       NULL,        "{\"findings\": [{id, grade, value, says, remedy}], \"bad\": n, ...}", NULL,
       &args->json                                                                                                                   },
      {"--no-measure", NULL,        "read settings only: no clock, jitter and loopback measurement",       NULL,
       &args->no_measure                                                                                                             },
      {"--strict",     NULL,        "exit 1 if anything is bad",                                           NULL,        &args->strict},
      {"--root",       "DIR",       "read DIR/proc and DIR/sys; nothing is measured",                      args->roots,
       &args->root_cnt                                                                                                               },
  };
  const tf_cli_spec_t spec = {
      .usage =
          "doctor [CONFIG] [--set key=value]... [--json] [--no-measure] [--strict] [--root DIR]",
      .about =
          "Says what on this host costs latency, and what to do about it. Takes about a second.\n"
          "With CONFIG it says too where each of its models would be answered here, and why: the\n"
          "models are loaded and timed on the CPU, and where backend auto is open, in their "
          "worker;\n"
          "whether its snapshots' folder takes files, and whether the store of its group answers, "
          "and how soon;\n"
          "and each broker and server of its feeds and sinks is dialed as its keys say, and asked "
          "how "
          "the stream\nstands.",
      .options        = options,
      .option_cnt     = TF_ARRAY_CNT(options),
      .positional     = &args->config,
      .positional_max = 1};
  int code = tf_cli_parse(&spec, argc, argv);
  if (code >= 0 || args->config || args->set_cnt == 0) return code;
  fprintf(stderr, "tickfuse: doctor: --set changes a config: name one\n");
  return TF_EXIT_USAGE;
}

/* A host that is read from elsewhere has to be one. */
static bool is_host(const doctor_host_t *host) {
  char probe[8];
  if (doctor_read(host, "/proc/version", probe, sizeof probe) ||
      doctor_read(host, "/proc/sys/kernel/osrelease", probe, sizeof probe))
    return true;
  fprintf(stderr, "tickfuse: doctor: %s/proc has neither version nor sys/kernel/osrelease\n",
          host->root);
  return false;
}

int tf_cmd_doctor(int argc, char **argv) {
  static findings_t      all;
  static doctor_models_t models;
  arguments_t            args = {0};
  int                    code = read_arguments(argc, argv, &args);
  if (code >= 0) return code;
  doctor_host_t host = {.root = args.root_cnt ? args.roots[args.root_cnt - 1] : ""};
  if (args.root_cnt && !is_host(&host)) return TF_EXIT_USAGE;
  examine(doctor_checks, doctor_check_cnt, &host, &all);
  if (!args.root_cnt && !args.no_measure) {
    tf_clock_calibrate();
    examine(doctor_measurements, doctor_measurement_cnt, &host, &all);
  }
  code = args.config ? doctor_models_examine(&models, args.config, args.sets, args.set_cnt)
                     : TF_EXIT_DONE;
  if (code == TF_EXIT_DONE) {
    if (models.config) examine_group(models.config, &all);
    if (models.config && !args.root_cnt) examine_ends(models.config, &all);
    examine_snapshots(models.config, &all);
    if (args.json)
      print_json(&all, &models);
    else
      print_text(&all, &models);
    if (args.strict && all.grade_cnt[DOCTOR_BAD]) code = TF_EXIT_FAILED;
  }
  doctor_models_fini(&models);
  return code;
}
