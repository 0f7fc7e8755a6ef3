/* The rest of it: json.c defines names that the others define too. */
#include "../../adapters/wire/json.c"
