/* An engine's emit and nothing else, for tests that kill it: opens one sink, asks what its destination holds,
 * and offers decisions from there up to a number. What decision N holds is a function of N, so that whoever
 * reads the stream can tell each one.
 *
 *   broker_pump TYPE URL STREAM UP_TO [KEY=VALUE ...]
 *
 * Prints "open LAST" when the tail is known, and at the end the sink's counts as JSON. Ends with 0 if all
 * were acknowledged, 1 if the sink failed. */
#include <signal.h>
#include <string.h>
#include <time.h>

#include "core/clock.h"
#include "core/error.h"
#include "sink/registry.h"

typedef struct pump {
  tf_sink_config_t config;
  const tf_sink_t *sink;
  void            *state;
  uint64_t         up_to, pause_ns, from;
} pump_t;

static volatile sig_atomic_t is_stopped;
static void                  stop(int signal) { is_stopped = signal; }

static tf_decision_t decision_of(uint64_t seq) {
  tf_decision_t d  = {.decision_seq = seq, .version = TF_DECISION_VERSION, .ref_price_exp = -2};
  d.ingest_seq     = seq * 3;
  d.ref_price      = (int64_t)(seq * UINT64_C(0x9e3779b97f4a7c15) >> 20);
  d.ts_recv_ns     = UINT64_C(1700000000000000000) + seq * 1000;
  d.ts_decision_ns = tf_clock_wall_ns();
  d.action         = (uint8_t)(seq % TF_ACTION_CNT);
  d.score          = (float)(seq % 1000) / 1000;
  return d;
}

static bool set(pump_t *p, char *word) {
  char *value = strchr(word, '=');
  if (!value) return false;
  *value++            = '\0';
  tf_sink_config_t *c = &p->config;
  if (!strcmp(word, "policy"))
    c->policy = !strcmp(value, "spill")         ? TF_OVERFLOW_SPILL
                : !strcmp(value, "drop_oldest") ? TF_OVERFLOW_DROP_OLDEST
                : !strcmp(value, "drop_newest") ? TF_OVERFLOW_DROP_NEWEST
                                                : TF_OVERFLOW_BLOCK;
  else if (!strcmp(word, "format"))
    c->format = !strcmp(value, "json")   ? TF_FORMAT_JSON
                : !strcmp(value, "cbor") ? TF_FORMAT_CBOR
                                         : TF_FORMAT_BINARY;
  else if (!strcmp(word, "spool"))
    c->spool = value;
  else if (!strcmp(word, "user"))
    c->user = value;
  else if (!strcmp(word, "password_file"))
    c->password_file = value;
  else if (!strcmp(word, "token_file"))
    c->token_file = value;
  else if (!strcmp(word, "ca_file"))
    c->ca_file = value;
  else if (!strcmp(word, "cert_file"))
    c->cert_file = value;
  else if (!strcmp(word, "tls_key_file"))
    c->tls_key_file = value;
  else if (!strcmp(word, "create"))
    c->stream_create = *value == '1';
  else if (!strcmp(word, "keep"))
    c->stream_keep = strtoull(value, NULL, 10);
  else if (!strcmp(word, "batch"))
    c->batch_max = (uint32_t)strtoul(value, NULL, 10);
  else if (!strcmp(word, "drain_ms"))
    c->drain_ns_max = strtoull(value, NULL, 10) * TF_NS_PER_MS;
  else if (!strcmp(word, "epoch")) /* as an engine of a group has one */
    c->epoch = (uint32_t)strtoul(value, NULL, 10), c->is_fenced = true;
  else if (!strcmp(word, "pause_us"))
    p->pause_ns = strtoull(value, NULL, 10) * TF_NS_PER_US;
  else if (!strcmp(word, "from"))
    p->from = strtoull(value, NULL, 10);
  else
    return false;
  return true;
}

static bool read_arguments(pump_t *p, int argc, char **argv) {
  if (argc < 5) return false;
  *p = (pump_t){
      .config = {.type            = argv[1],
                 .name            = argv[1],
                 .url             = argv[2],
                 .stream          = argv[3],
                 .shape           = tf_record_shape(TF_CARRIES_DECISIONS, 0),
                 .policy          = TF_OVERFLOW_BLOCK,
                 .slot_cnt        = 4096,
                 .epoch           = 1,
                 .spool_bytes_max = UINT64_C(1) << 30,
                 .block_ns_max    = UINT64_MAX,
                 .drain_ns_max    = 60 * TF_NS_PER_SEC}
  };
  p->up_to = strtoull(argv[4], NULL, 10);
  for (int i = 5; i < argc; i++)
    if (!set(p, argv[i])) return false;
  for (uint32_t i = 0; i < tf_sink_cnt; i++)
    if (!strcmp(tf_sinks[i]->name, argv[1])) p->sink = tf_sinks[i];
  return p->sink != NULL;
}

static void pause_for(uint64_t ns) {
  nanosleep(&(struct timespec){(time_t)(ns / TF_NS_PER_SEC), (long)(ns % TF_NS_PER_SEC)}, NULL);
}

static int offer_all(pump_t *p, uint64_t seq) {
  while (seq <= p->up_to && !is_stopped) {
    tf_decision_t batch[16];
    uint32_t      n = 0;
    for (; n < TF_ARRAY_CNT(batch) && seq + n <= p->up_to; n++) batch[n] = decision_of(seq + n);
    int taken = p->sink->offer(p->state, batch, n);
    if (taken < 0) return 1;
    seq += (uint32_t)taken;
    if (taken < (int)n) pause_for(50 * TF_NS_PER_US);
    if (p->pause_ns) pause_for(p->pause_ns);
  }
  return 0;
}

static void print_counts(const pump_t *p) {
  tf_sink_counts_t c;
  p->sink->counts(p->state, &c);
#define COUNT(name) printf("\"%s\":%llu,", #name, (unsigned long long)c.name);
  printf("{");
  COUNT(acked)
  COUNT(dropped_full)
  COUNT(dropped_oldest)
  COUNT(dropped_closed)
  COUNT(dropped_broken)
  COUNT(conflated)
  COUNT(pending)
  COUNT(already_there)
  COUNT(resent)
  COUNT(connects)
  COUNT(disconnects)
  COUNT(errors)
  COUNT(bytes)
  printf("\"last_seq\":%llu,\"cpu_ns\":%llu}\n", (unsigned long long)c.last_seq,
         (unsigned long long)tf_clock_process_cpu_ns());
#undef COUNT
}

int main(int argc, char **argv) {
  pump_t p;
  if (!read_arguments(&p, argc, argv)) {
    fprintf(stderr, "usage: broker_pump TYPE URL STREAM UP_TO [KEY=VALUE ...]\n");
    return 2;
  }
  tf_clock_calibrate();
  signal(SIGTERM, stop);
  p.state = aligned_alloc(TF_LINE_PAIR_BYTES,
                          tf_align_up(p.sink->state_bytes(&p.config), TF_LINE_PAIR_BYTES));
  if (!p.state || p.sink->open(p.state, &p.config) != TF_OK) {
    fprintf(stderr, "%s\n", p.state ? tf_error_text() : "no memory");
    free(p.state);
    return 2;
  }
  uint64_t last_seq = p.sink->last_seq(p.state);
  printf("open %llu\n", (unsigned long long)last_seq);
  fflush(stdout);
  int failed = offer_all(&p, p.from ? p.from : last_seq + 1);
  if (failed) fprintf(stderr, "%s\n", tf_error_text());
  if (p.sink->close(p.state) != TF_OK) failed = 1;
  print_counts(&p);
  free(p.state);
  return failed;
}
