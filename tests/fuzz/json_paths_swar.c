/* The scanner once more, without SSE2 (see json.cmake) and with its symbols renamed. */
#define JSON_DIGEST json_digest_swar
#include "../../adapters/wire/decimal.c"
#include "../../adapters/wire/json_skip.c"
#include "../../adapters/wire/json_unescape.c"
#include "json_digest.h"
