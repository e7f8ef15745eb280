"""The model as it is served."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np

from components.data.dataset import Dataset
from components.evaluation.judge import Judged
from components.evaluation.metrics import r2
from components.models.portfolio.portfolio_health.actions import ACTIONS, scenes
from components.models.portfolio.portfolio_health.categories import categorise
from components.models.portfolio.portfolio_health.judge import JUDGE, linear, mean
from components.models.portfolio.portfolio_health.model import PortfolioHealth

Parts = tuple[Dataset, Dataset, Dataset]


def judged(model: PortfolioHealth, parts: Parts) -> Judged:
    history, test = parts[0], parts[2]
    outputs = model.predict(test.inputs)
    rivals = {name: rival(history, test) for name, rival in JUDGE.baselines.items()}
    losses = {name: JUDGE.loss(answer, test) for name, answer in rivals.items()}
    return Judged(test, outputs, rivals, JUDGE.loss(outputs, test), losses, np.zeros(len(test), dtype=np.int64))


def test_outputs_fit_their_schema(model: PortfolioHealth, parts: Parts) -> None:
    outputs = model.predict(parts[2].inputs)
    model.output_schema.validate(outputs)
    assert list(outputs) == list(model.output_schema.names)


def test_outputs_agree_with_each_other(model: PortfolioHealth, parts: Parts) -> None:
    o = model.predict(parts[2].inputs)
    np.testing.assert_allclose(o["health_score"], o["components"].mean(axis=1), rtol=1e-12)
    assert (o["lower"] < o["health_score"]).all()
    assert (o["health_score"] < o["upper"]).all()
    assert (o["components"] >= 0).all()
    assert (o["components"] <= 100).all()
    assert ((o["confidence"] > 0) & (o["confidence"] < 1)).all()
    change = o["counterfactual_score"] - o["health_score"][:, None]
    np.testing.assert_array_equal(o["counterfactual_change"], change)


def test_a_counterfactual_is_the_score_of_the_changed_portfolio(model: PortfolioHealth, parts: Parts) -> None:
    features = parts[2].inputs["features"][:20]
    told = model.predict({"features": features})["counterfactual_score"]
    for i in range(len(ACTIONS)):
        asked = model.predict({"features": scenes(features)[:, 1 + i]})["health_score"]
        np.testing.assert_array_equal(asked, told[:, i])


def test_a_batch_equals_its_rows_to_the_last_bit(model: PortfolioHealth, parts: Parts) -> None:
    features = parts[2].inputs["features"][:40]
    whole = model.predict({"features": features})
    for i in range(len(features)):
        alone = model.predict({"features": features[i : i + 1]})
        for name, values in whole.items():
            np.testing.assert_array_equal(alone[name][0], values[i], err_msg=name)


def test_the_order_of_the_rows_is_nothing_to_it(model: PortfolioHealth, parts: Parts) -> None:
    features = parts[2].inputs["features"][:40]
    there = model.predict({"features": features})["health_score"]
    back = model.predict({"features": features[::-1].copy()})["health_score"]
    np.testing.assert_array_equal(back[::-1], there)


def test_shares_that_do_not_sum_to_100_are_rescaled(model: PortfolioHealth, parts: Parts) -> None:
    """An explainer asks about columns one by one; the proportions of the four classes are what counts."""
    from components.models.portfolio.portfolio_health.columns import AT_CLASSES

    features = parts[2].inputs["features"][:50].copy()
    want = model.members.score(features) if model.members else {}
    features[:, AT_CLASSES] /= 2
    got = model.members.score(features) if model.members else {}
    assert want
    for name, values in want.items():
        np.testing.assert_allclose(got[name], values, atol=1e-3)


def test_it_explains_most_of_what_the_raters_say(model: PortfolioHealth, parts: Parts) -> None:
    """Document 0 wants R2 above 0.70, here of a model with eight trees and 25 epochs."""
    test = parts[2]
    assert r2(test.targets["rating"][:, 0], model.predict(test.inputs)["health_score"]) > 0.85


def test_it_beats_its_baselines_and_its_claims_hold(model: PortfolioHealth, parts: Parts) -> None:
    found = judged(model, parts)
    assert found.loss.mean() < 0.8 * found.baseline_losses["linear_regression"].mean()
    assert found.baseline_losses["linear_regression"].mean() < found.baseline_losses["mean"].mean()
    claims = {claim.name: claim for claim in JUDGE.claims(found)}
    assert set(claims) == {"r2", "monotone", "coverage", "calibration"}
    assert claims["monotone"].passed
    assert claims["r2"].passed


def test_claims_can_fail(model: PortfolioHealth, parts: Parts) -> None:
    found = judged(model, parts)
    spoiled = dict(found.outputs)
    spoiled["health_score"] = np.full(len(found.loss), 50.0)
    spoiled["counterfactual_change"] = found.outputs["counterfactual_change"] - 1
    spoiled["upper"] = found.outputs["lower"]
    spoiled["confidence"] = np.full(len(found.loss), 0.01)
    worse = Judged(found.data, spoiled, {}, JUDGE.loss(spoiled, found.data), {}, found.fold)
    wrong = {claim.name: claim.passed for claim in JUDGE.claims(worse)}
    assert wrong == {"r2": False, "monotone": False, "coverage": False, "calibration": False}


def test_baselines_do_not_look_at_what_they_are_judged_by(parts: Parts) -> None:
    history, test = parts[0], parts[2]
    other = Dataset(test.inputs, {"rating": test.targets["rating"] * 0}, test.times, test.label_times, test.entities)
    for rival in (linear, mean):
        np.testing.assert_array_equal(rival(history, test)["health_score"], rival(history, other)["health_score"])


def test_the_page_shows_scores_and_confidence(model: PortfolioHealth, parts: Parts) -> None:
    (figure,) = JUDGE.figures(judged(model, parts))
    assert figure.html.count("<svg") == 1
    assert "R²" in figure.html


def test_served_and_native_agree(saved: Path, model: PortfolioHealth, parts: Parts) -> None:
    again = PortfolioHealth.load(saved).predict(parts[2].inputs)
    for name, values in model.predict(parts[2].inputs).items():
        np.testing.assert_array_equal(again[name], values)
    assert {p.suffix for p in saved.iterdir()} == {".json", ".onnx"}


def test_categories_change_where_the_shown_score_does() -> None:
    words = categorise(np.array([0, 49.4, 49.6, 69.4, 69.6, 78, 84.4, 84.6, 100.0]))["category"].tolist()
    assert words == ["Poor", "Poor", "Fair", "Fair", "Good", "Good", "Good", "Excellent", "Excellent"]


def test_serving_imports_no_training_library(saved: Path) -> None:
    code = (
        "import sys; from pathlib import Path; import numpy as np\n"
        "from components.models.portfolio.portfolio_health.model import PortfolioHealth\n"
        f"model = PortfolioHealth.load(Path({str(saved)!r}))\n"
        "model.predict({'features': np.array([[c.minimum for c in model.input_schema.tensors[0].columns]])})\n"
        "print(sorted({'torch', 'sklearn', 'pandas', 'scipy', 'onnx', 'pyarrow'} & set(sys.modules)))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"
