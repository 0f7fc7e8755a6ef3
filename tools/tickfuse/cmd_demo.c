/* `tickfuse demo`: the simulator as a process of its own, the engine in this one, a live table. */
#include <libgen.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli.h"
#include "core/error.h"
#include "live.h"
#include "registry.h"
#include "sim_venue.h"

#define CONFIG "configs/demo.yaml"

typedef struct exchange {
  pid_t pid;
  char  url[64], rest[64], ca_file[128];
} exchange_t;

static char self[1024]; /* path of this binary */

/* configs and models are found from the current directory, or from where the binary was built. */
static bool find_root(void) {
  ssize_t cnt = readlink("/proc/self/exe", self, sizeof self - 1);
  if (cnt < 0) return false;
  self[cnt] = '\0';
  if (access(CONFIG, R_OK) == 0) return true;
  char dir[1024];
  memcpy(dir, self, sizeof dir);
  return chdir(dirname(dir)) == 0 && chdir("../..") == 0 && access(CONFIG, R_OK) == 0;
}

/* Starts `tickfuse sim ARGS` and reads where it listens. */
static tf_err_t start_exchange(exchange_t *ex, const char **args, uint32_t arg_cnt) {
  int fds[2];
  if (pipe(fds) != 0) return TF_ERR(E_CORE_SYSTEM, "demo: pipe");
  ex->pid = fork();
  if (ex->pid == 0) {
    const char *argv[40] = {self, "sim"};
    for (uint32_t i = 0; i < arg_cnt && i < 36; i++) argv[2 + i] = args[i];
    prctl(PR_SET_PDEATHSIG, SIGTERM); /* it does not outlive the demo */
    dup2(fds[1], STDOUT_FILENO);
    close(fds[0]);
    close(fds[1]);
    setpgid(0, 0); /* Ctrl-C is the demo's, which then stops it */
    execv(self, (char *const *)(uintptr_t)argv);
    _exit(127);
  }
  close(fds[1]);
  FILE    *out       = fdopen(fds[0], "r");
  char     line[512] = "", scheme[8], venue[32];
  unsigned port      = 0;
  if (ex->pid > 0 && out && fgets(line, sizeof line, out) &&
      sscanf(line, "listening on %7[a-z]://127.0.0.1:%u venue=%31s ca_file=%127s", scheme, &port,
             venue, ex->ca_file) >= 3) {
    snprintf(ex->url, sizeof ex->url, "%s://127.0.0.1:%u", scheme, port);
    snprintf(ex->rest, sizeof ex->rest, "%s://127.0.0.1:%u",
             !strcmp(scheme, "wss") ? "https" : "http", port);
  }
  if (out) fclose(out);
  return port ? TF_OK : TF_ERR(E_CORE_SYSTEM, "demo: the simulator did not start");
}

static void stop_exchange(const exchange_t *ex) {
  if (ex->pid <= 0) return;
  kill(ex->pid, SIGTERM);
  waitpid(ex->pid, NULL, 0);
}

/* "feeds.0.instruments=[BTC-USD,ETH-USD,SOL-USD]": the venue's own of the simulator. */
static void put_instruments(const sim_venue_t *venue, char *buf, size_t cap) {
  size_t cnt = (size_t)snprintf(buf, cap, "feeds.0.instruments=[");
  for (const sim_pair_t *p = venue->pairs; p->name && cnt < cap; p++)
    cnt += (size_t)snprintf(buf + cnt, cap - cnt, "%s%s", p == venue->pairs ? "" : ",", p->name);
  if (cnt < cap) snprintf(buf + cnt, cap - cnt, "]");
}

static int run(const exchange_t *ex, const sim_venue_t *sim, const char **user_sets,
               uint32_t user_set_cnt, const tf_live_options_t *live) {
  char url[128], rest[128], ca_file[192], venue[64], instruments[256];
  snprintf(venue, sizeof venue, "feeds.0.venue=%s", sim->name);
  put_instruments(sim, instruments, sizeof instruments);
  snprintf(url, sizeof url, "feeds.0.url=%s", ex->url);
  snprintf(rest, sizeof rest, "feeds.0.rest=%s", ex->rest);
  snprintf(ca_file, sizeof ca_file, "feeds.0.ca_file=%s", ex->ca_file);
  const char *sets[TF_CLI_VALUES_MAX + 5] = {venue, instruments, url, rest};
  uint32_t    set_cnt                     = 4;
  if (*ex->ca_file) sets[set_cnt++] = ca_file;
  for (uint32_t i = 0; i < user_set_cnt; i++) sets[set_cnt++] = user_sets[i];
  tf_config_t *config;
  int          code = tickfuse_load_config(CONFIG, sets, set_cnt, &config);
  if (code != TF_EXIT_DONE) return code;
  if (!live->json)
    printf("exchange %s (simulated), config " CONFIG
           ", decisions in shared memory: tickfuse tail %s\n\n",
           ex->url, config->sink_cnt && config->sinks[0].path ? config->sinks[0].path : "NAME");
  fflush(stdout);
  tf_log_level_set((tf_log_level_t)config->engine.log_level);
  code = tf_live_run(config, live);
  tf_config_free(config);
  return code;
}

int tf_cmd_demo(int argc, char **argv) {
  static const char *run_for[TF_CLI_VALUES_MAX], *sets[TF_CLI_VALUES_MAX],
      *input[TF_CLI_VALUES_MAX], *rate[TF_CLI_VALUES_MAX], *seed[TF_CLI_VALUES_MAX],
      *faults[TF_CLI_VALUES_MAX], *venue[TF_CLI_VALUES_MAX];
  uint32_t run_for_cnt = 0, set_cnt = 0, input_cnt = 0, rate_cnt = 0, seed_cnt = 0, faults_cnt = 0,
           venue_cnt = 0, json = 0, tls = 0;
  const tf_cli_option_t options[] = {
      {"--venue",  "V",         "whose protocol, as in tickfuse sim (binance-spot)",                   venue,   &venue_cnt  },
      {"--for",    "T",         "how long (30s)",                                                      run_for, &run_for_cnt},
      {"--tls",    NULL,        "wss and https instead of ws and http, certificate and host verified", NULL,
       &tls                                                                                                                 },
      {"--input",  "FILE",      "the exchange plays this recording instead of a synthetic market",     input,
       &input_cnt                                                                                                           },
      {"--rate",   "N",         "messages a second of the synthetic market",                           rate,    &rate_cnt   },
      {"--seed",   "N",         "another synthetic market",                                            seed,    &seed_cnt   },
      {"--faults", "LIST",
       "what the exchange does wrong: gap=0.001,close=10s,... (tickfuse sim --help)",                  faults,
       &faults_cnt                                                                                                          },
      {"--set",    "KEY=VALUE", "override a key of " CONFIG,                                           sets,    &set_cnt    },
      {"--json",   NULL,        "the summary as JSON, no table",                                       NULL,    &json       },
  };
  const tf_cli_spec_t spec = {
      "demo [--venue V] [--for T] [--tls] [--input FILE] [--rate N] [--faults LIST]",
      "A simulated exchange on loopback, the engine connected to it, and a table of what it does.",
      options,
      TF_ARRAY_CNT(options),
      NULL,
      0,
      0};
  int code = tf_cli_parse(&spec, argc, argv);
  if (code >= 0) return code;
  tf_live_options_t live = {.run_ns = 30 * TF_NS_PER_SEC, .table = !json, .json = json};
  if (run_for_cnt && !tf_cli_duration(run_for[run_for_cnt - 1], &live.run_ns)) {
    fprintf(stderr, "tickfuse: --for %s: a time with its unit, as in 30s\n",
            run_for[run_for_cnt - 1]);
    return TF_EXIT_USAGE;
  }
  const sim_venue_t *sim = tickfuse_sim_venue(venue_cnt ? venue[venue_cnt - 1] : "binance-spot");
  if (!sim) return TF_EXIT_USAGE;
  if (!find_root()) {
    fprintf(stderr,
            "tickfuse: demo: " CONFIG " is neither here nor beside the binary's build folder\n");
    return TF_EXIT_FAILED;
  }
  const char *args[32];
  uint32_t    arg_cnt = 0;
  if (tls) args[arg_cnt++] = "--tls";
  const struct {
    const char *name, **values;
    uint32_t    cnt;
  } passed[] = {
      {"--venue",  venue,  venue_cnt },
      {"--input",  input,  input_cnt },
      {"--rate",   rate,   rate_cnt  },
      {"--seed",   seed,   seed_cnt  },
      {"--faults", faults, faults_cnt}
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(passed); i++) {
    if (!passed[i].cnt) continue;
    args[arg_cnt++] = passed[i].name;
    args[arg_cnt++] = passed[i].values[passed[i].cnt - 1];
  }
  exchange_t ex  = {0};
  tf_err_t   err = start_exchange(&ex, args, arg_cnt);
  code           = err ? tf_cli_fail(err) : run(&ex, sim, sets, set_cnt, &live);
  stop_exchange(&ex);
  return code;
}
