/* And its levels. */
#include "../../adapters/wire/json_levels.c"
#include "json_paths_swar_names.h"
