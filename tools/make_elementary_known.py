#!/usr/bin/env python3
"""Writes tests/kernels/indicator/elementary_known.inc: sine, cosine and tangent of arguments that are hard to reduce, from
decimals of 260 digits: large ones, and for many exponents the double nearest to a multiple of pi / 2."""
import sys
from decimal import Decimal, getcontext
from fractions import Fraction

getcontext().prec = 260


def pi():
    """Gauss and Legendre's arithmetic-geometric mean."""
    a, b, t, p = Decimal(1), 1 / Decimal(2).sqrt(), Decimal(1) / 4, Decimal(1)
    for _ in range(9):
        mean = (a + b) / 2
        b, t, p, a = (a * b).sqrt(), t - p * (a - mean) ** 2, p * 2, mean
    return (a + b) ** 2 / (4 * t)


PI = pi()


def sin_cos(x):
    quarters = (Decimal(x) * 2 / PI).to_integral_value()
    r = Decimal(x) - quarters * PI / 2
    sums, term = [Decimal(0), Decimal(0)], Decimal(1)  # of cosine and sine
    for n in range(200):
        sums[n % 2] += term if n % 4 < 2 else -term
        term = term * r / (n + 1)
    c, s = sums
    return [(s, c), (c, -s), (-s, -c), (-c, s)][int(quarters) % 4]


def nearest_to_multiples():
    """By the continued fraction of 2^e / (pi / 2), whose convergents' denominators are the mantissas."""
    half = Fraction(int(PI / 2 * 10**200), 10**200)
    for e in range(-50, 440, 7):
        k0, k1, y, m = 1, 0, Fraction(2) ** e / half, 0
        while True:
            whole = y.numerator // y.denominator
            k0, k1 = k1, whole * k1 + k0
            if k1 >= 2**53:
                break
            m = k1
            if y == whole:
                break
            y = 1 / (y - whole)
        while 0 < m < 2**52:
            m *= 2
        if 1 < m * 2.0**e < 1e150:
            yield m * 2.0**e


def main():
    large = [1e6, 1e9, 123456789.125, 1e15, 1e22, 2.0**60, 3e40, 1e75, 1.7e100, 1e149, -1e150, 7.0e16, 6.1e120]
    for x in large + list(nearest_to_multiples()):
        s, c = sin_cos(x)
        for name, value in (("sin", s), ("cos", c), ("tan", s / c)):
            sys.stdout.write(f"    {{tf_{name}, {x.hex()}, {float(value).hex()}}},\n")


if __name__ == "__main__":
    main()
