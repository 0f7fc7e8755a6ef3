/* `tickfuse doctor`: what on this host costs latency, worst first. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "core/clock.h"
#include "doctor.h"

#define FINDINGS_MAX 64

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

static void print_grade(const findings_t *all, doctor_grade_t grade) {
  for (uint32_t i = 0; i < all->cnt; i++) {
    const doctor_finding_t *f = &all->rows[i];
    if (f->grade != grade) continue;
    printf("%-7s  %-19s  %-40s  %s\n", grade_words[f->grade], f->id, f->value, f->says);
    if (f->remedy[0]) printf("%-7s  %-19s  -> %s\n", "", "", f->remedy);
  }
}

static void print_text(const findings_t *all) {
  static const doctor_grade_t order[] = {DOCTOR_BAD, DOCTOR_WARN, DOCTOR_GOOD, DOCTOR_UNKNOWN};
  for (size_t i = 0; i < TF_ARRAY_CNT(order); i++) print_grade(all, order[i]);
  printf("%u bad, %u warn, %u good, %u unknown\n", all->grade_cnt[DOCTOR_BAD],
         all->grade_cnt[DOCTOR_WARN], all->grade_cnt[DOCTOR_GOOD], all->grade_cnt[DOCTOR_UNKNOWN]);
}

/* Files of a host may hold anything; JSON holds UTF-8. */
static json_t *text_of(const char *text) {
  json_t *string = json_string(text);
  return string ? string : json_string("?");
}

static void print_json(const findings_t *all) {
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
  for (size_t i = 0; i < TF_ARRAY_CNT(grade_words); i++)
    json_object_set_new(object, grade_words[i], json_integer(all->grade_cnt[i]));
  json_dumpf(object, stdout, JSON_INDENT(1));
  printf("\n");
  json_decref(object);
}

int tf_cmd_doctor(int argc, char **argv) {
  const char           *roots[TF_CLI_VALUES_MAX] = {NULL};
  uint32_t              json = 0, root_cnt = 0, no_measure = 0, strict = 0;
  const tf_cli_option_t options[] = {
      {"--json",       NULL,  "{\"findings\": [{id, grade, value, says, remedy}], \"bad\": n, ...}", NULL,
       &json                                                                                                         },
      {"--no-measure", NULL,  "read settings only: no clock, jitter and loopback measurement",       NULL,
       &no_measure                                                                                                   },
      {"--strict",     NULL,  "exit 1 if anything is bad",                                           NULL,  &strict  },
      {"--root",       "DIR", "read DIR/proc and DIR/sys; nothing is measured",                      roots, &root_cnt},
  };
  const tf_cli_spec_t spec = {.usage   = "doctor [--json] [--no-measure] [--strict] [--root DIR]",
                              .about   = "Says what on this host costs latency, and what to do "
                                         "about it. Takes about a second.",
                              .options = options,
                              .option_cnt = TF_ARRAY_CNT(options)};
  int                 code = tf_cli_parse(&spec, argc, argv);
  if (code >= 0) return code;
  static findings_t all;
  doctor_host_t     host = {.root = root_cnt ? roots[root_cnt - 1] : ""};
  char              probe[8];
  if (root_cnt && !doctor_read(&host, "/proc/version", probe, sizeof probe) &&
      !doctor_read(&host, "/proc/sys/kernel/osrelease", probe, sizeof probe)) {
    fprintf(stderr, "tickfuse: doctor: %s/proc has neither version nor sys/kernel/osrelease\n",
            host.root);
    return TF_EXIT_USAGE;
  }
  examine(doctor_checks, doctor_check_cnt, &host, &all);
  if (!root_cnt && !no_measure) {
    tf_clock_calibrate();
    examine(doctor_measurements, doctor_measurement_cnt, &host, &all);
  }
  if (json)
    print_json(&all);
  else
    print_text(&all);
  return strict && all.grade_cnt[DOCTOR_BAD] ? TF_EXIT_FAILED : TF_EXIT_DONE;
}
