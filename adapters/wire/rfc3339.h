/* Times as text, "2026-08-09T21:05:48.251397169Z" (RFC 3339), to ns since 1970. The fraction may have
 * 1 to 9 digits or be absent, the zone is Z or an offset. A leap second (:60) is the first instant of
 * the next minute. Years 1970 to 2553: what 64 bits of ns hold.
 *
 * Pure functions over bytes; any thread. */
#ifndef TF_WIRE_RFC3339_H
#define TF_WIRE_RFC3339_H

#include "tf/base.h"

/* The whole of text must be one time. False, and *ns untouched, if it is none. */
bool tf_rfc3339_parse(const char *text, size_t text_bytes, uint64_t *ns);

/* "1618678142.557535": seconds since 1970 with at most 9 digits behind the point. */
bool tf_rfc3339_parse_seconds(const char *text, size_t text_bytes, uint64_t *ns);

#endif
