/* What anybody may say first to a listener: refused with a reason, waited for, or a hello within its
 * sizes; and the same however it is cut. The first byte chooses the format. */
#include <string.h>

#include "sink/hello.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t cnt);

static void check_why(const char *why) {
  TF_ASSERT(*why && strnlen(why, TF_HELLO_WHY_BYTES) < TF_HELLO_WHY_BYTES);
  for (; *why; why++) TF_ASSERT(*why >= ' ' && *why <= '~' && *why != '"' && *why != '\\');
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t cnt) {
  tf_hello_t hello, again;
  char       why[TF_HELLO_WHY_BYTES] = "";
  if (cnt == 0) return 0;
  tf_sink_format_t format = bytes[0] & 1 ? TF_FORMAT_JSON : TF_FORMAT_BINARY;
  bytes++;
  cnt -= 1;
  if (cnt > TF_HELLO_BYTES_MAX) cnt = TF_HELLO_BYTES_MAX;
  int took = tf_hello_read(format, bytes, cnt, &hello, why);
  if (took < 0) check_why(why);
  TF_ASSERT(took <= (int)cnt);
  TF_ASSERT(took != 0 || cnt < TF_HELLO_BYTES_MAX); /* nobody waits for ever */
  if (took <= 0) return 0;
  TF_ASSERT(hello.token_bytes <= TF_FRAME_TOKEN_BYTES_MAX);
  TF_ASSERT(hello.carries < TF_CARRIES_CNT || hello.carries == TF_HELLO_CARRIES_ANY);
  TF_ASSERT(tf_hello_read(format, bytes, (size_t)took, &again, why) == took);
  TF_ASSERT(memcmp(&hello, &again, sizeof hello) == 0);
  TF_ASSERT(tf_hello_read(format, bytes, (size_t)took - 1, &again, why) == 0);
  return 0;
}
