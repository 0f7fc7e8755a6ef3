/* `tickfuse group`: a member of a group, which runs engines of the partitions that it has leases of; --status looks at the group. */
#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "boot/group_run.h"
#include "cli.h"
#include "core/clock.h"
#include "core/error.h"
#include "core/log.h"
#include "group_args.h"
#include "group_http.h"
#include "group_status.h"
#include "registry.h"
#include "snapshot_group.h"

#define STATUS_NS (10 * TF_NS_PER_SEC) /* who looks on may wait */

static volatile sig_atomic_t signals;

static void on_signal(int signo) {
  if (signals++) _exit(128 + signo); /* the engines end with us */
}

typedef struct arguments {
  const char *path;
  const char *sets[TF_CLI_VALUES_MAX], *run_for[TF_CLI_VALUES_MAX];
  uint32_t    set_cnt, run_for_cnt, json, status;
  uint64_t    run_ns;
} arguments_t;

static int read_arguments(int argc, char **argv, arguments_t *args) {
  const tf_cli_option_t options[] = {
      {"--status", NULL,
       "show the group: members, partitions, epochs, lags, snapshots; takes nothing",                 NULL,
       &args->status                                                                                                                },
      {"--for",    "T",         "leave after this time, as in 10s; without it, at SIGINT or SIGTERM",
       args->run_for,                                                                                             &args->run_for_cnt},
      {"--set",    "KEY=VALUE", "override a config key, here and for each engine",                    args->sets,
       &args->set_cnt                                                                                                               },
      {"--json",   NULL,        "print the status, or what came of it, as one JSON object",           NULL,
       &args->json                                                                                                                  },
  };
  const tf_cli_spec_t spec = {"group CONFIG [--status] [--for T] [--set KEY=VALUE] [--json]",
                              "Joins the group that the config names, takes its share of the "
                              "partitions, and runs an engine\n"
                              "for each: the same config, in which {partition} becomes 0000, 0001 "
                              ".. Partitions of a member\n"
                              "that is lost go to the others. A first SIGINT or SIGTERM gives all "
                              "partitions back and leaves, a\n"
                              "second ends at once.",
                              options,
                              TF_ARRAY_CNT(options),
                              &args->path,
                              1,
                              1};
  int                 code = tf_cli_parse(&spec, argc, argv);
  if (code >= 0) return code;
  if (args->run_for_cnt && !tf_cli_duration(args->run_for[args->run_for_cnt - 1], &args->run_ns)) {
    fprintf(stderr, "tickfuse: --for %s: a time with its unit, as in 10s or 500ms\n",
            args->run_for[args->run_for_cnt - 1]);
    return TF_EXIT_USAGE;
  }
  return -1;
}

/* ---- the member ---- */

static const char *member_of(const tf_config_t *config, char name[TF_GROUP_NAME_BYTES]) {
  if (config->group.member) return config->group.member;
  char host[256] = "member";
  (void)gethostname(host, sizeof host - 1);
  snprintf(name, TF_GROUP_NAME_BYTES, "%.31s", host);
  return name;
}

static uint64_t random_session(void) {
  uint64_t session = 0;
  while (session == 0 && getrandom(&session, sizeof session, 0) != sizeof session) continue;
  return session;
}

static const char *program_of(const tf_config_t *config, char path[1024]) {
  if (config->group.program) return config->group.program;
  ssize_t chars               = readlink("/proc/self/exe", path, 1023);
  path[chars > 0 ? chars : 0] = '\0';
  return path;
}

static void print_end(const tf_group_run_t *run, bool is_json) {
  const tf_group_counts_t         *c = &run->group.counts;
  const tf_group_engines_counts_t *e = &run->engines.counts;
  const struct {
    const char *name;
    uint64_t    value;
  } rows[] = {
      {"taken",    c->taken   },
      {"given_up", c->given_up},
      {"evicted",  c->evicted },
      {"lapses",   c->lapses  },
      {"reads",    c->reads   },
      {"swaps",    c->swaps   },
      {"lost",     c->lost    },
      {"failed",   c->failed  },
      {"starts",   e->starts  },
      {"ends",     e->ends    },
      {"stops",    e->stops   },
      {"kills",    e->kills   }
  };
  json_t *object = json_object();
  for (size_t i = 0; i < TF_ARRAY_CNT(rows); i++) {
    json_object_set_new(object, rows[i].name, json_integer((json_int_t)rows[i].value));
    if (!is_json) printf("%-9s %llu\n", rows[i].name, (unsigned long long)rows[i].value);
  }
  if (is_json) json_dumpf(object, stdout, JSON_INDENT(1));
  if (is_json) printf("\n");
  json_decref(object);
}

static tf_err_t take_part(tf_group_run_t *run, tf_group_http_t *http, uint64_t run_ns) {
  uint64_t begin_ns = tf_clock_monotonic_ns();
  tf_err_t err      = TF_OK;
  while (tf_group_run_pass(run, &err)) {
    tf_group_http_show(http, run);
    if (signals || (run_ns && tf_clock_monotonic_ns() - begin_ns >= run_ns))
      tf_group_leave(&run->group);
  }
  return err;
}

static tf_err_t run_member(const tf_config_t *config, const arguments_t *args,
                           const tf_group_store_t *store, void *state) {
  static tf_group_run_t  run;
  static tf_group_args_t engine_args;
  static tf_group_http_t http;
  char                   name[TF_GROUP_NAME_BYTES], program[1024];
  uint64_t               wall_ns    = tf_clock_wall_ns();
  tf_group_run_config_t  run_config = {
       .lease       = {.member         = member_of(config,        name),
                       .session        = random_session(),
                       .lease_ns       = config->group.lease_ns,
                       .partition_cnt  = config->group.partitions,
                       .share_max      = config->group.share_max,
                       .wall_offset_ns = wall_ns - tf_lease_clock_ns()},
       .engines     = {.self    = &engine_args,
                       .argv_of = tf_group_args_of,
                       .log_dir = config->group.log_dir,
                       .stop_ns = config->group.stop_ns},
       .store       = store,
       .store_state = state
  };
  tf_err_t err = tf_group_args_init(&engine_args, config, program_of(config, program), args->sets,
                                    args->set_cnt);
  if (!err) err = tf_group_run_init(&run, &run_config);
  if (!err) err = tf_group_http_init(&http, config);
  signal(SIGINT, on_signal);
  signal(SIGTERM, on_signal);
  if (!err)
    tf_log(TF_LOG_NOTICE, "group_member", "group=%s member=%s partitions=%u store=%s",
           config->group.name, run_config.lease.member, config->group.partitions, store->name);
  if (!err) err = take_part(&run, &http, args->run_ns);
  tf_group_http_fini(&http);
  tf_group_run_fini(&run);
  tf_group_args_fini(&engine_args);
  if (!err) print_end(&run, args->json);
  return err;
}

int tf_cmd_group(int argc, char **argv) {
  static arguments_t      args;
  tf_config_t            *config;
  const tf_group_store_t *store = NULL;
  void                   *state = NULL;
  int                     code  = read_arguments(argc, argv, &args);
  if (code >= 0) return code;
  code = tickfuse_load_config(args.path, args.sets, args.set_cnt, &config);
  if (code != TF_EXIT_DONE) return code;
  tf_log_level_set((tf_log_level_t)config->engine.log_level);
  tf_err_t err = tickfuse_group_store(config, args.status ? STATUS_NS : config->group.lease_ns / 8,
                                      !args.status, &store, &state);
  if (!err && args.status)
    err = tf_group_status_print(config, store, state, args.json);
  else if (!err)
    err = run_member(config, &args, store, state);
  if (state) store->close(state);
  tf_config_free(config);
  return err ? tf_cli_fail(err) : TF_EXIT_DONE;
}
