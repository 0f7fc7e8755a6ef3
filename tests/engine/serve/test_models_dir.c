/* The registry on disk: what counts as a version, and the pins. */
#include "cmocka_tf.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/error.h"
#include "serve/models_dir.h"

static char dir[] = "/tmp/tf_models_XXXXXX";

static void put(const char *name, const char *text) {
  char path[256];
  snprintf(path, sizeof path, "%s/m/%s", dir, name);
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  fputs(text, file);
  fclose(file);
}

static const char *const good[]   = {"1.safetensors", "2.safetensors", "10.safetensors",
                                     "999999999.safetensors"};
static const char *const others[] = {"0.safetensors", "01.safetensors",  "1000000000.safetensors",
                                     "x.safetensors", "3.safetensors.x", "4.sha256",
                                     ".safetensors",  "-5.safetensors",  "6.onnx"};

static int set_up(void **state) {
  char path[256];
  (void)state;
  if (!mkdtemp(dir)) return -1;
  snprintf(path, sizeof path, "%s/m", dir);
  if (mkdir(path, 0700) != 0) return -1;
  snprintf(path, sizeof path, "%s/none", dir);
  if (mkdir(path, 0700) != 0) return -1;
  for (size_t i = 0; i < TF_ARRAY_CNT(good); i++) put(good[i], "");
  for (size_t i = 0; i < TF_ARRAY_CNT(others); i++) put(others[i], "");
  return 0;
}

static int tear_down(void **state) {
  char path[256];
  (void)state;
  for (size_t i = 0; i < TF_ARRAY_CNT(good) + TF_ARRAY_CNT(others); i++) {
    const char *name = i < TF_ARRAY_CNT(good) ? good[i] : others[i - TF_ARRAY_CNT(good)];
    snprintf(path, sizeof path, "%s/m/%s", dir, name);
    unlink(path);
  }
  snprintf(path, sizeof path, "%s/m/1.sha256", dir);
  unlink(path);
  snprintf(path, sizeof path, "%s/m", dir);
  rmdir(path);
  snprintf(path, sizeof path, "%s/none", dir);
  rmdir(path);
  return rmdir(dir);
}

static void versions_are_numbers_without_leading_zeros_in_order(void **state) {
  (void)state;
  uint32_t numbers[8], cnt;
  assert_int_equal(tf_models_dir_list(dir, "m", numbers, 8, &cnt), TF_OK);
  assert_int_equal(cnt, 4);
  assert_memory_equal(numbers, ((uint32_t[]){1, 2, 10, 999999999}), 4 * sizeof numbers[0]);
  assert_int_equal(tf_models_dir_list(dir, "m", numbers, 4, &cnt), TF_OK);
  assert_int_equal(tf_models_dir_list(dir, "m", numbers, 3, &cnt), E_MODEL_VERSION);
}

static void newest_is_found_and_what_is_not_there_named(void **state) {
  (void)state;
  uint32_t found;
  assert_int_equal(tf_models_dir_find(dir, "m", 0, &found), TF_OK);
  assert_int_equal(found, 999999999);
  assert_int_equal(tf_models_dir_find(dir, "m", 10, &found), TF_OK);
  assert_int_equal(found, 10);
  assert_int_equal(tf_models_dir_find(dir, "m", 3, &found), E_MODEL_VERSION);
  assert_non_null(strstr(tf_error_text(), "version 3 is not there; there are 4, 1 to 999999999"));
  assert_int_equal(tf_models_dir_find(dir, "none", 0, &found), E_MODEL_VERSION);
  assert_int_equal(tf_models_dir_find(dir, "gone", 0, &found), E_FILE_OPEN);
  assert_int_equal(tf_models_dir_find(dir, "../m", 0, &found), E_MODEL_VERSION);
  assert_int_equal(tf_models_dir_find(dir, "..", 0, &found), E_MODEL_VERSION);
}

static void file_must_be_what_the_pin_and_the_file_beside_it_say(void **state) {
  (void)state;
  char path[TF_MODELS_DIR_PATH_BYTES], is[65], other[65], upper[65];
  memset(is, 'a', 64), memset(other, 'a', 64), memset(upper, 'A', 64);
  is[64] = other[64] = upper[64] = '\0';
  other[63]                      = 'b';
  tf_models_dir_path(dir, "m", 1, path);
  assert_int_equal(tf_models_dir_check_pin(path, is, NULL), TF_OK);
  assert_int_equal(tf_models_dir_check_pin(path, is, upper), TF_OK);
  assert_int_equal(tf_models_dir_check_pin(path, is, other), E_MODEL_PIN);
  put("1.sha256", is);
  assert_int_equal(tf_models_dir_check_pin(path, is, NULL), TF_OK);
  assert_int_equal(tf_models_dir_check_pin(path, other, NULL), E_MODEL_PIN);
  is[63] = '\0'; /* cut short */
  put("1.sha256", is);
  is[63] = 'a';
  assert_int_equal(tf_models_dir_check_pin(path, is, NULL), E_MODEL_PIN);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(versions_are_numbers_without_leading_zeros_in_order),
      cmocka_unit_test(newest_is_found_and_what_is_not_there_named),
      cmocka_unit_test(file_must_be_what_the_pin_and_the_file_beside_it_say),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
