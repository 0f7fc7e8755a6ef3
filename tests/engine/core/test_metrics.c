#include "cmocka_tf.h"

#include <pthread.h>
#include <string.h>

#include "core/error.h"
#include "core/metrics.h"

static void         *page;
static size_t        page_bytes;
static tf_metrics_t *metrics;

static void damaged_pages_are_not_joined(void **state) {
  (void)state;
  tf_metrics_t *m = metrics;
  assert_null(tf_metrics_join(NULL, page_bytes));
  assert_null(tf_metrics_join((char *)page + 8, page_bytes - 8));
  assert_null(tf_metrics_join(page, sizeof(tf_metrics_t) - 1));
  assert_null(tf_metrics_join(page, page_bytes - 1));
  assert_int_equal(tf_error_code(), E_SHM_LAYOUT);
  m->version++;
  assert_null(tf_metrics_join(page, page_bytes));
  m->version--;
  m->layout++;
  assert_null(tf_metrics_join(page, page_bytes));
  assert_non_null(strstr(tf_error_text(), "another build"));
  m->layout--;
  m->page_bytes = UINT64_MAX;
  assert_null(tf_metrics_join(page, page_bytes));
  m->page_bytes = page_bytes;
  assert_ptr_equal(tf_metrics_join(page, page_bytes), page);
  assert_ptr_equal(tf_metrics_delete(m), page);
  assert_null(tf_metrics_join(page, page_bytes));
}

static void memory_that_will_not_do_is_refused(void **state) {
  (void)state;
  assert_null(tf_metrics_new(NULL, page_bytes));
  assert_null(tf_metrics_new((char *)page + 64, page_bytes - 64));
  assert_null(tf_metrics_new(page, sizeof(tf_metrics_t) - 1));
  assert_int_equal(tf_error_code(), E_CORE_ARGUMENT);
  assert_int_equal(tf_metrics_footprint(TF_METRICS_BLOCKS_MAX + 1, 0), 0);
  assert_int_equal(tf_metrics_footprint(1, 2), 0);
}

static void offsets_that_point_outside_give_no_block(void **state) {
  (void)state;
  assert_non_null(tf_metrics_block_add(metrics, TF_METRIC_THREAD, "a", true));
  tf_metrics_block_t   *block = tf_metrics_block_add(metrics, TF_METRIC_SINK, "b", false);
  uint64_t              good  = metrics->block_offsets[1];
  static const uint64_t bad[] = {0, 64, 127, UINT64_MAX, UINT64_MAX - 127, UINT64_C(1) << 40};
  for (size_t i = 0; i < TF_ARRAY_CNT(bad); i++) {
    metrics->block_offsets[1] = bad[i];
    assert_null(tf_metrics_block(metrics, 1));
  }
  metrics->block_offsets[1] = metrics->page_bytes / 128 * 128;
  assert_null(tf_metrics_block(metrics, 1));
  metrics->block_offsets[1] = good;
  assert_ptr_equal(tf_metrics_block(metrics, 1), block);
  block->hist_cnt = 3;
  assert_null(tf_metrics_block(metrics, 1));
  block->hist_cnt = 0;
  block->scope    = 99;
  assert_null(tf_metrics_block(metrics, 1));
  block->scope = TF_METRIC_SINK;
  memset(block->name, 'x', sizeof block->name);
  char name[TF_METRICS_NAME_BYTES];
  assert_int_equal(strlen(tf_metrics_block_name(block, name)), TF_METRICS_NAME_BYTES - 1);
  metrics->block_cnt = UINT64_MAX;
  assert_int_equal(tf_metrics_block_cnt(metrics), TF_METRICS_BLOCKS_MAX);
}

static void a_full_page_takes_no_more_blocks(void **state) {
  (void)state;
  for (int i = 0; i < 2; i++)
    assert_non_null(tf_metrics_block_add(metrics, TF_METRIC_THREAD, "t", true));
  for (int i = 0; i < 2; i++)
    assert_non_null(tf_metrics_block_add(metrics, TF_METRIC_FEED, "f", false));
  assert_null(tf_metrics_block_add(metrics, TF_METRIC_FEED, "f", false));
  assert_int_equal(tf_error_code(), E_CORE_ARENA_FULL);
  assert_int_equal(tf_metrics_block_cnt(metrics), 4);
}

static void blocks_do_not_share_line_pairs(void **state) {
  (void)state;
  for (int i = 0; i < 4; i++) {
    tf_metrics_block_t *block = tf_metrics_block_add(metrics, TF_METRIC_THREAD, "t", i < 2);
    assert_int_equal((uintptr_t)block % TF_LINE_PAIR_BYTES, 0);
    assert_int_equal(metrics->used_bytes % TF_LINE_PAIR_BYTES, 0);
    memset(block->words, 0xFF, sizeof block->words);
    if (i < 2) memset(tf_metrics_hist(block, 0), 0xFF, sizeof(tf_hist_t) * TF_METRIC_HIST_CNT);
  }
  for (uint32_t i = 0; i < 4; i++) assert_string_equal(tf_metrics_block(metrics, i)->name, "t");
}

static void sums_are_over_the_blocks_of_a_scope(void **state) {
  (void)state;
  tf_metrics_block_t *a = tf_metrics_block_add(metrics, TF_METRIC_FEED, "a", false);
  tf_metrics_block_t *b = tf_metrics_block_add(metrics, TF_METRIC_FEED, "b", false);
  tf_metrics_block_t *t = tf_metrics_block_add(metrics, TF_METRIC_THREAD, "t", true);
  uint64_t            words[TF_METRIC_CNT];
  tf_metrics_add(a, TF_METRIC_FEED_MESSAGES, 3);
  tf_metrics_add(a, TF_METRIC_FEED_MESSAGES, 4);
  tf_metrics_add(b, TF_METRIC_FEED_MESSAGES, 5);
  tf_metrics_add(t, TF_METRIC_FEED_MESSAGES, 1000); /* not a feed's block */
  tf_metrics_set(a, TF_METRIC_FEED_STATE, 2);
  tf_metrics_set(b, TF_METRIC_FEED_STATE, 5);
  tf_metrics_set(a, TF_METRIC_FEED_INSTRUMENTS, 7);
  tf_metrics_set(a, TF_METRIC_FEED_INSTRUMENTS, 6);
  assert_int_equal(tf_metrics_sum(metrics, TF_METRIC_FEED_MESSAGES), 12);
  assert_int_equal(tf_metrics_sum(metrics, TF_METRIC_FEED_STATE), 5);
  tf_metrics_snapshot(metrics, words);
  assert_int_equal(words[TF_METRIC_FEED_MESSAGES], 12);
  assert_int_equal(words[TF_METRIC_FEED_INSTRUMENTS], 6);
  assert_int_equal(words[TF_METRIC_DECISIONS], 0);
}

static void histograms_merge_over_threads(void **state) {
  (void)state;
  tf_metrics_block_t *a   = tf_metrics_block_add(metrics, TF_METRIC_THREAD, "a", true);
  tf_metrics_block_t *b   = tf_metrics_block_add(metrics, TF_METRIC_THREAD, "b", true);
  tf_metrics_block_t *c   = tf_metrics_block_add(metrics, TF_METRIC_SINK, "c", false);
  tf_hist_t          *sum = malloc(sizeof *sum);
  tf_hist_record(tf_metrics_hist(a, TF_METRIC_HIST_MODEL), 10);
  tf_hist_record(tf_metrics_hist(b, TF_METRIC_HIST_MODEL), 30);
  tf_hist_record(tf_metrics_hist(b, TF_METRIC_HIST_DECIDE), 99);
  assert_null(tf_metrics_hist_of(c, TF_METRIC_HIST_MODEL));
  tf_metrics_hist_sum(metrics, TF_METRIC_HIST_MODEL, sum);
  assert_int_equal(sum->cnt, 2);
  assert_int_equal(sum->sum, 40);
  assert_int_equal(sum->max, 30);
  free(sum);
}

static void rows_of_a_family_stand_together_and_differ_in_their_label(void **state) {
  (void)state;
  for (uint32_t i = 1; i < TF_METRIC_CNT; i++)
    for (uint32_t j = 0; j < i; j++) {
      const tf_metric_info_t *a = &tf_metrics_info[i], *b = &tf_metrics_info[j];
      if (strcmp(a->family, b->family) != 0) continue;
      assert_string_equal(tf_metrics_info[i - 1].family, a->family);
      assert_int_equal(a->scope, b->scope);
      assert_int_equal(a->type, b->type);
      assert_int_equal(a->unit, b->unit);
      assert_string_equal(a->help, b->help);
      assert_string_equal(a->label_key, b->label_key);
      assert_string_not_equal(a->label_value, b->label_value);
    }
}

#define COUNT_MAX 200000

static void *count(void *self) {
  tf_metrics_block_t *block = self;
  for (uint64_t i = 1; i <= COUNT_MAX; i++) {
    /* A block that is added late is seen whole or not at all. */
    if (i == COUNT_MAX / 2 && block == tf_metrics_block(metrics, 0))
      tf_metrics_add(tf_metrics_block_add(metrics, TF_METRIC_THREAD, "late", false),
                     TF_METRIC_TICKS, 1);
    tf_metrics_add(block, TF_METRIC_DECISIONS, 1);
    tf_metrics_set(block, TF_METRIC_EVENT_RING_LAG, i);
    tf_hist_record(tf_metrics_hist(block, TF_METRIC_HIST_EMIT), i & 1023);
  }
  return NULL;
}

static void a_reader_sees_counters_rise_while_threads_count(void **state) {
  (void)state;
  pthread_t           threads[2];
  tf_hist_t          *sum  = malloc(sizeof *sum);
  uint64_t            last = 0, last_cnt = 0, now = 0;
  tf_metrics_block_t *blocks[2];
  for (int i = 0; i < 2; i++)
    blocks[i] = tf_metrics_block_add(metrics, TF_METRIC_THREAD, "t", true);
  for (int i = 0; i < 2; i++)
    assert_int_equal(pthread_create(&threads[i], NULL, count, blocks[i]), 0);
  const tf_metrics_t *reader = tf_metrics_join(page, page_bytes);
  assert_non_null(reader);
  while (now < 2 * COUNT_MAX) {
    now = tf_metrics_sum(reader, TF_METRIC_DECISIONS);
    assert_true(now >= last && now <= 2 * COUNT_MAX);
    last = now;
    tf_metrics_hist_sum(reader, TF_METRIC_HIST_EMIT, sum);
    assert_true(sum->cnt >= last_cnt && sum->max <= 1023);
    last_cnt = sum->cnt;
    for (uint32_t i = 0; i < tf_metrics_block_cnt(reader); i++) {
      char name[TF_METRICS_NAME_BYTES];
      tf_metrics_block_name(tf_metrics_block(reader, i), name);
      assert_string_equal(name, i < 2 ? "t" : "late");
    }
  }
  for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
  tf_metrics_hist_sum(reader, TF_METRIC_HIST_EMIT, sum);
  assert_int_equal(sum->cnt, 2 * COUNT_MAX);
  assert_ptr_equal(tf_metrics_leave(reader), page);
  free(sum);
}

static int make_page(void **state) {
  (void)state;
  page_bytes = tf_metrics_footprint(4, 2);
  if (posix_memalign(&page, TF_LINE_PAIR_BYTES, page_bytes) != 0) return -1;
  metrics = tf_metrics_new(page, page_bytes);
  return metrics ? 0 : -1;
}

static int free_page(void **state) {
  (void)state;
  free(page);
  return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_page, free_page)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(damaged_pages_are_not_joined),
      TEST(memory_that_will_not_do_is_refused),
      TEST(offsets_that_point_outside_give_no_block),
      TEST(a_full_page_takes_no_more_blocks),
      TEST(blocks_do_not_share_line_pairs),
      TEST(sums_are_over_the_blocks_of_a_scope),
      TEST(histograms_merge_over_threads),
      TEST(rows_of_a_family_stand_together_and_differ_in_their_label),
      TEST(a_reader_sees_counters_rise_while_threads_count),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
