#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/error.h"
#include "serve/child_state.h"

#define WATCH_NS        (2 * TF_NS_PER_MS)
#define STOP_NS         (500 * TF_NS_PER_MS) /* to end in order, before it is killed */
#define PAUSE_FIRST_NS  (50 * TF_NS_PER_MS)  /* before a start that follows a failed one; doubles */
#define PAUSE_MAX_NS    (5 * TF_NS_PER_SEC)
#define ARGV_MAX        60
#define MAILBOX_FD      3
#define MAILBOX_FD_TEXT "3"

extern char **environ;

/* ---- supervisor ---- */

static void unmap(tf_child_t *w, uint32_t slot) {
  tf_mailbox_close(&w->views[slot]);
  w->mapped[slot] = 0;
}

/* What the lane has left: it asks a later epoch. */
static void reclaim(tf_child_t *w) {
  uint64_t taken = tf_load_acquire(&w->taken); /* pairs with: tf_child_adopt_ */
  for (uint32_t i = 0; i < TF_CHILD_MAPPINGS; i++)
    if (w->mapped[i] && w->mapped[i] < taken && w->mapped[i] < w->epoch) unmap(w, i);
}

/* The next epoch whose place among the mappings is free. False: the lane has not left any for long. */
static bool next_epoch(tf_child_t *w) {
  for (uint64_t epoch = w->epoch + 1; epoch <= w->epoch + TF_CHILD_MAPPINGS; epoch++) {
    if (w->mapped[epoch % TF_CHILD_MAPPINGS]) continue;
    w->epoch = epoch;
    return true;
  }
  return false;
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
  if (w->offered != w->epoch) unmap(w, w->epoch % TF_CHILD_MAPPINGS); /* no lane knows of it */
  if (w->offered == w->epoch && w->over_ns == 0) w->over_ns = now_ns;
  w->pid           = 0;
  w->next_sent_ns  = 0;
  w->not_before_ns = now_ns + w->pause_ns;
  w->pause_ns      = w->pause_ns ? 2 * w->pause_ns : PAUSE_FIRST_NS;
  if (w->pause_ns > PAUSE_MAX_NS) w->pause_ns = PAUSE_MAX_NS;
  uint64_t n = w->counts.starts, max = w->config.restart_max;
  if (n - w->budget_from <= max ||
      now_ns - w->starts_ns[(n - 1 - max) % 16] >= w->config.restart_ns)
    return;
  w->gave_up_ns = now_ns;
  tf_store_release(&w->gave_up, 1); /* pairs with: tf_child_gave_up */
}

/* The whole budget again, and no pause before the next start. */
static void forget_starts(tf_child_t *w) {
  w->budget_from   = w->counts.starts;
  w->pause_ns      = 0;
  w->not_before_ns = 0;
  tf_store_release(&w->gave_up, 0); /* pairs with: tf_child_gave_up */
}

static void begin(tf_child_t *w, uint64_t now_ns) {
  reclaim(w);
  if (now_ns < w->not_before_ns || !next_epoch(w)) return;
  tf_mailbox_spec_t spec = w->config.mailbox;
  int               fd;
  spec.epoch                          = (uint32_t)w->epoch;
  w->starts_ns[w->counts.starts % 16] = now_ns;
  tf_count_add(&w->counts.starts, 1);

  w->started_ns                = now_ns;
  *tf_child_view_(w, w->epoch) = (tf_mailbox_view_t){0};
  tf_err_t err                 = tf_mailbox_create(&spec, tf_child_view_(w, w->epoch), &fd);
  if (!err) {
    w->mapped[w->epoch % TF_CHILD_MAPPINGS] = w->epoch;
    tf_store_release(&tf_child_view_(w, w->epoch)->box->engine_beat_ns,
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

/* The lane asks it no more before it is gone. */
static void end_for(tf_child_t *w, tf_child_end_t end, const char *text, uint64_t now_ns) {
  tf_store_release(&w->down, w->epoch); /* pairs with: tf_child_adopt_ */
  end_process(w);
  over(w, end, text, now_ns);
}

/* Is the process over by itself? */
static bool has_ended(tf_child_t *w, uint64_t now_ns) {
  int status;
  if (waitpid(w->pid, &status, WNOHANG) != w->pid) return false;
  tf_mailbox_t *box = tf_child_view_(w, w->epoch)->box;
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
  tf_mailbox_t *box   = tf_child_view_(w, w->epoch)->box;
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
  if (text) end_for(w, end, text, now_ns);
}

/* ---- what the owner asks for ---- */

/* One that is down for good comes back when it is asked for, or with time. */
static void look_for_revival(tf_child_t *w, uint64_t now_ns) {
  uint64_t asked = tf_load_acquire(&w->restarts_asked); /* pairs with: tf_child_restart */
  if (asked != w->restarts_seen) {
    w->restarts_seen = asked;
    if (w->pid) end_for(w, TF_CHILD_END_ASKED, "it was asked to be restarted", now_ns);
    forget_starts(w);
    tf_count_add(&w->counts.revived[TF_CHILD_REVIVED_ASKED], 1);
  } else if (w->gave_up && w->config.refill_ns && now_ns - w->gave_up_ns >= w->config.refill_ns) {
    forget_starts(w);
    tf_count_add(&w->counts.revived[TF_CHILD_REVIVED_REFILLED], 1);
  }
}

static void next_is_done(tf_child_t *w, tf_err_t err, const char *text) {
  w->has_next     = false;
  w->next_sent_ns = 0;
  w->next_err     = err;
  snprintf(w->next_text, sizeof w->next_text, "%s", text);
  tf_store_release(&w->next_done, w->next_seen); /* pairs with: tf_child_next_result */
}

/* It answers now, or the next start is of it. */
static void take_next(tf_child_t *w) {
  w->config.argv               = w->next.argv;
  w->config.mailbox.model_hash = w->next.hash;
  next_is_done(w, TF_OK, "");
}

static void send_next(tf_child_t *w, tf_mailbox_t *box, uint64_t now_ns) {
  snprintf(box->next_model, sizeof box->next_model, "%s", w->next.file);
  w->next_sent_ns = now_ns;
  /* relaxed: this thread is its only writer */
  tf_store_release(&box->next_cnt, tf_load_relaxed(&box->next_cnt) + 1); /* pairs with: next_look */
}

/* The process was told of it: is it worked on? */
static void await_next(tf_child_t *w, tf_mailbox_t *box, uint64_t now_ns) {
  uint64_t done = tf_load_acquire(&box->next_done); /* pairs with: load_next */
  char     text[TF_CHILD_TEXT_BYTES];
  /* relaxed: this thread is its only writer */
  if (done != tf_load_relaxed(&box->next_cnt)) {
    if (now_ns - w->next_sent_ns > w->config.start_ns)
      end_for(w, TF_CHILD_END_START, "it did not take another model up in time", now_ns);
  } else if (box->next_failure) {
    snprintf(text, sizeof text, "%.*s", (int)sizeof box->next_text - 1, box->next_text);
    next_is_done(w, (tf_err_t)box->next_failure, text);
  } else if (box->model_hash_now != w->next.hash) {
    snprintf(text, sizeof text, "it took up a model of hash %08x, not %08x", box->model_hash_now,
             w->next.hash);
    end_for(w, TF_CHILD_END_FAILED, text, now_ns);
  } else {
    take_next(w);
  }
}

static void look_for_next(tf_child_t *w, uint64_t now_ns) {
  uint64_t asked = tf_load_acquire(&w->next_asked); /* pairs with: tf_child_next */
  if (asked != w->next_seen) {
    w->next_seen = asked;
    w->has_next  = true;
    if (w->gave_up) forget_starts(w); /* another model, another chance */
  }
  if (!w->has_next) return;
  tf_mailbox_t *box = tf_child_view_(w, w->epoch)->box;
  if (w->pid && w->next_sent_ns)
    await_next(w, box, now_ns);
  else if (w->pid && w->offered == w->epoch)
    send_next(w, box, now_ns);
  if (w->has_next && !w->pid) take_next(w);
}

static void *supervise(void *arg) {
  tf_child_t *w = arg;
  while (!tf_load_acquire(&w->stop)) { /* pairs with: tf_child_stop */
    uint64_t now_ns = tf_clock_monotonic_ns();
    look_for_revival(w, now_ns);
    look_for_next(w, now_ns); /* before a start, which is then of it */
    if (w->pid)
      tf_child_watch(w, now_ns);
    else if (!w->gave_up)
      begin(w, now_ns);
    nanosleep(&(struct timespec){.tv_nsec = (long)WATCH_NS}, NULL);
  }
  if (w->pid) {
    tf_store_release(&tf_child_view_(w, w->epoch)->box->stop,
                     1); /* pairs with: the worker's may_go_on */
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
  for (uint32_t i = 0; i < TF_CHILD_MAPPINGS; i++) unmap(w, i);
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

void tf_child_restart(tf_child_t *w) {
  /* relaxed: the owner's own word */
  tf_store_release(&w->restarts_asked,
                   tf_load_relaxed(&w->restarts_asked) + 1); /* pairs with: look_for_revival */
}

void tf_child_next(tf_child_t *w, const tf_child_next_t *next) {
  w->next = *next;
  /* relaxed: the owner's own word */
  tf_store_release(&w->next_asked,
                   tf_load_relaxed(&w->next_asked) + 1); /* pairs with: look_for_next */
}

bool tf_child_next_result(const tf_child_t *w, tf_err_t *err, char *text, size_t cap) {
  /* relaxed: the owner's own word; pairs with: next_is_done */
  if (tf_load_acquire(&w->next_done) != tf_load_relaxed(&w->next_asked)) return false;
  *err = w->next_err;
  snprintf(text, cap, "%s", w->next_text);
  return true;
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
