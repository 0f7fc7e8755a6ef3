/* `tickfuse tail`: decisions as they come. A name is a shared-memory stream, a path a journal. */
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "cli.h"
#include "core/error.h"
#include "file/journal_key.h"
#include "file/journal_reader.h"
#include "sink/decision_json.h"
#include "tf/reader.h"

#define POLL_NS         (200 * TF_NS_PER_US)
#define INSTRUMENTS_MAX 65536

typedef struct tail {
  const char      *name;
  uint64_t         left; /* decisions still to print; UINT64_MAX: all */
  bool             json, follow, actions_only;
  tf_instruments_t instruments; /* names, as the stream gives them */
  const char      *key_file;    /* journal; NULL: MACs are not verified */
} tail_t;

static volatile sig_atomic_t stopped;

static void on_signal(int signo) {
  (void)signo;
  stopped = 1;
}

static void pause_briefly(void) {
  fflush(stdout);
  nanosleep(&(struct timespec){.tv_nsec = POLL_NS}, NULL);
}

static tf_instrument_t *row_of(tail_t *t, uint32_t id) {
  if (id >= INSTRUMENTS_MAX) return NULL;
  if (!t->instruments.rows) {
    t->instruments.rows = calloc(INSTRUMENTS_MAX, sizeof *t->instruments.rows);
    if (!t->instruments.rows) return NULL;
    t->instruments.cap = INSTRUMENTS_MAX;
  }
  if (id >= t->instruments.cnt) t->instruments.cnt = id + 1;
  return &t->instruments.rows[id];
}

static void print_text(const tail_t *t, const tf_decision_t *d) {
  char        price[TF_DECIMAL_TEXT_BYTES_MAX];
  const char *name = "?";
  if (d->instrument_id < t->instruments.cnt) name = t->instruments.rows[d->instrument_id].name;
  char score[16] = "-"; /* a rule without a model */
  if (!isnan(d->score)) snprintf(score, sizeof score, "%+.4f", (double)d->score);
  tf_doc_decimal_text(d->ref_price, d->ref_price_exp, price);
  printf("%10" PRIu64 "  %-24s %-4s score %-7s  at %-14s book %-7s %s%s%s%s\n", d->decision_seq,
         name, tf_decision_json_action(d->action), score, price,
         tf_decision_json_book_state(d->book_state), d->action == TF_ACTION_HOLD ? "because " : "",
         d->action == TF_ACTION_HOLD ? tf_decision_json_hold_reason(d->hold_reason) : "",
         d->route ? " by way of the fallback: " : "",
         d->route ? tf_decision_json_route(d->route) : "");
}

static void print(tail_t *t, const tf_decision_t *d) {
  if (t->actions_only && d->action == TF_ACTION_HOLD) return;
  if (t->json) {
    char line[TF_DECISION_JSON_BYTES_MAX];
    tf_decision_json_write(d, &t->instruments, line);
    fputs(line, stdout);
  } else {
    print_text(t, d);
  }
  if (t->left != UINT64_MAX) t->left--;
}

/* ---- shared memory ---- */

static void name_from_stream(tail_t *t, const tf_reader_t *reader, uint32_t id) {
  if (id < t->instruments.cnt && t->instruments.rows[id].name[0]) return;
  const char      *name = tf_reader_instrument_name(reader, id);
  tf_instrument_t *row  = name ? row_of(t, id) : NULL;
  if (row) snprintf(row->name, sizeof row->name, "%s", name);
}

static int tail_stream(tail_t *t, bool oldest) {
  static tf_reader_t reader;
  if (tf_reader_open(t->name, &reader) != TF_OK) {
    fprintf(stderr, "tickfuse: %s\n", reader.error);
    return TF_EXIT_FAILED;
  }
  if (oldest)
    tf_reader_seek_oldest(&reader);
  else
    tf_reader_seek_tail(&reader);
  bool said_dead = false;
  int  code      = TF_EXIT_DONE;
  while (!stopped && t->left) {
    tf_decision_t decision;
    switch (tf_reader_next(&reader, &decision)) {
    case TF_READER_READ:
      said_dead = false;
      name_from_stream(t, &reader, decision.instrument_id);
      print(t, &decision);
      break;
    case TF_READER_OVERRUN:
      fflush(stdout);
      fprintf(stderr,
              "tickfuse: fell behind: decisions at %" PRIu64 " to %" PRIu64
              " of the stream were overwritten (%" PRIu64 ")\n",
              reader.ring.lost_from, reader.ring.lost_to,
              reader.ring.lost_to - reader.ring.lost_from + 1);
      break;
    case TF_READER_EMPTY: pause_briefly(); break;
    case TF_READER_DEAD:
      if (!said_dead)
        fprintf(stderr, "tickfuse: %s: no sign of life from its writer (pid %u)\n", t->name,
                tf_reader_writer_pid(&reader));
      said_dead = true;
      if (!t->follow) stopped = 1;
      pause_briefly();
      break;
    case TF_READER_CLOSED: stopped = 1; break;
    }
  }
  if (reader.ring.lost_cnt)
    fprintf(stderr, "tickfuse: %" PRIu64 " read, %" PRIu64 " lost\n", reader.ring.read_cnt,
            reader.ring.lost_cnt);
  tf_reader_close(&reader);
  return code;
}

/* ---- journal ---- */

static void take_block(tail_t *t, const tf_journal_reader_t *reader) {
  const tf_journal_block_header_t *header = tf_journal_reader_header(reader);
  if (header->kind == TF_JOURNAL_INSTRUMENTS) {
    const tf_journal_instrument_t *rows = tf_journal_reader_instruments(reader);
    for (uint32_t i = 0; i < header->record_cnt; i++) {
      tf_instrument_t *row = row_of(t, rows[i].id);
      if (row)
        snprintf(row->name, sizeof row->name, "%.*s", (int)sizeof rows[i].name, rows[i].name);
    }
    return;
  }
  if (header->kind != TF_JOURNAL_DECISIONS) return;
  const tf_decision_t *decisions = tf_journal_reader_decisions(reader);
  for (uint32_t i = 0; i < header->record_cnt && t->left; i++) print(t, &decisions[i]);
}

static int tail_journal(tail_t *t) {
  static tf_journal_reader_t reader;
  static tf_journal_key_t    key;
  tf_err_t                   err = t->key_file ? tf_journal_key_load(&key, t->key_file) : TF_OK;
  if (!err) err = tf_journal_reader_init(&reader, t->name);
  if (err) return tf_cli_fail(err);
  if (t->key_file && !(reader.file.flags & TF_JOURNAL_FLAG_KEYED)) {
    fprintf(stderr, "tickfuse: %s has no MACs that a key could verify\n", t->name);
    tf_journal_reader_fini(&reader);
    return TF_EXIT_DATA;
  }
  tf_journal_reader_set_key(&reader, &key);
  int code = TF_EXIT_DONE;
  while (!stopped && t->left) {
    tf_journal_read_t read = tf_journal_reader_next(&reader);
    if (read == TF_JOURNAL_READ_BLOCK) {
      take_block(t, &reader);
    } else if (read == TF_JOURNAL_READ_LOSS) {
      fflush(stdout);
      code = tf_cli_fail(tf_journal_reader_error(&reader));
    } else if (read == TF_JOURNAL_READ_ERROR) {
      code = tf_cli_fail(tf_error_code());
      break;
    } else if (t->follow) {
      pause_briefly();
    } else {
      break;
    }
  }
  tf_journal_reader_fini(&reader);
  return code;
}

int tf_cmd_tail(int argc, char **argv) {
  static const char    *counts[TF_CLI_VALUES_MAX], *keys[TF_CLI_VALUES_MAX];
  static tail_t         t;
  uint32_t              json = 0, count_cnt = 0, oldest = 0, follow = 0, actions = 0, key_cnt = 0;
  const tf_cli_option_t options[] = {
      {"--json",    NULL,   "one JSON object a line",                                                  NULL,   &json     },
      {"--actions", NULL,   "leave HOLD out",                                                          NULL,   &actions  },
      {"--count",   "N",    "stop after N decisions",                                                  counts, &count_cnt},
      {"--key",     "FILE", "journal: also verify its MACs, under the key of its sink's key_file",     keys,
       &key_cnt                                                                                                          },
      {"--oldest",  NULL,   "stream: begin with the oldest that is still there, not with the next",
       NULL,                                                                                                   &oldest   },
      {"--follow",  NULL,   "journal: wait for more at its end; stream: wait for a new writer's life",
       NULL,                                                                                                   &follow   },
  };
  const tf_cli_spec_t spec = {
      "tail NAME|FILE [--json] [--actions] [--count N] [--key FILE] [--oldest] [--follow]",
      "Prints decisions: of the shared-memory stream NAME as they come, or of the journal FILE.\n"
      "A stream that was faster than this reader is reported with exactly what was lost.",
      options,
      TF_ARRAY_CNT(options),
      &t.name,
      1,
      1};
  int code = tf_cli_parse(&spec, argc, argv);
  if (code >= 0) return code;
  t.json         = json;
  t.follow       = follow;
  t.actions_only = actions;
  t.left         = UINT64_MAX;
  t.key_file     = key_cnt ? keys[key_cnt - 1] : NULL;
  if (count_cnt) {
    char *end;
    t.left = strtoull(counts[0], &end, 10);
    if (end == counts[0] || *end) {
      fprintf(stderr, "tickfuse: --count %s: a whole number\n", counts[0]);
      return TF_EXIT_USAGE;
    }
  }
  signal(SIGINT, on_signal);
  signal(SIGTERM, on_signal);
  struct stat st;
  bool        is_file = strchr(t.name, '/') || (stat(t.name, &st) == 0 && S_ISREG(st.st_mode));
  code                = is_file ? tail_journal(&t) : tail_stream(&t, oldest);
  free(t.instruments.rows);
  return code;
}
