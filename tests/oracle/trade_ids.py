"""Which trades of an instrument are news, by the rule of adapters/feed/trade_ids.h: an id above the
last is; one below it is if it was left out by one of the newest eight jumps and has not come since."""

HOLES, EARLY, RESTART = 8, 63, 10**6


class TradeIds:
    def __init__(self):
        self.last, self.holes, self.jumped = None, [], False  # holes: (first, last), ascending

    def begin(self, number):
        self.last = number
        self.holes = [(max(0, number - EARLY), number - 1)] if number else []

    def is_news(self, number):
        self.jumped = False
        if self.last is None:
            self.begin(number)
            return True
        if number > self.last:
            self.jumped = number > self.last + 1
            self.holes += [(self.last + 1, number - 1)] * self.jumped
            self.last = number
        else:
            of = [h for h in self.holes if h[0] <= number <= h[1]]
            if not of and self.last - number < RESTART:
                return False
            if not of:
                self.begin(number)
                return True
            first, last = of[0]
            parts = [h for h in ((first, number - 1), (number + 1, last)) if h[0] <= h[1]]
            self.holes = sorted(set(self.holes) - set(of) | set(parts))
        self.holes = self.holes[-HOLES:]
        return True
