/* And its levels. */
#include "../../adapters/wire/json_levels.c"
