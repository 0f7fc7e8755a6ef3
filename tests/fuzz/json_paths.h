/* What a reading of a message left, as one number. Built twice: json_paths_sse2.c as the machine has
 * it, json_paths_swar.c for machines without SSE2, under other names, so that one program holds both. */
#ifndef TESTS_FUZZ_JSON_PATHS_H
#define TESTS_FUZZ_JSON_PATHS_H

#include <stddef.h>
#include <stdint.h>

/* bytes: TF_BYTES_PAD readable ones behind. */
uint64_t json_digest_sse2(const char *bytes, size_t cnt);
uint64_t json_digest_swar(const char *bytes, size_t cnt);

#endif
