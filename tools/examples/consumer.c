/* A bot on libtickfuse_client: the same program for shared memory, sockets, websocket and journals. It
 * acts on a decision only while the source is up, the book is whole and the decision is still good, and
 * it says what it lost.
 *
 *     cc -O2 tools/examples/consumer.c $(pkg-config --cflags --libs tickfuse_client) -o consumer
 *     ./consumer shm:decisions
 *     ./consumer tcp://127.0.0.1:7000 --token-file token --resume 1042
 *
 * consumer.py is the same in Python, and prints the same. */
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include <tickfuse_client.h>

#define WAIT_NS UINT64_C(200000000) /* a signal is seen that much later at most */

static volatile sig_atomic_t stopped;

static void on_signal(int number) {
  (void)number;
  stopped = 1;
}

static uint64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return (uint64_t)now.tv_sec * TF_NS_PER_SEC + (uint64_t)now.tv_nsec;
}

/* Why a decision is not acted on; NULL: it is. */
static const char *objection(const tf_decision_t *d) {
  if (d->action == TF_ACTION_HOLD) return "hold";
  if (d->book_state != TF_BOOK_OK) return "book";
  if (d->path & TF_PATH_LATE || (d->expiry_ns && now_ns() > d->expiry_ns)) return "late";
  return NULL;
}

/* An order would be sent here. */
static void act(const tf_client_t *client, const tf_client_message_t *message) {
  static const char *const names[TF_ACTION_CNT] = {"HOLD", "BUY", "SELL", "FLAT"};
  const tf_decision_t     *d                    = (const tf_decision_t *)message->record;
  const char              *name = tf_client_instrument_name(client, d->instrument_id);
  const char              *why  = objection(d);
  if (why)
    printf("%" PRIu64 " pass %s\n", message->seq, why);
  else
    printf("%" PRIu64 " order %s %s score %.3f\n", message->seq,
           d->action < TF_ACTION_CNT ? names[d->action] : "?", name ? name : "?", (double)d->score);
}

/* Returns the exit status. */
static int consume(tf_client_t *client, uint64_t left) {
  tf_client_message_t m;
  while (!stopped && left) switch (tf_client_next(client, &m)) {
    case TF_CLIENT_RECORD:
      act(client, &m);
      left--;
      break;
    case TF_CLIENT_LOST:
      printf("lost %" PRIu64 " to %" PRIu64 ": %s\n", m.lost_from, m.lost_to,
             tf_client_reason_text(m.reason));
      break;
    case TF_CLIENT_UP: printf("up, next is %" PRIu64 "\n", m.seq); break;
    case TF_CLIENT_DOWN: /* what is known is getting old: take orders back, or flatten */
      printf("down: %s\n", tf_client_reason_text(m.reason));
      break;
    case TF_CLIENT_END: printf("end: %s\n", tf_client_reason_text(m.reason)); return 0;
    case TF_CLIENT_HEARTBEAT: break;
    case TF_CLIENT_IDLE:
      fflush(stdout);
      tf_client_wait(client, WAIT_NS);
      break;
    }
  return 0;
}

int main(int argc, char **argv) {
  tf_client_options_t options = TF_CLIENT_OPTIONS;
  char                error[TF_CLIENT_ERROR_BYTES];
  uint64_t            count = UINT64_MAX;
  bool                bad   = argc < 2;
  options.flags             = TF_CLIENT_FOLLOW;
  for (int i = 2; i < argc && !bad; i++)
    if (strcmp(argv[i], "--oldest") == 0)
      options.resume_from = TF_CLIENT_OLDEST;
    else if (strcmp(argv[i], "--once") == 0)
      options.flags = 0;
    else if (i + 1 < argc && strcmp(argv[i], "--resume") == 0)
      options.resume_from = strtoull(argv[++i], NULL, 10);
    else if (i + 1 < argc && strcmp(argv[i], "--count") == 0)
      count = strtoull(argv[++i], NULL, 10);
    else if (i + 1 < argc && strcmp(argv[i], "--token-file") == 0)
      options.token_file = argv[++i];
    else
      bad = true;
  if (bad) {
    fputs("usage: consumer URL [--oldest | --resume N] [--count N] [--once] [--token-file FILE]\n",
          stderr);
    return 2;
  }
  struct sigaction action = {.sa_handler = on_signal};
  sigaction(SIGINT, &action, NULL);
  sigaction(SIGTERM, &action, NULL);
  tf_client_t *client = tf_client_open(argv[1], &options, error, sizeof error);
  if (client == NULL) {
    fprintf(stderr, "consumer: %s\n", error);
    return 1;
  }
  int                status = consume(client, count);
  tf_client_counts_t counts;
  tf_client_counts(client, &counts);
  if (fflush(stdout) != 0) status = 1;
  fprintf(stderr, "consumer: received=%" PRIu64 " lost=%" PRIu64 "\n", counts.records, counts.lost);
  tf_client_close(client);
  return status;
}
