/* `tickfuse sim`: an exchange on loopback. Prints where it listens on its first line of output, then
 * serves until it is stopped. */
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "boot/engine.h"
#include "cli.h"
#include "core/clock.h"
#include "core/error.h"
#include "registry.h"
#include "sim/binance.h"
#include "sim/playback.h"
#include "wire/tls.h"

#define DEPTH_INTERVAL_NS (100 * TF_NS_PER_MS)
#define MESSAGES_PER_STEP 0.65 /* quotes and trades, from the message count of a 4 s run */
#define BURST_MAX         4096 /* steps between two looks at the sockets */

typedef struct sim_args {
  const char *venue[TF_CLI_VALUES_MAX], *port[TF_CLI_VALUES_MAX], *input[TF_CLI_VALUES_MAX],
      *symbols[TF_CLI_VALUES_MAX], *seed[TF_CLI_VALUES_MAX], *rate[TF_CLI_VALUES_MAX],
      *cert[TF_CLI_VALUES_MAX], *key[TF_CLI_VALUES_MAX], *faults[TF_CLI_VALUES_MAX],
      *run_for[TF_CLI_VALUES_MAX], *speed[TF_CLI_VALUES_MAX];
  uint32_t venue_cnt, port_cnt, input_cnt, symbols_cnt, seed_cnt, rate_cnt, cert_cnt, key_cnt,
      faults_cnt, run_for_cnt, speed_cnt, tls, deflate;
} sim_args_t;

typedef struct sim_run {
  sim_server_t   *server;
  sim_binance_t   binance;
  sim_playback_t *playback; /* NULL: synthetic */
  double          steps_hz; /* all symbols together */
  double          steps_due;
  uint64_t        last_ns, end_ns;
} sim_run_t;

static volatile sig_atomic_t stopped;

static void on_signal(int signo) {
  (void)signo;
  stopped = 1;
}

static const char *last(const char **values, uint32_t cnt, const char *dflt) {
  return cnt ? values[cnt - 1] : dflt;
}

static bool parse_chance(const char *text, double *p) {
  char *end;
  *p = strtod(text, &end);
  return end != text && *end == '\0' && *p >= 0 && *p <= 1;
}

/* "gap=0.001,corrupt=0.001,close=10s,mute=20s" */
static bool parse_faults(const char *text, sim_faults_t *faults) {
  for (size_t cnt; *text; text += cnt + (text[cnt] == ',')) {
    char item[64];
    cnt = strcspn(text, ",");
    if (cnt >= sizeof item) return false;
    memcpy(item, text, cnt);
    item[cnt]   = '\0';
    char *value = strchr(item, '=');
    if (!value) return false;
    *value++ = '\0';
    bool ok  = !strcmp(item, "gap")       ? parse_chance(value, &faults->drop_p)
               : !strcmp(item, "corrupt") ? parse_chance(value, &faults->corrupt_p)
               : !strcmp(item, "close")   ? tf_cli_duration(value, &faults->close_ns)
               : !strcmp(item, "mute")    ? tf_cli_duration(value, &faults->mute_ns)
                                          : false;
    if (!ok) return false;
  }
  return true;
}

/* As many steps as are due since the last pass, spread over the symbols in turn. */
static void step_markets(sim_run_t *run, uint64_t now_ns) {
  uint64_t wall_ms = tf_clock_wall_ns() / TF_NS_PER_MS;
  run->steps_due += (double)(now_ns - run->last_ns) * 1e-9 * run->steps_hz;
  run->last_ns = now_ns;
  if (run->steps_due > BURST_MAX)
    run->steps_due = BURST_MAX; /* a stopped process does not catch up */
  for (; run->steps_due >= 1; run->steps_due -= 1) {
    static uint32_t turn;
    sim_binance_step(&run->binance, run->server, turn++ % run->binance.symbol_cnt, wall_ms);
  }
  for (uint32_t i = 0; i < run->binance.symbol_cnt; i++) {
    sim_symbol_t *s = &run->binance.symbols[i];
    if (now_ns < s->depth_due_ns) continue;
    s->depth_due_ns = now_ns + DEPTH_INTERVAL_NS;
    sim_binance_depth(&run->binance, run->server, i, wall_ms);
  }
}

static int serve(sim_run_t *run) {
  run->last_ns = tf_clock_monotonic_ns();
  for (;;) {
    uint64_t now_ns  = tf_clock_monotonic_ns();
    uint64_t wait_ns = TF_NS_PER_MS;
    if (stopped || (run->end_ns && now_ns >= run->end_ns)) return TF_EXIT_DONE;
    if (!run->playback) {
      step_markets(run, now_ns);
    } else if (sim_server_client_cnt(run->server)) { /* a recording starts when somebody listens */
      int more = sim_playback_poll(run->playback, run->server, now_ns, &wait_ns);
      if (more <= 0) {
        sim_server_poll(run->server, now_ns, 50 * TF_NS_PER_MS); /* what is under way goes out */
        return more == 0 ? TF_EXIT_DONE : tf_cli_fail(more);
      }
    }
    if (wait_ns > TF_NS_PER_MS) wait_ns = TF_NS_PER_MS;
    tf_err_t err = sim_server_poll(run->server, now_ns, wait_ns);
    if (err) return tf_cli_fail(err);
  }
}

/* A certificate made for this run, in a directory of its own that nobody else can write to. */
typedef struct own_certificate {
  char dir[32], cert[48], key[48];
} own_certificate_t;

static tf_err_t make_certificate(own_certificate_t *own) {
  static const char *const hosts[] = {"localhost", "127.0.0.1"};
  snprintf(own->dir, sizeof own->dir, "/tmp/tickfuse-sim-XXXXXX");
  if (!mkdtemp(own->dir)) return TF_ERR(E_FILE_WRITE, "sim: no directory can be made in /tmp");
  snprintf(own->cert, sizeof own->cert, "%s/cert.pem", own->dir);
  snprintf(own->key, sizeof own->key, "%s/key.pem", own->dir);
  return tf_tls_self_signed(own->cert, own->key, hosts, 2, 2);
}

static void remove_certificate(const own_certificate_t *own) {
  if (!own->dir[0]) return;
  unlink(own->cert);
  unlink(own->key);
  rmdir(own->dir);
}

static int start_and_serve(const sim_args_t *args, sim_run_t *run, sim_server_config_t *config) {
  const char      *venue   = last((const char **)args->venue, args->venue_cnt, "binance-spot");
  bool             futures = !strcmp(venue, "binance-usdm");
  const tf_feed_t *feed;
  double           speed = 1;
  if (!futures && strcmp(venue, "binance-spot") != 0) {
    static const char *const known[] = {"binance-spot", "binance-usdm"};
    tf_cli_unknown("venue for sim", venue, known, 2);
    return TF_EXIT_USAGE;
  }
  if (args->speed_cnt) speed = strtod(args->speed[0], NULL);
  if (!(speed > 0))
    return tf_cli_fail(TF_ERR(E_CONFIG_VALUE, "--speed %s: a factor above 0", args->speed[0]));
  tf_err_t err;
  if (args->input_cnt) {
    err = tf_engine_feed(tickfuse_registry(), venue, &feed);
    if (!err)
      err = sim_playback_open(args->input[0], feed, futures, speed, &run->binance, &run->playback);
  } else {
    err = sim_binance_init(
        &run->binance, futures,
        last((const char **)args->symbols, args->symbols_cnt, "BTCUSDT,ETHUSDT,SOLUSDT"),
        strtoull(last((const char **)args->seed, args->seed_cnt, "1"), NULL, 10));
  }
  config->venue = sim_binance_venue(&run->binance);
  if (!err) err = sim_server_start(config, &run->server);
  if (err) return tf_cli_fail(err);
  printf("listening on %s://127.0.0.1:%u venue=%s%s%s\n", config->cert_file ? "wss" : "ws",
         sim_server_port(run->server), venue, config->cert_file ? " ca_file=" : "",
         config->cert_file ? config->cert_file : "");
  fflush(stdout);
  signal(SIGINT, on_signal);
  signal(SIGTERM, on_signal);
  int                        code = serve(run);
  const sim_server_counts_t *c    = sim_server_counts(run->server);
  fprintf(stderr,
          "sim messages=%llu frames=%llu clients=%llu rest=%llu gaps=%llu corrupted=%llu cut=%llu "
          "slow=%llu deflated=%llu\n",
          (unsigned long long)c->messages, (unsigned long long)c->frames,
          (unsigned long long)c->accepted, (unsigned long long)c->rest,
          (unsigned long long)c->dropped, (unsigned long long)c->corrupted,
          (unsigned long long)c->cut, (unsigned long long)c->closed_slow,
          (unsigned long long)c->deflated);
  return code;
}

int tf_cmd_sim(int argc, char **argv) {
  static sim_args_t     args;
  const tf_cli_option_t options[] = {
      {"--venue",   "V",     "binance-spot (default) or binance-usdm",                           args.venue,   &args.venue_cnt  },
      {"--port",    "N",     "0 (default) takes a free one; it is printed",                      args.port,    &args.port_cnt   },
      {"--symbols", "A,B,C", "synthetic: instruments (BTCUSDT,ETHUSDT,SOLUSDT)",                 args.symbols,
       &args.symbols_cnt                                                                                                        },
      {"--rate",    "N",     "synthetic: messages a second, all instruments together (2000)",    args.rate,
       &args.rate_cnt                                                                                                           },
      {"--seed",    "N",     "synthetic: another market (1)",                                    args.seed,    &args.seed_cnt   },
      {"--input",   "FILE",  "play this recording instead, from when the first client is there",
       args.input,                                                                                             &args.input_cnt  },
      {"--speed",   "N",     "of the recording: a factor of recorded time (1)",                  args.speed,
       &args.speed_cnt                                                                                                          },
      {"--tls",     NULL,    "wss and https, with a certificate made for this run",              NULL,         &args.tls        },
      {"--deflate", NULL,    "compress messages for clients that offer permessage-deflate",      NULL,
       &args.deflate                                                                                                            },
      {"--cert",    "FILE",  "certificate chain in PEM, instead",                                args.cert,    &args.cert_cnt   },
      {"--key",     "FILE",  "its key",                                                          args.key,     &args.key_cnt    },
      {"--faults",  "LIST",
       "gap=P,corrupt=P (chance a message), close=T,mute=T (age of a connection)",               args.faults,
       &args.faults_cnt                                                                                                         },
      {"--for",     "T",     "stop after this time",                                             args.run_for, &args.run_for_cnt},
  };
  const tf_cli_spec_t spec = {
      "sim [--venue V] [--port N] [--input FILE] [--tls] [--faults LIST] ...",
      "An exchange on this machine's loopback: subscriptions, native messages and depth "
      "snapshots,\n"
      "of a synthetic market or a recording. Point a config's feed at it:\n"
      "  tickfuse run CONFIG --set feeds.0.url=ws://127.0.0.1:PORT --set "
      "feeds.0.rest=http://127.0.0.1:PORT",
      options,
      TF_ARRAY_CNT(options),
      NULL,
      0,
      0};
  int code = tf_cli_parse(&spec, argc, argv);
  if (code >= 0) return code;

  static sim_run_t    run;
  sim_server_config_t config = {.host = "127.0.0.1"};
  unsigned long       port   = strtoul(last(args.port, args.port_cnt, "0"), NULL, 10);
  double              rate   = strtod(last(args.rate, args.rate_cnt, "2000"), NULL);
  uint64_t            run_ns = 0;
  if (port > 65535 || !(rate > 0 && rate <= 1e7) ||
      (args.run_for_cnt && !tf_cli_duration(args.run_for[0], &run_ns)) ||
      (args.faults_cnt && !parse_faults(args.faults[0], &config.faults)) ||
      args.cert_cnt != args.key_cnt) {
    fprintf(stderr,
            "tickfuse: sim: --port is 0 to 65535, --rate up to 1e7, --for like 10s, --faults like "
            "gap=0.001,close=10s, --cert and --key go together\n");
    return TF_EXIT_USAGE;
  }
  config.port      = (uint16_t)port;
  config.deflate   = args.deflate;
  config.cert_file = last(args.cert, args.cert_cnt, NULL);
  config.key_file  = last(args.key, args.key_cnt, NULL);
  run.steps_hz     = rate / MESSAGES_PER_STEP;
  run.end_ns       = run_ns ? tf_clock_monotonic_ns() + run_ns : 0;
  static own_certificate_t own;
  if (args.tls && !config.cert_file) {
    if (make_certificate(&own) != TF_OK) return tf_cli_fail(tf_error_code());
    config.cert_file = own.cert;
    config.key_file  = own.key;
  }
  code = start_and_serve(&args, &run, &config);
  sim_server_stop(run.server);
  sim_playback_close(run.playback);
  sim_binance_fini(&run.binance);
  remove_certificate(&own);
  return code;
}
