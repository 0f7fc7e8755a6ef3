/* Made-up recordings of the tree, decoded: what a message of a venue costs, all its kinds together as they come. */
#ifndef TESTS_INSTRUCTIONS_VENUES_H
#define TESTS_INSTRUCTIONS_VENUES_H

#include <stdint.h>

/* Decodes tests/data/<file>_made.txt, the second half of it with callgrind's counting on. Returns how many messages
 * that were; 0: it cannot be read, or the venue is not known. */
uint64_t venues_run(const char *venue, const char *file);

#endif
