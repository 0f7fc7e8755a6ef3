#include "cmocka_tf.h"

#include "adapters/file/made_file.h"
#include "core/error.h"
#include "file/inflow.h"

#define LINE_CNT 30

static char   text[LINE_CNT * 64];
static size_t text_bytes;

static void text_make(void) {
  text_bytes = 0;
  for (int i = 0; i < LINE_CNT; i++)
    text_bytes +=
        (size_t)sprintf(text + text_bytes, "%d line %x of the text\n", i, i * 2654435761u);
}

static size_t lines_in(const uint8_t *bytes, size_t cnt) {
  size_t n = 0;
  for (size_t i = 0; i < cnt; i++) n += bytes[i] == '\n';
  return n;
}

/* Reads all lines; each must be the text's. Returns the last result. */
static tf_inflow_result_t read_lines(const char *path, size_t *line_cnt, tf_inflow_t *in) {
  char              *line;
  size_t             cnt;
  const char        *want = text;
  tf_inflow_result_t result;
  assert_int_equal(tf_inflow_init(in, path, TF_RECORD_BYTES_MAX), 0);
  *line_cnt = 0;
  while ((result = tf_inflow_line(in, &line, &cnt)) == TF_INFLOW_LINE) {
    size_t want_bytes = (size_t)(strchr(want, '\n') - want);
    assert_int_equal(cnt, want_bytes);
    assert_memory_equal(line, want, cnt);
    want += cnt + 1;
    if (*want == 0) want = text; /* members repeat the text */
    ++*line_cnt;
  }
  return result;
}

static void refuses_what_is_no_regular_file(void **state) {
  (void)state;
  tf_inflow_t in;
  assert_int_equal(tf_inflow_init(&in, made_path("absent"), 100), E_FILE_OPEN);
  assert_int_equal(tf_inflow_init(&in, made_dir, 100), E_FILE_OPEN);
  assert_int_equal(mkfifo(made_path("fifo"), 0600), 0);
  assert_int_equal(tf_inflow_init(&in, made_path("fifo"), 100), E_FILE_OPEN);
  assert_int_equal(tf_inflow_init(&in, "/dev/null", 100), E_FILE_OPEN);
  made_file("real", "x\n", 2);
  char link_path[128];
  snprintf(link_path, sizeof link_path, "%s/link", made_dir);
  assert_int_equal(symlink("real", link_path), 0);
  assert_int_equal(tf_inflow_init(&in, link_path, 100), E_FILE_OPEN);
  assert_non_null(strstr(tf_error_text(), "symbolic link"));
  assert_int_equal(tf_inflow_init(&in, made_file("empty", "", 0), 100), E_FILE_FORMAT);
  tf_inflow_fini(&in);
}

static void gzip_cut_at_every_length_delivers_all_before_the_cut(void **state) {
  (void)state;
  uint8_t out[3 * sizeof text];
  bytes_t member = made_gzip(text, text_bytes), both = made_joined(member, member);
  for (size_t cut = 1; cut <= both.cnt; cut++) {
    tf_inflow_t        in;
    size_t             lines, decoded = made_gunzip_prefix((bytes_t){both.p, cut}, out, sizeof out);
    tf_inflow_result_t end = read_lines(made_file("cut.gz", both.p, cut), &lines, &in);
    assert_int_equal(lines, lines_in(out, decoded));
    bool whole = cut == member.cnt || cut == both.cnt;
    assert_int_equal(end, whole ? TF_INFLOW_END : TF_INFLOW_DAMAGE);
    if (!whole) {
      size_t last = decoded;
      while (last > 0 && out[last - 1] != '\n') last--;
      assert_int_equal(in.partial_bytes, decoded - last);
      assert_int_equal(in.out_bytes, decoded);
      assert_int_equal(in.damage_offset, cut);
      assert_int_equal(tf_inflow_error(&in), E_FILE_DAMAGED);
      assert_non_null(strstr(tf_error_text(), "cut.gz"));
    }
    tf_inflow_fini(&in);
  }
  free(member.p);
  free(both.p);
}

static void zstd_cut_at_every_length_delivers_all_before_the_cut(void **state) {
  (void)state;
  uint8_t out[3 * sizeof text];
  bytes_t frame = made_zstd(text, text_bytes, 100), both = made_joined(frame, frame);
  for (size_t cut = 1; cut <= both.cnt; cut++) {
    tf_inflow_t        in;
    size_t             lines, decoded = made_unzstd_prefix((bytes_t){both.p, cut}, out, sizeof out);
    tf_inflow_result_t end = read_lines(made_file("cut.zst", both.p, cut), &lines, &in);
    assert_int_equal(lines, lines_in(out, decoded));
    bool whole = cut == frame.cnt || cut == both.cnt;
    assert_int_equal(end, whole ? TF_INFLOW_END : TF_INFLOW_DAMAGE);
    if (!whole) assert_int_equal(in.out_bytes, decoded);
    tf_inflow_fini(&in);
  }
  free(frame.p);
  free(both.p);
}

/* libzstd gives nothing of a call that fails: what was decoded before the damaged place must come
 * out all the same. Damage in the headers of blocks (a type that does not exist) and in their bytes. */
static void zstd_blocks_before_a_damaged_one_are_delivered(void **state) {
  (void)state;
  size_t   cnt = 700000, at = 0, headers[16], header_cnt = 0;
  char    *big = malloc(cnt + 64);
  uint32_t x   = 1;
  while (at < cnt) {
    x *= 2654435761u;
    at += (size_t)sprintf(big + at, "%08x%08x\n", x, x ^ 0x5bd1e995u);
  }
  bytes_t frame = made_zstd(big, at, 100000);
  assert_int_equal(frame.p[4], 0x04); /* no content size, a window byte, a checksum: RFC 8878 */
  for (size_t p = 6; header_cnt < 16;
       p += 3 + (size_t)(frame.p[p] >> 3 | frame.p[p + 1] << 5 | frame.p[p + 2] << 13)) {
    headers[header_cnt++] = p;
    if (frame.p[p] & 1) break;
  }
  assert_in_range(header_cnt, 7, 15);
  uint8_t *out = malloc(at);
  for (size_t i = 0; i < 2 * header_cnt; i++) {
    size_t  hit  = headers[i / 2] + (i % 2 ? 40 : 0);
    uint8_t kept = frame.p[hit];
    if (i % 2 && hit >= frame.cnt - 4) continue;
    frame.p[hit]               = i % 2 ? (uint8_t)~kept : kept | 6;
    size_t             decoded = made_unzstd_prefix(frame, out, at), line_cnt = 0, bytes;
    tf_inflow_t        in;
    char              *line;
    tf_inflow_result_t result;
    assert_int_equal(tf_inflow_init(&in, made_file("hit.zst", frame.p, frame.cnt), 1000), 0);
    while ((result = tf_inflow_line(&in, &line, &bytes)) == TF_INFLOW_LINE) line_cnt++;
    assert_int_equal(result, TF_INFLOW_DAMAGE);
    assert_int_equal(in.out_bytes, decoded);
    assert_int_equal(line_cnt, lines_in(out, decoded));
    tf_inflow_fini(&in);
    frame.p[hit] = kept;
  }
  free(frame.p);
  free(out);
  free(big);
}

static void every_flipped_bit_of_a_gzip_is_found_or_changes_nothing(void **state) {
  (void)state;
  bytes_t member = made_gzip(text, text_bytes);
  for (size_t bit = 0; bit < member.cnt * 8; bit++) {
    tf_inflow_t in;
    char       *line;
    size_t      cnt, at = 0;
    bool        same = true;
    member.p[bit / 8] ^= (uint8_t)(1 << bit % 8);
    assert_int_equal(tf_inflow_init(&in, made_file("bit.gz", member.p, member.cnt), 1000), 0);
    tf_inflow_result_t result;
    while ((result = tf_inflow_line(&in, &line, &cnt)) <= TF_INFLOW_AGAIN) {
      same = same && result == TF_INFLOW_LINE && at + cnt < text_bytes &&
             memcmp(text + at, line, cnt) == 0;
      at += cnt + 1;
    }
    /* Not covered by any checksum: the header's time and system, and the bits that fill up the last
     * byte of the compressed data. A flipped magic makes it a text of broken lines. */
    assert_true(result == TF_INFLOW_DAMAGE || (same && at == text_bytes) ||
                in.kind == TF_INFLOW_PLAIN);
    tf_inflow_fini(&in);
    member.p[bit / 8] ^= (uint8_t)(1 << bit % 8);
  }
  free(member.p);
}

static void garbage_behind_a_gzip_member_is_damage_and_zero_padding_is_not(void **state) {
  (void)state;
  tf_inflow_t in;
  size_t      lines;
  bytes_t     member  = made_gzip(text, text_bytes);
  bytes_t     garbage = made_joined(member, (bytes_t){(uint8_t *)"tail", 4});
  assert_int_equal(read_lines(made_file("g.gz", garbage.p, garbage.cnt), &lines, &in),
                   TF_INFLOW_DAMAGE);
  assert_int_equal(lines, LINE_CNT);
  assert_int_equal(in.damage_offset, member.cnt);
  tf_inflow_fini(&in);
  uint8_t zeros[512] = {0};
  bytes_t padded     = made_joined(member, (bytes_t){zeros, sizeof zeros});
  assert_int_equal(read_lines(made_file("p.gz", padded.p, padded.cnt), &lines, &in), TF_INFLOW_END);
  assert_int_equal(lines, LINE_CNT);
  tf_inflow_fini(&in);
  padded.p[padded.cnt - 1] = 1;
  assert_int_equal(read_lines(made_file("p.gz", padded.p, padded.cnt), &lines, &in),
                   TF_INFLOW_DAMAGE);
  tf_inflow_fini(&in);
  free(member.p);
  free(garbage.p);
  free(padded.p);
}

static void zstd_window_over_the_limit_is_refused(void **state) {
  (void)state;
  /* RFC 8878: magic, descriptor 0 (window follows), a window of 2^28 bytes, a raw block. */
  static const uint8_t frame[] = {0x28, 0xb5, 0x2f, 0xfd, 0, (28 - 10) << 3, 0x09, 0, 0, 'x'};
  tf_inflow_t          in;
  char                *line;
  size_t               cnt;
  assert_int_equal(tf_inflow_init(&in, made_file("window.zst", frame, sizeof frame), 100), 0);
  assert_int_equal(tf_inflow_line(&in, &line, &cnt), TF_INFLOW_DAMAGE);
  assert_int_equal(tf_inflow_error(&in), E_FILE_DAMAGED);
  tf_inflow_fini(&in);
}

/* A line of limit - 1, limit and limit + 1 bytes between two short ones, with and without the last
 * newline. */
static void check_limit(size_t limit, bool compressed) {
  for (int over = -1; over <= 1; over++) {
    size_t long_bytes = limit + (size_t)over, cnt = long_bytes + 10;
    char  *all = malloc(cnt);
    memset(all, 'y', cnt);
    memcpy(all, "first\n", 6);
    all[6 + long_bytes] = '\n';
    memcpy(all + 7 + long_bytes, "end", 3);
    bytes_t     packed = compressed ? made_gzip(all, cnt) : (bytes_t){(uint8_t *)all, cnt};
    tf_inflow_t in;
    char       *line;
    size_t      bytes;
    assert_int_equal(tf_inflow_init(&in, made_file("limit", packed.p, packed.cnt), limit), 0);
    assert_int_equal(tf_inflow_line(&in, &line, &bytes), TF_INFLOW_LINE);
    assert_int_equal(bytes, 5);
    tf_inflow_result_t result;
    while ((result = tf_inflow_line(&in, &line, &bytes)) == TF_INFLOW_AGAIN) {
    }
    assert_int_equal(result, over > 0 ? TF_INFLOW_LONG : TF_INFLOW_LINE);
    assert_int_equal(bytes, long_bytes);
    assert_int_equal(line[0], 'y');
    assert_int_equal(tf_inflow_consumed_bytes(&in), 7 + long_bytes);
    assert_int_equal(tf_inflow_line(&in, &line, &bytes), TF_INFLOW_LINE);
    assert_int_equal(bytes, 3);
    assert_memory_equal(line, "end", 3);
    assert_int_equal(tf_inflow_line(&in, &line, &bytes), TF_INFLOW_END);
    assert_int_equal(tf_inflow_consumed_bytes(&in), cnt);
    tf_inflow_fini(&in);
    if (compressed) free(packed.p);
    free(all);
  }
}

static void line_limit_holds_at_the_byte(void **state) {
  (void)state;
  check_limit(30, false);
  check_limit(64, true);
  check_limit(100, false);
  check_limit(300000, true);
  check_limit(TF_RECORD_BYTES_MAX, true);
}

static void line_far_over_the_limit_is_passed_over_in_bounded_steps(void **state) {
  (void)state;
  const char *path = made_path("sparse");
  int         fd   = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  off_t       size = 80 << 20;
  assert_int_equal(pwrite(fd, "\nlast", 5, size), 5);
  close(fd);
  tf_inflow_t        in;
  char              *line;
  size_t             bytes;
  int                again = 0;
  tf_inflow_result_t result;
  assert_int_equal(tf_inflow_init(&in, path, 1000), 0);
  while ((result = tf_inflow_line(&in, &line, &bytes)) == TF_INFLOW_AGAIN) again++;
  assert_in_range(again, 3, 6);
  assert_int_equal(result, TF_INFLOW_LONG);
  assert_int_equal(bytes, size);
  assert_int_equal(tf_inflow_line(&in, &line, &bytes), TF_INFLOW_LINE);
  assert_int_equal(bytes, 4);
  tf_inflow_fini(&in);
}

static void lines_are_the_same_in_all_three_forms(void **state) {
  (void)state;
  tf_inflow_t in;
  size_t      lines;
  bytes_t     gz = made_gzip(text, text_bytes), zst = made_zstd(text, text_bytes, 700);
  assert_int_equal(read_lines(made_file("a", text, text_bytes), &lines, &in), TF_INFLOW_END);
  assert_int_equal(lines, LINE_CNT);
  assert_int_equal(in.kind, TF_INFLOW_PLAIN);
  tf_inflow_fini(&in);
  assert_int_equal(read_lines(made_file("a", gz.p, gz.cnt), &lines, &in), TF_INFLOW_END);
  assert_int_equal(lines, LINE_CNT);
  assert_int_equal(in.kind, TF_INFLOW_GZIP);
  tf_inflow_fini(&in);
  assert_int_equal(read_lines(made_file("a", zst.p, zst.cnt), &lines, &in), TF_INFLOW_END);
  assert_int_equal(lines, LINE_CNT);
  assert_int_equal(in.kind, TF_INFLOW_ZSTD);
  tf_inflow_fini(&in);
  free(gz.p);
  free(zst.p);
}

static void topping_up_keeps_the_line_and_what_follows(void **state) {
  (void)state;
  size_t cnt = 0, cap = 2 << 20;
  char  *big = malloc(cap);
  int    n   = 0;
  for (; cnt < cap - 100; n++) cnt += (size_t)sprintf(big + cnt, "%d %0*d\n", n, n % 90 + 1, 7);
  bytes_t     gz = made_gzip(big, cnt);
  tf_inflow_t in;
  assert_int_equal(tf_inflow_init(&in, made_file("top.gz", gz.p, gz.cnt), 1000), 0);
  char  *line, want[128];
  size_t bytes;
  for (int i = 0; i < n; i++) {
    assert_int_equal(tf_inflow_line(&in, &line, &bytes), TF_INFLOW_LINE);
    if (i % 3 == 0) line -= tf_inflow_top_up(&in, (size_t)(i % 5) * 1000 + 1);
    int length = snprintf(want, sizeof want, "%d %0*d", i, i % 90 + 1, 7);
    assert_int_equal(bytes, length);
    assert_memory_equal(line, want, bytes);
  }
  assert_int_equal(tf_inflow_line(&in, &line, &bytes), TF_INFLOW_END);
  tf_inflow_fini(&in);
  free(gz.p);
  free(big);
}

static void skipping_starts_at_the_offset(void **state) {
  (void)state;
  bytes_t gz = made_gzip(text, text_bytes);
  made_file("skip.gz", gz.p, gz.cnt);
  for (size_t at = 0; at <= text_bytes; at += 37) {
    tf_inflow_t in;
    char       *line;
    size_t      bytes;
    assert_int_equal(tf_inflow_init(&in, made_path("skip.gz"), 1000), 0);
    tf_inflow_skip_to(&in, at);
    assert_int_equal(tf_inflow_consumed_bytes(&in), at);
    if (at < text_bytes) {
      assert_int_equal(tf_inflow_line(&in, &line, &bytes), TF_INFLOW_LINE);
      assert_memory_equal(line, text + at, bytes);
    }
    tf_inflow_fini(&in);
  }
  free(gz.p);
}

int main(void) {
  text_make();
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(refuses_what_is_no_regular_file),
      cmocka_unit_test(gzip_cut_at_every_length_delivers_all_before_the_cut),
      cmocka_unit_test(zstd_cut_at_every_length_delivers_all_before_the_cut),
      cmocka_unit_test(zstd_blocks_before_a_damaged_one_are_delivered),
      cmocka_unit_test(every_flipped_bit_of_a_gzip_is_found_or_changes_nothing),
      cmocka_unit_test(garbage_behind_a_gzip_member_is_damage_and_zero_padding_is_not),
      cmocka_unit_test(zstd_window_over_the_limit_is_refused),
      cmocka_unit_test(line_limit_holds_at_the_byte),
      cmocka_unit_test(line_far_over_the_limit_is_passed_over_in_bounded_steps),
      cmocka_unit_test(lines_are_the_same_in_all_three_forms),
      cmocka_unit_test(topping_up_keeps_the_line_and_what_follows),
      cmocka_unit_test(skipping_starts_at_the_offset),
  };
  return cmocka_run_group_tests(tests, made_dir_setup, made_dir_teardown);
}
