/* Datagrams from anybody, under a CRC that is right: the input is pieces, each a byte of length and that many
 * bytes laid over the heads of a good datagram. No crash, no endless loop; sequences never go back within an
 * epoch, and no more records come out than went in. */
#include "tf/udp_reader.h"

#define TURNS_MAX 600u

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t cnt);

static tf_udp_merge_t merge;

static void feed(const uint8_t *piece, size_t cnt, uint32_t idx, uint64_t now_ns) {
  uint8_t         datagram[TF_FRAME_DATAGRAM_BYTES_MAX] = {0};
  uint32_t        records                               = 1 + idx % 3;
  size_t          bytes = TF_UDP_HEAD_BYTES + records * sizeof(tf_decision_t);
  tf_frame_line_t line  = {
       1, 0, sizeof(tf_decision_t), TF_DECISION_VERSION, 0, {0, 0, 0}
  };
  tf_frame_header_t header = {.kind       = TF_FRAME_RECORDS,
                              .record_cnt = (uint16_t)records,
                              .first_seq  = 3u * idx + 1,
                              .prev_seq   = 3u * idx};
  memcpy(datagram, &header, sizeof header);
  memcpy(datagram + sizeof header, &line, sizeof line);
  for (uint32_t i = 0; i < records; i++) {
    uint64_t seq = header.first_seq + i;
    memcpy(datagram + TF_UDP_HEAD_BYTES + i * sizeof(tf_decision_t), &seq, sizeof seq);
  }
  memcpy(datagram, piece, cnt < bytes ? cnt : bytes);
  memcpy(&header, datagram, sizeof header);
  header.magic         = TF_FRAME_MAGIC;
  header.version       = TF_FRAME_VERSION;
  header.payload_bytes = (uint32_t)bytes - TF_FRAME_HEADER_BYTES;
  header.crc32c        = 0;
  memcpy(datagram, &header, sizeof header);
  header.crc32c = tf_udp_crc_(merge.crc_table, 0, datagram, bytes);
  memcpy(datagram, &header, sizeof header);
  tf_udp_merge_feed(&merge, datagram, bytes, now_ns);
}

static void drain(uint64_t now_ns) {
  tf_udp_ask_t asks[TF_UDP_ASKS_MAX];
  uint64_t     seq = 0;
  for (uint32_t i = 0; i < TURNS_MAX * 16; i++) {
    tf_udp_result_t result = tf_udp_merge_next(&merge, now_ns);
    if (result == TF_UDP_EPOCH) seq = 0;
    if (result == TF_UDP_RECORD) {
      TF_ASSERT(merge.seq > seq);
      seq = merge.seq;
    } else if (result != TF_UDP_LOST && result != TF_UDP_EPOCH) {
      TF_ASSERT(tf_udp_merge_asks(&merge, now_ns, asks, TF_UDP_ASKS_MAX) <= TF_UDP_ASKS_MAX);
      return;
    }
  }
  TF_ASSERT(!"results without end");
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t cnt) {
  static const tf_udp_merge_config_t config = {0};
  uint64_t                           now_ns = TF_NS_PER_SEC;
  tf_udp_merge_init(&merge, &config);
  for (uint32_t idx = 0; cnt > 0 && idx < TURNS_MAX; idx++) {
    size_t length = bytes[0] % 96u;
    bytes++, cnt--;
    if (length > cnt) length = cnt;
    feed(bytes, length, idx, now_ns);
    drain(now_ns);
    bytes += length, cnt -= length;
    now_ns += length * 10 * TF_NS_PER_MS;
  }
  TF_ASSERT(merge.record_cnt <= 3 * merge.datagram_cnt);
  return 0;
}
