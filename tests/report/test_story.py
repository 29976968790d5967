"""The sentences of the report, word for word, from numbers that are given."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from cfsearch.report.story import tell


def plain(text: str) -> str:
    return text.replace("\u202f", " ").replace("\u2212", "-")


def around(value: float, half: float = 0.25) -> dict[str, float]:
    return {"value": value, "low": value - half, "high": value + half}


def effect(variable: str, value: float | None, *, model: str = "m", **more: Any) -> dict[str, Any]:
    estimate = None if value is None else around(value)
    base = {"model": model, "variable": variable, "estimate": estimate, "truth": None, "n": 9}
    return base | {"edit_success": 0.9} | more


def count(model: str = "m", **more: Any) -> dict[str, Any]:
    rate = {"value": 0.75, "low": 0.41, "high": 0.93}
    return {"model": model, "found": 6, "searched": 8, "already_target": 0, "found_rate": rate} | more


def change(variable: str, number: int, *, direction: str = "+", model: str = "m") -> dict[str, Any]:
    rate = {"value": number / 6, "low": 0.1, "high": 0.9}
    return {
        "model": model, "variable": variable, "direction": direction, "count": number, "n": 6, "rate": rate,
    }  # fmt: skip


def document(*, models: tuple[str, ...] = ("m",), **more: Any) -> dict[str, Any]:
    return {
        "models": [{"id": one, "name": f"Model {one.upper()}", "labels": ["no", "yes"]} for one in models],
        "search": {"target": None},
        "counts": [count(one) for one in models],
        "changes": [],
        "effects": [],
        "genuine": [],
        "warnings": [],
    } | more


class TestHeadline:
    """The first sentence where no verdict stands in the document."""

    @pytest.mark.parametrize(
        ("more", "text"),
        [
            (
                {"counts": [count(found=0, searched=0)]},
                "Nothing was searched, so this page can say nothing about the model.",
            ),
            (
                {"counts": [count(found=0, searched=1)]},
                "No verified counterfactual was found in 1 search; the reasons are below.",
            ),
            (
                {"counts": [count(found=0), count(found=0)]},
                "No verified counterfactual was found in 16 searches; the reasons are below.",
            ),
            (
                {"effects": [effect("Young", 0.0)]},
                "One cannot tell of any attribute that the model leans on it.",
            ),
            (
                {"models": ("m", "k"), "effects": [effect("Young", 0.0)]},
                "One cannot tell of any attribute that a model leans on it.",
            ),
            (
                {"changes": [change("Young", 0)]},
                "The model changes its mind, but not by a change that recurs from one picture to the next.",
            ),
            (
                {"inputs": "rows"},
                "The model changes its mind, but not by a change that recurs from one row to the next.",
            ),
            (  # each flip holds another word: a count of one is nothing that the model leans on
                {"inputs": "texts", "changes": [change("dull", 1), change("slow", 1)]},
                "The model changes its mind, but not by a change that recurs from one text to the next.",
            ),
            (
                {"changes": [change("Young", 1) | {"n": 1}]},
                "The sparsest flips most often hold: Young added, in 1 of 1 picture.",
            ),
            (
                {"changes": [change("Young", 2, direction="-"), change("Pale_Skin", 3)]},
                "The sparsest flips most often hold: Pale skin added, in 3 of 6 pictures.",
            ),
            (
                {"inputs": "rows", "changes": [change("income", 2, direction="-")]},
                "The sparsest flips most often hold: income lowered, in 2 of 6 rows.",
            ),
        ],
    )
    def test_each_case(self, more: dict[str, Any], text: str) -> None:
        story = tell(document(**more), [])
        assert (story.headline, story.detail, story.verdicts) == (text, "", ())

    def test_a_verdict_of_the_document_is_the_first_sentence(self) -> None:
        verdicts = [
            {"headline": "One.", "detail": "First.", "variable": "Young"},
            {"headline": "Two.", "detail": "Second.", "variable": "Male"},
        ]
        story = tell(document(verdicts=verdicts), [])
        assert (story.headline, story.detail) == ("One.", "First.")
        assert [(v.headline, v.detail) for v in story.verdicts] == [("Two.", "Second.")]


class TestContrast:
    """Two models whose intervals lie apart."""

    def test_opposite_directions_and_the_widest_gap_first(self) -> None:
        effects = [
            effect("Young", 1.0), effect("Young", -1.0, model="k"),  # apart by 1.5
            effect("Male", 2.0), effect("Male", -2.0, model="k"),  # by 3.5: this is the headline
            effect("Bald", 0.2), effect("Bald", 1.0, model="k"),  # by 0.3, one of them small
            effect("Chubby", 1.0), effect("Chubby", 1.4, model="k"),  # they overlap
            effect("Smiling", 0.0) | {"estimate": around(0.0, 0.01)},
            effect("Smiling", 0.0, model="k") | {"estimate": around(0.4, 0.01)},  # apart, too little to matter
            effect("Hat", 1.0),
        ]  # fmt: skip
        story = tell(document(models=("m", "k"), effects=effects), [])
        assert story.headline == "Male pushes the two models in opposite directions."
        assert plain(story.detail) == (
            "Through the generator: +2.00 logits (+1.75 to +2.25) for “Model M”; -2.00 logits (-2.25 to -1.75) for "
            "“Model K”. The 95 % intervals do not overlap."
        )
        assert [(c.variable, c.headline) for c in story.contrast] == [
            ("Young", "Young pushes the two models in opposite directions."),
            ("Bald", "Bald weighs differently in the two models."),
        ]

    def test_the_truth_counts_where_both_know_it(self) -> None:
        effects = [
            effect("Young", 5.0, truth=around(1.0)),
            effect("Young", 5.0, model="k", truth=around(2.0)),
        ]
        story = tell(document(models=("m", "k"), effects=effects), [])
        assert story.headline == "Young weighs differently in the two models."
        assert plain(story.detail).startswith("Measured by re-rendering: +1.00 logits (+0.75 to +1.25)")
        effects[1]["truth"] = None
        mixed = tell(document(models=("m", "k"), effects=effects), [])
        assert mixed.detail.startswith("Through the generator: ")

    def test_a_protected_attribute_goes_before_a_wider_gap(self) -> None:
        effects = [
            effect("Young", 1.0), effect("Young", -1.0, model="k"), effect("Male", 2.0),
            effect("Male", -2.0, model="k"),
        ]  # fmt: skip
        story = tell(document(models=("m", "k"), effects=effects, protected=["Young"]), [])
        assert story.headline.startswith("Young pushes")
        assert [c.variable for c in story.contrast] == ["Male"]
        none = tell(document(models=("m", "k"), effects=effects, protected=["Bald"]), [])
        assert [c.variable for c in none.contrast] == ["Male", "Young"]

    def test_what_is_hardly_edited_or_alone_is_no_contrast(self) -> None:
        effects = [
            effect("Young", 1.0, edit_success=0.1), effect("Young", -1.0, model="k", edit_success=0.1),
        ]  # fmt: skip
        assert tell(document(models=("m", "k"), effects=effects), []).contrast == ()
        assert tell(document(effects=effects), []).contrast == ()

    def test_three_are_shown_besides_the_headline(self) -> None:
        pairs = [(f"v{i}", 1.0 + i) for i in range(6)]
        effects = [effect(v, s * size, model=m) for v, size in pairs for m, s in (("m", 1), ("k", -1))]
        story = tell(document(models=("m", "k"), effects=effects), [])
        assert story.headline.startswith("v5 pushes")
        assert [c.variable for c in story.contrast] == ["v4", "v3", "v2"]


class TestFigures:
    """The strip of numbers, and what weakens them."""

    def test_found_and_genuine(self) -> None:
        genuine = [
            {"model": "m", "count": 5, "n": 6, "rate": {"value": 0.83, "low": 0.4, "high": 0.97}},
            {"model": "k", "count": 0, "n": 0, "rate": None},
        ]
        counts = [count(), count("k", found=0, searched=0, found_rate=None)]
        story = tell(document(models=("m", "k"), counts=counts, genuine=genuine, warnings=["Few."]), [])
        assert [(f.model, f.value, f.label, plain(f.interval)) for f in story.figures] == [
            ("Model M", "6 of 8", "pictures with a verified counterfactual", "41 to 93 %"),
            ("Model K", "\u2013", "pictures with a verified counterfactual", "no interval"),
            (
                "Model M",
                "5 of 6",
                "sparsest flips that are genuine: the true re-render flips too",
                "40 to 97 %",
            ),
        ]
        assert story.weaknesses == (
            "Model M: 1 of 6 flips did not survive a true re-render. They show what the generator does, not what "
            "the model reacts to.",
            "Few.",
        )

    @pytest.mark.parametrize(
        ("reason", "words", "one"),
        [("not_genuine", "verified and genuine", "genuine "), ("stalled", "verified", "")],
    )
    def test_flips_that_are_not_genuine_are_no_counterfactuals_in_any_sentence(
        self, reason: str, words: str, one: str
    ) -> None:
        rows = [{"model": "k", "reason": reason}, {"model": "m", "reason": ""}]
        story = tell(document(models=("m", "k"), instances=rows), [])
        assert {figure.label for figure in story.figures} == {f"pictures with a {words} counterfactual"}
        for finding in story.findings:
            assert f"at least one {one}counterfactual that the model itself confirms" in finding.sentences[0]
        none = tell(document(counts=[count(found=0)], instances=rows), [])
        assert none.headline.startswith(f"No {words} counterfactual was found in 8 searches")

    def test_nine_in_ten_are_no_weakness_and_none_stands_twice(self) -> None:
        good = [{"model": "m", "count": 9, "n": 10, "rate": {"value": 0.9, "low": 0.6, "high": 0.98}}]
        assert tell(document(genuine=good, warnings=["A.", "A."]), []).weaknesses == ("A.",)

    def test_what_a_logit_is_stands_where_any_are_shown(self) -> None:
        assert tell(document(), []).logits == ""
        assert tell(document(effects=[effect("x", None)]), []).logits == ""
        truth = tell(document(effects=[effect("x", None, truth=around(1.0))]), []).logits
        assert "the odds of “yes” by 2.7" in truth


class TestFindings:
    """What is found on one model, in words."""

    def sentences(self, **more: Any) -> list[str]:
        (finding,) = tell(document(**more), []).findings
        assert finding.model == "Model M"
        return [plain(sentence) for sentence in finding.sentences]

    def test_counts(self) -> None:
        assert self.sentences(counts=[count(already_target=1), count("k", found=1)]) == [
            "For 6 of 8 pictures the search found at least one counterfactual that the model itself confirms "
            "(75 %, 95 % interval 41 to 93 %).",
            "1 picture had the wanted class from the start.",
        ]
        assert self.sentences(counts=[count(searched=0, already_target=2)], inputs="texts") == [
            "2 texts had the wanted class from the start."
        ]

    def test_changes(self) -> None:
        changes = [
            change("a", 1),
            change("b", 4),
            change("c", 2),
            change("d", 3, direction="-"),
            change("e", 0),
        ]
        assert self.sentences(changes=changes)[1:] == [
            "Most frequent in the sparsest flips: b added (4 of 6, 10 to 90 %), d removed (3 of 6, 10 to 90 %) and "
            "c added (2 of 6, 10 to 90 %)."
        ]
        assert len(self.sentences(changes=[change("e", 0), change("f", 3, model="k")])) == 1
        alone = [change("e", 0), change("f", 1), change("g", 1)]
        assert self.sentences(changes=alone)[1:] == ["No change stands in the sparsest flips of two of them."]

    def test_effects(self) -> None:
        effects = [
            effect("Pale_Skin", -1.0), effect("a", 3.0), effect("b", 2.0), effect("c", 0.9), effect("yes", 9.0),
            effect("wrong", 1.0, truth=around(-1.0)),
            effect("unmeasured", 1.0, reading="cannot tell", edit_success=None),
            effect("unsure", 0.1), effect("faint", 1.0, edit_success=0.25),
            effect("other", 9.0, model="k"),
        ]  # fmt: skip
        assert self.sentences(effects=effects)[1:] == [
            "Strongest effects on the log-odds of “yes”, through the generator: a +3.00 (+2.75 to +3.25), b +2.00 "
            "(+1.75 to +2.25) and Pale skin -1.00 (-1.25 to -0.75).",
            "Re-rendering contradicts the generator for wrong: do not rely on these.",
            "Cannot tell (edits were never measured): unmeasured.",
            "Cannot tell (the interval includes 0): unsure.",
            "Cannot tell (the generator hardly edits it; how often an edit was seen, as its maker measured): faint "
            "(25 %).",
        ]
        assert "(too wide an interval about 0.40 logits, or too few pictures): unsure." in " ".join(
            self.sentences(effects=effects, practical=0.4)
        )

    def test_genuine(self) -> None:
        genuine = [{"model": "m", "count": 5, "n": 6, "rate": {"value": 0.83, "low": 0.4, "high": 0.97}}]
        assert self.sentences(genuine=genuine)[1:] == [
            "5 of 6 flips are genuine (83 %, 40 to 97 %): the model flips on the true picture with the same change, "
            "too."
        ]


class TestExamples:
    """The picture that the page begins with."""

    @staticmethod
    def article(name: str, *tiles: tuple[str, str] | None, original: str | None = "o") -> Any:
        """One strip a tile, which has a status and its first change; the best stands second in its strip."""
        strips = []
        for i, tile in enumerate(tiles):
            status, words = tile or ("", "")
            best = (
                SimpleNamespace(status=status, changes=((words, ""),), image="i", text=()) if tile else None
            )
            shown = (SimpleNamespace(), best) if best else ()
            strips.append(SimpleNamespace(model=f"M{i}", best=best, cells=None, tiles=shown))
        return SimpleNamespace(name=name, original=original, text=None, strips=tuple(strips))

    def chosen(self, *articles: Any, about: str = "") -> list[str]:
        verdicts = [{"headline": "H.", "detail": "", "variable": about}] if about else []
        story = tell(document(verdicts=verdicts), cast("Any", articles))
        assert [e.strip for e in story.examples] == [
            s for a in articles if story.examples and a.name == story.examples[0].picture for s in a.strips
        ]
        return [f"{e.model} {e.picture} {e.place}" for e in story.examples]

    def test_a_genuine_flip_goes_before_a_verified_one_and_that_before_an_artefact(self) -> None:
        a, b, c = (
            self.article(n, (s, "x")) for n, s in (("a", "artefact"), ("b", "verified"), ("c", "genuine"))
        )
        assert self.chosen(a, b, c) == ["M0 c 1"]
        assert self.chosen(a, b) == ["M0 b 1"]
        assert self.chosen(a) == ["M0 a 1"]
        assert self.chosen(self.article("d", ("unverified", "x"))) == []

    def test_of_equal_ones_the_first_that_shows_the_headlines_attribute(self) -> None:
        first, second = (
            self.article("a", ("verified", "Young added")),
            self.article("b", ("verified", "Male added")),
        )
        assert self.chosen(first, second) == ["M0 a 1"]
        assert self.chosen(first, second, about="Male") == ["M0 b 1"]
        assert self.chosen(self.article("g", ("genuine", "Young added")), second, about="Male") == ["M0 g 1"]

    def test_every_model_must_have_one(self) -> None:
        half, both = self.article("a", ("genuine", "x"), None), self.article("b", *[("artefact", "x")] * 2)
        assert self.chosen(half, both) == ["M0 b 1", "M1 b 1"]
        assert self.chosen(half) == []
        assert self.chosen(self.article("n", ("genuine", "x"), original=None)) == []
