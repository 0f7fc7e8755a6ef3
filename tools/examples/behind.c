/* A bot that knows when it has fallen behind, and what to do then. There are two signs: LOST, when the
 * source had to leave something out, and the age of what it reads, when nothing was lost yet but a queue
 * has grown. In either case it acts on nothing more: it reads on as fast as it can, keeps the latest
 * decision of each instrument, and when it has caught up (there is nothing more to read) it acts on
 * those that are still young enough. A decision that is too old is worth nothing, however dear it was
 * to compute.
 *
 *     cc -O2 tools/examples/behind.c $(pkg-config --cflags --libs tickfuse_client) -o behind
 *     ./behind shm:decisions --max-age-ms 50
 *
 * behind.py is the same in Python, and prints the same. */
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include <tickfuse_client.h>

#define INSTRUMENT_CNT 1024u /* others are not traded */

typedef struct bot {
  tf_client_t  *client;
  uint64_t      age_ns_max;
  bool          is_behind;
  uint64_t      skipped;
  tf_decision_t latest[INSTRUMENT_CNT]; /* of those skipped; decision_seq 0: none */
} bot_t;

static bool is_old(const bot_t *bot, const tf_decision_t *d) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  uint64_t now_ns = (uint64_t)now.tv_sec * TF_NS_PER_SEC + (uint64_t)now.tv_nsec;
  return now_ns > d->ts_decision_ns && now_ns - d->ts_decision_ns > bot->age_ns_max;
}

/* An order would be sent here. */
static void act(const bot_t *bot, const tf_decision_t *d) {
  const char *name = tf_client_instrument_name(bot->client, d->instrument_id);
  if (d->action != TF_ACTION_HOLD)
    printf("%" PRIu64 " act %s\n", d->decision_seq, name ? name : "?");
}

static void fall_behind(bot_t *bot, const char *why) {
  if (!bot->is_behind) printf("behind: %s\n", why);
  bot->is_behind = true;
}

static void take(bot_t *bot, const tf_decision_t *d) {
  if (is_old(bot, d)) fall_behind(bot, "too old");
  if (!bot->is_behind) {
    act(bot, d);
    return;
  }
  bot->skipped++;
  if (d->instrument_id < INSTRUMENT_CNT) bot->latest[d->instrument_id] = *d;
}

/* Nothing more to read: what was skipped has a latest decision for each instrument. */
static void catch_up(bot_t *bot) {
  if (!bot->is_behind) return;
  printf("caught up, %" PRIu64 " skipped\n", bot->skipped);
  for (uint32_t i = 0; i < INSTRUMENT_CNT; i++)
    if (bot->latest[i].decision_seq != 0 && !is_old(bot, &bot->latest[i]))
      act(bot, &bot->latest[i]);
  memset(bot->latest, 0, sizeof bot->latest);
  bot->is_behind = false;
  bot->skipped   = 0;
}

static void run(bot_t *bot) {
  tf_client_message_t m;
  for (;;) switch (tf_client_next(bot->client, &m)) {
    case TF_CLIENT_RECORD: take(bot, (const tf_decision_t *)m.record); break;
    case TF_CLIENT_LOST: fall_behind(bot, tf_client_reason_text(m.reason)); break;
    case TF_CLIENT_DOWN: fall_behind(bot, tf_client_reason_text(m.reason)); break;
    case TF_CLIENT_IDLE:
      catch_up(bot);
      fflush(stdout);
      tf_client_wait(bot->client, UINT64_MAX);
      break;
    case TF_CLIENT_END:
      catch_up(bot);
      printf("end: %s\n", tf_client_reason_text(m.reason));
      return;
    default: break;
    }
}

int main(int argc, char **argv) {
  static bot_t bot;
  char         error[TF_CLIENT_ERROR_BYTES];
  bool         has_age = argc == 4 && strcmp(argv[2], "--max-age-ms") == 0;
  if (argc != 2 && !has_age) {
    fputs("usage: behind URL [--max-age-ms MS]\n", stderr);
    return 2;
  }
  bot.age_ns_max = (has_age ? strtoull(argv[3], NULL, 10) : 100) * TF_NS_PER_MS;
  bot.client     = tf_client_open(argv[1], NULL, error, sizeof error);
  if (bot.client == NULL) {
    fprintf(stderr, "behind: %s\n", error);
    return 1;
  }
  run(&bot);
  tf_client_close(bot.client);
  return 0;
}
