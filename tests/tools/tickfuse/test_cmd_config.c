/* `check` and `schema` as a caller sees them: output, JSON, exit status. Arguments: the program. */
#include "cmocka_tf.h"

#include <jansson.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "boot/config_table.h"

#define OUTPUT_BYTES (256u * 1024)

static const char *program;
static char        out[OUTPUT_BYTES];
static char        file[] = "/tmp/tf_cmd_XXXXXX";

/* Runs the program; its stdout and stderr together in out. Returns the exit status. */
static int run(const char *arguments) {
  char   line[1024];
  size_t used = 0, n;
  snprintf(line, sizeof line, "'%s' %s 2>&1", program, arguments);
  FILE *pipe = popen(line, "r");
  assert_non_null(pipe);
  while ((n = fread(out + used, 1, sizeof out - 1 - used, pipe)) > 0) used += n;
  out[used]  = '\0';
  int status = pclose(pipe);
  assert_true(WIFEXITED(status));
  return WEXITSTATUS(status);
}

static int check(const char *yaml, const char *options) {
  char  line[512];
  FILE *f = fopen(file, "w");
  fputs(yaml, f);
  fclose(f);
  snprintf(line, sizeof line, "check %s %s", file, options);
  return run(line);
}

static json_t *parsed(void) {
  json_error_t error;
  json_t      *object = json_loads(out, JSON_REJECT_DUPLICATES, &error);
  if (!object) fail_msg("%s at %d:%d in %s", error.text, error.line, error.column, out);
  return object;
}

static const char *text_at(json_t *object, const char *key) {
  const char *text = json_string_value(json_object_get(object, key));
  return text ? text : "(none)";
}

static void bad_usage_is_two(void **state) {
  (void)state;
  assert_int_equal(run("check"), 2);
  assert_non_null(strstr(out, "an argument is missing"));
  assert_int_equal(run("check --jason configs/demo.yaml"), 2);
  assert_non_null(strstr(out, "unknown option \"--jason\", did you mean \"--json\"?"));
  assert_int_equal(run("check a.yaml b.yaml"), 2);
  assert_int_equal(run("check configs/demo.yaml --set"), 2);
  assert_int_equal(run("check gone.yaml"), 2);
  assert_string_equal(out, "gone.yaml: cannot be opened: No such file or directory\n");
  assert_int_equal(run("schema --yaml"), 2);
}

static void a_bad_config_is_two_and_lists_every_error(void **state) {
  (void)state;
  char expected[512];
  assert_int_equal(check("engine: {idle: spinn, latency_sample: 0}\n", ""), 2);
  snprintf(expected, sizeof expected,
           "%s:1:16: engine.idle: found \"spinn\"; did you mean \"spin\"? allowed: spin, yield, "
           "sleep\n%s:1:39: engine.latency_sample: 0 is out of range; allowed: 1 .. 1000000 "
           "ticks\n",
           file, file);
  assert_string_equal(out, expected);
  assert_int_equal(check("engine: {idle: spinn}\nfeeds: [{name: a, venue: krakn}]\n", "--json"), 2);
  json_t *object = parsed();
  assert_true(json_is_false(json_object_get(object, "ok")));
  assert_int_equal(json_array_size(json_object_get(object, "errors")), 1);
  json_t *error = json_array_get(json_object_get(object, "errors"), 0);
  assert_string_equal(text_at(error, "code"), "E_CONFIG_VALUE");
  assert_int_equal(json_integer_value(json_object_get(error, "line")), 1);
  assert_int_equal(json_integer_value(json_object_get(error, "column")), 16);
  json_decref(object);
}

static void names_that_the_engine_lacks_are_refused(void **state) {
  (void)state;
  assert_int_equal(check("feeds: [{name: a, venue: krakn}]\n", ""), 2);
  assert_non_null(strstr(out, "did you mean \"kraken\"?"));
}

/* "name  value  # origin" on a line of its own, however wide its columns are. */
static bool has_line(const char *name, const char *value, const char *origin) {
  char found[3][128];
  for (const char *at = out; (at = strstr(at, name)); at++)
    if ((at == out || at[-1] == '\n') &&
        sscanf(at, "%127s %127s # %127[^\n]", found[0], found[1], found[2]) == 3 &&
        !strcmp(found[0], name) && !strcmp(found[1], value) && !strcmp(found[2], origin))
      return true;
  return false;
}

static void a_good_config_prints_values_with_their_origins(void **state) {
  (void)state;
  assert_int_equal(check("engine: {profile: basic}\n", "--set engine.io=epoll"), 0);
  assert_true(has_line("engine.idle", "sleep", "profile basic"));
  assert_true(has_line("engine.io", "epoll", "--set engine.io=epoll"));
  assert_true(has_line("engine.log_level", "notice", "default"));
  assert_non_null(strstr(out, ": ok, hash "));
  assert_int_equal(check("models: [{name: a, file: gone.safetensors}]\n", "--json"), 0);
  json_t *object = parsed(), *value, *values = json_object_get(object, "values");
  assert_true(json_is_true(json_object_get(object, "ok")));
  assert_int_equal(strlen(text_at(object, "hash")), 16);
  assert_int_equal(json_array_size(json_object_get(object, "notes")), 1);
  size_t i, found = 0;
  json_array_foreach(values, i, value) {
    if (strcmp(text_at(value, "path"), "models[0].file") != 0) continue;
    assert_string_equal(text_at(value, "value"), "gone.safetensors");
    assert_string_equal(text_at(value, "origin"), "file");
    assert_non_null(strstr(text_at(value, "where"), ":1:26"));
    found++;
  }
  assert_int_equal(found, 1);
  json_decref(object);
}

static void a_model_has_its_place_or_says_that_it_is_measured(void **state) {
  (void)state;
  const char *models = "gpu: {worker: /bin/true}\nmodels: [{name: a, file: x.safetensors}, "
                       "{name: b, file: x.safetensors, backend: cpu}]\n";
  assert_int_equal(check(models, ""), 0);
  assert_non_null(strstr(out, "\nmodel a: measured: measured at the start, with /bin/true\n"));
  assert_non_null(strstr(out, "\nmodel b: cpu: the config says backend: cpu\n"));
  assert_int_equal(check(models, "--json"), 0);
  json_t *object = parsed(), *rows = json_object_get(object, "models");
  assert_int_equal(json_array_size(rows), 2);
  assert_string_equal(text_at(json_array_get(rows, 0), "may"), "measured");
  assert_string_equal(text_at(json_array_get(rows, 0), "program"), "/bin/true");
  assert_string_equal(text_at(json_array_get(rows, 1), "may"), "cpu");
  assert_true(json_is_null(json_object_get(json_array_get(rows, 1), "program")));
  json_decref(object);
}

/* Where they lie, how often, the last one, and what is in the way. */
static void snapshots_are_told_with_what_is_in_the_way(void **state) {
  (void)state;
  char snap[64], yaml[512], expected[256];
  snprintf(snap, sizeof snap, "%s.snap", file);
  snprintf(
      yaml, sizeof yaml,
      "engine: {snapshot: %s, snapshot_every: 10s, snapshot_restore: exact, conflate_after: "
      "5ms}\nmodels: [{name: own, file: x, registry: \"r/{symbol}\"}, {name: all, registry: r}]\n",
      snap);
  assert_int_equal(check(yaml, ""), 0);
  snprintf(expected, sizeof expected, "snapshot %s: every 10 s, restored exact; none is there\n",
           snap);
  assert_non_null(strstr(out, expected));
  assert_null(strstr(out, "note: engine.snapshot:"));
  assert_non_null(strstr(out, "note: engine.snapshot_restore: model own is one an instrument"));
  assert_non_null(strstr(out, "note: engine.snapshot_restore: model all: while a version of it"));
  assert_non_null(strstr(out, "note: engine.snapshot_restore: while the lane is behind"));
  FILE *f = fopen(snap, "w");
  fputs("12345", f);
  fclose(f);
  assert_int_equal(check(yaml, "--set engine.snapshot_restore=learnt --json"), 0);
  json_t *object = parsed(), *snapshot = json_object_get(object, "snapshot");
  assert_string_equal(text_at(snapshot, "path"), snap);
  assert_string_equal(text_at(snapshot, "restored"), "learnt");
  assert_int_equal(json_integer_value(json_object_get(snapshot, "every_ns")), 10000000000);
  assert_int_equal(json_integer_value(json_object_get(snapshot, "bytes")), 5);
  assert_in_range(json_integer_value(json_object_get(snapshot, "age_seconds")), 0, 3600);
  assert_true(json_is_null(json_object_get(snapshot, "trouble")));
  assert_int_equal(json_array_size(json_object_get(snapshot, "inexact")), 3);
  json_decref(object);
  unlink(snap);
  assert_int_equal(check("engine: {snapshot: /proc/none/s.snap}\n", ""), 0);
  assert_non_null(strstr(out, "at the end, restored learnt; none is there\n"));
  assert_non_null(
      strstr(out, "note: engine.snapshot: /proc/none takes no file: No such file or directory\n"));
  assert_int_equal(check("engine: {idle: spin}\n", ""), 0);
  assert_null(strstr(out, "\nsnapshot "));
}

static void help_is_zero(void **state) {
  (void)state;
  assert_int_equal(run("check --help"), 0);
  assert_memory_equal(out, "usage: ", 7);
  assert_int_equal(run("schema --help"), 0);
  assert_memory_equal(out, "usage: ", 7);
}

static uint32_t count_lines(const tf_config_section_t *section) {
  uint32_t cnt = section->key_cnt + section->group_cnt;
  for (uint32_t i = 0; i < section->group_cnt; i++) cnt += count_lines(section->groups[i].section);
  return cnt;
}

static void schema_names_every_key_once(void **state) {
  (void)state;
  assert_int_equal(run("schema --json"), 0);
  json_t *object = parsed(), *keys = json_object_get(object, "keys"), *key;
  /* bars.<name> stands for the key `name`. */
  assert_int_equal(json_array_size(keys), count_lines(&tf_config_table_root));
  size_t i, j;
  json_array_foreach(keys, i, key) {
    assert_string_not_equal(text_at(key, "help"), "");
    for (j = 0; j < i; j++)
      assert_string_not_equal(text_at(json_array_get(keys, j), "path"), text_at(key, "path"));
  }
  json_t *profiles = json_object_get(object, "profiles");
  assert_string_equal(text_at(json_object_get(profiles, "basic"), "engine.idle"), "sleep");
  json_decref(object);
  assert_int_equal(run("schema"), 0);
  assert_non_null(strstr(out,
                         "\nstrategies[].cooldown\n    duration; 0s .. 24h; units ns, us, ms, s, "
                         "m, h; default 0s\n"));
}

static void docs_config_md_is_what_schema_writes(void **state) {
  (void)state;
  static char docs[OUTPUT_BYTES];
  FILE       *f = fopen("docs/config.md", "r");
  assert_non_null(f);
  docs[fread(docs, 1, sizeof docs - 1, f)] = '\0';
  fclose(f);
  assert_int_equal(run("schema --markdown"), 0);
  if (strcmp(out, docs) != 0)
    fail_msg("docs/config.md is old: write it with `tickfuse schema --markdown > docs/config.md`");
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(bad_usage_is_two),
      cmocka_unit_test(a_bad_config_is_two_and_lists_every_error),
      cmocka_unit_test(names_that_the_engine_lacks_are_refused),
      cmocka_unit_test(a_good_config_prints_values_with_their_origins),
      cmocka_unit_test(a_model_has_its_place_or_says_that_it_is_measured),
      cmocka_unit_test(snapshots_are_told_with_what_is_in_the_way),
      cmocka_unit_test(help_is_zero),
      cmocka_unit_test(schema_names_every_key_once),
      cmocka_unit_test(docs_config_md_is_what_schema_writes),
  };
  if (argc < 2) return 77;
  program = argv[1];
  int fd  = mkstemp(file);
  if (fd < 0) return 1;
  close(fd);
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  unlink(file);
  return failed;
}
