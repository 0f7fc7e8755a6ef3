/* What a record costs a consumer in tf_client_next, of each source, and what the same 128 bytes cost whoever reads
 * the source without the library: shared memory by tf/reader.h, a socket by one recv(2) a record (SOCK_SEQPACKET), a
 * file by fread(3) of what is in the page cache.
 *
 * One thread: records are put where the client finds them, then only the reading is timed, so that nobody
 * waits for anybody. Rounds are interleaved and their medians taken. */
#include <errno.h>
#include <math.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "bench_print.h"
#include "client/tickfuse_client.h"
#include "core/clock.h"
#include "core/error.h"
#include "file/journal.h"
#include "tf/reader.h"
#include "tf/sink.h"

extern const tf_sink_t tf_sink_shm;

#define ROUND_CNT  31
#define RECORD_CNT 16384u /* of a round; fits the ring */
#define BURST_CNT  64u    /* records that lie ready at a time: 8 KiB, less than a socket holds */

typedef enum contender {
  SHM_CLIENT,
  SHM_HEADER,
  UNIX_CLIENT_64, /* frames of 64 records */
  UNIX_CLIENT_1,
  UNIX_RECV,
  JOURNAL_CLIENT,
  JOURNAL_FREAD,
  CONTENDER_CNT
} contender_t;

static uint64_t     sum; /* of sequences read: the work is not optimised away, and is checked */
static char         stream_name[48], url[160], sock_path[100], file_path[100];
static uint64_t     shm_state[64], shm_seq;
static tf_reader_t  shm_reader;
static tf_client_t *shm_client, *unix_client;
static int          unix_peer = -1, packets[2];
static uint64_t     unix_seq  = 1;
static tf_client_message_t message;

static void must(bool ok, const char *what) {
  if (ok) return;
  fprintf(stderr, "bench_client: %s: %s %s\n", what, strerror(errno), tf_error_text());
  exit(1);
}

/* ---- what lies ready ---- */

static void shm_put(uint32_t cnt) {
  tf_decision_t d = {.version = TF_DECISION_VERSION};
  for (uint32_t i = 0; i < cnt; i++) {
    d.decision_seq = ++shm_seq;
    tf_sink_shm.offer(shm_state, &d, 1);
  }
}

static void unix_put(uint32_t frame_cnt, uint32_t record_cnt) {
  static uint8_t frame[TF_FRAME_HEADER_BYTES + BURST_CNT * sizeof(tf_decision_t)];
  for (uint32_t f = 0; f < frame_cnt; f++) {
    tf_frame_header_t header = {.magic         = TF_FRAME_MAGIC,
                                .kind          = TF_FRAME_RECORDS,
                                .version       = TF_FRAME_VERSION,
                                .record_cnt    = (uint16_t)record_cnt,
                                .payload_bytes = record_cnt * (uint32_t)sizeof(tf_decision_t),
                                .first_seq     = unix_seq};
    size_t            bytes  = sizeof header + header.payload_bytes;
    memcpy(frame, &header, sizeof header);
    for (uint32_t i = 0; i < record_cnt; i++, unix_seq++)
      memcpy(frame + sizeof header + i * sizeof(tf_decision_t), &unix_seq, sizeof unix_seq);
    must(send(unix_peer, frame, bytes, 0) == (ssize_t)bytes, "send");
  }
}

static void packets_put(uint32_t cnt) {
  tf_decision_t d = {.version = TF_DECISION_VERSION};
  for (uint32_t i = 0; i < cnt; i++) {
    d.decision_seq = i;
    must(send(packets[0], &d, sizeof d, 0) == (ssize_t)sizeof d, "send");
  }
}

static void put(contender_t contender) {
  if (contender == SHM_CLIENT || contender == SHM_HEADER) shm_put(BURST_CNT);
  if (contender == UNIX_CLIENT_64) unix_put(1, BURST_CNT);
  if (contender == UNIX_CLIENT_1) unix_put(BURST_CNT, 1);
  if (contender == UNIX_RECV) packets_put(BURST_CNT);
}

/* ---- reading it ---- */

static uint32_t read_client(tf_client_t *client) {
  uint32_t         cnt = 0;
  tf_client_kind_t kind;
  while ((kind = tf_client_next(client, &message)) == TF_CLIENT_RECORD) {
    sum += ((const tf_decision_t *)message.record)->decision_seq;
    cnt++;
  }
  return cnt;
}

static uint32_t read_burst(contender_t contender) {
  tf_decision_t d;
  uint32_t      cnt = 0;
  if (contender == SHM_CLIENT) return read_client(shm_client);
  if (contender == SHM_HEADER)
    for (; tf_reader_next(&shm_reader, &d) == TF_READER_READ; cnt++) sum += d.decision_seq;
  if (contender == UNIX_RECV)
    for (; recv(packets[1], &d, sizeof d, MSG_DONTWAIT) == (ssize_t)sizeof d; cnt++)
      sum += d.decision_seq;
  return contender == UNIX_CLIENT_64 || contender == UNIX_CLIENT_1 ? read_client(unix_client) : cnt;
}

/* The other contender of a stream has seen the records too: it passes over them. */
static void pass(contender_t contender) {
  if (contender == SHM_HEADER) read_client(shm_client);
  if (contender == SHM_CLIENT) tf_reader_seek_tail(&shm_reader);
}

static uint64_t bursts_ticks(contender_t contender, uint32_t record_cnt) {
  uint64_t ticks = 0;
  for (uint32_t left = record_cnt; left; left -= BURST_CNT) {
    put(contender);
    uint64_t begin = tf_clock_ticks();
    uint32_t got   = read_burst(contender);
    ticks += tf_clock_ticks() - begin;
    must(got == BURST_CNT, "a burst that is not whole");
    pass(contender);
  }
  return ticks;
}

static uint64_t journal_ticks(contender_t contender, uint32_t record_cnt) {
  char                error[TF_CLIENT_ERROR_BYTES];
  tf_client_options_t options = TF_CLIENT_OPTIONS;
  options.resume_from         = TF_CLIENT_OLDEST;
  uint32_t got                = 0;
  uint64_t begin;
  if (contender == JOURNAL_CLIENT) {
    snprintf(url, sizeof url, "journal:%s", file_path);
    tf_client_t *client = tf_client_open(url, &options, error, sizeof error);
    must(client && tf_client_next(client, &message) == TF_CLIENT_UP, "journal");
    begin = tf_clock_ticks();
    got   = read_client(client);
    begin = tf_clock_ticks() - begin;
    tf_client_close(client);
  } else {
    FILE         *file = fopen(file_path, "r");
    tf_decision_t d;
    must(file != NULL, file_path);
    begin = tf_clock_ticks();
    for (; got < record_cnt && fread(&d, sizeof d, 1, file) == 1; got++) sum += d.decision_seq;
    begin = tf_clock_ticks() - begin;
    fclose(file);
  }
  must(got == record_cnt, "a journal that is not whole");
  return begin;
}

/* ---- set up ---- */

static void shm_begin(void) {
  char                error[TF_CLIENT_ERROR_BYTES];
  tf_client_options_t options = TF_CLIENT_OPTIONS;
  tf_sink_config_t    config  = {.type = "shm", .path = stream_name, .slot_cnt = 4096, .epoch = 1};
  options.silent_ns           = 3600 * TF_NS_PER_SEC; /* nobody flushes here */
  snprintf(stream_name, sizeof stream_name, "bench-client.%d", (int)getpid());
  must(tf_sink_shm.open(shm_state, &config) == TF_OK, "shm");
  snprintf(url, sizeof url, "shm:%s", stream_name);
  shm_client = tf_client_open(url, &options, error, sizeof error);
  must(shm_client && tf_client_next(shm_client, &message) == TF_CLIENT_UP, "shm");
  must(tf_reader_open(stream_name, &shm_reader) == TF_OK, shm_reader.error);
  shm_reader.dead_after_ns = 3600 * TF_NS_PER_SEC;
}

static void unix_begin(void) {
  char                error[TF_CLIENT_ERROR_BYTES];
  tf_client_options_t options = TF_CLIENT_OPTIONS;
  struct sockaddr_un  to      = {.sun_family = AF_UNIX};
  uint8_t             hello[256];
  struct {
    tf_frame_header_t  header;
    tf_frame_welcome_t body;
  } welcome = {
      .header = {.magic         = TF_FRAME_MAGIC,
                 .kind          = TF_FRAME_WELCOME,
                 .version       = TF_FRAME_VERSION,
                 .payload_bytes = sizeof welcome.body},
      .body   = {.next_seq       = 1,
                 .record_bytes   = sizeof(tf_decision_t),
                 .record_version = TF_DECISION_VERSION,
                 .heartbeat_ms   = 60000             },
  };
  snprintf(sock_path, sizeof sock_path, "/tmp/tf-bench-client.%d", (int)getpid());
  memcpy(to.sun_path, sock_path, strlen(sock_path) + 1);
  unlink(sock_path);
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  must(bind(fd, (struct sockaddr *)&to, sizeof to) == 0 && listen(fd, 1) == 0, sock_path);
  options.flags = TF_CLIENT_OPEN_LATER;
  snprintf(url, sizeof url, "unix:%s", sock_path);
  unix_client = tf_client_open(url, &options, error, sizeof error);
  must(unix_client && tf_client_next(unix_client, &message) == TF_CLIENT_IDLE, "unix");
  unix_peer = accept(fd, NULL, NULL);
  must(recv(unix_peer, hello, sizeof hello, 0) > 0, "hello");
  must(send(unix_peer, &welcome, sizeof welcome, 0) == (ssize_t)sizeof welcome, "welcome");
  must(tf_client_next(unix_client, &message) == TF_CLIENT_UP, "welcome");
  close(fd);
  unlink(sock_path);
  must(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, packets) == 0, "socketpair");
}

static void journal_begin(uint32_t record_cnt) {
  static tf_journal_t journal;
  tf_journal_config_t config = {.path = file_path};
  tf_decision_t       d      = {.version = TF_DECISION_VERSION};
  snprintf(file_path, sizeof file_path, "/tmp/tf-bench-client.%d.journal", (int)getpid());
  unlink(file_path);
  must(tf_journal_init(&journal, &config) == TF_OK, "journal");
  for (d.decision_seq = 1; d.decision_seq <= record_cnt; d.decision_seq++)
    must(tf_journal_append(&journal, &d, 1, 1) == 1, "journal");
  must(tf_journal_fini(&journal) == TF_OK, "journal");
}

int main(int argc, char **argv) {
  tf_bench_options_t options;
  static double      ns[CONTENDER_CNT][ROUND_CNT];
  int                status =
      tf_bench_options_parse(argc, argv, "a record in tf_client_next, by source", &options);
  if (status >= 0) return status;
  if (access("/dev/shm", W_OK) != 0) {
    printf("skipped: a writable /dev/shm is needed\n");
    return 77;
  }
  uint32_t record_cnt = options.smoke ? 1024 : RECORD_CNT;
  int      round_cnt  = options.smoke ? 1 : ROUND_CNT;
  tf_clock_calibrate();
  shm_begin();
  unix_begin();
  journal_begin(record_cnt);
  for (int round = 0; round < round_cnt; round++)
    for (int turn = 0; turn < CONTENDER_CNT; turn++) {
      contender_t contender = (contender_t)((turn + round) % CONTENDER_CNT);
      uint64_t    ticks     = contender >= JOURNAL_CLIENT ? journal_ticks(contender, record_cnt)
                                                          : bursts_ticks(contender, record_cnt);
      ns[contender][round]  = (double)tf_clock_ticks_to_ns(ticks) / (double)record_cnt;
    }
  unlink(file_path);
  tf_client_close(shm_client);
  tf_client_close(unix_client);
  tf_reader_close(&shm_reader);
  tf_sink_shm.close(shm_state);
  char path[TF_STREAM_PATH_BYTES];
  if (tf_stream_path(stream_name, path)) unlink(path);

  static const struct {
    const char *name, *peer;
    contender_t ours, theirs;
  } pairs[] = {
      {"client_shm",     "tf/reader.h alone", SHM_CLIENT,     SHM_HEADER   },
      {"client_unix_64", "recv a record",     UNIX_CLIENT_64, UNIX_RECV    },
      {"client_unix_1",  "recv a record",     UNIX_CLIENT_1,  UNIX_RECV    },
      {"client_journal", "fread a record",    JOURNAL_CLIENT, JOURNAL_FREAD},
  };
  tf_bench_row_t rows[TF_ARRAY_CNT(pairs)];
  for (size_t i = 0; i < TF_ARRAY_CNT(pairs); i++)
    rows[i] = (tf_bench_row_t){
        .name            = pairs[i].name,
        .ours            = tf_bench_median(ns[pairs[i].ours], (size_t)round_cnt),
        .unit            = "ns",
        .peer            = pairs[i].peer,
        .peer_value      = tf_bench_median(ns[pairs[i].theirs], (size_t)round_cnt),
        .budget          = (double)NAN,
        .lower_is_better = true,
    };
  tf_bench_print(rows, TF_ARRAY_CNT(rows), options.json);
  return sum == 0;
}
