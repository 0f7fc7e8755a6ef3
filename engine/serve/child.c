#include "serve/child.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/error.h"

#define WATCH_NS        (2 * TF_NS_PER_MS)
#define STOP_NS         (500 * TF_NS_PER_MS) /* to end in order, before it is killed */
#define PAUSE_FIRST_NS  (50 * TF_NS_PER_MS)  /* before a start that follows a failed one; doubles */
#define PAUSE_MAX_NS    (5 * TF_NS_PER_SEC)
#define ARGV_MAX        60
#define MAILBOX_FD      3
#define MAILBOX_FD_TEXT "3"

extern char **environ;

struct tf_child {
  tf_child_config_t config;
  pthread_t         thread;
  /* by the supervisor */
  TF_ALIGNED(TF_LINE_PAIR_BYTES) uint64_t offered;
  uint64_t            down;
  uint64_t            gave_up;
  tf_child_counts_t   counts;
  tf_mailbox_device_t device; /* as the worker told it last */
  /* by the lane */
  TF_ALIGNED(TF_LINE_PAIR_BYTES) uint64_t taken;
  uint64_t suspect;
  /* by who compares */
  TF_ALIGNED(TF_LINE_PAIR_BYTES) uint64_t doubted;
  /* by the owner */
  TF_ALIGNED(TF_LINE_PAIR_BYTES) uint64_t stop;
  /* the supervisor's own, but views, which the lane reads behind offered */
  TF_ALIGNED(TF_LINE_PAIR_BYTES) tf_mailbox_view_t views[TF_CHILD_MAPPINGS]; /* epoch % MAPPINGS */
  uint64_t        epoch, oldest; /* of the newest mapping, of the oldest one left */
  pid_t           pid;           /* 0: none */
  uint64_t        started_ns, pause_ns, not_before_ns;
  uint64_t        over_ns;       /* when one that served was over; 0: none was, or another serves */
  uint64_t        starts_ns[16]; /* the last starts, by number % 16 */
  pthread_mutex_t text_lock;     /* of text alone: control plane */
  char            text[TF_MAILBOX_TEXT_BYTES + 128];
};

static tf_mailbox_view_t *view_of(tf_child_t *w, uint64_t epoch) {
  return &w->views[epoch % TF_CHILD_MAPPINGS];
}

/* ---- supervisor ---- */

static void reclaim(tf_child_t *w) {
  uint64_t taken = tf_load_acquire(&w->taken); /* pairs with: tf_child_adopt_ */
  while (w->oldest < taken && w->oldest < w->epoch) tf_mailbox_close(view_of(w, w->oldest++));
}

static tf_err_t spawn(tf_child_t *w, int fd) {
  char *argv[ARGV_MAX + 3];
  int   argc = 0;
  for (; w->config.argv[argc]; argc++) argv[argc] = (char *)(uintptr_t)w->config.argv[argc];
  argv[argc++] = (char[]){"--mailbox"};
  argv[argc++] = (char[]){MAILBOX_FD_TEXT};
  argv[argc]   = NULL;

  posix_spawn_file_actions_t files;
  posix_spawnattr_t          attr;
  sigset_t                   none, usual;
  sigemptyset(&none);
  sigemptyset(&usual);
  sigaddset(&usual, SIGINT), sigaddset(&usual, SIGTERM), sigaddset(&usual, SIGPIPE);
  posix_spawn_file_actions_init(&files);
  posix_spawnattr_init(&attr);
  posix_spawn_file_actions_adddup2(&files, fd, MAILBOX_FD);
  posix_spawnattr_setsigmask(&attr, &none);
  posix_spawnattr_setsigdefault(&attr, &usual);
  posix_spawnattr_setpgroup(&attr, 0); /* a terminal's ^C is the engine's to hear */
  posix_spawnattr_setflags(&attr,
                           POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  int failed = posix_spawnp(&w->pid, argv[0], &files, &attr, argv, environ);
  posix_spawnattr_destroy(&attr);
  posix_spawn_file_actions_destroy(&files);
  if (!failed) return TF_OK;
  w->pid = 0;
  return TF_ERR(E_CORE_SYSTEM, "%s: %s", argv[0], strerror(failed));
}

static void say(tf_child_t *w, const char *text) {
  pthread_mutex_lock(&w->text_lock);
  snprintf(w->text, sizeof w->text, "%s", text);
  pthread_mutex_unlock(&w->text_lock);
}

/* A start that came to nothing, or the end of what ran: waits longer each time, up to the budget. */
static void over(tf_child_t *w, tf_child_end_t end, const char *text, uint64_t now_ns) {
  tf_count_add(&w->counts.ends[end], 1);
  say(w, text);
  tf_store_release(&w->down, w->epoch); /* pairs with: tf_child_adopt_ */
  if (w->offered == w->epoch && w->over_ns == 0) w->over_ns = now_ns;
  w->pid           = 0;
  w->not_before_ns = now_ns + w->pause_ns;
  w->pause_ns      = w->pause_ns ? 2 * w->pause_ns : PAUSE_FIRST_NS;
  if (w->pause_ns > PAUSE_MAX_NS) w->pause_ns = PAUSE_MAX_NS;
  uint64_t n = w->counts.starts, max = w->config.restart_max;
  if (n > max && now_ns - w->starts_ns[(n - 1 - max) % 16] < w->config.restart_ns)
    tf_store_release(&w->gave_up, 1); /* pairs with: tf_child_gave_up */
}

static void begin(tf_child_t *w, uint64_t now_ns) {
  reclaim(w);
  if (now_ns < w->not_before_ns || w->epoch - w->oldest + 2 > TF_CHILD_MAPPINGS) return;
  tf_mailbox_spec_t spec = w->config.mailbox;
  int               fd;
  spec.epoch                          = (uint32_t)++w->epoch;
  w->starts_ns[w->counts.starts % 16] = now_ns;
  tf_count_add(&w->counts.starts, 1);

  w->started_ns         = now_ns;
  *view_of(w, w->epoch) = (tf_mailbox_view_t){0};
  tf_err_t err          = tf_mailbox_create(&spec, view_of(w, w->epoch), &fd);
  if (!err) {
    tf_store_release(&view_of(w, w->epoch)->box->engine_beat_ns,
                     now_ns); /* pairs with: the worker */
    err = spawn(w, fd);
    close(fd);
  }
  if (err) over(w, TF_CHILD_END_EXIT, tf_error_text(), now_ns);
}

static void end_process(tf_child_t *w) {
  if (w->pid == 0) return;
  kill(w->pid, SIGKILL);
  waitpid(w->pid, NULL, 0);
}

/* Is the process over by itself? */
static bool has_ended(tf_child_t *w, uint64_t now_ns) {
  int status;
  if (waitpid(w->pid, &status, WNOHANG) != w->pid) return false;
  tf_mailbox_t *box = view_of(w, w->epoch)->box;
  char          text[sizeof w->text];
  /* pairs with: the worker that failed */
  if (tf_load_acquire_u32(&box->state) == TF_MAILBOX_FAILED) {
    snprintf(text, sizeof text, "it failed: %s: %.*s", tf_error_name((tf_err_t)box->failure),
             (int)sizeof box->text - 1, box->text);
    over(w, TF_CHILD_END_FAILED, text, now_ns);
  } else if (WIFSIGNALED(status)) {
    snprintf(text, sizeof text, "signal %d", WTERMSIG(status));
    over(w, TF_CHILD_END_SIGNAL, text, now_ns);
  } else {
    snprintf(text, sizeof text, "exit status %d", WEXITSTATUS(status));
    over(w, TF_CHILD_END_EXIT, text, now_ns);
  }
  return true;
}

static void count_served(tf_child_t *w, uint64_t now_ns) {
  tf_count_add(&w->counts.served, 1);
  w->pause_ns = 0;
  if (w->over_ns == 0) return;
  uint64_t back_ns = now_ns - w->over_ns;
  w->over_ns       = 0;
  tf_store_relaxed(&w->counts.back_ns, back_ns); /* relaxed: figures that stand alone */
  if (back_ns > w->counts.back_ns_max)
    tf_store_relaxed(&w->counts.back_ns_max, back_ns); /* relaxed: as above */
}

/* Has somebody seen too many misses, or a wrong answer? */
static bool is_suspect(const tf_child_t *w) {
  return tf_load_acquire(&w->suspect) == w->epoch || /* pairs with: tf_child_suspect */
         tf_load_acquire(&w->doubted) == w->epoch;   /* pairs with: tf_child_doubt */
}

/* Out of the mapping, which is this thread's to take down. */
static void copy_device(tf_child_t *w, const tf_mailbox_t *box) {
  const uint64_t *from = (const uint64_t *)&box->device;
  uint64_t       *to   = (uint64_t *)&w->device;
  for (size_t i = 0; i < sizeof w->device / sizeof *to; i++)
    tf_store_relaxed(&to[i], tf_load_relaxed(&from[i])); /* relaxed: each word by itself */
}

/* One look at the process that runs. */
static void tf_child_watch(tf_child_t *w, uint64_t now_ns) {
  if (has_ended(w, now_ns)) return;
  tf_mailbox_t *box   = view_of(w, w->epoch)->box;
  uint32_t      state = tf_load_acquire_u32(&box->state); /* pairs with: the worker that serves */
  copy_device(w, box);
  tf_store_release(&box->engine_beat_ns, now_ns); /* pairs with: the worker's may_go_on */
  const char    *text = NULL;
  tf_child_end_t end  = TF_CHILD_END_START;
  if (state == TF_MAILBOX_STARTING) {
    if (now_ns - w->started_ns > w->config.start_ns) text = "it did not serve in time";
  } else if (state == TF_MAILBOX_SERVING) {
    uint64_t beat_ns = tf_load_acquire(&box->worker_beat_ns); /* pairs with: the worker's beat */
    if (w->offered != w->epoch) {
      count_served(w, now_ns);
      tf_store_release(&w->offered, w->epoch); /* pairs with: tf_child_adopt_ */
    }
    if (now_ns > beat_ns && now_ns - beat_ns > w->config.heart_ns) {
      end  = TF_CHILD_END_HEART;
      text = "its heart stopped";
    } else if (is_suspect(w)) {
      end  = TF_CHILD_END_SUSPECT;
      text = "it missed too many answers in a row, or gave a wrong one";
    }
  }
  if (!text) return;
  tf_store_release(&w->down, w->epoch); /* pairs with: tf_child_adopt_ */
  end_process(w);
  over(w, end, text, now_ns);
}

static void *supervise(void *arg) {
  tf_child_t *w = arg;
  while (!tf_load_acquire(&w->stop)) { /* pairs with: tf_child_stop */
    uint64_t now_ns = tf_clock_monotonic_ns();
    if (w->pid)
      tf_child_watch(w, now_ns);
    else if (!w->gave_up)
      begin(w, now_ns);
    nanosleep(&(struct timespec){.tv_nsec = (long)WATCH_NS}, NULL);
  }
  if (w->pid) {
    tf_store_release(&view_of(w, w->epoch)->box->stop, 1); /* pairs with: the worker's may_go_on */
    uint64_t begun_ns = tf_clock_monotonic_ns();
    while (waitpid(w->pid, NULL, WNOHANG) == 0) {
      if (tf_clock_monotonic_ns() - begun_ns > STOP_NS) {
        end_process(w);
        break;
      }
      nanosleep(&(struct timespec){.tv_nsec = (long)WATCH_NS}, NULL);
    }
  }
  return NULL;
}

tf_err_t tf_child_start(const tf_child_config_t *config, tf_child_t **worker) {
  int argc = 0;
  while (config->argv[argc])
    if (++argc > ARGV_MAX) return TF_ERR(E_CORE_ARGUMENT, "worker: more than %d words", ARGV_MAX);
  if (config->restart_max > 15)
    return TF_ERR(E_CORE_ARGUMENT, "worker: restart_max is %u, at most 15", config->restart_max);
  tf_child_t *w = aligned_alloc(TF_LINE_PAIR_BYTES, tf_align_up(sizeof *w, TF_LINE_PAIR_BYTES));
  if (!w) return TF_ERR(E_CORE_NO_MEMORY, "worker");
  memset(w, 0, sizeof *w);
  w->config = *config;
  w->oldest = 1;
  if (!w->config.start_ns) w->config.start_ns = 30 * TF_NS_PER_SEC;
  if (!w->config.heart_ns) w->config.heart_ns = 500 * TF_NS_PER_MS;
  if (!w->config.restart_max) w->config.restart_max = 5;
  if (!w->config.restart_ns) w->config.restart_ns = 60 * TF_NS_PER_SEC;
  pthread_mutex_init(&w->text_lock, NULL);
  int failed = pthread_create(&w->thread, NULL, supervise, w);
  if (failed) {
    free(w);
    return TF_ERR(E_CORE_THREAD, "worker: %s", strerror(failed));
  }
  *worker = w;
  return TF_OK;
}

void tf_child_stop(tf_child_t *w) {
  if (!w) return;
  tf_store_release(&w->stop, 1); /* pairs with: supervise */
  pthread_join(w->thread, NULL);
  for (; w->oldest <= w->epoch; w->oldest++) tf_mailbox_close(view_of(w, w->oldest));
  pthread_mutex_destroy(&w->text_lock);
  free(w);
}

uint64_t tf_child_serving(const tf_child_t *w) {
  uint64_t offered = tf_load_acquire(&w->offered);          /* pairs with: tf_child_watch */
  return offered > tf_load_acquire(&w->down) ? offered : 0; /* pairs with: over */
}

bool tf_child_gave_up(const tf_child_t *w) {
  return tf_load_acquire(&w->gave_up); /* pairs with: over */
}

tf_child_state_t tf_child_state(const tf_child_t *w) {
  if (tf_child_serving(w)) return TF_CHILD_SERVING;
  if (tf_child_gave_up(w)) return TF_CHILD_GIVEN_UP;
  /* relaxed: a word that only grows */
  return tf_load_relaxed(&w->counts.served) ? TF_CHILD_SUSPECT : TF_CHILD_STARTING;
}

void tf_child_doubt(tf_child_t *w, uint64_t epoch) {
  tf_store_release(&w->doubted, epoch); /* pairs with: is_suspect */
}

tf_child_counts_t tf_child_counts(const tf_child_t *w) {
  tf_child_counts_t counts;
  tf_words_from_shared((uint64_t *)&counts, (const uint64_t *)&w->counts, sizeof counts / 8);
  return counts;
}

TF_STATIC_ASSERT(sizeof(tf_mailbox_device_t) % sizeof(uint64_t) == 0, "it is copied by words");

void tf_child_device(const tf_child_t *w, tf_mailbox_device_t *device) {
  tf_words_from_shared((uint64_t *)device, (const uint64_t *)&w->device,
                       sizeof *device / sizeof(uint64_t));
}

void tf_child_last_end(tf_child_t *w, char *text, size_t cap) {
  pthread_mutex_lock(&w->text_lock);
  snprintf(text, cap, "%s", w->text);
  pthread_mutex_unlock(&w->text_lock);
}

/* ---- the lane ---- */

/* Sees whether another worker serves. False: none does. */
bool tf_child_adopt_(tf_child_lane_t *lane) {
  tf_child_t *w       = lane->worker;
  uint64_t    offered = tf_load_acquire(&w->offered); /* pairs with: tf_child_watch */
  if (TF_UNLIKELY(offered != lane->epoch)) {
    lane->view     = *view_of(w, offered);
    lane->epoch    = offered;
    lane->miss_cnt = 0;
    tf_store_release(&w->taken, offered); /* pairs with: reclaim */
  }
  if (offered <= tf_load_acquire(&w->down)) return false; /* pairs with: over */
  /* relaxed: the lane's own word; pairs with: tf_child_doubt */
  return tf_load_relaxed(&w->suspect) != offered && tf_load_acquire(&w->doubted) != offered;
}

void tf_child_post_(tf_child_lane_t *lane, uint32_t idx, uint32_t row_cnt, uint32_t instrument_idx,
                    uint32_t flags, const float *row) {
  uint64_t *number = &lane->numbers[instrument_idx];
  if (*number >> 32 != lane->epoch || (uint32_t)*number == 0 || (uint32_t)*number == UINT32_MAX) {
    *number = lane->epoch << 32;
    flags |= TF_MAILBOX_RESET;
  }
  tf_mailbox_row_t head = {
      .instrument_idx = instrument_idx, .flags = flags, .number = (uint32_t)++ * number};
  tf_mailbox_post(&lane->view, idx, row_cnt, &head, row);
}

/* The rows before the newest one, of an instrument whose window the worker has not. False: there are none. */
TF_COLD static bool send_kept(tf_child_lane_t *lane, uint32_t instrument_idx) {
  uint32_t left = lane->kept->cnt[instrument_idx];
  if (left > lane->view.window) left = lane->view.window;
  if (left <= 1) return false;
  lane->counts.rows_again += left - 1;
  while (left > 1) {
    uint32_t cnt = left - 1 < lane->view.batch_max ? left - 1 : lane->view.batch_max;
    for (uint32_t i = 0; i < cnt; i++, left--)
      tf_child_post_(lane, i, cnt, instrument_idx, TF_MAILBOX_QUIET,
                     tf_kept_rows_at(lane->kept, instrument_idx, left));
    lane->view.next_seq++;
  }
  return true;
}

static tf_child_miss_t missed(tf_child_lane_t *lane, tf_child_miss_t miss) {
  lane->counts.results[miss]++;
  if (lane->miss_limit && ++lane->miss_cnt >= lane->miss_limit) tf_child_suspect(lane);
  return miss;
}

/* The worker's window of the instrument is not what the lane has. */
static bool lacks_rows(const tf_child_lane_t *lane, uint32_t instrument_idx) {
  uint64_t number = lane->numbers[instrument_idx];
  return lane->kept && (number >> 32 != lane->epoch || (uint32_t)number == 0);
}

/* The answer to row idx of request seq, up to the deadline. */
tf_child_miss_t tf_child_await_(tf_child_lane_t *lane, uint64_t seq, uint32_t idx,
                                const tf_child_row_t *row, uint64_t begun_ticks) {
  tf_mailbox_answer_t answer;
  while (!tf_mailbox_poll(&lane->view, seq, idx, &answer, row->out)) {
    if (tf_clock_ticks() - begun_ticks > lane->deadline_ticks)
      return missed(lane, TF_CHILD_MISS_LATE);
    tf_spin_pause();
  }
  switch (answer.status) {
  case TF_MAILBOX_OK:
    lane->miss_cnt = 0;
    lane->counts.results[TF_CHILD_ANSWERED]++;
    return TF_CHILD_ANSWERED;
  case TF_MAILBOX_WARMING:
    lane->miss_cnt = 0;
    lane->counts.results[TF_CHILD_WARMING]++;
    return TF_CHILD_WARMING;
  case TF_MAILBOX_BEHIND:
    lane->numbers[row->instrument_idx] = 0;
    if (lane->has_market) {
      lane->counts.results[TF_CHILD_MISS_BEHIND]++;
      return TF_CHILD_MISS_BEHIND;
    }
    return missed(lane, TF_CHILD_MISS_BEHIND);
  case TF_MAILBOX_REFUSED:
  default: lane->numbers[row->instrument_idx] = 0; return missed(lane, TF_CHILD_MISS_REFUSED);
  }
}

void tf_child_ask_many(tf_child_lane_t *lane, tf_child_row_t *rows, uint32_t row_cnt,
                       uint64_t begun_ticks) {
  const bool serves = tf_child_adopt_(lane);
  for (uint32_t i = 0; i < row_cnt; i++) {
    /* a window's rows go in requests of their own; nobody waits for these */
    bool is_behind = serves && lacks_rows(lane, rows[i].instrument_idx) &&
                     send_kept(lane, rows[i].instrument_idx);
    rows[i].result = !serves     ? TF_CHILD_MISS_ABSENT
                     : is_behind ? TF_CHILD_MISS_BEHIND
                                 : TF_CHILD_ANSWERED;
    if (rows[i].result != TF_CHILD_ANSWERED) lane->counts.results[rows[i].result]++;
  }
  if (!serves) return;
  for (uint32_t i = 0; i < row_cnt; i++)
    tf_child_post_(lane, i, row_cnt, rows[i].instrument_idx,
                   rows[i].result == TF_CHILD_MISS_BEHIND ? TF_MAILBOX_QUIET : 0, rows[i].row);
  uint64_t seq       = lane->view.next_seq++;
  lane->posted_ticks = begun_ticks;
  for (uint32_t i = 0; i < row_cnt; i++)
    if (rows[i].result == TF_CHILD_ANSWERED)
      rows[i].result = tf_child_await_(lane, seq, i, &rows[i], begun_ticks);
}

tf_child_miss_t tf_child_ask(tf_child_lane_t *lane, uint32_t instrument_idx, const float *row,
                             uint64_t begun_ticks, float *out) {
  tf_child_row_t one = {.instrument_idx = instrument_idx, .row = row, .out = out};
  tf_child_ask_many(lane, &one, 1, begun_ticks);
  return one.result;
}

void tf_child_tell(tf_child_lane_t *lane, uint32_t instrument_idx, const float *row) {
  if (!tf_child_adopt_(lane) || lacks_rows(lane, instrument_idx))
    return; /* it gets them when it is asked */
  tf_child_post_(lane, 0, 1, instrument_idx, TF_MAILBOX_QUIET, row);
  lane->view.next_seq++;
}

void tf_child_keep_alive(tf_child_lane_t *lane, uint64_t now_ticks, uint64_t idle_ticks) {
  static const float nothing[TF_MAILBOX_VALUES_MAX];
  if (now_ticks - lane->posted_ticks < idle_ticks || !tf_child_adopt_(lane)) return;
  tf_mailbox_row_t head = {.instrument_idx = lane->view.instrument_cnt - 1,
                           .flags          = TF_MAILBOX_RESET | TF_MAILBOX_QUIET,
                           .number         = 1};
  tf_mailbox_post(&lane->view, 0, 1, &head, nothing);
  lane->view.next_seq++;
  lane->posted_ticks = now_ticks;
  lane->counts.kept_alive++;
}

void tf_child_break(tf_child_lane_t *lane, uint32_t instrument_idx) {
  lane->numbers[instrument_idx] = 0;
}

void tf_child_suspect(tf_child_lane_t *lane) {
  tf_store_release(&lane->worker->suspect, lane->epoch); /* pairs with: tf_child_watch */
}
