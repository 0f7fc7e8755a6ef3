/* A worker process under its supervisor, answered by gpu-stub, which is told what to do wrong. The lane's answers are the bits of
 * the model run here; every fault is met on its tick, counted by its cause, and another worker serves soon after. */
#include "cmocka_tf.h"

#include <math.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/error.h"
#include "model/loader.h"
#include "serve/child.h"

#define INSTRUMENTS 5
/* A busy machine takes a thread off its core for longer than any card takes: what is asserted of time is the lane's own, in which
 * it waits, and that is over 50 us past its deadline. */
#define DEADLINE_NS (20 * TF_NS_PER_MS)

#define PATIENCE_MS 120000 /* for what must come */

static const char *stub_path;

typedef struct rig {
  tf_model_t       *model;
  void             *scratch;
  uint8_t          *states; /* (INSTRUMENTS), what the answers should be; NULL: single rows */
  size_t            stride;
  tf_kept_rows_t    kept;
  tf_child_t       *worker;
  tf_child_lane_t   lane;
  const char       *argv[8];
  tf_child_config_t config;
  unsigned          seed;
} rig_t;

static void sleep_ms(long ms) {
  nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

static uint64_t thread_cpu_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (uint64_t)t.tv_sec * TF_NS_PER_SEC + (uint64_t)t.tv_nsec;
}

static bool serves_within(rig_t *r, uint64_t after_epoch, long ms) {
  for (; ms > 0; ms -= 5) {
    if (tf_child_serving(r->worker) > after_epoch) return true;
    sleep_ms(5);
  }
  return false;
}

static void begin(rig_t *r, const char *file, const char *faults) {
  tf_model_options_t options = {.precision = TF_PRECISION_AUTO};
  *r                         = (rig_t){.seed = 11};
  assert_int_equal(tf_model_loader.load(file, &options, &r->model), TF_OK);
  uint32_t width = r->model->input_cnt, window = r->model->window;
  r->scratch = aligned_alloc(64, tf_align_up(r->model->scratch_bytes + 1, 64));
  if (window > 1) {
    r->stride = tf_align_up(r->model->state_bytes, 64);
    r->states = aligned_alloc(64, r->stride * INSTRUMENTS);
    r->kept   = (tf_kept_rows_t){.rows     = calloc((size_t)INSTRUMENTS * window * width, 4),
                                 .cnt      = calloc(INSTRUMENTS, 4),
                                 .next_idx = calloc(INSTRUMENTS, 4),
                                 .row_cap  = window,
                                 .width    = width};
    memset(r->states, 0, r->stride * INSTRUMENTS);
    for (size_t i = 0; i < INSTRUMENTS; i++) r->model->reset(r->model, r->states + i * r->stride);
  }
  const char *argv[] = {stub_path, "--model", file, "--faults", faults, "--seed", "5", NULL};
  memcpy(r->argv, argv, sizeof argv);
  if (!faults) r->argv[3] = NULL;
  r->config = (tf_child_config_t){
      .argv     = r->argv,
      .heart_ns = 10 * TF_NS_PER_SEC, /* a busy machine stops hearts for a second */
      .mailbox  = {.slot_cnt       = 64,
                   .batch_max      = 8,
                   .input_cnt      = width,
                   .output_cnt     = r->model->output_cnt,
                   .instrument_cnt = INSTRUMENTS,
                   .window         = window,
                   .model_hash     = r->model->hash}
  };
  r->lane = (tf_child_lane_t){.kept           = window > 1 ? &r->kept : NULL,
                              .numbers        = calloc(INSTRUMENTS, sizeof(uint64_t)),
                              .deadline_ticks = tf_clock_ns_to_ticks(DEADLINE_NS),
                              .miss_limit     = 3};
}

/* For what is answered, not when: a busy machine is no miss. */
static void be_patient(rig_t *r, bool is_patient) {
  r->lane.deadline_ticks = tf_clock_ns_to_ticks(is_patient ? 60 * TF_NS_PER_SEC : DEADLINE_NS);
}

static void begin_patient(rig_t *r, const char *file, const char *faults) {
  begin(r, file, faults);
  be_patient(r, true);
}

static void start(rig_t *r) {
  assert_int_equal(tf_child_start(&r->config, &r->worker), TF_OK);
  r->lane.worker = r->worker;
}

static void end(rig_t *r) {
  tf_child_stop(r->worker);
  tf_model_loader.unload(r->model);
  free(r->scratch), free(r->states), free(r->lane.numbers);
  free(r->kept.rows), free(r->kept.cnt), free(r->kept.next_idx);
}

/* A tick: what the worker says, and what it should. right: the worker's answer has the bits of the model run here. */
static tf_child_miss_t tick(rig_t *r, bool *right) {
  uint32_t instrument_idx = (uint32_t)rand_r(&r->seed) % INSTRUMENTS;
  float    row[TF_MODEL_INPUTS_MAX], want[TF_MODEL_OUTPUTS_MAX], got[TF_MODEL_OUTPUTS_MAX];
  for (uint32_t i = 0; i < r->model->input_cnt; i++)
    row[i] = (float)(rand_r(&r->seed) % 2001) / 1000.0f - 1.0f;
  bool is_ready = true;
  if (r->states) {
    void *state = r->states + instrument_idx * r->stride;
    tf_kept_rows_push(&r->kept, instrument_idx, row);
    is_ready = r->model->step(r->model, state, r->scratch, row, want);
    r->model->advance(r->model, state, r->scratch);
  } else {
    r->model->run(r->model, r->scratch, row, want);
  }
  tf_child_miss_t result = tf_child_ask(&r->lane, instrument_idx, row, tf_clock_ticks(), got);
  *right                 = result == TF_CHILD_WARMING ? !is_ready
                                                      : result == TF_CHILD_ANSWERED && is_ready &&
                                            !memcmp(got, want, r->model->output_cnt * sizeof *got);
  return result;
}

typedef struct course {
  uint32_t ticks, answered, wrong;
} course_t;

static course_t run(rig_t *r, uint32_t ticks) {
  course_t c = {.ticks = ticks};
  for (uint32_t i = 0; i < ticks; i++) {
    bool            right;
    tf_child_miss_t result = tick(r, &right);
    c.answered += result == TF_CHILD_ANSWERED;
    c.wrong += result == TF_CHILD_ANSWERED && !right;
  }
  return c;
}

#define MLP  "models/example-mlp.safetensors"
#define LSTM "models/example-lstm.safetensors"

static void a_worker_answers_with_the_models_own_bits(void **state) {
  (void)state;
  static const char *const files[] = {MLP, LSTM};
  for (size_t i = 0; i < TF_ARRAY_CNT(files); i++) {
    rig_t r;
    begin_patient(&r, files[i], NULL);
    start(&r);
    assert_true(serves_within(&r, 0, PATIENCE_MS));
    uint32_t warm_cnt = INSTRUMENTS * r.model->window;
    course_t c        = run(&r, 1000 + warm_cnt);
    assert_int_equal(c.wrong, 0);
    assert_true(c.answered >= 1000);
    assert_int_equal(r.lane.counts.results[TF_CHILD_MISS_BEHIND], 0);
    tf_child_counts_t counts = tf_child_counts(r.worker);
    assert_int_equal(counts.starts, 1);
    end(&r);
  }
}

static void a_worker_that_dies_is_followed_by_one_that_knows_the_windows(void **state) {
  (void)state;
  rig_t r;
  begin(&r, LSTM, "die=1/2000x1");
  r.lane.miss_limit = 0; /* a busy machine is no reason to end it */
  start(&r);
  assert_true(serves_within(&r, 0, PATIENCE_MS));
  uint32_t met = 0;
  for (int round = 0; round < 3; round++) { /* each worker dies of its 2,000th answer */
    bool right;
    while (tf_child_counts(r.worker).ends[TF_CHILD_END_SIGNAL] == (uint64_t)round) {
      tf_child_miss_t result = tick(&r, &right);
      assert_true(result != TF_CHILD_ANSWERED || right);
      if (++met > 100000) fail_msg("no worker died");
    }
    assert_true(serves_within(&r, (uint64_t)round + 1, PATIENCE_MS));
    be_patient(&r, true);
    course_t c = run(&r, 600);
    assert_int_equal(c.wrong, 0);
    assert_int_equal(c.answered, 600 - INSTRUMENTS); /* but for each one's first */
    be_patient(&r, false);
  }
  assert_true(r.lane.counts.rows_again > 0);
  char text[256];
  tf_child_last_end(r.worker, text, sizeof text);
  assert_string_equal(text, "signal 9");
  end(&r);
}

/* F69: what hangs, freezes or keeps silent costs its ticks no more than the deadline, and is replaced. */
static void what_does_not_answer_costs_a_deadline_and_is_replaced(void **state) {
  (void)state;
  static const struct {
    const char    *faults;
    tf_child_end_t end;
  } rows[] = {
      {"hang=1/50",             TF_CHILD_END_SUSPECT},
      {"freeze=1/50",           TF_CHILD_END_SUSPECT},
      {"silent=1/4",            TF_CHILD_END_CNT    }, /* now and then: nobody is replaced */
      {"torn=1/5,late_by=40ms", TF_CHILD_END_CNT    },
      {"late=1/5,late_by=40ms", TF_CHILD_END_CNT    },
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(rows); i++) {
    rig_t r;
    begin(&r, MLP, rows[i].faults);
    if (rows[i].end == TF_CHILD_END_CNT) r.lane.miss_limit = 0;
    start(&r);
    assert_true(serves_within(&r, 0, PATIENCE_MS));
    uint32_t late = 0, wrong = 0, over_cnt = 0, n;
    for (n = 0; n < 200; n++) {
      bool            right;
      uint64_t        begun  = thread_cpu_ns();
      tf_child_miss_t result = tick(&r, &right);
      uint64_t        ns     = thread_cpu_ns() - begun;
      wrong += result == TF_CHILD_ANSWERED && !right;
      late += result == TF_CHILD_MISS_LATE;
      over_cnt += ns >= DEADLINE_NS + 50 * TF_NS_PER_US; /* a hypervisor's pauses count as ours */
      assert_true(ns < DEADLINE_NS + 15 * TF_NS_PER_MS); /* less than what is late is late by */
      if (result == TF_CHILD_MISS_ABSENT) sleep_ms(1);
      if (rows[i].end != TF_CHILD_END_CNT && tf_child_counts(r.worker).ends[rows[i].end]) break;
    }
    assert_int_equal(wrong, 0);
    assert_true(late >= 3);
    assert_true(over_cnt <= n / 2);
    if (rows[i].end != TF_CHILD_END_CNT) {
      assert_true(serves_within(&r, 1, PATIENCE_MS));
      be_patient(&r, true);
      course_t c = run(&r, 20);
      assert_int_equal(c.answered, 20);
    } else {
      assert_int_equal(tf_child_counts(r.worker).starts, 1);
    }
    end(&r);
  }
}
/* A heart that stops while nobody asks. */

static void a_stopped_heart_is_seen_without_a_tick(void **state) {
  (void)state;
  rig_t r;
  begin(&r, MLP, "freeze=1/10");
  r.config.heart_ns = 100 * TF_NS_PER_MS;
  r.lane.miss_limit = 0;
  start(&r);
  assert_true(serves_within(&r, 0, PATIENCE_MS));
  run(&r, 10);
  assert_true(serves_within(&r, 1, PATIENCE_MS));
  assert_true(tf_child_counts(r.worker).ends[TF_CHILD_END_HEART] >= 1);
  end(&r);
}

/* F70: no device, a driver of another version, a model that it cannot load. */
static void a_worker_that_cannot_start_says_why_and_is_given_up_within_its_budget(void **state) {
  (void)state;
  static const struct {
    const char    *faults, *text;
    tf_child_end_t end;
  } rows[] = {
      {"exit=3",        "exit status 3",                              TF_CHILD_END_EXIT  },
      {"known=1",       "it failed: E_MODEL_CHECK: " MLP ": a known", TF_CHILD_END_FAILED},
      {"slow_start=9s", "it did not serve in time",                   TF_CHILD_END_START },
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(rows); i++) {
    rig_t r;
    begin(&r, MLP, rows[i].faults);
    r.config.restart_max = 2;
    if (rows[i].end == TF_CHILD_END_START) r.config.start_ns = 300 * TF_NS_PER_MS;
    start(&r);
    bool right;
    for (int n = 0; n < 6000 && !tf_child_gave_up(r.worker); n++) {
      assert_int_equal(tick(&r, &right), TF_CHILD_MISS_ABSENT); /* answered at once by others */
      sleep_ms(10);
    }
    assert_true(tf_child_gave_up(r.worker));
    tf_child_counts_t counts = tf_child_counts(r.worker);
    assert_int_equal(counts.starts, 3);
    assert_int_equal(counts.served, 0);
    assert_int_equal(counts.ends[rows[i].end], 3);
    char text[256];
    tf_child_last_end(r.worker, text, sizeof text);
    assert_memory_equal(text, rows[i].text, strlen(rows[i].text));
    end(&r);
  }
}

static void a_program_that_is_not_there_is_named(void **state) {
  (void)state;
  rig_t r;
  begin(&r, MLP, NULL);
  r.argv[0]            = "/nowhere/tickfuse-gpu";
  r.config.restart_max = 1;
  start(&r);
  for (int n = 0; n < 1000 && !tf_child_gave_up(r.worker); n++) sleep_ms(5);
  assert_true(tf_child_gave_up(r.worker));
  char text[256];
  tf_child_last_end(r.worker, text, sizeof text);
  assert_string_equal(text, "/nowhere/tickfuse-gpu: No such file or directory");
  end(&r);
}

static bool ends_reach(rig_t *r, tf_child_end_t end, uint64_t cnt) {
  for (int n = 0; n < 6000 && tf_child_counts(r->worker).ends[end] < cnt; n++) sleep_ms(5);
  return tf_child_counts(r->worker).ends[end] == cnt;
}

static bool is_given_up(rig_t *r) {
  for (int n = 0; n < 6000 && !tf_child_gave_up(r->worker); n++) sleep_ms(5);
  return tf_child_gave_up(r->worker);
}

static void one_that_was_given_up_has_its_whole_budget_once_it_is_asked_for(void **state) {
  (void)state;
  rig_t r;
  begin(&r, MLP, "exit=3");
  r.config.restart_max = 2;
  start(&r);
  for (uint64_t asked = 1; asked <= 3; asked++) {
    assert_true(is_given_up(&r));
    assert_int_equal(tf_child_counts(r.worker).starts, 3 * asked);
    assert_int_equal(tf_child_state(r.worker), TF_CHILD_GIVEN_UP);
    tf_child_restart(r.worker);
    assert_true(ends_reach(&r, TF_CHILD_END_EXIT, 3 * (asked + 1)));
  }
  tf_child_counts_t counts = tf_child_counts(r.worker);
  assert_int_equal(counts.revived[TF_CHILD_REVIVED_ASKED], 3);
  assert_int_equal(counts.revived[TF_CHILD_REVIVED_REFILLED], 0);
  end(&r);
}

static void one_that_runs_is_ended_and_followed_when_it_is_asked_for(void **state) {
  (void)state;
  rig_t r;
  begin_patient(&r, LSTM, NULL);
  start(&r);
  assert_true(serves_within(&r, 0, PATIENCE_MS));
  run(&r, 300);
  tf_child_restart(r.worker);
  assert_true(serves_within(&r, 1, PATIENCE_MS));
  course_t c = run(&r, 600);
  assert_int_equal(c.wrong, 0);
  assert_true(c.answered > 300);
  assert_int_equal(tf_child_counts(r.worker).ends[TF_CHILD_END_ASKED], 1);
  end(&r);
}

static void a_budget_comes_back_with_time_or_never(void **state) {
  (void)state;
  rig_t r;
  begin(&r, MLP, "exit=3");
  r.config.restart_max = 1;
  r.config.refill_ns   = 50 * TF_NS_PER_MS;
  start(&r);
  assert_true(ends_reach(&r, TF_CHILD_END_EXIT, 6));
  assert_true(tf_child_counts(r.worker).revived[TF_CHILD_REVIVED_REFILLED] >= 2);
  end(&r);
  begin(&r, MLP, "exit=3");
  r.config.restart_max = 1;
  start(&r);
  assert_true(is_given_up(&r));
  assert_int_equal(tf_child_counts(r.worker).starts, 2);
  assert_int_equal(tf_child_counts(r.worker).revived[TF_CHILD_REVIVED_REFILLED], 0);
  end(&r);
}

/* ---- another model ---- */

static tf_err_t next_of(rig_t *r, const char *file, uint32_t hash, char *text, size_t cap) {
  tf_child_next_t next = {.argv = r->argv, .hash = hash};
  tf_err_t        err  = E_CORE_ARGUMENT;
  snprintf(next.file, sizeof next.file, "%s", file);
  memset(r->lane.numbers, 0, INSTRUMENTS * sizeof *r->lane.numbers); /* as a lane that left it */
  tf_child_next(r->worker, &next);
  for (int n = 0; n < 6000 && !tf_child_next_result(r->worker, &err, text, cap); n++) sleep_ms(5);
  return err;
}

static void the_same_process_takes_another_model_up(void **state) {
  (void)state;
  rig_t r;
  char  text[256];
  begin_patient(&r, LSTM, NULL);
  start(&r);
  assert_true(serves_within(&r, 0, PATIENCE_MS));
  run(&r, 300);
  for (uint64_t n = 1; n <= 3; n++) {
    uint64_t again = r.lane.counts.rows_again;
    assert_int_equal(next_of(&r, LSTM, r.model->hash, text, sizeof text), TF_OK);
    course_t c = run(&r, 300);
    assert_int_equal(c.wrong, 0);
    assert_true(c.answered >= 300 - INSTRUMENTS);
    assert_true(r.lane.counts.rows_again > again); /* its windows began anew */
  }
  assert_int_equal(tf_child_counts(r.worker).starts, 1);
  end(&r);
}

static void a_model_that_it_refuses_leaves_it_the_old_one(void **state) {
  (void)state;
  static const struct {
    const char *faults, *file, *says;
    tf_err_t    err;
  } rows[] = {
      {"next_known=1/1x1", LSTM,                     "a known answer is missed", E_MODEL_CHECK},
      {"next_shape=1/1x1", LSTM,                     "shapes are other",         E_MODEL_SHAPE},
      {NULL,               MLP,                      "shapes are other",         E_MODEL_SHAPE},
      {NULL,               "/nowhere/x.safetensors", "No such file",             E_FILE_OPEN  },
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(rows); i++) {
    rig_t r;
    char  text[256];
    begin_patient(&r, LSTM, rows[i].faults);
    start(&r);
    assert_true(serves_within(&r, 0, PATIENCE_MS));
    assert_int_equal(next_of(&r, rows[i].file, r.model->hash, text, sizeof text), rows[i].err);
    assert_non_null(strstr(text, rows[i].says));
    uint32_t warm_cnt = INSTRUMENTS * r.model->window;
    course_t c        = run(&r, 300 + warm_cnt);
    assert_int_equal(c.wrong, 0);
    assert_true(c.answered >= 300);
    assert_int_equal(next_of(&r, LSTM, r.model->hash, text, sizeof text), TF_OK);
    assert_int_equal(tf_child_counts(r.worker).starts, 1);
    end(&r);
  }
}

static void one_that_ends_while_it_loads_starts_with_the_new_model(void **state) {
  (void)state;
  static const struct {
    const char    *faults;
    tf_child_end_t end;
  } rows[] = {
      {"next_die=1/1",  TF_CHILD_END_SIGNAL},
      {"next_slow=60s", TF_CHILD_END_START }, /* too long */
      {"exit=3",        TF_CHILD_END_EXIT  }, /* none serves */
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(rows); i++) {
    rig_t       r;
    char        text[256];
    bool        serves  = rows[i].end != TF_CHILD_END_EXIT;
    const char *plain[] = {stub_path, "--model", LSTM, NULL};
    begin_patient(&r, LSTM, rows[i].faults);
    r.config.restart_max = 1;
    if (rows[i].end == TF_CHILD_END_START) r.config.start_ns = 5 * TF_NS_PER_SEC;
    start(&r);
    if (serves)
      assert_true(serves_within(&r, 0, PATIENCE_MS));
    else
      assert_true(is_given_up(&r));
    tf_child_next_t next = {.argv = plain, .file = LSTM, .hash = r.model->hash};
    tf_err_t        err  = E_CORE_ARGUMENT;
    tf_child_next(r.worker, &next);
    for (int n = 0; n < 6000 && !tf_child_next_result(r.worker, &err, text, sizeof text); n++)
      sleep_ms(5);
    assert_int_equal(err, TF_OK);
    assert_true(serves_within(&r, serves ? 1 : 2, PATIENCE_MS));
    assert_int_equal(tf_child_counts(r.worker).ends[rows[i].end], serves ? 1 : 2);
    course_t c = run(&r, 300 + INSTRUMENTS * r.model->window);
    assert_int_equal(c.wrong, 0);
    assert_true(c.answered >= 300);
    end(&r);
  }
}

/* The file was replaced behind our back. */
static void one_that_took_another_file_up_is_ended(void **state) {
  (void)state;
  rig_t r;
  char  text[256];
  begin_patient(&r, LSTM, NULL);
  r.config.restart_max = 1;
  start(&r);
  assert_true(serves_within(&r, 0, PATIENCE_MS));
  assert_int_equal(next_of(&r, LSTM, r.model->hash + 1, text, sizeof text), TF_OK);
  assert_true(is_given_up(&r)); /* each start finds that it is not the file that is wanted */
  assert_true(tf_child_counts(r.worker).ends[TF_CHILD_END_FAILED] >= 2);
  end(&r);
}

/* What is wrong and in time is for the caller to find: here, that it gets through as it is. */
static void wrong_answers_are_told_from_right_ones(void **state) {
  (void)state;
  static const char *const faults[] = {"wrong=1/10", "bit=1/10", "nan=1/10", "stale=1/10"};
  for (size_t i = 0; i < TF_ARRAY_CNT(faults); i++) {
    rig_t r;
    begin_patient(&r, MLP, faults[i]);
    start(&r);
    assert_true(serves_within(&r, 0, PATIENCE_MS));
    course_t c = run(&r, 100);
    assert_int_equal(c.answered, 100);
    assert_int_equal(c.wrong, 10);
    tf_child_suspect(&r.lane);
    bool right;
    assert_int_equal(tick(&r, &right), TF_CHILD_MISS_ABSENT);
    assert_true(serves_within(&r, 1, PATIENCE_MS));
    assert_int_equal(tf_child_counts(r.worker).ends[TF_CHILD_END_SUSPECT], 1);
    end(&r);
  }
}

/* The mailbox's state comes to be that one. */
static bool comes_to_be(const tf_mailbox_view_t *view, tf_mailbox_state_t state) {
  for (long ms = PATIENCE_MS; ms > 0; ms -= 5) {
    if (tf_load_acquire_u32(&view->box->state) == state) return true; /* pairs with: stub_serve */
    sleep_ms(5);
  }
  return false;
}

/* A worker whose engine is gone ends by itself: its beat is as old as an orphan's, and the parent lives. */
static void an_orphan_ends(void **state) {
  (void)state;
  rig_t r;
  begin(&r, MLP, NULL);
  tf_mailbox_view_t view;
  int               fd, status;
  tf_mailbox_spec_t spec = r.config.mailbox;
  spec.epoch             = 1;
  assert_int_equal(tf_mailbox_create(&spec, &view, &fd), TF_OK);
  pid_t pid = fork(); /* without a beat of its engine it waits for the first one */
  if (pid == 0) {
    char number[16];
    snprintf(number, sizeof number, "%d", dup(fd)); /* a copy is not closed on exec */
    execl(stub_path, stub_path, "--model", MLP, "--mailbox", number, (char *)NULL);
    _exit(127);
  }
  assert_true(comes_to_be(&view, TF_MAILBOX_SERVING));
  tf_store_release(&view.box->engine_beat_ns, tf_clock_monotonic_ns()); /* pairs with: may_go_on */
  assert_true(comes_to_be(&view, TF_MAILBOX_STOPPED));
  assert_int_equal(waitpid(pid, &status, 0), pid);
  assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  tf_mailbox_close(&view);
  close(fd);
  end(&r);
}

int main(int argc, char **argv) {
  if (argc < 2) return fprintf(stderr, "usage: test_child GPU-STUB\n"), 1;
  stub_path = argv[1];
  tf_clock_calibrate();
  static const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_worker_answers_with_the_models_own_bits),
      cmocka_unit_test(a_worker_that_dies_is_followed_by_one_that_knows_the_windows),
      cmocka_unit_test(what_does_not_answer_costs_a_deadline_and_is_replaced),
      cmocka_unit_test(a_stopped_heart_is_seen_without_a_tick),
      cmocka_unit_test(a_worker_that_cannot_start_says_why_and_is_given_up_within_its_budget),
      cmocka_unit_test(a_program_that_is_not_there_is_named),
      cmocka_unit_test(wrong_answers_are_told_from_right_ones),
      cmocka_unit_test(one_that_was_given_up_has_its_whole_budget_once_it_is_asked_for),
      cmocka_unit_test(one_that_runs_is_ended_and_followed_when_it_is_asked_for),
      cmocka_unit_test(a_budget_comes_back_with_time_or_never),
      cmocka_unit_test(the_same_process_takes_another_model_up),
      cmocka_unit_test(a_model_that_it_refuses_leaves_it_the_old_one),
      cmocka_unit_test(one_that_ends_while_it_loads_starts_with_the_new_model),
      cmocka_unit_test(one_that_took_another_file_up_is_ended),
      cmocka_unit_test(an_orphan_ends),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
