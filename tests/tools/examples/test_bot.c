/* The two example bots against a shm sink in this process: every case runs for the C one and the C++
 * one, which must print the same. Their paths are the arguments. */
#include "cmocka_tf.h"

#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "tf/reader.h"
#include "tf/sink.h"

extern const tf_sink_t tf_sink_shm;

static char **bot_paths;

typedef struct bot {
  pid_t pid;
  int   out; /* its stdout */
} bot_t;

typedef struct engine {
  char             name[48];
  tf_instrument_t  rows[2];
  tf_instruments_t instruments;
  tf_sink_config_t config;
  uint64_t         state[64];
  uint64_t         seq;
} engine_t;

static char engine_path[TF_STREAM_PATH_BYTES];
static void engine_path_remove(void) { unlink(engine_path); }

static void engine_open(engine_t *e, uint64_t slot_cnt) {
  memset(e, 0, sizeof *e);
  snprintf(e->name, sizeof e->name, "test-bot.%d", (int)getpid());
  assert_true(tf_stream_path(e->name, engine_path));
  engine_path_remove();
  snprintf(e->rows[0].name, sizeof e->rows[0].name, "BTCUSDT.BINANCE-SPOT");
  e->instruments = (tf_instruments_t){.rows = e->rows, .cap = 2, .cnt = 1};
  e->config      = (tf_sink_config_t){.type        = "shm",
                                      .path        = e->name,
                                      .slot_cnt    = slot_cnt,
                                      .epoch       = 5,
                                      .instruments = &e->instruments};
  assert_int_equal(tf_sink_shm.open(e->state, &e->config), TF_OK);
}

static void engine_close(engine_t *e) {
  assert_int_equal(tf_sink_shm.close(e->state), TF_OK);
  engine_path_remove();
}

static void engine_write(engine_t *e, uint32_t n) {
  while (n--) {
    tf_decision_t d = {.decision_seq  = ++e->seq,
                       .instrument_id = e->seq % 2 ? 0 : 7,
                       .action        = (uint8_t)(e->seq % 4),
                       .score         = 0.25f,
                       .ref_price     = 6183763 + (int64_t)e->seq,
                       .ref_price_exp = -2,
                       .epoch         = 5};
    assert_int_equal(tf_sink_shm.offer(e->state, &d, 1), 1);
  }
}

static bot_t bot_start(int which, char *const argv[]) {
  int   fds[2];
  bot_t bot;
  assert_int_equal(pipe(fds), 0);
  bot.pid = fork();
  assert_true(bot.pid >= 0);
  if (bot.pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* it does not outlive a test that failed */
    dup2(fds[1], STDOUT_FILENO);
    close(fds[0]);
    close(fds[1]);
    freopen("/dev/null", "w", stderr);
    execv(bot_paths[which], argv);
    _exit(127);
  }
  close(fds[1]);
  bot.out = fds[0];
  return bot;
}

/* One line, without its newline; false at the end of output. */
static bool bot_line(bot_t *bot, char line[256]) {
  size_t length = 0;
  while (length < 255 && read(bot->out, &line[length], 1) == 1)
    if (line[length++] == '\n') {
      line[length - 1] = 0;
      return true;
    }
  line[length] = 0;
  return false;
}

static void bot_prints(bot_t *bot, const char *expected) {
  char line[256];
  assert_true(bot_line(bot, line));
  assert_string_equal(line, expected);
}

static void bot_exits(bot_t *bot, int expected) {
  char line[256];
  int  status;
  assert_false(bot_line(bot, line));
  assert_string_equal(line, "");
  assert_int_equal(waitpid(bot->pid, &status, 0), bot->pid);
  assert_true(WIFEXITED(status));
  assert_int_equal(WEXITSTATUS(status), expected);
  close(bot->out);
}

static void bad_arguments_and_missing_streams_end_with_their_codes(void **state) {
  (void)state;
  static const struct {
    int   status;
    char *argv[5];
  } cases[] = {
      {2, {"bot"}                                          },
      {2, {"bot", "--count"}                               },
      {2, {"bot", "x", "--count", "ten"}                   },
      {2, {"bot", "x", "--count", "-1"}                    },
      {2, {"bot", "x", "--dead-after", "99999999999999999"}},
      {2, {"bot", "x", "y"}                                },
      {2, {"bot", "x", "--nonsense"}                       },
      {1, {"bot", "test-nobody-has-this-name"}             },
      {1, {"bot", "not/a/name"}                            },
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(cases); i++)
    for (int which = 0; which < 2; which++) {
      bot_t bot = bot_start(which, cases[i].argv);
      bot_exits(&bot, cases[i].status);
    }
}

static void decisions_are_printed_as_they_come_until_the_count(void **state) {
  (void)state;
  for (int which = 0; which < 2; which++) {
    engine_t e;
    engine_open(&e, 64);
    engine_write(&e, 2);
    bot_t bot = bot_start(which, (char *[]){"bot", e.name, "--oldest", "--count", "4", NULL});
    bot_prints(&bot, "1 BTCUSDT.BINANCE-SPOT BUY 0.25 61837.64");
    bot_prints(&bot, "2 #7 SELL 0.25 61837.65");
    engine_write(&e, 10);
    bot_prints(&bot, "3 BTCUSDT.BINANCE-SPOT FLAT 0.25 61837.66");
    bot_prints(&bot, "4 #7 HOLD 0.25 61837.67");
    bot_exits(&bot, 0);
    engine_close(&e);
  }
}

static void a_bot_that_was_stopped_says_what_it_lost_and_goes_on(void **state) {
  (void)state;
  for (int which = 0; which < 2; which++) {
    engine_t e;
    int      status;
    char     line[256], expected[256];
    engine_open(&e, 64);
    engine_write(&e, 1);
    bot_t bot =
        bot_start(which, (char *[]){"bot", e.name, "--oldest", "--dead-after", "60000", NULL});
    bot_prints(&bot, "1 BTCUSDT.BINANCE-SPOT BUY 0.25 61837.64");
    kill(bot.pid, SIGSTOP);
    assert_int_equal(waitpid(bot.pid, &status, WUNTRACED), bot.pid);
    engine_write(&e, 999);
    kill(bot.pid, SIGCONT);
    /* 1000 were written: 1001 - 64 + 1 + 8 = 946 comes next. */
    bot_prints(&bot, "overrun lost_from=2 lost_to=945");
    for (int seq = 946; seq <= 1000; seq++) {
      assert_true(bot_line(&bot, line));
      snprintf(expected, sizeof expected, "%d ", seq);
      assert_memory_equal(line, expected, strlen(expected));
    }
    kill(bot.pid, SIGINT);
    bot_exits(&bot, 0);
    engine_close(&e);
  }
}

static void a_bot_ends_when_the_engine_does(void **state) {
  (void)state;
  for (int which = 0; which < 2; which++) {
    engine_t e;
    engine_open(&e, 64);
    engine_write(&e, 1);
    /* Nobody flushes this engine: after 30 ms without a heartbeat it counts as dead. */
    bot_t dead =
        bot_start(which, (char *[]){"bot", e.name, "--oldest", "--dead-after", "30", NULL});
    bot_prints(&dead, "1 BTCUSDT.BINANCE-SPOT BUY 0.25 61837.64");
    bot_exits(&dead, 0);

    bot_t closed =
        bot_start(which, (char *[]){"bot", e.name, "--oldest", "--dead-after", "60000", NULL});
    bot_prints(&closed, "1 BTCUSDT.BINANCE-SPOT BUY 0.25 61837.64");
    engine_close(&e);
    bot_exits(&closed, 0);
  }
}

int main(int argc, char **argv) {
  if (access("/dev/shm", W_OK) != 0) {
    printf("skipped: /dev/shm cannot be written here\n");
    return 77;
  }
  TF_ASSERT(argc == 3);
  atexit(engine_path_remove); /* even if a test fails half-way */
  bot_paths                       = argv + 1;
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(bad_arguments_and_missing_streams_end_with_their_codes),
      cmocka_unit_test(decisions_are_printed_as_they_come_until_the_count),
      cmocka_unit_test(a_bot_that_was_stopped_says_what_it_lost_and_goes_on),
      cmocka_unit_test(a_bot_ends_when_the_engine_does),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
