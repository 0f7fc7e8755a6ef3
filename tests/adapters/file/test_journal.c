#include "cmocka_tf.h"

#include <errno.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <sys/syscall.h>

#include "adapters/file/made_file.h"
#include "core/error.h"
#include "core/log.h"
#include "file/journal.h"
#include "file/journal_key.h"
#include "file/journal_reader.h"

static tf_journal_t        journal;
static tf_journal_reader_t reader;
static char                path[256];

/* The journal's calls of the disk come here first: the process dies at the call that crash_in counts down
 * to, a write having been done by half. */
static int crash_in = -1; /* calls until then; -1: never */

static bool crash_due(void) { return crash_in >= 0 && crash_in-- == 0; }

ssize_t pwrite(int fd, const void *bytes, size_t cnt, off_t offset) {
  if (crash_due()) {
    syscall(SYS_pwrite64, fd, bytes, cnt / 2, offset);
    _exit(9);
  }
  return syscall(SYS_pwrite64, fd, bytes, cnt, offset);
}

int ftruncate(int fd, off_t bytes) {
  if (crash_due()) _exit(9);
  return (int)syscall(SYS_ftruncate, fd, bytes);
}

int fdatasync(int fd) {
  if (crash_due()) _exit(9);
  return (int)syscall(SYS_fdatasync, fd);
}

static tf_decision_t decision(uint64_t seq) {
  return (tf_decision_t){.decision_seq  = seq,
                         .ingest_seq    = seq * 3,
                         .ref_price     = (int64_t)seq * 1000003,
                         .score         = (float)seq / 7,
                         .ref_price_exp = -2,
                         .version       = TF_DECISION_VERSION};
}

static tf_journal_config_t config_of(tf_journal_durable_t durable) {
  return (tf_journal_config_t){.path = path, .durable = durable, .interval_ns = 1000};
}

static void fresh(const char *name) {
  snprintf(path, sizeof path, "%s", made_path(name));
  unlink(path);
}

static void append(uint64_t first, uint32_t n, uint64_t now_ns) {
  for (uint32_t i = 0; i < n; i++) {
    tf_decision_t d = decision(first + i);
    assert_int_equal(tf_journal_append(&journal, &d, 1, now_ns), 1);
  }
}

/* Reads the journal up to its end or its first loss. Decisions must be 1, 2, 3 ... */
static tf_journal_read_t read_prefix(uint64_t *cnt) {
  tf_journal_read_t result;
  *cnt = 0;
  while ((result = tf_journal_reader_next(&reader)) == TF_JOURNAL_READ_BLOCK) {
    const tf_journal_block_header_t *header = tf_journal_reader_header(&reader);
    if (header->kind != TF_JOURNAL_DECISIONS) continue;
    for (uint32_t i = 0; i < header->record_cnt; i++) {
      tf_decision_t want = decision(++*cnt);
      assert_memory_equal(&tf_journal_reader_decisions(&reader)[i], &want, sizeof want);
    }
  }
  return result;
}

static uint64_t read_clean(void) {
  uint64_t cnt;
  assert_int_equal(tf_journal_reader_init(&reader, path), 0);
  assert_int_equal(read_prefix(&cnt), TF_JOURNAL_READ_END);
  tf_journal_reader_fini(&reader);
  return cnt;
}

/* A journal of blocks with 1, 2, 3 ... decisions; ends[i] is its length after i + 1 blocks. */
static bytes_t small_journal(uint64_t *ends, uint64_t *seqs, uint32_t block_cnt) {
  tf_journal_config_t config = config_of(TF_JOURNAL_DURABLE_NONE);
  fresh("small");
  assert_int_equal(tf_journal_init(&journal, &config), 0);
  uint64_t seq = 1;
  for (uint32_t i = 0; i < block_cnt; i++) {
    append(seq, i + 1, 5);
    seq += i + 1;
    assert_int_equal(tf_journal_flush(&journal, 5), 0);
    ends[i] = journal.offset;
    seqs[i] = seq - 1;
  }
  assert_int_equal(tf_journal_fini(&journal), 0);
  return made_read(path);
}

#define BLOCKS    6
#define START_END (64 + 64 + 128) /* file header and start block */

static void what_is_no_journal_is_refused_and_left_alone(void **state) {
  (void)state;
  tf_journal_config_t config = config_of(TF_JOURNAL_DURABLE_NONE);
  fresh("other");
  static const char *const foreign[] = {"x", "TFJRNX", "hello, this is some other file of a user"};
  for (size_t i = 0; i < TF_ARRAY_CNT(foreign); i++) {
    made_file("other", foreign[i], strlen(foreign[i]));
    assert_int_equal(tf_journal_init(&journal, &config), E_FILE_FORMAT);
    assert_int_equal(tf_journal_reader_init(&reader, path), E_FILE_FORMAT);
    bytes_t after = made_read(path);
    assert_int_equal(after.cnt, strlen(foreign[i]));
    assert_memory_equal(after.p, foreign[i], after.cnt);
    free(after.p);
  }
  unlink(path);
  assert_int_equal(mkfifo(path, 0600), 0);
  assert_int_equal(tf_journal_init(&journal, &config), E_FILE_OPEN);
  assert_int_equal(tf_journal_reader_init(&reader, path), E_FILE_OPEN);
  unlink(path);
  assert_int_equal(symlink("small", path), 0);
  assert_int_equal(tf_journal_init(&journal, &config), E_FILE_OPEN);
  assert_int_equal(tf_journal_reader_init(&reader, path), E_FILE_OPEN);
  unlink(path);
  config.path = made_dir;
  assert_int_equal(tf_journal_init(&journal, &config), E_FILE_OPEN);
  config.path = "/absent/journal";
  assert_int_equal(tf_journal_init(&journal, &config), E_FILE_OPEN);
  config.path = NULL;
  assert_int_equal(tf_journal_init(&journal, &config), E_CORE_ARGUMENT);
  made_file("other", "", 0);
  assert_int_equal(tf_journal_reader_init(&reader, path), E_FILE_FORMAT);
}

static void another_version_or_record_size_is_refused(void **state) {
  (void)state;
  uint64_t ends[1], seqs[1];
  bytes_t  all = small_journal(ends, seqs, 1);
  for (int field = 0; field < 4; field++) {
    tf_journal_file_header_t header;
    memcpy(&header, all.p, sizeof header);
    uint32_t *fields[] = {&header.version, &header.header_bytes, &header.record_bytes,
                          &header.decision_version};
    ++*fields[field];
    header.crc    = tf_journal_header_crc(&header);
    bytes_t other = made_joined((bytes_t){(uint8_t *)&header, sizeof header},
                                (bytes_t){all.p + 64, all.cnt - 64});
    made_file("small", other.p, other.cnt);
    tf_journal_config_t config = config_of(TF_JOURNAL_DURABLE_NONE);
    assert_int_equal(tf_journal_init(&journal, &config), E_FILE_FORMAT);
    assert_int_equal(tf_journal_reader_init(&reader, path), E_FILE_FORMAT);
    free(other.p);
  }
  free(all.p);
}

static void a_second_engine_is_refused_with_the_owners_pid(void **state) {
  (void)state;
  static tf_journal_t second;
  char                pid[32];
  tf_journal_config_t config = config_of(TF_JOURNAL_DURABLE_NONE);
  fresh("locked");
  assert_int_equal(tf_journal_init(&journal, &config), 0);
  assert_int_equal(tf_journal_init(&second, &config), E_FILE_BUSY);
  snprintf(pid, sizeof pid, "pid %d", (int)getpid());
  assert_non_null(strstr(tf_error_text(), pid));
  assert_int_equal(tf_journal_fini(&journal), 0);
  assert_int_equal(tf_journal_init(&second, &config), 0);
  assert_int_equal(tf_journal_fini(&second), 0);
}

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

/* The file-size limit cuts writes short at any byte, as a full disk does. */
static void a_disk_full_at_any_byte_loses_nothing_that_was_taken(void **state) {
  (void)state;
  struct rlimit before, limit;
  getrlimit(RLIMIT_FSIZE, &before);
  signal(SIGXFSZ, SIG_IGN);
  for (uint64_t full = START_END; full < START_END + 64 + 3 * 128 + 8; full++) {
    bool                synced = full % 64 == 0; /* syncs are slow where /tmp is a disk */
    tf_journal_config_t config =
        config_of(synced ? TF_JOURNAL_DURABLE_BLOCK : TF_JOURNAL_DURABLE_NONE);
    fresh("full");
    assert_int_equal(tf_journal_init(&journal, &config), 0);
    append(1, 3, 5);
    limit = (struct rlimit){full, before.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
    bool     fits = full >= START_END + 64 + 3 * 128;
    tf_err_t err  = tf_journal_flush(&journal, 6);
    setrlimit(RLIMIT_FSIZE, &before);
    assert_int_equal(err, fits ? 0 : E_FILE_WRITE);
    assert_int_equal(journal.counts.write_errors, !fits);
    assert_int_equal(tf_journal_durable_seq(&journal), synced && fits ? 3 : 0);
    assert_false(tf_journal_failed(&journal));
    assert_int_equal(read_clean(), fits ? 3 : 0);
    /* Room again: what was kept is written, and more. */
    append(4, 1, 7);
    assert_int_equal(tf_journal_flush(&journal, 7), 0);
    assert_int_equal(tf_journal_durable_seq(&journal), synced ? 4 : 0);
    const tf_journal_counts_t *n = &journal.counts;
    assert_int_equal(n->records_taken, 4);
    assert_int_equal(n->records_written, 4);
    assert_int_equal(n->records_durable, synced ? 4 : 0);
    assert_int_equal(tf_journal_fini(&journal), 0);
    assert_int_equal(read_clean(), 4);
  }
}

static void a_full_disk_holds_append_back_until_the_retry(void **state) {
  (void)state;
  static tf_decision_t many[TF_JOURNAL_BLOCK_RECORDS_MAX + 5];
  uint32_t             n = TF_ARRAY_CNT(many);
  for (uint32_t i = 0; i < n; i++) many[i] = decision(i + 1);
  struct rlimit before, limit;
  getrlimit(RLIMIT_FSIZE, &before);
  signal(SIGXFSZ, SIG_IGN);
  tf_journal_config_t config = config_of(TF_JOURNAL_DURABLE_NONE);
  fresh("held");
  assert_int_equal(tf_journal_init(&journal, &config), 0);
  limit = (struct rlimit){1000, before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &limit);
  uint32_t taken = tf_journal_append(&journal, many, n, 100);
  assert_int_equal(taken, TF_JOURNAL_BLOCK_RECORDS_MAX);
  assert_int_equal(journal.counts.write_errors, 1);
  assert_int_equal(tf_journal_append(&journal, many + taken, 5, 101), 0);
  assert_int_equal(journal.counts.write_errors, 1); /* not tried */
  assert_int_equal(tf_journal_append(&journal, many + taken, 5, 100 + TF_JOURNAL_RETRY_NS), 0);
  assert_int_equal(journal.counts.write_errors, 2);
  setrlimit(RLIMIT_FSIZE, &before);
  assert_int_equal(tf_journal_append(&journal, many + taken, 5, 100 + 2 * TF_JOURNAL_RETRY_NS), 5);
  assert_int_equal(tf_journal_fini(&journal), 0);
  assert_int_equal(read_clean(), n);
}

/* The journal's file from now on: every write fails (EBADF), or every fdatasync (EINVAL, of a pipe). */
static void break_file(bool sync_only) {
  static int pipes[2];
  if (!sync_only) {
    journal.fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    return;
  }
  assert_int_equal(pipe(pipes), 0);
  close(pipes[1]);
  journal.fd = pipes[0];
}

static uint64_t read_segment(uint32_t segment, uint64_t first, uint64_t *durable_seq) {
  char base[288];
  snprintf(base, sizeof base, "%s.%u", path, segment);
  assert_int_equal(tf_journal_reader_init(&reader, base), 0);
  uint64_t          cnt = 0;
  tf_journal_read_t result;
  while ((result = tf_journal_reader_next(&reader)) == TF_JOURNAL_READ_BLOCK) {
    const tf_journal_block_header_t *header = tf_journal_reader_header(&reader);
    if (header->kind == TF_JOURNAL_START) {
      const tf_journal_start_t *start = (const void *)(reader.block + TF_JOURNAL_HEADER_BYTES);
      *durable_seq                    = start->durable_seq;
      assert_int_equal(start->segment, segment);
    }
    if (header->kind != TF_JOURNAL_DECISIONS) continue;
    for (uint32_t i = 0; i < header->record_cnt; i++) {
      tf_decision_t want = decision(first + cnt++);
      assert_memory_equal(&tf_journal_reader_decisions(&reader)[i], &want, sizeof want);
    }
  }
  assert_int_equal(result, TF_JOURNAL_READ_END);
  tf_journal_reader_fini(&reader);
  return cnt;
}

static void remove_segments(void) {
  char command[288];
  snprintf(command, sizeof command, "rm -f '%s'.*", path);
  assert_int_equal(system(command), 0);
}

/* F56: 5 decisions are durable, 3 written, 2 in the block; then the file fails, at the write or at the
 * sync, and later the new one as well. */
static void a_failed_file_is_left_and_what_was_not_durable_is_written_again(void **state) {
  (void)state;
  for (int sync_only = 0; sync_only < 2; sync_only++) {
    tf_journal_config_t config = config_of(TF_JOURNAL_DURABLE_INTERVAL);
    uint64_t            durable;
    fresh(sync_only ? "sync" : "write");
    remove_segments();
    assert_int_equal(tf_journal_init(&journal, &config), 0);
    append(1, 5, 1000);
    assert_int_equal(tf_journal_flush(&journal, 2000), 0);
    assert_int_equal(tf_journal_durable_seq(&journal), 5);
    append(6, 3, 2001);
    assert_int_equal(tf_journal_flush(&journal, 2001), 0);
    append(9, 2, 2002);
    int kept = journal.fd;
    break_file(sync_only);
    if (sync_only) { /* blocks go where they are read back from: only the sync fails */
      int broken = journal.fd;
      journal.fd = kept;
      assert_int_equal(tf_journal_flush(&journal, 2003), 0);
      journal.fd = broken;
    }
    assert_int_equal(tf_journal_flush(&journal, 9000), 0);
    assert_int_equal(journal.counts.segments, 1);
    assert_int_equal(journal.segment, 1);
    assert_int_equal(tf_journal_durable_seq(&journal), sync_only ? 10 : 8);
    assert_int_equal(journal.counts.sync_errors, sync_only);
    assert_false(tf_journal_failed(&journal));
    assert_int_equal(tf_journal_flush(&journal, 20000), 0);
    assert_int_equal(tf_journal_durable_seq(&journal), 10);
    /* The second engine is still refused, and the new segment fails in its turn. */
    break_file(false);
    append(11, 1, 30000);
    assert_int_equal(tf_journal_flush(&journal, 30000), 0);
    assert_int_equal(journal.segment, 2);
    assert_int_equal(tf_journal_fini(&journal), 0);
    close(kept);
    const tf_journal_counts_t *n = &journal.counts;
    assert_int_equal(n->records_taken, 11);
    assert_int_equal(n->records_written, 11);
    assert_int_equal(n->records_durable, 11);
    assert_int_equal(read_segment(1, 6, &durable), 5);
    assert_int_equal(durable, 5);
    assert_int_equal(read_segment(2, 11, &durable), 1);
    assert_int_equal(durable, 10);
    /* A restart goes on in the newest. */
    assert_int_equal(tf_journal_init(&journal, &config), 0);
    assert_int_equal(journal.segment, 2);
    assert_int_equal(journal.recovered.last_seq, 11);
    append(12, 1, 40000);
    assert_int_equal(tf_journal_fini(&journal), 0);
    assert_int_equal(read_segment(2, 11, &durable), 2);
  }
}

static void journal_without_any_place_to_go_ends(void **state) {
  (void)state;
  char                dir[128], away[140];
  tf_journal_config_t config = config_of(TF_JOURNAL_DURABLE_BLOCK);
  snprintf(dir, sizeof dir, "%s", made_path("gone"));
  assert_int_equal(mkdir(dir, 0700), 0);
  snprintf(path, sizeof path, "%s/journal", dir);
  snprintf(away, sizeof away, "%s.away", dir);
  assert_int_equal(tf_journal_init(&journal, &config), 0);
  append(1, 2, 5);
  assert_int_equal(tf_journal_flush(&journal, 5), 0);
  assert_int_equal(rename(dir, away), 0);
  int kept = journal.fd;
  break_file(false);
  append(3, 1, 6);
  assert_int_equal(tf_journal_flush(&journal, 6), E_FILE_WRITE);
  assert_true(tf_journal_failed(&journal));
  tf_decision_t d = decision(4);
  assert_int_equal(tf_journal_append(&journal, &d, 1, 7), 0);
  assert_int_equal(tf_journal_flush(&journal, UINT64_MAX), E_FILE_WRITE);
  assert_int_equal(tf_journal_durable_seq(&journal), 2);
  assert_int_equal(tf_journal_fini(&journal), E_FILE_WRITE);
  close(kept);
  snprintf(path, sizeof path, "%s/journal", away);
  assert_int_equal(read_clean(), 2);
}

/* More than is kept for a rewrite waits for a sync: then the sync comes early. */
static void what_waits_for_a_sync_is_bounded(void **state) {
  (void)state;
  tf_journal_config_t config = config_of(TF_JOURNAL_DURABLE_INTERVAL);
  config.interval_ns         = UINT64_MAX;
  fresh("bounded");
  assert_int_equal(tf_journal_init(&journal, &config), 0);
  uint64_t syncs = journal.counts.syncs, seq = 1;
  for (; journal.counts.syncs == syncs; seq += 100) {
    append(seq, 100, 5);
    assert_int_equal(tf_journal_flush(&journal, 5), 0);
    assert_true(seq < 10000);
  }
  assert_true(tf_journal_durable_seq(&journal) > 3000);
  assert_int_equal(tf_journal_fini(&journal), 0);
  assert_int_equal(read_clean(), seq - 1);
}

static void the_watermark_follows_the_policy(void **state) {
  (void)state;
  tf_journal_config_t config = config_of(TF_JOURNAL_DURABLE_NONE);
  fresh("none");
  assert_int_equal(tf_journal_init(&journal, &config), 0);
  append(1, 2, 5);
  assert_int_equal(tf_journal_flush(&journal, UINT64_MAX), 0);
  assert_int_equal(tf_journal_durable_seq(&journal), 0);
  assert_int_equal(journal.counts.syncs, 0);
  assert_int_equal(tf_journal_fini(&journal), 0);

  config = config_of(TF_JOURNAL_DURABLE_INTERVAL);
  fresh("interval");
  assert_int_equal(tf_journal_init(&journal, &config), 0);
  uint64_t syncs = journal.counts.syncs;
  append(1, 2, 5);
  assert_int_equal(tf_journal_flush(&journal, 999), 0);
  assert_int_equal(tf_journal_durable_seq(&journal), 0);
  assert_int_equal(tf_journal_flush(&journal, 1000), 0);
  assert_int_equal(tf_journal_durable_seq(&journal), 2);
  assert_int_equal(tf_journal_flush(&journal, 5000), 0); /* nothing new: no sync */
  assert_int_equal(journal.counts.syncs, syncs + 1);
  append(3, 1, 5001);
  assert_int_equal(tf_journal_flush(&journal, 5001), 0);
  assert_int_equal(tf_journal_durable_seq(&journal), 3);
  append(4, 1, 5002);
  assert_int_equal(tf_journal_fini(&journal), 0);
  assert_int_equal(tf_journal_durable_seq(&journal), 4);
}

static void a_full_block_is_written_without_flush(void **state) {
  (void)state;
  tf_journal_config_t config = config_of(TF_JOURNAL_DURABLE_NONE);
  fresh("blocks");
  assert_int_equal(tf_journal_init(&journal, &config), 0);
  append(1, TF_JOURNAL_BLOCK_RECORDS_MAX - 1, 5);
  assert_int_equal(journal.counts.records_written, 0);
  append(TF_JOURNAL_BLOCK_RECORDS_MAX, 1, 5);
  assert_int_equal(journal.counts.records_written, TF_JOURNAL_BLOCK_RECORDS_MAX);
  assert_int_equal(read_clean(), TF_JOURNAL_BLOCK_RECORDS_MAX);
  append(TF_JOURNAL_BLOCK_RECORDS_MAX + 1, 3 * TF_JOURNAL_BLOCK_RECORDS_MAX / 2, 5);
  assert_int_equal(tf_journal_fini(&journal), 0);
  assert_int_equal(read_clean(),
                   TF_JOURNAL_BLOCK_RECORDS_MAX + 3 * TF_JOURNAL_BLOCK_RECORDS_MAX / 2);
}

static void each_start_has_an_epoch_of_its_own(void **state) {
  (void)state;
  tf_journal_config_t config = config_of(TF_JOURNAL_DURABLE_BLOCK);
  fresh("epochs");
  for (uint32_t epoch = 1; epoch <= 3; epoch++) { /* also when nothing was decided */
    assert_int_equal(tf_journal_init(&journal, &config), 0);
    assert_int_equal(journal.epoch, epoch);
    assert_int_equal(tf_journal_fini(&journal), 0);
  }
  config.epoch_min = 10;
  assert_int_equal(tf_journal_init(&journal, &config), 0);
  assert_int_equal(journal.epoch, 10);
  assert_int_equal(tf_journal_fini(&journal), 0);
}

static void instruments_are_named_before_decisions_on_them(void **state) {
  (void)state;
  static tf_instrument_t rows[40];
  tf_instruments_t       table  = {.rows = rows, .cap = 40, .cnt = 1};
  tf_journal_config_t    config = config_of(TF_JOURNAL_DURABLE_NONE);
  config.instruments            = &table;
  for (uint32_t i = 0; i < 40; i++) {
    rows[i].id = i;
    snprintf(rows[i].name, sizeof rows[i].name, "I%u.FAKE", i);
  }
  fresh("names");
  assert_int_equal(tf_journal_init(&journal, &config), 0);
  append(1, 1, 5);
  assert_int_equal(tf_journal_flush(&journal, 5), 0);
  table.cnt = 40;
  append(2, 1, 5);
  assert_int_equal(tf_journal_flush(&journal, 5), 0);
  append(3, 1, 5);
  assert_int_equal(tf_journal_fini(&journal), 0);
  assert_int_equal(tf_journal_reader_init(&reader, path), 0);
  uint32_t named = 0, decisions = 0;
  while (tf_journal_reader_next(&reader) == TF_JOURNAL_READ_BLOCK) {
    const tf_journal_block_header_t *header = tf_journal_reader_header(&reader);
    if (header->kind == TF_JOURNAL_DECISIONS) {
      assert_int_equal(named, decisions++ == 0 ? 1 : 40);
      continue;
    }
    for (uint32_t i = 0; header->kind == TF_JOURNAL_INSTRUMENTS && i < header->record_cnt; i++) {
      const tf_journal_instrument_t *row = &tf_journal_reader_instruments(&reader)[i];
      assert_int_equal(row->id, named);
      assert_string_equal(row->name, rows[named++].name);
    }
  }
  assert_int_equal(decisions, 3);
  assert_int_equal(named, 40);
  tf_journal_reader_fini(&reader);
}

static void a_journal_is_read_while_it_is_written(void **state) {
  (void)state;
  tf_journal_config_t config = config_of(TF_JOURNAL_DURABLE_NONE);
  fresh("live");
  assert_int_equal(tf_journal_init(&journal, &config), 0);
  assert_int_equal(tf_journal_reader_init(&reader, path), 0);
  for (uint64_t seq = 1; seq < 20; seq++) {
    append(seq, 1, 5);
    assert_int_equal(tf_journal_flush(&journal, 5), 0);
    while (tf_journal_reader_next(&reader) == TF_JOURNAL_READ_BLOCK) {
    }
    assert_int_equal(reader.last_seq, seq);
  }
  assert_int_equal(tf_journal_fini(&journal), 0);
  tf_journal_reader_fini(&reader);
}

static void killed_at_any_write_the_journal_is_an_exact_prefix(void **state) {
  (void)state;
  tf_journal_config_t config = config_of(TF_JOURNAL_DURABLE_NONE);
  fresh("killed");
  uint64_t    have   = 0;
  const char *asked  = getenv("TF_CRASHES"); /* nightly: 100,000 */
  int         rounds = asked ? atoi(asked) : 12;
  for (int round = 0; round < rounds; round++) {
    if (round % 100 == 99) { /* what recovery has to read stays small */
      fresh("killed");
      have = 0;
    }
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) { /* writes until it is killed; says what is flushed */
      if (tf_journal_init(&journal, &config) != 0) _exit(1);
      for (uint64_t seq = journal.recovered.last_seq + 1;; seq++) {
        tf_decision_t d = decision(seq);
        if (tf_journal_append(&journal, &d, 1, 5) != 1) _exit(2);
        if (seq % 3 == 0 && (tf_journal_flush(&journal, 5) || write(ends[1], &seq, 8) != 8))
          _exit(3);
      }
    }
    close(ends[1]);
    uint64_t told = 0, seq;
    for (int i = 0; i < 20 + round % 12 * 7 && read(ends[0], &seq, 8) == 8; i++) told = seq;
    kill(child, SIGKILL);
    while (read(ends[0], &seq, 8) == 8) told = seq;
    assert_int_equal(waitpid(child, NULL, 0), child);
    close(ends[0]);
    assert_int_equal(tf_journal_init(&journal, &config), 0);
    assert_true(journal.recovered.last_seq >= told && told > have);
    have = journal.recovered.last_seq;
    assert_int_equal(tf_journal_fini(&journal), 0);
    assert_int_equal(read_clean(), have);
  }
}

/* In a child: opens the journal and dies at its n-th call of the disk. True if it came through alive. */
static bool opens_with_crash_in(int n) {
  pid_t child = fork();
  if (child == 0) {
    tf_journal_config_t config = config_of(TF_JOURNAL_DURABLE_BLOCK);
    crash_in                   = n;
    _exit(tf_journal_init(&journal, &config) != 0);
  }
  int status;
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_true(WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 9));
  return WEXITSTATUS(status) == 0;
}

/* F61: a crash at each step of the recovery, in the recovery of that, and in the recovery of that. */
static void crashes_inside_recovery_three_deep_leave_the_same_prefix(void **state) {
  (void)state;
  uint64_t            ends[BLOCKS], seqs[BLOCKS];
  bytes_t             all     = small_journal(ends, seqs, BLOCKS);
  size_t              torn    = ends[BLOCKS - 1] - 100;
  uint64_t            want    = seqs[BLOCKS - 2];
  tf_journal_config_t config  = config_of(TF_JOURNAL_DURABLE_BLOCK);
  int                 crashed = 0, depth_max = 0;
  for (int a = 0, more_a = 1; more_a; a++)
    for (int b = 0, more_b = 1; more_b; b++)
      for (int c = 0, more_c = 1; more_c; c++) {
        made_file("small", all.p, torn);
        more_a = !opens_with_crash_in(a);
        more_b = more_a && !opens_with_crash_in(b);
        more_c = more_b && !opens_with_crash_in(c);
        crashed++;
        if (more_c) depth_max = 3;
        assert_int_equal(tf_journal_init(&journal, &config), 0);
        assert_int_equal(journal.recovered.last_seq, want);
        assert_int_equal(journal.recovered.decision_cnt, want);
        append(want + 1, 2, 9);
        assert_int_equal(tf_journal_fini(&journal), 0);
        assert_int_equal(read_clean(), want + 2);
      }
  assert_true(crashed > 30);
  assert_int_equal(depth_max, 3);
  free(all.p);
}

/* The same script, dying at its n-th call of the disk, for every n: what is told to be durable is there. */
static void crashes_at_every_call_of_the_disk_keep_what_was_durable(void **state) {
  (void)state;
  uint64_t *durable = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  for (int n = 0, alive = 0; !alive; n++) {
    fresh("script");
    *durable    = 0;
    pid_t child = fork();
    if (child == 0) {
      tf_journal_config_t config = config_of(TF_JOURNAL_DURABLE_BLOCK);
      crash_in                   = n;
      if (tf_journal_init(&journal, &config)) _exit(1);
      for (uint64_t seq = 1; seq <= 30; seq++) {
        tf_decision_t d = decision(seq);
        tf_journal_append(&journal, &d, 1, 5);
        if (seq % 3 == 0) tf_journal_flush(&journal, 5);
        *durable = tf_journal_durable_seq(&journal);
      }
      _exit(tf_journal_fini(&journal) != 0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    alive                      = WEXITSTATUS(status) == 0;
    tf_journal_config_t config = config_of(TF_JOURNAL_DURABLE_NONE);
    assert_int_equal(tf_journal_init(&journal, &config), 0);
    assert_true(journal.recovered.last_seq >= *durable);
    assert_int_equal(journal.recovered.last_seq % 3, 0);
    assert_int_equal(tf_journal_fini(&journal), 0);
    assert_int_equal(read_clean(), journal.recovered.last_seq);
    assert_true(n < 200);
    if (alive) assert_int_equal(*durable, 30);
  }
  munmap(durable, 4096);
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

static void durable_words_are_parsed(void **state) {
  (void)state;
  tf_journal_durable_t durable;
  assert_true(tf_journal_durable_parse("none", &durable) && durable == TF_JOURNAL_DURABLE_NONE);
  assert_true(tf_journal_durable_parse("block", &durable) && durable == TF_JOURNAL_DURABLE_BLOCK);
  assert_true(tf_journal_durable_parse("interval", &durable) &&
              durable == TF_JOURNAL_DURABLE_INTERVAL);
  assert_false(tf_journal_durable_parse("", &durable));
  assert_false(tf_journal_durable_parse("always", &durable));
}

int main(void) {
  tf_log_level_set(TF_LOG_ERROR);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_is_no_journal_is_refused_and_left_alone),
      cmocka_unit_test(another_version_or_record_size_is_refused),
      cmocka_unit_test(a_second_engine_is_refused_with_the_owners_pid),
      cmocka_unit_test(every_cut_leaves_the_exact_prefix_and_is_detected),
      cmocka_unit_test(every_flipped_bit_is_detected_and_costs_its_block_only),
      cmocka_unit_test(an_engine_does_not_go_on_behind_damage_in_the_middle),
      cmocka_unit_test(a_replaced_block_with_valid_checksums_breaks_the_chain),
      cmocka_unit_test(any_bytes_behind_the_header_are_read_without_harm),
      cmocka_unit_test(a_disk_full_at_any_byte_loses_nothing_that_was_taken),
      cmocka_unit_test(a_full_disk_holds_append_back_until_the_retry),
      cmocka_unit_test(a_failed_file_is_left_and_what_was_not_durable_is_written_again),
      cmocka_unit_test(journal_without_any_place_to_go_ends),
      cmocka_unit_test(what_waits_for_a_sync_is_bounded),
      cmocka_unit_test(the_watermark_follows_the_policy),
      cmocka_unit_test(a_full_block_is_written_without_flush),
      cmocka_unit_test(each_start_has_an_epoch_of_its_own),
      cmocka_unit_test(instruments_are_named_before_decisions_on_them),
      cmocka_unit_test(a_journal_is_read_while_it_is_written),
      cmocka_unit_test(killed_at_any_write_the_journal_is_an_exact_prefix),
      cmocka_unit_test(crashes_inside_recovery_three_deep_leave_the_same_prefix),
      cmocka_unit_test(crashes_at_every_call_of_the_disk_keep_what_was_durable),
      cmocka_unit_test(damage_anywhere_in_64_kib_is_detected),
      cmocka_unit_test(who_has_not_the_key_can_neither_make_nor_change_a_block),
      cmocka_unit_test(keys_are_read_from_files_that_nobody_else_reads),
      cmocka_unit_test(durable_words_are_parsed),
  };
  return cmocka_run_group_tests(tests, made_dir_setup, made_dir_teardown);
}
