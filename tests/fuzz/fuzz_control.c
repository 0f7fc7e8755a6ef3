/* A line on the control socket from anybody: refused with a reason, or a request within its sizes. */
#include <string.h>

#include "boot/control_request.h"
#include "core/error.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t cnt);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t cnt) {
  tf_control_request_t r;
  if (tf_control_request_parse((const char *)bytes, cnt, &r) != TF_OK) {
    TF_ASSERT(tf_error_code() == E_CONTROL_REQUEST && *tf_error_text());
    return 0;
  }
  TF_ASSERT(r.command < TF_CONTROL_COMMAND_CNT);
  TF_ASSERT(memchr(r.instrument, 0, sizeof r.instrument) && memchr(r.token, 0, sizeof r.token));
  TF_ASSERT(r.position_exp <= 0 && r.position_exp >= -18);
  return 0;
}
