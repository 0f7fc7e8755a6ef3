/* Rows less their mean, over the root of their variance. Instance and group norms are this over reshaped rows. */
#include "tensor/norm.h"

TF_NORM(layer_norm, 3, 8, true)
