#define JSON_DIGEST json_digest_sse2
#include "json_digest.h"
