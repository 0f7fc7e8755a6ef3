/* TLS 1.3 records as an attacker without the key and as one with it: the input is a list of
 * records, some sealed properly around the fuzzer's inner content, some raw. Read whole into a
 * large buffer and in pieces into a small one, the plaintext and the end must be the same. */
#include <stdlib.h>
#include <string.h>

#include "../adapters/wire/record_seal.h"
#include "wire/tls_record.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_cnt);

#define STREAM_BYTES 65536

typedef struct outcome {
  tf_tls_record_status_t status;
  bool                   update_requested;
  uint32_t               post_handshake_cnt;
  size_t                 plain_cnt;
  char                   fault[sizeof((tf_tls_record_t *)NULL)->fault];
  uint8_t                plain[STREAM_BYTES];
} outcome_t;

static outcome_t whole, pieces;
static uint8_t   stream[STREAM_BYTES + 1024];
static uint8_t   secret[48] = "a secret that everybody who reads this knows";

static void read_all(outcome_t *out, uint16_t suite, size_t cnt, size_t piece, size_t cap) {
  tf_tls_record_t rec = {0};
  memset(out, 0, offsetof(outcome_t, plain));
  TF_ASSERT(tf_tls_record_init(&rec, suite, secret, suite == 0x1302 ? 48 : 32));
  out->status = TF_TLS_RECORD_MORE;
  for (size_t at = 0; at < cnt && out->status == TF_TLS_RECORD_MORE;) {
    const size_t   n     = cnt - at < piece ? cnt - at : piece;
    uint8_t       *block = malloc(n), *plain = malloc(cap);
    const uint8_t *rx     = block;
    size_t         rx_cnt = n, got;
    TF_ASSERT(block && plain);
    memcpy(block, stream + at, n);
    do {
      out->status = tf_tls_record_read(&rec, &rx, &rx_cnt, plain, cap, &got);
      TF_ASSERT(got <= cap && out->plain_cnt + got <= STREAM_BYTES);
      memcpy(out->plain + out->plain_cnt, plain, got);
      out->plain_cnt += got;
    } while (out->status == TF_TLS_RECORD_FULL);
    free(block);
    free(plain);
    at += n;
  }
  out->update_requested   = rec.update_requested;
  out->post_handshake_cnt = rec.post_handshake_cnt;
  memcpy(out->fault, rec.fault, sizeof out->fault);
  tf_tls_record_fini(&rec);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_cnt) {
  if (bytes_cnt < 3) return 0;
  const uint16_t suite = (uint16_t)(0x1301 + bytes[0] % 3);
  const size_t   piece = 1u + bytes[1], cap = 1u + bytes[2];
  sealer_t       s;
  size_t         cnt = 0;
  sealer_init(&s, suite, secret);
  for (size_t at = 3; at < bytes_cnt;) { /* per record: a command, then as many bytes as it says */
    const uint8_t command = bytes[at++];
    size_t        n       = command & 0x3F;
    if (n > bytes_cnt - at) n = bytes_cnt - at;
    if (cnt + n + 32 > STREAM_BYTES) break;
    if (command >= 0xC0) {
      sealer_update_key(&s);
    } else if (command >= 0x80) {
      memcpy(stream + cnt, bytes + at, n);
      cnt += n;
    } else {
      cnt += sealer_seal(&s, bytes + at, n, stream + cnt);
    }
    at += n;
  }
  read_all(&whole, suite, cnt, SIZE_MAX, STREAM_BYTES);
  read_all(&pieces, suite, cnt, piece, cap);
  TF_ASSERT(whole.status == pieces.status && whole.plain_cnt == pieces.plain_cnt);
  TF_ASSERT(whole.update_requested == pieces.update_requested);
  TF_ASSERT(whole.post_handshake_cnt == pieces.post_handshake_cnt);
  TF_ASSERT(strcmp(whole.fault, pieces.fault) == 0);
  TF_ASSERT(memcmp(whole.plain, pieces.plain, whole.plain_cnt) == 0);
  return 0;
}
