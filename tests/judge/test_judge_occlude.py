"""Pieces of items: known words, squares and tones decide, and are found to."""

import numpy as np
import pyarrow.parquet as pq
import pytest
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from chiasm.encode.image import Gradients
from chiasm.encode.sound import LogMel
from chiasm.encode.text import Lexical
from chiasm.errors import DataError, ShapeError
from chiasm.judge.occlude import Stilled, effects, occlude, pieces, word_spans
from chiasm.rows.media import Sound, decode_image, decode_sound
from chiasm.rows.series import Series

RATE = 8000


def top(parts):
    return max(parts, key=lambda part: part.effect)


def scored(encoder, model, place):
    """The probability of a class, through a real encoder and a real head."""
    return lambda items: model.predict_proba(encoder.transform(encoder.describe(items)))[:, place]


# Text


def test_the_word_that_decides_is_the_top_piece():
    rng = np.random.default_rng(0)
    common = ["the", "patient", "was", "seen", "today", "after", "a", "short", "visit", "with", "no", "pain"]
    texts = [" ".join(rng.choice(common, 9)) + (" fever" if i % 2 else " rest") for i in range(80)]
    encoder = Lexical(dim=32).fit(Lexical().describe(texts))
    model = LogisticRegression().fit(encoder.transform(encoder.describe(texts)), np.arange(80) % 2)
    parts = occlude(
        "text", "The patient, after a short visit: FEVER, and no pain.", scored(encoder, model, 1)
    )
    assert top(parts).what == "FEVER"
    assert [part.what for part in parts][:3] == ["The", "patient", "after"]


def test_a_word_is_taken_away_with_its_space_and_nothing_else():
    text = "don't  stop — now"
    found = list(pieces("text", text))
    assert [(p.what, p.changed) for p in found] == [
        ("don't", " stop — now"),
        ("stop", "don't  — now"),
        ("now", "don't  stop — "),
    ]
    assert all(text[p.where[0] : p.where[1]] == p.what for p in found)


def test_text_without_spaces_is_taken_apart_by_characters():
    found = list(pieces("text", "我喜欢狗。ok"))
    assert [p.what for p in found] == ["我", "喜", "欢", "狗", "ok"]
    assert found[3].changed == "我喜欢。ok"


def test_of_a_long_text_the_sentence_that_decides_is_found_and_then_its_word():
    plain = "The sky was grey over the town and people walked home. "
    text = plain * 30 + "Suddenly a whale jumped out of the pond. " + plain * 25
    asked = []

    def score_of(texts):
        asked.append(len(texts))
        return np.array([0.9 if "whale" in one else 0.1 for one in texts])

    parts = occlude("text", text, score_of)
    words = [part for part in parts if part.kind == "words"]
    assert top(words).what == "whale"
    assert "whale" in top(part for part in parts if part.kind == "sentence").what
    assert sum(asked) < 150


def test_one_endless_sentence_takes_few_looks():
    words = [f"w{i}" for i in range(5000)]
    asked = []

    def score_of(texts):
        asked.append(len(texts))
        return np.array(["w4321 " in one for one in texts], float)

    parts = occlude("text", " ".join(words), score_of)
    assert "w4321" in top(part for part in parts if part.kind == "words").what.split()
    assert sum(asked) < 150


@pytest.mark.parametrize("text", ["", "  ", "…!?", "🙂"])
def test_text_without_words_has_no_pieces(text):
    assert occlude("text", text, lambda texts: np.zeros(len(texts))) == []


# Images


def test_the_bright_square_that_decides_lies_under_the_top_patch():
    rng = np.random.default_rng(1)

    def drawn(bright):
        pixels = rng.integers(0, 60, (70, 70, 3)).astype(np.uint8)
        if bright:
            pixels[20:30, 40:50] = 250
        return pixels

    images, y = [drawn(i % 2) for i in range(60)], np.arange(60) % 2
    encoder = Gradients(dim=32).fit(Gradients().describe(images))
    model = LogisticRegression().fit(encoder.transform(encoder.describe(images)), y)
    parts = occlude("image", images[1], scored(encoder, model, 1))
    assert len(parts) == 49
    assert top(parts).where == (20, 40, 30, 50)
    assert top(parts).what == "patch 3 down, 5 across"


@pytest.mark.parametrize(("shape", "count"), [((1, 1), 1), ((3, 200), 7), ((28, 28), 49), ((120, 60), 28)])
def test_patches_cover_every_pixel_once(shape, count):
    found = list(pieces("image", np.zeros((*shape, 3), np.uint8)))
    cover = np.zeros(shape)
    for piece in found:
        t, left, b, right = piece.where
        cover[t:b, left:right] += 1
    assert (cover == 1).all()
    assert len(found) == count


def test_drawn_digits_are_explained_by_their_strokes(shared_data):
    table = pq.read_table(shared_data / "mnist/mnist.parquet", columns=["label", "image"])[:600].to_pylist()
    images, y = [decode_image(one["image"]) for one in table], [one["label"] for one in table]
    encoder = Gradients(dim=64).fit(Gradients().describe(images[:500]))
    model = LogisticRegression(max_iter=300).fit(encoder.transform(encoder.describe(images[:500])), y[:500])
    inside = []
    for picture, label in zip(images[500:520], y[500:520], strict=True):
        parts = occlude("image", picture, scored(encoder, model, list(model.classes_).index(label)))
        t, left, b, right = top(parts).where
        inside.append(picture[max(t - 4, 0) : b + 4, max(left - 4, 0) : right + 4].max() > 100)
        dark = [p for p in parts if picture[p.where[0] : p.where[2], p.where[1] : p.where[3]].max() == 0]
        assert max(abs(p.effect) for p in dark) < 0.5
    assert np.mean(inside) == 1.0  # what helps is ink, or the gap right beside it


# Sound, series, video


def test_only_the_half_with_the_tone_tells_its_pitch():
    rng = np.random.default_rng(2)
    time = np.arange(RATE) / RATE

    def made(pitch):
        samples = 0.02 * rng.standard_normal(RATE)
        samples[RATE // 2 :] += 0.1 * np.sin(2 * np.pi * pitch * time[RATE // 2 :])
        return Sound(samples.astype(np.float32), RATE)

    sounds, y = [made(440 + 880 * (i % 2)) for i in range(30)], np.arange(30) % 2
    encoder = LogMel(dim=16).fit(LogMel().describe(sounds))
    model = LogisticRegression(C=1e-4).fit(encoder.transform(encoder.describe(sounds)), y)
    parts = occlude("sound", sounds[1], scored(encoder, model, 1))
    assert len(parts) == 20
    early, late = (np.array([part.effect for part in half]) for half in (parts[:10], parts[10:]))
    assert top(parts).where[0] >= 0.5
    assert late.min() > 3 * np.abs(early).max()


def test_a_window_is_hushed_to_the_level_of_the_pauses():
    steady = Sound(np.sin(np.arange(4000, dtype=np.float32)), RATE)
    paused = Sound(np.where(np.arange(4000) < 1000, 0.01, 1).astype(np.float32) * steady.samples, RATE)
    levels = [[np.sqrt((p.changed.samples[2000:2200] ** 2).mean()) for p in pieces("sound", s)][10]
              for s in (steady, paused)]  # fmt: skip
    np.testing.assert_allclose(levels, [0.0316 * 0.707, 0.01 * 0.707], rtol=0.05)
    silent = Sound(np.zeros(100, np.float32), RATE)
    assert all((p.changed.samples == 0).all() for p in pieces("sound", silent))


def test_spoken_digits_are_explained_where_they_are_spoken(shared_data):
    table = pq.read_table(shared_data / "fsdd/fsdd_flac.parquet", columns=["digit", "audio"])[
        :400
    ].to_pylist()
    sounds, y = [decode_sound(one["audio"]) for one in table], [one["digit"] for one in table]
    encoder = LogMel(dim=64).fit(LogMel().describe(sounds))
    model = LogisticRegression(max_iter=300).fit(encoder.transform(encoder.describe(sounds)), y)
    for place in (0, 150, 350):
        score_of = scored(encoder, model, list(model.classes_).index(y[place]))
        parts = occlude("sound", sounds[place], score_of)
        loud = [np.abs(part).mean() for part in np.array_split(sounds[place].samples, len(parts))]
        assert loud[parts.index(top(parts))] > np.quantile(loud, 0.25)
        assert parts == occlude("sound", sounds[place], score_of)  # the same again


def test_the_stretch_and_the_channel_with_the_peak_matter():
    values = np.zeros((200, 3), np.float32)
    values[100:110, 1] = 5.0
    series = Series(values, 50.0)
    parts = occlude("series", series, lambda items: [one.values[:, 1].max() for one in items])
    assert top(p for p in parts if p.kind == "window").where == (2.0, 2.2)
    assert top(p for p in parts if p.kind == "channel").what == "channel 2"
    assert [p.effect for p in parts if p.kind == "channel"][::2] == [0.0, 0.0]
    assert next(pieces("series", Series(values))).what == "steps 1–10"  # no rate, no seconds


def test_a_window_of_a_series_becomes_the_line_between_its_ends():
    values = np.arange(40, dtype=np.float32)[:, None] ** 2
    first, second, *_, last = (p.changed.values[:, 0] for p in pieces("series", Series(values, 1.0)))
    np.testing.assert_allclose(first[:3], [4, 4, 4])
    np.testing.assert_allclose(second[1:5], [1, 1 + 5, 1 + 10, 16])
    np.testing.assert_allclose(last[37:], 37.0**2)
    assert len(list(pieces("series", Series(values[:1], 1.0)))) == 1  # one step: nothing beside it to go by


@pytest.mark.parametrize("modality", ["vector", "number", "category", "name"])
def test_what_has_no_pieces_has_none(modality):
    assert list(pieces(modality, object())) == []


# Contract of the scores


def test_a_batch_is_asked_at_once_and_its_answer_is_checked():
    some = list(pieces("text", "a b c"))
    assert [part.effect for part in effects(some, lambda texts: [0.1, 0.5, 0.9], 0.5)] == [0.4, 0.0, -0.4]
    with pytest.raises(ShapeError, match=r"expected \(3,\) scores, got \(2,\)"):
        effects(some, lambda texts: [0.1, 0.5], 0.5)
    with pytest.raises(DataError, match="not finite"):
        effects(some, lambda texts: [0.1, np.nan, 0.5], 0.5)


def test_words_of_a_pipeline_are_weighed_as_it_weighs_them():
    texts, y = ["good film", "bad film", "good plot", "bad plot"], [1, 0, 1, 0]
    model = make_pipeline(CountVectorizer(), LogisticRegression()).fit(texts, y)
    parts = occlude("text", "a good film with a bad plot", lambda some: model.predict_proba(some)[:, 1])
    assert top(parts).what == "good"
    assert min(parts, key=lambda part: part.effect).what == "bad"
    assert word_spans("well-known isn't a_b") == [(0, 10), (11, 16), (17, 18), (19, 20)]


def test_a_video_stands_still_for_a_while(tmp_path):
    import av

    path = tmp_path / "v.mp4"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("mpeg4", rate=8)
        stream.width = stream.height = 32
        for i in range(32):
            grey = np.full((32, 32, 3), 7 * i, np.uint8)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(grey, "rgb24")))
        out.mux(stream.encode())
    from chiasm.rows.video import decode_video

    video = decode_video(path.read_bytes())
    found = list(pieces("video", video))
    assert len(found) == 8
    assert isinstance(found[2].changed, Stilled)
    whole, still = (v.frames(32).mean(axis=(1, 2, 3)) for v in (video, found[2].changed))
    np.testing.assert_array_equal(still[:8], whole[:8])
    np.testing.assert_array_equal(still[8:12], whole[7])
    np.testing.assert_array_equal(still[12:], whole[12:])
    assert found[2].changed.sound() is None
    np.testing.assert_array_equal(found[0].changed.frames(32)[0], video.frames(32)[4])
    assert found[0].changed.frames(1).shape == (1, 32, 32, 3)
