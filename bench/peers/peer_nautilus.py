"""NautilusTrader over a Binance USD-M recording: a BacktestEngine whose venue and cache both keep the
L2 book, and an actor whose three handlers only count. Both engines that the package carries are run,
the documented Cython one and the Rust one of nautilus_pyo3.

  peer_nautilus.py prepare RECORDING CATALOG   recording -> ParquetDataCatalog
  peer_nautilus.py run CATALOG                 per engine: one warm pass, one timed; prints JSON
"""

import gzip
import json
import sys
import time
import warnings

import nautilus_trader
from nautilus_trader.backtest.config import BacktestEngineConfig
from nautilus_trader.backtest.engine import BacktestEngine
from nautilus_trader.common.actor import Actor
from nautilus_trader.config import LoggingConfig, RiskEngineConfig
from nautilus_trader.core import nautilus_pyo3 as rust
from nautilus_trader.model.currencies import USDT
from nautilus_trader.model.data import BookOrder, OrderBookDelta, QuoteTick, TradeTick
from nautilus_trader.model.enums import (AccountType, AggressorSide, BookAction, BookType, OmsType,
                                         OrderSide, RecordFlag)
from nautilus_trader.model.identifiers import TradeId
from nautilus_trader.model.objects import Money, Price, Quantity
from nautilus_trader.persistence.catalog import ParquetDataCatalog
from nautilus_trader.test_kit.providers import TestInstrumentProvider

warnings.filterwarnings("ignore")  # pandas deprecations inside the peer
INSTRUMENT = TestInstrumentProvider.btcusdt_perp_binance()


def price(text):
    return Price(float(text), INSTRUMENT.price_precision)


def size(text):
    return Quantity(float(text), INSTRUMENT.size_precision)


def book_deltas(message, sides, snapshot, recv_ns):
    """One delta a price level; the last one of a message carries F_LAST, by which they are batched."""
    event_ns = message["T"] * 1_000_000
    sequence = message["lastUpdateId" if snapshot else "u"]
    flags = RecordFlag.F_SNAPSHOT if snapshot else 0
    levels = [(side, p, q) for side, key in zip((OrderSide.BUY, OrderSide.SELL), sides) for p, q in message[key]]
    deltas = []
    if snapshot:
        deltas.append(OrderBookDelta.clear(INSTRUMENT.id, sequence, event_ns, recv_ns))
    for i, (side, p, q) in enumerate(levels):
        gone = float(q) == 0
        action = BookAction.DELETE if gone else BookAction.ADD if snapshot else BookAction.UPDATE
        last = RecordFlag.F_LAST if i == len(levels) - 1 else 0
        order = BookOrder(side, price(p), size(q), 0)
        deltas.append(OrderBookDelta(INSTRUMENT.id, action, order, flags | last, sequence, event_ns, recv_ns))
    return deltas


def prepare(recording, catalog_path):
    started = time.perf_counter()
    deltas, trades, quotes = [], [], []
    with gzip.open(recording, "rt") as lines:
        for line in lines:
            recv_ns, _, text = line.partition(" ")
            recv_ns = int(recv_ns)
            message = json.loads(text)
            data = message.get("data")
            if data is None:
                deltas += book_deltas(message, ("bids", "asks"), True, recv_ns)
            elif data["e"] == "depthUpdate":
                deltas += book_deltas(data, ("b", "a"), False, recv_ns)
            elif data["e"] == "trade":
                aggressor = AggressorSide.SELLER if data["m"] else AggressorSide.BUYER
                trades.append(TradeTick(INSTRUMENT.id, price(data["p"]), size(data["q"]), aggressor,
                                        TradeId(str(data["t"])), data["T"] * 1_000_000, recv_ns))
            elif data["e"] == "bookTicker":
                quotes.append(QuoteTick(INSTRUMENT.id, price(data["b"]), price(data["a"]), size(data["B"]),
                                        size(data["A"]), data["T"] * 1_000_000, recv_ns))
    catalog = ParquetDataCatalog(catalog_path)
    for part in ([INSTRUMENT], deltas, trades, quotes):
        catalog.write_data(part)
    print(json.dumps({"convert_s": time.perf_counter() - started}))


class Counts:
    batches = trades = quotes = 0

    def counted(self):
        return self.batches, self.trades, self.quotes


class CythonCounter(Actor, Counts):
    def on_start(self):
        self.subscribe_order_book_deltas(INSTRUMENT.id, BookType.L2_MBP)
        self.subscribe_trade_ticks(INSTRUMENT.id)
        self.subscribe_quote_ticks(INSTRUMENT.id)

    def on_order_book_deltas(self, deltas):
        self.batches += 1

    def on_trade_tick(self, tick):
        self.trades += 1

    def on_quote_tick(self, tick):
        self.quotes += 1


class RustCounter(rust.DataActor, Counts):
    def on_start(self):
        instrument_id = rust.InstrumentId.from_str(str(INSTRUMENT.id))
        self.subscribe_book_deltas(instrument_id, rust.BookType.L2_MBP, managed=True)
        self.subscribe_trades(instrument_id)
        self.subscribe_quotes(instrument_id)

    def on_book_deltas(self, deltas):
        self.batches += 1

    def on_trade(self, tick):
        self.trades += 1

    def on_quote(self, tick):
        self.quotes += 1


def cython_engine():
    engine = BacktestEngine(BacktestEngineConfig(logging=LoggingConfig(bypass_logging=True), run_analysis=False,
                                                 risk_engine=RiskEngineConfig(bypass=True)))
    engine.add_venue(INSTRUMENT.id.venue, OmsType.NETTING, AccountType.MARGIN, [Money(1_000_000, USDT)],
                     book_type=BookType.L2_MBP, bar_execution=False, trade_execution=False)
    engine.add_instrument(INSTRUMENT)
    return engine, CythonCounter(), INSTRUMENT.id


def rust_engine():
    instrument = rust.CryptoPerpetual.from_dict(INSTRUMENT.to_dict(INSTRUMENT))
    engine = rust.BacktestEngine(rust.BacktestEngineConfig(
        logging=rust.LoggerConfig(stdout_level=rust.LogLevel.OFF), run_analysis=False))
    engine.add_venue(rust.Venue(str(INSTRUMENT.id.venue)), rust.OmsType.NETTING, rust.AccountType.MARGIN,
                     [rust.Money.from_str("1000000 USDT")], book_type=rust.BookType.L2_MBP, bar_execution=False,
                     trade_execution=False)
    engine.add_instrument(instrument)
    return engine, RustCounter(rust.DataActorConfig()), instrument.id


def backtest(make, parts):
    """Wall and CPU seconds of engine.run(), the book's best prices after it, and what was counted."""
    engine, actor, instrument_id = make()
    for part in parts:
        engine.add_data(part, sort=False)
    engine.sort_data()
    engine.add_actor(actor)
    wall, cpu = time.perf_counter(), time.process_time()
    engine.run()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    book = engine.cache.order_book(instrument_id)
    best = [round(float(str(p)), 1) for p in (book.best_bid_price(), book.best_ask_price())]
    engine.dispose()
    return {"wall_s": wall, "cpu_s": cpu, "best": best}, actor.counted()


def run(catalog_path):
    started = time.perf_counter()
    catalog = ParquetDataCatalog(catalog_path)
    deltas, trades, quotes = (catalog.order_book_deltas(batched=True), catalog.trade_ticks(), catalog.quote_ticks())
    load_s = time.perf_counter() - started
    levels = sum(d.action != BookAction.CLEAR for batch in deltas for d in batch.deltas)
    data = {"Cython engine": (cython_engine, (deltas, trades, quotes)),
            "Rust engine": (rust_engine, ([d.to_pyo3() for d in deltas], TradeTick.to_pyo3_list(trades),
                                          QuoteTick.to_pyo3_list(quotes)))}
    variants = {}
    for name, (make, parts) in data.items():
        for _ in range(2):
            variants[name], counted = backtest(make, parts)
        if counted != tuple(map(len, (deltas, trades, quotes))):
            sys.exit(f"nautilus {name}: counted {counted}, not what was added")
    print(json.dumps({"version": nautilus_trader.__version__,
                      "events": {"book": levels, "trade": len(trades), "quote": len(quotes)},
                      "ticks": sum(counted), "load_s": load_s, "variants": variants}))


if __name__ == "__main__":
    {"prepare": prepare, "run": run}[sys.argv[1]](*sys.argv[2:])
