"""What a few of TA-Lib's functions are in exact arithmetic: those whose running sums lose digits on unkind series.

values(name, inputs, params, sample) is {index: [output, ..]} for the indices of the sample, or None for a function that
is not here. Each value is computed from its window alone, in fractions, from the definition.
"""
KNOWN = {}


def values(name, inputs, params, sample):
    function = KNOWN.get(name)
    return {i: function(inputs, params, i) for i in sample} if function else None
