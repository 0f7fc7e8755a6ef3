/* What decides whether a record goes to a sink (stage/sink_filter.h), as rows of the program that carries them. */
#ifndef TESTS_INSTRUCTIONS_SINKS_H
#define TESTS_INSTRUCTIONS_SINKS_H

#include <stdint.h>

/* Dumps each row of so many decisions. */
void sinks_run(uint32_t decision_cnt);

#endif
