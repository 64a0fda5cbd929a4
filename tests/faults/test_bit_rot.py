"""Bytes change on the disk: none of them are served, and the scrub finds all of them."""

import random
from collections import Counter

import numpy as np
import pytest
import skops.io
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LinearRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeRegressor
from sqlalchemy import select

from registry.blobs.local import LocalBlobStore
from registry.engines.loading import loader
from registry.engines.predictor import example_batch
from registry.errors import BlobUnavailable
from registry.intake.inspector import Inspector
from registry.live.snapshot import served_version
from registry.operations.register import Metadata, register
from registry.operations.scrub import scrub
from registry.storage.database import Database
from registry.storage.schema import upgrade
from registry.storage.tables import VersionRow


class Registry:
    """Models that are served in different ways, and the bytes that they ought to have."""

    def __init__(self, folder, spawner):
        self.database = Database(f"sqlite:///{folder / 'registry.db'}")
        upgrade(self.database)
        self.blobs = LocalBlobStore(folder / "blobs")
        self.spawner = spawner
        inspector = Inspector(spawner=spawner)
        for model in _models():
            with self.blobs.stage(10**7) as blob:
                blob.write(skops.io.dumps(model))
                register(
                    *(self.database, inspector, "m", blob, Metadata(format="skops")),
                    actor="ci",
                )
        with self.database.read() as session:
            self.versions = [served_version(row) for row in session.scalars(select(VersionRow))]
        self.intact = {
            digest: self.blobs.path_of(digest).read_bytes() for digest in self.blobs.digests()
        }
        self.answers = {version.number: self.answer(version) for version in self.versions}

    def answer(self, version):
        """What the version predicts after it was loaded anew; None where it is refused."""
        try:
            predictor = loader(self.blobs, self.spawner)(version)
        except BlobUnavailable:
            return None
        batch = example_batch(version.signature, version.input_example)
        return [str(value) for value in predictor.predict(batch).values]

    def opens(self, digest):
        """Whether the store gives these bytes out."""
        try:
            self.blobs.open(digest).close()
        except BlobUnavailable:
            return False
        return True

    def repair(self, digests):
        """Put the right bytes back, as from a backup."""
        for digest in digests:
            self.blobs.path_of(digest).write_bytes(self.intact[digest])

    def close(self):
        self.database.dispose()


def _models():
    draws = np.random.default_rng(3)
    rows = draws.normal(size=(60, 3))
    target = rows @ [1.0, -2.0, 0.5]
    return [
        RandomForestRegressor(5, random_state=0).fit(rows, target),
        make_pipeline(StandardScaler(), DecisionTreeRegressor(max_depth=4)).fit(rows, target),
        LinearRegression().fit(rows, target),
        GaussianNB().fit(rows, target > 0),
    ]


@pytest.fixture
def registry(tmp_path, spawner):
    registry = Registry(tmp_path, spawner)
    yield registry
    registry.close()


def damage(path, others, chance):
    """Change what stands at ``path`` in one of the ways in which disks and people do."""
    content = bytearray(path.read_bytes())
    kind = chance.choice(["flipped", "zeroed", "cut", "appended", "emptied", "replaced"])
    place = chance.randrange(len(content))
    if kind == "flipped":
        content[place] ^= 1 << chance.randrange(8)
    elif kind == "zeroed":
        content[place : place + 512] = bytes(len(content[place : place + 512]))
        content[place] ^= 0xFF
    elif kind == "cut":
        del content[place:]
    elif kind == "appended":
        content += chance.randbytes(1 + place % 100)
    elif kind == "emptied":
        content.clear()
    else:
        content[:] = chance.choice(others)
    path.write_bytes(content)
    return kind


def test_damaged_bytes_are_found_and_never_served(registry, long_faults, tell):
    chance = random.Random(12)
    kinds, served, found, aside = Counter(), 0, 0, 0
    wanted = 1000 if long_faults else 40
    while kinds.total() < wanted:
        hit = set(chance.sample(sorted(registry.intact), k=len(registry.intact) // 2))
        for digest in sorted(hit):
            others = [registry.intact[other] for other in registry.intact if other != digest]
            kinds[damage(registry.blobs.path_of(digest), others, chance)] += 1
        by_scrub_first = chance.random() < 0.5
        if by_scrub_first:
            losses = scrub(registry.database, registry.blobs).losses
            assert {loss.state for loss in losses} == {"damaged"}
        for version in registry.versions:
            assert registry.answer(version) in (None, registry.answers[version.number])
        served += sum(registry.opens(digest) for digest in hit)
        assert all(registry.opens(digest) for digest in registry.intact.keys() - hit)
        if not by_scrub_first:
            losses = scrub(registry.database, registry.blobs).losses
        assert {loss.digest for loss in losses} == hit
        found += len(losses)
        for path in (registry.blobs.root / "damaged").iterdir():
            aside += 1
            path.unlink()
        registry.repair(hit)
        assert all(registry.answer(v) == registry.answers[v.number] for v in registry.versions)

    assert (served, found, aside) == (0, kinds.total(), kinds.total())
    said = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    tell(f"bit rot: {kinds.total()} blobs ({said}), {served} served, {found} found, {aside} aside")
