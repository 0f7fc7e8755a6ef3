#include "cmocka_tf.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "file/sealed.h"

static const tf_sealed_kind_t KIND   = {"TFTESTED", 3};
static char                   path[] = "/tmp/tickfuse-sealed-XXXXXX";

static tf_err_t read_back(size_t *cnt) {
  void    *bytes;
  tf_err_t err = tf_sealed_read(path, &KIND, &bytes, cnt);
  assert_true((err == TF_OK) == (bytes != NULL));
  free(bytes);
  return err;
}

static void bytes_come_back_whole(void **state) {
  (void)state;
  static uint8_t bytes[5000];
  for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)(i * 31);
  for (size_t cnt = 0; cnt <= sizeof bytes; cnt += 1250) {
    void  *found;
    size_t found_cnt;
    assert_int_equal(tf_sealed_write(path, &KIND, bytes, cnt), TF_OK);
    assert_int_equal(tf_sealed_read(path, &KIND, &found, &found_cnt), TF_OK);
    assert_int_equal(found_cnt, cnt);
    assert_memory_equal(found, bytes, cnt);
    free(found);
  }
}

static void every_flipped_bit_and_every_cut_is_found(void **state) {
  (void)state;
  size_t cnt;
  assert_int_equal(tf_sealed_write(path, &KIND, "0123456789", 10), TF_OK);
  uint8_t whole[43];
  FILE   *file = fopen(path, "rb");
  assert_int_equal(fread(whole, 1, sizeof whole, file), 42);
  fclose(file);
  for (size_t bit = 0; bit < 42 * 8; bit++) {
    whole[bit / 8] ^= (uint8_t)(1u << bit % 8);
    file = fopen(path, "wb");
    fwrite(whole, 42, 1, file);
    fclose(file);
    tf_err_t err = read_back(&cnt);
    assert_true(err == E_FILE_DAMAGED || err == E_FILE_FORMAT);
    whole[bit / 8] ^= (uint8_t)(1u << bit % 8);
  }
  for (size_t len = 0; len <= 43; len++) {
    file = fopen(path, "wb");
    fwrite(whole, len, 1, file);
    fclose(file);
    assert_int_equal(read_back(&cnt), len == 42 ? TF_OK : E_FILE_DAMAGED);
  }
}

static void another_kind_or_version_is_refused(void **state) {
  (void)state;
  static const tf_sealed_kind_t OTHER = {"TFOTHERS", 3}, LATER = {"TFTESTED", 4};
  size_t                        cnt;
  assert_int_equal(tf_sealed_write(path, &OTHER, "x", 1), TF_OK);
  assert_int_equal(read_back(&cnt), E_FILE_FORMAT);
  assert_int_equal(tf_sealed_write(path, &LATER, "x", 1), TF_OK);
  assert_int_equal(read_back(&cnt), E_FILE_FORMAT);
}

static void failed_write_leaves_the_old_one(void **state) {
  (void)state;
  size_t cnt;
  assert_int_equal(tf_sealed_write(path, &KIND, "old", 3), TF_OK);
  assert_int_equal(tf_sealed_write("/tmp/not-a-folder/x", &KIND, "new", 3), E_FILE_WRITE);
  assert_int_equal(read_back(&cnt), TF_OK);
  assert_int_equal(cnt, 3);
  unlink(path);
  assert_int_equal(read_back(&cnt), E_FILE_OPEN);
}

int main(void) {
  int fd = mkstemp(path);
  if (fd < 0) return 77;
  close(fd);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(bytes_come_back_whole),
      cmocka_unit_test(every_flipped_bit_and_every_cut_is_found),
      cmocka_unit_test(another_kind_or_version_is_refused),
      cmocka_unit_test(failed_write_leaves_the_old_one),
  };
  int failed = cmocka_run_group_tests_name("sealed", tests, NULL, NULL);
  unlink(path);
  return failed;
}
