/* Rows over the root of their mean square (https://arxiv.org/abs/1910.07467): their mean stays. */
#include "tensor/norm.h"

TF_NORM(rms_norm, 2, 4, false)
