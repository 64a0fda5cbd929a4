"""A holdout is cut off a table: reproducibly, with equal rows on one side, and recognizably."""

import io

import pandas as pd
import pytest

from hotswap.evaluation.row_hashes import TrainingRows
from registry.codecs.requests import CSV, PARQUET
from registry.gates.holdouts import FORMATS, batches
from registry.gates.overlap import Overlap
from trainers.file_settings import FileSettings
from trainers.holding_out import hold_out, whole_holdout
from trainers.recipe import Recipe
from trainers.training import train


def test_the_parts_have_every_row_once_with_its_cells_as_written(shops_csv):
    parts = hold_out(str(shops_csv), "sales", 0.2, seed=1)

    lines = shops_csv.read_text().splitlines()[1:]
    written = [frame.to_csv(index=False).splitlines()[1:] for frame in (parts.holdout, parts.rest)]
    assert [len(part) for part in written] == [12, 48]
    held = [line.replace("true", "True").replace("false", "False") for line in written[0]]
    assert sorted(held + written[1]) == sorted(lines)


def test_a_holdout_has_the_cells_as_requests_have_them(tmp_path):
    path = tmp_path / "shops.csv"
    path.write_text(
        "code;size;price;opened;sales\n"
        + "".join(
            f"0{row:02};{row},5;1.{row:03},0 €;{row % 28 + 1}.02.2026;{row}\n" for row in range(60)
        )
    )

    parts = hold_out(str(path), "sales", 0.5, seed=1)

    first, last = parts.holdout.iloc[0], parts.rest.iloc[0]
    row = int(first["sales"])
    assert first.tolist() == [
        *(f"0{row:02}", f"{row}.5", f"{1000 + row}.0", f"2026-02-{row % 28 + 1:02}", str(row)),
    ]
    assert (last["size"], parts.delimiter) == (f"{last['sales']},5", ";")


def test_the_same_seed_gives_the_same_rows_and_another_one_others(shops_csv):
    first, again, other = (hold_out(str(shops_csv), "sales", 0.2, seed).holdout
                           for seed in (1, 1, 2))  # fmt: skip

    assert first.equals(again)
    assert not first.equals(other)


def test_classes_keep_their_shares(shops_csv):
    parts = hold_out(str(shops_csv), "thrives", 0.2, seed=1)

    assert parts.holdout["thrives"].value_counts().to_dict() == {"yes": 6, "no": 6}


def test_a_class_that_is_too_rare_to_keep_its_share_is_split_by_chance(shops, tmp_path):
    shops["thrives"] = ["rare"] * 2 + ["yes", "no"] * 29
    path = tmp_path / "shops.csv"
    pd.concat([shops.iloc[:1], shops.iloc[:1], shops.iloc[2:]]).to_csv(path, index=False)
    for seed in range(20):
        parts = hold_out(str(path), "thrives", 0.2, seed)
        if not parts.holdout["thrives"].eq("rare").any():
            return
    pytest.fail("the rare class was never kept to train on")


def test_equal_rows_stay_together_and_rows_without_a_target_are_not_held_out(shops, tmp_path):
    shops.loc[10, "sales"] = None
    path = tmp_path / "shops.csv"
    pd.concat([shops, shops, shops]).to_csv(path, index=False)

    parts = hold_out(str(path), "sales", 0.25, seed=3)

    held, kept = ({tuple(row) for row in part.fillna("").itertuples(index=False)}
                  for part in (parts.holdout, parts.rest))  # fmt: skip
    assert (len(parts.holdout), held & kept) == (45, set())
    assert parts.holdout["sales"].notna().all()


@pytest.mark.parametrize("media_type", [CSV, PARQUET])
def test_training_rows_are_recognized_in_a_holdout(shops, shops_csv, media_type):
    shops["opened"] = pd.date_range("2020-01-01", periods=60, freq="31h")
    shops.to_csv(shops_csv, index=False)
    model = train(Recipe(data=str(shops_csv), kind="forest", target="thrives"))
    body = io.BytesIO()
    shops.to_csv(body, index=False) if media_type == CSV else shops.to_parquet(body, index=False)
    overlap = Overlap(TrainingRows.from_bytes(model.training_rows), model.signature, "thrives")

    for batch in batches(body, FORMATS[media_type], "thrives", model.signature):
        overlap.add(batch)

    assert (overlap.known, overlap.rows) == (model.evaluation["train_rows"], 60)


def test_training_rows_are_recognized_in_a_file_with_cells_that_mean_missing(tmp_path):
    path = tmp_path / "shops.csv"
    zones = ["NA", "?", "north", "south"]
    path.write_text(
        "zone,size,sales\n"
        + "".join(f"{zones[row % 4]},{'-' if row % 9 == 0 else row},{row}.5\n" for row in range(60))
    )
    settings = FileSettings(na_values=("?", "-"))
    model = train(Recipe(data=str(path), kind="forest", target="sales", file=settings))
    overlap = Overlap(TrainingRows.from_bytes(model.training_rows), model.signature, "sales")

    body = io.BytesIO(whole_holdout(str(path), settings).to_csv(index=False).encode())
    for batch in batches(body, FORMATS[CSV], "sales", model.signature):
        overlap.add(batch)

    assert (overlap.known, overlap.rows) == (model.evaluation["train_rows"], 60)
