/* PERF row B11: from the call that publishes a decision to the moment that another process holds its
 * copy, through the shm sink and tf/reader.h; the clock starts before the call, so the publication
 * itself counts. Peers, in the same run and at the same pace, both polled without blocking, which is
 * the most that they can do: a Unix-domain socket pair and a pipe, 128 bytes a record.
 *
 * Rounds of 2 ms are interleaved. p50 and p99 are the medians of the rounds' own, so that a round in
 * which another program had the core does not decide; p99.9 and max are over all rounds, so that it
 * is not hidden either. The peers block when their buffer is full and then skip that wait: their
 * tails flatter them. */
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "bench_print.h"
#include "core/clock.h"
#include "core/cpu.h"
#include "core/error.h"
#include "core/hist.h"
#include "tf/reader.h"
#include "tf/sink.h"

extern const tf_sink_t tf_sink_shm;

#define ROUND_CNT        51
#define ROUND_RECORD_CNT 1000
#define PACE_NS          2000u /* 500,000 decisions a second */
#define STOP_SEQ         UINT64_MAX

typedef enum contender { SHM, SOCKET, PIPE, CONTENDER_CNT } contender_t;

/* Shared between the two processes. */
typedef struct board {
  tf_hist_t hists[CONTENDER_CNT]; /* of one round; written by the reader process */
  TF_ALIGNED(128) uint64_t ready; /* by the reader process: it polls */
  uint64_t lost_cnt;
} board_t;

static board_t *board;
static char     stream_name[48];

/* ---- the reader process ---- */

/* Ticks after all loads before it are done: plain rdtsc may run ahead of the copy that it is to time,
 * and did, by more than the whole latency. */
static uint64_t ticks_after_loads(void) {
#if defined(__x86_64__)
  __builtin_ia32_lfence();
#endif
  return tf_clock_ticks();
}

static void record(contender_t contender, const tf_decision_t *d, uint64_t now_ticks) {
  tf_hist_record(&board->hists[contender], tf_clock_ticks_to_ns(now_ticks - d->ts_out_ns));
}

static void read_shm(void) {
  static tf_reader_t reader;
  tf_decision_t      d;
  if (tf_reader_open(stream_name, &reader) != TF_OK) {
    fprintf(stderr, "bench_shm: %s\n", reader.error);
    _exit(1);
  }
  tf_store_release(&board->ready, 1); /* pairs with: measure */
  for (;;) {
    tf_reader_result_t result = tf_reader_next(&reader, &d);
    if (result == TF_READER_READ) {
      uint64_t now_ticks = ticks_after_loads();
      if (d.decision_seq == STOP_SEQ) break;
      record(SHM, &d, now_ticks);
    } else if (result == TF_READER_CLOSED) {
      break;
    }
  }
  tf_count_add(&board->lost_cnt, reader.ring.lost_cnt);
  tf_reader_close(&reader);
}

static void read_fd(contender_t contender, int fd) {
  tf_decision_t d;
  tf_store_release(&board->ready, 1); /* pairs with: measure */
  for (;;) {
    ssize_t bytes =
        contender == SOCKET ? recv(fd, &d, sizeof d, MSG_DONTWAIT) : read(fd, &d, sizeof d);
    if (bytes == (ssize_t)sizeof d) {
      uint64_t now_ticks = ticks_after_loads();
      if (d.decision_seq == STOP_SEQ) return;
      record(contender, &d, now_ticks);
    } else if (bytes >= 0 || errno != EAGAIN) {
      return;
    }
  }
}

/* ---- the writer ---- */

static void write_record(contender_t contender, int fd, void *sink, tf_decision_t *d) {
  d->ts_out_ns = tf_clock_ticks();
  if (contender == SHM)
    tf_sink_shm.offer(sink, d, 1);
  else
    TF_ASSERT(write(fd, d, sizeof *d) == (ssize_t)sizeof *d);
}

static void fds_open(contender_t contender, int fds[2]) {
  fds[0] = fds[1] = -1;
  if (contender == SOCKET) TF_ASSERT(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds) == 0);
  if (contender == PIPE) {
    TF_ASSERT(pipe(fds) == 0);
    TF_ASSERT(fcntl(fds[0], F_SETFL, O_NONBLOCK) == 0);
  }
}

static void measure(contender_t contender, uint64_t record_cnt, void *sink, const int cpus[2]) {
  int fds[2];
  fds_open(contender, fds);
  tf_store_release(&board->ready, 0); /* pairs with: read_shm, read_fd */
  pid_t pid = fork();
  TF_ASSERT(pid >= 0);
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (tf_cpu_pin(cpus[1], "bench-reader") != TF_OK) _exit(1);
    if (contender == SHM)
      read_shm();
    else
      read_fd(contender, fds[0]);
    _exit(0);
  }
  while (tf_load_acquire(&board->ready) == 0) /* pairs with: read_shm, read_fd */
    TF_ASSERT(waitpid(pid, NULL, WNOHANG) == 0);

  tf_decision_t d          = {.version = TF_DECISION_VERSION};
  uint64_t      pace_ticks = tf_clock_ns_to_ticks(PACE_NS);
  uint64_t      due_ticks  = tf_clock_ticks();
  for (uint64_t seq = 1; seq <= record_cnt; seq++) {
    due_ticks += pace_ticks;
    while (tf_clock_ticks() < due_ticks) tf_spin_pause();
    d.decision_seq = seq;
    write_record(contender, fds[1], sink, &d);
  }
  d.decision_seq = STOP_SEQ;
  write_record(contender, fds[1], sink, &d);
  waitpid(pid, NULL, 0);
  for (int i = 0; i < 2; i++)
    if (fds[i] >= 0) close(fds[i]);
}

/* ns a decision that the caller of offer spends, with nobody reading. */
static double offer_cost_ns(void *sink, uint64_t record_cnt) {
  tf_decision_t d           = {.version = TF_DECISION_VERSION};
  uint64_t      begin_ticks = tf_clock_ticks();
  for (uint64_t seq = 1; seq <= record_cnt; seq++) {
    d.decision_seq = seq;
    tf_sink_shm.offer(sink, &d, 1);
  }
  return (double)tf_clock_ticks_to_ns(tf_clock_ticks() - begin_ticks) / (double)record_cnt;
}

/* What the writer's process keeps of the rounds. */
typedef struct result {
  tf_hist_t all;
  double    p50s[ROUND_CNT], p99s[ROUND_CNT];
} result_t;

static result_t results[CONTENDER_CNT];

static double figure(contender_t contender, double quantile, int round_cnt) {
  result_t *result = &results[contender];
  if (quantile == 0.5) return tf_bench_median(result->p50s, (size_t)round_cnt);
  if (quantile == 0.99) return tf_bench_median(result->p99s, (size_t)round_cnt);
  return (double)tf_hist_quantile(&result->all, quantile);
}

static void rows_fill(tf_bench_row_t *rows, double offer_ns, int round_cnt, bool smoke) {
  static const struct {
    const char *name[2];
    double      quantile, budget_ns;
  } figures[] = {
      {{"shm_read_p50", "shm_read_p50_pipe"},     0.5,   250        },
      {{"shm_read_p99", "shm_read_p99_pipe"},     0.99,  (double)NAN},
      {{"shm_read_p99_9", "shm_read_p99_9_pipe"}, 0.999, (double)NAN},
      {{"shm_read_max", "shm_read_max_pipe"},     1.0,   (double)NAN},
  };
  size_t row_idx = 0;
  for (size_t f = 0; f < TF_ARRAY_CNT(figures); f++)
    for (int p = 0; p < 2; p++)
      rows[row_idx++] = (tf_bench_row_t){
          .name            = figures[f].name[p],
          .ours            = figure(SHM, figures[f].quantile, round_cnt),
          .unit            = "ns",
          .peer            = p == 0 ? "unix socketpair, polled" : "pipe, polled",
          .peer_value      = figure((contender_t)(SOCKET + p), figures[f].quantile, round_cnt),
          .budget          = smoke ? (double)NAN : figures[f].budget_ns,
          .lower_is_better = true,
      };
  rows[row_idx] = (tf_bench_row_t){.name            = "shm_offer",
                                   .ours            = offer_ns,
                                   .unit            = "ns",
                                   .peer_value      = (double)NAN,
                                   .budget          = (double)NAN,
                                   .lower_is_better = true};
}

int main(int argc, char **argv) {
  tf_bench_options_t options;
  int                cpus[2];
  int                status = tf_bench_options_parse(
                     argc, argv, "decision published to decision read in another process (B11)", &options);
  if (status >= 0) return status;
  if (!tf_bench_cpus(cpus, 2) || access("/dev/shm", W_OK) != 0) {
    printf("skipped: two cores and a writable /dev/shm are needed\n");
    return 77;
  }
  board = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  TF_ASSERT(board != MAP_FAILED);
  tf_clock_calibrate();

  static uint64_t  state[64];
  char             path[TF_STREAM_PATH_BYTES];
  tf_sink_config_t config = {.type = "shm", .path = stream_name, .slot_cnt = 4096, .epoch = 1};
  snprintf(stream_name, sizeof stream_name, "bench.%d", (int)getpid());
  TF_ASSERT(tf_stream_path(stream_name, path));
  TF_ASSERT(tf_sink_shm.state_bytes(&config) <= sizeof state);
  if (tf_cpu_pin(cpus[0], "bench-writer") != TF_OK || tf_sink_shm.open(state, &config) != TF_OK) {
    fprintf(stderr, "bench_shm: %s\n", tf_error_text());
    return 1;
  }

  int round_cnt = options.smoke ? 1 : ROUND_CNT;
  for (int round = 0; round < round_cnt; round++)
    for (int turn = 0; turn < CONTENDER_CNT; turn++) {
      contender_t contender = (contender_t)((turn + round) % CONTENDER_CNT);
      tf_hist_t  *hist      = &board->hists[contender];
      tf_hist_reset(hist);
      measure(contender, ROUND_RECORD_CNT, state, cpus);
      tf_hist_merge(&results[contender].all, hist);
      results[contender].p50s[round] = (double)tf_hist_quantile(hist, 0.5);
      results[contender].p99s[round] = (double)tf_hist_quantile(hist, 0.99);
    }
  double offer_ns = offer_cost_ns(state, options.smoke ? 10000 : 2000000);
  tf_sink_shm.close(state);
  unlink(path);
  if (board->lost_cnt)
    fprintf(stderr, "bench_shm: the reader lost %llu decisions: its core was taken away\n",
            (unsigned long long)board->lost_cnt);

  tf_bench_row_t rows[9];
  rows_fill(rows, offer_ns, round_cnt, options.smoke);
  tf_bench_print(rows, TF_ARRAY_CNT(rows), options.json);
  return 0;
}
