/* The nearest whole number, of two the even one. */
#include "tensor/pointwise.h"

TF_POINTWISE(round, 1, rint(a), rintf(a))
