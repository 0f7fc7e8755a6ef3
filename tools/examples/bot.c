/* A consumer of decisions, as small as one can be and still be right: it follows a shm stream, says
 * what it lost when it was too slow, and tells a quiet engine from a dead one.
 *
 *     cc -O2 -I include tools/examples/bot.c -o bot && ./bot decisions
 *
 * One line a decision: sequence, instrument, action, score, price. bot.cpp is the same in C++. */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tf/reader.h"

typedef struct options {
  const char *stream;
  uint64_t    count; /* decisions to print; 0 = no limit */
  uint64_t    dead_after_ms;
  bool        oldest;   /* begin with what is still in the stream, not with the next decision */
  bool        spin;     /* never sleep: lowest latency, one core busy */
  bool        detailed; /* decision_seq, epoch and age as well */
} options_t;

static volatile sig_atomic_t stopped;

static void on_signal(int number) {
  (void)number;
  stopped = 1;
}

static void usage(FILE *out) {
  fputs("usage: bot STREAM [--count N] [--oldest] [--dead-after MS] [--spin] [--detailed]\n"
        "prints the decisions of shared-memory stream STREAM (the `path` of a shm sink) as they "
        "come:\n"
        "sequence, instrument, action, score, price\n"
        "  --count N        end after N decisions\n"
        "  --oldest         begin with the oldest decision still there instead of the next one\n"
        "  --dead-after MS  a heartbeat older than this means that the engine is dead (1000)\n"
        "  --spin           poll without sleeping: takes one core\n"
        "  --detailed       add decision_seq, epoch and age in ns to each line\n",
        out);
}

static bool number_parse(const char *text, uint64_t *number) {
  char *end;
  if (text == NULL || *text < '0' || *text > '9') return false;
  errno   = 0;
  *number = strtoull(text, &end, 10);
  return *end == 0 && errno == 0;
}

static bool options_parse(int argc, char **argv, options_t *options) {
  *options = (options_t){.dead_after_ms = TF_READER_DEAD_AFTER_NS / TF_NS_PER_MS};
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "--oldest") == 0)
      options->oldest = true;
    else if (strcmp(argv[i], "--spin") == 0)
      options->spin = true;
    else if (strcmp(argv[i], "--detailed") == 0)
      options->detailed = true;
    else if (strcmp(argv[i], "--count") == 0 && number_parse(argv[i + 1], &options->count))
      i++;
    else if (strcmp(argv[i], "--dead-after") == 0 &&
             number_parse(argv[i + 1], &options->dead_after_ms) &&
             options->dead_after_ms <= UINT64_MAX / TF_NS_PER_MS)
      i++;
    else if (argv[i][0] != '-' && options->stream == NULL)
      options->stream = argv[i];
    else {
      fprintf(stderr, "bot: unknown or incomplete argument \"%s\"\n", argv[i]);
      return false;
    }
  }
  return options->stream != NULL;
}

static const char *action_name(uint8_t action) {
  static const char *const names[TF_ACTION_CNT] = {"HOLD", "BUY", "SELL", "FLAT"};
  return action < TF_ACTION_CNT ? names[action] : "?";
}

static void decision_print(const tf_reader_t *reader, const tf_decision_t *d, bool detailed) {
  char        price[64], number[16];
  const char *name = tf_reader_instrument_name(reader, d->instrument_id);
  if (name == NULL) {
    snprintf(number, sizeof number, "#%" PRIu32, d->instrument_id);
    name = number;
  }
  printf("%" PRIu64 " %s %s %.6g %s", tf_reader_seq(reader), name, action_name(d->action),
         (double)d->score,
         tf_reader_decimal_text(d->ref_price, d->ref_price_exp, price, sizeof price));
  if (detailed) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    int64_t age_ns =
        (int64_t)((uint64_t)now.tv_sec * TF_NS_PER_SEC + (uint64_t)now.tv_nsec - d->ts_out_ns);
    printf(" decision_seq=%" PRIu64 " epoch=%" PRIu32 " age_ns=%" PRId64, d->decision_seq, d->epoch,
           age_ns);
  }
  putchar('\n');
}

/* Returns the exit status. */
static int follow(tf_reader_t *reader, const options_t *options) {
  tf_decision_t decision;
  uint64_t      printed  = 0;
  uint32_t      idle_cnt = 0;
  while (!stopped && (options->count == 0 || printed < options->count)) {
    switch (tf_reader_next(reader, &decision)) {
    case TF_READER_READ:
      decision_print(reader, &decision, options->detailed);
      printed++;
      idle_cnt = 0;
      break;
    case TF_READER_OVERRUN:
      printf("overrun lost_from=%" PRIu64 " lost_to=%" PRIu64 "\n", reader->ring.lost_from,
             reader->ring.lost_to);
      idle_cnt = 0;
      break;
    case TF_READER_DEAD:
      fprintf(stderr, "bot: no heartbeat from the engine (pid %" PRIu32 ") for %" PRIu64 " ms\n",
              tf_reader_writer_pid(reader), options->dead_after_ms);
      return 0;
    case TF_READER_CLOSED: fprintf(stderr, "bot: the engine closed the stream\n"); return 0;
    case TF_READER_EMPTY:
      if (idle_cnt++ == 0 && fflush(stdout) != 0) return 1; /* who reads us has gone */
      if (options->spin || idle_cnt < 1000)
        tf_spin_pause();
      else
        nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
      break;
    }
  }
  return 0;
}

int main(int argc, char **argv) {
  options_t options;
  if (argc == 2 && strcmp(argv[1], "--help") == 0) {
    usage(stdout);
    return 0;
  }
  if (!options_parse(argc, argv, &options)) {
    usage(stderr);
    return 2;
  }
  struct sigaction action = {.sa_handler = on_signal};
  sigaction(SIGINT, &action, NULL);
  sigaction(SIGTERM, &action, NULL);

  static tf_reader_t reader;
  if (tf_reader_open(options.stream, &reader) != TF_OK) {
    fprintf(stderr, "bot: %s\n", reader.error);
    return 1;
  }
  reader.dead_after_ns = options.dead_after_ms * TF_NS_PER_MS;
  if (options.oldest) tf_reader_seek_oldest(&reader);
  int status = follow(&reader, &options);
  if (fflush(stdout) != 0) status = 1;
  fprintf(stderr, "bot: received=%" PRIu64 " lost=%" PRIu64 "\n", reader.ring.read_cnt,
          reader.ring.lost_cnt);
  tf_reader_close(&reader);
  return status;
}
