#include "cmocka_tf.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/error.h"
#include "model/safetensors.h"

/* A file in memory: length, header text, data_bytes bytes of 0, 1, 2, ... */
typedef struct image {
  uint8_t *bytes;
  size_t   cnt;
} image_t;

static image_t image_of(const char *header, size_t header_bytes, size_t data_bytes) {
  image_t image = {malloc(8 + header_bytes + data_bytes), 8 + header_bytes + data_bytes};
  assert_non_null(image.bytes);
  for (int i = 0; i < 8; i++) image.bytes[i] = (uint8_t)((uint64_t)header_bytes >> (8 * i));
  memcpy(image.bytes + 8, header, header_bytes);
  for (size_t i = 0; i < data_bytes; i++) image.bytes[8 + header_bytes + i] = (uint8_t)i;
  return image;
}

static tf_err_t parse(const image_t *image, tf_safetensors_t *st) {
  return tf_safetensors_parse(st, "m", image->bytes, image->cnt);
}

static void refuses(const char *header, size_t data_bytes, const char *says) {
  image_t          image = image_of(header, strlen(header), data_bytes);
  tf_safetensors_t st;
  assert_int_equal(parse(&image, &st), E_MODEL_FORMAT);
  if (!strstr(tf_error_text(), says)) fail_msg("'%s' does not say '%s'", tf_error_text(), says);
  assert_null(st.data);
  free(image.bytes);
}

#define F32(shape, begin, end)                                                                     \
  "{\"dtype\":\"F32\",\"shape\":" shape ",\"data_offsets\":[" #begin "," #end "]}"

static void headers_that_lie_are_refused(void **state) {
  (void)state;
  /* clang-format off */
  static const struct {
    const char *header;
    size_t      data_bytes;
    const char *says;
  } attacks[] = {
      /* tiling */
      {"{\"a\":" F32("[2]", 0, 8) ",\"b\":" F32("[2]", 4, 12) "}", 12, "inside the one"},
      {"{\"a\":" F32("[2]", 0, 8) ",\"b\":" F32("[2]", 0, 8) "}", 8, "inside the one"},
      {"{\"a\":" F32("[2]", 0, 8) ",\"b\":" F32("[1]", 12, 16) "}", 16, "hole"},
      {"{\"a\":" F32("[2]", 4, 12) "}", 12, "hole"},
      {"{\"a\":" F32("[2]", 0, 8) "}", 9, "1 bytes follow"},
      {"{}", 1, "1 bytes follow"},
      /* offsets and products */
      {"{\"a\":" F32("[2]", 0, 8) "}", 4, "data_offsets 0 to 8"},
      {"{\"a\":" F32("[2]", 8, 0) "}", 8, "data_offsets 8 to 0"},
      {"{\"a\":" F32("[2]", 0, 18446744073709551615) "}", 8, "too big integer"},
      {"{\"a\":" F32("[2]", 0, 9223372036854775807) "}", 8, "data_offsets 0 to 92"},
      {"{\"a\":" F32("[2]", -8, 0) "}", 8, "less than 0"},
      {"{\"a\":" F32("[4294967296,4294967296]", 0, 0) "}", 0, "overflows"},
      {"{\"a\":" F32("[4611686018427387904]", 0,0) "}",0, "do not fill"},
      {"{\"a\":" F32("[9223372036854775807,0,3]", 0, 8) "}", 8, "do not fill"},
      {"{\"a\":" F32("[3]", 0, 8) "}", 8, "3 elements of F32"},
      {"{\"a\":" F32("[2.0]", 0, 8) "}", 8, "not an integer"},
      {"{\"a\":" F32("[-2]", 0, 8) "}", 8, "less than 0"},
      {"{\"a\":" F32("[1,1,1,1,1,1,1,1,2]", 0, 8) "}", 8, "rank 9"},
      {"{\"a\":" F32("2", 0, 8) "}", 8, "no shape"},
      /* types and keys */
      {"{\"a\":{\"dtype\":\"F99\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8, "dtype \"F99\""},
      {"{\"a\":{\"dtype\":7,\"shape\":[2],\"data_offsets\":[0,8]}}", 8, "no dtype"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2]}}", 8, "not a pair"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0]}}", 8, "not a pair"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8],\"x\":1}}", 8, "key \"x\""},
      {"{\"a\":[]}", 0, "not an object"},
      {"{\"__metadata__\":[]}", 0, "not an object"},
      {"{\"__metadata__\":{\"k\":1}}", 0, "is not text"},
      /* names */
      {"{\"a\":" F32("[1]", 0, 4) ",\"a\":" F32("[1]",4, 8) "}", 8, "duplicate"},
      {"{\"__metadata__\":{\"k\":\"1\",\"k\":\"2\"}}", 0, "duplicate"},
      {"{\"../../etc/passwd\":" F32("[2]", 0, 8) "}", 8, "looks like a path"},
      {"{\"a\\\\b\":" F32("[2]", 0, 8) "}", 8, "looks like a path"},
      {"{\"\":" F32("[2]", 0, 8) "}", 8, "name of 0 bytes"},
      {"{\"a\\u001b[2J\":" F32("[2]", 0, 8) "}", 8, "control character"},
      {"{\"a\\u0000b\":" F32("[2]", 0, 8) "}", 8, "not JSON"},
      {"{\"\xff\xfe\":" F32("[2]", 0, 8) "}", 8, "0xff"},
      /* no JSON object */
      {"[]", 0, "instead of '{'"},
      {" {}", 0, "instead of '{'"},
      {"{} x", 0, "not JSON"},
      {"{}{}", 0, "not JSON"},
      {"{\"a\":", 0, "not JSON"},
      {"\x80\x02}q", 0, "instead of '{'" }, /* pickle */
  };
  /* clang-format on */
  for (size_t i = 0; i < TF_ARRAY_CNT(attacks); i++)
    refuses(attacks[i].header, attacks[i].data_bytes, attacks[i].says);
}

static void lengths_that_lie_are_refused(void **state) {
  (void)state;
  static const uint64_t lengths[] = {
      0,        1, 3, 100, (UINT64_C(1) << 20) + 1, UINT64_C(1) << 32, UINT64_MAX, UINT64_MAX - 7,
      INT64_MAX};
  image_t          image = image_of("{}", 2, 0);
  tf_safetensors_t st;
  for (size_t i = 0; i < TF_ARRAY_CNT(lengths); i++) {
    for (int b = 0; b < 8; b++) image.bytes[b] = (uint8_t)(lengths[i] >> (8 * b));
    assert_int_equal(parse(&image, &st), E_MODEL_FORMAT);
    assert_non_null(strstr(tf_error_text(), "header"));
  }
  free(image.bytes);
}

static void name_limit_holds_at_its_edge(void **state) {
  (void)state;
  for (size_t length = TF_SAFETENSORS_NAME_BYTES - 2; length <= TF_SAFETENSORS_NAME_BYTES;
       length++) {
    char   header[512];
    char   name[TF_SAFETENSORS_NAME_BYTES + 1];
    size_t cnt = length;
    memset(name, 'n', cnt);
    name[cnt] = 0;
    snprintf(header, sizeof header, "{\"%s\":" F32("[1]", 0, 4) "}", name);
    image_t          image = image_of(header, strlen(header), 4);
    tf_safetensors_t st;
    tf_err_t         err = parse(&image, &st);
    assert_int_equal(err, length < TF_SAFETENSORS_NAME_BYTES ? TF_OK : E_MODEL_FORMAT);
    tf_safetensors_fini(&st);
    free(image.bytes);
  }
}

/* A header of cnt tensors without elements, at least header_bytes long. */
static char *many_tensors(uint32_t cnt, size_t header_bytes) {
  char  *header = malloc((size_t)cnt * 80 + header_bytes + 16);
  size_t used   = 0;
  assert_non_null(header);
  header[used++] = '{';
  for (uint32_t i = 0; i < cnt; i++)
    used += (size_t)sprintf(header + used, "%s\"t%u\":" F32("[0]", 0, 0), i ? "," : "", i);
  header[used++] = '}';
  while (used < header_bytes) header[used++] = ' ';
  header[used] = 0;
  return header;
}

static void tensor_and_header_limits_hold_at_their_edges(void **state) {
  (void)state;
  static const struct {
    uint32_t tensor_cnt;
    size_t   header_bytes;
    tf_err_t err;
  } cases[] = {
      {TF_SAFETENSORS_TENSOR_CNT_MAX,     0,                                   TF_OK         },
      {TF_SAFETENSORS_TENSOR_CNT_MAX + 1, 0,                                   E_MODEL_FORMAT},
      {1,                                 TF_SAFETENSORS_HEADER_BYTES_MAX - 1, TF_OK         },
      {1,                                 TF_SAFETENSORS_HEADER_BYTES_MAX,     TF_OK         },
      {1,                                 TF_SAFETENSORS_HEADER_BYTES_MAX + 1, E_MODEL_FORMAT},
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(cases); i++) {
    char            *header = many_tensors(cases[i].tensor_cnt, cases[i].header_bytes);
    image_t          image  = image_of(header, strlen(header), 0);
    tf_safetensors_t st;
    assert_int_equal(parse(&image, &st), cases[i].err);
    tf_safetensors_fini(&st);
    free(image.bytes);
    free(header);
  }
}

static void deep_nesting_is_refused_not_recursed(void **state) {
  (void)state;
  size_t cnt    = 500000;
  char  *header = malloc(cnt + 6);
  assert_non_null(header);
  memcpy(header, "{\"a\":", 5);
  memset(header + 5, '[', cnt);
  image_t          image = image_of(header, cnt + 5, 0);
  tf_safetensors_t st;
  assert_int_equal(parse(&image, &st), E_MODEL_FORMAT);
  free(image.bytes);
  free(header);
}

static const char *temporary(const char *name) {
  static char path[256];
  const char *folder = getenv("TMPDIR");
  snprintf(path, sizeof path, "%s/tickfuse_%d_%s", folder ? folder : "/tmp", (int)getpid(), name);
  return path;
}

static image_t read_image(const char *path) {
  FILE *file = fopen(path, "rb");
  assert_non_null(file);
  image_t image = {malloc(1 << 20), 0};
  assert_non_null(image.bytes);
  image.cnt = fread(image.bytes, 1, 1 << 20, file);
  fclose(file);
  return image;
}

static const float                   values[6] = {1.0f, -2.0f, 3.5f, 0.0f, 1e-30f, 3e38f};
static const tf_safetensors_source_t sources[] = {
    {.name = "w", .rank = 2, .shape = {2, 2}, .values = values    },
    {.name = "b", .rank = 1, .shape = {2},    .values = values + 4},
};
static const tf_safetensors_text_t texts[] = {
    {"format", "x"                  },
    {"note",   "\"quoted\" \xc3\xa9"},
};

static void what_is_written_is_read_and_written_again_alike(void **state) {
  (void)state;
  const char *path = temporary("roundtrip.safetensors");
  assert_int_equal(tf_safetensors_write(path, texts, 2, sources, 2), TF_OK);
  image_t          first = read_image(path);
  tf_safetensors_t st;
  assert_int_equal(tf_safetensors_read(&st, path), TF_OK);
  assert_int_equal(st.tensor_cnt, 2);
  const tf_safetensors_tensor_t *b = tf_safetensors_find(&st, "b");
  assert_non_null(b);
  assert_int_equal(b->element_cnt, 2);
  assert_memory_equal(st.data + b->begin, values + 4, 8);
  assert_memory_equal(st.data, values, 16);
  assert_string_equal(tf_safetensors_meta(&st, "note"), "\"quoted\" \xc3\xa9");
  assert_null(tf_safetensors_meta(&st, "none"));
  assert_int_equal((first.cnt - st.data_bytes) % 64, 0); /* data on a cache line of the file */
  tf_safetensors_fini(&st);
  assert_int_equal(tf_safetensors_write(path, texts, 2, sources, 2), TF_OK);
  image_t second = read_image(path);
  assert_int_equal(first.cnt, second.cnt);
  assert_memory_equal(first.bytes, second.bytes, first.cnt);
  unlink(path);
  free(first.bytes);
  free(second.bytes);
}

static void every_truncation_and_every_flipped_header_byte_is_survived(void **state) {
  (void)state;
  const char *path = temporary("truncate.safetensors");
  assert_int_equal(tf_safetensors_write(path, texts, 2, sources, 2), TF_OK);
  image_t          image = read_image(path);
  tf_safetensors_t st;
  unlink(path);
  for (size_t cnt = 0; cnt < image.cnt; cnt++) {
    uint8_t *cut = malloc(cnt ? cnt : 1); /* its own block, so that asan sees a read past it */
    assert_non_null(cut);
    memcpy(cut, image.bytes, cnt);
    assert_int_equal(tf_safetensors_parse(&st, "m", cut, cnt), E_MODEL_FORMAT);
    free(cut);
  }
  for (size_t i = 0; i < image.cnt; i++)
    for (int bit = 0; bit < 8; bit++) {
      image.bytes[i] ^= (uint8_t)(1 << bit);
      if (parse(&image, &st) == TF_OK) tf_safetensors_fini(&st);
      image.bytes[i] ^= (uint8_t)(1 << bit);
    }
  free(image.bytes);
}

static void writer_refuses_what_the_reader_would(void **state) {
  (void)state;
  const char             *path   = temporary("refused.safetensors");
  tf_safetensors_source_t bad[2] = {sources[0], sources[1]};
  bad[1].name                    = "w";
  assert_int_equal(tf_safetensors_write(path, texts, 2, bad, 2), E_MODEL_FORMAT);
  bad[1].name = "../w";
  assert_int_equal(tf_safetensors_write(path, texts, 2, bad, 2), E_MODEL_FORMAT);
  bad[1]          = sources[1];
  bad[1].shape[0] = UINT64_MAX / 2;
  assert_int_equal(tf_safetensors_write(path, texts, 2, bad, 2), E_MODEL_FORMAT);
  tf_safetensors_text_t text = {"k", "\xff"};
  assert_int_equal(tf_safetensors_write(path, &text, 1, sources, 2), E_MODEL_FORMAT);
  assert_int_equal(tf_safetensors_write("/nonexistent/x", texts, 2, sources, 2), E_FILE_WRITE);
  assert_int_not_equal(access(path, F_OK), 0);
}

static void only_regular_files_are_opened(void **state) {
  (void)state;
  tf_safetensors_t st;
  const char      *path = temporary("fifo");
  assert_int_equal(tf_safetensors_read(&st, "/nonexistent"), E_FILE_OPEN);
  assert_int_equal(tf_safetensors_read(&st, "/tmp"), E_FILE_OPEN);
  assert_int_equal(mkfifo(path, 0600), 0);
  assert_int_equal(tf_safetensors_read(&st, path), E_FILE_OPEN); /* and does not hang */
  unlink(path);
  /* a sparse file of 5 GiB is refused by its size, one of 3 GiB by its header */
  path    = temporary("sparse");
  FILE *f = fopen(path, "wb");
  assert_non_null(f);
  assert_int_equal(ftruncate(fileno(f), (off_t)5 << 30), 0);
  assert_int_equal(tf_safetensors_read(&st, path), E_MODEL_FORMAT);
  assert_int_equal(ftruncate(fileno(f), (off_t)3 << 30), 0);
  const uint8_t start[] = {2, 0, 0, 0, 0, 0, 0, 0, '{', '}'};
  assert_int_equal(fwrite(start, 1, sizeof start, f), sizeof start);
  fclose(f);
  assert_int_equal(tf_safetensors_read(&st, path), E_MODEL_FORMAT);
  assert_non_null(strstr(tf_error_text(), "follow the last tensor"));
  unlink(path);
}

static void hash_is_sha256_of_the_file(void **state) {
  (void)state;
  /* printf '\x02\0\0\0\0\0\0\0{}' | sha256sum */
  image_t          image = image_of("{}", 2, 0);
  tf_safetensors_t st;
  assert_int_equal(parse(&image, &st), TF_OK);
  assert_string_equal(st.sha256_hex,
                      "411a485216e432ece6b9af94fa32154cf79a2a56d4f81266baa50063f45092bd");
  assert_int_equal(st.sha256_head, 0x52481a41);
  tf_safetensors_fini(&st);
  free(image.bytes);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(headers_that_lie_are_refused),
      cmocka_unit_test(lengths_that_lie_are_refused),
      cmocka_unit_test(name_limit_holds_at_its_edge),
      cmocka_unit_test(tensor_and_header_limits_hold_at_their_edges),
      cmocka_unit_test(deep_nesting_is_refused_not_recursed),
      cmocka_unit_test(writer_refuses_what_the_reader_would),
      cmocka_unit_test(only_regular_files_are_opened),
      cmocka_unit_test(every_truncation_and_every_flipped_header_byte_is_survived),
      cmocka_unit_test(what_is_written_is_read_and_written_again_alike),
      cmocka_unit_test(hash_is_sha256_of_the_file),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
