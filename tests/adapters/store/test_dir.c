/* The directory: what is put is got, in a bounded room, and what others left there harms nobody. */
#include "cmocka_tf.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/error.h"
#include "store/registry.h"

extern const tf_model_store_t tf_store_dir;

static char                    dir[64];
static tf_model_store_config_t config;
static void                   *store;

static void id_of(uint32_t n, char id[65]) { snprintf(id, 65, "%064u", n); }

static void begin(uint64_t bytes_max, uint64_t blob_bytes_max) {
  config = (tf_model_store_config_t){
      .where = dir, .bytes_max = bytes_max, .blob_bytes_max = blob_bytes_max};
  assert_int_equal(tf_store_dir.open(&config, &store), TF_OK);
}

static tf_model_store_result_t put(uint32_t n, size_t bytes) {
  char     id[65];
  uint8_t *blob = malloc(bytes + 1);
  memset(blob, (int)n, bytes);
  id_of(n, id);
  tf_model_store_result_t r = tf_store_dir.put(store, id, blob, bytes);
  free(blob);
  nanosleep(&(struct timespec){.tv_nsec = 12000000},
            NULL); /* files' times go in steps of the kernel's tick */
  return r;
}

static tf_model_store_result_t get(uint32_t n, size_t bytes) {
  char     id[65];
  uint8_t *blob = NULL;
  size_t   got  = 0;
  id_of(n, id);
  tf_model_store_result_t r = tf_store_dir.get(store, id, &blob, &got);
  if (r == TF_MODEL_STORE_DONE) {
    assert_int_equal(got, bytes);
    for (size_t i = 0; i < got; i++) assert_int_equal(blob[i], (uint8_t)n);
  }
  free(blob);
  nanosleep(&(struct timespec){.tv_nsec = 12000000}, NULL);
  return r;
}

static int set_up(void **state) {
  (void)state;
  strcpy(dir, "/tmp/tf_store_XXXXXX");
  if (!mkdtemp(dir)) return -1;
  strcat(dir, "/cache");
  return 0;
}

static int tear_down(void **state) {
  char command[128];
  (void)state;
  tf_store_dir.close(store);
  store              = NULL;
  *strrchr(dir, '/') = '\0';
  snprintf(command, sizeof command, "rm -rf %s", dir);
  return system(command);
}

static void what_is_put_is_got_also_by_the_next_process(void **state) {
  (void)state;
  begin(0, 1000);
  assert_int_equal(get(1, 0), TF_MODEL_STORE_MISS);
  assert_int_equal(put(1, 100), TF_MODEL_STORE_DONE);
  assert_int_equal(put(1, 100), TF_MODEL_STORE_DONE);
  assert_int_equal(get(1, 100), TF_MODEL_STORE_DONE);
  tf_store_dir.close(store);
  begin(0, 1000);
  assert_int_equal(get(1, 100), TF_MODEL_STORE_DONE);
  char id[65];
  id_of(1, id);
  tf_store_dir.drop(store, id);
  assert_int_equal(get(1, 0), TF_MODEL_STORE_MISS);
}

static void least_recently_used_leave_when_the_room_is_full(void **state) {
  (void)state;
  begin(300, 300);
  assert_int_equal(put(1, 100), TF_MODEL_STORE_DONE);
  assert_int_equal(put(2, 100), TF_MODEL_STORE_DONE);
  assert_int_equal(put(3, 100), TF_MODEL_STORE_DONE); /* n: it just fits */
  assert_int_equal(get(1, 100), TF_MODEL_STORE_DONE);
  assert_int_equal(put(4, 101), TF_MODEL_STORE_DONE); /* n+1: two have to go */
  assert_int_equal(get(2, 0), TF_MODEL_STORE_MISS);
  assert_int_equal(get(3, 0), TF_MODEL_STORE_MISS);
  assert_int_equal(get(1, 100), TF_MODEL_STORE_DONE);
  assert_int_equal(get(4, 101), TF_MODEL_STORE_DONE);
  assert_int_equal(put(5, 301), TF_MODEL_STORE_MISS);
  assert_int_equal(get(4, 101), TF_MODEL_STORE_DONE);
}

static void blob_over_the_limit_is_neither_written_nor_read(void **state) {
  (void)state;
  begin(0, 100);
  assert_int_equal(put(1, 99), TF_MODEL_STORE_DONE);
  assert_int_equal(put(2, 100), TF_MODEL_STORE_DONE);
  assert_int_equal(put(3, 101), TF_MODEL_STORE_MISS);
  tf_store_dir.close(store);
  begin(0, 99);
  assert_int_equal(get(1, 99), TF_MODEL_STORE_DONE);
  assert_int_equal(get(2, 0), TF_MODEL_STORE_MISS);
}

static void what_a_dead_process_left_goes_with_the_rest(void **state) {
  (void)state;
  char path[256];
  begin(300, 300);
  snprintf(path, sizeof path, "%s/%064u.model.77.part", dir, 9);
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  fprintf(file, "%250s", "half a model");
  fclose(file);
  nanosleep(&(struct timespec){.tv_nsec = 12000000}, NULL);
  assert_int_equal(put(1, 100), TF_MODEL_STORE_DONE);
  assert_int_not_equal(access(path, F_OK), 0);
}

static void places_that_are_none_are_refused_or_fail(void **state) {
  (void)state;
  char file[80], link[160];
  begin(0, 1000);
  snprintf(file, sizeof file, "%s.file", dir);
  fclose(fopen(file, "w"));
  config.where = file;
  void *none;
  assert_int_equal(tf_store_dir.open(&config, &none), E_FILE_OPEN);
  config.where = "/proc/no/such/place";
  assert_int_equal(tf_store_dir.open(&config, &none), E_FILE_OPEN);
  snprintf(link, sizeof link, "%s/%064u.model", dir, 7);
  assert_int_equal(symlink("/etc/passwd", link), 0);
  assert_int_equal(get(7, 0), TF_MODEL_STORE_FAILED); /* it does not follow links */
  char command[128];
  snprintf(command, sizeof command, "rm -rf %s", dir);
  assert_int_equal(system(command), 0);
  assert_int_equal(put(1, 10), TF_MODEL_STORE_FAILED);
  assert_int_equal(get(1, 0), TF_MODEL_STORE_MISS);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(what_is_put_is_got_also_by_the_next_process, set_up,
                                      tear_down),
      cmocka_unit_test_setup_teardown(least_recently_used_leave_when_the_room_is_full, set_up,
                                      tear_down),
      cmocka_unit_test_setup_teardown(blob_over_the_limit_is_neither_written_nor_read, set_up,
                                      tear_down),
      cmocka_unit_test_setup_teardown(what_a_dead_process_left_goes_with_the_rest, set_up,
                                      tear_down),
      cmocka_unit_test_setup_teardown(places_that_are_none_are_refused_or_fail, set_up, tear_down),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
