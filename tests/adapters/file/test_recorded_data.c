/* The recordings in ../shared/data, record by record against tests/oracle/recording.py. */
#include "cmocka_tf.h"

#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zlib.h>

#include "core/error.h"
#include "file/recording.h"

static int skipped;

/* Every record of the file, until one differs from the oracle's. Returns how many there were. */
static uint64_t compare(const char *path) {
  char           command[512], line[4096];
  tf_recording_t rec;
  tf_record_t    record;
  snprintf(command, sizeof command, "/usr/bin/python3 tests/oracle/recording.py '%s'", path);
  FILE *oracle = popen(command, "r");
  assert_non_null(oracle);
  if (tf_recording_init(&rec, path)) fail_msg("%s", tf_error_text());
  uint64_t cnt = 0, http = 0;
  while (tf_recording_next(&rec, &record) == TF_RECORDING_RECORD) {
    char               want_target[2048] = "";
    unsigned long long ns = 0, bytes = 0, crc = 0;
    unsigned           kind = 0;
    assert_int_equal(record.fault, TF_RECORD_OK);
    if (!fgets(line, sizeof line, oracle)) break;
    if (sscanf(line, "%llu %u %llu %llu %2047s", &ns, &kind, &bytes, &crc, want_target) != 5) break;
    cnt++;
    http += kind == TF_FRAME_HTTP;
    const char *target = record.target ? record.target : "-";
    if (record.recv_ns != ns || record.kind != kind || record.bytes_cnt != bytes ||
        crc32(0, (const Bytef *)record.bytes, record.bytes_cnt) != crc ||
        strcmp(target, want_target) != 0)
      fail_msg("%s, record %llu: %llu %u %u %s is not %s", path, (unsigned long long)cnt,
               (unsigned long long)record.recv_ns, record.kind, record.bytes_cnt, target, line);
  }
  bool oracle_over = fgets(line, sizeof line, oracle) == NULL;
  int  status      = pclose(oracle);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
    skipped++;
    printf("skipped: %s needs the zstd command for its oracle\n", path);
  } else {
    assert_int_equal(status, 0);
    assert_true(oracle_over);
    assert_int_equal(rec.counts.records, cnt);
    assert_int_equal(rec.counts.http, http);
    assert_int_equal(rec.counts.backward, 0);
    assert_int_equal(rec.counts.bytes_read, rec.counts.bytes_framed);
  }
  tf_recording_fini(&rec);
  return cnt;
}

static void binance_recordings_hold_as_many_records_as_lines(void **state) {
  (void)state;
  /* zcat | wc -l */
  assert_int_equal(compare("../shared/data/binance-spot/btcusdt_20240808.gz"), 41249);
  assert_int_equal(compare("../shared/data/binance-usdm/btcusdt_20240808.gz"), 93954);
  assert_int_equal(compare("../shared/data/binance-coinm/btcusd_perp_20240808.gz"), 48270);
}

static void every_other_recording_is_read_as_the_oracle_reads_it(void **state) {
  (void)state;
  glob_t found;
  assert_int_equal(glob("../shared/data/*/*.zst", 0, NULL, &found), 0);
  for (size_t i = 0; i < found.gl_pathc; i++) compare(found.gl_pathv[i]);
  globfree(&found);
  compare("../shared/data/hyperliquid/btcusd_20250126.gz");
}

/* Each message is the line's text behind its case, which Python cuts out. */
static void single_messages_are_those_of_their_lines(void **state) {
  (void)state;
  static char line[1 << 16];
  glob_t      found;
  uint32_t    cnt = 0;
  assert_int_equal(glob("../shared/data/messages/*.jsonl", 0, NULL, &found), 0);
  for (size_t i = 0; i < found.gl_pathc; i++) {
    char           command[1024];
    tf_recording_t rec;
    tf_record_t    record;
    snprintf(
        command, sizeof command,
        "/usr/bin/python3 -c \"import json,sys\nfor line in open(sys.argv[1]): print(line[len('"
        "{\\\"case\\\":' + json.dumps(json.loads(line)['case']) + "
        "',\\\"raw\\\":'):].strip()[:-1])\" %s",
        found.gl_pathv[i]);
    FILE *oracle = popen(command, "r");
    assert_non_null(oracle);
    assert_int_equal(tf_recording_init(&rec, found.gl_pathv[i]), 0);
    for (; tf_recording_next(&rec, &record) == TF_RECORDING_RECORD; cnt++) {
      assert_int_equal(record.fault, TF_RECORD_OK);
      assert_non_null(fgets(line, sizeof line, oracle));
      line[strcspn(line, "\n")] = 0;
      assert_int_equal(record.bytes_cnt, strlen(line));
      assert_memory_equal(record.bytes, line, record.bytes_cnt);
    }
    assert_null(fgets(line, sizeof line, oracle));
    assert_int_equal(pclose(oracle), 0);
    tf_recording_fini(&rec);
  }
  globfree(&found);
  assert_int_equal(cnt, 385); /* wc -l */
}

int main(void) {
  if (access("../shared/data/INDEX.md", R_OK) != 0) {
    puts("skipped: no recordings at ../shared/data");
    return 77;
  }
  if (access("/usr/bin/python3", X_OK) != 0) {
    puts("skipped: no /usr/bin/python3 for the oracle");
    return 77;
  }
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(binance_recordings_hold_as_many_records_as_lines),
      cmocka_unit_test(every_other_recording_is_read_as_the_oracle_reads_it),
      cmocka_unit_test(single_messages_are_those_of_their_lines),
  };
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  return failed ? failed : skipped ? 77 : 0;
}
