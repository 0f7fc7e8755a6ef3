#include "stream_fixture.h"

void stream_skip_without_shm(void) {
  if (access("/dev/shm", W_OK) == 0) return;
  printf("skipped: /dev/shm cannot be written here\n");
  exit(77);
}

/* The file goes even if the test fails half-way; children leave by _exit and do not come here. */
static char last_path[TF_STREAM_PATH_BYTES];
static void last_path_remove(void) { unlink(last_path); }

void stream_init(stream_t *stream, const char *name, uint64_t slot_cnt) {
  memset(stream, 0, sizeof *stream);
  snprintf(stream->name, sizeof stream->name, "test-%.40s.%d", name, (int)getpid());
  TF_ASSERT(tf_stream_path(stream->name, stream->path));
  if (last_path[0] == 0) atexit(last_path_remove);
  unlink(last_path);
  memcpy(last_path, stream->path, sizeof last_path);
  unlink(stream->path);
  stream->config =
      (tf_sink_config_t){.type = "shm", .path = stream->name, .slot_cnt = slot_cnt, .epoch = 1};
  TF_ASSERT(tf_sink_shm.state_bytes(&stream->config) <= sizeof stream->state);
}

tf_err_t stream_open(stream_t *stream) { return tf_sink_shm.open(stream->state, &stream->config); }

void stream_decision(uint64_t seq, tf_decision_t *decision) {
  uint64_t words[TF_STREAM_WORD_CNT];
  words[0] = seq;
  for (uint32_t i = 1; i < TF_STREAM_WORD_CNT; i++)
    words[i] = (seq + i) * UINT64_C(0x9e3779b97f4a7c15);
  memcpy(decision, words, sizeof words);
}

bool stream_decision_whole(const tf_decision_t *decision) {
  tf_decision_t expected;
  stream_decision(decision->decision_seq, &expected);
  return memcmp(&expected, decision, sizeof expected) == 0;
}

void stream_write(stream_t *stream, uint64_t n) {
  while (n--) {
    tf_decision_t decision;
    stream_decision(++stream->written, &decision);
    TF_ASSERT(tf_sink_shm.offer(stream->state, &decision, 1) == 1);
  }
}

void stream_close(stream_t *stream) { TF_ASSERT(tf_sink_shm.close(stream->state) == TF_OK); }

void stream_remove(stream_t *stream) { unlink(stream->path); }

tf_stream_header_t *stream_map(const stream_t *stream, uint64_t *map_bytes) {
  struct stat st;
  int         fd = open(stream->path, O_RDWR | O_CLOEXEC);
  TF_ASSERT(fd >= 0 && fstat(fd, &st) == 0);
  void *map = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  TF_ASSERT(map != MAP_FAILED);
  close(fd);
  *map_bytes = (uint64_t)st.st_size;
  return map;
}
