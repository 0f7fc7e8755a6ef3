"""Models that read other models, and ensembles, from the outside: decisions compared with what plain Python makes of the same
feature rows."""
import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from harness import SMALL, main, run
from made_models import affine, decisions_of, make_affine, numpy, rows_of, write_config

MADE = f"binance-spot:{SMALL / 'binance_spot_made.txt'}"
FEATURES = ["spread_bps", "imbalance(5)"]
EMBED = [[0.003, -0.002, 0.001, 0.0005], [-0.5, 0.7, 0.2, 0.9]]
EMBED_BIAS = [0.1, -0.1, 0.0, 0.2]
CLASSIFY = [[0.5, 0.6, 0.7], [-0.2, -0.1, 0.1], [0.3, 0.3, 0.3], [0.1, 0.1, 0.2], [-0.4, -0.3, -0.2]]
CLASSIFY_BIAS = [-0.5, 0.0, 0.5]
CLASSIFY_INPUTS = ["embed.0", "embed.1", "embed.2", "embed.3", "imbalance(5)"]
ANY = "{name: any, model: MODEL, buy: 'score > 100', books: all}"


class Made(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="tf-chains-"))

    def inputs(self, models):
        config = write_config(self.folder, FEATURES, models, [])
        return {seq: row for seq, _, row in rows_of(self.folder, MADE, config) if row is not None}

    def refusal(self, models, strategies=("{name: x, buy: 'mid > 0'}",)):
        _, err = run("check", write_config(self.folder, FEATURES, models, strategies), expect=None)
        return err


class Chains(Made):
    def setUp(self):
        super().setUp()
        self.embed = make_affine(self.folder, "embed", FEATURES, EMBED, EMBED_BIAS)
        self.classify = make_affine(self.folder, "classify", CLASSIFY_INPUTS, CLASSIFY, CLASSIFY_BIAS)

    def models(self, embed_keys="", inputs="", embed="embed"):
        """The classifier stands first: the order of answering is not the config's."""
        return [f"{{name: classify, file: {self.classify}{inputs}}}", f"{{name: {embed}, file: {self.embed}{embed_keys}}}"]

    def decide(self, models):
        return decisions_of(self.folder, MADE, write_config(self.folder, FEATURES, models, [ANY.replace("MODEL", "classify")]))

    def test_a_classifier_answers_on_what_the_embedder_made_of_the_same_tick(self):
        got, summary = self.decide(self.models())
        rows = self.inputs(self.models())
        self.assertGreater(len(rows), 100)
        self.assertEqual({seq for seq, _ in got}, set(rows))
        for (seq, _), d in got.items():
            embedded = affine(rows[seq], EMBED, EMBED_BIAS)
            want = affine([*embedded, rows[seq][1]], CLASSIFY, CLASSIFY_BIAS)
            self.assertTrue(numpy.allclose([d["p10"], d["score"], d["p90"]], want, atol=1e-5), (d, want))
        self.assertEqual(summary["models"]["classify"]["done"], summary["models"]["embed"]["done"])

    def test_inputs_of_the_config_say_the_same_in_fewer_words_and_rename(self):
        first, _ = self.decide(self.models())
        said, _ = self.decide(self.models(inputs=", inputs: [emb.v2.0..3, 'imbalance( 5 )']", embed="emb.v2"))
        keys = ("score", "p10", "p90", "action")
        self.assertEqual({k: [d[x] for x in keys] for k, d in first.items()}, {k: [d[x] for x in keys] for k, d in said.items()})

    def test_refusals_pass_on_and_are_counted_as_their_own_reason(self):
        got, summary = self.decide(self.models(", valid: -0.4..0.6"))
        rows = self.inputs(self.models())
        beyond = {seq for seq, row in rows.items() if not all(-0.4 <= v <= 0.6 for v in affine(row, EMBED, EMBED_BIAS))}
        self.assertTrue(0 < len(beyond) < len(rows), len(beyond))
        self.assertEqual({seq for seq, _ in got}, set(rows) - beyond)
        models = summary["models"]
        self.assertEqual(models["embed"]["skipped"]["out_of_range"], len(beyond))
        self.assertEqual(models["classify"]["skipped"]["input"], len(beyond) + models["embed"]["skipped"]["warmup"])
        self.assertEqual(summary["inference"]["skipped_input"], models["classify"]["skipped"]["input"])

    def test_what_cannot_be_is_said_with_its_place(self):
        for inputs, word in (("[embed.1, embed.0, embed.2..3, 'imbalance(5)']", 'input 0 is "embed.1" here; the file was trained with "embed.0"'),
                             ("[embed.0..3, spread_bps]", 'input 4 is "spread_bps" here'),
                             ("[embed.0..3]", "found 4 inputs; the file classify has 5"),
                             ("[embed.0..255]", "found 256 inputs"),
                             ("[embed.3..0, 'imbalance(5)']", "the range goes backwards"),
                             ("[embd.0..3, 'imbalance(5)']", 'no model is named "embd"; did you mean "embed"?'),
                             ("[embed.0..256]", "outputs are numbered from 0 to 255"),
                             ("[classify.0..3, 'imbalance(5)']", "nobody could answer first")):
            err = self.refusal(self.models(inputs=f", inputs: {inputs}"))
            self.assertIn(word, err)
            self.assertRegex(err, r"made\.yaml:\d+:\d+: models\[0\]\.inputs", inputs)
        self.assertIn("whose overrun policy lets a score stand in", self.refusal(
            self.models(", budget: 1ms, overrun: last", inputs=", inputs: [embed.0..3, 'imbalance(5)']")))
        narrow = make_affine(self.folder, "narrow", FEATURES, [[1, 2], [3, 4]], [0, 0])
        self.assertIn("reads output 2 of embed, which has 2, from 0",
                      self.refusal([f"{{name: classify, file: {self.classify}}}", f"{{name: embed, file: {narrow}}}"]))
        self.assertIn('no model is named "embed": name it so', self.refusal(self.models(embed="other")))

    def test_an_embedder_that_a_strategy_reads_has_to_fit_a_horizon(self):
        err = self.refusal(self.models(), [ANY.replace("MODEL", "embed")])
        self.assertIn("embed has 4 outputs, but 1 (scores) or 3 (p10, p50, p90)", err)


class Ensembles(Made):
    SCALES = {"a": 1.0, "b": -0.5, "c": 2.0}

    def setUp(self):
        super().setUp()
        self.weights = {n: numpy.outer([0.004, 1.5], [k, k, k]).tolist() for n, k in self.SCALES.items()}
        self.bias = {"a": [-0.4, 0.0, 0.3], "b": [-0.1, 0.1, 0.2], "c": [-0.9, -0.2, 0.9]}
        self.files = {n: make_affine(self.folder, n, FEATURES, self.weights[n], self.bias[n]) for n in self.SCALES}

    def models(self, keys, member_keys=None):
        members = [f"{{name: {n}, file: {f}{(member_keys or {}).get(n, '')}}}" for n, f in self.files.items()]
        return [f"{{name: both, ensemble: [a, b, c], {keys}}}", *members]

    def decide(self, keys, buy="score > 100", member_keys=None):
        models = self.models(keys, member_keys)
        strategy = f"{{name: all, model: both, buy: {buy!r}, books: all}}"
        return decisions_of(self.folder, MADE, write_config(self.folder, FEATURES, models, [strategy]))

    def answers(self):
        rows = self.inputs(self.models("combine: mean"))
        return {seq: {n: affine(row, self.weights[n], self.bias[n]).astype(float) for n in self.SCALES} for seq, row in rows.items()}

    def test_answers_are_combined_output_by_output(self):
        answers = self.answers()
        self.assertGreater(len(answers), 100)
        w = numpy.array([1.0, 2.5, 0.5])
        ways = {"combine: mean": lambda v: v.mean(axis=0), "combine: median": lambda v: numpy.median(v, axis=0),
                "combine: weighted, weights: [1, 2.5, 0.5]": lambda v: w @ v / w.sum(),
                "combine: vote": lambda v: numpy.sign(v).mean(axis=0),
                "combine: vote, weights: [2, 5, 1]": lambda v: w @ numpy.sign(v) / w.sum()}
        for keys, combine in ways.items():
            got, _ = self.decide(keys)
            self.assertEqual({seq for seq, _ in got}, set(answers))
            for (seq, _), d in got.items():
                members = numpy.array(list(answers[seq].values()))
                if "vote" in keys and numpy.abs(members).min() < 1e-6:
                    continue  # a sign that rounding decides
                found = [d["p10"], d["score"], d["p90"]]
                self.assertTrue(numpy.allclose(found, combine(members), atol=1e-5), (keys, d, members))
                self.assertEqual(found, sorted(found), "quantiles stay in order")

    def test_a_quorum_answers_without_the_members_that_are_absent(self):
        answers = self.answers()
        valid = {"c": ", valid: -1.4..1.4"}
        beyond = {seq for seq, a in answers.items() if numpy.abs(a["c"]).max() > 1.4}
        self.assertTrue(0 < len(beyond) < len(answers), len(beyond))
        whole, summary = self.decide("combine: mean", member_keys=valid)
        self.assertEqual({seq for seq, _ in whole}, set(answers) - beyond)
        both = summary["models"]["both"]
        self.assertEqual(both["skipped"]["quorum"], len(beyond) + summary["models"]["a"]["skipped"]["warmup"])
        two, summary = self.decide("combine: mean, quorum: 2", member_keys=valid)
        self.assertEqual({seq for seq, _ in two}, set(answers))
        self.assertEqual(summary["models"]["both"]["members_absent"], len(beyond))
        for (seq, _), d in two.items():
            present = [a for n, a in answers[seq].items() if n != "c" or seq not in beyond]
            self.assertAlmostEqual(d["score"], numpy.mean(present, axis=0)[1], places=5)

    def test_rules_read_how_far_the_members_are_apart(self):
        answers = self.answers()
        apart = {seq: max(s) - min(s) for seq, s in ((seq, [m[1] for m in a.values()]) for seq, a in answers.items())}
        bound = sorted(apart.values())[len(apart) // 2] + 1e-4
        got, _ = self.decide("combine: mean", buy=f"disagreement > {bound}")
        actions = {d["action"] for d in got.values()}
        self.assertEqual(actions, {"BUY", "HOLD"})
        for (seq, _), d in got.items():
            if abs(apart[seq] - bound) > 1e-6:
                self.assertEqual(d["action"] == "BUY", apart[seq] > bound, seq)

    def test_what_cannot_be_is_said_with_its_place(self):
        for keys, word in (("quorum: 4", "4 of 3 members"), ("weights: [1, 2]", "2 weights for 3 members"),
                           ("weights: [1, 2, 0]", "a weight is a number above 0"), ("combine: weighted", "there are no weights"),
                           ("combine: mode", "allowed: mean, weighted, median, vote"),
                           ("weights: [1, 2, 3]", "combine: weighted or vote takes them"),
                           (f"file: {self.files['a']}", "one of file, registry and ensemble is wanted")):
            err = self.refusal(self.models(keys))
            self.assertIn(word, err)
            self.assertRegex(err, r"made\.yaml:\d+:\d+: models\[0\]")
        self.assertIn("combine, weights and quorum are of an ensemble", self.refusal([f"{{name: a, file: {self.files['a']}, quorum: 1}}"]))
        self.assertIn("nobody could answer first", self.refusal(
            ["{name: p, ensemble: [q, a]}", "{name: q, ensemble: [p, a]}", *self.models("combine: mean")[1:]]))
        wide = make_affine(self.folder, "wide", FEATURES, [[1], [2]], [0])
        self.assertIn("a has 3 outputs and wide 1", self.refusal(["{name: p, ensemble: [a, wide]}", f"{{name: wide, file: {wide}}}",
                                                                  *self.models("combine: mean")[1:]]))
        self.assertIn("disagreement, which is of an ensemble", self.refusal(
            self.models("combine: mean"), ["{name: x, model: a, buy: 'disagreement > 1'}"]))


if __name__ == "__main__":
    main()
