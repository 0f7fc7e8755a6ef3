/* The mailbox in one thread: what one side stores is what the other takes, and nothing else is ever taken. */
#include "cmocka_tf.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/error.h"
#include "flow/mailbox_file.h"

/* Both ends, and what the worker took last. */
typedef struct pair {
  tf_mailbox_view_t lane, worker;
  int               fd;
  uint32_t          row_cnt;
  uint64_t          lost;
  tf_mailbox_row_t  row;
  float             got[5];
} pair_t;

static const tf_mailbox_spec_t small = {.epoch          = 3,
                                        .slot_cnt       = 4,
                                        .batch_max      = 2,
                                        .input_cnt      = 5,
                                        .output_cnt     = 4,
                                        .instrument_cnt = 7,
                                        .window         = 16,
                                        .model_hash     = 0xabcd};

static pair_t pair_of(const tf_mailbox_spec_t *spec) {
  pair_t p = {0};
  assert_int_equal(tf_mailbox_create(spec, &p.lane, &p.fd), TF_OK);
  assert_int_equal(tf_mailbox_open(p.fd, &p.worker), TF_OK);
  return p;
}

static void end(pair_t *p) {
  tf_mailbox_close(&p->worker);
  tf_mailbox_close(&p->lane);
  close(p->fd);
}

static tf_mailbox_take_t take(pair_t *p, uint32_t row_idx) {
  return tf_mailbox_take(&p->worker, row_idx, &p->row_cnt, &p->row, p->got, &p->lost);
}

static void post_one(tf_mailbox_view_t *lane, uint32_t instrument_idx, float first) {
  float            values[5] = {first, first + 1, first + 2, first + 3, first + 4};
  tf_mailbox_row_t row = {.instrument_idx = instrument_idx, .flags = TF_MAILBOX_RESET, .number = 1};
  tf_mailbox_post(lane, 0, 1, &row, values);
  lane->next_seq++;
}

static void rows_and_answers_cross_with_all_their_values(void **state) {
  (void)state;
  pair_t p = pair_of(&small);
  float  in[2][5], out[4];
  for (uint64_t seq = 1; seq <= 20; seq++) { /* five times round */
    assert_int_equal(take(&p, 0), TF_MAILBOX_EMPTY);
    for (uint32_t r = 0; r < 2; r++) {
      for (uint32_t i = 0; i < 5; i++) in[r][i] = (float)(seq * 100 + r * 10 + i);
      tf_mailbox_row_t row = {
          .instrument_idx = r + 1, .flags = r ? TF_MAILBOX_QUIET : 0, .number = (uint32_t)seq};
      tf_mailbox_post(&p.lane, r, 2, &row, in[r]);
    }
    uint64_t            asked = p.lane.next_seq++;
    tf_mailbox_answer_t answer;
    for (uint32_t r = 0; r < 2; r++) {
      assert_int_equal(take(&p, r), TF_MAILBOX_TAKEN);
      assert_int_equal(p.row_cnt, 2);
      assert_int_equal(p.row.instrument_idx, r + 1);
      assert_int_equal(p.row.flags, r ? TF_MAILBOX_QUIET : 0);
      assert_int_equal(p.row.number, seq);
      assert_memory_equal(p.got, in[r], sizeof p.got);
      assert_false(tf_mailbox_poll(&p.lane, asked, r, &answer, out));
      float answers[4] = {(float)seq, (float)r, -1, 0.5f};
      tf_mailbox_answer(&p.worker, p.worker.next_seq, r, TF_MAILBOX_OK, 1234, answers);
      assert_true(tf_mailbox_poll(&p.lane, asked, r, &answer, out));
      assert_int_equal(answer.status, TF_MAILBOX_OK);
      assert_int_equal(answer.device_ns, 1234);
      assert_memory_equal(out, answers, sizeof out);
    }
    p.worker.next_seq++;
  }
  assert_int_equal(p.lost, 0);
  end(&p);
}

static void a_row_with_one_packet_of_another_request_is_not_there(void **state) {
  (void)state;
  pair_t p = pair_of(&small);
  post_one(&p.lane, 1, 1);
  tf_packet_t *packets = tf_mailbox_row_(&p.lane, 1, 0);
  for (uint32_t i = 0; i < p.lane.row_packets; i++)
    for (int d = -1; d <= 1; d += 2) {
      packets[i].tag += (uint32_t)d;
      assert_int_equal(take(&p, 0), TF_MAILBOX_EMPTY);
      packets[i].tag -= (uint32_t)d;
    }
  assert_int_equal(take(&p, 0), TF_MAILBOX_TAKEN);

  float               answers[4] = {1, 2, 3, 4}, out[4];
  tf_mailbox_answer_t answer;
  tf_mailbox_answer(&p.worker, 1, 0, TF_MAILBOX_OK, 0, answers);
  packets = tf_mailbox_answer_(&p.worker, 1, 0);
  for (uint32_t i = 0; i < p.lane.answer_packets; i++) {
    packets[i].tag++;
    assert_false(tf_mailbox_poll(&p.lane, 1, 0, &answer, out));
    packets[i].tag--;
  }
  assert_true(tf_mailbox_poll(&p.lane, 1, 0, &answer, out));
  end(&p);
}

static void a_worker_that_slept_goes_on_from_what_is_there_and_counts_what_is_lost(void **state) {
  (void)state;
  pair_t p = pair_of(&small);
  for (uint32_t i = 0; i < 11; i++) post_one(&p.lane, i % 7, (float)i); /* slot 1 holds 9 now */
  assert_int_equal(take(&p, 0), TF_MAILBOX_LAPPED);
  assert_int_equal(p.lost, 8);
  assert_int_equal(p.worker.next_seq, 9);
  for (uint64_t seq = 9; seq <= 11; seq++, p.worker.next_seq++) {
    assert_int_equal(take(&p, 0), TF_MAILBOX_TAKEN);
    assert_true(p.got[0] == (float)(seq - 1));
  }
  assert_int_equal(take(&p, 0), TF_MAILBOX_EMPTY);
  end(&p);
}

static void a_late_answer_is_nobodys(void **state) {
  (void)state;
  pair_t              p          = pair_of(&small);
  float               answers[4] = {1, 2, 3, 4}, out[4];
  tf_mailbox_answer_t answer;
  tf_mailbox_answer(&p.worker, 1, 0, TF_MAILBOX_OK, 0, answers);
  assert_false(tf_mailbox_poll(&p.lane, 5, 0, &answer, out)); /* the same slot */
  tf_mailbox_answer(&p.worker, 5, 0, TF_MAILBOX_WARMING, 0, NULL);
  assert_true(tf_mailbox_poll(&p.lane, 5, 0, &answer, out));
  assert_int_equal(answer.status, TF_MAILBOX_WARMING);
  assert_false(tf_mailbox_poll(&p.lane, 1, 0, &answer, out));
  end(&p);
}

static void sequences_go_on_past_two_to_the_thirty_second(void **state) {
  (void)state;
  pair_t p        = pair_of(&small);
  p.lane.next_seq = p.worker.next_seq = (UINT64_C(1) << 32) - 6;
  for (uint32_t i = 0; i < 12; i++) {
    post_one(&p.lane, 1, (float)i);
    assert_int_equal(take(&p, 0), TF_MAILBOX_TAKEN);
    assert_true(p.got[0] == (float)i);
    p.worker.next_seq++;
    if (i < 4) continue; /* fresh memory, which no such sequence meets */
    assert_int_equal(take(&p, 0), TF_MAILBOX_EMPTY);
  }
  end(&p);
}

static void a_row_count_or_a_status_that_is_none_is_bounded(void **state) {
  (void)state;
  pair_t p = pair_of(&small);
  float  out[4];
  post_one(&p.lane, 1, 1);
  tf_packet_t *head = tf_mailbox_row_(&p.lane, 1, 0);
  for (uint32_t cnt = 0; cnt < 256; cnt++) {
    head->words[1] = cnt;
    assert_int_equal(take(&p, 0), TF_MAILBOX_TAKEN);
    assert_int_equal(p.row_cnt, cnt == 2 ? 2 : 1);
  }
  tf_mailbox_answer_t answer;
  tf_mailbox_answer(&p.worker, 1, 0, TF_MAILBOX_BEHIND, 0, NULL);
  tf_mailbox_answer_(&p.worker, 1, 0)->words[2] = 200u << 24;
  assert_true(tf_mailbox_poll(&p.lane, 1, 0, &answer, out));
  assert_int_equal(answer.status, TF_MAILBOX_REFUSED);
  end(&p);
}

static void sizes_at_their_limits(void **state) {
  (void)state;
  static const struct {
    size_t   offset;
    uint32_t good[2], bad[2];
  } rows[] = {
      {offsetof(tf_mailbox_spec_t, epoch),          {1, UINT32_MAX}, {0, 0}                          },
      {offsetof(tf_mailbox_spec_t, slot_cnt),
       {2, TF_MAILBOX_SLOT_CNT_MAX},
       {1, TF_MAILBOX_SLOT_CNT_MAX + 1}                                                              },
      {offsetof(tf_mailbox_spec_t, slot_cnt),       {8, 16},         {3, 2 * TF_MAILBOX_SLOT_CNT_MAX}},
      {offsetof(tf_mailbox_spec_t, batch_max),
       {1, TF_MAILBOX_BATCH_MAX},
       {0, TF_MAILBOX_BATCH_MAX + 1}                                                                 },
      {offsetof(tf_mailbox_spec_t, input_cnt),
       {1, TF_MAILBOX_VALUES_MAX},
       {0, TF_MAILBOX_VALUES_MAX + 1}                                                                },
      {offsetof(tf_mailbox_spec_t, output_cnt),
       {1, TF_MAILBOX_VALUES_MAX},
       {0, TF_MAILBOX_VALUES_MAX + 1}                                                                },
      {offsetof(tf_mailbox_spec_t, instrument_cnt),
       {1, TF_MAILBOX_INSTRUMENT_MAX},
       {0, TF_MAILBOX_INSTRUMENT_MAX + 1}                                                            },
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(rows); i++)
    for (int k = 0; k < 2; k++) {
      tf_mailbox_spec_t spec = small;
      tf_mailbox_view_t view;
      int               fd;
      memcpy((char *)&spec + rows[i].offset, &rows[i].good[k], 4);
      pair_t p = pair_of(&spec);
      end(&p);
      memcpy((char *)&spec + rows[i].offset, &rows[i].bad[k], 4);
      assert_int_equal(tf_mailbox_create(&spec, &view, &fd), E_CORE_ARGUMENT);
    }
}

/* Of a worker that computes features: its plan, its state room, rows that hold a market row. */
static void sizes_of_a_plan_and_its_room_at_their_limits(void **state) {
  (void)state;
  uint8_t *plan = calloc(1, TF_MAILBOX_PLAN_BYTES_MAX + 1);
  assert_non_null(plan);
  const uint64_t least = tf_market_row_values(0);
  const struct {
    uint64_t input_cnt, plan_bytes, state_packets;
    bool     is_good;
  } rows[] = {
      {least,     1,                             1,                        true },
      {least - 1, 1,                             1,                        false},
      {least + 1, TF_MAILBOX_PLAN_BYTES_MAX - 1, TF_MAILBOX_STATE_MAX - 1, true },
      {least,     TF_MAILBOX_PLAN_BYTES_MAX,     TF_MAILBOX_STATE_MAX,     true },
      {least,     TF_MAILBOX_PLAN_BYTES_MAX + 1, TF_MAILBOX_STATE_MAX,     false},
      {least,     TF_MAILBOX_PLAN_BYTES_MAX,     TF_MAILBOX_STATE_MAX + 1, false},
      {least,     0,                             1,                        false},
      {least,     1,                             0,                        false},
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(rows); i++) {
    tf_mailbox_spec_t spec = small;
    tf_mailbox_view_t view;
    int               fd;
    spec.input_cnt     = (uint32_t)rows[i].input_cnt;
    spec.plan          = plan;
    spec.plan_bytes    = rows[i].plan_bytes;
    spec.state_packets = (uint32_t)rows[i].state_packets;
    if (!rows[i].is_good) {
      assert_int_equal(tf_mailbox_create(&spec, &view, &fd), E_CORE_ARGUMENT);
      continue;
    }
    plan[spec.plan_bytes - 1] = 0xa5;
    pair_t p                  = pair_of(&spec);
    assert_int_equal(p.worker.plan_bytes, spec.plan_bytes);
    assert_int_equal(p.worker.state_packets, spec.state_packets);
    assert_int_equal(((const uint8_t *)p.worker.plan)[spec.plan_bytes - 1], 0xa5);
    const uint32_t words[4] = {1, 2, 3, 4}; /* the room's end is the file's */
    if (spec.state_packets >= 2) {
      tf_mailbox_put_state(&p.lane, 3 * (uint64_t)(spec.state_packets - 2), words, 4, 9);
      assert_int_equal(p.worker.state[spec.state_packets - 1].words[0], 4);
      assert_int_equal(p.worker.state[spec.state_packets - 1].tag, 9);
    }
    end(&p);
  }
  free(plan);
}

static void a_file_that_is_no_mailbox_is_refused(void **state) {
  (void)state;
  tf_mailbox_view_t view;
  assert_int_equal(tf_mailbox_open(-1, &view), E_FILE_FORMAT);
  int empty = memfd_create("empty", 0);
  assert_int_equal(tf_mailbox_open(empty, &view), E_FILE_FORMAT);
  assert_int_equal(ftruncate(empty, 1 << 20), 0);
  assert_int_equal(tf_mailbox_open(empty, &view), E_FILE_FORMAT);
  assert_non_null(strstr(tf_error_text(), "magic"));
  close(empty);

  /* each static word in turn, but for those that only say what the model is */
  pair_t p = pair_of(&small);
  for (size_t at = 0; at < offsetof(tf_mailbox_t, reserved_0); at += 4) {
    uint32_t *word = (uint32_t *)((uint8_t *)p.lane.box + at);
    bool      free = at == offsetof(tf_mailbox_t, epoch) ||
                at == offsetof(tf_mailbox_t, instrument_cnt) ||
                at == offsetof(tf_mailbox_t, window) || at == offsetof(tf_mailbox_t, model_hash);
    if (free) continue;
    *word += 256;
    assert_int_equal(tf_mailbox_open(p.fd, &view), E_FILE_FORMAT);
    *word -= 256;
  }
  assert_int_equal(tf_mailbox_open(p.fd, &view), TF_OK);
  tf_mailbox_close(&view);
  assert_int_not_equal(ftruncate(p.fd, 0), 0); /* sealed */
  end(&p);
}

int main(void) {
  static const struct CMUnitTest tests[] = {
      cmocka_unit_test(rows_and_answers_cross_with_all_their_values),
      cmocka_unit_test(a_row_with_one_packet_of_another_request_is_not_there),
      cmocka_unit_test(a_worker_that_slept_goes_on_from_what_is_there_and_counts_what_is_lost),
      cmocka_unit_test(a_late_answer_is_nobodys),
      cmocka_unit_test(sequences_go_on_past_two_to_the_thirty_second),
      cmocka_unit_test(a_row_count_or_a_status_that_is_none_is_bounded),
      cmocka_unit_test(sizes_at_their_limits),
      cmocka_unit_test(sizes_of_a_plan_and_its_room_at_their_limits),
      cmocka_unit_test(a_file_that_is_no_mailbox_is_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
