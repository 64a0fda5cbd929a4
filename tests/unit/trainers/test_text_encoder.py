"""TextEncoder weighs terms as scikit-learn's TfidfVectorizer does, and travels in a skops file."""

import numpy as np
import pandas as pd
import pytest
import skops.io
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.feature_extraction.text import TfidfVectorizer

from registry.text_encoder import TextEncoder

TEXTS = [
    "The cat sat on the mat, the CAT!",
    "a dog; İstanbul, Straße naïve 日本語 x2 _under 1,100",
    "",
    "don't stop me now me me me",
    "word " * 5_000,
]
FRAME = pd.DataFrame({"said": pd.Series(TEXTS, dtype=object)})
STEP = TextEncoder().fit(FRAME)
THEIRS = TfidfVectorizer().fit(TEXTS)


@given(
    st.text() | st.lists(st.sampled_from(["cat", "CAT", "x2", "straße", "-", "me"])).map(" ".join)
)
def test_weights_are_those_of_scikit_learn(text):
    made = STEP.transform(pd.DataFrame({"said": [text]}))
    theirs = THEIRS.transform([text])

    assert made.indices.tolist() == theirs.indices.tolist()
    assert made.data.tolist() == pytest.approx(theirs.data.tolist(), rel=1e-15)


def test_a_missing_text_has_no_terms():
    made = STEP.transform(pd.DataFrame({"said": [None, np.nan, "cat"]}))

    assert np.diff(made.indptr).tolist() == [0, 0, 1]


def test_the_most_frequent_terms_are_kept():
    step = TextEncoder(max_terms=2).fit(FRAME)

    assert step.terms_ == ["me word"]


def test_several_columns_have_terms_of_their_own():
    frame = FRAME.assign(other=FRAME["said"].to_numpy()[::-1])
    step = TextEncoder(max_terms=2).fit(frame)

    assert step.get_feature_names_out().tolist() == [
        *("said_me", "said_word", "other_me", "other_word")
    ]
    assert step.transform(frame).toarray()[3].tolist() == [1.0, 0.0, 0.0, 0.0]


def test_a_column_without_terms_is_refused():
    with pytest.raises(ValueError, match="empty vocabulary"):
        TextEncoder().fit(pd.DataFrame({"said": ["", "a", None]}))


def test_a_clone_is_not_fitted_and_a_saved_one_answers_alike():
    saved = skops.io.loads(skops.io.dumps(STEP), trusted=["registry.text_encoder.TextEncoder"])

    assert (saved.transform(FRAME) != STEP.transform(FRAME)).nnz == 0
    assert not hasattr(clone(STEP), "terms_")
