/* `tickfuse sim`: an exchange on loopback. Prints where it listens on its first line of
 * output, then serves until it is stopped. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "boot/engine.h"
#include "cli.h"
#include "core/clock.h"
#include "core/error.h"
#include "registry.h"
#include "sim/exchange.h"
#include "sim/playback.h"
#include "sim_venue.h"
#include "wire/tls.h"

#define MESSAGES_PER_STEP 0.65 /* quotes and trades, from the message count of a 4 s run */
#define BURST_MAX         4096 /* steps between two looks at the sockets */
#define STORM_FACTOR      50
#define RATE_MAX          1e7
#define LEVELS_DEFAULT    400
#define HURRY_MAX         1000
#define LEVEL_BYTES       160 /* of a snapshot's text, the longest of the venues' */
#define SEND_BYTES        (1u << 20)
#define WIDE_CLIENTS_MAX  8 /* snapshots of many MB: fewer clients, each with more memory */

typedef struct sim_args {
  const char *venue[TF_CLI_VALUES_MAX], *port[TF_CLI_VALUES_MAX], *input[TF_CLI_VALUES_MAX],
      *symbols[TF_CLI_VALUES_MAX], *seed[TF_CLI_VALUES_MAX], *rate[TF_CLI_VALUES_MAX],
      *levels[TF_CLI_VALUES_MAX], *cert[TF_CLI_VALUES_MAX], *key[TF_CLI_VALUES_MAX],
      *faults[TF_CLI_VALUES_MAX], *life[TF_CLI_VALUES_MAX], *run_for[TF_CLI_VALUES_MAX],
      *speed[TF_CLI_VALUES_MAX], *hurry[TF_CLI_VALUES_MAX];
  uint32_t venue_cnt, port_cnt, input_cnt, symbols_cnt, seed_cnt, rate_cnt, levels_cnt, cert_cnt,
      key_cnt, faults_cnt, life_cnt, run_for_cnt, speed_cnt, hurry_cnt, tls, deflate;
} sim_args_t;

typedef struct sim_options {
  uint64_t seed, life_ns, run_ns;
  uint32_t levels, hurry;
  uint16_t port;
  double   rate_hz, speed;
} sim_options_t;

typedef struct sim_run {
  sim_exchange_t  exchange;
  faults_t        faults;
  sim_playback_t *playback; /* NULL: synthetic */
  double          steps_hz; /* all symbols together */
  double          steps_due;
  uint32_t        turn; /* whose market steps next */
  uint64_t        last_ns, end_ns;
  bool            told_over; /* that the faults with an end are */
} sim_run_t;

static volatile sig_atomic_t stopped;

static void on_signal(int signo) {
  (void)signo;
  stopped = 1;
}

static const char *last(const char **values, uint32_t cnt, const char *dflt) {
  return cnt ? values[cnt - 1] : dflt;
}

/* As many steps as are due since the last pass, spread over the symbols in turn. */
static void step_markets(sim_run_t *run, uint64_t now_ns) {
  double steps = (double)(now_ns - run->last_ns) * 1e-9 * run->steps_hz;
  run->steps_due += run->exchange.weather.storms ? STORM_FACTOR * steps : steps;
  run->last_ns = now_ns;
  if (run->steps_due > BURST_MAX)
    run->steps_due = BURST_MAX; /* a stopped process does not catch up */
  for (; run->steps_due >= 1; run->steps_due -= 1)
    sim_exchange_step(&run->exchange, run->turn++ % run->exchange.symbol_cnt);
  sim_exchange_depth(&run->exchange);
}

/* Whoever waits for the faults that have an end reads it here. */
static void tell_when_faults_are_over(sim_run_t *run) {
  if (run->told_over || !faults_are_over(&run->faults)) return;
  run->told_over = true;
  puts("faults over");
  fflush(stdout);
}

static int serve(sim_run_t *run) {
  sim_exchange_t *x = &run->exchange;
  run->last_ns      = tf_clock_monotonic_ns();
  for (;;) {
    uint64_t now_ns  = tf_clock_monotonic_ns();
    uint64_t wait_ns = TF_NS_PER_MS;
    if (stopped || (run->end_ns && now_ns >= run->end_ns)) return TF_EXIT_DONE;
    sim_exchange_tick(x, now_ns, tf_clock_wall_ns());
    tell_when_faults_are_over(run);
    if (!run->playback) {
      step_markets(run, now_ns);
    } else if (x->subscribed_cnt) { /* a recording starts when somebody listens */
      int more = sim_playback_poll(run->playback, now_ns, &wait_ns);
      if (more <= 0) {
        sim_server_poll(x->server, now_ns, 50 * TF_NS_PER_MS); /* what is under way goes out */
        return more == 0 ? TF_EXIT_DONE : tf_cli_fail(more);
      }
    }
    if (wait_ns > TF_NS_PER_MS) wait_ns = TF_NS_PER_MS;
    tf_err_t err = sim_server_poll(x->server, now_ns, wait_ns);
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

static tf_err_t open_market(sim_args_t *args, const sim_options_t *options,
                            const sim_venue_t *venue, sim_run_t *run) {
  if (!args->input_cnt)
    return sim_exchange_init(&run->exchange, venue, last(args->symbols, args->symbols_cnt, NULL),
                             options->seed, options->levels, &run->faults);
  const tf_feed_t *feed;
  tf_err_t         err = tf_engine_feed(tickfuse_registry(), venue->name, &feed);
  return err ? err
             : sim_playback_open(args->input[0], venue, feed, options->speed, &run->faults,
                                 &run->exchange, &run->playback);
}

/* Memory for the largest snapshot twice; the loop wants a power of two. */
static void size_clients(sim_server_config_t *config, const sim_options_t *options,
                         bool is_recording) {
  uint32_t snapshot_bytes =
      is_recording ? SIM_MESSAGE_BYTES_MAX : options->levels * 2 * LEVEL_BYTES;
  config->send_bytes = SEND_BYTES;
  while (config->send_bytes < snapshot_bytes * 2) config->send_bytes *= 2;
  config->clients_max = config->send_bytes > SEND_BYTES ? WIDE_CLIENTS_MAX : SIM_CLIENTS_MAX;
}

static void print_summary(const sim_run_t *run) {
  const sim_server_counts_t *c = sim_server_counts(run->exchange.server);
  fprintf(stderr,
          "sim messages=%llu frames=%llu clients=%llu rest=%llu slow=%llu lives=%llu deflated=%llu",
          (unsigned long long)c->messages, (unsigned long long)c->frames,
          (unsigned long long)c->accepted, (unsigned long long)c->rest,
          (unsigned long long)c->closed_slow, (unsigned long long)c->lives_ended,
          (unsigned long long)c->deflated);
  for (int i = 0; i < SIM_FAULT_CNT; i++)
    if (run->faults.done[i])
      fprintf(stderr, " %s=%llu", sim_fault_rows[i].name, (unsigned long long)run->faults.done[i]);
  for (int i = 0; i < SIM_LIMIT_CNT; i++)
    if (run->exchange.limits_passed[i])
      fprintf(stderr, " %s=%llu", sim_limit_name((sim_limit_t)i),
              (unsigned long long)run->exchange.limits_passed[i]);
  fprintf(stderr, "\n");
}

/* listening on ws://127.0.0.1:9001 venue=kraken, and of a recording what there is to subscribe to. */
static void say_where(const sim_run_t *run, const sim_venue_t *venue, const char *ca_file) {
  const sim_exchange_t *x = &run->exchange;
  printf("listening on %s venue=%s%s%s", x->url, venue->name, ca_file ? " ca_file=" : "",
         ca_file ? ca_file : "");
  for (uint32_t i = 0; run->playback && i < x->symbol_cnt; i++)
    printf("%s%s", i ? "," : " instruments=", x->symbols[i].name);
  putchar('\n');
  fflush(stdout);
}

static int start_and_serve(sim_args_t *args, const sim_options_t *options, sim_run_t *run,
                           sim_server_config_t *config) {
  const sim_venue_t *venue = tickfuse_sim_venue(last(args->venue, args->venue_cnt, "binance-spot"));
  if (!venue) return TF_EXIT_USAGE;
  sim_exchange_t *x   = &run->exchange;
  tf_err_t        err = open_market(args, options, venue, run);
  if (!err) {
    config->service    = sim_exchange_service(x);
    config->framing    = venue->framing;
    config->peer_bytes = sim_exchange_peer_bytes(x);
    size_clients(config, options, args->input_cnt > 0);
    err = sim_server_start(config, &x->server);
  }
  if (err) return err == E_CORE_ARGUMENT ? (tf_cli_fail(err), TF_EXIT_USAGE) : tf_cli_fail(err);
  x->hurry = options->hurry;
  snprintf(x->url, sizeof x->url, "%s://127.0.0.1:%u", config->cert_file ? "wss" : "ws",
           sim_server_port(x->server));
  say_where(run, venue, config->cert_file);
  signal(SIGINT, on_signal);
  signal(SIGTERM, on_signal);
  int code = serve(run);
  print_summary(run);
  return code;
}

static bool read_options(sim_args_t *args, sim_options_t *o) {
  unsigned long port   = strtoul(last(args->port, args->port_cnt, "0"), NULL, 10);
  unsigned long levels = LEVELS_DEFAULT;
  unsigned long hurry  = strtoul(last(args->hurry, args->hurry_cnt, "1"), NULL, 10);
  if (args->levels_cnt) levels = strtoul(args->levels[0], NULL, 10);
  *o = (sim_options_t){
      .port    = (uint16_t)port,
      .levels  = (uint32_t)levels,
      .hurry   = (uint32_t)hurry,
      .seed    = strtoull(last(args->seed, args->seed_cnt, "1"), NULL, 10),
      .rate_hz = strtod(last(args->rate, args->rate_cnt, "2000"), NULL),
      .speed   = strtod(last(args->speed, args->speed_cnt, "1"), NULL),
  };
  bool ok = port <= 65535 && levels >= 1 && levels <= SIM_LEVELS_MAX && hurry >= 1 &&
            hurry <= HURRY_MAX && o->rate_hz > 0 && o->rate_hz <= RATE_MAX && o->speed > 0 &&
            args->cert_cnt == args->key_cnt &&
            (!args->run_for_cnt || tf_cli_duration(args->run_for[0], &o->run_ns)) &&
            (!args->life_cnt || tf_cli_duration(args->life[0], &o->life_ns));
  if (!ok)
    fprintf(stderr,
            "tickfuse: sim: --port is 0 to 65535, --rate up to 1e7, --levels 1 to %d, --speed a "
            "factor above 0, --hurry 1 to %d, --for and --life like 10s, --cert and --key go "
            "together\n",
            SIM_LEVELS_MAX, HURRY_MAX);
  return ok;
}

int tf_cmd_sim(int argc, char **argv) {
  static sim_args_t     args;
  const tf_cli_option_t options[] = {
      {"--venue",   "V",     "whose protocol: see below (binance-spot)",                              args.venue,   &args.venue_cnt  },
      {"--port",    "N",     "0 (default) takes a free one; it is printed",                           args.port,    &args.port_cnt   },
      {"--symbols", "A,B,C", "synthetic: instruments as the venue writes them (three of its own)",
       args.symbols,                                                                                                &args.symbols_cnt},
      {"--rate",    "N",     "synthetic: messages a second, all instruments together (2000)",         args.rate,
       &args.rate_cnt                                                                                                                },
      {"--levels",  "N",     "synthetic: levels a side at the start, up to 10000 (400)",              args.levels,
       &args.levels_cnt                                                                                                              },
      {"--seed",    "N",     "another market and other faults (1)",                                   args.seed,    &args.seed_cnt   },
      {"--input",   "FILE",  "play this recording instead, from when the first client listens",
       args.input,                                                                                                  &args.input_cnt  },
      {"--speed",   "N",     "of the recording: a factor of recorded time (1)",                       args.speed,
       &args.speed_cnt                                                                                                               },
      {"--tls",     NULL,    "wss and https, with a certificate made for this run",                   NULL,         &args.tls        },
      {"--cert",    "FILE",  "certificate chain in PEM, instead",                                     args.cert,    &args.cert_cnt   },
      {"--key",     "FILE",  "its key",                                                               args.key,     &args.key_cnt    },
      {"--deflate", NULL,    "compress messages for clients that offer permessage-deflate",           NULL,
       &args.deflate                                                                                                                 },
      {"--life",    "T",     "the venue closes each connection at this age, as Binance at 24 h",      args.life,
       &args.life_cnt                                                                                                                },
      {"--hurry",   "N",     "the venue's patience with silent clients is so many times shorter (1)",
       args.hurry,                                                                                                  &args.hurry_cnt  },
      {"--faults",  "LIST",  "what goes wrong, name=value,...: see below, or --faults help",
       args.faults,                                                                                                 &args.faults_cnt },
      {"--for",     "T",     "stop after this time",                                                  args.run_for, &args.run_for_cnt},
  };
  char about[2048 + FAULTS_HELP_BYTES], faults_text[FAULTS_HELP_BYTES], venues[1024];
  faults_help(sim_fault_rows, SIM_FAULT_CNT, faults_text, sizeof faults_text);
  tickfuse_sim_venues(venues, sizeof venues);
  snprintf(
      about, sizeof about,
      "An exchange on this machine's loopback: subscriptions, native messages and depth "
      "snapshots,\n"
      "of a synthetic market or a recording. Point a config's feed at it:\n"
      "  tickfuse run CONFIG --set feeds.0.url=ws://127.0.0.1:PORT --set "
      "feeds.0.rest=http://127.0.0.1:PORT\n"
      "Venues:%s\n"
      "Faults, by seed (P: chance from 0 to 1 at each occasion, or 1/N: each N-th, and x3 behind "
      "it: 3 times\nin all; T: time; N: count):\n%s",
      venues, faults_text);
  const tf_cli_spec_t spec = {
      "sim [--venue V] [--port N] [--input FILE] [--tls] [--faults LIST] ...",
      about,
      options,
      TF_ARRAY_CNT(options),
      NULL,
      0,
      0};
  int code = tf_cli_parse(&spec, argc, argv);
  if (code >= 0) return code;

  static sim_run_t run;
  sim_options_t    given;
  if (!read_options(&args, &given)) return TF_EXIT_USAGE;
  faults_init(&run.faults, sim_fault_rows, SIM_FAULT_CNT, given.seed);
  if (args.faults_cnt && !strcmp(args.faults[args.faults_cnt - 1], "help")) {
    fputs(faults_text, stdout);
    return TF_EXIT_DONE;
  }
  if (args.faults_cnt) {
    tf_err_t err = faults_parse(&run.faults, "tickfuse sim", args.faults[args.faults_cnt - 1]);
    if (err) return (void)tf_cli_fail(err), TF_EXIT_USAGE;
  }
  if (args.deflate &&
      (fault_is_on(&run.faults, SIM_FAULT_DUP) || fault_is_on(&run.faults, SIM_FAULT_REORDER))) {
    fprintf(stderr, "tickfuse: sim: --deflate with dup or reorder: a compressed message depends on "
                    "those before it, so neither can be had\n");
    return TF_EXIT_USAGE;
  }
  sim_server_config_t config = {.host      = "127.0.0.1",
                                .port      = given.port,
                                .cert_file = last(args.cert, args.cert_cnt, NULL),
                                .key_file  = last(args.key, args.key_cnt, NULL),
                                .deflate   = args.deflate,
                                .life_ns   = given.life_ns,
                                .faults    = &run.faults};
  run.steps_hz               = given.rate_hz / MESSAGES_PER_STEP;
  run.end_ns                 = given.run_ns ? tf_clock_monotonic_ns() + given.run_ns : 0;
  static own_certificate_t own;
  if (args.tls && !config.cert_file) {
    if (make_certificate(&own) != TF_OK) return tf_cli_fail(tf_error_code());
    config.cert_file = own.cert;
    config.key_file  = own.key;
  }
  code = start_and_serve(&args, &given, &run, &config);
  sim_server_stop(run.exchange.server);
  sim_playback_close(run.playback);
  sim_exchange_fini(&run.exchange);
  remove_certificate(&own);
  return code;
}
