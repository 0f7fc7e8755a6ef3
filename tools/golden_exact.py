"""What some of TA-Lib's functions are when no digits are lost: those whose running sums drift, or whose answer hangs on a
difference that only rounding keeps from being zero.

values(name, inputs, params, lookback, sample) is {index: [output, ..]}, or None for a function that is not here. What a
window decides is computed from that window alone, in fractions; what recurs, in numbers of 64 bits (x87), with prices
counted from the newest, so that what cancels is exactly zero. Nothing is shared with the C code.
"""
import math
from fractions import Fraction

import numpy as np

LONG = np.longdouble
if np.finfo(LONG).nmant < 63:
    raise SystemExit("golden_exact.py wants long double of 64 bits, as on x86-64")

MAMA = 7  # of the averages
DEGREES = LONG(180) / np.arctan2(LONG(0), LONG(-1))


def root(x):
    """Square root of a fraction as a double."""
    if x == 0:
        return 0.0
    shift = max(0, 160 - (x.numerator.bit_length() - x.denominator.bit_length())) // 2 * 2
    whole = (x.numerator << shift) // x.denominator if shift else x.numerator // x.denominator

    return float(Fraction(math.isqrt(whole), 1 << (shift // 2)))


def window(x, n, i):
    return [Fraction(float(v)) for v in x[i + 1 - n:i + 1]]


# ---- windows ----

def variance(x):
    mean = sum(x) / len(x)
    return sum((v - mean) ** 2 for v in x) / len(x)


def var(inputs, params, i):
    return [float(variance(window(inputs[0], int(params[0]), i)))]


def stddev(inputs, params, i):
    return [root(variance(window(inputs[0], int(params[0]), i))) * params[1]]


def line(x):
    """Slope and value at the oldest."""
    n = len(x)
    slope = sum((Fraction(k) - Fraction(n - 1, 2)) * v for k, v in enumerate(x)) * 12 / (n * (n * n - 1))
    return slope, sum(x) / n - slope * Fraction(n - 1, 2)


def line_of(read):
    def function(inputs, params, i):
        n = int(params[0])
        return [float(read(*line(window(inputs[0], n, i)), n))]
    return function


def fosc(inputs, params, i):
    n, close = int(params[0]), Fraction(float(inputs[0][i]))
    slope, start = line(window(inputs[0], n, i - 1))
    return [float(100 * (close - (start + slope * n)) / close) if close else 0.0]


def comoments(x, y):
    mx, my = sum(x) / len(x), sum(y) / len(y)
    return (sum((a - mx) ** 2 for a in x), sum((b - my) ** 2 for b in y), sum((a - mx) * (b - my) for a, b in zip(x, y)))


def beta(inputs, params, i):
    n = int(params[0])
    changes = []
    for series in inputs:  # of doubles, as both sides round them
        pairs = zip(series[i - n:i], series[i - n + 1:i + 1])
        changes.append([Fraction(float((b - a) / a)) if a else Fraction(0) for a, b in pairs])
    xx, _, xy = comoments(*changes)
    return [float(xy / xx) if xx else 0.0]


def correl(inputs, params, i):
    n = int(params[0])
    xx, yy, xy = comoments(window(inputs[0], n, i), window(inputs[1], n, i))
    return [float(xy) / root(xx * yy) if xx and yy else 0.0]


def cci(inputs, params, i):
    high, low, close = inputs
    x = window((high + low + close) / 3, int(params[0]), i)
    mean = sum(x) / len(x)
    size = sum(abs(v - mean) for v in x) / len(x)
    return [float((x[-1] - mean) / size) / 0.015 if size else 0.0]


def efficiency(inputs, params, i):
    x = window(inputs[0], int(params[0]) + 1, i)
    way = sum(abs(b - a) for a, b in zip(x, x[1:]))
    return [float(abs(x[-1] - x[0]) / way) if way else 1.0]


def vortex(inputs, params, i):
    high, low, close = (window(x, int(params[0]) + 1, i) for x in inputs)
    bars = range(1, len(high))
    ranges = sum(max(high[k] - low[k], abs(high[k] - close[k - 1]), abs(low[k] - close[k - 1])) for k in bars)
    plus, minus = sum(abs(high[k] - low[k - 1]) for k in bars), sum(abs(low[k] - high[k - 1]) for k in bars)
    return [float(plus / ranges), float(minus / ranges)] if ranges else [0.0, 0.0]


WINDOWS = {
    "VAR": var, "STDDEV": stddev, "FOSC": fosc, "BETA": beta, "CORREL": correl, "CCI": cci, "ER": efficiency,
    "VORTEX": vortex,
    "LINEARREG": line_of(lambda slope, start, n: start + slope * (n - 1)),
    "LINEARREG_ANGLE": line_of(lambda slope, start, n: np.degrees(np.arctan(float(slope)))),
    "LINEARREG_INTERCEPT": line_of(lambda slope, start, n: start),
    "LINEARREG_SLOPE": line_of(lambda slope, start, n: slope),
    "TSF": line_of(lambda slope, start, n: start + slope * n),
}


# ---- the Hilbert transform and what is made with it, after Ehlers ----

def filtered(x, t):
    """Seven taps, every second one nonzero; 0 before the start."""
    at = lambda k: x[t - k] if t >= k else 0
    return LONG(0.0962) * long_of(at(0) - at(6)) + LONG(0.5769) * long_of(at(2) - at(4))


def long_of(x):
    """A fraction as a long double: its double and what that leaves."""
    return LONG(float(x)) + LONG(float(x - Fraction(float(x)))) if isinstance(x, Fraction) else LONG(x)


class Hilbert:
    """Over all of x; lists from bar `idle` on."""

    def __init__(self, x, idle):
        x = [Fraction(float(v)) for v in x]
        self.idle, self.smooth, self.i1, self.q1, self.period, self.cycle = idle, [], [], [], [], []
        d, q1, period, cycle = [], [], LONG(0), LONG(0)
        i2 = q2 = re = im = LONG(0)
        for t in range(idle, len(x)):
            self.smooth.append((4 * x[t] + 3 * x[t - 1] + 2 * x[t - 2] + x[t - 3]) / 10)
            n, gain = len(self.smooth) - 1, LONG(0.075) * period + LONG(0.54)
            d.append(filtered(self.smooth, n) * gain)
            q1.append(filtered(d, n) * gain)
            self.i1.append(d[n - 3] if n >= 3 else LONG(0))
            self.q1.append(q1[n])
            ji, jq = filtered(self.i1, n) * gain, filtered(q1, n) * gain
            new_i2 = LONG(0.2) * (self.i1[n] - jq) + LONG(0.8) * i2
            new_q2 = LONG(0.2) * (q1[n] + ji) + LONG(0.8) * q2
            re = LONG(0.2) * (new_i2 * i2 + new_q2 * q2) + LONG(0.8) * re
            im = LONG(0.2) * (new_i2 * q2 - new_q2 * i2) + LONG(0.8) * im
            i2, q2, last = new_i2, new_q2, period
            if im != 0 and re != 0:
                period = LONG(360) / (np.arctan(im / re) * DEGREES)
            period = max(min(period, LONG(1.5) * last), LONG(0.67) * last)
            period = LONG(0.2) * min(max(period, LONG(6)), LONG(50)) + LONG(0.8) * last
            cycle = LONG(0.33) * period + LONG(0.67) * cycle
            self.period.append(period)
            self.cycle.append(cycle)


def mama(x, fast, slow):
    """Lists of mama and fama, by bar of x."""
    h, phase, m, f = Hilbert(x, 12), LONG(0), LONG(0), LONG(0)
    outs = [[LONG(0)] * 12, [LONG(0)] * 12]
    for n, (i1, q1) in enumerate(zip(h.i1, h.q1)):
        now = np.arctan(q1 / i1) * DEGREES if i1 != 0 else LONG(0)
        turn, phase = max(phase - now, LONG(1)), now
        step = max(LONG(fast) / turn, LONG(slow)) if turn > 1 else LONG(fast)
        m = step * LONG(x[12 + n]) + (1 - step) * m
        f = step / 2 * m + (1 - step / 2) * f
        outs[0].append(m)
        outs[1].append(f)
    return outs


def phases(x):
    h, phase, out = Hilbert(x, 37), LONG(0), []
    for n, cycle in enumerate(h.cycle):
        bars = int(cycle + LONG(0.5))
        angles = [LONG(2) * np.arctan2(LONG(0), LONG(-1)) * k / bars for k in range(bars)]
        prices = [long_of((h.smooth[n - k] if n >= k else 0) - h.smooth[n]) for k in range(bars)]
        re = sum((np.sin(a) * p for a, p in zip(angles, prices)), LONG(0))
        im = sum((np.cos(a) * p for a, p in zip(angles, prices)), LONG(0))
        if im != 0:
            phase = np.arctan(re / im) * DEGREES
        else:
            phase = phase + (-90 if re < 0 else 90 if re > 0 else 0)
        phase = phase + 90 + 360 / cycle + (180 if im < 0 else 0)
        phase = phase - 360 if phase > 315 else phase
        out.append(phase)
    return h, out


def trend_lines(x, h):
    means, lines = [LONG(0)] * 3, []
    for n, cycle in enumerate(h.cycle):
        bars = int(cycle + LONG(0.5))
        part = np.asarray(x[37 + n + 1 - bars:37 + n + 1], dtype=LONG) if bars else []
        means.append(sum(part, LONG(0)) / bars if bars else LONG(0))
        lines.append((4 * means[-1] + 3 * means[-2] + 2 * means[-3] + means[-4]) / 10)
    return lines


def trend_modes(x):
    h, phase = phases(x)
    lines, out, days, last, last_phase = trend_lines(x, h), [], 0, (LONG(0), LONG(0)), LONG(0)
    for n, cycle in enumerate(h.cycle):
        sine = (np.sin(phase[n] / DEGREES), np.sin((phase[n] + 45) / DEGREES))
        crossed = (sine[0] > sine[1] and last[0] <= last[1]) or (sine[0] < sine[1] and last[0] >= last[1])
        days = 1 if crossed else days + 1
        turned, bar = phase[n] - last_phase, 360 / cycle
        trend = not crossed and days >= cycle / 2 and not LONG(0.67) * bar < turned < LONG(1.5) * bar
        if lines[n] != 0 and abs((long_of(h.smooth[n]) - lines[n]) / lines[n]) >= LONG(0.015):
            trend = True
        out.append(LONG(trend))
        last, last_phase = sine, phase[n]
    return out


def padded(values, idle):
    return [LONG(0)] * idle + list(values)


def ht_sine(x):
    phase = phases(x)[1]
    return [padded([np.sin(p / DEGREES) for p in phase], 37), padded([np.sin((p + 45) / DEGREES) for p in phase], 37)]


def ht_phasor(x):
    h = Hilbert(x, 12)
    return [padded(h.i1, 12), padded(h.q1, 12)]


# ---- what takes an average: only the kinds of which TA-Lib's may hang on rounding ----

KAMA = 6


def kama(x, n):
    slow, lead = LONG(2) / 31, LONG(2) / 3 - LONG(2) / 31
    out, mean = [LONG(0)] * n, LONG(x[n - 1])
    for i in range(n, len(x)):
        way = sum((abs(LONG(b) - LONG(a)) for a, b in zip(x[i - n:i], x[i - n + 1:i + 1])), LONG(0))
        size = abs(LONG(x[i]) - LONG(x[i - n]))
        step = ((LONG(1) if size >= way else size / way) * lead + slow) ** 2
        mean = mean + (LONG(x[i]) - mean) * step
        out.append(mean)
    return out


def averaged(x, period, kind, start):
    """The average of x from bar `start` on; None for a kind that TA-Lib computes well."""
    if period == 1 or kind not in (MAMA, KAMA) or len(x) - start <= period:
        return None
    return [LONG(0)] * start + (kama(x[start:], period) if kind == KAMA else mama(x[start:], 0.5, 0.05)[0])


def raw_k(high, low, close, n):
    out = []
    for i in range(len(close)):
        top, bottom = max(high[max(0, i + 1 - n):i + 1]), min(low[max(0, i + 1 - n):i + 1])
        out.append(100 * ((LONG(close[i]) - LONG(bottom)) / (LONG(top) - LONG(bottom))) if top != bottom else LONG(0))
    return out


def stochf(inputs, params):
    n, d_period, d_kind = (int(p) for p in params)
    k = raw_k(*inputs, n)
    d = averaged(k, d_period, d_kind, n - 1)
    return [k, d] if d else None


def stoch(inputs, params):
    n, k_period, k_kind, d_period, d_kind = (int(p) for p in params)
    k = averaged(raw_k(*inputs, n), k_period, k_kind, n - 1)
    start = n - 1 + (32 if k_kind == MAMA else k_period)
    d = k and (averaged(k, d_period, d_kind, start) or simple_average(k, d_period, start, d_kind))
    return [k, d] if d else None


def kdj(inputs, params):
    both = stoch(inputs, params)
    return both and both + [[3 * k - 2 * d for k, d in zip(*both)]]


def rsi(x, n):
    """Unchanged where the price is: then both parts lose the same part of themselves."""
    up = down = value = LONG(0)
    out = [LONG(0)] * len(x)
    for i in range(1, len(x)):
        change = LONG(x[i]) - LONG(x[i - 1])
        rise, fall = max(change, LONG(0)), max(-change, LONG(0))
        if i <= n:
            up, down = up + rise / n, down + fall / n
        else:
            up, down = up + (rise - up) / n, down + (fall - down) / n
        if i == n or (i > n and change != 0):
            value = 100 * up / (up + down) if up + down != 0 else LONG(0)
        out[i] = value
    return out


def simple_average(x, n, start, kind):
    """Of the kinds that need no more than a few lines, or None; x from `start` on."""
    if kind not in (0, 1, 2, 10, 13) and n > 1:
        return None
    x, out, step = x[start:], [], {1: LONG(2) / (n + 1), 13: LONG(1) / n}.get(kind)
    for i in range(len(x)):
        if n == 1 or kind == 10:
            out.append(x[i])
        elif step is None or i < n:
            part = x[max(0, i + 1 - n):i + 1]
            weights = range(1, len(part) + 1) if kind == 2 else [1] * len(part)
            out.append(sum((w * v for w, v in zip(weights, part)), LONG(0)) / sum(weights))
        else:
            out.append(out[-1] + (x[i] - out[-1]) * step)
    return [LONG(0)] * start + out


def stochrsi(inputs, params):
    n, k_period, d_period, d_kind = (int(p) for p in params)
    line = rsi(inputs[0], n)
    k = [LONG(0)] * n + raw_k(line[n:], line[n:], line[n:], k_period)
    start = n + k_period - 1
    if d_kind in (MAMA, KAMA) and d_period > 1:
        return [k, averaged(k, d_period, d_kind, start)]
    chains = {3: (2, -1), 4: (3, -3, 1)}
    if d_kind in chains and d_period > 1:
        layer, sums = k, None
        for depth, weight in enumerate(chains[d_kind]):
            layer = simple_average(layer, d_period, start + depth * (d_period - 1), 1)
            sums = [weight * v + (sums[i] if sums else 0) for i, v in enumerate(layer)]
        return [k, sums]
    if d_kind == 5 and d_period > 1:
        half = d_period // 2
        inner = simple_average(k, d_period - half, start, 0)
        return [k, simple_average(inner, half + 1, start + d_period - half - 1, 0)]
    d = simple_average(k, d_period, start, d_kind)
    return [k, d] if d else None


def bbands(inputs, params):
    n, up, down, kind = params
    middle = averaged(inputs[0], int(n), kind, 0)
    if middle is None:
        return None
    size = [LONG(root(variance(window(inputs[0], int(n), i)))) if i + 1 >= n else LONG(0) for i in range(len(middle))]
    return [[m + s * LONG(up) for m, s in zip(middle, size)], middle, [m - s * LONG(down) for m, s in zip(middle, size)]]


def moving_average(inputs, params):
    out = averaged(inputs[0], int(params[0]), params[1], 0)
    return out and [out]


def variable_average(inputs, params):
    """Of mama only, which has no period."""
    return [averaged(inputs[0], 2, MAMA, 0)] if params[2] == MAMA and params[0] > 1 else None


SERIES = {
    "MAMA": lambda inputs, params: mama(inputs[0], *params),
    "HT_DCPERIOD": lambda inputs, params: [padded(Hilbert(inputs[0], 12).cycle, 12)],
    "HT_PHASOR": lambda inputs, params: ht_phasor(inputs[0]),
    "HT_DCPHASE": lambda inputs, params: [padded(phases(inputs[0])[1], 37)],
    "HT_SINE": lambda inputs, params: ht_sine(inputs[0]),
    "HT_TRENDLINE": lambda inputs, params: [padded(trend_lines(inputs[0], Hilbert(inputs[0], 37)), 37)],
    "HT_TRENDMODE": lambda inputs, params: [padded(trend_modes(inputs[0]), 37)],
    "MA": moving_average, "MAVP": variable_average,
    "BBANDS": bbands, "STOCHF": stochf, "STOCH": stoch, "KDJ": kdj, "STOCHRSI": stochrsi,
}
LONGEST = 10000  # of a series that is gone through step by step


def values(name, inputs, params, lookback, sample):
    if name in WINDOWS:
        return {i: WINDOWS[name](inputs, params, i) for i in sample if i >= lookback}
    if name not in SERIES or len(inputs[0]) > LONGEST:
        return None
    outs = SERIES[name](inputs, params)
    return outs and {i: [float(o[i]) for o in outs] for i in sample if i >= lookback}
