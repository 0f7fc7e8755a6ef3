/* A recording from anywhere, plain or compressed, in each of the text formats: no crash, an end in
 * bounded time, every record within its limits, and the bytes read all accounted for. */
#include "file/recording.h"
#include "fuzz_file.h"

#define CALLS_MAX 1000000u

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t cnt);

/* Touches each byte, for the sanitizer. */
static void read_bytes(const tf_record_t *record) {
  uint8_t sum = 0;
  for (uint32_t i = 0; i < record->bytes_cnt; i++) sum ^= (uint8_t)record->bytes[i];
  __asm__ volatile("" ::"r"(sum));
}

static void read_all(tf_recording_t *recording) {
  tf_recording_result_t result = TF_RECORDING_AGAIN;
  for (uint32_t i = 0; result <= TF_RECORDING_AGAIN; i++) {
    tf_record_t record;
    result = tf_recording_next(recording, &record);
    if (i == CALLS_MAX) abort();
    if (result != TF_RECORDING_RECORD) continue;
    read_bytes(&record);
  }
  tf_recording_counts_t c = recording->counts;
  if (c.bytes_read != c.bytes_framed + c.bytes_partial + c.bytes_rejected) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t cnt) {
  static tf_recording_t recording;
  const char           *path = fuzz_file("tf-fuzz-recording", bytes, cnt);
  if (tf_recording_init(&recording, path) == TF_OK) read_all(&recording);
  tf_recording_fini(&recording);
  unlink(path);
  return 0;
}
