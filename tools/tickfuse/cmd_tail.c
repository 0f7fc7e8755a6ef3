/* `tickfuse tail`: what a sink gives out, as it comes, over the client library. */
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>

#include "cli.h"
#include "client/tickfuse_client.h"
#include "core/error.h"
#include "sink/decision_json.h"
#include "sink/encode.h"
#include "tail_broker.h"
#include "wire/decimal.h"

#define WAIT_NS (200 * TF_NS_PER_MS) /* a signal is seen that much later at most */

typedef struct tail {
  const char      *name;
  tf_client_t     *client;
  char             url[TF_CLIENT_URL_BYTES_MAX];
  uint64_t         left; /* records still to print; UINT64_MAX: all */
  bool             json, follow, actions_only;
  int              code;
  tf_instruments_t instruments; /* names, as the source gives them */
  tf_labels_t      labels;      /* likewise */
  tf_sink_config_t config;      /* for the encoder */
  uint32_t         carries;     /* broker: what its records are */
  uint8_t         *text;        /* one line of it */
} tail_t;

static volatile sig_atomic_t stopped;

static void on_signal(int signo) {
  (void)signo;
  stopped = 1;
}

/* ---- records ---- */

/* The encoder's table of names gets a row when its first record comes. */
static void name_row(tail_t *t, uint32_t id) {
  tf_instruments_t *table = &t->instruments;
  if (!t->client || id >= table->cap || (id < table->cnt && table->rows[id].name[0])) return;
  const char *name = tf_client_instrument_name(t->client, id);
  if (!name) return;
  snprintf(table->rows[id].name, sizeof table->rows[id].name, "%s", name);
  if (id >= table->cnt) table->cnt = id + 1;
}

/* Of a text: its label's word, when it is first wanted. */
static void name_label(tail_t *t, const tf_client_message_t *message) {
  tf_event_t e;
  if (!t->client || message->carries != TF_CARRIES_EVENTS) return;
  memcpy(&e, message->record, sizeof e);
  const char *word = e.kind == TF_EVENT_TEXT ? tf_client_label(t->client, e.u.text.label) : NULL;
  t->config.labels = word ? &t->labels : NULL;
  if (!word) return;
  snprintf(t->labels.words[e.u.text.label], TF_LABEL_BYTES, "%s", word);
  t->labels.cnt = TF_LABELS_MAX;
}

static void print_decision(const tail_t *t, const tf_decision_t *d) {
  const char *name =
      d->instrument_id < t->instruments.cnt ? t->instruments.rows[d->instrument_id].name : NULL;
  char price[TF_DECIMAL_TEXT_BYTES];
  char score[16] = "-"; /* a rule without a model */
  if (!isnan(d->score)) snprintf(score, sizeof score, "%+.4f", (double)d->score);
  tf_decimal_format(d->ref_price, d->ref_price_exp, price);
  printf("%10" PRIu64 "  %-24s %-4s score %-7s  at %-14s book %-7s %s%s%s%s%s\n", d->decision_seq,
         name && *name ? name : "?", tf_decision_json_action(d->action), score, price,
         tf_decision_json_book_state(d->book_state), d->action == TF_ACTION_HOLD ? "because " : "",
         d->action == TF_ACTION_HOLD ? tf_decision_json_hold_reason(d->hold_reason) : "",
         d->route ? " by way of the fallback: " : "",
         d->route ? tf_decision_json_route(d->route) : "", d->path & TF_PATH_LATE ? " late" : "");
}

static tf_err_t print_json(tail_t *t, const tf_client_message_t *message) {
  if (t->config.shape.bytes != message->record_bytes) { /* known when the first record comes */
    uint32_t values       = (message->record_bytes - (uint32_t)sizeof(tf_feature_record_t)) / 8;
    t->config.shape       = tf_record_shape((tf_carries_t)message->carries, values);
    t->config.format      = TF_FORMAT_JSON;
    t->config.instruments = &t->instruments;
    free(t->text);
    t->text = malloc(tf_encode_bytes_max(&t->config.shape, TF_FORMAT_JSON));
    if (!t->text) return TF_ERR(E_CORE_NO_MEMORY, "for a line");
  }
  name_row(t, tf_record_instrument(&t->config.shape, message->record));
  name_label(t, message);
  fwrite(t->text, 1, tf_encode(&t->config, message->record, false, t->text), stdout);
  return TF_OK;
}

static void print_record(tail_t *t, const tf_client_message_t *message) {
  bool                 is_decision = message->carries == TF_CARRIES_DECISIONS;
  const tf_decision_t *d           = message->record;
  if (is_decision && t->actions_only && d->action == TF_ACTION_HOLD) return;
  if (is_decision) name_row(t, d->instrument_id);
  if (is_decision && !t->json)
    print_decision(t, d);
  else if (print_json(t, message) != TF_OK)
    stopped = 1;
  if (t->left != UINT64_MAX) t->left--;
}

/* ---- what else is told ---- */

static void print_lost(tail_t *t, const tf_client_message_t *m) {
  fflush(stdout);
  if (m->reason == TF_CLIENT_REASON_OVERRUN) {
    fprintf(stderr,
            "tickfuse: fell behind: decisions at %" PRIu64 " to %" PRIu64
            " of the stream were overwritten (%" PRIu64 ")\n",
            m->lost_from, m->lost_to, m->lost_cnt);
  } else if (m->reason == TF_CLIENT_REASON_DAMAGED) {
    t->code = TF_EXIT_DATA;
    fprintf(stderr, "tickfuse: E_FILE_DAMAGED: %s\n", tf_client_error(t->client));
  } else {
    fprintf(stderr, "tickfuse: %" PRIu64 " to %" PRIu64 " will not come: %s\n", m->lost_from,
            m->lost_to, tf_client_reason_text(m->reason));
  }
}

static void print_up(const tail_t *t, const tf_client_message_t *m, bool was_down) {
  if (was_down || m->reason == TF_CLIENT_REASON_RESTARTED) fflush(stdout);
  if (m->reason == TF_CLIENT_REASON_RESTARTED)
    fprintf(stderr, "tickfuse: %s: the sequence begins anew at %" PRIu64 " (epoch %u)\n", t->name,
            m->seq, m->epoch);
  else if (was_down)
    fprintf(stderr, "tickfuse: %s: there again, epoch %u\n", t->name, m->epoch);
}

/* The end, or what is one where nobody follows. In order, or of a writer that went quiet, it is no failure
 * of ours. */
static void print_end(tail_t *t, const tf_client_message_t *m) {
  bool is_calm = m->reason == TF_CLIENT_REASON_CLOSED || m->reason == TF_CLIENT_REASON_FILE_END ||
                 m->reason == TF_CLIENT_REASON_SILENT;
  fflush(stdout);
  bool is_expected = m->kind == TF_CLIENT_END && is_calm;
  if (!is_expected) fprintf(stderr, "tickfuse: %s: %s\n", t->name, tf_client_error(t->client));
  if (!is_calm) t->code = m->reason == TF_CLIENT_REASON_DAMAGED ? TF_EXIT_DATA : TF_EXIT_FAILED;
  stopped = m->kind == TF_CLIENT_END || !t->follow;
}

static void tail_all(tail_t *t) {
  tf_client_message_t m;
  bool                is_down = false;
  while (!stopped && t->left) switch (tf_client_next(t->client, &m)) {
    case TF_CLIENT_RECORD: print_record(t, &m); break;
    case TF_CLIENT_LOST: print_lost(t, &m); break;
    case TF_CLIENT_HEARTBEAT: break;
    case TF_CLIENT_UP:
      print_up(t, &m, is_down);
      is_down = false;
      break;
    case TF_CLIENT_DOWN:
      print_end(t, &m);
      is_down = true;
      break;
    case TF_CLIENT_END: print_end(t, &m); break;
    case TF_CLIENT_IDLE:
      fflush(stdout);
      tf_client_wait(t->client, WAIT_NS);
      break;
    }
  tf_client_counts_t counts;
  tf_client_counts(t->client, &counts);
  if (counts.lost)
    fprintf(stderr, "tickfuse: %" PRIu64 " read, %" PRIu64 " lost\n", counts.records, counts.lost);
}

/* ---- a broker's stream ---- */

/* "D.decisions.VENUE.SYMBOL": the instrument is what the subject ends with. */
static void name_by_subject(tail_t *t, uint32_t id, const char *subject) {
  tf_instruments_t *table  = &t->instruments;
  const char       *symbol = strrchr(subject, '.'), *venue = symbol;
  while (venue && venue > subject && venue[-1] != '.') venue--;
  if (!symbol || venue == subject || id >= table->cap) return;
  snprintf(table->rows[id].name, sizeof table->rows[id].name, "%s.%.*s", symbol + 1,
           (int)(symbol - venue), venue);
  if (id >= table->cnt) table->cnt = id + 1;
}

static void print_stored(tail_t *t, const tf_tail_message_t *m) {
  static _Alignas(64) uint8_t record[TF_SINK_RECORD_BYTES_MAX];
  const size_t                fixed = t->carries == TF_CARRIES_DECISIONS ? sizeof(tf_decision_t)
                                      : t->carries == TF_CARRIES_FEATURES ? sizeof(tf_feature_record_t)
                                                                          : sizeof(tf_event_t);
  const bool                  fits  = t->carries == TF_CARRIES_FEATURES
                                          ? m->bytes_cnt >= fixed && (m->bytes_cnt - fixed) % 8 == 0
                                          : m->bytes_cnt == fixed;
  if (m->is_text) {
    fwrite(m->bytes, 1, m->bytes_cnt, stdout);
    if (m->bytes[m->bytes_cnt - 1] != '\n') putchar('\n');
    if (t->left != UINT64_MAX) t->left--;
  } else if (!fits || m->bytes_cnt > sizeof record) {
    t->code = TF_EXIT_DATA;
    stopped = 1;
    fprintf(stderr,
            "tickfuse: %s: message %" PRIu64
            ", %s: %u bytes are no record of the kind that --carries "
            "says\n",
            t->name, m->position, m->subject, m->bytes_cnt);
  } else {
    memcpy(record, m->bytes, m->bytes_cnt);
    tf_client_message_t message = {
        .record = record, .record_bytes = m->bytes_cnt, .carries = t->carries};
    tf_record_shape_t shape =
        tf_record_shape((tf_carries_t)t->carries, (uint32_t)(m->bytes_cnt - fixed) / 8);
    name_by_subject(t, tf_record_instrument(&shape, record), m->subject);
    print_record(t, &message);
  }
}

/* Told when it changes. Without --follow a connection that goes is the end. */
static void look_at_broker(tail_t *t, const tf_tail_broker_t *broker, tf_tail_counts_t *last) {
  tf_tail_counts_t now;
  tf_tail_broker_counts(broker, &now);
  if (now.gaps > last->gaps)
    fprintf(stderr, "tickfuse: %s: %" PRIu64 " messages are not there any more\n", t->name,
            now.gaps - last->gaps);
  if (now.refused > last->refused)
    fprintf(stderr, "tickfuse: %s: %" PRIu64 " messages cannot be read\n", t->name,
            now.refused - last->refused);
  if (!t->follow && now.errors > last->errors) { /* the log has said why */
    t->code = TF_EXIT_FAILED;
    stopped = 1;
  }
  *last = now;
}

static int tail_broker(tail_t *t, bool oldest, uint64_t first, const tf_client_options_t *options) {
  tf_tail_broker_t *broker;
  tf_tail_message_t m;
  tf_tail_counts_t  last = {0};
  tf_err_t          err =
      tf_tail_broker_open(t->url, oldest, first, options->token_file, options->ca_file, &broker);
  if (err) return tf_cli_fail(err), TF_EXIT_USAGE;
  t->instruments.cap  = TF_CLIENT_INSTRUMENTS_MAX;
  t->instruments.rows = calloc(t->instruments.cap, sizeof *t->instruments.rows);
  if (!t->instruments.rows) t->code = TF_EXIT_FAILED;
  while (t->instruments.rows && !stopped && t->left) {
    if (tf_tail_broker_next(broker, WAIT_NS, &m)) {
      print_stored(t, &m);
      continue;
    }
    fflush(stdout);
    look_at_broker(t, broker, &last);
  }
  fflush(stdout);
  if (!stopped) look_at_broker(t, broker, &last);
  tf_tail_broker_close(broker);
  free(t->instruments.rows);
  free(t->text);
  return t->code;
}

/* ---- the command ---- */

/* A bare name is a shm stream, a path or a file that is there a journal. */
static void url_of(tail_t *t) {
  struct stat st;
  const char *colon   = strchr(t->name, ':');
  const char *slash   = strchr(t->name, '/');
  bool        is_url  = colon && (!slash || colon < slash);
  bool        is_file = !is_url && (slash || (stat(t->name, &st) == 0 && S_ISREG(st.st_mode)));
  snprintf(t->url, sizeof t->url, "%s%s", is_url ? "" : is_file ? "journal:" : "shm:", t->name);
}

static int tail_run(tail_t *t, const tf_client_options_t *options) {
  char error[TF_CLIENT_ERROR_BYTES];
  t->client = tf_client_open(t->url, options, error, sizeof error);
  if (!t->client) {
    int code = tf_cli_fail(tf_error_code());
    return tf_error_code() == E_CORE_ARGUMENT ? TF_EXIT_USAGE : code;
  }
  t->instruments.cap  = TF_CLIENT_INSTRUMENTS_MAX;
  t->instruments.rows = calloc(t->instruments.cap, sizeof *t->instruments.rows);
  if (t->instruments.rows) tail_all(t);
  if (!t->instruments.rows) t->code = TF_EXIT_FAILED;
  tf_client_close(t->client);
  free(t->instruments.rows);
  free(t->text);
  return t->code;
}

static bool number(const char *option, const char *text, uint64_t *value) {
  char *end;
  *value = strtoull(text, &end, 10);
  if (*text >= '0' && *text <= '9' && !*end) return true;
  fprintf(stderr, "tickfuse: %s %s: a whole number\n", option, text);
  return false;
}

static bool carries_of(const char *text, uint32_t *carries) {
  static const char *const names[TF_CARRIES_CNT] = {"decisions", "events", "quotes", "features"};
  for (*carries = 0; *carries < TF_CARRIES_CNT; ++*carries)
    if (strcmp(text, names[*carries]) == 0) return true;
  tf_cli_unknown("kind", text, names, TF_CARRIES_CNT);
  return false;
}

/* clang-format off: a table */
typedef struct tail_arguments {
  const char *counts[TF_CLI_VALUES_MAX], *keys[TF_CLI_VALUES_MAX], *resumes[TF_CLI_VALUES_MAX],
      *tokens[TF_CLI_VALUES_MAX], *cas[TF_CLI_VALUES_MAX], *carries[TF_CLI_VALUES_MAX];
  uint32_t json, oldest, follow, actions, count_cnt, key_cnt, resume_cnt, token_cnt, ca_cnt,
      carries_cnt;
} tail_arguments_t;

int tf_cmd_tail(int argc, char **argv) {
  static tail_arguments_t a;
  static tail_t           t;
  const tf_cli_option_t   options[] = {
        {"--json",       NULL,   "one JSON object a line",                                             NULL,      &a.json       },
        {"--actions",    NULL,   "leave HOLD out",                                                     NULL,      &a.actions    },
        {"--count",      "N",    "stop after N records",                                               a.counts,  &a.count_cnt  },
        {"--oldest",     NULL,   "begin with the oldest that is still there, not with the next",       NULL,
         &a.oldest                                                                                                              },
        {"--resume",     "N",    "begin with sequence N; what is gone of it is told",                  a.resumes,
         &a.resume_cnt                                                                                                          },
        {"--follow",     NULL,   "wait where it would end: for a new engine, a connection, more file", NULL,
         &a.follow                                                                                                              },
        {"--carries",    "KIND", "decisions, events, quotes or features: what the sink carries",
         a.carries,                                                                                               &a.carries_cnt},
        {"--token-file", "FILE", "of a listener that wants one: mode 600, one line",                   a.tokens,
         &a.token_cnt                                                                                                           },
        {"--ca-file",    "FILE", "tls, wss: certificates that alone are trusted",                      a.cas,     &a.ca_cnt     },
        {"--key",        "FILE", "journal: verify its MACs, under the key of its sink's key_file",     a.keys,
         &a.key_cnt                                                                                                             },
  };
  /* clang-format on */
  const tf_cli_spec_t spec = {
      "tail SOURCE [--json] [--actions] [--count N] [--oldest | --resume N] [--follow] ...",
      "Prints what a sink gives out, decisions above all, as it comes. SOURCE is the NAME of a\n"
      "shared-memory stream, the FILE of a journal, or a URL: shm:NAME, journal:FILE, unix:/PATH,\n"
      "tcp://HOST:PORT, tls://HOST:PORT, ws://HOST:PORT/PATH, wss://HOST:PORT/PATH, a broker's:\n"
      "nats://HOST:PORT/STREAM, kafka://HOST:PORT/TOPIC[/PARTITION], redis://HOST:PORT/KEY[/DB],\n"
      "or datagrams of a group: udp://GROUP:PORT[,GROUP:PORT][/INTERFACE].\n"
      "What will not come is told, with its exact sequences, on standard error.",
      options,
      TF_ARRAY_CNT(options),
      &t.name,
      1,
      1};
  int code = tf_cli_parse(&spec, argc, argv);
  if (code >= 0) return code;
  tf_client_options_t to = TF_CLIENT_OPTIONS;
  url_of(&t);
  t.json         = a.json;
  t.follow       = a.follow;
  t.actions_only = a.actions;
  t.left         = UINT64_MAX;
  to.flags       = a.follow ? TF_CLIENT_FOLLOW : 0;
  to.key_file    = a.key_cnt ? a.keys[a.key_cnt - 1] : NULL;
  to.token_file  = a.token_cnt ? a.tokens[a.token_cnt - 1] : NULL;
  to.ca_file     = a.ca_cnt ? a.cas[a.ca_cnt - 1] : NULL;
  if (a.oldest || strncmp(t.url, "journal:", 8) == 0) to.resume_from = TF_CLIENT_OLDEST;
  if (a.count_cnt && !number("--count", a.counts[0], &t.left)) return TF_EXIT_USAGE;
  if (a.resume_cnt && !number("--resume", a.resumes[0], &to.resume_from)) return TF_EXIT_USAGE;
  if (a.carries_cnt && !carries_of(a.carries[0], &to.carries)) return TF_EXIT_USAGE;
  signal(SIGINT, on_signal);
  signal(SIGTERM, on_signal);
  if (!tf_tail_broker_is(t.url)) return tail_run(&t, &to);
  t.carries = to.carries;
  return tail_broker(&t, a.oldest, a.resume_cnt ? to.resume_from : 0, &to);
}
