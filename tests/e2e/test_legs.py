"""Two connections for one stream: the first to bring something wins, one may die, and a capture of both replays."""
import json
import pathlib
import re
import sys
import tempfile
import unittest
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from chaostcp import ChaosTcp, Fault
from harness import DEMO, Exchange, LiveEngine, live, main, replay, run, side_by_side, venue_sets, wait_until

SAMPLE = re.compile(r'tickfuse_(leg_\w+)\{feed="main",leg="(\d)"(?:,\w+="([^"]*)")?\} (\S+)')
DELAY_S = 0.02
MORE = {  # venues beside the harness's, one of each way to tell a message from its repeat; each on one connection
    "bybit": ["BTCUSDT", "ETHUSDT"], "gate": ["BTC_USDT", "ETH_USDT"], "hyperliquid": ["BTC", "ETH"],
    "kucoin": ["BTC-USDT", "ETH-USDT"], "okx": ["BTC-USDT", "ETH-USDT"]}


def sets_of(venue):
    if venue not in MORE:
        return venue_sets(venue)
    return [f"feeds.0.venue={venue}", f"feeds.0.instruments=[{','.join(MORE[venue])}]",
            "feeds.0.channels=[trade,quote,book,ticker]"]


def through(exchange, proxy):
    """The exchange's addresses, its websocket by way of the proxy."""
    exchange.sets[0] = f"feeds.0.url=ws://127.0.0.1:{proxy.port}"
    return exchange


def legs_of(engine):
    """{leg: {"leg_messages_total": 5, "leg_races_total won": 3, ...}}"""
    try:
        text = urllib.request.urlopen(f"http://127.0.0.1:{engine.port}/metrics", timeout=5).read().decode()
    except OSError:
        return {}
    legs = {}
    for name, leg, label, value in SAMPLE.findall(text):
        legs.setdefault(int(leg), {})[f"{name} {label}".strip()] = float(value)
    return legs


def is_plain(exchange):
    return exchange.url.startswith("ws:")


class TwoLegs(unittest.TestCase):
    def same_again(self, got, out, venue="binance-spot"):
        again, _ = replay(out, config=DEMO, sets=sets_of(venue) if venue != "binance-spot" else ())
        for key in ("events_hash", "decisions_hash", "messages", "events", "merged", "decisions"):
            self.assertEqual(got[key], again[key], key)

    def test_late_leg_loses_and_the_other_leads_by_as_much(self):
        with Exchange() as exchange:
            self.assertTrue(is_plain(exchange))
            port = int(exchange.url.rsplit(":", 1)[1].split("/")[0])
            with ChaosTcp(port, lambda number: Fault(delay_s=DELAY_S if number == 1 else 0)) as proxy, \
                    tempfile.TemporaryDirectory() as scratch:
                control, out = f"{scratch}/control", f"{scratch}/capture"
                with LiveEngine(through(exchange, proxy), "feeds.0.legs=2", f"capture.path={out}",
                                f"control.path={control}") as engine:
                    wait_until(lambda: sum(l["leg_races_total won"] for l in legs_of(engine).values()) > 2000,
                               what="races")
                    status, _ = run("control", control, "status")
                    answer = json.loads(run("control", control, "status", "--json")[0])
                    legs = legs_of(engine)
                    got, _ = engine.finish()
                up = [leg for leg in legs.values() if leg["leg_up"] == 1]
                self.assertEqual(len(up), 2)
                early, late = sorted(up, key=lambda leg: -leg["leg_races_total won"])
                won, lost = early["leg_races_total won"], early["leg_races_total lost"]
                self.assertGreater(won / (won + lost), 0.9)
                self.assertLess(late["leg_races_total won"], late["leg_races_total lost"])
                self.assertGreater(early["leg_lead_seconds 0.5"], DELAY_S / 2)
                self.assertLess(early["leg_lead_seconds 0.5"], DELAY_S * 4)
                self.assertGreater(late["leg_duplicates_total"], 0.8 * lost)
                rows = answer["feeds"][0]["legs"]
                self.assertEqual([row["up"] for row in rows], [True, True])
                self.assertGreater(max(row["win_rate"] for row in rows), 0.9)
                self.assertEqual(len(re.findall(r"^legs .*up .*first in", status, re.M)), 2)
                self.assertEqual((got["gaps"], got["ledger"]["residual"]), (0, 0))
                self.same_again(got, out)

    def one_dies(self, venue, kill):
        """One leg is cut again and again, at bytes that fall anywhere in frames."""
        def plan(number):
            return Fault(**{kill: 20000 + 7919 * (number % 7)}) if number else Fault()

        with Exchange("--venue", venue, "--rate", "500") as exchange:  # proxies in Python keep up with that
            port = int(exchange.url.rsplit(":", 1)[1].split("/")[0])
            with ChaosTcp(port, plan) as proxy, tempfile.TemporaryDirectory() as out:
                got, _ = live(through(exchange, proxy), *sets_of(venue), "feeds.0.legs=2", f"capture.path={out}",
                              seconds="8s")
                self.assertGreater(proxy.faults_done, 1)
                self.assertEqual(got["ledger"]["residual"], 0)
                self.assertGreater(got["events"]["trade"], 100)
                self.same_again(got, out, venue)
                return got

    def test_leg_may_die_beside_another(self):
        def one(venue, kill):
            got = self.one_dies(venue, kill)
            if venue not in ("coinbase", "coinbase-exchange", "kraken", "hyperliquid"):
                self.assertEqual(got["gaps"], 0)  # sequences are the instrument's: nobody notices
                self.assertEqual(got["resyncs"], 0)
            else:
                self.assertGreater(got["merged"], 0)

        side_by_side(self, [("binance-spot", "reset_at"), ("binance-usdm", "fin_at"), ("coinbase", "reset_at"),
                            ("coinbase-exchange", "fin_at"), ("kraken", "reset_at"),
                            *((venue, kill) for venue, kill in zip(sorted(MORE), ("reset_at", "fin_at") * 3))], one)

    def test_what_stands_in_serves_when_all_legs_are_lost_and_not_before(self):
        with Exchange("--seed", "1") as one, Exchange("--seed", "2") as two:
            port = int(one.url.rsplit(":", 1)[1].split("/")[0])
            with ChaosTcp(port, lambda number: Fault(reset_at=100000 if number == 1 else -1)) as proxy:
                fallback = f'feeds.0.fallback=[{{url: "{two.url}", rest: "{two.rest}"}}]'
                with LiveEngine(through(one, proxy), "feeds.0.legs=2", fallback) as engine:
                    wait_until(lambda: proxy.faults_done == 1 and proxy.connections >= 3, what="a leg to die")
                    wait_until(lambda: sum(leg.get("leg_up", 0) for leg in legs_of(engine).values()) >= 2, what="another")
                    self.assertEqual(engine.metrics().get(("tickfuse_feed_standby", "main")), 0)
                    one.process.kill()
                    wait_until(lambda: engine.metrics().get(("tickfuse_feed_standby", "main~1")) == 0, 60,
                               what="the other to serve")
                    got, err = engine.finish()
                self.assertEqual(got["ledger"]["residual"], 0)
                self.assertEqual(err.count("route_switched connection=main"), 1)

    def test_check_says_how_many_sockets_a_config_opens(self):
        out, _ = run("check", DEMO, "--set", "feeds.0.legs=3")
        self.assertIn(", 3 legs\n", out)
        self.assertIn("sockets: 3, and one more", out)
        self.assertNotIn("sockets", run("check", DEMO)[0])
        _, err = run("check", DEMO, "--set", "feeds.0.legs=5", expect=2)
        self.assertIn("feeds[0].legs: 5 is out of range; allowed: 1 .. 4", err)


if __name__ == "__main__":
    main()
