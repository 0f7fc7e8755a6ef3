#include "cmocka_tf.h"

#include <string.h>
#include <unistd.h>

#include "core/error.h"
#include "model/npy.h"

static char path[64];

static void write_bytes(const void *bytes, size_t cnt) {
  FILE *file = fopen(path, "wb");
  assert_non_null(file);
  assert_int_equal(fwrite(bytes, 1, cnt, file), cnt);
  fclose(file);
}

/* A file of that version and header text with data behind it. */
static size_t image(uint8_t *target, int major, const char *text, const void *data, size_t cnt) {
  size_t length = strlen(text), used = 8;
  memcpy(target, "\x93NUMPY", 6);
  target[6] = (uint8_t)major;
  target[7] = 0;
  for (int i = 0; i < (major == 1 ? 2 : 4); i++) target[used++] = (uint8_t)(length >> (8 * i));
  memcpy(target + used, text, length);
  memcpy(target + used + length, data, cnt);
  return used + length + cnt;
}

static tf_err_t read_image(tf_npy_t *npy, int major, const char *text, const void *data,
                           size_t cnt) {
  uint8_t bytes[8192];
  write_bytes(bytes, image(bytes, major, text, data, cnt));
  return tf_npy_read(npy, path);
}

#define HEADER(descr, order, shape)                                                                \
  "{'descr': '" descr "', 'fortran_order': " order ", 'shape': " shape ", }  \n"

static const float  floats[6]  = {1.0f, 2.0f, 3.0f, -4.0f, 5.5f, 6.25f};
static const double doubles[2] = {0.1, -1e300};

static void other_files_are_refused_by_what_is_wrong(void **state) {
  (void)state;
  static const struct {
    const char *header;
    size_t      data_bytes;
    tf_err_t    err;
    const char *says;
  } cases[] = {
      {HEADER("<f4",                  "True",         "(2, 3)"),                     24,E_FILE_FORMAT, "ascontiguousarray"},
      {HEADER("<i4",          "False",                        "(2, 3)"),                                          24,E_FILE_FORMAT, "'<i4'"},
      {HEADER(">f4",                           "False",                            "(2, 3)"),         24,E_FILE_FORMAT, "'>f4'"},
      {HEADER("|O","False","(2, 3)"),24,E_FILE_FORMAT, "'|O'"},
      {HEADER("<f4",                             "False",                                 "(2, 3, 1, 1)"),                                                            24,E_FILE_FORMAT, "rank 4"},
      {HEADER("<f4",                "False",                        "()"),                                                     4,                                              E_FILE_FORMAT, "single number"},
      {HEADER("<f4",              "False","(2, -3)"),24,E_FILE_FORMAT, "tuple of sizes"},
      {HEADER("<f4",                  "False",          "(2 3)"),           24,E_FILE_FORMAT, "tuple of sizes"},
      {HEADER("<f4",              "False",                            "[2, 3]"),                                              24,E_FILE_FORMAT, "no tuple"},
      {HEADER("<f4",                           "False",                            "(18446744073709551616, 3)"),                                                                                           24,                                                                                                                                        E_FILE_FORMAT, "tuple of sizes"},
      {HEADER("<f4",     "False",  "(4294967296, 4294967296)"),                   24,                                                 E_FILE_FORMAT, "more than"},
      {HEADER("<f4",                             "False",                                "(1073741825, 1)"),                                         24,E_FILE_FORMAT, "more than"},
      {HEADER("<f4",                "False",                    "(2, 3)"),                                                 23,             E_FILE_DAMAGED, "makes it"},
      {HEADER("<f4", "False","(2, 2)"),24,E_FILE_DAMAGED, "makes it"},
      {"{'descr': '<f4', 'shape': (2, 3)}",                  24,                     E_FILE_FORMAT,                      "wants descr"},
      {"{'descr': '<f4', 'descr': '<f4', 'shape': (6,)}",                  24,                                E_FILE_FORMAT,                                                  "repeated key"},
      {"{'descr': '<f4', 'x': 1}",                           24,                            E_FILE_FORMAT,      "unknown" },
      {HEADER("<f4",       "False","(6,)") "import os",24,E_FILE_FORMAT, "no more"},
      {"x",                             0,                                E_FILE_FORMAT,                                                      "no dictionary"},
      {"",               0,                   E_FILE_FORMAT,                                                "no dictionary"                                                                                                                                                                                                                                                             },
  };
  tf_npy_t npy;
  for (size_t i = 0; i < TF_ARRAY_CNT(cases); i++) {
    assert_int_equal(read_image(&npy, 1, cases[i].header, floats, cases[i].data_bytes),
                     cases[i].err);
    if (!strstr(tf_error_text(), cases[i].says))
      fail_msg("'%s' does not say '%s'", tf_error_text(), cases[i].says);
    assert_null(npy.values);
  }
  assert_int_equal(read_image(&npy, 3, HEADER("<f4", "False", "(2, 3)"), floats, 24),
                   E_FILE_FORMAT);
  assert_int_equal(read_image(&npy, 1, HEADER("<f8", "False", "(2,)"), doubles, 16), E_FILE_FORMAT);
  assert_non_null(strstr(tf_error_text(), "beyond float32"));
  assert_int_equal(tf_npy_read(&npy, "/nonexistent"), E_FILE_OPEN);
}

static void every_truncation_is_refused(void **state) {
  (void)state;
  uint8_t  bytes[512];
  tf_npy_t npy;
  size_t   cnt = image(bytes, 1, HEADER("<f4", "False", "(2, 3)"), floats, 24);
  for (size_t i = 0; i < cnt; i++) {
    write_bytes(bytes, i);
    assert_int_not_equal(tf_npy_read(&npy, path), TF_OK);
  }
}

static void both_versions_widths_and_ranks_are_read(void **state) {
  (void)state;
  tf_npy_t npy;
  for (int major = 1; major <= 2; major++) {
    assert_int_equal(read_image(&npy, major, HEADER("<f4", "False", "(2, 3)"), floats, 24), TF_OK);
    assert_int_equal(npy.row_cnt, 2);
    assert_int_equal(npy.column_cnt, 3);
    assert_memory_equal(npy.values, floats, sizeof floats);
    tf_npy_fini(&npy);
  }
  assert_int_equal(read_image(&npy, 1, HEADER("<f8", "False", "(1,)"), doubles, 8), TF_OK);
  assert_int_equal(npy.row_cnt, 1);
  assert_true(npy.values[0] == 0.1f);
  tf_npy_fini(&npy);
  assert_int_equal(read_image(&npy, 1, HEADER("<f4", "False", "(3, 1, 2)"), floats, 24), TF_OK);
  assert_int_equal(npy.rank, 3);
  assert_int_equal(npy.row_cnt, 3);
  assert_int_equal(npy.middle_cnt, 1);
  assert_int_equal(npy.column_cnt, 2);
  tf_npy_fini(&npy);
  assert_int_equal(read_image(&npy, 1, HEADER("<f4", "False", "(0, 3)"), floats, 0), TF_OK);
  assert_int_equal(npy.row_cnt, 0);
  tf_npy_fini(&npy);
}

static void what_is_written_is_read(void **state) {
  (void)state;
  tf_npy_t npy;
  assert_int_equal(tf_npy_write(path, 3, 2, floats), TF_OK);
  assert_int_equal(tf_npy_read(&npy, path), TF_OK);
  assert_int_equal(npy.row_cnt, 3);
  assert_int_equal(npy.column_cnt, 2);
  assert_memory_equal(npy.values, floats, sizeof floats);
  tf_npy_fini(&npy);
  assert_int_equal(tf_npy_write("/nonexistent/x", 3, 2, floats), E_FILE_WRITE);
}

#define COLUMNS(list, shape) "{'descr': [" list "], 'fortran_order': False, 'shape': " shape ", }\n"
#define AHEAD                "('t', '<u8'), ('instrument', '|S4'), "

/* As `features eval` writes them: rows of three instruments in turn. */
static void structured_rows_have_names_and_groups(void **state) {
  (void)state;
  struct {
    uint64_t t;
    char     instrument[4];
    double   values[2];
  } __attribute__((packed)) rows[] = {
      {1, "B",  {1.0, 2.0}},
      {2, "A",  {3.0, 4.0}},
      {3, "A",  {5.0, 6.0}},
      {4, "B",  {7.0, 8.0}},
      {5, "AA", {9.0, 0.5}}
  };
  static const uint32_t groups[] = {0, 1, 1, 0, 2};
  tf_npy_t              npy;
  assert_int_equal(read_image(&npy, 2,
                              COLUMNS(AHEAD "('mid', '<f8'), ('ema(mid,20)', '<f8')", "(5,)"), rows,
                              sizeof rows),
                   TF_OK);
  assert_int_equal(npy.row_cnt, 5);
  assert_int_equal(npy.column_cnt, 2);
  assert_int_equal(npy.group_cnt, 3);
  assert_string_equal(npy.names[1], "ema(mid,20)");
  assert_memory_equal(npy.groups, groups, sizeof groups);
  for (size_t r = 0; r < 5; r++)
    for (size_t c = 0; c < 2; c++) assert_true(npy.values[r * 2 + c] == (float)rows[r].values[c]);
  tf_npy_fini(&npy);
}

static void structured_files_that_do_not_hold_are_refused(void **state) {
  (void)state;
  /* clang-format off: a table */
  static const struct {
    const char *header;
    size_t      data_bytes;
    tf_err_t    err;
    const char *says;
  } cases[] = {
      {COLUMNS(AHEAD "('mid', '<f8')",                       "(2,)"),                    39, E_FILE_DAMAGED, "makes it"               },
      {COLUMNS(AHEAD "('mid', '<f8')",                       "(2, 1)"),                  40, E_FILE_FORMAT,  "of rank 2"              },
      {COLUMNS("('t', '<u8')",                               "(2,)"),                    16, E_FILE_FORMAT,  "no column of <f4 or <f8"},
      {COLUMNS("('mid', '<f8'), ('t', '<u8')",               "(2,)"),                    32, E_FILE_FORMAT,  "column \"t\" is <u8"    },
      {COLUMNS("('mid', '<f8'), ('low', '<f4')",             "(2,)"),                    24, E_FILE_FORMAT,
       "those before are not"                                                                                                         },
      {COLUMNS("('a', '|S4'), ('b', '|S4'), ('mid', '<f8')", "(1,)"),                    16, E_FILE_FORMAT,
       "column \"b\" is |S4"                                                                                                          },
      {COLUMNS("('a', '|S65'), ('mid', '<f8')",              "(1,)"),                    73, E_FILE_FORMAT,  "column \"a\" is |S65"   },
      {COLUMNS("('a', '|S64'), ('mid', '<f8')",              "(1,)"),                    72, TF_OK,          ""                       },
      {COLUMNS("('a', '|S'), ('mid', '<f8')",                "(1,)"),                    8,  E_FILE_FORMAT,  "column \"a\" is |S"     },
      {COLUMNS("('a', '<i2'), ('mid', '<f8')",               "(1,)"),                    10, E_FILE_FORMAT,  "column \"a\" is <i2"    },
      {COLUMNS("('mid, '<f8')",                              "(1,)"),                    8,  E_FILE_FORMAT,  "damaged at"             },
      {COLUMNS("('mid', '<f8')",                             "(18446744073709551615,)"), 8,  E_FILE_FORMAT,  "more than"              },
  };
  /* clang-format on */
  static const uint8_t zeros[128];
  tf_npy_t             npy;
  for (size_t i = 0; i < TF_ARRAY_CNT(cases); i++) {
    tf_err_t err = read_image(&npy, 1, cases[i].header, zeros, cases[i].data_bytes);
    if (err != cases[i].err || (err && !strstr(tf_error_text(), cases[i].says)))
      fail_msg("case %zu: %d, '%s'; '%s' is wanted", i, (int)err, err ? tf_error_text() : "",
               cases[i].says);
    if (err) assert_null(npy.names);
    tf_npy_fini(&npy);
  }
}

int main(void) {
  snprintf(path, sizeof path, "/tmp/tickfuse_npy_%d", (int)getpid());
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(structured_rows_have_names_and_groups),
      cmocka_unit_test(structured_files_that_do_not_hold_are_refused),
      cmocka_unit_test(other_files_are_refused_by_what_is_wrong),
      cmocka_unit_test(every_truncation_is_refused),
      cmocka_unit_test(both_versions_widths_and_ranks_are_read),
      cmocka_unit_test(what_is_written_is_read),
  };
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  unlink(path);
  return failed;
}
