/* And its levels. */
#include "json_paths_swar_names.h"

#include "../../adapters/wire/json_levels.c"
