/* Bytes that were lost or changed: each is told, and costs its own block alone. */

#include <sys/syscall.h>

#include "adapters/file/journal_rig.h"
#include "file/journal_key.h"

static void every_cut_leaves_the_exact_prefix_and_is_detected(void **state) {
  (void)state;
  uint64_t ends[BLOCKS], seqs[BLOCKS];
  bytes_t  all = small_journal(ends, seqs, BLOCKS);
  for (size_t cut = 1; cut <= all.cnt; cut++) {
    made_file("small", all.p, cut);
    uint64_t want = 0, intact = cut >= START_END ? START_END : 64, cnt;
    for (uint32_t i = 0; i < BLOCKS && ends[i] <= cut; i++) {
      want   = seqs[i];
      intact = ends[i];
    }
    if (cut < 64) {
      assert_int_equal(tf_journal_reader_init(&reader, path), E_FILE_DAMAGED);
    } else {
      assert_int_equal(tf_journal_reader_init(&reader, path), 0);
      tf_journal_read_t result = read_prefix(&cnt);
      assert_int_equal(cnt, want);
      assert_int_equal(result, cut == intact ? TF_JOURNAL_READ_END : TF_JOURNAL_READ_LOSS);
      if (cut > intact) {
        assert_int_equal(reader.loss.kind, TF_JOURNAL_LOSS_TORN);
        assert_int_equal(reader.loss.offset, intact);
        assert_int_equal(reader.loss.bytes, cut - intact);
        assert_int_equal(reader.loss.seq_before, want);
        assert_true(reader.loss.to_end);
        assert_int_equal(tf_journal_reader_error(&reader), E_FILE_DAMAGED);
        assert_int_equal(tf_journal_reader_next(&reader), TF_JOURNAL_READ_END);
      }
      tf_journal_reader_fini(&reader);
    }
    /* An engine that starts on it goes on behind the prefix. */
    tf_journal_config_t config = config_of(TF_JOURNAL_DURABLE_NONE);
    assert_int_equal(tf_journal_init(&journal, &config), 0);
    assert_int_equal(journal.recovered.decision_cnt, want);
    assert_int_equal(journal.recovered.last_seq, want);
    assert_int_equal(journal.recovered.cut_bytes, cut < 64 ? 0 : cut - intact);
    assert_int_equal(journal.epoch, cut < 64 ? 1 : 2);
    append(want + 1, 2, 9);
    assert_int_equal(tf_journal_fini(&journal), 0);
    assert_int_equal(read_clean(), want + 2);
  }
  free(all.p);
}

static void every_flipped_bit_is_detected_and_costs_its_block_only(void **state) {
  (void)state;
  uint64_t ends[BLOCKS], seqs[BLOCKS];
  bytes_t  all = small_journal(ends, seqs, BLOCKS);
  assert_in_range(all.cnt, 2048, 8192);
  for (size_t bit = 0; bit < all.cnt * 8; bit++) {
    size_t at = bit / 8;
    all.p[at] ^= (uint8_t)(1 << bit % 8);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_int_equal(pwrite(fd, all.p + at, 1, (off_t)at), 1);
    tf_err_t err = tf_journal_reader_init(&reader, path);
    if (at < 64) {
      assert_true(err == E_FILE_DAMAGED || err == E_FILE_FORMAT);
    } else {
      uint64_t cnt, before = 0, first = 64, behind = START_END;
      assert_int_equal(err, 0);
      for (uint32_t i = 0; i < BLOCKS && at >= behind; i++) {
        before = i ? seqs[i - 1] : 0;
        first  = behind;
        behind = ends[i];
      }
      assert_int_equal(read_prefix(&cnt), TF_JOURNAL_READ_LOSS);
      assert_int_equal(cnt, before);
      assert_int_equal(reader.loss.offset, first);
      assert_int_equal(reader.loss.seq_before, before);
      bool last = behind == all.cnt;
      assert_int_equal(reader.loss.to_end, last);
      assert_int_equal(reader.loss.bytes, behind - first);
      /* What stands behind the damaged block is read all the same. */
      tf_journal_read_t result;
      uint64_t          next = 0, read = cnt;
      while ((result = tf_journal_reader_next(&reader)) == TF_JOURNAL_READ_BLOCK) {
        if (tf_journal_reader_header(&reader)->kind != TF_JOURNAL_DECISIONS) continue;
        if (!next) next = tf_journal_reader_header(&reader)->first_seq;
        read += tf_journal_reader_header(&reader)->record_cnt;
      }
      assert_int_equal(result, TF_JOURNAL_READ_END);
      assert_int_equal(reader.loss.seq_after, last ? 0 : next);
      uint64_t lost = at < START_END ? 0 : (behind - first - 64) / 128;
      assert_int_equal(read, seqs[BLOCKS - 1] - lost);
      tf_journal_reader_fini(&reader);
    }
    all.p[at] ^= (uint8_t)(1 << bit % 8);
    assert_int_equal(pwrite(fd, all.p + at, 1, (off_t)at), 1);
    close(fd);
  }
  free(all.p);
}

static void an_engine_does_not_go_on_behind_damage_in_the_middle(void **state) {
  (void)state;
  uint64_t ends[BLOCKS], seqs[BLOCKS];
  bytes_t  all = small_journal(ends, seqs, BLOCKS);
  all.p[ends[1] + 100] ^= 1;
  made_file("small", all.p, all.cnt);
  tf_journal_config_t config = config_of(TF_JOURNAL_DURABLE_NONE);
  assert_int_equal(tf_journal_init(&journal, &config), E_FILE_DAMAGED);
  bytes_t after = made_read(path);
  assert_int_equal(after.cnt, all.cnt);
  assert_memory_equal(after.p, all.p, all.cnt);
  free(after.p);
  free(all.p);
}

static void a_replaced_block_with_valid_checksums_breaks_the_chain(void **state) {
  (void)state;
  uint64_t ends[BLOCKS], seqs[BLOCKS], cnt = 0;
  bytes_t  all = small_journal(ends, seqs, BLOCKS);
  /* Another score in the second block, its CRCs made right again. */
  uint8_t                   *block               = all.p + ends[0];
  tf_journal_block_header_t *header              = (void *)block;
  ((tf_decision_t *)(void *)(block + 64))->score = 1e9f;
  header->payload_crc = tf_crc32c(0, block + 64, tf_journal_payload_bytes(header));
  header->header_crc  = tf_journal_header_crc(header);
  made_file("small", all.p, all.cnt);
  assert_int_equal(tf_journal_reader_init(&reader, path), 0);
  tf_journal_read_t result;
  while ((result = tf_journal_reader_next(&reader)) == TF_JOURNAL_READ_BLOCK) cnt++;
  assert_int_equal(result, TF_JOURNAL_READ_LOSS);
  assert_int_equal(cnt, 3); /* start, the first, and the forged one, which the next gives away */
  assert_int_equal(reader.loss.kind, TF_JOURNAL_LOSS_CHAIN);
  assert_int_equal(reader.loss.offset, ends[1]);
  while ((result = tf_journal_reader_next(&reader)) == TF_JOURNAL_READ_BLOCK) cnt++;
  assert_int_equal(result, TF_JOURNAL_READ_END);
  assert_int_equal(cnt, 1 + BLOCKS);
  tf_journal_reader_fini(&reader);
  tf_journal_config_t config = config_of(TF_JOURNAL_DURABLE_NONE);
  assert_int_equal(tf_journal_init(&journal, &config), E_FILE_DAMAGED);
  free(all.p);
}

static void any_bytes_behind_the_header_are_read_without_harm(void **state) {
  (void)state;
  uint64_t ends[BLOCKS], seqs[BLOCKS];
  bytes_t  all = small_journal(ends, seqs, BLOCKS);
  uint32_t x   = 20261121;
  for (int round = 0; round < 300; round++) {
    bytes_t bad = {malloc(all.cnt), 0};
    memcpy(bad.p, all.p, all.cnt);
    for (int hit = 0; hit < 40; hit++) {
      x         = x * 1664525 + 1013904223;
      size_t at = 64 + x % (all.cnt - 64);
      bad.p[at] = (uint8_t)(x >> 24);
      /* Now and then a header with a right CRC and a wild length. */
      if (hit % 10 == 0) {
        tf_journal_block_header_t *header = (void *)(bad.p + (at & ~63ul));
        header->magic                     = TF_JOURNAL_BLOCK_MAGIC;
        header->record_cnt                = x >> 8;
        header->header_crc                = tf_journal_header_crc(header);
      }
    }
    made_file("wild", bad.p, all.cnt - x % 64);
    assert_int_equal(tf_journal_reader_init(&reader, made_path("wild")), 0);
    uint64_t          decisions = 0, steps = 0;
    tf_journal_read_t result;
    while ((result = tf_journal_reader_next(&reader)) != TF_JOURNAL_READ_END) {
      assert_int_not_equal(result, TF_JOURNAL_READ_ERROR);
      assert_true(++steps < 1000);
      if (result == TF_JOURNAL_READ_BLOCK) decisions++;
    }
    assert_in_range(decisions, 0, 1 + BLOCKS);
    tf_journal_reader_fini(&reader);
    free(bad.p);
  }
  free(all.p);
}

/* F59 on 64 KiB: every bit and every cut with TF_EXHAUSTIVE=1 (minutes: nightly), else a sample. */
static void damage_anywhere_in_64_kib_is_detected(void **state) {
  (void)state;
  tf_journal_config_t config = config_of(TF_JOURNAL_DURABLE_NONE);
  bool                all    = getenv("TF_EXHAUSTIVE") != NULL;
  uint64_t            seq    = 1, cnt;
  fresh("large");
  assert_int_equal(tf_journal_init(&journal, &config), 0);
  while (journal.offset < 65536 - 3 * 1024) {
    uint32_t n = 1 + (uint32_t)(seq * 7 % 19);
    append(seq, n, 5);
    seq += n;
    assert_int_equal(tf_journal_flush(&journal, 5), 0);
  }
  assert_int_equal(tf_journal_fini(&journal), 0);
  bytes_t b = made_read(path);
  assert_int_equal(read_clean(), seq - 1);
  int      fd = open(path, O_RDWR | O_CLOEXEC);
  uint32_t x  = 1;
  for (size_t bit = 0; bit < 8 * b.cnt; bit += all ? 1 : 1 + (x = x * 1664525 + 1013904223) % 400) {
    size_t  at  = bit / 8;
    uint8_t bad = b.p[at] ^ (uint8_t)(1u << bit % 8);
    assert_int_equal(syscall(SYS_pwrite64, fd, &bad, 1, (off_t)at), 1);
    tf_err_t err = tf_journal_reader_init(&reader, path);
    if (err == 0) {
      uint64_t total = 0, losses = 0;
      assert_int_equal(read_prefix(&total), TF_JOURNAL_READ_LOSS);
      tf_journal_read_t result = TF_JOURNAL_READ_LOSS;
      for (; result != TF_JOURNAL_READ_END; result = tf_journal_reader_next(&reader)) {
        losses += result == TF_JOURNAL_READ_LOSS;
        if (result == TF_JOURNAL_READ_BLOCK &&
            tf_journal_reader_header(&reader)->kind == TF_JOURNAL_DECISIONS)
          total += tf_journal_reader_header(&reader)->record_cnt;
      }
      assert_int_equal(losses, 1);
      assert_true(total >= seq - 1 - 19 && total <= seq - 1);
      tf_journal_reader_fini(&reader);
    } else {
      assert_true(at < 64);
    }
    assert_int_equal(syscall(SYS_pwrite64, fd, &b.p[at], 1, (off_t)at), 1);
  }
  for (size_t cut = b.cnt; cut-- > 0;
       cut -= all || cut < 300 ? 0 : (x = x * 1664525 + 1013904223) % 200) {
    assert_int_equal(syscall(SYS_ftruncate, fd, (off_t)cut), 0);
    if (tf_journal_reader_init(&reader, path)) {
      assert_true(cut < 64);
      continue;
    }
    tf_journal_read_t result = read_prefix(&cnt); /* which asserts that it is a prefix */
    assert_true(result == TF_JOURNAL_READ_END || reader.loss.kind == TF_JOURNAL_LOSS_TORN);
    assert_true(cnt < seq);
    tf_journal_reader_fini(&reader);
  }
  close(fd);
  free(b.p);
}

/* ---- keyed ---- */

static uint64_t read_keyed(const tf_journal_key_t *key, tf_journal_read_t *result) {
  uint64_t cnt;
  assert_int_equal(tf_journal_reader_init(&reader, path), 0);
  if (key) tf_journal_reader_set_key(&reader, key);
  *result = read_prefix(&cnt);
  tf_journal_reader_fini(&reader);
  return cnt;
}

static void who_has_not_the_key_can_neither_make_nor_change_a_block(void **state) {
  (void)state;
  tf_journal_key_t    right = {.bytes = "0123456789abcdef", .bytes_cnt = 16}, wrong = right;
  tf_journal_config_t config = config_of(TF_JOURNAL_DURABLE_BLOCK);
  tf_journal_read_t   result;
  wrong.bytes[15] ^= 1;
  config.key = right;
  fresh("keyed");
  assert_int_equal(tf_journal_init(&journal, &config), 0);
  for (uint64_t seq = 1; seq <= 9; seq += 3) {
    append(seq, 3, 5);
    assert_int_equal(tf_journal_flush(&journal, 5), 0);
  }
  int kept = journal.fd; /* the segment behind a failed file is keyed as well */
  break_file(false);
  append(10, 2, 6);
  assert_int_equal(tf_journal_flush(&journal, 6), 0);
  assert_int_equal(tf_journal_fini(&journal), 0);
  close(kept);
  assert_int_equal(read_keyed(&right, &result), 9);
  assert_int_equal(result, TF_JOURNAL_READ_END);
  assert_int_equal(read_keyed(NULL, &result), 9); /* by its CRCs */
  assert_int_equal(result, TF_JOURNAL_READ_END);
  assert_int_equal(read_keyed(&wrong, &result), 0);
  assert_int_equal(result, TF_JOURNAL_READ_LOSS);

  /* The last decision, changed by someone who knows the format: the CRCs are right. */
  bytes_t                    b    = made_read(path);
  tf_journal_block_header_t *last = (void *)(b.p + b.cnt - 3 * 128 - 64);
  assert_int_equal(last->magic, TF_JOURNAL_BLOCK_MAGIC);
  assert_int_equal(last->first_seq, 7);
  b.p[b.cnt - 100] ^= 1;
  last->payload_crc = tf_crc32c(0, last + 1, 3 * 128);
  last->header_crc  = tf_journal_header_crc(last);
  char *whole       = strdup(path);
  made_file("forged", b.p, b.cnt);
  fresh("forged2");
  rename(made_path("forged"), path);
  assert_int_equal(tf_journal_reader_init(&reader, path), 0);
  tf_journal_reader_set_key(&reader, &right);
  while ((result = tf_journal_reader_next(&reader)) == TF_JOURNAL_READ_BLOCK) {
  }
  assert_int_equal(result, TF_JOURNAL_READ_LOSS);
  assert_int_equal(reader.loss.kind, TF_JOURNAL_LOSS_CHAIN);
  assert_int_equal(reader.last_seq, 6);
  tf_journal_reader_fini(&reader);
  free(b.p);

  /* It goes on with its key only, and no other journal goes on with one. */
  snprintf(path, sizeof path, "%s.1", whole);
  free(whole);
  config.key.bytes_cnt = 0;
  assert_int_equal(tf_journal_init(&journal, &config), E_FILE_FORMAT);
  config.key = wrong;
  assert_int_equal(tf_journal_init(&journal, &config), E_FILE_DAMAGED);
  config.key = right;
  assert_int_equal(tf_journal_init(&journal, &config), 0);
  assert_int_equal(journal.recovered.last_seq, 11);
  assert_int_equal(tf_journal_fini(&journal), 0);
  fresh("plain");
  config.key.bytes_cnt = 0;
  assert_int_equal(tf_journal_init(&journal, &config), 0);
  assert_int_equal(tf_journal_fini(&journal), 0);
  config.key = right;
  assert_int_equal(tf_journal_init(&journal, &config), E_FILE_FORMAT);
}

static void keys_are_read_from_files_that_nobody_else_reads(void **state) {
  (void)state;
  tf_journal_key_t key;
  char             bytes[80], link_path[300];
  memset(bytes, 'k', sizeof bytes);
  for (size_t n = TF_JOURNAL_KEY_BYTES_MIN - 1; n <= TF_BLAKE2B_BYTES_MAX + 1; n++) {
    bool fits = n >= TF_JOURNAL_KEY_BYTES_MIN && n <= TF_BLAKE2B_BYTES_MAX;
    for (int newline = 0; newline < 2; newline++) {
      bytes[n] = '\n';
      assert_int_equal(tf_journal_key_load(&key, made_file("key", bytes, n + (size_t)newline)),
                       fits ? 0 : E_FILE_FORMAT);
      assert_int_equal(key.bytes_cnt, fits ? n : 0);
      bytes[n] = 'k';
    }
  }
  snprintf(path, sizeof path, "%s", made_file("key", bytes, 32));
  assert_int_equal(chmod(path, 0640), 0);
  assert_int_equal(tf_journal_key_load(&key, path), E_FILE_OPEN);
  assert_int_equal(chmod(path, 0600), 0);
  snprintf(link_path, sizeof link_path, "%s.link", path);
  assert_int_equal(symlink(path, link_path), 0);
  assert_int_equal(tf_journal_key_load(&key, link_path), E_FILE_OPEN);
  assert_int_equal(tf_journal_key_load(&key, "/dev/zero"), E_FILE_OPEN);
  assert_int_equal(tf_journal_key_load(&key, made_path("absent")), E_FILE_OPEN);
}

int main(void) {
  tf_log_level_set(TF_LOG_ERROR);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_cut_leaves_the_exact_prefix_and_is_detected),
      cmocka_unit_test(every_flipped_bit_is_detected_and_costs_its_block_only),
      cmocka_unit_test(an_engine_does_not_go_on_behind_damage_in_the_middle),
      cmocka_unit_test(a_replaced_block_with_valid_checksums_breaks_the_chain),
      cmocka_unit_test(any_bytes_behind_the_header_are_read_without_harm),
      cmocka_unit_test(damage_anywhere_in_64_kib_is_detected),
      cmocka_unit_test(who_has_not_the_key_can_neither_make_nor_change_a_block),
      cmocka_unit_test(keys_are_read_from_files_that_nobody_else_reads),
  };
  return cmocka_run_group_tests(tests, made_dir_setup, made_dir_teardown);
}
