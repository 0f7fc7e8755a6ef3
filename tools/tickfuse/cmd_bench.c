/* `tickfuse bench`: runs the bench programs that were built beside this binary, and joins what they
 * print. Each is a program of its own, so that a peer's library never comes near the engine. */
#include <dirent.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli.h"

#define BENCHES_MAX      32
#define OUTPUT_BYTES_MAX (1u << 20)

static int by_name(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Names of the executables bench_* in dir, sorted, without the prefix. */
static uint32_t list_benches(const char *dir, char *names[BENCHES_MAX]) {
  DIR     *d   = opendir(dir);
  uint32_t cnt = 0;
  for (struct dirent *e; d && cnt < BENCHES_MAX && (e = readdir(d)) != NULL;)
    if (!strncmp(e->d_name, "bench_", 6) && !strchr(e->d_name, '.'))
      names[cnt++] = strdup(e->d_name + 6);
  if (d) closedir(d);
  qsort(names, cnt, sizeof *names, by_name);
  return cnt;
}

/* Runs one with --json and appends its rows to all. */
static bool run_json(const char *path, bool smoke, json_t *all) {
  char command[1200];
  snprintf(command, sizeof command, "'%s' --json%s", path, smoke ? " --smoke" : "");
  FILE *pipe = popen(command, "r");
  if (!pipe) return false;
  char        *text = malloc(OUTPUT_BYTES_MAX);
  size_t       cnt  = text ? fread(text, 1, OUTPUT_BYTES_MAX, pipe) : 0;
  int          rc   = pclose(pipe);
  json_error_t error;
  json_t      *rows = json_loadb(text ? text : "", cnt, 0, &error);
  free(text);
  bool skipped = WIFEXITED(rc) && WEXITSTATUS(rc) == 77;
  if ((rc != 0 && !skipped) || !json_is_array(rows)) {
    fprintf(stderr, "tickfuse: %s failed (exit %d): %s\n", path,
            WIFEXITED(rc) ? WEXITSTATUS(rc) : -1, rows ? "no list" : error.text);
    json_decref(rows);
    return false;
  }
  json_array_extend(all, rows);
  json_decref(rows);
  return true;
}

int tf_cmd_bench(int argc, char **argv) {
  const char           *name = NULL;
  uint32_t              json = 0, smoke = 0;
  const tf_cli_option_t options[] = {
      {"--json",  NULL, "one list of {name, ours, unit, peer, peer_value, ratio, budget, ok}", NULL,
       &json                                                                                               },
      {"--smoke", NULL, "a short run that only shows that each bench works",                   NULL, &smoke},
  };
  const tf_cli_spec_t spec = {"bench [NAME] [--json] [--smoke]",
                              "Runs the benchmarks, each beside its peer in the same run.",
                              options,
                              TF_ARRAY_CNT(options),
                              &name,
                              0,
                              1};
  int                 code = tf_cli_parse(&spec, argc, argv);
  if (code >= 0) return code;

  char    dir[1000];
  ssize_t cnt = readlink("/proc/self/exe", dir, sizeof dir - 8);
  if (cnt < 0) return tf_cli_fail(E_CORE_SYSTEM);
  dir[cnt] = '\0';
  strcpy(strrchr(dir, '/'), "/bench");
  char    *names[BENCHES_MAX];
  uint32_t bench_cnt = list_benches(dir, names), run_cnt = 0;
  bool     ok  = true;
  json_t  *all = json_array();
  for (uint32_t i = 0; i < bench_cnt; i++) {
    if (name && strcmp(name, names[i])) continue;
    run_cnt++;
    char path[1100];
    snprintf(path, sizeof path, "%s/bench_%s", dir, names[i]);
    fflush(stdout);
    if (json) {
      ok &= run_json(path, smoke, all);
    } else {
      char command[1200];
      snprintf(command, sizeof command, "'%s'%s", path, smoke ? " --smoke" : "");
      int rc = system(command);
      ok &= rc == 0 || (WIFEXITED(rc) && WEXITSTATUS(rc) == 77);
    }
  }
  if (run_cnt == 0) {
    if (bench_cnt == 0)
      fprintf(stderr, "tickfuse: no benches in %s: they are built by ./dev build rel\n", dir);
    else
      tf_cli_unknown("bench", name, (const char *const *)names, bench_cnt);
    ok = false;
  } else if (json) {
    json_dumpf(all, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(6));
    printf("\n");
  }
  json_decref(all);
  for (uint32_t i = 0; i < bench_cnt; i++) free(names[i]);
  return ok ? TF_EXIT_DONE : run_cnt ? TF_EXIT_FAILED : TF_EXIT_USAGE;
}
